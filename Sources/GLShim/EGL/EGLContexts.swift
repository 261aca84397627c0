import CPlatform
import Client
import GLWire

// EGL 1.5, 3.7: contexts. An EGLContext is the address of its state.

/// The calling thread's context, when it is one of EGL's.
func currentEGLContext() -> Context? {
  guard let context = currentContext(), context.pointee.binding.interface == .egl else {
    return nil
  }
  return context
}

/// What a list of attributes asks of a context.
private struct EGLContextWish {
  var request = ContextRequest()
  private var hasVersion = false
  private var profile: UInt32 = 1

  /// Nil with the error in `error`.
  init?(_ list: UnsafePointer<Int32>?, api: UInt32, _ error: inout Int32) {
    request.api = api == EGL.openGLESAPI ? 1 : 0
    request.major = 1
    var i = 0
    while let list, list[i] != EGL.none {
      error = set(list[i], list[i &+ 1])
      guard error == EGL.success else { return nil }
      i &+= 2
    }
    error = finish()
    guard error == EGL.success else { return nil }
  }

  private mutating func set(_ name: Int32, _ value: Int32) -> Int32 {
    let bits = UInt32(bitPattern: value)
    let isES = request.api == 1
    switch name {
    case EGL.majorVersion:
      guard value >= 1 else { return EGL.badMatch }
      request.major = bits
      hasVersion = true
    case EGL.minorVersion:
      guard value >= 0 else { return EGL.badMatch }
      request.minor = bits
    case EGL.contextFlags:
      // Of the flags, OpenGL ES has only the one for debugging.
      guard bits & ~(isES ? 1 : 7) == 0 else { return EGL.badAttribute }
      request.flags |= bits
    case EGL.debug: if value != 0 { request.flags |= 1 }
    case EGL.forwardCompatible:
      guard !isES else { return EGL.badAttribute }
      if value != 0 { request.flags |= 2 }
    case EGL.robustAccess, EGL.robustAccessEXT: if value != 0 { request.flags |= 4 }
    case EGL.resetStrategy, EGL.resetStrategyEXT:
      guard value == EGL.noResetNotification || value == EGL.loseContextOnReset else {
        return EGL.badAttribute
      }
      request.resetStrategy = bits
    case EGL.profileMask:
      guard !isES else { return EGL.badAttribute }
      guard value == 1 || value == 2 else { return EGL.badMatch }
      profile = bits
    case EGL.noError: request.noError = value != 0 ? 1 : 0
    case EGL.releaseBehavior:
      guard value == 0 || value == EGL.releaseFlush else { return EGL.badAttribute }
    default: return EGL.badAttribute
    }
    return EGL.success
  }

  private mutating func finish() -> Int32 {
    let (major, minor) = (request.major, request.minor)
    if request.api == 1 {
      let exists =
        (major == 1 && minor <= 1) || (major == 2 && minor == 0)
        || (major == 3 && minor <= 2)
      guard exists else { return EGL.badMatch }
    } else {
      let exists =
        (major == 1 && minor <= 5) || (major == 2 && minor <= 1) || (major == 3 && minor <= 3)
        || (major == 4 && minor <= 6)
      guard exists else { return EGL.badMatch }
      if request.flags & 2 != 0, major < 3 { return EGL.badMatch }
      if major > 3 || (major == 3 && minor >= 2) { request.profileMask = profile }
      if !hasVersion { (request.major, request.minor) = (0, 0) }
    }
    if request.noError != 0, request.flags & 5 != 0 { return EGL.badMatch }
    return EGL.success
  }
}

extension UnsafeMutablePointer<EGLDisplayRecord> {
  /// A context of this display; nil with EGL_BAD_CONTEXT.
  func context(_ address: OpaquePointer?) -> Context? {
    guard let context = Context.find(.egl, address), context.pointee.binding.display == handle
    else { return eglNothing(EGL.badContext) }
    return context
  }
}

@c(eglCreateContext)
public func eglCreateContext(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ share: OpaquePointer?,
  _ attributes: UnsafePointer<Int32>?
) -> OpaquePointer? {
  guard let record = EGLRecord.ready(dpy) else { return nil }
  let known = record.config(config)
  guard known != nil || config == nil else { return eglNothing(EGL.badConfig) }
  let api = EGLThread.api
  var sharing: Context? = nil
  if let share {
    guard let found = record.context(share) else { return nil }
    guard found.pointee.binding.type == api else { return eglNothing(EGL.badContext) }
    sharing = found
  }
  var wrong = EGL.success
  guard let wish = EGLContextWish(attributes, api: api, &wrong) else { return eglNothing(wrong) }
  if let sharing, sharing.pointee.request.resetStrategy != wish.request.resetStrategy {
    return eglNothing(EGL.badMatch)
  }
  var error = ContextError.success
  guard let context = Context.make(wish.request, sharing: sharing, error: &error) else {
    return eglNothing(Int32(bitPattern: error))
  }
  context.pointee.binding.interface = .egl
  context.pointee.binding.display = record.handle
  context.pointee.binding.config = known.map { UnsafeRawPointer($0) }
  context.pointee.binding.type = api
  EGLThread.note(EGL.success)
  return OpaquePointer(context)
}

@c(eglDestroyContext)
public func eglDestroyContext(_ dpy: OpaquePointer?, _ ctx: OpaquePointer?) -> UInt32 {
  guard let context = EGLRecord.ready(dpy)?.context(ctx) else { return 0 }
  context.destroy()
  return eglSuccess()
}

