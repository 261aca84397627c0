/// What a task does to a cell.
enum Work: UInt8 {
  /// vkCmdFillBuffer and vkCmdUpdateBuffer.
  case fill
  /// A copy of part of another cell.
  case copy
  /// A dispatch over the words of a cell, perhaps of the target itself.
  case mix
  /// A copy of words that the host writes for this task.
  case feed
  /// A draw inside an occlusion query, a query of pipeline statistics and two timestamps.
  case draw
  /// No submit: the host itself reads one mapped cell, changes another, and signals that it has.
  case visit
}

/// When the host writes what a `feed` reads.
enum Feeding: UInt8 {
  case beforeSubmit
  /// After it; the submit waits for a timeline semaphore that the host signals then.
  case beforeSignal
  /// After it; the command buffer waits for an event that the host sets then.
  case beforeEvent
}

/// How a task is kept behind an earlier one.
enum Ordering: UInt8 {
  /// By the order of submission to one queue, and a barrier.
  case queue
  /// By a binary semaphore made for the two.
  case binary
  /// By the value of the other lane's timeline semaphore.
  case timeline
  /// By a wait of the host.
  case host
}

struct Awaited {
  var lane: Int32
  var sequence: UInt32
  var ordering: Ordering
  /// For a binary semaphore: which.
  var edge: Int32 = -1
}

struct Task {
  var lane: Int32
  /// From 1 on in its lane: the value that the lane's timeline has when the task is done.
  var sequence: UInt32
  var work: Work
  var feeding: Feeding
  /// Cells, counted over all devices. A source on another device is read by a `visit` alone.
  var source: Int32
  var target: Int32
  /// Whatever else is to be chosen for the task follows from this.
  var seed: UInt64
  var awaited: Range<Int>
  /// The binary semaphore that this task signals, or -1.
  var edge: Int32 = -1
}

/// The machine that a plan is for.
struct Extent {
  var threads: Int
  var devices: Int
  var queuesPerDevice: Int
  /// Submits of each thread to each queue.
  var submits: Int
  let cellsPerDevice = 10
  /// The first cells of a device are mapped by the host for good.
  let mappedCells = 4

  var queues: Int { devices * queuesPerDevice }
  /// A lane is one thread's use of one queue.
  var lanes: Int { threads * queues }
  func thread(ofLane lane: Int) -> Int { lane / queues }
  func queue(ofLane lane: Int) -> Int { lane % queues }
  func device(ofLane lane: Int) -> Int { queue(ofLane: lane) / queuesPerDevice }
}

/// Every task of every thread, in an order that has only one outcome: each task is kept behind those
/// whose cells it reads or overwrites. Threads work on it as fast as they can.
struct Plan {
  private(set) var tasks: [Task] = []
  private(set) var awaited: [Awaited] = []
  private(set) var edges = 0
  /// For each thread, its tasks.
  private(set) var work: [[Int]]

  init(_ extent: Extent, seed: UInt64) {
    work = Array(repeating: [], count: extent.threads)
    var planner = Planner(extent)
    var random = Random(seed)
    var left = [Int](repeating: extent.submits, count: extent.lanes)
    var open = Array(0..<extent.lanes)
    tasks.reserveCapacity(extent.lanes * extent.submits)
    while !open.isEmpty {
      let choice = random.below(open.count)
      let lane = open[choice]
      work[extent.thread(ofLane: lane)].append(tasks.count)
      add(lane, &planner, &random)
      left[lane] -= 1
      if left[lane] == 0 { open.remove(at: choice) }
    }
  }

