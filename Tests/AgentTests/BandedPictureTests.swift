import FrameSamples
import FrameServer
import FrameStream
import Testing
import Threads

@testable import Agent

/// The frame buffers of a swapchain, and what comes for them from a node.
private final class Receiver {
  let width: Int
  let height: Int
  let stride: Int
  let picture: BandedPicture
  let memory: UnsafeMutableRawBufferPointer
  let encoder: FrameEncoder
  /// Damages units on their way.
  var damage: ([UInt8]) -> [UInt8] = { $0 }
  private let imageCount: Int

  init(_ settings: EncoderSettings, width: Int, height: Int, images: Int) {
    self.width = width
    self.height = height
    stride = (width * 4 + 63) & ~63
    imageCount = images
    picture = BandedPicture(imageCount: images, crew: DecodingCrew())
    memory = .allocate(byteCount: stride * height * images, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0x5A)
    encoder = FrameEncoder(settings)
  }

  deinit { memory.deallocate() }

  func buffer(_ image: Int) -> UnsafeMutableRawBufferPointer {
    let size = stride * height
    return UnsafeMutableRawBufferPointer(rebasing: memory[image * size..<(image + 1) * size])
  }

  func place(_ image: Int) -> FramePlace {
    FramePlace(swapchain: 1, image: UInt32(image), stride: stride, order: .bgra)
  }

  @discardableResult
  func send(_ source: Picture, to image: Int) throws -> FrameFeedback {
    let units = Guarded([[UInt8]]())
    let coded = encoder.encode(source.rows, width: width, height: height) { unit in
      var bytes = [UInt8](repeating: 0, count: unit.byteCount)
      bytes.withUnsafeMutableBytes { if let p = $0.baseAddress { unit.write(to: p) } }
      units.withLock { $0.append(bytes) }
    }
    for bytes in units.withLock({ $0 }).map(damage) {
      try bytes.withUnsafeBytes { try picture.take($0, place(image), buffer) }
    }
    return try picture.finish(end(coded.frame, image), buffer)
  }

  func end(_ frame: UInt32, _ image: Int) -> FrameEnd {
    FrameEnd(
      place: place(image), frame: frame, width: width, height: height, bands: 0, coding: .lossless,
      isLeftOut: false, encodeTime: 0, firstUnitTime: 0)
  }

  func differences(_ source: Picture, in image: Int) -> Int {
    var count = 0
    for y in 0..<height {
      let row = buffer(image).baseAddress! + y * stride
      for x in 0..<width
      where row.load(fromByteOffset: x * 4, as: UInt32.self) != source[x, y] { count += 1 }
    }
    return count
  }
}

private func settings(_ coding: BandCoding) -> EncoderSettings {
  var settings = EncoderSettings()
  settings.coding = coding
  settings.usesHardware = false
  return settings
}

@Suite("Frames made of bands")
struct BandedPictureTests {
  @Test("are whole in every buffer, whichever is used", arguments: [BandCoding.raw, .lossless])
  func exact(coding: BandCoding) throws {
    let receiver = Receiver(settings(coding), width: 333, height: 201, images: 4)
    let desktop = Desktop(width: 333, height: 201, share: 0.1)
    var order = Numbers(7)
    for number in 0..<60 {
      if number % 5 != 0 { desktop.advance() }
      let image = order.below(4)
      let feedback = try receiver.send(desktop.picture, to: image)
      #expect(feedback.lostBands == 0)
      #expect(receiver.differences(desktop.picture, in: image) == 0, "frame \(number)")
    }
    // What lies between rows is nobody's.
    #expect(receiver.buffer(0)[receiver.stride - 1] == 0x5A)
  }

