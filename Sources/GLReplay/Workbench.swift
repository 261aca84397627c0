import CPlatform
import GLWire
internal import Threads

/// A context of the node's own that shares with the application's: where drawables are made, resized
/// and read. The application's context knows nothing of it, whatever its state is: pixel transfer,
/// scissor, bound buffers, conditional rendering, debug output, errors.
///
/// One thread at a time; switching to it and back takes about a microsecond.
final class Workbench: @unchecked Sendable {
  let gl: GLFunctions
  let properties: ContextProperties
  /// How a framebuffer is turned upside down.
  let flip: FlipMethod
  /// Colors can lie in memory as windows have them: blue first. Then reading them is copying them.
  let storesBlueFirst: Bool

  private let egl: EGLDriver
  private let handle: UnsafeMutableRawPointer
  private let lock = Lock()
  /// Two framebuffer objects: what is read and what is drawn.
  private let source: UInt32
  private let destination: UInt32
  /// Buffers whose drawable is gone, to be deleted the next time. Guarded by `garbageLock`.
  private var garbage: [PixelBuffer] = []
  private let garbageLock = Lock()

  init(
    _ egl: EGLDriver, root: UnsafeMutableRawPointer, isES: Bool, resetStrategy: UInt32
  ) throws(GLUnavailable) {
    self.egl = egl
    var made: UnsafeMutableRawPointer?
    var error = EGL.success
    // The newest that there is; the last is what the driver gives without being asked for more.
    let versions: [(UInt32, UInt32)] = isES ? [(3, 2), (3, 0), (2, 0)] : [(4, 3), (3, 3), (0, 0)]
    for (major, minor) in versions where made == nil {
      let attributes = ContextAttributes(
        isES: isES, major: major, minor: minor, profileMask: isES || major == 0 ? 0 : 1, flags: 0,
        resetStrategy: resetStrategy)
      made = egl.makeContext(attributes, share: root, error: &error)
    }
    guard let made, egl.makeCurrent(made) else {
      throw GLUnavailable(
        message: "\(egl.description) makes no context for frames: \(EGL.name(error))")
    }
    handle = made
    defer { _ = egl.makeCurrent(nil) }
    gl = try GLFunctions { egl.function($0) }
    properties = ContextProperties(gl, isES: isES)
    var names: (UInt32, UInt32) = (0, 0)
    gl.genFramebuffers(1, &names.0)
    gl.genFramebuffers(1, &names.1)
    (source, destination) = names
    gl.bindFramebuffer(GL.FRAMEBUFFER, source)
    flip = gl.findFlip(GL.FRAMEBUFFER)
    storesBlueFirst = !isES && gl.canStoreBlueFirst()
    gl.drainErrors()
  }

  deinit { _ = egl.egl.destroyContext(egl.display, handle) }

  /// Runs `body` with the workbench current, and makes `context` current again. What `context` was
  /// given before is finished; what `body` draws is too, when it says so.
  func use<R>(
    from context: UnsafeMutableRawPointer?, finishing finish: (@convention(c) () -> Void)?,
    _ body: () -> R
  ) -> R? {
    finish?()
    return lock.withLock {
      guard egl.makeCurrent(handle) else { return nil }
      deleteGarbage()
      let result = body()
      gl.drainErrors()
      _ = egl.makeCurrent(context)
      return result
    }
  }

  /// Gives buffers up. Any thread.
  func discard(_ buffers: [PixelBuffer]) {
    garbageLock.withLock { garbage += buffers.filter { !$0.isNone } }
  }

  private func deleteGarbage() {
    let buffers = garbageLock.withLock { () -> [PixelBuffer] in
      defer { garbage = [] }
      return garbage
    }
    for buffer in buffers { delete(buffer) }
  }

  // MARK: With the workbench current

  private func delete(_ buffer: PixelBuffer) {
    var name = buffer.name
    if buffer.isTexture { gl.deleteTextures(1, &name) } else { gl.deleteRenderbuffers(1, &name) }
  }

  /// Makes a buffer of pixels; none when the driver refuses.
  func makeBuffer(_ format: UInt32, _ width: UInt32, _ height: UInt32, samples: UInt32)
    -> PixelBuffer
  {
    gl.drainErrors()
    if format == DrawableRequest.rgba8, samples == 0, storesBlueFirst {
      let buffer = gl.makeBlueFirst(width, height)
      if gl.getError() == 0 { return buffer }
      delete(buffer)
      return .none
    }
    var name: UInt32 = 0
    gl.genRenderbuffers(1, &name)
    gl.bindRenderbuffer(GL.RENDERBUFFER, name)
    let (w, h) = (Int32(clamping: width), Int32(clamping: height))
    if samples > 0, !properties.hasOneFramebufferTarget,
      let storage = gl.renderbufferStorageMultisample
    {
      storage(GL.RENDERBUFFER, Int32(clamping: samples), format, w, h)
    } else {
      gl.renderbufferStorage(GL.RENDERBUFFER, format, w, h)
    }
    gl.bindRenderbuffer(GL.RENDERBUFFER, 0)
    guard gl.getError() == 0 else {
      gl.deleteRenderbuffers(1, &name)
      guard let other = DrawableRequest.withAlpha(format) else { return .none }
      return makeBuffer(other, width, height, samples: samples)
    }
    return PixelBuffer(name: name)
  }

