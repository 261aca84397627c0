import GLWire
import Ring
import Testing
import Wire

@testable import GLReplay

@Suite("Vertex arrays", .enabled(if: hasOpenGL))
struct VertexArrayTests {
  let host = TestHost()
  let session: GLSession

  init() { session = GLSession(host: host) }

  private func channel(isES: Bool = false, version: (UInt32, UInt32) = (0, 0)) -> TestChannel {
    let c = TestChannel(session, host)
    #expect(c.create(isES: isES, version: version) == 0)
    c.makeCurrent(1, windowRequest(8, 4))
    c.clear(0, 0, 0)
    return c
  }

  /// Two triangles that cover everything, as vertices from `first` on.
  private func sendQuad(_ c: TestChannel, slot: UInt32 = 32, first: UInt32 = 0, count: Int = 4) {
    let corners: [Float] = [-1, -1, 1, -1, -1, 1, 1, 1]
    c.send(ControlOpcode.glVertexData) { w in
      for word in [1, 0, first, UInt32(count * 8)] { w.u32(word) }
      for word in [slot, 2, GL.FLOAT, 8, 0, 0] { w.u32(word) }
      for corner in corners.prefix(count * 2) { w.u32(corner.bitPattern) }
    }
  }

  private func words(_ c: TestChannel, _ opcode: UInt32, _ words: UInt32...) {
    c.send(opcode) { w in for word in words { w.u32(word) } }
  }

  private func color(_ c: TestChannel, _ red: Float, _ green: Float) {
    words(c, GLOpcode.glColor4f, red.bitPattern, green.bitPattern, 0, Float(1).bitPattern)
  }

  private let red: [UInt8] = [255, 0, 0, 255]
  private let green: [UInt8] = [0, 255, 0, 255]

  @Test("are drawn from what comes with the draw, and from nothing when nothing comes")
  func inMemory() {
    let c = channel()
    defer { c.channel.finish() }
    words(c, GLOpcode.glEnableClientState, GL.VERTEX_ARRAY)
    words(c, GLOpcode.glVertexPointer, 2, GL.FLOAT, 8, 0, 0)
    color(c, 1, 0)
    sendQuad(c, first: 5)
    words(c, GLOpcode.glDrawArrays, GL.TRIANGLE_STRIP, 5, 4)
    #expect(c.pixel(3, 2) == red)
    color(c, 0, 1)
    sendQuad(c)
    c.send(ControlOpcode.glMemory) { w in
      w.u32(8)
      w.u32(0)
      w.u32(0x0001_0000)
      w.u32(0x0003_0002)
    }
    words(c, GLOpcode.glDrawElements, GL.TRIANGLE_STRIP, 4, GL.UNSIGNED_SHORT, 0, 0)
    #expect(c.pixel(7, 3) == green)
    // Whatever the driver has kept is ours no longer.
    color(c, 1, 0)
    words(c, GLOpcode.glDrawArrays, GL.TRIANGLE_STRIP, 0, 4)
    #expect(c.pixel(3, 2) == green)
    sendQuad(c)
    words(c, GLOpcode.glDrawArrays, GL.TRIANGLE_STRIP, 0, 4)
    #expect(c.pixel(3, 2) == red)
    #expect(c.report() == 0)
    #expect(host.loss == nil)
  }

  /// Two triangles of one quad, as two draws of three indices each, of which `indices` has so many bytes.
  private func sendDraws(_ c: TestChannel, _ indices: [UInt8], counts: [UInt32] = [3, 3]) {
    c.send(ControlOpcode.glMemory) { w in
      w.u32(UInt32(indices.count))
      w.u32(0)
      indices.withUnsafeBytes { w.bytes($0.baseAddress, $0.count) }
    }
    words(
      c, GLOpcode.glMultiDrawElements, GL.TRIANGLES, GL.UNSIGNED_BYTE, 2, 8, counts[0], counts[1])
  }

