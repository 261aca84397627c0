import CPlatform
import Ring
import Testing

@testable import Client

@Suite("Pixels become 8-bit red, green and blue")
struct PixelTests {
  func convert(_ layout: PixelLayout, _ bytes: [UInt8]) -> [UInt8] {
    let count = bytes.count / layout.bytesPerPixel
    var rgb = [UInt8](repeating: 0, count: count * 3)
    bytes.withUnsafeBytes { layout.convert($0.baseAddress!, count, into: &rgb) }
    return rgb
  }

  @Test("Bytes are put in order")
  func bytes() {
    #expect(convert(.bgra8, [1, 2, 3, 4, 5, 6, 7, 8]) == [3, 2, 1, 7, 6, 5])
    #expect(convert(.rgba8, [1, 2, 3, 4, 5, 6, 7, 8]) == [1, 2, 3, 5, 6, 7])
  }

  @Test("Ten bits lose their lowest two")
  func tenBits() {
    let word: UInt32 = 0x3FF | 0x200 << 10 | 0x007 << 20 | 3 << 30
    let bytes = (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32($0))) }
    #expect(convert(.rgba10, bytes) == [0xFF, 0x80, 0x01])
    #expect(convert(.bgra10, bytes) == [0x01, 0x80, 0xFF])
  }

  @Test("Five and six bits fill eight")
  func fewBits() {
    #expect(convert(.bgr565, [0xFF, 0xFF]) == [255, 255, 255])
    #expect(convert(.bgr565, [0x00, 0x00]) == [0, 0, 0])
    #expect(convert(.bgr565, [0x00, 0x80]) == [0x84, 0, 0])
    #expect(convert(.bgr565, [0x10, 0x04]) == [0, 0x82, 0x84])
  }
}

@Suite("Frames are shown at refreshes")
struct PacingTests {
  let period: UInt64 = 10_000_000

  @Test("FIFO: early frames queue up, a late one waits for the next refresh")
  func fifo() {
    var pacing = Pacing(mode: .fifo, period: period)
    #expect(pacing.timeToShow(now: 1000) == 1000)
    #expect(pacing.timeToShow(now: 1001) == 1000 + period)
    #expect(pacing.timeToShow(now: 1002) == 1000 + 2 * period)
    #expect(pacing.timeToShow(now: 1000 + 3 * period) == 1000 + 3 * period)
    #expect(pacing.timeToShow(now: 1000 + 5 * period + 1) == 1000 + 6 * period)
  }

  @Test("FIFO relaxed: a late frame is shown at once")
  func relaxed() {
    var pacing = Pacing(mode: .fifoRelaxed, period: period)
    #expect(pacing.timeToShow(now: 1000) == 1000)
    #expect(pacing.timeToShow(now: 1001) == 1000 + period)
    #expect(pacing.timeToShow(now: 1000 + 5 * period + 7) == 1000 + 5 * period + 7)
    #expect(pacing.timeToShow(now: 1000 + 5 * period + 8) == 1000 + 6 * period + 7)
  }

  @Test("Mailbox: a refresh that a newer frame takes over is not lost")
  func mailbox() {
    var pacing = Pacing(mode: .mailbox, period: period)
    _ = pacing.timeToShow(now: 1000)
    let time = pacing.timeToShow(now: 2000)
    pacing.giveBack(time)
    #expect(pacing.timeToShow(now: 3000) == time)
  }

  @Test("Immediate: now. No mode shows a frame before it is there")
  func immediate() {
    var pacing = Pacing(mode: .immediate, period: period)
    #expect(pacing.timeToShow(now: 5) == 5)
    for mode in [PresentMode.immediate, .mailbox, .fifo, .fifoRelaxed] {
      var pacing = Pacing(mode: mode, period: period)
      var now: UInt64 = 1
      for step in 0..<1000 as Range<UInt64> {
        now += step * 37_129 % (3 * period)
        #expect(pacing.timeToShow(now: now) >= now)
      }
    }
  }

  @Test("A period out of reason becomes 60 Hz")
  func period60() {
    #expect(Pacing(mode: .fifo, period: 0).period == 16_666_667)
    #expect(Pacing(mode: .fifo, period: .max).period == 16_666_667)
  }
}