  /// Buffers of one framebuffer object.
  struct Attachments {
    var color = PixelBuffer.none
    var depth = PixelBuffer.none
    var stencil = PixelBuffer.none
  }

  private var readTarget: UInt32 {
    properties.hasOneFramebufferTarget ? GL.FRAMEBUFFER : GL.READ_FRAMEBUFFER
  }
  private var drawTarget: UInt32 {
    properties.hasOneFramebufferTarget ? GL.FRAMEBUFFER : GL.DRAW_FRAMEBUFFER
  }

  /// Binds for reading. `turned`: the last row is the first.
  func bindSource(_ what: Attachments, turned: Bool = false) {
    bind(readTarget, source, what)
    gl.setFlip(flip, readTarget, turned)
    if !properties.hasOneFramebufferTarget { gl.readBuffer?(GL.COLOR_ATTACHMENT0) }
  }

  /// Binds for drawing.
  func bindDestination(_ what: Attachments) {
    bind(drawTarget, destination, what)
    guard !properties.hasOneFramebufferTarget else { return }
    var buffer = what.color.isNone ? GL.NONE : GL.COLOR_ATTACHMENT0
    gl.drawBuffers?(1, &buffer)
  }

  private func bind(_ target: UInt32, _ object: UInt32, _ what: Attachments) {
    gl.bindFramebuffer(target, object)
    gl.attach(target, GL.COLOR_ATTACHMENT0, what.color)
    gl.attach(target, GL.DEPTH_ATTACHMENT, what.depth)
    gl.attach(target, GL.STENCIL_ATTACHMENT, what.stencil)
  }

  /// Fills what is bound for drawing with zeros. False when the driver cannot draw to it.
  func clear(_ what: Attachments) -> Bool {
    bindDestination(what)
    guard gl.checkFramebufferStatus(drawTarget) == GL.FRAMEBUFFER_COMPLETE else {
      return false
    }
    gl.clearColor(0, 0, 0, 0)
    if let clearDepth = gl.clearDepth { clearDepth(0) } else { gl.clearDepthf?(0) }
    gl.clearStencil(0)
    var mask: UInt32 = 0
    if !what.color.isNone { mask |= GL.COLOR_BUFFER_BIT }
    if !what.depth.isNone { mask |= GL.DEPTH_BUFFER_BIT }
    if !what.stencil.isNone { mask |= GL.STENCIL_BUFFER_BIT }
    gl.clear(mask)
    return true
  }

  /// Copies a rectangle of `from` (x, y, width, height) to a place of `to`; `turned`: upside down.
  func copy(
    _ from: Attachments, _ to: Attachments, from first: (x: Int, y: Int),
    to second: (x: Int, y: Int), size: (width: Int, height: Int), turned: Bool, mask: UInt32
  ) {
    guard !properties.hasOneFramebufferTarget, let blit = gl.blitFramebuffer, size.width > 0,
      size.height > 0
    else { return }
    bindSource(from)
    bindDestination(to)
    let c = { (value: Int) in Int32(clamping: value) }
    let (y0, y1) = turned ? (first.y + size.height, first.y) : (first.y, first.y + size.height)
    blit(
      c(first.x), c(y0), c(first.x + size.width), c(y1), c(second.x), c(second.y),
      c(second.x + size.width), c(second.y + size.height), mask, GL.NEAREST)
  }
}

extension GLFunctions {
  /// Takes every error that the driver holds.
  func drainErrors() {
    // A lost context gives errors without end.
    for _ in 0..<64 where getError() == 0 { return }
  }

  func attach(_ target: UInt32, _ attachment: UInt32, _ buffer: PixelBuffer) {
    if buffer.isTexture {
      framebufferTexture2D(target, attachment, GL.TEXTURE_2D, buffer.name, 0)
    } else {
      framebufferRenderbuffer(target, attachment, GL.RENDERBUFFER, buffer.name)
    }
  }

  /// A texture of 8 bits a component whose bytes are blue, green, red, alpha, where the driver does
  /// as it is hinted: there is no internal format that says so.
  fileprivate func makeBlueFirst(_ width: UInt32, _ height: UInt32) -> PixelBuffer {
    var name: UInt32 = 0
    genTextures(1, &name)
    bindTexture(GL.TEXTURE_2D, name)
    texImage2D(
      GL.TEXTURE_2D, 0, Int32(GL.RGBA), Int32(clamping: width),
      Int32(clamping: height), 0, GL.BGRA, GL.UNSIGNED_BYTE, nil)
    bindTexture(GL.TEXTURE_2D, 0)
    return PixelBuffer(name: name, isTexture: true)
  }

