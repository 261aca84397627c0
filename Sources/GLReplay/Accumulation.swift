import GLWire

// Accumulation buffers (OpenGL 4.6 compatibility, 17.4.5): framebuffer objects have none, so the node
// keeps them, in signed numbers of 16 bits. Mesa takes a window's colors for sRGB there, whatever
// GL_FRAMEBUFFER_SRGB says; the specification does not, and so nothing is converted here.

/// The accumulation buffer of a drawable: four components a pixel, the lowest row first.
struct AccumulationBuffer {
  private(set) var width = 0
  private(set) var height = 0
  private(set) var values: [Int16] = []

  /// Zeros when the drawable has another size.
  mutating func fit(_ width: Int, _ height: Int) {
    guard (width, height) != (self.width, self.height) else { return }
    (self.width, self.height) = (width, height)
    values = [Int16](repeating: 0, count: width * height * 4)
  }

  /// What every number of a rectangle becomes; `body` has the component, the number, and where it is among
  /// the rectangle's.
  mutating func change(_ area: PixelArea, _ body: (Int, Int16, Int) -> Int16) {
    var other = 0
    let width = width
    values.withUnsafeMutableBufferPointer { values in
      for y in area.y..<area.y + area.height {
        var place = (y * width + area.x) * 4
        for _ in 0..<area.width {
          for component in 0..<4 {
            values[place + component] = body(
              component, values[place + component], other + component)
          }
          place += 4
          other += 4
        }
      }
    }
  }
}

/// A rectangle of a drawable, from its lower left corner.
struct PixelArea {
  var x = 0
  var y = 0
  var width = 0
  var height = 0

  var isEmpty: Bool { width <= 0 || height <= 0 }
}

private func bounded(_ value: Float) -> Int16 {
  Int16(max(min(value.isNaN ? 0 : value, 32767), -32768))
}

extension Drawable {
  var hasAccumulation: Bool { request.flags & DrawableFlag.accumulation != 0 }

  /// With the workbench current: the picture of a rectangle.
  private func pixels(_ area: PixelArea, front: Bool) -> [Float] {
    let color = resolve(front: front)
    var pixels = [Float](repeating: 0, count: area.width * area.height * 4)
    guard !color.isNone else { return pixels }
    workbench.bindSource(.init(color: color), turned: current.isTopFirst)
    workbench.gl.pixelStorei(GL.PACK_ALIGNMENT, 4)
    workbench.gl.readPixels(
      Int32(area.x), Int32(area.y), Int32(area.width), Int32(area.height), GL.RGBA, GL.FLOAT,
      &pixels)
    return pixels
  }

  /// With the workbench current: draws a rectangle of a buffer.
  private func put(_ pixels: [Float], _ area: PixelArea, into buffer: PixelBuffer) {
    let gl = workbench.gl
    var name: UInt32 = 0
    gl.genTextures(1, &name)
    gl.bindTexture(GL.TEXTURE_2D, name)
    gl.texImage2D(
      GL.TEXTURE_2D, 0, Int32(GL.RGBA32F), Int32(area.width), Int32(area.height), 0, GL.RGBA,
      GL.FLOAT, pixels)
    gl.bindTexture(GL.TEXTURE_2D, 0)
    let now = current
    let y = now.isTopFirst ? Int(now.height) - area.y - area.height : area.y
    workbench.copy(
      .init(color: PixelBuffer(name: name, isTexture: true)), .init(color: buffer), from: (0, 0),
      to: (area.x, y), size: (area.width, area.height), turned: now.isTopFirst,
      mask: GL.COLOR_BUFFER_BIT)
    workbench.bindSource(.init())
    gl.deleteTextures(1, &name)
  }

