import CPlatform
import Client
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
  c.useName(.shader, name)
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
  var i = 0
  while i < Int(count), let strings {
    if let text = strings[i] { c.noteSource(text, Int(platform_string_length(text))) }
    i &+= 1
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
  // Nothing is read for what is no shader, which the driver says.
  guard c.isName(.shader, shader), string != nil else {
    c.sendMemory(nil, 0)
    return encode_glShaderSource(c, c.writer, shader, 1)
  }
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
  // What is an error leaves the source as it was: then the driver is asked how long it is.
  var sourceLength: Int32 = 0
  var isWhole = true
  if padded > 0, padded <= 0x7FFF_FFF0, let place = writer.pointee.reserve(padded) {
    place.put32(0, padded &- 4)
    var to = place
    i = 0
    while i < Int(count) {
      let count = size(i)
      if let text = string?[i] { platform_copy(to, text, count) } else { isWhole = false }
      to += count
      i &+= 1
    }
    c.noteSource(place, total)
    // A NUL within ends the source for the driver.
    if isWhole, !c.pointee.shadow.pointee.isInBegin, !platform_has_byte(place, 0, total) {
      sourceLength = Int32(total &+ 1)
    }
  }
  writer.pointee.end()
  c.keepSourceLength(shader, sourceLength)
  encode_glShaderSource(c, writer, shader, 1)
}

/// Paths with lengths are copied, so that all end with a NUL.
func hook_glCompileShaderIncludeARB(
  _ c: Context, _ shader: UInt32, _ count: Int32, _ path: UnsafePointer<UnsafePointer<CChar>?>?,
  _ length: UnsafePointer<Int32>?
) {
  c.forgetReflection(shader)
  c.pointee.share.pointee.noteDrawNumber()
  guard count >= 0, count == 0 || path != nil else { return c.raise(GL.INVALID_VALUE) }
  var i = 0
  while i < Int(count), let path {
    if path[i] == nil { return c.raise(GL.INVALID_VALUE) }
    i &+= 1
  }
  guard let length, let path, count > 0 else {
    return encode_glCompileShaderIncludeARB(c, c.writer, shader, count, path)
  }
  func size(_ i: Int) -> Int {
    if length[i] >= 0 { return Int(length[i]) }
    return path[i].map { Int(platform_string_length($0)) } ?? 0
  }
  var total = 0
  i = 0
  while i < Int(count) {
    total &+= size(i) &+ 1
    i &+= 1
  }
  guard let texts = platform_calloc(1, total), let list = platform_calloc(Int(count), 8) else {
    return c.raise(GL.OUT_OF_MEMORY)
  }
  let pointers = list.bindMemory(to: UnsafePointer<CChar>?.self, capacity: Int(count))
  var place = texts
  i = 0
  while i < Int(count) {
    if let text = path[i] { platform_copy(place, text, size(i)) }
    pointers[i] = UnsafePointer(place.assumingMemoryBound(to: CChar.self))
    place += size(i) &+ 1
    i &+= 1
  }
  encode_glCompileShaderIncludeARB(c, c.writer, shader, count, UnsafePointer(pointers))
  platform_free(texts)
  platform_free(list)
}

// MARK: What is known of shaders and programs

extension UnsafeMutablePointer<ContextState> {
  /// Looks into the source of a shader for what draws depend on.
  fileprivate func noteSource(_ text: UnsafeRawPointer, _ length: Int) {
    if platform_has_text(text, length, "gl_DrawID") { pointee.share.pointee.noteDrawNumber() }
  }
}

func note_glCompileShader(_ c: Context, _ shader: UInt32) { c.forgetReflection(shader) }
func note_glSpecializeShader(
  _ c: Context, _ shader: UInt32, _ pEntryPoint: UnsafePointer<CChar>?,
  _ numSpecializationConstants: UInt32, _ pConstantIndex: UnsafePointer<UInt32>?,
  _ pConstantValue: UnsafePointer<UInt32>?
) {
  c.forgetReflection(shader)
}
func note_glShaderBinary(
  _ c: Context, _ count: Int32, _ shaders: UnsafePointer<UInt32>?, _ binaryFormat: UInt32,
  _ binary: UnsafeRawPointer?, _ length: Int32
) {
  c.pointee.share.pointee.noteDrawNumber()
  var i = 0
  while i < Int(count), let shaders {
    c.forgetReflection(shaders[i])
    c.keepSourceLength(shaders[i], 0)
    i &+= 1
  }
}
func note_glDeleteShader(_ c: Context, _ shader: UInt32) {
  c.forgetReflection(shader)
  c.keepSourceLength(shader, 0)
}
func note_glLinkProgram(_ c: Context, _ program: UInt32) {
  c.forgetReflection(program)
  c.expectErrors()
}
func note_glProgramBinary(
  _ c: Context, _ program: UInt32, _ binaryFormat: UInt32, _ binary: UnsafeRawPointer?,
  _ length: Int32
) {
  c.pointee.share.pointee.noteDrawNumber()
  c.forgetReflection(program)
}
func note_glValidateProgram(_ c: Context, _ program: UInt32) { c.forgetReflection(program) }
func note_glDeleteProgram(_ c: Context, _ program: UInt32) { c.forgetReflection(program) }

