internal import CPlatform
internal import FrameStream
internal import Interim
internal import Ring
internal import Threads

/// How interim pictures of a swapchain lie in its frame memory, as `appFrameBuffers` says.
///
/// ```
/// 24   u32 extra frame buffers, u32 width, u32 height, u32 stride
/// 40   u32 `PixelOrder`, u32 0
/// 48   u64 nanoseconds from one refresh of the display to the next
/// ```
struct InterimPlace: Equatable {
  static let byteCount = 56

  let width: Int
  let height: Int
  let stride: Int
  let order: PixelOrder
  /// Nanoseconds.
  let period: UInt64

  /// Nil when the bytes of the message are none. `frameBytes`: of a frame buffer.
  init?(_ message: UnsafeRawBufferPointer, frameBytes: Int) {
    guard message.count >= InterimPlace.byteCount else { return nil }
    let word = { (at: Int) -> UInt32 in message.loadUnaligned(fromByteOffset: at, as: UInt32.self) }
    guard let order = PixelOrder(rawValue: UInt8(truncatingIfNeeded: word(40))) else { return nil }
    width = Int(word(28))
    height = Int(word(32))
    stride = Int(word(36))
    self.order = order
    period = message.loadUnaligned(fromByteOffset: 48, as: UInt64.self)
    guard (1...16384).contains(width), (1...16384).contains(height), stride >= width * 4,
      stride % 4 == 0, stride <= frameBytes / height
    else { return nil }
  }

  /// Pictures a second that are to be shown: the display's, but no more than what eyes tell apart
  /// is worth the work of.
  var targetRate: Double {
    period > 0 ? min(InterimPlace.mostRate, 1e9 / Double(period)) : InterimPlace.mostRate
  }
  private static let mostRate = 60.0
}

/// Makes the interim pictures of one swapchain, from the real ones as they come, on a thread of its own that is
/// started when the first are wanted.
///
/// The frame buffers are the table's: whoever writes one calls `letGo` before. Threads: any.
final class InterimStream: @unchecked Sendable {
  /// A real frame that is there.
  private struct Arrival {
    let image: Int
    let number: UInt64
    /// When it came and when it is to be shown, in seconds.
    let came: Double
    let shown: Double
  }

  private let place: InterimPlace
  private let frames: UnsafeMutableRawPointer
  private let frameBytes: Int
  private let imageCount: Int
  private let board: InterimBoard
  private let boardBytes: UnsafeMutableRawPointer
  /// Wakes the presenter when it has nothing to wait for, and when it waits for a frame.
  private let event: Int32
  private let ring: @Sendable () -> Void

  /// What pictures are made of.
  private enum Way {
    /// The real pictures before and after: those are shown late.
    case between
    /// Those before, and their geometry, behind which a frame comes.
    case ahead
  }

  private let lock = Lock()
  private let changed = Word()
  private var planner: InterimPlanner
  private var pacer = InterimPacer()
  private var arrivals: [Arrival] = []
  private var geometries: [FrameGeometry] = []
  private var way = Way.between
  /// What a picture takes to be made in the other way, in seconds; 0 before one was.
  private var otherCost: Double = 0
  /// Frames for which the way is not changed.
  private var patience = 0
  /// Frames in a row behind which there was no time for all pictures that are wanted.
  private var shortages = 0
  /// Pictures from geometry, tried or shown, that were good enough, less those that were not.
  private var trust = 0
  /// The image that is read.
  private var reading: Int?
  private var count: UInt64 = 0
  private var isRunning = false
  private var isOver = false
  private var counted = InterimTotals()

  /// Frames that wait to be looked at: of more, the oldest are left out.
  private static let mostWaiting = 2
  /// Of the time between two frames, what the making of pictures may take.
  private static let workShare = 0.75
  /// How far trust goes up, and down: while nothing is shown there is time to wait until enough is known.
  private static let (mostTrust, leastTrust, leastTrustUnseen) = (4, -4, -16)
  /// Frames after which geometry is tried again that was not worth it.
  private static let geometryRetry = 180
  private static let mostShortages = 20

