import CPlatform
import GLWire
import Ring

// EGLImages: pixels that textures and renderbuffers of any context of the session have in common.

/// An image of the driver's.
final class GLImage: @unchecked Sendable {
  let handle: UnsafeMutableRawPointer
  private let egl: EGLDriver

  /// Of an object of `driver`, which is current; nil and EGL's error when the driver makes none.
  init?(
    _ driver: DriverContext, _ target: UInt32, _ name: UInt32, attributes: [Int32],
    error: inout Int32
  ) {
    let egl = driver.egl
    guard let create = egl.egl.createImage, egl.egl.destroyImage != nil else {
      error = EGL.badParameter
      return nil
    }
    let buffer = UnsafeMutableRawPointer(bitPattern: UInt(name))
    let made = create(egl.display, driver.handle, target, buffer, attributes + [EGL.none])
    guard let made else {
      error = egl.egl.getError()
      return nil
    }
    error = EGL.success
    handle = made
    self.egl = egl
  }

  deinit { _ = egl.egl.destroyImage?(egl.display, handle) }
}

/// EGL's names of what an image can be made of.
private enum ImageTarget {
  static var texture2D: UInt32 { 0x30B1 }
  static var texture3D: UInt32 { 0x30B2 }
  /// The faces of a cube map follow each other.
  static var lastFace: UInt32 { 0x30B8 }
  static var renderbuffer: UInt32 { 0x30B9 }
  static var level: Int32 { 0x30BC }
  static var zOffset: Int32 { 0x30BD }
  static var isPreserved: Int32 { 0x30D2 }
}

extension GLReplayContext {
  mutating func createImage(_ f: inout ControlFields) {
    let ticket = f.u32(8, "ticket")
    let image = f.u64(16, "image")
    let target = f.u32(24, "target")
    let name = f.u32(28, "name")
    let level = f.u32(32, "level")
    let zOffset = f.u32(36, "zoffset")
    guard f.wrong == nil else { return }
    var error = EGL.badParameter
    let own: UInt32 =
      switch target {
      case ImageTarget.texture2D...ImageTarget.lastFace: knownName(.texture, name)
      case ImageTarget.renderbuffer: knownName(.renderbuffer, name)
      default: 0
      }
    if own != 0, let driver {
      var attributes = [ImageTarget.isPreserved, 1]
      if target != ImageTarget.renderbuffer {
        attributes += [ImageTarget.level, Int32(clamping: level)]
      }
      if target == ImageTarget.texture3D {
        attributes += [ImageTarget.zOffset, Int32(clamping: zOffset)]
      }
      if let made = GLImage(driver, target, own, attributes: attributes, error: &error) {
        guard session.insertImage(image, made) else { return f.fail("image") }
      }
    }
    reply.writer.begin(ControlOpcode.glCreateImage)
    reply.writer.u32(UInt32(bitPattern: error))
    reply.writer.end()
    sendReply(ticket)
  }

  mutating func destroyImage(_ f: inout ControlFields) {
    let image = f.u64(8, "image")
    if f.wrong == nil { session.removeImage(image) }
  }

  /// The picture of a drawable becomes the bound texture's.
  mutating func bindDrawable(_ drawable: Drawable, _ target: UInt32) {
    guard let driver, let functions, let bind = gl.glEGLImageTargetTexture2DOES else { return }
    let picture = drawable.resolved(
      front: false, depth: false, from: driver.handle, finishing: functions.finish
    ).color
    var error = EGL.success
    guard !picture.isNone,
      let image = GLImage(
        driver, picture.isTexture ? ImageTarget.texture2D : ImageTarget.renderbuffer, picture.name,
        attributes: [ImageTarget.isPreserved, 1], error: &error)
    else { return }
    // The texture has the pixels from now on, whatever becomes of the image.
    bind(target, image.handle)
  }
}

func doer_glEGLImageTargetTexture2DOES(
  _ c: GLContextPointer, _ target: UInt32, _ image: UnsafeMutableRawPointer?
) {
  c.pointee.gl.glEGLImageTargetTexture2DOES?(target, c.pointee.session.image(image)?.handle)
}
func doer_glEGLImageTargetRenderbufferStorageOES(
  _ c: GLContextPointer, _ target: UInt32, _ image: UnsafeMutableRawPointer?
) {
  c.pointee.gl.glEGLImageTargetRenderbufferStorageOES?(
    target, c.pointee.session.image(image)?.handle)
}