/// Copies a text of `length` bytes as OpenGL gives strings back: cut off to `size`, with a NUL. False
/// for a size that is an error.
private func copyText(
  _ text: UnsafeRawPointer?, _ length: Int, _ size: Int32,
  _ written: UnsafeMutablePointer<Int32>?, _ place: UnsafeMutablePointer<CChar>?
) -> Bool {
  guard size >= 0 else { return false }
  let count = min(length, max(Int(size) &- 1, 0))
  if size > 0, let place {
    if let text, count > 0 { platform_copy(place, text, count) }
    place[count] = 0
  }
  written?.pointee = Int32(count)
  return true
}

/// Asks the node for a number; nil when the connection is lost.
func askNumber(_ c: Context, _ opcode: UInt32, _ encode: (Call) -> Void) -> UInt32? {
  guard let call = c.beginCall(opcode) else { return nil }
  encode(call)
  guard var reply = c.endCall(call) else { return nil }
  defer { c.finishCall(call) }
  return reply.u32("result")
}

/// Asks the node for values, as many as its driver gives. How many bytes those are.
@discardableResult
func askValues(
  _ c: Context, _ opcode: UInt32, _ params: UnsafeMutablePointer<Int32>?,
  _ encode: (Call) -> Void
) -> Int {
  guard let call = c.beginCall(opcode) else { return 0 }
  encode(call)
  guard var reply = c.endCall(call) else { return 0 }
  let size = reply.copyOut(params, Int.max)
  c.finishCall(call)
  return size
}

/// Asks the node for a log.
private func askLog(
  _ c: Context, _ opcode: UInt32, _ bufSize: Int32, _ length: UnsafeMutablePointer<Int32>?,
  _ infoLog: UnsafeMutablePointer<CChar>?, _ encode: (Call) -> Void
) {
  guard let call = c.beginCall(opcode) else { return }
  encode(call)
  guard var reply = c.endCall(call) else { return }
  reply.copyOut(length, 4)
  reply.copyOut(infoLog, max(Int(bufSize), 0))
  c.finishCall(call)
}

func hook_glGetShaderiv(
  _ c: Context, _ shader: UInt32, _ pname: UInt32, _ params: UnsafeMutablePointer<Int32>?
) {
  switch pname {
  case GL.COMPILE_STATUS, GL.INFO_LOG_LENGTH, GL.SHADER_TYPE:
    let isKnown = c.withReflection(shader, ReflectedKind.shader) {
      guard let value = $0.value(pname) else { return false }
      params?.pointee = value
      return true
    }
    if isKnown { return }
  case GL.SHADER_SOURCE_LENGTH:
    if let length = c.sourceLength(shader) {
      params?.pointee = length
      return
    }
  default: break
  }
  askValues(c, GLOpcode.glGetShaderiv, params) {
    encode_glGetShaderiv(c, $0.writer, $0.ticket, shader, pname)
  }
}

func hook_glGetProgramiv(
  _ c: Context, _ program: UInt32, _ pname: UInt32, _ params: UnsafeMutablePointer<Int32>?
) {
  switch pname {
  case GL.LINK_STATUS, GL.INFO_LOG_LENGTH, GL.ACTIVE_UNIFORMS, GL.ACTIVE_UNIFORM_MAX_LENGTH,
    GL.ACTIVE_ATTRIBUTES, GL.ACTIVE_ATTRIBUTE_MAX_LENGTH, GL.ACTIVE_UNIFORM_BLOCKS,
    GL.ACTIVE_UNIFORM_BLOCK_MAX_NAME_LENGTH:
    let isKnown = c.withReflection(program, ReflectedKind.program) {
      guard let value = $0.value(pname) else { return false }
      params?.pointee = value
      return true
    }
    if isKnown { return }
  default: break
  }
  askValues(c, GLOpcode.glGetProgramiv, params) {
    encode_glGetProgramiv(c, $0.writer, $0.ticket, program, pname)
  }
}

private func copyLog(
  _ reflection: Reflection, _ bufSize: Int32, _ length: UnsafeMutablePointer<Int32>?,
  _ infoLog: UnsafeMutablePointer<CChar>?
) -> Bool {
  // A log that was too long to be told is asked for.
  guard let told = reflection.value(GL.INFO_LOG_LENGTH), Int(told) <= reflection.logLength &+ 1
  else { return false }
  return copyText(reflection.log, reflection.logLength, bufSize, length, infoLog)
}

