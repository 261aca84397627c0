import CPlatform
import CX11
import Client
import GLWire

// GLX_EXT_texture_from_pixmap: a pixmap's pixels are fetched from the X server and become the texture
// that is bound. The extension promises no more than what the pixmap had when it was bound.

extension UnsafeMutablePointer<ContextState> {
  /// Runs `body` with client memory as the source of pixels, laid out without padding.
  func withPlainPixels(_ body: () -> Void) {
    let shadow = pointee.shadow
    let (store, buffer) = (shadow.pointee.unpack, shadow.pointee.buffers.pixelUnpack)
    shadow.pointee.unpack = PixelStore()
    shadow.pointee.unpack.alignment = 1
    shadow.pointee.buffers.pixelUnpack = 0
    body()
    shadow.pointee.unpack = store
    shadow.pointee.buffers.pixelUnpack = buffer
  }
}

@c(glXBindTexImageEXT)
public func glXBindTexImageEXT(
  _ dpy: OpaquePointer?, _ name: UInt, _ buffer: Int32, _ attributes: UnsafePointer<Int32>?
) {
  guard let record = DisplayRecord.of(dpy), let context = currentGLXContext() else { return }
  guard let pixmap = Drawable.find(.glx, dpy, name), pixmap.pointee.kind == .pixmap,
    pixmap.pointee.textureFormat != GLX.textureFormatNone
  else {
    record.sendError(GLXError.pixmap, GLXRequest.vendorPrivate, resource: name)
    return
  }
  // What the application has drawn into it by X11 must be there.
  _ = record.pointee.xlib.pointee.sync(dpy, 0)
  guard let functions = X11Server.functions(), let connection = pixmap.pointee.target.connection,
    pixmap.refreshSize()
  else { return }
  var error: UnsafeMutablePointer<xcb_generic_error_t>? = nil
  let (width, height) = (pixmap.pointee.request.width, pixmap.pointee.request.height)
  let cookie = functions.pointee.getImage(
    connection, UInt8(XCB_IMAGE_FORMAT_Z_PIXMAP.rawValue), pixmap.pointee.target.drawable, 0, 0,
    UInt16(clamping: width), UInt16(clamping: height), UInt32.max)
  let reply = functions.pointee.getImageReply(connection, cookie, &error)
  platform_free(error)
  guard let reply else { return }
  defer { platform_free(reply) }
  let size = Int(functions.pointee.getImageDataLength(reply))
  guard let pixels = functions.pointee.getImageData(reply),
    size >= Int(width) &* Int(height) &* pixmap.pointee.layout.bytesPerPixel
  else { return }
  let isRectangle = pixmap.pointee.textureTarget == GLX.texture2D &+ 1
  let hasAlpha = pixmap.pointee.textureFormat == 0x20DA
  let (format, type): (UInt32, UInt32) =
    switch pixmap.pointee.layout {
    case .bgr565: (GL.RGB, GL.UNSIGNED_SHORT_5_6_5)
    case .bgra10: (GL.BGRA, GL.UNSIGNED_INT_2_10_10_10_REV)
    default: (GL.BGRA, GL.UNSIGNED_BYTE)
    }
  context.pointee.touched |= StateGroup.storage
  context.withPlainPixels {
    // Rows of 16 bits are padded to 32.
    if pixmap.pointee.layout == .bgr565 { context.pointee.shadow.pointee.unpack.alignment = 4 }
    gl_TexImage2D(
      isRectangle ? GL.TEXTURE_RECTANGLE : GL.TEXTURE_2D, 0,
      Int32(bitPattern: hasAlpha ? GL.RGBA : GL.RGB), Int32(clamping: width),
      Int32(clamping: height), 0, format, type, pixels)
  }
}

@c(glXReleaseTexImageEXT)
public func glXReleaseTexImageEXT(_ dpy: OpaquePointer?, _ name: UInt, _ buffer: Int32) {
  guard let record = DisplayRecord.of(dpy) else { return }
  guard let pixmap = Drawable.find(.glx, dpy, name), pixmap.pointee.kind == .pixmap else {
    record.sendError(GLXError.pixmap, GLXRequest.vendorPrivate, resource: name)
    return
  }
}
