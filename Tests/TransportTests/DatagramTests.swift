import CPlatform
import FrameLink
import Testing

@testable import Transport

@Suite("Replay window")
struct ReplayWindowTests {
  /// The same by a set of all numbers, which knows nothing of words and rings.
  private struct Oracle {
    var seen: Set<UInt64> = []
    var highest: UInt64 = 0

    func isNew(_ number: UInt64) -> Bool {
      if seen.isEmpty || number > highest { return true }
      return highest - number < ReplayWindow.length && !seen.contains(number)
    }

    mutating func note(_ number: UInt64) {
      seen.insert(number)
      highest = max(highest, number)
    }
  }

  @Test(
    "takes each number once, whatever the order and the jumps",
    arguments: 1...6 as ClosedRange<UInt64>)
  func likeASet(seed: UInt64) {
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    func next(_ bound: UInt64) -> UInt64 {
      state ^= state &<< 13
      state ^= state &>> 7
      state ^= state &<< 17
      return state % bound
    }
    var window = ReplayWindow()
    var oracle = Oracle()
    var place: UInt64 = next(10_000)
    for _ in 0..<20_000 {
      switch next(50) {
      case 0: place += next(20_000)
      case 1: place += ReplayWindow.length - 64 + next(128)
      default: place += next(3)
      }
      let back = next(4) == 0 ? next(ReplayWindow.length + 200) : next(40)
      let number = place - min(back, place)
      let isNew = oracle.isNew(number)
      if window.isNew(number) != isNew { Issue.record("\(number) behind \(oracle.highest)") }
      if isNew {
        window.note(number)
        oracle.note(number)
      }
    }
    #expect(window.highest == oracle.highest)
  }
}

@Suite("Sealed datagrams")
struct DatagramCipherTests {
  private let secret = DatagramSecret.random()

  private func sealed(
    _ sealer: inout DatagramSealer, _ number: UInt64, _ text: [UInt8] = Array("a packet".utf8)
  ) -> [UInt8] {
    var room = [UInt8](repeating: 0, count: text.count + DatagramCipher.overhead)
    let count = text.withUnsafeBytes { text in
      room.withUnsafeMutableBytes { sealer.seal(text, number: number, into: $0) }
    }
    return Array(room[..<count])
  }

  private func opened(_ opener: inout DatagramOpener, _ datagram: [UInt8]) -> (UInt64, [UInt8])? {
    datagram.withUnsafeBytes { opener.open($0) { ($0, Array($1)) } }
  }

  private func ends(_ session: UInt16 = 7) -> (DatagramSealer, DatagramOpener) {
    (
      DatagramSealer(secret, sender: .node, session: session),
      DatagramOpener(secret, sender: .node, session: session)
    )
  }

  @Test("a packet comes out with its number, once, in any order")
  func opens() throws {
    var (sealer, opener) = ends()
    let datagrams = (0..<100).map { sealed(&sealer, UInt64($0), [UInt8($0)]) }
    for i in [5, 3, 99, 0, 42] {
      let found = try #require(opened(&opener, datagrams[i]))
      #expect(found.0 == UInt64(i) && found.1 == [UInt8(i)])
      #expect(opened(&opener, datagrams[i]) == nil)
    }
    #expect(opener.statistics.opened == 5 && opener.statistics.replayed == 5)
    #expect(sealed(&sealer, 99).isEmpty, "a number is not used twice")
    #expect(opened(&opener, sealed(&sealer, 100, []))?.1 == [])
  }

  @Test("a datagram of which one bit is another does not open, and one that is cut off neither")
  func forgeries() {
    var (sealer, opener) = ends()
    _ = opened(&opener, sealed(&sealer, 0))
    let datagram = sealed(&sealer, 1)
    for bit in 0..<datagram.count * 8 {
      var changed = datagram
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      if opened(&opener, changed) != nil { Issue.record("bit \(bit)") }
    }
    for count in 0..<datagram.count {
      if opened(&opener, Array(datagram[..<count])) != nil { Issue.record("\(count) bytes") }
    }
    #expect(opener.statistics.opened == 1)
    #expect(opened(&opener, datagram) != nil, "refusals have changed nothing")
  }