func hook_glGetShaderInfoLog(
  _ c: Context, _ shader: UInt32, _ bufSize: Int32, _ length: UnsafeMutablePointer<Int32>?,
  _ infoLog: UnsafeMutablePointer<CChar>?
) {
  let isKnown = c.withReflection(shader, ReflectedKind.shader) {
    copyLog($0, bufSize, length, infoLog)
  }
  guard !isKnown else { return }
  askLog(c, GLOpcode.glGetShaderInfoLog, bufSize, length, infoLog) {
    encode_glGetShaderInfoLog(c, $0.writer, $0.ticket, shader, bufSize)
  }
}

func hook_glGetProgramInfoLog(
  _ c: Context, _ program: UInt32, _ bufSize: Int32, _ length: UnsafeMutablePointer<Int32>?,
  _ infoLog: UnsafeMutablePointer<CChar>?
) {
  let isKnown = c.withReflection(program, ReflectedKind.program) {
    copyLog($0, bufSize, length, infoLog)
  }
  guard !isKnown else { return }
  askLog(c, GLOpcode.glGetProgramInfoLog, bufSize, length, infoLog) {
    encode_glGetProgramInfoLog(c, $0.writer, $0.ticket, program, bufSize)
  }
}

// MARK: Locations

/// The element of an array that `name` stands for beside `known`, which ends in "[0]": nil when it is
/// none of that array.
private func element(
  _ name: UnsafePointer<CChar>, _ length: Int, of known: UnsafeRawPointer, _ knownLength: Int
) -> Int? {
  let base = knownLength &- 3
  guard base > 0, length >= base, known.load(fromByteOffset: base, as: UInt8.self) == 0x5B,
    known.load(fromByteOffset: base &+ 1, as: UInt8.self) == 0x30,
    known.load(fromByteOffset: base &+ 2, as: UInt8.self) == 0x5D,
    platform_compare(name, known, base) == 0
  else { return nil }
  if length == base { return 0 }
  // "[", digits without a zero in front, "]".
  guard length >= base &+ 3, name[base] == 0x5B, name[length &- 1] == 0x5D,
    length &- base <= 8, name[base &+ 1] != 0x30 || length == base &+ 3
  else { return nil }
  var index = 0
  var i = base &+ 1
  while i < length &- 1 {
    guard name[i] >= 0x30, name[i] <= 0x39 else { return nil }
    index = index &* 10 &+ Int(name[i] &- 0x30)
    i &+= 1
  }
  return index
}

func hook_glGetUniformLocation(_ c: Context, _ program: UInt32, _ name: UnsafePointer<CChar>?)
  -> Int32
{
  guard let name else { return -1 }
  let length = Int(platform_string_length(name))
  var location: Int32 = -1
  let isKnown = c.withReflection(program, ReflectedKind.program) {
    guard $0.value(GL.LINK_STATUS) == 1 else { return false }
    var isTold = true
    let isComplete = $0.forEachUniform { _, uniform in
      guard let known = uniform.name else { return true }
      if length == uniform.nameLength, platform_compare(name, known, length) == 0 {
        location = uniform.location(0)
        return false
      }
      guard let index = element(name, length, of: known, uniform.nameLength) else { return true }
      if index < Int(uniform.size), index >= uniform.locationCount {
        isTold = false
      } else {
        location = uniform.location(index)
      }
      return false
    }
    // Drivers know the element 0 of what is no array too.
    if location < 0, length > 0, isIndexed(name, length) { isTold = false }
    return isComplete && isTold
  }
  if isKnown { return location }
  let asked = askNumber(c, GLOpcode.glGetUniformLocation) {
    encode_glGetUniformLocation(c, $0.writer, $0.ticket, program, name)
  }
  return asked.map { Int32(bitPattern: $0) } ?? -1
}

func hook_glGetAttribLocation(_ c: Context, _ program: UInt32, _ name: UnsafePointer<CChar>?)
  -> Int32
{
  guard let name else { return -1 }
  let length = Int(platform_string_length(name))
  var location: Int32 = -1
  let isKnown = c.withReflection(program, ReflectedKind.program) {
    guard $0.value(GL.LINK_STATUS) == 1 else { return false }
    var isTold = true
    let isComplete = $0.forEachAttribute { _, attribute in
      guard let known = attribute.name else { return true }
      if length == attribute.nameLength, platform_compare(name, known, length) == 0 {
        location = attribute.location(0)
        return false
      }
      // Elements of arrays and matrices have names that are not told.
      if attribute.size > 1 || attribute.nameLength > 0 && isIndexed(known, attribute.nameLength) {
        isTold = false
      }
      return true
    }
    return isComplete && (isTold || location >= 0)
  }
  if isKnown { return location }
  let asked = askNumber(c, GLOpcode.glGetAttribLocation) {
    encode_glGetAttribLocation(c, $0.writer, $0.ticket, program, name)
  }
  return asked.map { Int32(bitPattern: $0) } ?? -1
}

