import CPlatform
import CX11
import Client
import GLWire

// GLX 1.4, 3.3.7, and GLX_ARB_create_context: contexts. A GLXContext is the address of its state.

/// What glXCreateContextAttribsARB was asked for.
private struct GLXContextWish {
  var request = ContextRequest()
  var renderType = GLX.rgbaType
  var screen: Int32 = 0
  private var profile: UInt32 = 1
  private var hasProfile = false

  /// Nil after an error that is told in `wrong` and `isCore`.
  init?(_ list: UnsafePointer<Int32>?, _ wrong: inout UInt8, _ isCore: inout Bool) {
    (wrong, isCore) = (CoreError.value, true)
    request.major = 1
    var i = 0
    while let list, list[i] != 0 {
      guard set(list[i], list[i &+ 1]) else { return nil }
      i &+= 2
    }
    guard finish(&wrong, &isCore) else { return nil }
  }

  private mutating func set(_ name: Int32, _ value: Int32) -> Bool {
    let bits = UInt32(bitPattern: value)
    switch name {
    // Below zero there is no version, which is BadMatch as any other that there is not.
    case GLX.majorVersion: request.major = bits
    case GLX.minorVersion: request.minor = bits
    case GLX.contextFlags:
      guard bits & ~7 == 0 else { return false }
      request.flags = bits
    case GLX.profileMask:
      profile = bits
      hasProfile = true
    case GLX.resetStrategy:
      switch value {
      case GLX.noResetNotification: request.resetStrategy = 0x31BE
      case GLX.loseContextOnReset: request.resetStrategy = 0x31BF
      default: return false
      }
    case GLX.releaseBehavior: return value == 0 || value == GLX.releaseFlush
    case GLX.noError: request.noError = value != 0 ? 1 : 0
    case GLX.renderType: renderType = value
    case GLX.screen: screen = value
    default: return false
    }
    return true
  }

  private mutating func finish(_ wrong: inout UInt8, _ isCore: inout Bool) -> Bool {
    if hasProfile {
      switch profile {
      case 1, 2: request.profileMask = profile
      case 4: request.api = 1
      default:
        (wrong, isCore) = (GLXError.profile, false)
        return false
      }
    }
    (wrong, isCore) = (CoreError.match, true)
    let (major, minor) = (request.major, request.minor)
    let exists =
      request.api == 1
      ? (major == 1 && minor <= 1) || (major == 2 && minor == 0) || (major == 3 && minor <= 2)
      : (major == 1 && minor <= 5) || (major == 2 && minor <= 1) || (major == 3 && minor <= 3)
        || (major == 4 && minor <= 6)
    guard exists else { return false }
    // Forward compatibility is a property of 3.0 and later; a context without errors has none to
    // debug or to be robust about.
    if request.flags & 2 != 0, request.api == 1 || major < 3 { return false }
    if request.noError != 0, request.flags & 5 != 0 { return false }
    // The default profile counts from 3.2 on.
    if request.api == 0, !hasProfile, major > 3 || (major == 3 && minor >= 2) {
      request.profileMask = 1
    }
    if major < 3 || (major == 3 && minor < 2) { request.profileMask = 0 }
    return true
  }
}

extension UnsafeMutablePointer<GLXDisplay> {
  /// Makes a context; an error goes to the application as the answer to `opcode`.
  fileprivate func makeContext(
    _ wish: ContextRequest, _ config: UnsafePointer<GLXConfig>?, _ shared: OpaquePointer?,
    _ opcode: UInt8, renderType: Int32, screen: Int32
  ) -> OpaquePointer? {
    var sharing: Context? = nil
    if let shared {
      guard let known = Context.find(.glx, shared) else {
        sendError(GLXError.context, opcode)
        return nil
      }
      guard known.pointee.binding.screen == screen, known.pointee.request.api == wish.api else {
        sendCoreError(CoreError.match, opcode)
        return nil
      }
      sharing = known
    }
    var error = ContextError.success
    guard let context = Context.make(wish, sharing: sharing, error: &error) else {
      switch error {
      case 0x3004: sendCoreError(CoreError.value, opcode)
      case 0x3005, ContextError.badMatch: sendError(GLXError.fbConfig, opcode)
      case ContextError.badContext: sendError(GLXError.context, opcode)
      default: sendCoreError(CoreError.alloc, opcode)
      }
      return nil
    }
    context.pointee.binding.interface = .glx
    context.pointee.binding.display = pointee.display
    context.pointee.binding.config = config.map { UnsafeRawPointer($0) }
    context.pointee.binding.screen = screen
    context.pointee.binding.type = UInt32(bitPattern: renderType)
    context.pointee.binding.name = UInt(context.pointee.id & 0xFFFF_FFFF)
    return OpaquePointer(context)
  }
}