  /// Nil when the board cannot be mapped. Takes over `event` when there is a stream.
  ///
  /// - Parameters:
  ///   - descriptor: the frame memory: `imageCount` images, the interim pictures' buffers, and the board.
  ///   - frames: the same, mapped; it must stay until `stop` has returned.
  ///   - ring: wakes threads of the application that wait for completions.
  init?(
    _ place: InterimPlace, descriptor: Int32, frames: UnsafeMutableRawPointer, frameBytes: Int,
    imageCount: Int, event: Int32, ring: @escaping @Sendable () -> Void
  ) {
    let offset = frameBytes * (imageCount + InterimBoard.bufferCount)
    guard let bytes = platform_map_shared(descriptor, UInt64(offset), InterimBoard.byteCount) else {
      return nil
    }
    self.place = place
    self.frames = frames
    self.frameBytes = frameBytes
    self.imageCount = imageCount
    self.event = event
    self.ring = ring
    boardBytes = bytes
    board = InterimBoard(base: bytes)
    planner = InterimPlanner(targetRate: place.targetRate, workShare: InterimStream.workShare)
  }

  deinit {
    _ = platform_unmap(boardBytes, InterimBoard.byteCount)
    _ = platform_close(event)
  }

  // MARK: The table's side

  /// A frame lies in its buffer, and its completion has not been told yet.
  func take(frameIn image: Int) {
    let now = platform_now()
    let seconds = Double(now) / 1e9
    let mustStart = lock.withLock { () -> Bool in
      count += 1
      planner.add(frameAt: seconds)
      var pictures = planner.picturesAGap
      if planner.isActive, pictures == 0 {
        // What was slow once may be fast by now.
        planner.add(cost: 0)
        pictures = planner.picturesAGap
      }
      patience = max(0, patience - 1)
      if way == .ahead {
        shortages = pictures < planner.wantedAGap ? shortages + 1 : 0
        if shortages == InterimStream.mostShortages { leave() }
      }
      let isBetween = way == .between && planner.isActive
      let show = pacer.timeToShow(
        now: seconds, interval: isBetween ? planner.interval : nil,
        pictures: isBetween ? pictures : 0, cost: planner.cost)
      // What was foretold of this moment has become real.
      if way == .ahead { counted.withdrawn &+= UInt64(board.withdraw(from: now)) }
      board.set(timeOfImage: image, show.map { UInt64($0 * 1e9) } ?? 0)
      guard pictures > 0, !isOver else {
        counted.withdrawn &+= UInt64(board.withdraw(from: now))
        arrivals = []
        return false
      }
      arrivals.append(
        Arrival(image: image, number: count, came: seconds, shown: show ?? seconds))
      if arrivals.count > InterimStream.mostWaiting {
        arrivals.removeFirst()
        counted.late &+= 1
      }
      defer { isRunning = true }
      return !isRunning
    }
    if mustStart, !startThread("omega-interim", { [self] in run() }) {
      lock.withLock { (isOver, isRunning) = (true, false) }
      Log.warning("no thread for interim pictures; none are made")
    }
    changed.bump()
  }

  /// The draws of a frame that has been taken say this of it.
  func take(_ geometry: FrameGeometry) {
    lock.withLock {
      counted.geometries &+= 1
      guard isRunning, !isOver, planner.isActive else { return }
      geometries.append(geometry)
      if geometries.count > InterimStream.mostWaiting { geometries.removeFirst() }
    }
    changed.bump()
  }

  /// Whether geometry of further frames is of use.
  var wantsGeometry: Bool {
    lock.withLock { planner.isActive && (way == .ahead || patience == 0) }
  }

  /// With the lock held.
  private func leave() {
    guard way == .ahead else { return }
    change(to: .between)
    patience = InterimStream.geometryRetry
  }

  /// With the lock held.
  private func change(to new: Way) {
    way = new
    trust = 0
    shortages = 0
    let cost = planner.cost
    planner.replace(cost: otherCost)
    otherCost = cost
  }

