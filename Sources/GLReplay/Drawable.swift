import CPlatform
import GLWire
internal import Threads

/// What the client calls a window, a pixmap or a pbuffer: buffers of pixels that every context of its
/// share can have in a framebuffer object. Its pictures lie with their top row first, as a window's
/// do, where the driver can draw so.
final class Drawable: @unchecked Sendable {
  let id: UInt64
  let request: DrawableRequest
  let workbench: Workbench

  private let lock = Lock()
  private var storage: DrawableStorage
  /// Where there is one. The workbench's lock guards it.
  var accumulation = AccumulationBuffer()

  /// Nil when the driver has no memory for it, or no such format.
  init?(
    id: UInt64, request: DrawableRequest, workbench: Workbench, isTopFirst: Bool,
    from context: UnsafeMutableRawPointer?
  ) {
    self.id = id
    self.request = request
    self.workbench = workbench
    let made = workbench.use(from: context, finishing: nil) {
      DrawableStorage.make(
        workbench, request, width: request.width, height: request.height, isTopFirst: isTopFirst)
    }
    guard let made, let storage = made else { return nil }
    self.storage = storage
  }

  deinit { workbench.discard(storage.buffers) }

  var isDoubleBuffered: Bool { request.flags & DrawableFlag.doubleBuffered != 0 }

  /// What the drawable is made of now. Any thread.
  var current: DrawableStorage { lock.withLock { storage } }

  /// Gives the drawable another size or orientation; what lies in both keeps its place seen from the
  /// lower left corner. False when the driver has no memory.
  func remake(
    width: UInt32, height: UInt32, isTopFirst: Bool, from context: UnsafeMutableRawPointer?,
    finishing finish: @escaping @convention(c) () -> Void
  ) -> Bool {
    let isDone = workbench.use(from: context, finishing: finish) { () -> Bool in
      let old = current
      guard
        var new = DrawableStorage.make(
          workbench, request, width: width, height: height, isTopFirst: isTopFirst)
      else { return false }
      new.version = old.version &+ 1
      if !old.front.isNone { new.makeFront(workbench, request) }
      new.take(old, workbench)
      workbench.gl.finish()
      lock.withLock { storage = new }
      workbench.discard(old.buffers)
      return true
    }
    return isDone ?? false
  }

  /// Makes the front buffer of a drawable that has two, with what the back buffer shows: the last
  /// frame, unless something was drawn since.
  func needFront(
    from context: UnsafeMutableRawPointer?, finishing finish: @escaping @convention(c) () -> Void
  ) {
    guard isDoubleBuffered, current.front.isNone else { return }
    _ = workbench.use(from: context, finishing: finish) {
      var changed = current
      guard changed.front.isNone else { return }
      changed.makeFront(workbench, request)
      changed.copyBackToFront(workbench)
      workbench.gl.finish()
      lock.withLock { storage = changed }
    }
  }

  /// The single-sampled picture of a multisampled buffer, for a context to read from; with `depth`
  /// also depth and stencil, of one sample each.
  func resolved(
    front: Bool, depth: Bool, from context: UnsafeMutableRawPointer?,
    finishing finish: @escaping @convention(c) () -> Void
  ) -> Workbench.Attachments {
    workbench.use(from: context, finishing: finish) { () -> Workbench.Attachments in
      var pictures = Workbench.Attachments(color: resolve(front: front))
      if depth { resolveDepth(&pictures) }
      workbench.gl.finish()
      return pictures
    } ?? .init()
  }

  /// With the workbench current.
  private func resolveDepth(_ pictures: inout Workbench.Attachments) {
    var now = current
    guard !now.depth.isNone || !now.stencil.isNone else { return }
    if now.resolveDepth.isNone {
      let format = request.depthFormat ?? DrawableRequest.stencil8
      now.resolveDepth = workbench.makeBuffer(format, now.width, now.height, samples: 0)
      lock.withLock { storage = now }
    }
    guard !now.resolveDepth.isNone else { return }
    if !now.depth.isNone { pictures.depth = now.resolveDepth }
    if !now.stencil.isNone { pictures.stencil = now.resolveDepth }
    workbench.copy(
      .init(depth: now.depth, stencil: now.stencil),
      .init(depth: pictures.depth, stencil: pictures.stencil), from: (0, 0), to: (0, 0),
      size: (Int(now.width), Int(now.height)), turned: false,
      mask: (now.depth.isNone ? 0 : GL.DEPTH_BUFFER_BIT)
        | (now.stencil.isNone ? 0 : GL.STENCIL_BUFFER_BIT))
  }

  /// With the workbench current: the buffer whose picture `front` or back is.
  func resolve(front: Bool) -> PixelBuffer {
    var now = current
    let color = front && !now.front.isNone ? now.front : now.back
    guard now.samples > 0 else { return color }
    if now.resolve.isNone {
      now.resolve = workbench.makeBuffer(now.colorFormat, now.width, now.height, samples: 0)
      lock.withLock { storage = now }
    }
    guard !now.resolve.isNone else { return .none }
    workbench.copy(
      .init(color: color), .init(color: now.resolve), from: (0, 0), to: (0, 0),
      size: (Int(now.width), Int(now.height)), turned: false, mask: GL.COLOR_BUFFER_BIT)
    return now.resolve
  }

