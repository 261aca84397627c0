import CPlatform
import Client
import GLWire
import Ring
import Wire

// OpenGL 4.6, 8.22: proxy textures, by which programs find out what fits. GLU asks for every mipmap that it
// makes. What is far below the driver's limits, and in formats that every driver takes, is answered here.

/// The last image of a proxy that is sure to fit.
struct ProxyImage {
  var target: UInt32 = 0
  var level: Int32 = -1
  var width: Int32 = 0
  var height: Int32 = 0
  var depth: Int32 = 0
}

private func isPlain(_ internalformat: Int32, _ format: UInt32, _ type: UInt32) -> Bool {
  guard type == GL.UNSIGNED_BYTE else { return false }
  switch format {
  case GL.RGB, GL.RGBA, GL.BGR, GL.BGRA, GL.ALPHA, GL.LUMINANCE, GL.LUMINANCE_ALPHA: break
  default: return false
  }
  switch UInt32(bitPattern: internalformat) {
  case 1, 2, 3, 4, GL.RGB, GL.RGBA, GL.RGB8, GL.RGBA8, GL.ALPHA, GL.LUMINANCE, GL.LUMINANCE_ALPHA:
    return true
  default: return false
  }
}

private func noteImage(
  _ c: Context, _ target: UInt32, _ level: Int32, _ internalformat: Int32, _ width: Int32,
  _ height: Int32, _ depth: Int32, _ border: Int32, _ format: UInt32, _ type: UInt32
) {
  let shadow = c.pointee.shadow
  guard target == GL.PROXY_TEXTURE_1D || target == GL.PROXY_TEXTURE_2D else { return }
  shadow.pointee.proxy.target = 0
  guard let most = c.pointee.binding.facts?.pointee.numbers(of: GL.MAX_TEXTURE_SIZE)?.first,
    c.hasFixedFunction, border == 0, level >= 0, level < 12, width > 0, height > 0,
    Double(max(width, height)) <= most / Double(1 &<< level),
    Int(width) &* Int(height) <= 16 << 20, isPlain(internalformat, format, type)
  else { return }
  shadow.pointee.proxy = ProxyImage(
    target: target, level: level, width: width, height: height, depth: depth)
}

func note_glTexImage1D(
  _ c: Context, _ target: UInt32, _ level: Int32, _ internalformat: Int32, _ width: Int32,
  _ border: Int32, _ format: UInt32, _ type: UInt32, _ pixels: UnsafeRawPointer?
) {
  noteImage(c, target, level, internalformat, width, 1, 1, border, format, type)
}
func note_glTexImage2D(
  _ c: Context, _ target: UInt32, _ level: Int32, _ internalformat: Int32, _ width: Int32,
  _ height: Int32, _ border: Int32, _ format: UInt32, _ type: UInt32,
  _ pixels: UnsafeRawPointer?
) {
  noteImage(c, target, level, internalformat, width, height, 1, border, format, type)
}

func hook_glGetTexLevelParameteriv(
  _ c: Context, _ target: UInt32, _ level: Int32, _ pname: UInt32,
  _ params: UnsafeMutablePointer<Int32>?
) {
  let proxy = c.pointee.shadow.pointee.proxy
  if target == proxy.target, target != 0, level == proxy.level, !c.pointee.shadow.pointee.isInBegin
  {
    switch pname {
    case GL.TEXTURE_WIDTH:
      params?.pointee = proxy.width
      return
    case GL.TEXTURE_HEIGHT:
      params?.pointee = proxy.height
      return
    default: break
    }
  }
  askValues(c, GLOpcode.glGetTexLevelParameteriv, params) {
    encode_glGetTexLevelParameteriv(c, $0.writer, $0.ticket, target, level, pname)
  }
}