  /// glAccum on the part of the drawable that the scissor leaves. With the workbench current.
  fileprivate func accumulate(
    _ operation: UInt32, _ value: Float, _ area: PixelArea, _ sides: AccumulationSides,
    mask: [Bool]
  ) {
    let now = current
    accumulation.fit(Int(now.width), Int(now.height))
    switch operation {
    case GL.LOAD, GL.ACCUM:
      let source = pixels(area, front: sides.readsFront)
      let scale = value * 32767
      accumulation.change(area) { _, old, place in
        let new = bounded(source[place] * scale)
        return operation == GL.LOAD ? new : old &+ new
      }
    case GL.ADD:
      let bias = bounded(value * 32767)
      accumulation.change(area) { _, old, _ in old &+ bias }
    case GL.MULT:
      accumulation.change(area) { _, old, _ in bounded(Float(old) * value) }
    default:
      for isFront in [false, true] where isFront ? sides.drawsFront : sides.drawsBack {
        let buffer = isFront ? now.front : now.back
        guard !buffer.isNone else { continue }
        var result =
          mask.contains(false)
          ? pixels(area, front: isFront)
          : [Float](repeating: 0, count: area.width * area.height * 4)
        let scale = value / 32767
        accumulation.change(area) { component, old, place in
          if mask[component] { result[place] = max(min(Float(old) * scale, 1), 0) }
          return old
        }
        put(result, area, into: buffer)
      }
      workbench.gl.finish()
    }
  }
}

/// Which color buffers glAccum reads and draws to.
struct AccumulationSides {
  var readsFront = false
  var drawsFront = false
  var drawsBack = false
}

extension GLReplayContext {
  /// The part of a drawable that is drawn to.
  private mutating func drawnArea(_ drawable: Drawable) -> PixelArea {
    let now = drawable.current
    var area = PixelArea(width: Int(now.width), height: Int(now.height))
    guard driverValue(GL.SCISSOR_TEST) != 0 else { return area }
    var box: (Int32, Int32, Int32, Int32) = (0, 0, 0, 0)
    withUnsafeMutableBytes(of: &box) {
      if let place = $0.bindMemory(to: Int32.self).baseAddress {
        functions?.getIntegerv(GL.SCISSOR_BOX, place)
      }
    }
    area.x = min(max(Int(box.0), 0), area.width)
    area.y = min(max(Int(box.1), 0), area.height)
    area.width = min(max(Int(box.0) + Int(box.2), area.x), area.width) - area.x
    area.height = min(max(Int(box.1) + Int(box.3), area.y), area.height) - area.y
    return area
  }

  private mutating func floats(_ pname: UInt32) -> [Float] {
    var values = [Float](repeating: 0, count: 4)
    functions?.getFloatv(pname, &values)
    return values
  }

  /// The drawable whose accumulation buffer a command means; nil when it means none, or is compiled into
  /// a list.
  private mutating func accumulated() -> Drawable? {
    guard drawsDefault, let drawable = surface.draw, drawable.hasAccumulation,
      driverValue(GL.LIST_MODE) == 0
    else { return nil }
    // What a screen can have, and not what would take the node's memory.
    let now = drawable.current
    return Int(now.width) * Int(now.height) <= 1 << 25 ? drawable : nil
  }

  /// glAccum; false when the driver is to say what is wrong with it.
  mutating func accumulate(_ operation: UInt32, _ value: Float) -> Bool {
    guard operation >= GL.ACCUM, operation <= GL.ADD, readsDefault, let drawable = accumulated(),
      surface.read === drawable, let driver, let functions
    else { return false }
    let area = drawnArea(drawable)
    guard !area.isEmpty else { return true }
    let sides = accumulationSides
    let mask = floats(GL.COLOR_WRITEMASK).map { $0 != 0 }
    _ = drawable.workbench.use(from: driver.handle, finishing: functions.finish) {
      drawable.accumulate(operation, value, area, sides, mask: mask)
    }
    return true
  }

  /// The accumulation buffer's part of glClear.
  mutating func clearAccumulation() {
    guard let drawable = accumulated(), let driver else { return }
    let area = drawnArea(drawable)
    guard !area.isEmpty else { return }
    let now = drawable.current
    let color = floats(GL.ACCUM_CLEAR_VALUE).map { bounded($0 * 32767) }
    // Its lock is the buffer's too.
    _ = drawable.workbench.use(from: driver.handle, finishing: nil) {
      drawable.accumulation.fit(Int(now.width), Int(now.height))
      drawable.accumulation.change(area) { component, _, _ in color[component] }
    }
  }
}

func doer_glAccum(_ c: GLContextPointer, _ op: UInt32, _ value: Float) {
  if !c.pointee.accumulate(op, value) { c.pointee.gl.glAccum?(op, value) }
}
func doer_glClear(_ c: GLContextPointer, _ mask: UInt32) {
  if mask & GL.ACCUM_BUFFER_BIT != 0 { c.pointee.clearAccumulation() }
  c.pointee.gl.glClear?(mask)
}