@Suite("Frames lie in windows of another size")
struct PlacementTests {
  @Test("At the start, at the end, or in the middle; before the window when they are larger")
  func offsets() {
    #expect(FramePlacement.offset(.start, frame: 30, window: 100) == 0)
    #expect(FramePlacement.offset(.end, frame: 30, window: 100) == 70)
    #expect(FramePlacement.offset(.center, frame: 30, window: 100) == 35)
    #expect(FramePlacement.offset(.start, frame: 100, window: 30) == 0)
    #expect(FramePlacement.offset(.end, frame: 100, window: 30) == -70)
    #expect(FramePlacement.offset(.center, frame: 100, window: 30) == -35)
  }
}

@Suite("The list of frames to dump")
struct DumpListTests {
  @Test(
    "Numbers, ranges and open ranges",
    arguments: [
      ("1", [1]), ("3,5-7", [3, 5, 6, 7]), ("8-", [8, 9]), ("-2", [1, 2]), ("", []),
      ("x,4", [4]), ("4x,6", [4, 6]), ("9-8", []),
    ])
  func list(_ list: String, _ wanted: [UInt64]) {
    #expect((1...9 as ClosedRange<UInt64>).filter { FrameDump.isWanted($0, list) } == wanted)
  }

  @Test("No list means all")
  func all() { #expect(FrameDump.isWanted(123_456, nil)) }
}

@Suite("A presenter with interim pictures")
struct InterimPresenterTests {
  func start() throws -> (Connection, Presenter, InterimBoard) {
    let connection = try #require(Connection.detached(readerMask: 0))
    let frames = try #require(
      FrameBuffers.make(imageCount: 3, width: 33, height: 7, layout: .bgra8, interim: true))
    let presenter = try #require(
      Presenter.start(
        connection: connection, window: .headless, frames: frames, mode: .fifo, isOpaque: true))
    return (connection, presenter, try #require(frames.board))
  }

  func count(_ connection: Connection, _ counter: Int) -> UInt64 {
    platform_load64(connection.segment.counter(counter))
  }

  /// Waits ten seconds at most until a counter has a value.
  func wait(_ connection: Connection, _ counter: Int, for value: UInt64) {
    let end = platform_now() &+ 10_000_000_000
    while count(connection, counter) < value, platform_now() < end { platform_sleep(500_000) }
    #expect(count(connection, counter) == value)
  }

  /// Pictures that had their time: shown, or, on a machine with much else to do, overtaken by the next.
  func done(_ connection: Connection) -> UInt64 {
    count(connection, Counter.interimShown) &+ count(connection, Counter.interimDropped)
  }