  /// The frame buffer of an image is going to be written: who reads it has done so, or leaves it.
  func letGo(of image: Int) {
    while true {
      let seen = changed.load()
      let isRead = lock.withLock { () -> Bool in
        arrivals.removeAll { $0.image == image }
        return reading == image
      }
      if !isRead { return }
      changed.wait(while: seen, nanoseconds: 1_000_000)
    }
  }

  /// Ends, and waits until nobody looks at the frame buffers any more.
  func stop() {
    lock.withLock {
      isOver = true
      arrivals = []
    }
    changed.bump()
    while true {
      let seen = changed.load()
      if lock.withLock({ !isRunning }) { return }
      changed.wait(while: seen, nanoseconds: 10_000_000)
    }
  }

  var totals: InterimTotals {
    lock.withLock {
      var sum = counted
      sum.targetRate = planner.targetRate
      sum.delay = pacer.delay
      return sum
    }
  }

  // MARK: The thread

  private func run() {
    var maker = InterimMaker(place)
    while let work = next() {
      switch work {
      case .frame(let arrival):
        maker.load(
          UnsafeRawPointer(frames + arrival.image * frameBytes), image: arrival.image,
          number: arrival.number, time: arrival.shown)
        lock.withLock { reading = nil }
        changed.bump()
        if lock.withLock({ way == .between }) { makeBetween(&maker) }
      case .geometry(let geometry): take(geometry, &maker)
      }
    }
    lock.withLock { isRunning = false }
    changed.bump()
  }

  private enum Work {
    case frame(Arrival)
    case geometry(FrameGeometry)
  }

  /// What is to be done next; nil at the end. Frames first: what geometry they have comes behind them.
  private func next() -> Work? {
    while true {
      let seen = changed.load()
      let (first, isLast) = lock.withLock { () -> (Work?, Bool) in
        if isOver { return (nil, true) }
        if !arrivals.isEmpty {
          let first = arrivals.removeFirst()
          reading = first.image
          return (.frame(first), false)
        }
        return (geometries.isEmpty ? nil : .geometry(geometries.removeFirst()), false)
      }
      if first != nil || isLast { return first }
      changed.wait(while: seen, nanoseconds: 1_000_000_000)
    }
  }

  /// Makes the pictures between the last two real ones.
  private func makeBetween(_ maker: inout InterimMaker) {
    guard let (start, end) = maker.gap else { return }
    let instants = lock.withLock { planner.instants(from: start, to: end) }
    make(instants, before: end, .between, &maker)
  }

  /// Takes in what is known of the last real picture, and makes those behind it if that is the way.
  private func take(_ geometry: FrameGeometry, _ maker: inout InterimMaker) {
    guard maker.add(geometry) else { return note(isGood: false) }
    let (mayTry, isAhead) = lock.withLock { (patience == 0 && planner.isActive, way == .ahead) }
    guard isAhead else {
      guard mayTry else { return }
      // Tried unseen, before anything depends on it.
      let began = platform_now()
      let report = maker.makeAhead(at: maker.timeAhead, into: nil)
      Log.debug("interim picture, not shown: \(report.tier), confidence \(report.confidence)")
      let took = Double(platform_now() &- began) / 1e9
      // The first takes longer than any that follow.
      lock.withLock { otherCost = otherCost == 0 ? took : min(otherCost, took) }
      return note(isGood: report.tier == .extrapolated)
    }
    // Frames may still be shown late by what was before.
    let (instants, end) = lock.withLock { () -> ([Double], Double) in
      (
        planner.instantsAhead().map { $0 + pacer.delay },
        (maker.lastTime ?? 0) + 2 * (planner.interval ?? 0)
      )
    }
    make(instants, before: end, .ahead, &maker)
  }

  /// A picture from geometry was good enough, or not.
  private func note(isGood: Bool) {
    lock.withLock {
      trust = min(InterimStream.mostTrust, trust + (isGood ? 1 : -1))
      switch way {
      case .ahead:
        if trust <= InterimStream.leastTrust { leave() }
      case .between where patience > 0: trust = 0
      case .between:
        if trust <= InterimStream.leastTrustUnseen {
          (trust, patience) = (0, InterimStream.geometryRetry)
        } else if trust == InterimStream.mostTrust {
          change(to: .ahead)
        }
      }
    }
  }

