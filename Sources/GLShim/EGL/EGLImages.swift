import CPlatform
import Client
import GLWire
import Ring
import Wire

// EGL 1.5, 3.9: images. An EGLImage is the address of one of these; the node knows it by a number.

private struct EGLImageState {
  let display: OpaquePointer
  let id: UInt64
  var next: UnsafeMutablePointer<EGLImageState>? = nil
}

private typealias EGLImage = UnsafeMutablePointer<EGLImageState>

nonisolated(unsafe) private var images: EGLImage? = nil
nonisolated(unsafe) private var imageCount: UInt64 = 0

/// The number of an image at an address that the application gave; nil for any other address.
private func imageID(_ address: UnsafeMutableRawPointer?) -> UInt64? {
  WindowLock.locked {
    var known = images
    while let image = known {
      if UnsafeMutableRawPointer(image) == address { return image.pointee.id }
      known = image.pointee.next
    }
    return nil
  }
}

/// Takes an image out of the list; nil when it is no image of this display.
private func takeOut(_ display: OpaquePointer, _ address: OpaquePointer?) -> EGLImage? {
  WindowLock.locked {
    var before: EGLImage? = nil
    var known = images
    while let image = known {
      if OpaquePointer(image) == address, image.pointee.display == display {
        if let before {
          before.pointee.next = image.pointee.next
        } else {
          images = image.pointee.next
        }
        return image
      }
      before = image
      known = image.pointee.next
    }
    return nil
  }
}

/// What a list of attributes asks of an image.
private struct EGLImageWish {
  var level: UInt32 = 0
  var zOffset: UInt32 = 0

  /// False for an attribute that there is not.
  mutating func set(_ name: Int, _ value: Int) -> Bool {
    switch name {
    case 0x30BC: level = UInt32(clamping: value)
    case 0x30BD: zOffset = UInt32(clamping: value)
    // EGL_IMAGE_PRESERVED: every image is.
    case 0x30D2: break
    default: return false
    }
    return true
  }
}

private func createImage(
  _ dpy: OpaquePointer?, _ ctx: OpaquePointer?, _ target: UInt32, _ buffer: OpaquePointer?,
  _ wish: EGLImageWish?
) -> OpaquePointer? {
  guard let record = EGLRecord.ready(dpy) else { return nil }
  // Textures and renderbuffers; pixmaps and buffers of a GPU are not what the node has.
  guard target >= 0x30B1, target <= 0x30B9 else { return eglNothing(EGL.badParameter) }
  guard let context = record.context(ctx) else { return nil }
  guard let wish else { return eglNothing(EGL.badParameter) }
  guard let name = UInt32(exactly: UInt(bitPattern: buffer)), name != 0 else {
    return eglNothing(EGL.badParameter)
  }
  guard let raw = platform_malloc(MemoryLayout<EGLImageState>.stride) else {
    return eglNothing(EGL.badAlloc)
  }
  let id = WindowLock.locked { () -> UInt64 in
    imageCount &+= 1
    return imageCount
  }
  let error = context.createImage(id, target, name, wish)
  guard error == EGL.success else {
    platform_free(raw)
    return eglNothing(error)
  }
  let image = raw.bindMemory(to: EGLImageState.self, capacity: 1)
  WindowLock.locked {
    image.initialize(to: EGLImageState(display: record.handle, id: id, next: images))
    images = image
  }
  EGLThread.note(EGL.success)
  return OpaquePointer(image)
}

extension UnsafeMutablePointer<ContextState> {
  /// An EGL error.
  fileprivate func createImage(
    _ id: UInt64, _ target: UInt32, _ name: UInt32, _ wish: EGLImageWish
  ) -> Int32 {
    let opcode = ControlOpcode.glCreateImage
    // What another thread has not flushed need not be there.
    let made =
      self == currentContext()
      ? beginCall(opcode) : pointee.connection.beginCall(pointee.channel, opcode: opcode)
    guard let call = made else { return EGL.badAlloc }
    call.writer.pointee.begin(opcode)
    call.writer.pointee.u32(call.ticket)
    call.writer.pointee.u32(0)
    call.writer.pointee.u64(id)
    call.writer.pointee.u32(target)
    call.writer.pointee.u32(name)
    call.writer.pointee.u32(wish.level)
    call.writer.pointee.u32(wish.zOffset)
    call.writer.pointee.end()
    guard var reply = pointee.connection.endCall(call) else { return EGL.badAlloc }
    defer { pointee.connection.finishCall(call) }
    let error = reply.u32("glCreateImage.error")
    return reply.failure == nil ? Int32(bitPattern: error) : EGL.badAlloc
  }
}

@c(eglCreateImage)
public func eglCreateImage(
  _ dpy: OpaquePointer?, _ ctx: OpaquePointer?, _ target: UInt32, _ buffer: OpaquePointer?,
  _ attributes: UnsafePointer<Int>?
) -> OpaquePointer? {
  var wish: EGLImageWish? = EGLImageWish()
  var i = 0
  while let attributes, attributes[i] != Int(EGL.none), wish != nil {
    if wish?.set(attributes[i], attributes[i &+ 1]) != true { wish = nil }
    i &+= 2
  }
  return createImage(dpy, ctx, target, buffer, wish)
}

@c(eglCreateImageKHR)
public func eglCreateImageKHR(
  _ dpy: OpaquePointer?, _ ctx: OpaquePointer?, _ target: UInt32, _ buffer: OpaquePointer?,
  _ attributes: UnsafePointer<Int32>?
) -> OpaquePointer? {
  var wish: EGLImageWish? = EGLImageWish()
  var i = 0
  while let attributes, attributes[i] != EGL.none, wish != nil {
    if wish?.set(Int(attributes[i]), Int(attributes[i &+ 1])) != true { wish = nil }
    i &+= 2
  }
  return createImage(dpy, ctx, target, buffer, wish)
}

@c(eglDestroyImage)
public func eglDestroyImage(_ dpy: OpaquePointer?, _ image: OpaquePointer?) -> UInt32 {
  guard let record = EGLRecord.ready(dpy) else { return 0 }
  guard let known = takeOut(record.handle, image) else { return eglFailure(EGL.badParameter) }
  // Where no context is current, the node keeps it as long as the session.
  if let context = currentContext() {
    context.writer.pointee.begin(ControlOpcode.glDestroyImage)
    context.writer.pointee.u64(known.pointee.id)
    context.writer.pointee.end()
  }
  platform_free(known)
  return eglSuccess()
}

@c(eglDestroyImageKHR)
public func eglDestroyImageKHR(_ dpy: OpaquePointer?, _ image: OpaquePointer?) -> UInt32 {
  eglDestroyImage(dpy, image)
}

// MARK: What is made of them

func hook_glEGLImageTargetTexture2DOES(
  _ c: Context, _ target: UInt32, _ image: UnsafeMutableRawPointer?
) {
  guard let id = imageID(image) else { return c.raise(GL.INVALID_VALUE) }
  encode_glEGLImageTargetTexture2DOES(
    c, c.writer, target, UnsafeMutableRawPointer(bitPattern: UInt(id)))
}

func hook_glEGLImageTargetRenderbufferStorageOES(
  _ c: Context, _ target: UInt32, _ image: UnsafeMutableRawPointer?
) {
  guard let id = imageID(image) else { return c.raise(GL.INVALID_VALUE) }
  encode_glEGLImageTargetRenderbufferStorageOES(
    c, c.writer, target, UnsafeMutableRawPointer(bitPattern: UInt(id)))
}
