import Testing

@testable import MemoryFabric

/// Memory of a test, zeroed.
final class Memory {
  let start: UnsafeMutableRawPointer
  let count: Int
  init(_ count: Int) {
    self.count = count
    start = .allocate(byteCount: count, alignment: 4096)
    start.initializeMemory(as: UInt8.self, repeating: 0, count: count)
  }
  deinit { start.deallocate() }
  var bytes: [UInt8] { Array(UnsafeRawBufferPointer(start: start, count: count)) }
  subscript(i: Int) -> UInt8 {
    get { start.load(fromByteOffset: i, as: UInt8.self) }
    set { start.storeBytes(of: newValue, toByteOffset: i, as: UInt8.self) }
  }
  func apply(_ offset: UInt64, _ run: UnsafeRawBufferPointer) {
    for (i, byte) in run.enumerated() { self[Int(offset) + i] = byte }
  }
}

@Suite("Pages that an application and several nodes share")
struct SharedPagesTests {
  @Test("a page that the application writes is shared after it was sent")
  func client() throws {
    let application = Memory(4 * 4096)
    let pages = try #require(
      SharedPages(bytes: application.start, size: application.count, nodeCount: 2))
    #expect(pages.directory.state(of: 1, for: .client) == .shared)
    application[5000] = 9
    var runs: [[Int]] = []
    #expect(
      pages.publish(offset: 4096, count: 4096) { runs.append([Int($0), $1.count, Int($1[0])]) })
    #expect(runs == [[5000, 1, 9]])
    for holder in [Holder.client, .node(0), .node(1)] {
      #expect(pages.directory.state(of: 1, for: holder) == .shared)
    }
    #expect(!pages.publish(offset: 4096, count: 4 * 4096) { _, _ in })
    #expect(!pages.publish(offset: .max, count: 2) { _, _ in })
  }

  @Test(
    "a page that a node writes is the application's at once, and the other node's before it reads")
  func node() throws {
    let application = Memory(2 * 4096)
    let pages = try #require(
      SharedPages(bytes: application.start, size: application.count, nodeCount: 2))
    let run: [UInt8] = [1, 2, 3, 4]
    #expect(run.withUnsafeBytes { pages.receive(from: 0, offset: 4094, $0) })
    #expect(Array(application.bytes[4094..<4098]) == run)
    for page in 0..<2 {
      #expect(pages.directory.state(of: page, for: .node(0)) == .shared)
      #expect(pages.directory.state(of: page, for: .client) == .shared)
      #expect(pages.directory.state(of: page, for: .node(1)) == .invalid)
    }
    #expect(pages.isBehind(1) && !pages.isBehind(0))
    // The application writes to the same page before the other node has caught up.
    application[4096 + 100] = 5
    var sent: [[Int]] = []
    #expect(pages.publish(offset: 4096, count: 4096) { sent.append([Int($0), $1.count]) })
    #expect(sent == [[4196, 1]])
    var caught: [[Int]] = []
    pages.catchUp(1) { caught.append([Int($0), $1.count]) }
    #expect(caught == [[4094, 2], [4096, 2]])
    #expect(!pages.isBehind(1))
    #expect(pages.directory.state(of: 0, for: .node(1)) == .shared)
    #expect(!run.withUnsafeBytes { pages.receive(from: 2, offset: 0, $0) })
    #expect(!run.withUnsafeBytes { pages.receive(from: 0, offset: 8190, $0) })
  }

  @Test("random writes of everybody end alike everywhere", arguments: 0..<12)
  func model(seed: UInt64) throws {
    let size = 6 * 4096
    let application = Memory(size)
    let nodeCount = Int(seed % 3) + 1
    let pages = try #require(
      SharedPages(bytes: application.start, size: size, nodeCount: nodeCount))
    let nodes = (0..<nodeCount).map { _ in Memory(size) }
    // What there has to be: the bytes in the order they were told.
    let model = Memory(size)
    var random = Random(seed)
    for step in 0..<200 {
      let length = random.below(4) == 0 ? random.below(5000) + 1 : random.below(40) + 1
      let offset = random.below(size - length)
      switch random.below(4) {
      case 0, 1:
        for i in offset..<offset + length where random.below(3) > 0 {
          application[i] = UInt8(truncatingIfNeeded: random.next())
          model[i] = application[i]
        }
        let first = offset & ~4095
        let end = (offset + length + 4095) & ~4095
        #expect(
          pages.publish(offset: UInt64(first), count: UInt64(end - first)) { at, run in
            for node in nodes { node.apply(at, run) }
          })
      case 2:
        // A node's GPU writes: it may only where it has what came before.
        let k = random.below(nodeCount)
        pages.catchUp(k) { nodes[k].apply($0, $1) }
        let run = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        run.withUnsafeBytes {
          nodes[k].apply(UInt64(offset), $0)
          model.apply(UInt64(offset), $0)
          #expect(pages.receive(from: k, offset: UInt64(offset), $0))
        }
      default:
        let k = random.below(nodeCount)
        pages.catchUp(k) { nodes[k].apply($0, $1) }
        #expect(nodes[k].bytes == model.bytes)
      }
      guard step % 8 == 0 else { continue }
      #expect(application.bytes == model.bytes)
      checkInvariants(pages.directory)
      for k in 0..<nodeCount {
        for page in 0..<6 where pages.directory.state(of: page, for: .node(k)) != .invalid {
          let range = page * 4096..<(page + 1) * 4096
          #expect(Array(nodes[k].bytes[range]) == Array(model.bytes[range]))
        }
      }
    }
    for k in 0..<nodeCount {
      pages.catchUp(k) { nodes[k].apply($0, $1) }
      #expect(nodes[k].bytes == model.bytes)
      #expect(!pages.isBehind(k))
    }
  }

  @Test("the four states exclude each other as they have to", arguments: 0..<8)
  func states(seed: UInt64) throws {
    var directory = try #require(PageDirectory(pageCount: 5, nodeCount: 3))
    var random = Random(seed)
    let holders: [Holder] = [.client, .node(0), .node(1), .node(2), .node(3)]
    for _ in 0..<500 {
      let page = random.below(7)
      let holder = holders[random.below(holders.count)]
      switch random.below(3) {
      case 0:
        directory.wrote(page, holder)
        let isThere = page < 5 && holder != .node(3)
        #expect(directory.state(of: page, for: holder) == (isThere ? .modified : .invalid))
      case 1:
        directory.received(page, holder)
      default:
        directory.writtenBack(page)
        #expect(directory.state(of: page, for: holder) != .modified)
      }
      checkInvariants(directory)
    }
    #expect(PageDirectory(pageCount: 1, nodeCount: 32) == nil)
  }

  private func checkInvariants(_ directory: PageDirectory) {
    let holders = [Holder.client] + (0..<directory.nodeCount).map { Holder.node($0) }
    for page in 0..<directory.pageCount {
      let states = holders.map { directory.state(of: page, for: $0) }
      let valid = states.filter { $0 != .invalid }
      #expect(!valid.isEmpty)
      if valid.contains(.modified) || valid.contains(.exclusive) { #expect(valid.count == 1) }
    }
  }
}

/// SplitMix64: the same numbers every time.
struct Random: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
  mutating func below(_ n: Int) -> Int { Int(next() % UInt64(max(n, 1))) }
}
