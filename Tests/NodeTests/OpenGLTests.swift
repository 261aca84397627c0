import CPlatform
import GLReplay
import GLWire
import Ring
import Testing
import Transport
import Wire

/// A client's context of OpenGL, by hand, against a node in this process.
@Suite("OpenGL")
struct OpenGLTests {
  private static let channel: UInt32 = 3
  private static let frames = GLID.make(GLID.frames, 1)
  private static let drawable = GLID.make(GLID.drawable, 1)

  /// Opens a context; the status of the reply.
  private func open(
    _ client: TestClient, _ channel: UInt32 = OpenGLTests.channel, share: UInt64 = 0
  ) throws -> UInt32 {
    let ring = RingHeader(segment: client.segment, channel: channel)
    ring.initialise()
    ring.setReaders(1 << RingHeader.nodeReader)
    let ticket = client.ticket()
    try client.send(0) { w in
      w.begin(ControlOpcode.openContext)
      w.u32(channel)
      w.u32(0)
      w.end()
    }
    try client.send(channel) { w in
      w.begin(ControlOpcode.glCreateContext)
      w.u32(ticket)
      w.u32(0)
      w.u64(GLID.make(GLID.context, channel))
      w.u64(share)
      for _ in 0..<8 { w.u32(0) }
      w.end()
    }
    return try client.reply(ticket).withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
  }

  private func makeCurrent(_ client: TestClient) throws {
    var request = DrawableRequest()
    (request.width, request.height) = (8, 4)
    request.flags = DrawableFlag.doubleBuffered
    var words = [UInt32](repeating: 0, count: 10)
    words.withUnsafeMutableBytes { request.store($0.baseAddress!) }
    try client.send(OpenGLTests.channel) { w in
      w.begin(ControlOpcode.glMakeCurrent)
      w.u64(OpenGLTests.drawable)
      w.u64(OpenGLTests.drawable)
      for word in words + words { w.u32(word) }
      w.end()
    }
  }

  private func swap(_ client: TestClient) throws {
    try client.send(OpenGLTests.channel) { w in
      w.begin(ControlOpcode.glFrames)
      w.u64(OpenGLTests.frames)
      for word: UInt32 in [8, 4, 1, 32] { w.u32(word) }
      w.u64(128)
      w.u32(0)
      w.u32(0)
      w.end()
      w.begin(GLOpcode.glClearColor)
      for value: Float in [1, 0.5, 0, 0] { w.u32(value.bitPattern) }
      w.end()
      w.begin(GLOpcode.glClear)
      w.u32(0x4000)
      w.end()
      w.begin(ControlOpcode.glSwap)
      w.u64(OpenGLTests.drawable)
      w.u64(OpenGLTests.frames)
      w.u32(0)
      w.u32(5)
      w.u64(2)
      for word: UInt32 in [0, 8, 4, 0] { w.u32(word) }
      w.end()
    }
    try client.awaitSlot(5, 2)
  }

  private static let pixels = (0..<32).flatMap { _ -> [UInt8] in [0, 128, 255, 255] }

  @Test("draws into the frame buffers of a client on this host")
  func shared() throws {
    let client = try TestClient(.segment)
    guard try open(client) == 0 else { return }
    let descriptor = platform_memfd("frames")
    try #require(
      descriptor >= 0 && platform_resize(descriptor, 4096) == 0
        && platform_seal_size(descriptor) == 0)
    let memory = try #require(platform_map_shared(descriptor, 0, 4096))
    defer { _ = platform_unmap(memory, 4096) }
    var body = (OpenGLTests.frames, UInt64(4096), UInt32(1), UInt32(0))
    try withUnsafeBytes(of: &body) {
      try client.link.send(MessageType.frameBuffers, [$0], descriptors: [descriptor])
    }
    try makeCurrent(client)
    try swap(client)
    #expect(Array(UnsafeRawBufferPointer(start: memory, count: 128)) == OpenGLTests.pixels)
  }

  @Test("sends frames to a client elsewhere")
  func remote() throws {
    let client = try TestClient(.messages)
    guard try open(client) == 0 else { return }
    try makeCurrent(client)
    try swap(client)
    #expect(client.frame == OpenGLTests.pixels)
  }

  @Test("does not mix with Vulkan on a channel", arguments: Joining.allCases)
  func mixing(_ joining: Joining) throws {
    let client = try TestClient(joining)
    guard try open(client) == 0 else { return }
    try client.send(OpenGLTests.channel) { w in
      w.begin(0x1001)
      w.u64(0)
      w.end()
    }
    #expect(try client.awaitLoss() == "command 0x1001: field opcode is wrong")
    let other = try TestClient(joining)
    try other.send(0) { w in
      w.begin(GLOpcode.glClear)
      w.u32(0)
      w.end()
    }
    #expect(try other.awaitLoss().hasSuffix("belongs on the channel of an OpenGL context"))
  }

  @Test("lets a context's records wait that are in front of what they wait for")
  func waiting() throws {
    let client = try TestClient(.messages)
    guard try open(client) == 0 else { return }
    let other = OpenGLTests.channel + 1
    let share = GLID.make(GLID.context, OpenGLTests.channel)
    #expect(try open(client, other, share: share) == 0)
    try client.send(OpenGLTests.channel) { w in
      w.begin(ControlOpcode.glAfter)
      w.u32(other)
      w.u32(0)
      w.u64(1)
      w.end()
    }
    // More than the node lets wait on the link for anything else.
    let padding = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 8)
    defer { padding.deallocate() }
    padding.initializeMemory(as: UInt8.self, repeating: 0)
    padding.storeBytes(of: ControlOpcode.pad, as: UInt32.self)
    padding.storeBytes(of: 1 << 20, toByteOffset: 4, as: UInt32.self)
    for _ in 0..<80 {
      try client.send(OpenGLTests.channel, bytes: UnsafeRawBufferPointer(padding))
    }
    let ticket = client.ticket()
    try client.send(OpenGLTests.channel) { w in
      w.begin(ControlOpcode.glReport)
      w.u32(ticket)
      w.u32(0)
      w.end()
    }
    try client.send(other) { w in
      w.begin(ControlOpcode.glMark)
      w.u64(1)
      w.end()
    }
    #expect(try client.reply(ticket).prefix(4) == [0, 0, 0, 0])
  }

  @Test("opens a channel again when its context has gone")
  func again() throws {
    let client = try TestClient(.messages)
    for _ in 0..<3 {
      guard try open(client) == 0 else { return }
      try makeCurrent(client)
      try client.send(OpenGLTests.channel) { w in
        w.begin(ControlOpcode.closeChannel)
        w.end()
      }
    }
    #expect(client.lostMessage == nil)
  }
}