  /// Reads the picture, top row first, into memory for `size` pixels in rows of `stride` bytes: as
  /// much of it as there is. `isSwap`: the front buffer becomes what the back buffer is.
  func read(
    front: Bool, isSwap: Bool, layout: PixelFormat, size: (width: Int, height: Int), stride: Int,
    into memory: UnsafeMutableRawPointer, from context: UnsafeMutableRawPointer?,
    finishing finish: @escaping @convention(c) () -> Void
  ) {
    _ = workbench.use(from: context, finishing: finish) {
      let color = resolve(front: front)
      let now = current
      let width = min(size.width, Int(now.width))
      let height = min(size.height, Int(now.height))
      if !color.isNone, width > 0, height > 0 {
        // Seen from where the rows begin, the top of the picture is at the start or at the end.
        let isTurnedHere = !now.isTopFirst && workbench.flip == .none
        workbench.bindSource(.init(color: color), turned: !now.isTopFirst)
        let y = isTurnedHere ? Int(now.height) - height : 0
        workbench.readRows(
          layout, y: y, width: width, height: height, stride: stride, turned: isTurnedHere,
          into: memory)
      }
      if isSwap, !now.front.isNone {
        now.copyBackToFront(workbench)
        workbench.gl.finish()
      }
    }
  }
}

/// The buffers of a drawable in one size.
struct DrawableStorage {
  /// Changes with the buffers that a framebuffer object has attached.
  var version: UInt32 = 1
  let width: UInt32
  let height: UInt32
  let samples: UInt32
  let colorFormat: UInt32
  /// The top row of the picture is the first of a buffer.
  let isTopFirst: Bool
  /// What is drawn to; the only one of a drawable with one buffer.
  var back = PixelBuffer.none
  /// None until it is asked for.
  var front = PixelBuffer.none
  /// Depth and stencil may be one buffer.
  var depth = PixelBuffer.none
  var stencil = PixelBuffer.none
  /// The single-sampled picture of a multisampled drawable; none until it is asked for.
  var resolve = PixelBuffer.none
  /// The same of depth and stencil.
  var resolveDepth = PixelBuffer.none

  var buffers: [PixelBuffer] {
    [back, front, depth, resolve, resolveDepth] + (stencil == depth ? [] : [stencil])
  }

  /// With the workbench current. Nil when the driver refuses.
  fileprivate static func make(
    _ workbench: Workbench, _ request: DrawableRequest, width: UInt32, height: UInt32,
    isTopFirst: Bool
  ) -> DrawableStorage? {
    var new = DrawableStorage(
      width: width, height: height, samples: request.samples, colorFormat: request.colorFormat,
      isTopFirst: isTopFirst)
    func make(_ format: UInt32) -> PixelBuffer {
      workbench.makeBuffer(format, width, height, samples: request.samples)
    }
    new.back = make(request.colorFormat)
    if let format = request.depthFormat {
      new.depth = make(format)
      if request.stencil > 0 { new.stencil = new.depth }
    } else if request.stencil > 0 {
      new.stencil = make(DrawableRequest.stencil8)
    }
    let isWhole =
      !new.back.isNone && (!new.depth.isNone || request.depthFormat == nil)
      && (!new.stencil.isNone || request.stencil == 0)
    guard
      isWhole,
      workbench.clear(.init(color: new.back, depth: new.depth, stencil: new.stencil))
    else {
      workbench.discard(new.buffers)
      return nil
    }
    workbench.gl.finish()
    return new
  }

  fileprivate mutating func makeFront(_ workbench: Workbench, _ request: DrawableRequest) {
    front = workbench.makeBuffer(colorFormat, width, height, samples: samples)
    if !front.isNone { _ = workbench.clear(.init(color: front)) }
  }

  fileprivate func copyBackToFront(_ workbench: Workbench) {
    guard !front.isNone else { return }
    workbench.copy(
      .init(color: back), .init(color: front), from: (0, 0), to: (0, 0),
      size: (Int(width), Int(height)), turned: false, mask: GL.COLOR_BUFFER_BIT)
  }

  /// Copies what lies in both.
  fileprivate func take(_ old: DrawableStorage, _ workbench: Workbench) {
    let size = (width: Int(min(width, old.width)), height: Int(min(height, old.height)))
    // Multisampled pictures cannot be copied to another place.
    guard samples == 0 || (width, height) == (old.width, old.height) && isTopFirst == old.isTopFirst
    else { return }
    let from = (x: 0, y: old.isTopFirst ? Int(old.height) - size.height : 0)
    let to = (x: 0, y: isTopFirst ? Int(height) - size.height : 0)
    let isTurned = isTopFirst != old.isTopFirst
    var mask = GL.COLOR_BUFFER_BIT
    if !depth.isNone { mask |= GL.DEPTH_BUFFER_BIT }
    if !stencil.isNone { mask |= GL.STENCIL_BUFFER_BIT }
    workbench.copy(
      .init(color: old.back, depth: old.depth, stencil: old.stencil),
      .init(color: back, depth: depth, stencil: stencil), from: from, to: to, size: size,
      turned: isTurned, mask: mask)
    guard !front.isNone, !old.front.isNone else { return }
    workbench.copy(
      .init(color: old.front), .init(color: front), from: from, to: to, size: size,
      turned: isTurned, mask: GL.COLOR_BUFFER_BIT)
  }
}

