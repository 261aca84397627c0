import CPlatform
import GLWire
import Ring
import Testing
import Wire

@testable import GLReplay

/// Whether this machine has OpenGL; the tests of it say nothing elsewhere.
let hasOpenGL: Bool = {
  if case .success = EGLDriver.shared { return true }
  return false
}()

private let red: [UInt8] = [0, 0, 255, 255]
private let blue: [UInt8] = [255, 0, 0, 255]

extension TestHost.Frame {
  /// The four bytes of a pixel, counted from the top left corner.
  func pixel(_ x: Int, _ y: Int, stride: Int) -> [UInt8] {
    Array(bytes[(y * stride + x * 4)..<(y * stride + x * 4 + 4)])
  }
}

@Suite("The default framebuffer", .enabled(if: hasOpenGL))
struct DrawableTests {
  let host = TestHost()
  let session: GLSession

  init() { session = GLSession(host: host) }

  /// A window of 8 x 4 pixels, red at the bottom and blue at the top, as the client gets it.
  private func draw(
    _ c: TestChannel, _ request: DrawableRequest = windowRequest(8, 4)
  ) -> TestHost.Frame? {
    c.makeCurrent(1, request)
    c.frames(1, width: 8, height: 4, stride: 40)
    c.clear(0, 0, 1)
    c.clear((0, 0, 8, 2), 1, 0, 0)
    c.swap(1, frames: 1, width: 8, height: 4, value: 3)
    #expect(host.loss == nil)
    #expect(host.slot(7) == 3)
    return host.frames.last
  }

  @Test(
    "arrives with its top row first, whatever the context is",
    arguments: [
      (false, 0, 0, 0), (false, 2, 1, 0), (false, 3, 3, 1), (true, 1, 1, 0), (true, 2, 0, 0),
      (true, 3, 0, 0),
    ] as [(Bool, UInt32, UInt32, UInt32)])
  func orientation(_ isES: Bool, _ major: UInt32, _ minor: UInt32, _ profile: UInt32) {
    let c = TestChannel(session, host)
    defer { c.channel.finish() }
    #expect(c.create(isES: isES, version: (major, minor), profile: profile) == 0)
    let frame = draw(c)
    #expect(frame?.bytes.count == 160)
    #expect(frame?.pixel(0, 0, stride: 40) == blue)
    #expect(frame?.pixel(7, 1, stride: 40) == blue)
    #expect(frame?.pixel(0, 2, stride: 40) == red)
    #expect(frame?.pixel(7, 3, stride: 40) == red)
    #expect(c.pixel(3, 0) == [255, 0, 0, 255])
    #expect(c.pixel(3, 3) == [0, 0, 255, 255])
    #expect(c.report() == 0)
  }

  @Test("has the depth, the samples and the colors that were asked for")
  func formats() {
    var multisampled = windowRequest(8, 4)
    multisampled.samples = 4
    var opaque = windowRequest(8, 4)
    opaque.alpha = 0
    var sRGB = windowRequest(8, 4)
    sRGB.flags |= DrawableFlag.sRGB
    var float = windowRequest(8, 4)
    float.flags |= DrawableFlag.float
    (float.red, float.green, float.blue, float.alpha) = (16, 16, 16, 16)
    var deep = windowRequest(8, 4)
    (deep.red, deep.green, deep.blue, deep.alpha) = (10, 10, 10, 2)
    var shallow = windowRequest(8, 4)
    (shallow.red, shallow.green, shallow.blue, shallow.alpha) = (5, 6, 5, 0)
    (shallow.depth, shallow.stencil) = (16, 0)
    var stencil = windowRequest(8, 4)
    stencil.depth = 0
    var single = windowRequest(8, 4)
    single.flags = 0
    for request in [multisampled, opaque, sRGB, float, deep, shallow, stencil, single] {
      let c = TestChannel(session, host)
      #expect(c.create() == 0)
      let frame = draw(c, request)
      #expect(frame?.pixel(0, 0, stride: 40) == blue, "\(request)")
      #expect(frame?.pixel(7, 3, stride: 40) == red, "\(request)")
      #expect(c.pixel(3, 0) == [255, 0, 0, 255], "\(request)")
      #expect(c.report() == 0)
      c.send(ControlOpcode.glDestroyDrawable) { $0.u64(GLID.make(GLID.drawable, 1)) }
      c.channel.finish()
    }
  }