  @Test("of several draws are all that the draws name; too few indices are none")
  func severalDraws() {
    let c = channel()
    defer { c.channel.finish() }
    words(c, GLOpcode.glEnableClientState, GL.VERTEX_ARRAY)
    words(c, GLOpcode.glVertexPointer, 2, GL.FLOAT, 8, 0, 0)
    color(c, 1, 0)
    sendQuad(c)
    sendDraws(c, [0, 1, 2, 1, 3, 2])
    #expect(c.pixel(0, 0) == red)
    #expect(c.pixel(7, 3) == red)
    color(c, 0, 1)
    sendQuad(c)
    sendDraws(c, [0, 1, 2, 1, 3])
    #expect(c.pixel(0, 0) == red)
    #expect(c.report() == 0)
    sendQuad(c)
    sendDraws(c, [0, 1, 2, 1, 3, 2], counts: [3, UInt32(bitPattern: -3)])
    #expect(c.pixel(0, 0) == red)
    #expect(c.report() == GL.INVALID_VALUE)
    #expect(host.loss == nil)
    sendQuad(c)
    sendDraws(c, [0, 1, 2, 1, 4, 2])
    #expect(host.loss == "glMultiDrawElements: field vertices is wrong")
  }

  @Test("with too few vertices end the session, and say so")
  func tooFew() {
    let c = channel()
    defer { c.channel.finish() }
    words(c, GLOpcode.glEnableClientState, GL.VERTEX_ARRAY)
    sendQuad(c, count: 3)
    words(c, GLOpcode.glDrawArrays, GL.TRIANGLE_STRIP, 0, 4)
    #expect(host.loss == "glDrawArrays: field vertices is wrong")
  }

  @Test("that have lost their buffer read no memory of the node's")
  func lostBuffer() {
    let c = channel()
    defer { c.channel.finish() }
    words(c, GLOpcode.glBindBuffer, GL.ARRAY_BUFFER, 1)
    c.send(GLOpcode.glBufferData) { w in
      w.u32(GL.ARRAY_BUFFER)
      w.u64(64)
      w.u32(GL.STATIC_DRAW)
      w.u32(UInt32.max)
    }
    words(c, GLOpcode.glEnableVertexAttribArray, 0)
    c.send(GLOpcode.glVertexAttribPointer) { w in
      for word in [0, 4, GL.FLOAT, 0, 16] { w.u32(word) }
      // An offset, until the buffer is gone.
      w.u64(0x1234_5678_9000)
    }
    words(c, GLOpcode.glDeleteBuffers, 1, 4, 1)
    words(c, GLOpcode.glDrawArrays, GL.POINTS, 0, 4)
    #expect(host.loss == nil)
    #expect(c.report() == 0)
  }

  @Test("of an object that is bound again are looked at again")
  func objects() {
    let c = channel()
    defer { c.channel.finish() }
    sendQuad(c)
    words(c, GLOpcode.glEnableClientState, GL.VERTEX_ARRAY)
    color(c, 1, 0)
    sendQuad(c)
    words(c, GLOpcode.glDrawArrays, GL.TRIANGLE_STRIP, 0, 4)
    words(c, GLOpcode.glGenVertexArrays, 1, 4, 9)
    words(c, GLOpcode.glBindVertexArray, 9)
    color(c, 0, 1)
    words(c, GLOpcode.glDrawArrays, GL.TRIANGLE_STRIP, 0, 4)
    words(c, GLOpcode.glBindVertexArray, 0)
    words(c, GLOpcode.glDrawArrays, GL.TRIANGLE_STRIP, 0, 4)
    #expect(c.pixel(3, 2) == red)
    words(c, GLOpcode.glPushClientAttrib, 3)
    words(c, GLOpcode.glDisableClientState, GL.VERTEX_ARRAY)
    words(c, GLOpcode.glPopClientAttrib)
    sendQuad(c)
    words(c, GLOpcode.glDrawArrays, GL.TRIANGLE_STRIP, 0, 4)
    #expect(c.pixel(3, 2) == green)
    #expect(c.report() == 0)
    #expect(host.loss == nil)
  }
}