  private func make(
    _ instants: [Double], before end: Double, _ way: Way, _ maker: inout InterimMaker
  ) {
    for (index, instant) in instants.enumerated() {
      let limit = index + 1 < instants.count ? instants[index + 1] : end
      let began = platform_now()
      // A newer frame is worth more than what is behind this one.
      guard
        lock.withLock({
          !isOver && Double(began) / 1e9 + planner.cost < limit
            && (way == .between || arrivals.isEmpty)
        }), let picture = board.claim()
      else {
        lock.withLock { counted.late &+= 1 }
        continue
      }
      let buffer = frames + (imageCount + picture) * frameBytes
      let report =
        way == .between
        ? maker.makeBetween(at: instant, into: buffer) : maker.makeAhead(at: instant, into: buffer)
      let took = platform_now() &- began
      if report.tier == .hold {
        board.abandon(picture)
      } else {
        board.publish(picture, at: UInt64(instant * 1e9))
        platform_event_set(event)
        ring()
      }
      Log.write(.debug) {
        "interim picture: \(report.tier), confidence \(report.confidence), share \(report.share), "
          + "\(took / 1000) µs"
      }
      lock.withLock {
        planner.add(cost: Double(took) / 1e9)
        counted.note(report, nanoseconds: took)
      }
      if way == .ahead { note(isGood: report.tier != .hold) }
    }
  }
}

/// Real pictures as synthesis has them, and what it makes of them. One thread.
private struct InterimMaker {
  private let place: InterimPlace
  private let pool: WorkerPool
  private let lanes: Lanes
  private let synthesizer: InterimSynthesizer
  private let colors = ColorConversion(range: .full)
  private let target: Picture
  /// A real frame.
  private struct Loaded {
    var frame: InterimFrame
    let image: Int
    let number: UInt64
    var draws: [DrawConstants] = []
  }

  /// The real frames that were loaded last, the latest last, and what is used for the next.
  private var loaded: [Loaded] = []
  private var spare: [Picture] = []
  private var spareSides: [InterimSideData] = []
  /// What was found of draws' matrices, and the draw that the picture's geometry was believed of last.
  private var findings: [UInt64: MatrixRecovery.Finding] = [:]
  private var believed: UInt64?
  /// Frames for which no other draw is tried.
  private var pause = 0
  /// Pixels of the last two.
  private var pixels: (before: UnsafeMutableRawPointer, last: UnsafeMutableRawPointer)
  /// For each cell, whether the last two differ there.
  private let differs: UnsafeMutablePointer<Bool>
  /// For each pixel, 255 where they are alike, in cells that differ.
  private let alike: UnsafeMutablePointer<UInt8>
  private let columns: Int
  private let rows: Int
  private let memory: PixelMemory

  private static let remembered = 4
  private static let mostThreads = 4

  init(_ place: InterimPlace) {
    self.place = place
    let pool = WorkerPool(threads: min(WorkerPool.threadCount(nil), Self.mostThreads))
    self.pool = pool
    lanes = Lanes(count: pool.threadCount) { count, body in pool.run(count, body) }
    synthesizer = InterimSynthesizer(width: place.width, height: place.height)
    target = Picture(width: place.width, height: place.height)
    columns = (place.width + CellMask.cellWidth - 1) / CellMask.cellWidth
    rows = (place.height + CellMask.cellHeight - 1) / CellMask.cellHeight
    memory = PixelMemory(
      bytes: place.stride * place.height, pixels: place.width * place.height,
      cells: columns * rows)
    pixels = memory.pixels
    alike = memory.alike
    differs = memory.cells
  }

  /// When the last two real frames are to be shown, if one came directly after the other, and they differ.
  var gap: (start: Double, end: Double)? {
    guard loaded.count > 1,
      case let (last, before) = (loaded[loaded.count - 1], loaded[loaded.count - 2]),
      last.number == before.number + 1,
      UnsafeBufferPointer(start: differs, count: columns * rows).contains(true)
    else { return nil }
    return (before.frame.time, last.frame.time)
  }