  @Test("is zero when it is new, and has the viewport of its first drawable")
  func new() {
    let c = TestChannel(session, host)
    defer { c.channel.finish() }
    #expect(c.create() == 0)
    c.makeCurrent(1, windowRequest(8, 4))
    #expect(c.pixel(3, 3) == [0, 0, 0, 0])
    var viewport = [Int32](repeating: 0, count: 4)
    c.gl.getIntegerv(0x0BA2, &viewport)
    #expect(viewport == [0, 0, 8, 4])
    c.makeCurrent(2, windowRequest(16, 16))
    c.gl.getIntegerv(0x0BA2, &viewport)
    #expect(viewport == [0, 0, 8, 4])
  }

  @Test("keeps what lies in both sizes when it is resized")
  func resize() {
    let c = TestChannel(session, host)
    defer { c.channel.finish() }
    #expect(c.create() == 0)
    _ = draw(c)
    c.resize(1, 10, 6)
    #expect(c.pixel(0, 0) == [255, 0, 0, 255])
    #expect(c.pixel(7, 3) == [0, 0, 255, 255])
    #expect(c.pixel(8, 0) == [0, 0, 0, 0])
    #expect(c.pixel(0, 5) == [0, 0, 0, 0])
    c.resize(1, 4, 3)
    #expect(c.pixel(3, 2) == [0, 0, 255, 255])
    c.frames(2, width: 4, height: 3, stride: 16)
    c.swap(1, frames: 2, width: 4, height: 3, value: 4)
    #expect(host.frames.last?.pixel(0, 0, stride: 16) == blue)
    #expect(host.frames.last?.pixel(0, 1, stride: 16) == red)
    #expect(c.report() == 0)
  }

  @Test("has a front buffer that shows the last frame")
  func front() {
    let c = TestChannel(session, host)
    defer { c.channel.finish() }
    #expect(c.create() == 0)
    _ = draw(c)
    c.context.pointee.readBuffer(GL.FRONT)
    #expect(c.pixel(0, 0) == [255, 0, 0, 255])
    c.clear(0, 1, 0)
    #expect(c.pixel(0, 0) == [255, 0, 0, 255])
    c.context.pointee.readBuffer(GL.BACK)
    #expect(c.pixel(0, 0) == [0, 255, 0, 255])
    c.swap(1, frames: 1, width: 8, height: 4, value: 4)
    c.context.pointee.readBuffer(GL.FRONT)
    #expect(c.pixel(0, 0) == [0, 255, 0, 255])
    c.context.pointee.drawBuffer(GL.FRONT)
    c.clear(1, 1, 1)
    c.swap(1, frames: 1, width: 8, height: 4, value: 5, flags: 1)
    #expect(host.frames.last?.pixel(0, 0, stride: 40) == [255, 255, 255, 255])
    c.context.pointee.drawBuffer(GL.FRONT_AND_BACK)
    c.clear(0, 0, 0)
    c.context.pointee.readBuffer(GL.BACK)
    #expect(c.pixel(0, 0) == [0, 0, 0, 255])
    #expect(c.report() == 0)
    // What a window does not have.
    c.context.pointee.drawBuffer(GL.COLOR_ATTACHMENT0)
    #expect(c.report() == 0x0502)
    c.context.pointee.drawBuffer(GL.BACK_RIGHT)
    #expect(c.report() == 0x0502)
  }