  @Test("say which bands were lost, and are whole again when they come anew")
  func losses() throws {
    let receiver = Receiver(settings(.lossless), width: 320, height: 200, images: 3)
    let desktop = Desktop(width: 320, height: 200, share: 0.2)
    for number in 0..<3 { try receiver.send(desktop.picture, to: number) }
    desktop.advance()
    // Behind header and mask, so that the band itself is damaged.
    receiver.damage = { bytes in
      var bytes = bytes
      for index in 40..<bytes.count { bytes[index] ^= 0x55 }
      return bytes
    }
    let feedback = try receiver.send(desktop.picture, to: 0)
    #expect(feedback.lostBands != 0)
    receiver.damage = { $0 }
    for band in 0..<32 where feedback.lostBands >> UInt32(band) & 1 != 0 {
      receiver.encoder.noteLoss(band: band, since: feedback.lostSince)
    }
    #expect(try receiver.send(desktop.picture, to: 1).lostBands == 0)
    #expect(receiver.differences(desktop.picture, in: 1) == 0)
    #expect(try receiver.send(desktop.picture, to: 0).lostBands == 0)
    #expect(receiver.differences(desktop.picture, in: 0) == 0)
  }

  @Test("that are left out show the frame before")
  func leftOut() throws {
    let receiver = Receiver(settings(.lossless), width: 200, height: 100, images: 3)
    let desktop = Desktop(width: 200, height: 100, share: 0.2)
    try receiver.send(desktop.picture, to: 0)
    _ = try receiver.picture.finish(receiver.end(1, 2), receiver.buffer)
    #expect(receiver.differences(desktop.picture, in: 2) == 0)
  }

  /// Units of a band as they come in datagrams: early, late, and not at all.
  private final class Datagrams: @unchecked Sendable {
    let receiver = Receiver(settings(.h264), width: 320, height: 200, images: 4)
    let desktop = Desktop(width: 320, height: 200, share: 1)
    let refusals = Guarded(0)
    private(set) var frames: [[[UInt8]]] = []
    private(set) var pictures: [Picture] = []

    /// Codes frames that are all different.
    func code(_ count: Int) {
      for _ in 0..<count {
        desktop.advance()
        let units = Guarded([[UInt8]]())
        _ = receiver.encoder.encode(desktop.picture.rows, width: 320, height: 200) { unit in
          var bytes = [UInt8](repeating: 0, count: unit.byteCount)
          bytes.withUnsafeMutableBytes { if let p = $0.baseAddress { unit.write(to: p) } }
          units.withLock { $0.append(bytes) }
        }
        frames.append(units.withLock { $0 })
        pictures.append(desktop.picture)
      }
    }

    /// Frame `number`, from 1, arrives for its image.
    func arrive(_ number: Int, behindGap: Bool = false) throws {
      for unit in frames[number - 1] {
        let header = try unit.withUnsafeBytes { try BandUnit($0).header }
        let arrival = DatagramArrival(
          swapchain: 1, band: header.band, frame: header.frame, repair: 0, isBehindGap: behindGap
        ) { [self] _, _ in refusals.withLock { $0 += 1 } }
        try receiver.picture.take(
          unit, from: 0, receiver.place(number % 4), arrival, receiver.buffer)
      }
    }

    func finish(_ number: Int) throws -> FrameFeedback {
      try receiver.picture.finish(receiver.end(UInt32(number), number % 4), receiver.buffer)
    }

    /// What the image of frame `shown` has is what frame `number` made of an image.
    func isSame(_ shown: Int, _ number: Int) -> Bool {
      receiver.buffer(shown % 4).elementsEqual(receiver.buffer(number % 4))
    }
  }

