import CPlatform
import GLWire
import Ring
import Wire

// OpenGL 4.6, chapter 7. Names are the client's, and are never used again: an object that is deleted
// while something holds it keeps its name.

func hook_glCreateShader(_ c: Context, _ type: UInt32) -> UInt32 {
  switch type {
  case GL.VERTEX_SHADER, GL.FRAGMENT_SHADER, GL.GEOMETRY_SHADER, GL.TESS_CONTROL_SHADER,
    GL.TESS_EVALUATION_SHADER, GL.COMPUTE_SHADER:
    break
  default:
    c.raise(GL.INVALID_ENUM)
    return 0
  }
  let name = c.takeName(.program)
  c.sendName(name)
  encode_glCreateShader(c, c.writer, type)
  return name
}

func hook_glCreateProgram(_ c: Context) -> UInt32 {
  let name = c.takeName(.program)
  c.sendName(name)
  encode_glCreateProgram(c, c.writer)
  return name
}

func hook_glCreateShaderProgramv(
  _ c: Context, _ type: UInt32, _ count: Int32,
  _ strings: UnsafePointer<UnsafePointer<CChar>?>?
) -> UInt32 {
  guard count >= 0 else {
    c.raise(GL.INVALID_VALUE)
    return 0
  }
  let name = c.takeName(.program)
  c.sendName(name)
  encode_glCreateShaderProgramv(c, c.writer, type, count, strings)
  return name
}

/// The source travels as one text.
func hook_glShaderSource(
  _ c: Context, _ shader: UInt32, _ count: Int32,
  _ string: UnsafePointer<UnsafePointer<CChar>?>?, _ length: UnsafePointer<Int32>?
) {
  guard count >= 0 else { return c.raise(GL.INVALID_VALUE) }
  func size(_ i: Int) -> Int {
    if let length, length[i] >= 0 { return Int(length[i]) }
    return string?[i].map { Int(platform_string_length($0)) } ?? 0
  }
  var total = 0
  var i = 0
  while i < Int(count) {
    total &+= size(i)
    i &+= 1
  }
  let writer = c.writer
  c.beginMemory(total)
  let padded = (total &+ 3) & ~3
  if padded > 0, padded <= 0x7FFF_FFF0, let place = writer.pointee.reserve(padded) {
    place.put32(0, padded &- 4)
    var to = place
    i = 0
    while i < Int(count) {
      let count = size(i)
      if let text = string?[i] { platform_copy(to, text, count) }
      to += count
      i &+= 1
    }
  }
  writer.pointee.end()
  encode_glShaderSource(c, writer, shader, 1)
}