  @Test("leaves the state of the application and its errors alone")
  func state() {
    let c = TestChannel(session, host)
    defer { c.channel.finish() }
    #expect(c.create() == 0)
    c.makeCurrent(1, windowRequest(8, 4))
    c.frames(1, width: 8, height: 4, stride: 32)
    c.gl.pixelStorei(GL.PACK_ALIGNMENT, 2)
    c.gl.pixelStorei(GL.PACK_ROW_LENGTH, 77)
    c.gl.enable(GL.SCISSOR_TEST)
    c.gl.scissor(1, 1, 1, 1)
    c.gl.enable(0xFFFF)
    c.swap(1, frames: 1, width: 8, height: 4, value: 1)
    c.makeCurrent(2, windowRequest(8, 4))
    c.makeCurrent(1, windowRequest(8, 4))
    c.resize(1, 9, 9)
    var value: Int32 = 0
    c.gl.getIntegerv(GL.PACK_ALIGNMENT, &value)
    #expect(value == 2)
    c.gl.getIntegerv(GL.PACK_ROW_LENGTH, &value)
    #expect(value == 77)
    var box = [Int32](repeating: 0, count: 4)
    c.gl.getIntegerv(0x0C10, &box)
    #expect(box == [1, 1, 1, 1])
    #expect(c.report() == 0x0500)
    #expect(c.report() == 0)
  }

  @Test("is bound where the application binds 0, and where it deletes what is bound")
  func binding() {
    let c = TestChannel(session, host)
    defer { c.channel.finish() }
    #expect(c.create() == 0)
    c.makeCurrent(1, windowRequest(8, 4))
    let p = c.context
    var bound: Int32 = 0
    func draw() -> UInt32 {
      c.gl.getIntegerv(0x8CA6, &bound)
      return UInt32(bitPattern: bound)
    }
    let object = draw()
    #expect(object == p.pointee.surface.drawObject && object != 0)
    p.pointee.bindFramebuffer(GL.FRAMEBUFFER, 40)
    #expect(draw() != object && !p.pointee.drawsDefault && !p.pointee.readsDefault)
    c.makeCurrent(2, windowRequest(8, 4))
    #expect(draw() == p.pointee.name(.framebuffer, 40))
    p.pointee.bindFramebuffer(GL.READ_FRAMEBUFFER, 0)
    #expect(p.pointee.readsDefault && !p.pointee.drawsDefault)
    p.pointee.didDeleteFramebuffer(40)
    #expect(p.pointee.drawsDefault)
    #expect(draw() == p.pointee.surface.drawObject)
    #expect(c.report() == 0)
  }

  @Test("can be read for drawables that have no window")
  func readDrawable() {
    let c = TestChannel(session, host)
    defer { c.channel.finish() }
    #expect(c.create() == 0)
    _ = draw(c)
    c.send(ControlOpcode.glReadDrawable) { w in
      w.u32(3)
      w.u32(0)
      w.u64(GLID.make(GLID.drawable, 1))
      w.u32(GL.BACK)
      w.u32(0)
    }
    let answer = host.answer(3) ?? []
    #expect(answer.count == 8 + 12 + 4 + 128 || answer.count == 8 + 12 + 128)
    #expect(answer.count > 24 && Array(answer[20..<24]) == [0, 0, 255, 255])
  }

  @Test("is written into the frame buffers of a client on this host")
  func shared() throws {
    var error: Int32 = 0
    let segment = try #require(Segment.make(error: &error))
    defer { segment.unmap() }
    let memory = TestFrames(byteCount: 2 * 40 * 4)
    let host = TestHost(memory: memory, segment: segment)
    let session = GLSession(host: host)
    let c = TestChannel(session, host)
    defer { c.channel.finish() }
    #expect(c.create() == 0)
    c.makeCurrent(1, windowRequest(8, 4))
    c.frames(1, width: 8, height: 4, stride: 40)
    c.clear(0, 0, 1)
    c.clear((0, 0, 8, 2), 1, 0, 0)
    c.swap(1, frames: 1, width: 8, height: 4, value: 9, image: 1)
    #expect(host.slot(7) == 9 && host.loss == nil)
    func pixel(_ x: Int, _ y: Int) -> [UInt8] {
      (0..<4).map { memory.base.load(fromByteOffset: 160 + y * 40 + x * 4 + $0, as: UInt8.self) }
    }
    #expect(pixel(0, 0) == blue)
    #expect(pixel(7, 3) == red)
    #expect(memory.base.load(as: UInt64.self) == 0)
    c.swap(1, frames: 1, width: 8, height: 4, value: 10, image: 2)
    #expect(host.loss?.contains("imageIndex") == true)
  }
}