  private mutating func add(_ lane: Int, _ planner: inout Planner, _ random: inout Random) {
    let extent = planner.extent
    let work: Work =
      switch random.below(16) {
      case 0: .fill
      case 1...3: .copy
      case 4...7: .mix
      case 8...12: .feed
      case 13...14: .draw
      default: .visit
      }
    let feeding: Feeding =
      switch work == .feed ? random.below(4) : 0 {
      case 0, 1: .beforeSubmit
      case 2: .beforeSignal
      default: .beforeEvent
      }
    let reachable = work == .visit ? extent.mappedCells : extent.cellsPerDevice
    let first = extent.device(ofLane: lane) * extent.cellsPerDevice
    let target = first + random.below(reachable)
    var source = first + random.below(reachable)
    if work == .visit {
      source = random.below(extent.devices) * extent.cellsPerDevice + random.below(reachable)
    } else if work == .copy && source == target {
      // The regions of a copy must not overlap.
      source = first + (source - first + 1) % extent.cellsPerDevice
    }
    let reads = work == .copy || work == .mix || work == .visit ? source : nil
    let start = awaited.count
    for (other, sequence) in planner.needs(lane, reads: reads, writes: target) {
      awaited.append(order(lane, behind: other, sequence, work, planner, &random))
    }
    let task = tasks.count
    let sequence = planner.finish(lane, task, reads: reads, writes: target)
    tasks.append(
      Task(
        lane: Int32(lane), sequence: sequence, work: work, feeding: feeding, source: Int32(source),
        target: Int32(target), seed: random.next(), awaited: start..<awaited.count))
  }

  /// Chooses among what can order the two.
  private mutating func order(
    _ lane: Int, behind other: Int, _ sequence: UInt32, _ work: Work, _ planner: Planner,
    _ random: inout Random
  ) -> Awaited {
    let extent = planner.extent
    var found = Awaited(lane: Int32(other), sequence: sequence, ordering: .host)
    guard work != .visit, extent.device(ofLane: lane) == extent.device(ofLane: other) else {
      return found
    }
    let earlier = planner.task(other, sequence)
    let isSubmit = tasks[earlier].work != .visit
    let choice = random.below(8)
    if choice < 2 { return found }
    found.ordering = .timeline
    if choice == 2 && isSubmit && extent.queue(ofLane: lane) == extent.queue(ofLane: other) {
      found.ordering = .queue
    } else if choice < 5 && isSubmit && tasks[earlier].edge < 0 {
      found.ordering = .binary
      found.edge = Int32(edges)
      tasks[earlier].edge = found.edge
      edges += 1
    }
    return found
  }
}

/// Who read and wrote each cell last, and what each lane is already behind.
private struct Planner {
  let extent: Extent
  /// The tasks of each lane.
  private var tasks: [[Int32]]
  private var writer: [(lane: Int, sequence: UInt32)?]
  /// By cell and lane: the last task that read the cell since it was written, or 0.
  private var readers: [UInt32]
  /// By lane and lane: up to where the first is behind the second already.
  private var known: [UInt32]

  init(_ extent: Extent) {
    self.extent = extent
    let cells = extent.devices * extent.cellsPerDevice
    tasks = Array(repeating: [], count: extent.lanes)
    writer = Array(repeating: nil, count: cells)
    readers = Array(repeating: 0, count: cells * extent.lanes)
    known = Array(repeating: 0, count: extent.lanes * extent.lanes)
  }

  func task(_ lane: Int, _ sequence: UInt32) -> Int { Int(tasks[lane][Int(sequence) - 1]) }

  /// What a lane's next task has to be behind, for each other lane the last one. Its own lane's tasks
  /// are always in order.
  mutating func needs(
    _ lane: Int, reads: Int?, writes: Int
  ) -> [(lane: Int, sequence: UInt32)] {
    var needs = [UInt32](repeating: 0, count: extent.lanes)
    for cell in [reads, writes] {
      guard let cell, let writer = writer[cell] else { continue }
      needs[writer.lane] = max(needs[writer.lane], writer.sequence)
    }
    for other in 0..<extent.lanes {
      needs[other] = max(needs[other], readers[writes * extent.lanes + other])
    }
    var found: [(lane: Int, sequence: UInt32)] = []
    for other in 0..<extent.lanes
    where other != lane && needs[other] > known[lane * extent.lanes + other] {
      known[lane * extent.lanes + other] = needs[other]
      found.append((other, needs[other]))
    }
    return found
  }

  /// Enters the lane's next task; its sequence.
  mutating func finish(_ lane: Int, _ task: Int, reads: Int?, writes: Int) -> UInt32 {
    tasks[lane].append(Int32(task))
    let sequence = UInt32(tasks[lane].count)
    if let reads { readers[reads * extent.lanes + lane] = sequence }
    for other in 0..<extent.lanes { readers[writes * extent.lanes + other] = 0 }
    writer[writes] = (lane, sequence)
    return sequence
  }
}

/// SplitMix64: the same numbers everywhere.
struct Random {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }

  /// Of the range 0..<count.
  mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }
}