  var lastTime: Double? { loaded.last?.frame.time }

  /// An instant behind the last real frame, as far as that is from the one before.
  var timeAhead: Double {
    guard loaded.count > 1, let last = lastTime else { return lastTime ?? 0 }
    return last + (last - loaded[loaded.count - 2].frame.time) / 2
  }

  /// Takes a real frame in.
  mutating func load(_ frame: UnsafeRawPointer, image: Int, number: UInt64, time: Double) {
    let picture =
      spare.popLast() ?? Picture(width: place.width, height: place.height)
    swap(&pixels.before, &pixels.last)
    let (before, last) = pixels
    let place = place
    nonisolated(unsafe) let source = frame
    lanes.forRows(place.height, CellMask.cellHeight) { [columns, differs, alike, colors] rows in
      let start = rows.lowerBound * place.stride
      // What is read is copied first: the application may write its frame buffers at any time.
      platform_copy(last + start, source + start, rows.count * place.stride)
      for column in 0..<columns {
        let x = column * CellMask.cellWidth * 4
        let width = min(CellMask.cellWidth * 4, place.width * 4 - x)
        differs[rows.lowerBound / CellMask.cellHeight * columns + column] = rows.contains { y in
          platform_compare(last + y * place.stride + x, before + y * place.stride + x, width) != 0
        }
      }
      Self.compare(rows, before, last, place, into: alike)
      colors.toVideo(
        PixelRows(start: last + start, stride: place.stride, order: place.order),
        width: place.width, height: rows.count, into: picture.planes(from: rows.lowerBound),
        codedWidth: (place.width + 1) & ~1, codedHeight: rows.count)
    }
    picture.extendBorders()
    if loaded.count == Self.remembered {
      let old = loaded.removeFirst()
      spare.append(old.frame.picture)
      if let side = old.frame.side { spareSides.append(side) }
    }
    loaded.append(
      Loaded(frame: InterimFrame(time: time, picture: picture), image: image, number: number))
  }

  // MARK: Geometry

  private static let (mostTried, retry) = (3, 30)

  /// Takes in what the draws of the last real frame say of it. Whether it is known, by now, how all that was drawn
  /// moves: as one, or where it stands and only the camera moves.
  mutating func add(_ geometry: FrameGeometry) -> Bool {
    let now = loaded.count - 1
    guard now >= 0, loaded[now].image == Int(geometry.image), loaded[now].frame.side == nil,
      let side = side(of: geometry)
    else { return false }
    loaded[now].frame.side = side
    loaded[now].draws = geometry.draws.map {
      DrawConstants(identity: $0.identity, group: $0.group, blocks: $0.blocks)
    }
    guard now > 0, loaded[now - 1].number + 1 == loaded[now].number,
      let older = loaded[now - 1].frame.side
    else { return false }
    pause = max(0, pause - 1)
    let before = loaded[now - 1].draws
    var candidates = loaded[now].draws.filter { draw in
      before.contains { $0.identity == draw.identity }
    }
    if let first = candidates.firstIndex(where: { $0.identity == believed }) {
      candidates.swapAt(0, first)
    }
    let untouched = older.objects
    for (index, draw) in candidates.prefix(Self.mostTried).enumerated() {
      // To look through all that a draw was given takes long.
      guard findings[draw.group] != nil || pause == 0 else { continue }
      for one in [side, older] {
        one.objects = [
          SceneObject(identity: 0, transform: nil),
          SceneObject(identity: draw.identity, transform: nil),
        ]
      }
      let found = MatrixRecovery.recover(
        now: loaded[now].frame, before: loaded[now - 1].frame, draws: [draw],
        drawsBefore: before.filter { $0.identity == draw.identity }, known: findings)
      guard let finding = found[draw.group], side.objects[1].transform != nil else {
        findings[draw.group] = nil
        continue
      }
      findings[draw.group] = finding
      if isStill(side, older) {
        for one in [side, older] { one.objects[0].transform = Self.behind }
      }
      if index > 0 || believed != draw.identity { believed = draw.identity }
      return true
    }
    older.objects = untouched
    if !candidates.isEmpty, pause == 0 { pause = Self.retry }
    return false
  }