  @Test("directions, sessions and connections do not understand each other")
  func separation() {
    var (sealer, _) = ends()
    let datagram = sealed(&sealer, 0)
    var others = [
      DatagramOpener(secret, sender: .client, session: 7),
      DatagramOpener(.random(), sender: .node, session: 7),
      DatagramOpener(secret, sender: .node, session: 8),
    ]
    for i in others.indices { #expect(opened(&others[i], datagram) == nil) }
    #expect(others[2].statistics.foreign == 1)
  }

  @Test(
    "numbers beyond 32 bits are found again, near the highest",
    arguments: [
      0, 1, 0x7FFF_FFFF, 0xFFFF_FFFE, 0x1_0000_0000, 0xFF_FFFF_FFFF,
    ] as [UInt64])
  func numbers(highest: UInt64) {
    for back in [0, 1, 100, 0x7FFF_0000] as [UInt64] where back <= highest {
      let number = highest - back
      #expect(DatagramOpener.number(UInt32(truncatingIfNeeded: number), near: highest) == number)
    }
    for ahead in [1, 1000, 0x7FFF_0000] as [UInt64] {
      let number = highest + ahead
      #expect(DatagramOpener.number(UInt32(truncatingIfNeeded: number), near: highest) == number)
    }
  }

  @Test("keys are replaced after 2^20 packets, and packets from before still open for a while")
  func epochs() {
    var (sealer, opener) = ends()
    let end: UInt64 = 1 << DatagramCipher.epochBits
    let late = sealed(&sealer, end - 2)
    let last = sealed(&sealer, end - 1)
    let first = sealed(&sealer, end)
    let farAhead = sealed(&sealer, 3 * end)
    _ = opened(&opener, last)
    #expect(opened(&opener, first) != nil)
    #expect(opened(&opener, late) != nil, "of the epoch before")
    #expect(opened(&opener, farAhead) == nil, "no packets come in the epoch between")
    // An epoch that is only claimed changes nothing.
    var claimed = sealed(&sealer, 3 * end + 1)
    claimed[6] = UInt8(2 * end >> 16 & 255)
    #expect(opened(&opener, claimed) == nil)
    var (again, _) = ends()
    #expect(opened(&opener, sealed(&again, end + 5)) != nil)
  }

  @Test("both ends of a sealed link have the same secret, and another one for each link")
  func fromHandshake() throws {
    let (clientResult, nodeResult) = Pair.shake(tokenA, tokenA)
    let (client, node) = (try clientResult.get(), try nodeResult.get())
    let other = try Pair.shake(tokenA, tokenA).0.get()
    let ours = try #require(client.datagramSecret)
    var sealer = DatagramSealer(ours, sender: .client, session: 1)
    let datagram = sealed(&sealer, 0)
    var opener = DatagramOpener(
      try #require(node.datagramSecret), sender: .client, session: 1)
    #expect(opened(&opener, datagram) != nil)
    var stranger = DatagramOpener(
      try #require(other.datagramSecret), sender: .client, session: 1)
    #expect(opened(&stranger, datagram) == nil)
    #expect(Pair.plain().0.datagramSecret == nil)
  }
}

@Suite("Datagram sockets")
struct DatagramSocketTests {
  /// Waits until something can be read, or ten seconds.
  private func wait(_ socket: DatagramSocket) -> Bool {
    platform_poll(socket.descriptor, Int32(POLLIN), 10_000) > 0
  }

  /// Sends all of a batch, for which a socket's buffer has room.
  private func send(_ socket: DatagramSocket, _ batch: inout DatagramBatch) {
    let isSent = socket.send(&batch)
    let isEmpty = batch.isEmpty
    #expect(isSent && isEmpty)
  }

  @Test("a batch arrives, datagram by datagram, sizes mixed, and is answered")
  func loopback() throws {
    let node = try DatagramSocket(bound: .tcp(host: "127.0.0.1", port: 0), largest: 1500)
    let client = try DatagramSocket(
      to: .tcp(host: "127.0.0.1", port: node.port), largest: 1500)
    #expect(client.hasPeer && !node.hasPeer)
    var batch = DatagramBatch(largest: 1500)
    let sizes = (0..<40).map { $0 % 7 == 3 ? 100 + $0 : 1200 }
    for (i, size) in sizes.enumerated() {
      batch.add { room in
        room[0] = UInt8(i)
        return size
      }
    }
    send(client, &batch)
    var found: [Int: Int] = [:]
    while found.count < sizes.count, wait(node) {
      _ = node.receive { datagram in
        found[Int(datagram[0])] = datagram.count
        return true
      }
    }
    #expect(found == Dictionary(uniqueKeysWithValues: sizes.enumerated().map { ($0, $1) }))
    #expect(client.refusedCount == 0)

    batch.add { room in
      room[0] = 99
      return 5
    }
    #expect(node.hasPeer)
    send(node, &batch)
    var answer = 0
    while answer == 0, wait(client) {
      _ = client.receive { datagram in
        answer = datagram.count
        return true
      }
    }
    #expect(answer == 5)
  }

  @Test("only who is authentic becomes the peer, and datagrams that are too long are left out")
  func peers() throws {
    let node = try DatagramSocket(bound: .tcp(host: "127.0.0.1", port: 0), largest: 100)
    let stranger = try DatagramSocket(
      to: .tcp(host: "127.0.0.1", port: node.port), largest: 1000)
    var batch = DatagramBatch(largest: 1000)
    batch.add { _ in 500 }
    batch.add { _ in 50 }
    send(stranger, &batch)
    var sizes: [Int] = []
    while sizes.isEmpty, wait(node) {
      _ = node.receive { datagram in
        sizes.append(datagram.count)
        return false
      }
    }
    #expect(sizes == [50] && !node.hasPeer)
    batch.add { _ in 10 }
    send(node, &batch)
    #expect(node.refusedCount == 1)
  }

  @Test("a batch takes what it has room for, and nothing empty")
  func batches() {
    var batch = DatagramBatch(largest: 10)
    batch.add { _ in 0 }
    batch.add { _ in 11 }
    let isEmpty = batch.isEmpty
    #expect(isEmpty)
    for _ in 0..<DatagramBatch.capacity + 5 { batch.add { _ in 10 } }
    let (isFull, count) = (batch.isFull, batch.count)
    #expect(isFull && count == DatagramBatch.capacity)
  }

  @Test("frames go over real sockets, sealed, both ways, until all of them have arrived")
  func frames() throws {
    let settings = LinkSettings()
    let largest = settings.packetBytes + DatagramCipher.overhead
    let secret = DatagramSecret.random()
    let node = try DatagramSocket(bound: .tcp(host: "127.0.0.1", port: 0), largest: largest)
    let client = try DatagramSocket(
      to: .tcp(host: "127.0.0.1", port: node.port), largest: largest)
    var toClient = DatagramSealer(secret, sender: .node, session: 1)
    var fromNode = DatagramOpener(secret, sender: .node, session: 1)
    var toNode = DatagramSealer(secret, sender: .client, session: 1)
    var fromClient = DatagramOpener(secret, sender: .client, session: 1)
    let sender = FrameSender(settings, now: platform_now())
    let receiver = FrameReceiver(settings)
    var packet = [UInt8](repeating: 0, count: settings.packetBytes)
    var batch = DatagramBatch(largest: largest)
    var answers = DatagramBatch(largest: largest)

    // The client speaks first, so that the node knows where it is.
    answers.add { room in
      [UInt8]().withUnsafeBytes { toNode.seal($0, number: 0, into: room) }
    }
    send(client, &answers)
    var feedbacks: UInt64 = 1
    #expect(wait(node))
    _ = node.receive { datagram in fromClient.open(datagram) { _, _ in true } ?? false }
    #expect(node.hasPeer)

    let frames = 40
    var arrived: [UInt32: Int] = [:]
    var next: UInt32 = 1
    let deadline = platform_now() + 20_000_000_000
    while arrived.count < frames, platform_now() < deadline {
      if next <= frames, sender.delay(now: platform_now()) < 5_000_000 {
        let count = 3000 + Int(next) * 500
        sender.enqueue(band: 0, frame: next, byteCount: count, now: platform_now()) {
          $0.initializeMemory(as: UInt8.self, repeating: UInt8(next), count: count)
        }
        next += 1
      }
      while !batch.isFull {
        let found = packet.withUnsafeMutableBytes {
          sender.nextPacket(now: platform_now(), into: $0)
        }
        guard let found else { break }
        batch.add { room in
          packet.withUnsafeBytes {
            toClient.seal(
              UnsafeRawBufferPointer(rebasing: $0[..<found.byteCount]), number: found.number,
              into: room)
          }
        }
      }
      _ = node.send(&batch)
      _ = client.receive { datagram in
        fromNode.open(datagram) { number, packet in
          receiver.receive(packet, number: number, now: platform_now()) { event in
            guard case .unit(let unit) = event else { return }
            let isRight = unit.bytes.allSatisfy { $0 == UInt8(truncatingIfNeeded: unit.frame) }
            arrived[unit.frame] = isRight ? unit.bytes.count : -1
          }
          return true
        } ?? false
      }
      receiver.tick(now: platform_now()) { _ in }
      let count = packet.withUnsafeMutableBytes { receiver.feedback(now: platform_now(), into: $0) }
      if count > 0 {
        answers.add { room in
          packet.withUnsafeBytes {
            toNode.seal(
              UnsafeRawBufferPointer(rebasing: $0[..<count]), number: feedbacks, into: room)
          }
        }
        feedbacks += 1
        _ = client.send(&answers)
      }
      _ = node.receive { datagram in
        fromClient.open(datagram) { _, packet in sender.receive(packet, now: platform_now()) }
          ?? false
      }
      _ = platform_poll(client.descriptor, Int32(POLLIN), 1)
    }
    #expect(arrived.count == frames)
    for (frame, count) in arrived { #expect(count == 3000 + Int(frame) * 500) }
    #expect(sender.statistics.malformedFeedbacks == 0 && receiver.statistics.malformedPackets == 0)
    #expect(fromNode.statistics.forged == 0 && fromClient.statistics.forged == 0)
  }
}