extension DrawableRequest {
  static var stencil8: UInt32 { 0x8D48 }
  static var rgba8: UInt32 { 0x8058 }
  static var largest: UInt32 { 32768 }

  /// The internal format of the color buffers.
  var colorFormat: UInt32 {
    if flags & DrawableFlag.float != 0 { return red > 16 ? 0x8814 : 0x881A }
    if red > 10 { return alpha > 0 ? 0x805B : 0x8054 }
    if red > 8 { return alpha > 0 ? 0x8059 : 0x8052 }
    if flags & DrawableFlag.sRGB != 0 { return alpha > 0 ? 0x8C43 : 0x8C41 }
    if red <= 5, green <= 6 {
      if alpha == 0 { return 0x8D62 }
      return alpha == 1 ? 0x8057 : 0x8056
    }
    return alpha > 0 ? DrawableRequest.rgba8 : 0x8051
  }

  /// The format with alpha in the place of one that not every driver draws to; nil for all others.
  static func withAlpha(_ format: UInt32) -> UInt32? {
    switch format {
    case 0x8052: 0x8059
    case 0x8054: 0x805B
    case 0x8C41: 0x8C43
    default: nil
    }
  }

  /// The internal format of the depth buffer, with stencil when both are asked for.
  var depthFormat: UInt32? {
    guard depth > 0 else { return nil }
    if stencil > 0 { return depth > 24 ? 0x8CAD : 0x88F0 }
    if depth <= 16 { return 0x81A5 }
    return depth <= 24 ? 0x81A6 : 0x81A7
  }

  /// Whether the numbers make sense.
  var isPossible: Bool {
    width > 0 && height > 0 && width <= DrawableRequest.largest
      && height <= DrawableRequest.largest && samples <= 64
      && max(red, green, blue, alpha, depth) <= 32 && stencil <= 8
  }
}

/// How the pixels of frame buffers lie, as `glFrames` says: the Client room's PixelLayout.
enum PixelFormat: UInt32 {
  case bgra8
  case rgba8
  case bgra10
  case rgba10
  case bgr565

  var bytesPerPixel: Int { self == .bgr565 ? 2 : 4 }

  /// Format and type for glReadPixels.
  var words: (format: UInt32, type: UInt32) {
    switch self {
    case .bgra8: (GL.BGRA, GL.UNSIGNED_BYTE)
    case .rgba8: (GL.RGBA, GL.UNSIGNED_BYTE)
    case .bgra10: (GL.BGRA, GL.UNSIGNED_INT_2_10_10_10_REV)
    case .rgba10: (GL.RGBA, GL.UNSIGNED_INT_2_10_10_10_REV)
    case .bgr565: (GL.RGB, GL.UNSIGNED_SHORT_5_6_5)
    }
  }
}

extension Workbench {
  /// Reads rows of what `bindSource` has bound, from row `y` on; `turned`: the last row goes first.
  fileprivate func readRows(
    _ layout: PixelFormat, y: Int, width: Int, height: Int, stride: Int, turned: Bool,
    into memory: UnsafeMutableRawPointer
  ) {
    let (format, type) = layout.words
    let row = width * layout.bytesPerPixel
    let (w, h) = (Int32(clamping: width), Int32(clamping: height))
    gl.pixelStorei(GL.PACK_ALIGNMENT, 1)
    if !turned, stride % layout.bytesPerPixel == 0, !properties.hasOneFramebufferTarget {
      gl.pixelStorei(GL.PACK_ROW_LENGTH, Int32(clamping: stride / layout.bytesPerPixel))
      gl.readPixels(0, Int32(clamping: y), w, h, format, type, memory)
      gl.pixelStorei(GL.PACK_ROW_LENGTH, 0)
      return
    }
    // A few rows at a time: a picture may be larger than there is memory for.
    let rows = max(min(height, (1 << 20) / max(row, 1)), 1)
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: row * rows, alignment: 16)
    defer { scratch.deallocate() }
    for first in Swift.stride(from: 0, to: height, by: rows) {
      let count = min(rows, height - first)
      gl.readPixels(
        0, Int32(clamping: y + first), w, Int32(clamping: count), format, type, scratch)
      for index in first..<(first + count) {
        let to = turned ? height - 1 - index : index
        (memory + to * stride).copyMemory(from: scratch + (index - first) * row, byteCount: row)
      }
    }
  }
}