@c(glXCreateContext)
public func glXCreateContext(
  _ dpy: OpaquePointer?, _ visual: UnsafeMutablePointer<XVisualInfo>?, _ share: OpaquePointer?,
  _ direct: Int32
) -> OpaquePointer? {
  guard let record = DisplayRecord.of(dpy) else { return nil }
  guard let visual,
    let config = record.config(visual: visual.pointee.visualid, screen: visual.pointee.screen)
  else {
    record.sendCoreError(
      CoreError.value, GLXRequest.createContext, resource: visual?.pointee.visualid ?? 0)
    return nil
  }
  return record.makeContext(
    ContextRequest(), config, share, GLXRequest.createContext, renderType: GLX.rgbaType,
    screen: config.pointee.screen)
}

@c(glXCreateNewContext)
public func glXCreateNewContext(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ renderType: Int32, _ share: OpaquePointer?,
  _ direct: Int32
) -> OpaquePointer? {
  guard let record = DisplayRecord.of(dpy) else { return nil }
  guard let config = record.config(config) else {
    record.sendError(GLXError.fbConfig, GLXRequest.createNewContext)
    return nil
  }
  guard renderType == GLX.rgbaType else {
    // GLX_COLOR_INDEX_TYPE exists, and none of the configs has it.
    if renderType == GLX.rgbaType &+ 1 {
      record.sendCoreError(CoreError.match, GLXRequest.createNewContext)
    } else {
      record.sendCoreError(CoreError.value, GLXRequest.createNewContext)
    }
    return nil
  }
  return record.makeContext(
    ContextRequest(), config, share, GLXRequest.createNewContext, renderType: renderType,
    screen: config.pointee.screen)
}

@c(glXCreateContextWithConfigSGIX)
public func glXCreateContextWithConfigSGIX(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ renderType: Int32, _ share: OpaquePointer?,
  _ direct: Int32
) -> OpaquePointer? { glXCreateNewContext(dpy, config, renderType, share, direct) }

@c(glXCreateContextAttribsARB)
public func glXCreateContextAttribsARB(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ share: OpaquePointer?, _ direct: Int32,
  _ attributes: UnsafePointer<Int32>?
) -> OpaquePointer? {
  guard let record = DisplayRecord.of(dpy) else { return nil }
  let known = record.config(config)
  guard known != nil || config == nil else {
    record.sendError(GLXError.fbConfig, GLXRequest.createContextAttribs)
    return nil
  }
  var wrong: UInt8 = 0
  var isCore = false
  guard let wish = GLXContextWish(attributes, &wrong, &isCore) else {
    record.sendError(wrong, GLXRequest.createContextAttribs, isCore: isCore)
    return nil
  }
  let screen = known?.pointee.screen ?? wish.screen
  guard record.screen(screen) != nil else {
    record.sendCoreError(CoreError.value, GLXRequest.createContextAttribs)
    return nil
  }
  guard wish.renderType == GLX.rgbaType else {
    // As above.
    let isIndex = wish.renderType == GLX.rgbaType &+ 1
    record.sendCoreError(
      isIndex ? CoreError.match : CoreError.value, GLXRequest.createContextAttribs)
    return nil
  }
  return record.makeContext(
    wish.request, known, share, GLXRequest.createContextAttribs, renderType: wish.renderType,
    screen: screen)
}

@c(glXDestroyContext)
public func glXDestroyContext(_ dpy: OpaquePointer?, _ ctx: OpaquePointer?) {
  guard let ctx, let record = DisplayRecord.of(dpy) else { return }
  guard let context = Context.find(.glx, ctx) else {
    record.sendError(GLXError.context, GLXRequest.destroyContext)
    return
  }
  context.destroy()
}

@c(glXFreeContextEXT)
public func glXFreeContextEXT(_ dpy: OpaquePointer?, _ ctx: OpaquePointer?) {
  // Contexts of other processes cannot be imported, so there is none to free.
}

@c(glXImportContextEXT)
public func glXImportContextEXT(_ dpy: OpaquePointer?, _ id: UInt) -> OpaquePointer? {
  DisplayRecord.of(dpy)?.sendError(GLXError.context, GLXRequest.vendorPrivate, resource: id)
  return nil
}

@c(glXGetContextIDEXT)
public func glXGetContextIDEXT(_ ctx: OpaquePointer?) -> UInt {
  Context.find(.glx, ctx)?.pointee.binding.name ?? 0
}

@c(glXCopyContext)
public func glXCopyContext(
  _ dpy: OpaquePointer?, _ source: OpaquePointer?, _ destination: OpaquePointer?, _ mask: UInt
) {
  // Defined for contexts of one address space of the server; ours have none there.
  DisplayRecord.of(dpy)?.sendError(GLXError.context, GLXRequest.copyContext)
}

@c(glXIsDirect)
public func glXIsDirect(_ dpy: OpaquePointer?, _ ctx: OpaquePointer?) -> Int32 {
  Context.find(.glx, ctx) != nil ? 1 : 0
}