  /// A place behind everything, that moves with nothing.
  private static let behind = Matrix4(
    rows: [1e6, 0, 0, 0], [0, 1e6, 0, 0], [0, 0, 1e6, 0], [0, 0, 0, 1e6])

  /// Whether what lies where nothing was drawn stands still, and is no sky that moves with the camera: the last two
  /// pictures are alike there.
  private func isStill(_ side: InterimSideData, _ older: InterimSideData) -> Bool {
    let (now, before) = (loaded[loaded.count - 1], loaded[loaded.count - 2])
    let (luma, lumaBefore) = (now.frame.picture.luma, before.frame.picture.luma)
    var (count, changed) = (0, 0)
    for y in Swift.stride(from: 2, to: place.height, by: 4) {
      for x in Swift.stride(from: 2, to: place.width, by: 4) {
        let at = y * place.width + x
        guard side.object[at] == 0, older.object[at] == 0 else { continue }
        count += 1
        if abs(Int(luma.row(y)[x]) - Int(lumaBefore.row(y)[x])) > 6 { changed += 1 }
      }
    }
    return changed * 50 <= count
  }

  /// Depth for every pixel, and what was drawn at all.
  private mutating func side(of geometry: FrameGeometry) -> InterimSideData? {
    let step = geometry.step
    let half = step / 2
    guard geometry.columns == (place.width - half + step - 1) / step,
      geometry.rows == (place.height - half + step - 1) / step
    else { return nil }
    let objects = [
      SceneObject(identity: 0, transform: nil), SceneObject(identity: 1, transform: nil),
    ]
    let side =
      spareSides.popLast()
      ?? InterimSideData(width: place.width, height: place.height, objects: objects)
    side.objects = objects
    let width = place.width
    geometry.values.withUnsafeBufferPointer { values in
      nonisolated(unsafe) let values = values
      lanes.forRows(place.height, CellMask.cellHeight) { rows in
        for y in rows {
          let line = min(geometry.rows - 1, y / step) * geometry.columns
          let depth = side.depth + y * width
          let object = side.object + y * width
          for x in 0..<width {
            let value = values[line + min(geometry.columns - 1, x / step)]
            depth[x] = geometry.depth(value)
            object[x] = value == FrameGeometry.nothing ? 0 : 1
          }
        }
      }
    }
    return side
  }

  // MARK: Making

  /// Makes the picture of an instant within the gap.
  func makeBetween(at time: Double, into buffer: UnsafeMutableRawPointer) -> InterimReport {
    let options = InterimOptions(effort: .fast, tiers: [.hold, .compensated])
    let report = synthesizer.make(
      history: loaded.dropLast().suffix(3).map(\.frame), next: loaded.last?.frame,
      instant: InterimInstant(time: time), options: options, into: target, lanes: lanes)
    guard report.tier != .hold else { return report }
    write(into: buffer, over: pixels.before) { differs[$0] }
    keepStill(in: buffer)
    return report
  }

  /// How far a channel may be off in pixels that are alike: what coding as video does to what stands still.
  private static let noise: UInt8 = 4