  /// Whether `makeBlueFirst` makes what it is for. Framebuffers are bound and left so.
  fileprivate func canStoreBlueFirst() -> Bool {
    drainErrors()
    let buffer = makeBlueFirst(4, 4)
    attach(GL.FRAMEBUFFER, GL.COLOR_ATTACHMENT0, buffer)
    var format: Int32 = 0
    var bits = (Int32(0), Int32(0))
    bindTexture(GL.TEXTURE_2D, buffer.name)
    getTexLevelParameteriv?(GL.TEXTURE_2D, 0, GL.TEXTURE_RED_SIZE, &bits.0)
    getTexLevelParameteriv?(GL.TEXTURE_2D, 0, GL.TEXTURE_ALPHA_SIZE, &bits.1)
    bindTexture(GL.TEXTURE_2D, 0)
    let isComplete =
      checkFramebufferStatus(GL.FRAMEBUFFER) == GL.FRAMEBUFFER_COMPLETE
    getIntegerv(GL.IMPLEMENTATION_COLOR_READ_FORMAT, &format)
    attach(GL.FRAMEBUFFER, GL.COLOR_ATTACHMENT0, .none)
    var name = buffer.name
    deleteTextures(1, &name)
    return getError() == 0 && isComplete && bits == (8, 8) && format == Int32(GL.BGRA)
  }

  /// How the bound framebuffer is given the orientation of a window; takes the driver's errors.
  func findFlip(_ target: UInt32) -> FlipMethod {
    drainErrors()
    // The extension's own function is not there in compatibility profiles, its parameter is.
    for method in [FlipMethod.extensionFunction, .parameter] {
      setFlip(method, target, true)
      if getError() == 0 { return method }
      drainErrors()
    }
    return .none
  }

  func setFlip(_ method: FlipMethod, _ target: UInt32, _ isOn: Bool) {
    switch method {
    case .extensionFunction:
      framebufferParameteriMESA?(target, GL.FRAMEBUFFER_FLIP_Y_MESA, isOn ? 1 : 0)
    case .parameter: framebufferParameteri?(target, GL.FRAMEBUFFER_FLIP_Y_MESA, isOn ? 1 : 0)
    case .none, .otherContext: return
    }
  }
}

/// What pixels lie in: a renderbuffer or a texture, or nothing.
struct PixelBuffer: Equatable {
  var name: UInt32 = 0
  var isTexture = false

  static var none: PixelBuffer { PixelBuffer() }
  var isNone: Bool { name == 0 }
}

/// How a framebuffer object is turned upside down (GL_MESA_framebuffer_flip_y).
enum FlipMethod {
  case none
  /// glFramebufferParameteriMESA.
  case extensionFunction
  /// glFramebufferParameteri.
  case parameter
  /// The context cannot, but the workbench can, and the driver lets it use that one's objects.
  case otherContext
}

extension ContextProperties {
  /// What the current context says of itself.
  init(_ gl: GLFunctions, isES: Bool) {
    self.isES = isES
    let text = EGLDriver.text(
      gl.getString(GL.VERSION).map {
        UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)
      })
    // "4.5 (Core Profile) …", "OpenGL ES 3.2 …", "OpenGL ES-CM 1.1 …".
    let numbers = text.drop { !$0.isNumber }.prefix { $0.isNumber || $0 == "." }
      .split(separator: ".").map { UInt32($0) ?? 0 }
    major = numbers.first ?? 0
    minor = numbers.count > 1 ? numbers[1] : 0
    var mask: Int32 = 0
    if !isES, isAtLeast(3, 2) { gl.getIntegerv(GL.CONTEXT_PROFILE_MASK, &mask) }
    isCore = mask & 1 != 0
    if !isES, major == 3, minor == 1 {
      isCore = !gl.extensions(self).contains("GL_ARB_compatibility")
    }
    hasRobustness = !isES && gl.extensions(self).contains("GL_ARB_robustness")
    // Addresses say nothing: there may be one for every name.
    hasOneFramebufferTarget =
      isES
      ? major < 3
      : major < 3 && !gl.extensions(self).contains("GL_ARB_framebuffer_object")
    gl.drainErrors()
  }
}

extension GLFunctions {
  /// Names of the current context's extensions, in the order of glGetString where it has them: old
  /// programs have room for the first of them, and drivers put the old ones there.
  func extensions(_ context: ContextProperties) -> [String] {
    let text = { (string: UnsafePointer<UInt8>?) -> String in
      EGLDriver.text(string.map { UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self) })
    }
    let listed =
      context.isCore
      ? [] : text(getString(GL.EXTENSIONS)).split(separator: " ").map(String.init)
    guard listed.isEmpty, context.major >= 3, let getStringi else { return listed }
    var count: Int32 = 0
    getIntegerv(GL.NUM_EXTENSIONS, &count)
    return (0..<UInt32(clamping: count)).map { text(getStringi(GL.EXTENSIONS, $0)) }
  }
}