private func isIndexed(_ name: UnsafeRawPointer, _ length: Int) -> Bool {
  name.load(fromByteOffset: length &- 1, as: UInt8.self) == 0x5D
}

func hook_glGetActiveUniform(
  _ c: Context, _ program: UInt32, _ index: UInt32, _ bufSize: Int32,
  _ length: UnsafeMutablePointer<Int32>?, _ size: UnsafeMutablePointer<Int32>?,
  _ type: UnsafeMutablePointer<UInt32>?, _ name: UnsafeMutablePointer<CChar>?
) {
  var isFound = false
  _ = c.withReflection(program, ReflectedKind.program) {
    $0.forEachUniform { i, uniform in
      guard i == Int(index) else { return true }
      isFound = copyText(uniform.name, uniform.nameLength, bufSize, length, name)
      size?.pointee = uniform.size
      type?.pointee = uniform.type
      return false
    }
  }
  guard !isFound, let call = c.beginCall(GLOpcode.glGetActiveUniform) else { return }
  encode_glGetActiveUniform(c, call.writer, call.ticket, program, index, bufSize)
  copyVariable(c, call, bufSize, length, size, type, name)
}

func hook_glGetActiveAttrib(
  _ c: Context, _ program: UInt32, _ index: UInt32, _ bufSize: Int32,
  _ length: UnsafeMutablePointer<Int32>?, _ size: UnsafeMutablePointer<Int32>?,
  _ type: UnsafeMutablePointer<UInt32>?, _ name: UnsafeMutablePointer<CChar>?
) {
  var isFound = false
  _ = c.withReflection(program, ReflectedKind.program) {
    $0.forEachAttribute { i, attribute in
      guard i == Int(index) else { return true }
      isFound = copyText(attribute.name, attribute.nameLength, bufSize, length, name)
      size?.pointee = attribute.size
      type?.pointee = attribute.type
      return false
    }
  }
  guard !isFound, let call = c.beginCall(GLOpcode.glGetActiveAttrib) else { return }
  encode_glGetActiveAttrib(c, call.writer, call.ticket, program, index, bufSize)
  copyVariable(c, call, bufSize, length, size, type, name)
}

private func copyVariable(
  _ c: Context, _ call: Call, _ bufSize: Int32, _ length: UnsafeMutablePointer<Int32>?,
  _ size: UnsafeMutablePointer<Int32>?, _ type: UnsafeMutablePointer<UInt32>?,
  _ name: UnsafeMutablePointer<CChar>?
) {
  guard var reply = c.endCall(call) else { return }
  reply.copyOut(length, 4)
  reply.copyOut(size, 4)
  reply.copyOut(type, 4)
  reply.copyOut(name, max(Int(bufSize), 0))
  c.finishCall(call)
}

func hook_glGetUniformBlockIndex(
  _ c: Context, _ program: UInt32, _ uniformBlockName: UnsafePointer<CChar>?
) -> UInt32 {
  guard let uniformBlockName else { return GL.INVALID_INDEX }
  let length = Int(platform_string_length(uniformBlockName))
  var index: UInt32?
  _ = c.withReflection(program, ReflectedKind.program) {
    $0.forEachBlock { i, name, nameLength in
      guard let name, nameLength == length, platform_compare(name, uniformBlockName, length) == 0
      else { return true }
      index = UInt32(i)
      return false
    }
  }
  if let index { return index }
  let asked = askNumber(c, GLOpcode.glGetUniformBlockIndex) {
    encode_glGetUniformBlockIndex(c, $0.writer, $0.ticket, program, uniformBlockName)
  }
  return asked ?? GL.INVALID_INDEX
}

// MARK: GL_ARB_shader_objects

func note_glDeleteObjectARB(_ c: Context, _ obj: UInt32) { note_glDeleteShader(c, obj) }

func hook_glGetHandleARB(_ c: Context, _ pname: UInt32) -> UInt32 {
  guard pname == GL.PROGRAM_OBJECT_ARB else {
    c.raise(GL.INVALID_ENUM)
    return 0
  }
  var program: Int32 = 0
  hook_glGetIntegerv(c, GL.CURRENT_PROGRAM, &program)
  return UInt32(bitPattern: program)
}

// GL_ARB_vertex_program and GL_ARB_fragment_program

func note_glBindProgramARB(_ c: Context, _ target: UInt32, _ program: UInt32) {
  c.useMadeUpName(.arbProgram, program)
}