  @Test(
    "Pictures are shown in order, with nothing else to wait for, and their memory is free again")
  func pictures() throws {
    let (connection, presenter, board) = try start()
    for number in 1...(2 * InterimBoard.pictureCount) {
      board.publish(try #require(board.claim()), at: platform_now() &+ 1_000_000)
      // As the agent does, by a descriptor of the same.
      platform_event_set(presenter.state.pointee.wake)
      wait(connection, Counter.interimShown, for: UInt64(number))
    }
    for _ in 0..<3 {
      let before = done(connection)
      let now = platform_now()
      for k in 0..<InterimBoard.pictureCount {
        let picture = try #require(board.claim())
        board.publish(picture, at: now &+ UInt64(1 + k) * 4_000_000)
      }
      #expect(board.claim() == nil)
      platform_event_set(presenter.state.pointee.wake)
      let end = now &+ 10_000_000_000
      while done(connection) < before + UInt64(InterimBoard.pictureCount), platform_now() < end {
        platform_sleep(500_000)
      }
      #expect(done(connection) == before + UInt64(InterimBoard.pictureCount))
    }
    presenter.stop()
    #expect(count(connection, Counter.framesShown) == 0)
  }

  @Test("What a later picture, or a real frame, has overtaken is not shown")
  func overtaken() throws {
    let (connection, presenter, board) = try start()
    let now = platform_now()
    for time in [now - 2, now - 3, now - 1] {
      board.publish(try #require(board.claim()), at: time)
    }
    platform_event_set(presenter.state.pointee.wake)
    wait(connection, Counter.interimDropped, for: 2)
    wait(connection, Counter.interimShown, for: 1)
    guard case .image(let image) = presenter.acquire(nanoseconds: 0) else {
      Issue.record("no image")
      return
    }
    _ = presenter.present(image: image, slot: 0, value: 1)
    connection.segment.complete(slot: 0, value: 1)
    wait(connection, Counter.framesShown, for: 1)
    board.publish(try #require(board.claim()), at: now)
    platform_event_set(presenter.state.pointee.wake)
    wait(connection, Counter.interimDropped, for: 3)
    presenter.stop()
    #expect(count(connection, Counter.interimShown) == 1)
  }

  @Test(
    "A real frame waits for the time that it was given, its image does not, and no frame waits for ever"
  )
  func scheduled() throws {
    let (connection, presenter, board) = try start()
    for (value, delay) in [(1, 100_000_000), (2, UInt64.max / 2)] as [(UInt64, UInt64)] {
      guard case .image(let image) = presenter.acquire(nanoseconds: 0) else {
        Issue.record("no image")
        return
      }
      let time = platform_now() &+ delay
      board.set(timeOfImage: Int(image), time)
      _ = presenter.present(image: image, slot: image, value: value, id: value)
      connection.segment.complete(slot: image, value: value)
      // Before it, a picture.
      board.publish(try #require(board.claim()), at: platform_now() &+ 20_000_000)
      platform_event_set(presenter.state.pointee.wake)
      for _ in 0..<3 {
        guard case .image(let other) = presenter.acquire(nanoseconds: 1_000_000_000) else {
          Issue.record("an image is held until its frame is shown")
          return
        }
        _ = other
      }
      for image in 0..<3 as Range<UInt32> { _ = presenter.giveBack(image: image) }
      guard case .shown = presenter.waitForPresent(id: value, nanoseconds: 5_000_000_000) else {
        Issue.record("not shown")
        return
      }
      // The other one's time is out of reason.
      if value == 1 { #expect(platform_now() >= time) }
      #expect(done(connection) == value)
    }
    presenter.stop()
    #expect(count(connection, Counter.framesShown) == 2)
  }

  @Test("What the agent takes back is not shown")
  func withdrawn() throws {
    let (connection, presenter, board) = try start()
    let now = platform_now()
    board.publish(try #require(board.claim()), at: now &+ 50_000_000)
    board.publish(try #require(board.claim()), at: now &+ 900_000_000)
    #expect(board.withdraw(from: now &+ 60_000_000) == 1)
    platform_event_set(presenter.state.pointee.wake)
    wait(connection, Counter.interimShown, for: 1)
    presenter.stop()
    #expect(count(connection, Counter.interimShown) == 1)
    #expect(count(connection, Counter.interimDropped) == 0)
  }

  @Test("There are none of pixels that they cannot be made of")
  func layouts() throws {
    for (layout, extra) in [(.rgba8, 5), (.bgr565, 0), (.bgra10, 0)] as [(PixelLayout, Int)] {
      let frames = try #require(
        FrameBuffers.make(imageCount: 2, width: 5, height: 5, layout: layout, interim: true))
      #expect(frames.extraCount == extra)
      #expect((frames.board != nil) == (extra > 0))
      frames.free()
    }
    let plain = try #require(FrameBuffers.make(imageCount: 2, width: 5, height: 5, layout: .bgra8))
    #expect(plain.extraCount == 0 && plain.byteCount == 2 * plain.frameBytes)
    plain.free()
  }
}

@Suite("A presenter without a window")
struct HeadlessTests {
  func start(_ mode: PresentMode, images: Int = 3) throws -> (Connection, Presenter) {
    let connection = try #require(Connection.detached(readerMask: 0))
    let frames = try #require(
      FrameBuffers.make(imageCount: images, width: 33, height: 7, layout: .bgra8))
    let presenter = try #require(
      Presenter.start(
        connection: connection, window: .headless, frames: frames, mode: mode, isOpaque: true))
    return (connection, presenter)
  }

  func image(_ result: AcquireResult) -> UInt32? {
    if case .image(let image) = result { image } else { nil }
  }

  @Test("Frames come back in order, one after each arrival", arguments: [0, 2, 3] as [UInt32])
  func inOrder(_ number: UInt32) throws {
    let mode = try #require(PresentMode(rawValue: number))
    let (connection, presenter) = try start(mode)
    for frame in 0..<12 as Range<UInt64> {
      let index = try #require(image(presenter.acquire(nanoseconds: 1_000_000_000)))
      #expect(UInt64(index) == frame % 3)
      #expect(presenter.present(image: index, slot: index, value: frame + 1) == .optimal)
      connection.segment.complete(slot: index, value: frame + 1)
    }
    presenter.stop()
    #expect(platform_load64(connection.segment.counter(Counter.framesPresented)) == 12)
    #expect(platform_load64(connection.segment.counter(Counter.framesShown)) == 12)
  }

  @Test("An acquire waits for arrivals, and no longer than it was told")
  func timeout() throws {
    let (connection, presenter) = try start(.immediate, images: 1)
    let index = try #require(image(presenter.acquire(nanoseconds: 0)))
    let start = platform_now()
    guard case .timeout = presenter.acquire(nanoseconds: 30_000_000) else {
      Issue.record("an image that is in use was given")
      return
    }
    #expect((30_000_000..<500_000_000).contains(platform_now() - start))
    _ = presenter.present(image: index, slot: 5, value: 1)
    guard case .timeout = presenter.acquire(nanoseconds: 0) else {
      Issue.record("an image that has not arrived was given")
      return
    }
    connection.segment.complete(slot: 5, value: 1)
    #expect(image(presenter.acquire(nanoseconds: 1_000_000_000)) == index)
    presenter.stop()
  }

  @Test("Mailbox: all but the newest of what has arrived may be dropped, none is kept")
  func mailbox() throws {
    let (connection, presenter) = try start(.mailbox, images: 5)
    for frame in 1...50 as ClosedRange<UInt64> {
      let index = try #require(image(presenter.acquire(nanoseconds: 1_000_000_000)))
      _ = presenter.present(image: index, slot: index, value: frame)
      connection.segment.complete(slot: index, value: frame)
    }
    presenter.stop()
    let shown = platform_load64(connection.segment.counter(Counter.framesShown))
    let dropped = platform_load64(connection.segment.counter(Counter.framesDropped))
    #expect(shown + dropped == 50)
    #expect(shown >= 1 && dropped >= 1)
  }

  @Test("A lost connection ends acquires and the thread")
  func lost() throws {
    let (connection, presenter) = try start(.fifo, images: 1)
    let index = try #require(image(presenter.acquire(nanoseconds: 0)))
    _ = presenter.present(image: index, slot: 0, value: 1)
    connection.segment.markLost(LostReason.nodeGone, UnsafeRawBufferPointer(start: nil, count: 0))
    guard case .lost = presenter.acquire(nanoseconds: .max) else {
      Issue.record("acquired from a lost connection")
      return
    }
    presenter.stop()
  }

  @Test("A wait for a present ends with its frame, with a later one, or in time")
  func waitForPresent() throws {
    let (connection, presenter) = try start(.immediate)
    let start = platform_now()
    guard case .timeout = presenter.waitForPresent(id: 1, nanoseconds: 20_000_000) else {
      Issue.record("waited for nothing")
      return
    }
    #expect((20_000_000..<500_000_000).contains(platform_now() - start))
    for (id, value) in [(5, 1), (0, 2), (9, 3)] as [(UInt64, UInt64)] {
      let index = try #require(image(presenter.acquire(nanoseconds: 1_000_000_000)))
      _ = presenter.present(image: index, slot: 0, value: value, id: id)
      guard id != 0 else {
        connection.segment.complete(slot: 0, value: value)
        continue
      }
      guard case .timeout = presenter.waitForPresent(id: id, nanoseconds: 0) else {
        Issue.record("shown before it arrived")
        return
      }
      connection.segment.complete(slot: 0, value: value)
      for known in [id, id - 1] {
        guard case .shown = presenter.waitForPresent(id: known, nanoseconds: .max) else {
          Issue.record("present \(known) was not shown")
          return
        }
      }
      guard case .timeout = presenter.waitForPresent(id: id + 1, nanoseconds: 0) else {
        Issue.record("present \(id + 1) was never made")
        return
      }
    }
    presenter.stop()
  }

  @Test("A frame whose turn a newer one takes counts as shown")
  func waitForDropped() throws {
    let (connection, presenter) = try start(.mailbox, images: 5)
    for frame in 1...30 as ClosedRange<UInt64> {
      let index = try #require(image(presenter.acquire(nanoseconds: 1_000_000_000)))
      // The last one has no id of its own.
      _ = presenter.present(image: index, slot: index, value: frame, id: frame == 30 ? 0 : frame)
      connection.segment.complete(slot: index, value: frame)
    }
    guard case .shown = presenter.waitForPresent(id: 29, nanoseconds: 5_000_000_000) else {
      Issue.record("a dropped frame is waited for in vain")
      return
    }
    presenter.stop()
  }

  @Test("Waits end when the connection is lost, or the swapchain replaced")
  func waitEnds() throws {
    let (connection, presenter) = try start(.fifo)
    let index = try #require(image(presenter.acquire(nanoseconds: 0)))
    _ = presenter.present(image: index, slot: 0, value: 1, id: 3)
    presenter.retire()
    guard case .outOfDate = presenter.waitForPresent(id: 4, nanoseconds: .max) else {
      Issue.record("waited for a present that a replaced swapchain never got")
      return
    }
    guard case .timeout = presenter.waitForPresent(id: 3, nanoseconds: 1_000_000) else {
      Issue.record("what is queued is still shown, but not yet")
      return
    }
    connection.segment.complete(slot: 0, value: 1)
    guard case .shown = presenter.waitForPresent(id: 3, nanoseconds: .max) else {
      Issue.record("what was queued was not shown")
      return
    }
    presenter.stop()
    let (lost, other) = try start(.fifo)
    lost.segment.markLost(LostReason.nodeGone, UnsafeRawBufferPointer(start: nil, count: 0))
    guard case .lost = other.waitForPresent(id: 1, nanoseconds: .max) else {
      Issue.record("waited on a lost connection")
      return
    }
    other.stop()
  }

  @Test("Images that are given back are acquired again; others stay where they are")
  func giveBack() throws {
    let (_, presenter) = try start(.fifo)
    for _ in 0..<7 {
      let held = try (0..<3).map { _ in try #require(image(presenter.acquire(nanoseconds: 0))) }
      #expect(Set(held) == [0, 1, 2])
      guard case .timeout = presenter.acquire(nanoseconds: 0) else {
        Issue.record("an image too many")
        return
      }
      for index in held { #expect(presenter.giveBack(image: index) == .optimal) }
      // Twice, and one that there is not.
      for index in [held[0], 63, 64, .max] { _ = presenter.giveBack(image: index) }
    }
    presenter.stop()
  }

  @Test("Each present may change the mode; the next ones keep it")
  func changeModes() throws {
    let (connection, presenter) = try start(.fifo)
    var value: UInt64 = 0
    func show(_ mode: PresentMode?) throws {
      value += 1
      let index = try #require(image(presenter.acquire(nanoseconds: 1_000_000_000)))
      _ = presenter.present(image: index, slot: index, value: value, mode: mode, id: value)
      connection.segment.complete(slot: index, value: value)
    }
    try show(.immediate)
    var start = platform_now()
    for _ in 0..<60 { try show(nil) }
    guard case .shown = presenter.waitForPresent(id: value, nanoseconds: .max) else { return }
    #expect(platform_now() - start < 900_000_000)
    try show(.fifo)
    start = platform_now()
    for _ in 0..<12 { try show(nil) }
    guard case .shown = presenter.waitForPresent(id: value, nanoseconds: .max) else { return }
    #expect(platform_now() - start > 150_000_000)
    presenter.stop()
  }

  @Test("A replaced swapchain gives no image, and shows what it has")
  func retired() throws {
    let (connection, presenter) = try start(.fifo)
    let index = try #require(image(presenter.acquire(nanoseconds: 0)))
    presenter.retire()
    guard case .outOfDate = presenter.acquire(nanoseconds: .max) else {
      Issue.record("acquired from a replaced swapchain")
      return
    }
    _ = presenter.present(image: index, slot: 0, value: 1)
    connection.segment.complete(slot: 0, value: 1)
    presenter.stop()
    #expect(platform_load64(connection.segment.counter(Counter.framesShown)) == 1)
  }
}