@c(eglMakeCurrent)
public func eglMakeCurrent(
  _ dpy: OpaquePointer?, _ draw: OpaquePointer?, _ read: OpaquePointer?, _ ctx: OpaquePointer?
) -> UInt32 {
  guard let ctx else {
    guard draw == nil, read == nil else { return eglFailure(EGL.badMatch) }
    guard EGLRecord.known(dpy) != nil else { return 0 }
    _ = makeCurrent(nil, draw: nil, read: nil)
    return eglSuccess()
  }
  guard let record = EGLRecord.ready(dpy), let context = record.context(ctx) else { return 0 }
  guard (draw == nil) == (read == nil) else { return eglFailure(EGL.badMatch) }
  var (drawTo, readFrom): (Drawable?, Drawable?) = (nil, nil)
  if draw != nil {
    guard let first = record.surface(draw), let second = record.surface(read) else { return 0 }
    guard context.fits(first), context.fits(second) else { return eglFailure(EGL.badMatch) }
    guard !first.isCurrentElsewhere(context), !second.isCurrentElsewhere(context) else {
      return eglFailure(EGL.badAccess)
    }
    if first.pointee.isGone || second.pointee.isGone { return eglFailure(EGL.badNativeWindow) }
    (drawTo, readFrom) = (first, second)
  }
  guard case .done = makeCurrent(context, draw: drawTo, read: readFrom) else {
    return eglFailure(EGL.badAccess)
  }
  return eglSuccess()
}

extension UnsafeMutablePointer<ContextState> {
  /// Whether a surface has the colors of the config that the context was made with.
  fileprivate func fits(_ drawable: Drawable) -> Bool {
    guard let mine = pointee.binding.config?.assumingMemoryBound(to: EGLConfigRecord.self),
      let its = drawable.pointee.config?.assumingMemoryBound(to: EGLConfigRecord.self)
    else { return true }
    return mine == its
      || mine.pointee.red == its.pointee.red && mine.pointee.green == its.pointee.green
        && mine.pointee.blue == its.pointee.blue
  }
}

extension UnsafeMutablePointer<DrawableState> {
  /// Whether a context other than `context`, and other than the calling thread's, which is going to
  /// be replaced, draws to it or reads from it.
  fileprivate func isCurrentElsewhere(_ context: Context) -> Bool {
    func uses(_ other: Context) -> Int {
      (other.pointee.binding.draw == self ? 1 : 0) &+ (other.pointee.binding.read == self ? 1 : 0)
    }
    var known = 0
    if let mine = currentContext() { known &+= uses(mine) }
    if currentContext() != context { known &+= uses(context) }
    return WindowLock.locked { pointee.uses } > known
  }
}

@c(eglGetCurrentContext)
public func eglGetCurrentContext() -> OpaquePointer? {
  currentEGLContext().map { OpaquePointer($0) }
}

@c(eglGetCurrentDisplay)
public func eglGetCurrentDisplay() -> OpaquePointer? {
  currentEGLContext()?.pointee.binding.display
}

@c(eglGetCurrentSurface)
public func eglGetCurrentSurface(_ which: Int32) -> OpaquePointer? {
  guard which == EGL.draw || which == EGL.read else { return eglNothing(EGL.badParameter) }
  EGLThread.note(EGL.success)
  guard let binding = currentEGLContext()?.pointee.binding else { return nil }
  return (which == EGL.draw ? binding.draw : binding.read).map { OpaquePointer($0) }
}

@c(eglQueryContext)
public func eglQueryContext(
  _ dpy: OpaquePointer?, _ ctx: OpaquePointer?, _ attribute: Int32,
  _ value: UnsafeMutablePointer<Int32>?
) -> UInt32 {
  guard let context = EGLRecord.ready(dpy)?.context(ctx) else { return 0 }
  guard let value else { return eglFailure(EGL.badParameter) }
  switch attribute {
  case EGL.configID:
    value.pointee =
      context.pointee.binding.config?.assumingMemoryBound(to: EGLConfigRecord.self).pointee.id ?? 0
  case EGL.contextClientType: value.pointee = Int32(bitPattern: context.pointee.binding.type)
  case EGL.majorVersion:
    value.pointee = Int32(bitPattern: max(context.pointee.request.major, 1))
  case EGL.minorVersion: value.pointee = Int32(bitPattern: context.pointee.request.minor)
  case EGL.renderBuffer:
    if let draw = context.pointee.binding.draw {
      let isDouble = draw.pointee.request.flags & DrawableFlag.doubleBuffered != 0
      value.pointee =
        isDouble || draw.pointee.kind == .pbuffer ? EGL.backBuffer : EGL.singleBuffer
    } else {
      value.pointee = EGL.none
    }
  default: return eglFailure(EGL.badAttribute)
  }
  return eglSuccess()
}

// MARK: Order with the window system

@c(eglWaitClient)
public func eglWaitClient() -> UInt32 {
  if let context = currentEGLContext() {
    frontBufferFlush(context, wait: true)
    context.waitUntilReplayed()
  }
  return eglSuccess()
}

@c(eglWaitGL)
public func eglWaitGL() -> UInt32 { eglWaitClient() }

@c(eglWaitNative)
public func eglWaitNative(_ engine: Int32) -> UInt32 {
  guard engine == EGL.coreNativeEngine else { return eglFailure(EGL.badParameter) }
  guard let context = currentEGLContext() else { return eglSuccess() }
  EGLRecord.known(context.pointee.binding.display)?.settleRequests()
  return eglSuccess()
}
