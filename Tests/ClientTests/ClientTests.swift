import CPlatform
import Ring
import Testing
import Wire

@testable import Client

private let kind = HandleKind(rawValue: 8)

/// A connection without an agent, whose rings have the readers in `mask`.
private func connection(readers mask: UInt32 = 0) throws -> Connection {
  try #require(Connection.detached(readerMask: mask))
}

@Suite struct Ids {
  @Test func stateBelongsToTheLivingIdAlone() throws {
    _ = try connection()
    let id = ObjectTable.makeID(kind, channel: 3)
    let state = try #require(ObjectTable.state(of: id, kind))
    state.storeBytes(of: 77, as: UInt64.self)
    #expect(ObjectTable.state(of: id, HandleKind(rawValue: 9)) == nil)
    ObjectTable.release(id)
    #expect(ObjectTable.state(of: id, kind) == nil)
    ObjectTable.release(id)
    // The index comes back on the same channel, with a greater generation and zeroed state.
    let again = ObjectTable.makeID(kind, channel: 3)
    #expect(HandleID.index(of: again) == HandleID.index(of: id))
    #expect(HandleID.generation(of: again) == HandleID.generation(of: id) + 1)
    #expect(ObjectTable.state(of: again, kind)?.load(as: UInt64.self) == 0)
    #expect(ObjectTable.state(of: id, kind) == nil, "an old id names nothing")
  }

  @Test func anIndexIsReusedOnItsOwnChannelOnly() throws {
    _ = try connection()
    let id = ObjectTable.makeID(kind, channel: 4)
    ObjectTable.release(id)
    let other = ObjectTable.makeID(kind, channel: 5)
    #expect(HandleID.index(of: other) != HandleID.index(of: id))
  }

  @Test func strangeIdsNameNothing() throws {
    _ = try connection()
    for id: UInt64 in [0, 1, UInt64.max, HandleID.make(generation: 1, kind: kind, index: .max)] {
      #expect(ObjectTable.state(of: id, kind) == nil)
      ObjectTable.release(id)
    }
  }
}