@c(glXQueryContext)
public func glXQueryContext(
  _ dpy: OpaquePointer?, _ ctx: OpaquePointer?, _ attribute: Int32,
  _ value: UnsafeMutablePointer<Int32>?
) -> Int32 {
  guard let context = Context.find(.glx, ctx) else {
    DisplayRecord.of(dpy)?.sendError(GLXError.context, GLXRequest.queryContext)
    return GLX.badContextResult
  }
  let config = context.pointee.binding.config?.assumingMemoryBound(to: GLXConfig.self)
  let found: Int32
  switch attribute {
  case GLX.fbConfigID: found = Int32(bitPattern: config?.pointee.id ?? 0)
  case GLX.visualID: found = Int32(bitPattern: config?.pointee.visual ?? 0)
  case GLX.renderType: found = Int32(bitPattern: context.pointee.binding.type)
  case GLX.screen: found = context.pointee.binding.screen
  case GLX.shareContext:
    found = Int32(truncatingIfNeeded: context.pointee.request.shareContext & 0xFFFF_FFFF)
  default: return GLX.badAttribute
  }
  value?.pointee = found
  return 0
}

@c(glXQueryContextInfoEXT)
public func glXQueryContextInfoEXT(
  _ dpy: OpaquePointer?, _ ctx: OpaquePointer?, _ attribute: Int32,
  _ value: UnsafeMutablePointer<Int32>?
) -> Int32 { glXQueryContext(dpy, ctx, attribute, value) }

// MARK: Current

extension UnsafeMutablePointer<GLXDisplay> {
  /// What makes a context of this display current, for all of its entry points.
  fileprivate func makeContextCurrent(
    _ draw: UInt, _ read: UInt, _ ctx: OpaquePointer?, _ opcode: UInt8
  ) -> Int32 {
    guard let ctx else {
      guard draw == 0, read == 0 else {
        sendCoreError(CoreError.match, opcode)
        return 0
      }
      _ = makeCurrent(nil, draw: nil, read: nil)
      return 1
    }
    guard let context = Context.find(.glx, ctx) else {
      sendError(GLXError.context, opcode)
      return 0
    }
    // Both or neither; without drawables a context must be one of OpenGL 3.0 and later.
    guard (draw == 0) == (read == 0) else {
      sendCoreError(CoreError.match, opcode)
      return 0
    }
    var (drawTo, readFrom): (Drawable?, Drawable?) = (nil, nil)
    if draw != 0 {
      guard let found = drawable(draw, for: context, opcode) else { return 0 }
      drawTo = found
      readFrom = found
      if read != draw {
        guard let found = drawable(read, for: context, opcode) else { return 0 }
        readFrom = found
      }
    }
    guard case .done = makeCurrent(context, draw: drawTo, read: readFrom) else {
      sendCoreError(CoreError.access, opcode)
      return 0
    }
    return 1
  }
}

@c(glXMakeCurrent)
public func glXMakeCurrent(_ dpy: OpaquePointer?, _ drawable: UInt, _ ctx: OpaquePointer?)
  -> Int32
{
  DisplayRecord.of(dpy)?.makeContextCurrent(drawable, drawable, ctx, GLXRequest.makeCurrent) ?? 0
}

@c(glXMakeContextCurrent)
public func glXMakeContextCurrent(
  _ dpy: OpaquePointer?, _ draw: UInt, _ read: UInt, _ ctx: OpaquePointer?
) -> Int32 {
  DisplayRecord.of(dpy)?.makeContextCurrent(draw, read, ctx, GLXRequest.makeContextCurrent) ?? 0
}

@c(glXMakeCurrentReadSGI)
public func glXMakeCurrentReadSGI(
  _ dpy: OpaquePointer?, _ draw: UInt, _ read: UInt, _ ctx: OpaquePointer?
) -> Int32 { glXMakeContextCurrent(dpy, draw, read, ctx) }

/// The calling thread's context, when it is one of GLX's.
func currentGLXContext() -> Context? {
  guard let context = currentContext(), context.pointee.binding.interface == .glx else {
    return nil
  }
  return context
}

@c(glXGetCurrentContext)
public func glXGetCurrentContext() -> OpaquePointer? {
  currentGLXContext().map { OpaquePointer($0) }
}

@c(glXGetCurrentDisplay)
public func glXGetCurrentDisplay() -> OpaquePointer? {
  currentGLXContext()?.pointee.binding.display
}

@c(glXGetCurrentDisplayEXT)
public func glXGetCurrentDisplayEXT() -> OpaquePointer? { glXGetCurrentDisplay() }

@c(glXGetCurrentDrawable)
public func glXGetCurrentDrawable() -> UInt {
  currentGLXContext()?.pointee.binding.draw?.pointee.name ?? 0
}

@c(glXGetCurrentReadDrawable)
public func glXGetCurrentReadDrawable() -> UInt {
  currentGLXContext()?.pointee.binding.read?.pointee.name ?? 0
}

@c(glXGetCurrentReadDrawableSGI)
public func glXGetCurrentReadDrawableSGI() -> UInt { glXGetCurrentReadDrawable() }