  /// Gives pixels that stand still among others that move what they are: text and bars over a world that moves
  /// behind them would move along with it.
  private func keepStill(in buffer: UnsafeMutableRawPointer) {
    let (width, height) = (place.width, place.height)
    let stride = place.stride
    let before = pixels.before
    lanes.forRows(height, CellMask.cellHeight) { rows in
      let row = rows.lowerBound / CellMask.cellHeight * columns
      guard UnsafeBufferPointer(start: differs + row, count: columns).contains(true) else { return }
      // Of a row those that are alike with the rows above and below, and nothing beyond its ends.
      withUnsafeTemporaryAllocation(of: UInt8.self, capacity: width + 2) { line in
        guard let column = line.baseAddress.map({ $0 + 1 }) else { return }
        (column[-1], column[width]) = (255, 255)
        for y in rows {
          let above = UnsafePointer(alike + max(0, y - 1) * width)
          let here = UnsafePointer(alike + y * width)
          let below = UnsafePointer(alike + min(height - 1, y + 1) * width)
          for x in 0..<width { column[x] = above[x] & here[x] & below[x] }
          let out = (buffer + y * stride).assumingMemoryBound(to: UInt32.self)
          let old = UnsafePointer((before + y * stride).assumingMemoryBound(to: UInt32.self))
          for x in 0..<width {
            let isStill = column[x &- 1] & column[x] & column[x &+ 1] != 0
            out[x] = isStill ? old[x] : out[x]
          }
        }
      }
    }
  }

  /// Notes which pixels of some rows two frames have alike.
  private static func compare(
    _ rows: Range<Int>, _ before: UnsafeMutableRawPointer, _ last: UnsafeMutableRawPointer,
    _ place: InterimPlace, into alike: UnsafeMutablePointer<UInt8>
  ) {
    let count = place.width * 4
    withUnsafeTemporaryAllocation(byteCount: count, alignment: 16) { room in
      guard let channels = room.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
      let words = UnsafeRawPointer(channels).assumingMemoryBound(to: UInt32.self)
      for y in rows {
        let a = UnsafePointer((before + y * place.stride).assumingMemoryBound(to: UInt8.self))
        let b = UnsafePointer((last + y * place.stride).assumingMemoryBound(to: UInt8.self))
        for i in 0..<count {
          channels[i] = max(a[i], b[i]) &- min(a[i], b[i]) <= noise ? 255 : 0
        }
        let out = alike + y * place.width
        // Alpha is nobody's business.
        for x in 0..<place.width { out[x] = words[x] | 0xFF00_0000 == .max ? 255 : 0 }
      }
    }
  }

  /// Makes the picture of an instant behind the last real frame; without a buffer only to know how good it would be.
  func makeAhead(at time: Double, into buffer: UnsafeMutableRawPointer?) -> InterimReport {
    let options = InterimOptions(effort: .fast, tiers: [.hold, .extrapolated])
    let report = synthesizer.make(
      history: loaded.suffix(3).map(\.frame), next: nil, instant: InterimInstant(time: time),
      options: options, into: target, lanes: lanes)
    guard report.tier != .hold, let buffer, let last = loaded.last?.frame.picture else {
      return report
    }
    write(into: buffer, over: pixels.last) { isMade($0, last) }
    return report
  }

  /// Whether the target is another than the picture in a cell.
  private func isMade(_ cell: Int, _ picture: Picture) -> Bool {
    let x = cell % columns * CellMask.cellWidth
    let y = cell / columns * CellMask.cellHeight
    for (plane, other) in zip(target.planes, picture.planes) {
      let isLuma = plane.width == place.width
      let (left, top) = isLuma ? (x, y) : (x / 2, y / 2)
      let width = min(isLuma ? CellMask.cellWidth : CellMask.cellWidth / 2, plane.width - left)
      let height = min(isLuma ? CellMask.cellHeight : CellMask.cellHeight / 2, plane.height - top)
      guard width > 0, height > 0 else { continue }
      for row in top..<top + height
      where platform_compare(plane.row(row) + left, other.row(row) + left, width) != 0 {
        return true
      }
    }
    return false
  }

  /// Writes the cells of the target that are made; the others are those of a real frame, to the bit.
  private func write(
    into buffer: UnsafeMutableRawPointer, over frame: UnsafeMutableRawPointer,
    _ isMade: (_ cell: Int) -> Bool
  ) {
    lanes.forRows(place.height, CellMask.cellHeight) { rows in
      let row = rows.lowerBound / CellMask.cellHeight * columns
      var column = 0
      while column < columns {
        let first = column
        let isNew = isMade(row + first)
        repeat { column += 1 } while column < columns && isMade(row + column) == isNew
        let x = first * CellMask.cellWidth
        let width = min(column * CellMask.cellWidth, place.width) - x
        if isNew {
          convert(x, rows, width, buffer)
        } else {
          for y in rows {
            let at = y * place.stride + x * 4
            platform_copy(buffer + at, frame + at, width * 4)
          }
        }
      }
    }
  }