@Suite struct Accounts {
  private func accounts() throws -> (MemoryAccounts, Int) {
    (try #require(MemoryAccounts()), try #require(MemoryAccounts.account(device: 1, heap: 2)))
  }

  @Test func devicesShareAHeap() throws {
    let (accounts, account) = try accounts()
    func take(_ size: UInt64, _ channel: UInt32) -> Bool {
      accounts.take(size, account: account, limit: 100, channel: channel)
    }
    #expect(take(60, 1))
    #expect(!take(60, 2))
    #expect(take(40, 2))
    #expect(!take(1, 1) && !take(1, 2))
    #expect(!take(UInt64.max, 1))
    let other = try #require(MemoryAccounts.account(device: 0, heap: 2))
    #expect(accounts.take(100, account: other, limit: 100, channel: 1), "another device's heap")
  }

  @Test func whatIsFreedIsRoomForOthersWhenItWasRead() throws {
    let (accounts, account) = try accounts()
    func take(_ size: UInt64, _ channel: UInt32) -> Bool {
      accounts.take(size, account: account, limit: 100, channel: channel)
    }
    #expect(take(60, 1) && take(40, 2))
    accounts.giveBack(60, account: account, channel: 1)
    #expect(!take(50, 2), "the end of the first may not be read yet")
    #expect(take(50, 1), "a device's own records stay in order")
    accounts.giveBack(50, account: account, channel: 1)
    // Freed while somebody asks: not among what was read.
    #expect(take(10, 1))
    accounts.settle(channel: 1) {
      accounts.giveBack(10, account: account, channel: 1)
      return true
    }
    #expect(!take(60, 2) && take(50, 2))
    #expect(accounts.isUnsettled(channel: 1))
    accounts.settle(channel: 1) { false }
    #expect(!take(10, 2))
    accounts.settle(channel: 1) { true }
    #expect(!accounts.isUnsettled(channel: 1))
    #expect(take(10, 2) && !take(1, 1))
  }

  @Test func othersAreAskedOnceEach() throws {
    let (accounts, account) = try accounts()
    var asked: [Int] = []
    for channel: UInt32 in 1...3 {
      let device = try #require(UnsafeMutableRawPointer(bitPattern: Int(channel)))
      accounts.join(device, channel: channel)
      #expect(accounts.take(10, account: account, limit: 100, channel: channel))
      accounts.giveBack(10, account: account, channel: channel)
    }
    accounts.leave(channel: 3) {
      asked.append(3)
      return true
    }
    for _ in 0..<2 {
      accounts.settleOthers(than: 1) {
        asked.append(Int(bitPattern: $0))
        return true
      }
    }
    #expect(asked == [3, 2])
  }

  @Test func theLastDeviceLeavesItsChannelToTheNext() throws {
    let connection = try connection()
    let (first, second) = (try #require(connection.openChannel()), connection.openChannel())
    let last = try #require(second)
    let device = try #require(UnsafeMutableRawPointer(bitPattern: 8))
    for channel in [first, last] { connection.accounts.join(device, channel: channel.index) }
    for channel in [first, last] {
      connection.accounts.leave(channel: channel.index) { true }
      channel.release()
    }
    #expect(connection.openChannel()?.index == last.index)
    #expect(connection.openChannel()?.index == first.index)
  }
}

@Suite struct Ranges {
  @Test func rangesAreWholeUnitsAndComeBack() throws {
    let ranges = try #require(RangeAllocator(start: 1 << 20, end: 2 << 20, unitShift: 16))
    let a = try #require(ranges.allocate(1))
    let b = try #require(ranges.allocate(65537))
    #expect(a == 1 << 20)
    #expect(b == a + 65536)
    #expect(ranges.roundedSize(65537) == 131072)
    ranges.free(offset: b, size: 65537)
    #expect(ranges.allocate(131072) == b)
    #expect(ranges.allocate(2 << 20) == nil, "larger than the part")
    #expect(ranges.allocate(UInt64.max) == nil)
    #expect(ranges.allocate(0) != nil)
  }
}

@Suite struct Channels {
  /// Publishes one record of `words` 8-byte words behind its header.
  private func publish(_ channel: Channel, _ opcode: UInt32, words: Int) -> Bool {
    guard let writer = channel.begin() else { return false }
    writer.pointee.begin(opcode)
    for i in 0..<words { writer.pointee.u64(UInt64(i)) }
    writer.pointee.end()
    return channel.end()
  }

  @Test func recordsOfOneSectionAreContiguous() throws {
    let channel = try connection(readers: 1).instanceChannel
    let writer = try #require(channel.begin())
    for opcode: UInt32 in 0x1000...0x1002 {
      writer.pointee.begin(opcode)
      writer.pointee.u64(7)
      writer.pointee.end()
    }
    #expect(channel.end())
    let bytes = try #require(channel.ring.readable(at: 0))
    #expect(bytes.count == 48)
    #expect(bytes.load(fromByteOffset: 32, as: UInt32.self) == 0x1002)
  }

  @Test func aLargeRecordLiesInTheArenaUntilItIsRead() throws {
    let connection = try connection(readers: 1)
    let channel = connection.instanceChannel
    let words = 1 << 18  // 2 MiB
    #expect(publish(channel, 0x1234, words: words))
    let bytes = try #require(channel.ring.readable(at: 0))
    #expect(bytes.load(as: UInt32.self) == ControlOpcode.indirect)
    let offset = bytes.load(fromByteOffset: 8, as: UInt64.self)
    let size = bytes.load(fromByteOffset: 16, as: UInt64.self)
    #expect(size == UInt64(words * 8 + 8))
    let record = connection.segment.base + Int(offset)
    #expect(record.load(as: UInt32.self) == 0x1234)
    #expect(record.load(fromByteOffset: words * 8, as: UInt64.self) == UInt64(words - 1))
    // The next large one lies elsewhere while the first is unread, and there afterwards.
    #expect(publish(channel, 0x1234, words: words))
    let second = try #require(channel.ring.readable(at: 24))
    #expect(second.load(fromByteOffset: 8, as: UInt64.self) != offset)
    channel.ring.advance(reader: 0, to: channel.ring.published)
    #expect(publish(channel, 0x1235, words: 1))
    #expect(publish(channel, 0x1234, words: words))
    let third = try #require(channel.ring.readable(at: 64))
    let again = third.load(fromByteOffset: 8, as: UInt64.self)
    #expect(again == offset || again == second.load(fromByteOffset: 8, as: UInt64.self))
  }

  @Test func aFullRingWaitsForItsReader() throws {
    let connection = try connection(readers: 1)
    let channel = connection.instanceChannel
    // 24 MiB through an 8 MiB ring: somebody has to read.
    let ring = channel.ring
    let box = UnsafeMutablePointer<RingHeader>.allocate(capacity: 1)
    box.initialize(to: ring)
    let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { raw in
      guard let ring = raw?.assumingMemoryBound(to: RingHeader.self).pointee else { return nil }
      var position: UInt64 = 0
      while ring.segment.lost == 0 {
        guard let bytes = ring.readable(at: position) else { return nil }
        position += UInt64(bytes.count)
        ring.advance(reader: 0, to: position)
        if bytes.isEmpty {
          ring.waitForRecords(reader: 0, beyond: position, nanoseconds: 1_000_000)
        }
      }
      return nil
    }
    #expect(platform_thread_start(body, box, 0, "reader") == 0)
    for _ in 0..<24 { #expect(publish(channel, 0x1000, words: (1 << 17) - 1)) }
    #expect(channel.drain())
    connection.lose(LostReason.deviceLost, "the test is over")
    #expect(!publish(channel, 0x1000, words: 1), "nothing is published after a loss")
  }
}

@Suite struct Waits {
  private func wait(
    _ connection: Connection, _ targets: [WaitTarget], all: Bool, _ nanoseconds: UInt64
  ) -> WaitResult {
    targets.withUnsafeBufferPointer {
      connection.wait($0, all: all, nanoseconds: nanoseconds)
    }
  }

  @Test func allAndAny() throws {
    let connection = try connection()
    let a = connection.allocateSlot()
    let b = connection.allocateSlot()
    let targets = [WaitTarget(slot: a, value: 5), WaitTarget(slot: b, value: 3)]
    #expect(wait(connection, targets, all: false, 0) == .timeout)
    connection.segment.complete(slot: b, value: 3)
    #expect(wait(connection, targets, all: false, 0) == .done)
    #expect(wait(connection, targets, all: true, 0) == .timeout)
    connection.segment.complete(slot: a, value: 9)
    #expect(wait(connection, targets, all: true, UInt64.max) == .done)
    #expect(wait(connection, [], all: true, 0) == .done)
  }

  @Test func aTimeoutTakesItsTimeAndNotLess() throws {
    let connection = try connection()
    let slot = connection.allocateSlot()
    let start = platform_now()
    #expect(
      wait(connection, [WaitTarget(slot: slot, value: 1)], all: true, 150_000_000) == .timeout)
    let taken = platform_now() - start
    #expect(taken >= 150_000_000 && taken < 2_000_000_000)
  }

  @Test func aLossEndsEveryWait() throws {
    let connection = try connection()
    let slot = connection.allocateSlot()
    connection.lose(LostReason.deviceLost, "the test is over")
    #expect(wait(connection, [WaitTarget(slot: slot, value: 1)], all: true, UInt64.max) == .lost)
    #expect(connection.beginCall(connection.instanceChannel, opcode: 0x1000) == nil)
  }

  @Test func slotsAreDistinct() throws {
    let connection = try connection()
    var seen: Set<UInt32> = []
    for _ in 0..<1000 { #expect(seen.insert(connection.allocateSlot()).inserted) }
    #expect(!seen.contains(ControlField.noSlot))
  }
}

@Suite struct Replies {
  private func bytes(_ words: [UInt32], _ body: (UnsafeRawBufferPointer) -> Void) {
    words.withUnsafeBytes(body)
  }

  @Test func theCacheIgnoresTicketsAndNothingElse() throws {
    let cache = try #require(ReplyCache())
    bytes([0x1003, 24, 5, 0, 1, 2]) { request in
      bytes([0x1003, 16, 42, 43]) { cache.insert(request, $0) }
    }
    bytes([0x1003, 24, 60, 0, 1, 2]) { request in
      #expect(cache.find(request)?.load(fromByteOffset: 8, as: UInt32.self) == 42)
    }
    bytes([0x1003, 24, 5, 0, 1, 3]) { #expect(cache.find($0) == nil) }
    bytes([0x1004, 24, 5, 0, 1, 2]) { #expect(cache.find($0) == nil) }
    bytes([0x1003, 16, 5, 0]) { #expect(cache.find($0) == nil) }
  }
}

@Suite("A window of mapped memory")
struct MappingWindowTests {
  @Test("keeps allocations side by side, and takes their places back")
  func places() throws {
    var error: Int32 = 0
    let segment = try #require(Segment.make(error: &error))
    defer { segment.unmap() }
    let window = try #require(MappingWindow.reserve())
    let place = SegmentLayout.memoryOffset
    let one = try #require(window.map(segment, offset: place, size: 8192))
    let two = try #require(window.map(segment, offset: place + 65536, size: 4096))
    #expect(window.contains(one) && window.contains(two) && one != two)
    one.storeBytes(of: 7, toByteOffset: 8191, as: UInt8.self)
    two.storeBytes(of: 8, as: UInt8.self)
    let other = try #require(segment.mapMemory(offset: place, size: 8192))
    #expect(other.load(fromByteOffset: 8191, as: UInt8.self) == 7)
    #expect(platform_unmap(other, 8192) == 0)
    #expect(!window.contains(other))
    // What was unmapped is nobody's, until the next one of its size comes.
    window.unmap(one, size: 8192)
    let again = try #require(window.map(segment, offset: place + 131072, size: 8192))
    #expect(again == one)
    #expect(again.load(fromByteOffset: 8191, as: UInt8.self) == 0)
    #expect(window.map(segment, offset: 0, size: 4096) == nil, "not the memory part")
    #expect(window.map(segment, offset: place, size: 128 << 30) == nil, "larger than the window")
    #expect(two.load(as: UInt8.self) == 8)
    window.release()
  }
}
