import CPlatform
import GLWire
import Ring
import Wire

// `glReflect`: what there is to know of a shader or a program, in one reply, so that its client need
// not ask for every location (OpenGL 4.6, 7.3.1, 7.6 and 7.14).

/// Most resources of a kind that are told; of a program with more nothing but its values and its log.
private let mostResources = 4096
private let mostLocations = 16384
private let longestLog = 64 << 10
private let longestName = 4096

extension GLReplayContext {
  mutating func reflect(_ f: inout ControlFields) {
    let ticket = f.u32(8, "ticket")
    let object = f.u32(16, "object")
    guard f.wrong == nil else { return }
    let name = knownName(.program, object)
    // What is asked here may be more than the driver's version knows.
    saveErrors()
    beginQuiet()
    reply.writer.begin(ControlOpcode.glReflect)
    if name != 0, gl.glIsProgram?(name) == 1 {
      reply.writer.u32(ReflectedKind.program)
      reflectProgram(name)
    } else if name != 0, gl.glIsShader?(name) == 1 {
      reply.writer.u32(ReflectedKind.shader)
      reflectShader(name)
    } else {
      reply.writer.u32(ReflectedKind.none)
    }
    functions?.drainErrors()
    endQuiet()
    endReply(ticket)
  }

  private mutating func reflectShader(_ shader: UInt32) {
    let pnames = [GL.COMPILE_STATUS, GL.INFO_LOG_LENGTH, GL.SHADER_TYPE]
    let values = pnames.map { shaderValue(shader, $0) }
    putValues(pnames, values)
    let gl = self.gl
    putText(Int(values[1])) { gl.glGetShaderInfoLog?(shader, $0, $1, $2) }
  }

  private mutating func reflectProgram(_ program: UInt32) {
    var pnames = [
      GL.LINK_STATUS, GL.INFO_LOG_LENGTH, GL.ACTIVE_UNIFORMS, GL.ACTIVE_UNIFORM_MAX_LENGTH,
      GL.ACTIVE_ATTRIBUTES, GL.ACTIVE_ATTRIBUTE_MAX_LENGTH,
    ]
    let hasBlocks = properties.isES ? properties.isAtLeast(3, 0) : properties.isAtLeast(3, 1)
    if hasBlocks {
      pnames += [GL.ACTIVE_UNIFORM_BLOCKS, GL.ACTIVE_UNIFORM_BLOCK_MAX_NAME_LENGTH]
    }
    let values = pnames.map { programValue(program, $0) }
    putValues(pnames, values)
    let gl = self.gl
    putText(Int(values[1])) { gl.glGetProgramInfoLog?(program, $0, $1, $2) }
    let uniforms = Int(values[2])
    let attributes = Int(values[4])
    let blocks = hasBlocks ? Int(values[6]) : 0
    let isTold =
      values[0] == 1 && max(uniforms, attributes, blocks) <= mostResources
      && Int(max(values[3], values[5])) < longestName && (!hasBlocks || values[7] < longestName)
    reply.writer.u32(isTold ? 1 : 0)
    guard isTold else { return }
    putUniforms(program, uniforms, Int(values[3]))
    putAttributes(program, attributes, Int(values[5]))
    reply.writer.u32(UInt32(blocks))
    for index in 0..<blocks {
      putText(longestName) {
        gl.glGetActiveUniformBlockName?(program, UInt32(index), $0, $1, $2)
      }
    }
  }

  private mutating func shaderValue(_ shader: UInt32, _ pname: UInt32) -> Int32 {
    var value: Int32 = 0
    gl.glGetShaderiv?(shader, pname, &value)
    return value
  }

  private mutating func programValue(_ program: UInt32, _ pname: UInt32) -> Int32 {
    var value: Int32 = 0
    gl.glGetProgramiv?(program, pname, &value)
    return value
  }

  private mutating func putValues(_ pnames: [UInt32], _ values: [Int32]) {
    reply.writer.u32(UInt32(pnames.count))
    for (pname, value) in zip(pnames, values) {
      reply.writer.u32(pname)
      reply.writer.i32(value)
    }
  }

  /// An array with what `read` gives, which gets the size, the length's place and the text's, without
  /// its NUL.
  private mutating func putText(
    _ size: Int, _ read: (Int32, UnsafeMutablePointer<Int32>, UnsafeMutablePointer<CChar>) -> Void
  ) {
    let size = min(max(size, 1), longestLog)
    var length: Int32 = 0
    guard let room = blobRoom(size + 1) else { return put(nil, 0) }
    platform_zero(room, size + 1)
    read(Int32(size), &length, room.assumingMemoryBound(to: CChar.self))
    put(UnsafeMutableRawPointer(room), min(max(Int(length), 0), size))
  }

  private mutating func putUniforms(_ program: UInt32, _ count: Int, _ longest: Int) {
    let gl = self.gl
    var locationsLeft = mostLocations
    reply.writer.u32(UInt32(count))
    for index in 0..<count {
      var (size, type, length) = (Int32(0), UInt32(0), Int32(0))
      var name = [CChar](repeating: 0, count: longest + 1)
      gl.glGetActiveUniform?(
        program, UInt32(index), Int32(longest), &length, &size, &type, &name)
      reply.writer.u32(type)
      reply.writer.i32(size)
      name.withUnsafeMutableBytes { put($0.baseAddress, min(max(Int(length), 0), longest)) }
      let told = min(max(Int(size), 1), locationsLeft)
      locationsLeft -= told
      reply.writer.u32(UInt32(told))
      // "a[0]" stands for all of an array: the others' names are made of it.
      let text = name.prefix(min(max(Int(length), 0), longest)).map { UInt8(bitPattern: $0) }
      let base = text.suffix(3) == [0x5B, 0x30, 0x5D] ? Array(text.dropLast(3)) : text
      for element in 0..<told {
        let whole = element == 0 ? text : base + Array("[\(element)]".utf8)
        let location = whole.map { CChar(bitPattern: $0) } + [0]
        reply.writer.i32(gl.glGetUniformLocation?(program, location) ?? -1)
      }
    }
  }

  private mutating func putAttributes(_ program: UInt32, _ count: Int, _ longest: Int) {
    let gl = self.gl
    reply.writer.u32(UInt32(count))
    for index in 0..<count {
      var (size, type, length) = (Int32(0), UInt32(0), Int32(0))
      var name = [CChar](repeating: 0, count: longest + 1)
      gl.glGetActiveAttrib?(program, UInt32(index), Int32(longest), &length, &size, &type, &name)
      reply.writer.u32(type)
      reply.writer.i32(size)
      name.withUnsafeMutableBytes { put($0.baseAddress, min(max(Int(length), 0), longest)) }
      reply.writer.i32(gl.glGetAttribLocation?(program, name) ?? -1)
    }
  }
}