  private func convert(_ x: Int, _ rows: Range<Int>, _ width: Int, _ out: UnsafeMutableRawPointer) {
    colors.toPixels(
      y: target.luma.base, yStride: target.luma.stride, cb: target.blue.base, cr: target.red.base,
      chromaStride: target.blue.stride, sampling: .quarter420,
      rectangle: Tile(x: x, y: rows.lowerBound, width: width, height: rows.count),
      into: PixelRows(start: out, stride: place.stride, order: place.order))
  }
}

/// Memory of an `InterimMaker`.
private final class PixelMemory {
  let pixels: (before: UnsafeMutableRawPointer, last: UnsafeMutableRawPointer)
  let cells: UnsafeMutablePointer<Bool>
  let alike: UnsafeMutablePointer<UInt8>

  init(bytes: Int, pixels pixelCount: Int, cells count: Int) {
    alike = .allocate(capacity: pixelCount)
    alike.initialize(repeating: 0, count: pixelCount)
    pixels = (
      .allocate(byteCount: bytes, alignment: 64), .allocate(byteCount: bytes, alignment: 64)
    )
    pixels.before.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    pixels.last.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    cells = .allocate(capacity: count)
    cells.initialize(repeating: true, count: count)
  }

  deinit {
    pixels.before.deallocate()
    pixels.last.deallocate()
    cells.deallocate()
    alike.deallocate()
  }
}

extension Picture {
  /// The planes from a row of luma on, an even one, as a conversion of colours has them.
  fileprivate func planes(from row: Int) -> PlanePicture {
    PlanePicture(
      y: luma.row(row), yStride: luma.stride, cb: blue.row(row / 2), cr: red.row(row / 2),
      chromaStride: blue.stride, sampling: .quarter420)
  }
}

extension Lanes {
  /// Calls `body` with every strip of so many rows.
  fileprivate func forRows(_ height: Int, _ strip: Int, _ body: (Range<Int>) -> Void) {
    let count = (height + strip - 1) / strip
    forParts(count) { index in body(index * strip..<min(height, (index + 1) * strip)) }
  }
}

/// Figures of interim pictures.
struct InterimTotals {
  /// Pictures by the tier that made them; the first are those that gave way to the picture before.
  private(set) var pictures = [UInt64](repeating: 0, count: InterimTier.allCases.count)
  /// Sums of their confidence.
  private(set) var confidence = [Double](repeating: 0, count: InterimTier.allCases.count)
  /// Real frames of which geometry is known.
  var geometries: UInt64 = 0
  /// Pictures for which there was no time, and those that a real one overtook.
  var late: UInt64 = 0
  var withdrawn: UInt64 = 0
  var targetRate: Double = 0
  /// Seconds by which real frames are shown late, at this moment.
  var delay: Double = 0
  private var makingTimes = [UInt64](repeating: 0, count: Histogram.buckets)
  private(set) var latest: InterimReport?

  mutating func note(_ report: InterimReport, nanoseconds: UInt64) {
    pictures[report.tier.rawValue] &+= 1
    confidence[report.tier.rawValue] += report.confidence
    makingTimes[Histogram.bucket(nanoseconds)] &+= 1
    latest = report
  }

  mutating func add(_ other: InterimTotals) {
    for index in pictures.indices {
      pictures[index] &+= other.pictures[index]
      confidence[index] += other.confidence[index]
    }
    geometries &+= other.geometries
    late &+= other.late
    withdrawn &+= other.withdrawn
    for index in makingTimes.indices { makingTimes[index] &+= other.makingTimes[index] }
    targetRate = max(targetRate, other.targetRate)
    delay = max(delay, other.delay)
    latest = other.latest ?? latest
  }

  /// Milliseconds; nil without any picture.
  var makingMedian: Double? { milliseconds(makingTimes, below: 0.5) }
}