  @Test("come early, and wait for the frames before")
  func early() throws {
    let inOrder = Datagrams()
    inOrder.code(3)
    for number in 1...3 {
      try inOrder.arrive(number)
      _ = try inOrder.finish(number)
    }
    let early = Datagrams()
    early.code(3)
    for number in 1...3 { try early.arrive(number) }
    for number in 1...3 { #expect(try early.finish(number).lostBands == 0) }
    for image in 1...3 {
      #expect(early.receiver.buffer(image).elementsEqual(inOrder.receiver.buffer(image)))
    }
    #expect(early.refusals.withLock { $0 } == 0)
  }

  @Test("come late, and are in the next frame")
  func late() throws {
    let datagrams = Datagrams()
    datagrams.code(3)
    try datagrams.arrive(1)
    _ = try datagrams.finish(1)
    _ = try datagrams.finish(2)
    #expect(datagrams.isSame(2, 1), "what there was is shown")
    try datagrams.arrive(2)
    #expect(datagrams.isSame(2, 1), "a frame that was shown stays")
    try datagrams.arrive(3)
    _ = try datagrams.finish(3)
    #expect(datagrams.refusals.withLock { $0 } == 0)
    #expect(!datagrams.isSame(3, 1))
  }

  @Test("behind a gap are refused until one needs nothing before it")
  func gaps() throws {
    let datagrams = Datagrams()
    datagrams.code(3)
    try datagrams.arrive(1)
    _ = try datagrams.finish(1)
    _ = try datagrams.finish(2)
    try datagrams.arrive(3, behindGap: true)
    #expect(try datagrams.finish(3).lostBands == 0, "the sender of datagrams hears of it")
    #expect(datagrams.refusals.withLock { $0 } == datagrams.frames[2].count)
    #expect(datagrams.isSame(3, 1))
    for band in 0..<32 { datagrams.receiver.encoder.noteLoss(band: band, since: 2) }
    datagrams.code(1)
    try datagrams.arrive(4)
    _ = try datagrams.finish(4)
    #expect(datagrams.refusals.withLock { $0 } == datagrams.frames[2].count)
    #expect(!datagrams.isSame(4, 3))
  }

  @Test("that the link has overtaken are refused")
  func overtaken() throws {
    let datagrams = Datagrams()
    datagrams.code(2)
    for unit in datagrams.frames[1] {
      try unit.withUnsafeBytes { bytes in
        try datagrams.receiver.picture.take(
          bytes, datagrams.receiver.place(2), datagrams.receiver.buffer)
      }
    }
    try datagrams.arrive(1)
    _ = try datagrams.finish(2)
    #expect(datagrams.refusals.withLock { $0 } == datagrams.frames[0].count)
  }

  @Test("that do not fit their buffer are refused")
  func hostile() throws {
    let receiver = Receiver(settings(.lossless), width: 320, height: 200, images: 2)
    let desktop = Desktop(width: 320, height: 200, share: 0.2)
    let units = Guarded([[UInt8]]())
    _ = receiver.encoder.encode(desktop.picture.rows, width: 320, height: 200) { unit in
      var bytes = [UInt8](repeating: 0, count: unit.byteCount)
      bytes.withUnsafeMutableBytes { if let p = $0.baseAddress { unit.write(to: p) } }
      units.withLock { $0.append(bytes) }
    }
    let first = units.withLock { $0[0] }
    func take(_ bytes: [UInt8], _ place: FramePlace) throws {
      try bytes.withUnsafeBytes { try receiver.picture.take($0, place, receiver.buffer) }
    }
    for stride in [0, 4, 1276, 1282, 1 << 20] {
      var place = receiver.place(0)
      place.stride = stride
      #expect(throws: BandError.self) { try take(first, place) }
    }
    var wide = first
    wide[8] = 0xFF
    #expect(throws: BandError.self) { try take(wide, receiver.place(0)) }
    var low = first
    // A band that begins within a cell.
    low[12] = 8
    #expect(throws: BandError.self) { try take(low, receiver.place(0)) }
    // An end of another size, or of nothing, changes no buffer.
    var end = receiver.end(1, 1)
    end.width = 16384
    _ = try receiver.picture.finish(end, receiver.buffer)
    #expect(receiver.buffer(1).allSatisfy { $0 == 0x5A })
  }
}

@Suite("Frame buffers of coded frames")
struct FrameTableTests {
  @Test("refuse what is damaged, and forgive what is gone")
  func payloads() {
    let table = FrameTable()
    #expect([UInt8](repeating: 0, count: 24).withUnsafeBytes { table.decode($0) } != nil)
    var bytes = [UInt8](repeating: 0, count: 200)
    #expect(bytes.withUnsafeBytes { table.decode($0) } == nil, "no such swapchain")
    bytes[16] = 9
    #expect(bytes.withUnsafeBytes { table.decode($0) } != nil, "no such order")
    let end = FrameEnd(
      place: FramePlace(swapchain: 5, image: 9, stride: 4, order: .bgra), frame: 3, width: 1,
      height: 1, bands: 0, coding: .h264, isLeftOut: false, encodeTime: 1_000_000,
      firstUnitTime: 0)
    guard case .success(let feedback) = table.finish(end) else {
      Issue.record("a frame of a swapchain that is gone is nothing wrong")
      return
    }
    #expect(feedback == FrameFeedback(swapchain: 5, frame: 3))
    #expect(table.totals.coding == .h264)
  }
}
