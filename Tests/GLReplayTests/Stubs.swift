import CPlatform
import GLWire

@testable import GLReplay

// The recording driver's functions that keep state, or that read and write what gl.xml cannot say. The others are
// generated.

typealias Raw = UnsafeRawPointer
typealias MutableRaw = UnsafeMutableRawPointer

// MARK: State

private let vendor: StaticString = "Nobody"
private let versions: [StaticString] = [
  "4.6 (Core Profile) Recorder", "4.6 (Compatibility Profile) Recorder", "OpenGL ES 3.2 Recorder",
  "OpenGL ES-CM 1.1 Recorder", "2.1 Recorder",
]
private let extensions: StaticString = "GL_ARB_robustness"

private func getString(_ name: UInt32) -> UnsafePointer<UInt8>? {
  let state = recorder.state
  let found: StaticString
  switch name {
  case GL.VERSION:
    if state.isES {
      found = versions[state.version.major < 2 ? 3 : 2]
    } else {
      found = versions[state.version.major < 3 ? 4 : state.isCore ? 0 : 1]
    }
  case GL.VENDOR, GL.RENDERER, GL.SHADING_LANGUAGE_VERSION: found = vendor
  case GL.EXTENSIONS: found = extensions
  default: return nil
  }
  return found.utf8Start
}

private func getError() -> UInt32 {
  let state = recorder.state
  if state.isRefused { return 0 }
  return state.errors.isEmpty ? 0 : state.errors.removeFirst()
}

/// Values that glGet knows, and how many.
private func values(_ pname: UInt32) -> [Int64] {
  let state = recorder.state
  switch pname {
  case GL.ARRAY_BUFFER_BINDING: return [Int64(state.buffer(GL.ARRAY_BUFFER))]
  case GL.ELEMENT_ARRAY_BUFFER_BINDING: return [Int64(state.buffer(GL.ELEMENT_ARRAY_BUFFER))]
  case GL.PIXEL_PACK_BUFFER_BINDING: return [Int64(state.buffer(GL.PIXEL_PACK_BUFFER))]
  case GL.PIXEL_UNPACK_BUFFER_BINDING: return [Int64(state.buffer(GL.PIXEL_UNPACK_BUFFER))]
  case GL.DRAW_INDIRECT_BUFFER_BINDING: return [Int64(state.buffer(GL.DRAW_INDIRECT_BUFFER))]
  case GL.COPY_WRITE_BUFFER_BINDING: return [Int64(state.buffer(GL.COPY_WRITE_BUFFER))]
  case GL.VERTEX_ARRAY_BINDING: return [Int64(state.vertexArray)]
  case GL.CLIENT_ACTIVE_TEXTURE: return [Int64(GL.TEXTURE0) + Int64(state.activeTexture)]
  case GL.RENDER_MODE: return [Int64(state.renderMode)]
  case GL.LIST_INDEX: return [Int64(state.list)]
  case GL.UNPACK_ALIGNMENT: return [Int64(state.unpack.alignment)]
  case GL.NUM_EXTENSIONS: return [1]
  case GL.CONTEXT_PROFILE_MASK: return [state.isCore ? 1 : 2]
  case GL.MAX_CLIENT_ATTRIB_STACK_DEPTH: return [16]
  case GL.MAX_PIXEL_MAP_TABLE: return [65536]
  case GL.MAX_EVAL_ORDER: return [40]
  case GL.VIEWPORT, GL.SCISSOR_BOX: return [0, 0, 8, 4]
  case GL.MAX_VIEWPORT_DIMS: return [16384, 16384]
  case GL.DRAW_FRAMEBUFFER_BINDING, GL.READ_FRAMEBUFFER_BINDING: return [3]
  case 0x86A2, 0x87FE, 0x8DF9: return [20]
  case 0x86A3, 0x87FF, 0x8DF8: return [Int64](repeating: 7, count: 20)
  case GL.VERTEX_ARRAY_BUFFER_BINDING: return bufferOf(32)
  case GL.NORMAL_ARRAY_BUFFER_BINDING: return bufferOf(33)
  case GL.COLOR_ARRAY_BUFFER_BINDING: return bufferOf(34)
  case GL.SECONDARY_COLOR_ARRAY_BUFFER_BINDING: return bufferOf(35)
  case GL.FOG_COORD_ARRAY_BUFFER_BINDING: return bufferOf(36)
  case GL.INDEX_ARRAY_BUFFER_BINDING: return bufferOf(37)
  case GL.EDGE_FLAG_ARRAY_BUFFER_BINDING: return bufferOf(38)
  case GL.TEXTURE_COORD_ARRAY_BUFFER_BINDING: return bufferOf(40 + state.activeTexture)
  default: return [Int64(pname % 3)]
  }
}

private func bufferOf(_ slot: Int) -> [Int64] { [Int64(arrays[slot]?.buffer ?? 0)] }

private func get<Number>(
  _ p: UnsafeMutablePointer<Number>?, _ pname: UInt32, _ make: (Int64) -> Number
) {
  guard !recorder.state.isRefused, let p else { return }
  // Numbers that no driver knows.
  if pname >= 0x4000_0000 { return recorder.state.raise(GL.INVALID_ENUM) }
  let numbers = values(pname)
  recorder.write(p, numbers.count * MemoryLayout<Number>.size)
  guard recorder.fault == nil else { return }
  for (i, number) in numbers.enumerated() { p[i] = make(number) }
}

func stub_glGetIntegerv(_ pname: UInt32, _ p: UnsafeMutablePointer<Int32>?) {
  recorder.enter("glGetIntegerv")
  recorder.value(pname)
  get(p, pname) { Int32(truncatingIfNeeded: $0) }
}
func stub_glGetInteger64v(_ pname: UInt32, _ p: UnsafeMutablePointer<Int64>?) {
  recorder.enter("glGetInteger64v")
  recorder.value(pname)
  get(p, pname) { $0 }
}
func stub_glGetFloatv(_ pname: UInt32, _ p: UnsafeMutablePointer<Float>?) {
  recorder.enter("glGetFloatv")
  recorder.value(pname)
  get(p, pname) { Float($0) }
}
func stub_glGetDoublev(_ pname: UInt32, _ p: UnsafeMutablePointer<Double>?) {
  recorder.enter("glGetDoublev")
  recorder.value(pname)
  get(p, pname) { Double($0) }
}
func stub_glGetFixedv(_ pname: UInt32, _ p: UnsafeMutablePointer<Int32>?) {
  recorder.enter("glGetFixedv")
  recorder.value(pname)
  get(p, pname) { Int32(truncatingIfNeeded: $0 &* 65536) }
}
func stub_glGetBooleanv(_ pname: UInt32, _ p: UnsafeMutablePointer<UInt8>?) {
  recorder.enter("glGetBooleanv")
  recorder.value(pname)
  get(p, pname) { $0 == 0 ? 0 : 1 }
}

func stub_glBegin(_ mode: UInt32) {
  recorder.enter("glBegin")
  recorder.value(mode)
  // Lists that begin are called too.
  if !recorder.state.isES, !recorder.state.isCore { recorder.state.inBegin = true }
}
func stub_glEnd() {
  recorder.enter("glEnd")
  recorder.state.inBegin = false
}
func stub_glNewList(_ list: UInt32, _ mode: UInt32) {
  recorder.enter("glNewList")
  recorder.value(list)
  recorder.value(mode)
  if recorder.state.list == 0 { recorder.state.list = list }
}
func stub_glEndList() {
  recorder.enter("glEndList")
  recorder.state.list = 0
}

func stub_glPixelStorei(_ pname: UInt32, _ param: Int32) {
  recorder.enter("glPixelStorei")
  recorder.value(pname)
  recorder.value(param)
  let state = recorder.state
  guard !state.isRefused else { return }
  let isAlignment = pname == GL.UNPACK_ALIGNMENT || pname == GL.PACK_ALIGNMENT
  let isSwitch =
    [GL.UNPACK_SWAP_BYTES, GL.UNPACK_LSB_FIRST, GL.PACK_SWAP_BYTES, GL.PACK_LSB_FIRST].contains(
      pname)
  if state.isES, state.version.major < 3, !isAlignment {
    return state.raise(GL.INVALID_ENUM)
  }
  guard isSwitch || (isAlignment ? [1, 2, 4, 8].contains(param) : param >= 0) else {
    return state.raise(GL.INVALID_VALUE)
  }
  switch pname {
  case GL.UNPACK_ALIGNMENT: state.unpack.alignment = param
  case GL.UNPACK_ROW_LENGTH: state.unpack.rowLength = param
  case GL.UNPACK_IMAGE_HEIGHT: state.unpack.imageHeight = param
  case GL.UNPACK_SKIP_ROWS: state.unpack.skipRows = param
  case GL.UNPACK_SKIP_PIXELS: state.unpack.skipPixels = param
  case GL.UNPACK_SKIP_IMAGES: state.unpack.skipImages = param
  default: break
  }
}

func stub_glCheckFramebufferStatus(_ target: UInt32) -> UInt32 {
  recorder.enter("glCheckFramebufferStatus")
  recorder.value(target)
  return GL.FRAMEBUFFER_COMPLETE
}

private func storage(_ width: Int32, _ height: Int32) {
  if width > 4096 || height > 4096 || width < 0 || height < 0 {
    recorder.state.raise(GL.INVALID_VALUE)
  }
}
func stub_glRenderbufferStorage(
  _ target: UInt32, _ format: UInt32, _ width: Int32, _ height: Int32
) {
  recorder.enter("glRenderbufferStorage")
  recorder.value(target)
  recorder.value(format)
  recorder.value(width)
  recorder.value(height)
  storage(width, height)
}
func stub_glRenderbufferStorageMultisample(
  _ target: UInt32, _ samples: Int32, _ format: UInt32, _ width: Int32, _ height: Int32
) {
  recorder.enter("glRenderbufferStorageMultisample")
  recorder.value(target)
  recorder.value(samples)
  recorder.value(format)
  recorder.value(width)
  recorder.value(height)
  storage(width, height)
}

func stub_glFenceSync(_ condition: UInt32, _ flags: UInt32) -> MutableRaw? {
  recorder.enter("glFenceSync")
  recorder.value(condition)
  recorder.value(flags)
  return MutableRaw(bitPattern: UInt(recorder.newName()) << 8)
}
func stub_glClientWaitSync(_ sync: MutableRaw?, _ flags: UInt32, _ timeout: UInt64) -> UInt32 {
  recorder.enter("glClientWaitSync")
  recorder.pointer(sync)
  recorder.value(flags)
  recorder.value(timeout)
  return recorder.roll(2) == 0 ? GL.ALREADY_SIGNALED : GL.CONDITION_SATISFIED
}

// MARK: Buffers

func stub_glBindBuffer(_ target: UInt32, _ buffer: UInt32) {
  recorder.enter("glBindBuffer")
  recorder.value(target)
  recorder.value(buffer)
  if !recorder.state.isRefused { recorder.state.bound[target] = buffer }
}
func stub_glDeleteBuffers(_ n: Int32, _ names: UnsafePointer<UInt32>?) {
  recorder.enter("glDeleteBuffers")
  recorder.value(n)
  recorder.read(names, glProduct(Int(n), 4))
  guard !recorder.state.isRefused, let names, n > 0 else { return }
  let state = recorder.state
  for i in 0..<Int(n) where names[i] != 0 {
    recorder.buffers[names[i]] = nil
    for (target, buffer) in state.bound where buffer == names[i] { state.bound[target] = 0 }
    for (slot, array) in arrays where array.buffer == names[i] { change(slot) { $0.buffer = 0 } }
  }
}

private func store(_ buffer: UInt32, _ size: Int, _ data: Raw?) {
  recorder.read(data, size, isNullable: true)
  guard recorder.fault == nil, !recorder.state.isRefused, size >= 0, size <= 1 << 20, buffer != 0
  else { return recorder.state.raise(GL.INVALID_VALUE) }
  recorder.buffers[buffer] = DriverBuffer(size)
}
func stub_glBufferData(_ target: UInt32, _ size: Int, _ data: Raw?, _ usage: UInt32) {
  recorder.enter("glBufferData")
  recorder.value(target)
  recorder.value(size)
  store(recorder.state.buffer(target), size, data)
  recorder.value(usage)
}
func stub_glBufferStorage(_ target: UInt32, _ size: Int, _ data: Raw?, _ flags: UInt32) {
  recorder.enter("glBufferStorage")
  recorder.value(target)
  recorder.value(size)
  store(recorder.state.buffer(target), size, data)
  recorder.value(flags)
}
func stub_glNamedBufferData(_ buffer: UInt32, _ size: Int, _ data: Raw?, _ usage: UInt32) {
  recorder.enter("glNamedBufferData")
  recorder.value(buffer)
  recorder.value(size)
  store(buffer, size, data)
  recorder.value(usage)
}
func stub_glNamedBufferStorage(_ buffer: UInt32, _ size: Int, _ data: Raw?, _ flags: UInt32) {
  recorder.enter("glNamedBufferStorage")
  recorder.value(buffer)
  recorder.value(size)
  store(buffer, size, data)
  recorder.value(flags)
}

private func map(_ name: UInt32, _ offset: Int, _ length: Int?, _ access: UInt32) -> MutableRaw? {
  guard !recorder.state.isRefused, let buffer = recorder.buffers[name], buffer.map == nil,
    let start = buffer.bytes.baseAddress
  else {
    recorder.state.raise(GL.INVALID_OPERATION)
    return nil
  }
  let length = length ?? buffer.count
  guard offset >= 0, length > 0, offset <= buffer.count, length <= buffer.count - offset,
    access & (GL.MAP_READ_BIT | GL.MAP_WRITE_BIT) != 0
  else {
    recorder.state.raise(GL.INVALID_VALUE)
    return nil
  }
  buffer.map = (offset, length, access)
  if access & GL.MAP_WRITE_BIT == 0 { buffer.before = Array(buffer.bytes) }
  return start + offset
}
private func access(_ mode: UInt32) -> UInt32 {
  switch mode {
  case GL.READ_ONLY: GL.MAP_READ_BIT
  case GL.WRITE_ONLY: GL.MAP_WRITE_BIT
  case GL.READ_WRITE: GL.MAP_READ_BIT | GL.MAP_WRITE_BIT
  default: 0
  }
}
private func unmap(_ name: UInt32) -> UInt8 {
  guard !recorder.state.isRefused, let buffer = recorder.buffers[name], let map = buffer.map else {
    recorder.state.raise(GL.INVALID_OPERATION)
    return 0
  }
  checkMap(buffer, map.access)
  buffer.map = nil
  return 1
}
private func checkMap(_ buffer: DriverBuffer, _ access: UInt32) {
  if access & GL.MAP_WRITE_BIT == 0, buffer.before != Array(buffer.bytes) {
    recorder.failed("a map for reading has been written to")
  }
}
func stub_glMapBuffer(_ target: UInt32, _ mode: UInt32) -> MutableRaw? {
  recorder.enter("glMapBuffer")
  return map(recorder.state.buffer(target), 0, nil, access(mode))
}
func stub_glMapNamedBuffer(_ buffer: UInt32, _ mode: UInt32) -> MutableRaw? {
  recorder.enter("glMapNamedBuffer")
  return map(buffer, 0, nil, access(mode))
}
func stub_glMapBufferRange(
  _ target: UInt32, _ offset: Int, _ length: Int, _ access: UInt32
) -> MutableRaw? {
  recorder.enter("glMapBufferRange")
  return map(recorder.state.buffer(target), offset, length, access)
}
func stub_glMapNamedBufferRange(
  _ buffer: UInt32, _ offset: Int, _ length: Int, _ access: UInt32
) -> MutableRaw? {
  recorder.enter("glMapNamedBufferRange")
  return map(buffer, offset, length, access)
}
func stub_glUnmapBuffer(_ target: UInt32) -> UInt8 {
  recorder.enter("glUnmapBuffer")
  return unmap(recorder.state.buffer(target))
}
func stub_glUnmapNamedBuffer(_ buffer: UInt32) -> UInt8 {
  recorder.enter("glUnmapNamedBuffer")
  return unmap(buffer)
}
func stub_glFlushMappedBufferRange(_ target: UInt32, _ offset: Int, _ length: Int) {
  recorder.enter("glFlushMappedBufferRange")
  guard let buffer = recorder.buffers[recorder.state.buffer(target)], let map = buffer.map else {
    return
  }
  if offset < 0 || length < 0 || offset > map.length || length > map.length - offset {
    return recorder.state.raise(GL.INVALID_VALUE)
  }
  checkMap(buffer, map.access)
}
func stub_glFlushMappedNamedBufferRange(_ buffer: UInt32, _ offset: Int, _ length: Int) {
  recorder.enter("glFlushMappedNamedBufferRange")
}
func stub_glGetBufferPointerv(
  _ target: UInt32, _ pname: UInt32, _ p: UnsafeMutablePointer<MutableRaw?>?
) {
  recorder.enter("glGetBufferPointerv")
  guard !recorder.state.isRefused,
    let buffer = recorder.buffers[recorder.state.buffer(target)]
  else { return }
  p?.pointee = buffer.map.flatMap { map in buffer.bytes.baseAddress.map { $0 + map.offset } }
}
func stub_glGetNamedBufferPointerv(
  _ buffer: UInt32, _ pname: UInt32, _ p: UnsafeMutablePointer<MutableRaw?>?
) {
  recorder.enter("glGetNamedBufferPointerv")
}
private func bufferValue(_ target: UInt32, _ pname: UInt32) -> Int? {
  guard !recorder.state.isRefused,
    let buffer = recorder.buffers[recorder.state.buffer(target)]
  else { return nil }
  switch pname {
  case GL.BUFFER_SIZE: return buffer.count
  case GL.BUFFER_MAP_LENGTH: return buffer.map?.length ?? 0
  case GL.BUFFER_MAP_OFFSET: return buffer.map?.offset ?? 0
  case GL.BUFFER_ACCESS_FLAGS: return Int(buffer.map?.access ?? 0)
  default: return 1
  }
}
func stub_glGetBufferParameteriv(
  _ target: UInt32, _ pname: UInt32, _ p: UnsafeMutablePointer<Int32>?
) {
  recorder.enter("glGetBufferParameteriv")
  recorder.value(target)
  recorder.value(pname)
  guard let value = bufferValue(target, pname) else { return }
  recorder.write(p, 4)
  p?.pointee = Int32(truncatingIfNeeded: value)
}
func stub_glGetBufferParameteri64v(
  _ target: UInt32, _ pname: UInt32, _ p: UnsafeMutablePointer<Int64>?
) {
  recorder.enter("glGetBufferParameteri64v")
  recorder.value(target)
  recorder.value(pname)
  guard let value = bufferValue(target, pname) else { return }
  recorder.write(p, 8)
  p?.pointee = Int64(value)
}
private func readBuffer(_ name: UInt32, _ offset: Int, _ size: Int, _ data: MutableRaw?) {
  guard !recorder.state.isRefused, let buffer = recorder.buffers[name], offset >= 0, size >= 0,
    offset <= buffer.count, size <= buffer.count - offset
  else { return recorder.state.raise(GL.INVALID_VALUE) }
  recorder.write(data, size)
}
func stub_glGetBufferSubData(_ target: UInt32, _ offset: Int, _ size: Int, _ data: MutableRaw?) {
  recorder.enter("glGetBufferSubData")
  recorder.value(target)
  recorder.value(offset)
  recorder.value(size)
  readBuffer(recorder.state.buffer(target), offset, size, data)
}
func stub_glGetNamedBufferSubData(
  _ buffer: UInt32, _ offset: Int, _ size: Int, _ data: MutableRaw?
) {
  recorder.enter("glGetNamedBufferSubData")
  recorder.value(buffer)
  recorder.value(offset)
  recorder.value(size)
  readBuffer(buffer, offset, size, data)
}

// MARK: Vertex arrays

private var arrays: [Int: DriverState.VertexArray] {
  recorder.state.arrays[recorder.state.vertexArray] ?? [:]
}
private func change(_ slot: Int, _ body: (inout DriverState.VertexArray) -> Void) {
  let state = recorder.state
  body(&state.arrays[state.vertexArray, default: [:]][slot, default: DriverState.VertexArray()])
}

private func setPointer(
  _ slot: Int, _ size: Int32, _ type: UInt32, _ stride: Int32, _ pointer: Raw?,
  sizes: ClosedRange<Int32>
) {
  let state = recorder.state
  recorder.pointer(pointer)
  guard !state.isRefused else { return }
  let isPacked = type == GL.INT_2_10_10_10_REV || type == GL.UNSIGNED_INT_2_10_10_10_REV
  let components = size == Int32(bitPattern: GL.BGRA) ? 4 : size
  guard sizes.contains(components), stride >= 0, stride <= 2048, glTypeSize(type) > 0 || isPacked
  else { return state.raise(GL.INVALID_VALUE) }
  let buffer = state.buffer(GL.ARRAY_BUFFER)
  if buffer == 0, pointer != nil, state.isCore || state.isES && state.vertexArray != 0 {
    return state.raise(GL.INVALID_OPERATION)
  }
  let element = isPacked ? 4 : Int(components) * glTypeSize(type)
  change(slot) {
    $0.pointer = UInt(bitPattern: pointer)
    $0.buffer = buffer
    $0.elementSize = element
    $0.step = stride == 0 ? element : Int(stride)
  }
}

func stub_glVertexPointer(_ size: Int32, _ type: UInt32, _ stride: Int32, _ pointer: Raw?) {
  recorder.enter("glVertexPointer")
  recorder.value(size)
  recorder.value(type)
  recorder.value(stride)
  setPointer(32, size, type, stride, pointer, sizes: 2...4)
}
func stub_glNormalPointer(_ type: UInt32, _ stride: Int32, _ pointer: Raw?) {
  recorder.enter("glNormalPointer")
  recorder.value(type)
  recorder.value(stride)
  setPointer(33, 3, type, stride, pointer, sizes: 3...3)
}
func stub_glColorPointer(_ size: Int32, _ type: UInt32, _ stride: Int32, _ pointer: Raw?) {
  recorder.enter("glColorPointer")
  recorder.value(size)
  recorder.value(type)
  recorder.value(stride)
  setPointer(34, size, type, stride, pointer, sizes: 3...4)
}
func stub_glSecondaryColorPointer(_ size: Int32, _ type: UInt32, _ stride: Int32, _ pointer: Raw?) {
  recorder.enter("glSecondaryColorPointer")
  recorder.value(size)
  recorder.value(type)
  recorder.value(stride)
  setPointer(35, size, type, stride, pointer, sizes: 3...3)
}
func stub_glFogCoordPointer(_ type: UInt32, _ stride: Int32, _ pointer: Raw?) {
  recorder.enter("glFogCoordPointer")
  recorder.value(type)
  recorder.value(stride)
  setPointer(36, 1, type, stride, pointer, sizes: 1...1)
}
func stub_glIndexPointer(_ type: UInt32, _ stride: Int32, _ pointer: Raw?) {
  recorder.enter("glIndexPointer")
  recorder.value(type)
  recorder.value(stride)
  setPointer(37, 1, type, stride, pointer, sizes: 1...1)
}
func stub_glEdgeFlagPointer(_ stride: Int32, _ pointer: Raw?) {
  recorder.enter("glEdgeFlagPointer")
  recorder.value(stride)
  setPointer(38, 1, GL.UNSIGNED_BYTE, stride, pointer, sizes: 1...1)
}
func stub_glTexCoordPointer(_ size: Int32, _ type: UInt32, _ stride: Int32, _ pointer: Raw?) {
  recorder.enter("glTexCoordPointer")
  recorder.value(size)
  recorder.value(type)
  recorder.value(stride)
  setPointer(40 + recorder.state.activeTexture, size, type, stride, pointer, sizes: 1...4)
}
private func setAttribute(
  _ index: UInt32, _ size: Int32, _ type: UInt32, _ stride: Int32, _ pointer: Raw?
) {
  guard index < 16 else { return recorder.state.raise(GL.INVALID_VALUE) }
  setPointer(Int(index), size, type, stride, pointer, sizes: 1...4)
}
func stub_glVertexAttribPointer(
  _ index: UInt32, _ size: Int32, _ type: UInt32, _ normalized: UInt8, _ stride: Int32,
  _ pointer: Raw?
) {
  recorder.enter("glVertexAttribPointer")
  recorder.value(index)
  recorder.value(size)
  recorder.value(type)
  recorder.value(normalized)
  recorder.value(stride)
  setAttribute(index, size, type, stride, pointer)
}
func stub_glVertexAttribIPointer(
  _ index: UInt32, _ size: Int32, _ type: UInt32, _ stride: Int32, _ pointer: Raw?
) {
  recorder.enter("glVertexAttribIPointer")
  recorder.value(index)
  recorder.value(size)
  recorder.value(type)
  recorder.value(stride)
  setAttribute(index, size, type, stride, pointer)
}
func stub_glVertexAttribLPointer(
  _ index: UInt32, _ size: Int32, _ type: UInt32, _ stride: Int32, _ pointer: Raw?
) {
  recorder.enter("glVertexAttribLPointer")
  recorder.value(index)
  recorder.value(size)
  recorder.value(type)
  recorder.value(stride)
  guard type == GL.DOUBLE else { return recorder.state.raise(GL.INVALID_ENUM) }
  setAttribute(index, size, type, stride, pointer)
}

private func slot(_ array: UInt32) -> Int? {
  switch array {
  case GL.VERTEX_ARRAY: 32
  case GL.NORMAL_ARRAY: 33
  case GL.COLOR_ARRAY: 34
  case GL.SECONDARY_COLOR_ARRAY: 35
  case GL.FOG_COORD_ARRAY: 36
  case GL.INDEX_ARRAY: 37
  case GL.EDGE_FLAG_ARRAY: 38
  case GL.TEXTURE_COORD_ARRAY: 40 + recorder.state.activeTexture
  default: nil
  }
}
private func enable(_ slot: Int?, _ isEnabled: Bool) {
  guard !recorder.state.isRefused, let slot else { return }
  change(slot) { $0.isEnabled = isEnabled }
}
func stub_glEnableClientState(_ array: UInt32) {
  recorder.enter("glEnableClientState")
  recorder.value(array)
  enable(slot(array), true)
}
func stub_glDisableClientState(_ array: UInt32) {
  recorder.enter("glDisableClientState")
  recorder.value(array)
  enable(slot(array), false)
}
func stub_glEnable(_ cap: UInt32) {
  recorder.enter("glEnable")
  recorder.value(cap)
  if !recorder.state.isCore { enable(slot(cap), true) }
}
func stub_glDisable(_ cap: UInt32) {
  recorder.enter("glDisable")
  recorder.value(cap)
  if !recorder.state.isCore { enable(slot(cap), false) }
}
func stub_glEnableVertexAttribArray(_ index: UInt32) {
  recorder.enter("glEnableVertexAttribArray")
  recorder.value(index)
  enable(index < 16 ? Int(index) : nil, true)
}
func stub_glDisableVertexAttribArray(_ index: UInt32) {
  recorder.enter("glDisableVertexAttribArray")
  recorder.value(index)
  enable(index < 16 ? Int(index) : nil, false)
}
func stub_glEnableVertexArrayAttrib(_ vaobj: UInt32, _ index: UInt32) {
  recorder.enter("glEnableVertexArrayAttrib")
  recorder.value(vaobj)
  recorder.value(index)
  guard index < 16, !recorder.state.isRefused else { return }
  recorder.state.arrays[vaobj, default: [:]][Int(index), default: .init()].isEnabled = true
}
func stub_glVertexAttribDivisor(_ index: UInt32, _ divisor: UInt32) {
  recorder.enter("glVertexAttribDivisor")
  recorder.value(index)
  recorder.value(divisor)
  guard index < 16, !recorder.state.isRefused else { return }
  change(Int(index)) { $0.divisor = divisor }
}
func stub_glClientActiveTexture(_ texture: UInt32) {
  recorder.enter("glClientActiveTexture")
  recorder.value(texture)
  let unit = texture &- GL.TEXTURE0
  if !recorder.state.isRefused, unit < 8 { recorder.state.activeTexture = Int(unit) }
}
func stub_glBindVertexArray(_ array: UInt32) {
  recorder.enter("glBindVertexArray")
  recorder.value(array)
  if array == GLReplayContext.neverGenerated { return recorder.state.raise(GL.INVALID_OPERATION) }
  if !recorder.state.isRefused { recorder.state.vertexArray = array }
}
func stub_glDeleteVertexArrays(_ n: Int32, _ names: UnsafePointer<UInt32>?) {
  recorder.enter("glDeleteVertexArrays")
  recorder.value(n)
  recorder.read(names, glProduct(Int(n), 4))
  guard !recorder.state.isRefused, let names, n > 0 else { return }
  for i in 0..<Int(n) where names[i] != 0 {
    recorder.state.arrays[names[i]] = nil
    if recorder.state.vertexArray == names[i] { recorder.state.vertexArray = 0 }
  }
}

/// A buffer, or none, behind an array that keeps its pointer.
private func attach(_ vao: UInt32, _ index: UInt32, _ buffer: UInt32) {
  guard index < 16, !recorder.state.isRefused else { return }
  recorder.state.arrays[vao, default: [:]][Int(index), default: .init()].buffer = buffer
}
func stub_glBindVertexBuffer(_ index: UInt32, _ buffer: UInt32, _ offset: Int, _ stride: Int32) {
  recorder.enter("glBindVertexBuffer")
  recorder.value(index)
  recorder.value(buffer)
  recorder.value(offset)
  recorder.value(stride)
  if offset < 0 || stride < 0 || stride > 2048 { return recorder.state.raise(GL.INVALID_VALUE) }
  attach(recorder.state.vertexArray, index, buffer)
}
func stub_glVertexArrayVertexBuffer(
  _ vaobj: UInt32, _ index: UInt32, _ buffer: UInt32, _ offset: Int, _ stride: Int32
) {
  recorder.enter("glVertexArrayVertexBuffer")
  recorder.value(vaobj)
  recorder.value(index)
  recorder.value(buffer)
  recorder.value(offset)
  recorder.value(stride)
  attach(vaobj, index, buffer)
}
private func attachAll(
  _ vao: UInt32, _ first: UInt32, _ count: Int32, _ buffers: UnsafePointer<UInt32>?,
  _ offsets: UnsafePointer<Int>?, _ strides: UnsafePointer<Int32>?
) {
  recorder.read(buffers, glProduct(Int(count), 4), isNullable: true)
  recorder.read(offsets, glProduct(Int(count), 8), isNullable: buffers == nil)
  recorder.read(strides, glProduct(Int(count), 4), isNullable: buffers == nil)
  guard recorder.fault == nil, count > 0 else { return }
  for i in 0..<UInt32(min(count, 16)) {
    attach(vao, first &+ i, buffers?[Int(i)] ?? 0)
  }
}
func stub_glBindVertexBuffers(
  _ first: UInt32, _ count: Int32, _ buffers: UnsafePointer<UInt32>?,
  _ offsets: UnsafePointer<Int>?, _ strides: UnsafePointer<Int32>?
) {
  recorder.enter("glBindVertexBuffers")
  recorder.value(first)
  recorder.value(count)
  attachAll(recorder.state.vertexArray, first, count, buffers, offsets, strides)
}
func stub_glVertexArrayVertexBuffers(
  _ vaobj: UInt32, _ first: UInt32, _ count: Int32, _ buffers: UnsafePointer<UInt32>?,
  _ offsets: UnsafePointer<Int>?, _ strides: UnsafePointer<Int32>?
) {
  recorder.enter("glVertexArrayVertexBuffers")
  recorder.value(vaobj)
  recorder.value(first)
  recorder.value(count)
  attachAll(vaobj, first, count, buffers, offsets, strides)
}
func stub_glBindBuffersRange(
  _ target: UInt32, _ first: UInt32, _ count: Int32, _ buffers: UnsafePointer<UInt32>?,
  _ offsets: UnsafePointer<Int>?, _ sizes: UnsafePointer<Int>?
) {
  recorder.enter("glBindBuffersRange")
  recorder.value(target)
  recorder.value(first)
  recorder.value(count)
  recorder.read(buffers, glProduct(Int(count), 4), isNullable: true)
  recorder.read(offsets, glProduct(Int(count), 8), isNullable: buffers == nil)
  recorder.read(sizes, glProduct(Int(count), 8), isNullable: buffers == nil)
}

private func vertexAttribute(_ index: UInt32, _ pname: UInt32) -> Int32? {
  guard !recorder.state.isRefused, index < 16 else { return nil }
  let array = arrays[Int(index)] ?? .init()
  switch pname {
  case GL.VERTEX_ATTRIB_ARRAY_ENABLED: return array.isEnabled ? 1 : 0
  case GL.VERTEX_ATTRIB_ARRAY_BUFFER_BINDING: return Int32(bitPattern: array.buffer)
  case GL.VERTEX_ATTRIB_ARRAY_DIVISOR: return Int32(bitPattern: array.divisor)
  default: return Int32(pname % 3)
  }
}
func stub_glGetVertexAttribiv(_ index: UInt32, _ pname: UInt32, _ p: UnsafeMutablePointer<Int32>?) {
  recorder.enter("glGetVertexAttribiv")
  recorder.value(index)
  recorder.value(pname)
  guard let value = vertexAttribute(index, pname) else { return }
  recorder.write(p, 4)
  p?.pointee = value
}
func stub_glIsEnabled(_ cap: UInt32) -> UInt8 {
  recorder.enter("glIsEnabled")
  recorder.value(cap)
  guard !recorder.state.isRefused else { return 0 }
  if let slot = slot(cap) { return arrays[slot]?.isEnabled == true ? 1 : 0 }
  return recorder.result()
}

func stub_glPushClientAttrib(_ mask: UInt32) {
  recorder.enter("glPushClientAttrib")
  recorder.value(mask)
  let state = recorder.state
  guard !state.isRefused, state.saved.count < 16 else { return }
  state.saved.append(
    DriverState.Saved(
      mask: mask, unpack: state.unpack, vertexArray: state.vertexArray, arrays: arrays,
      buffer: state.buffer(GL.ARRAY_BUFFER)))
}
func stub_glPopClientAttrib() {
  recorder.enter("glPopClientAttrib")
  let state = recorder.state
  guard !state.isRefused, let saved = state.saved.popLast() else { return }
  if saved.mask & GL.CLIENT_PIXEL_STORE_BIT != 0 { state.unpack = saved.unpack }
  if saved.mask & GL.CLIENT_VERTEX_ARRAY_BIT != 0 {
    state.vertexArray = saved.vertexArray
    state.arrays[saved.vertexArray] = saved.arrays
    state.bound[GL.ARRAY_BUFFER] = saved.buffer
  }
}

// MARK: Draws

/// Reads the vertices that a draw reads from memory.
private func readVertices(
  _ indices: some Sequence<Int>, instances: Int = 1, baseInstance: Int = 0
) {
  guard !recorder.state.inBegin else { return }
  for (slot, array) in arrays where array.isEnabled && array.buffer == 0 {
    guard array.pointer != 0 else {
      return recorder.failed("reads array \(slot) at NULL")
    }
    guard instances > 0 else { continue }
    if array.divisor > 0 {
      readVertex(array, baseInstance)
      readVertex(array, baseInstance + (instances - 1) / Int(array.divisor))
    } else {
      for index in indices { readVertex(array, index) }
    }
  }
}
private func readVertex(_ array: DriverState.VertexArray, _ index: Int) {
  let address = Int(bitPattern: array.pointer) &+ index &* array.step
  guard let p = Raw(bitPattern: address) else { return recorder.failed("reads a vertex at NULL") }
  recorder.touch(p, array.elementSize)
}
private func readRange(
  _ first: Int32, _ count: Int32, instances: Int32 = 1, baseInstance: UInt32 = 0
) {
  guard first >= 0, count > 0 else { return }
  // The ends stand for what lies between.
  let last = Int(first) + Int(count) - 1
  readVertices(
    [Int(first), last], instances: Int(instances), baseInstance: Int(baseInstance))
}
private func readIndices(
  _ count: Int32, _ type: UInt32, _ indices: Raw?, base: Int32 = 0, instances: Int32 = 1,
  baseInstance: UInt32 = 0
) {
  let size = glIndexSize(type)
  guard !recorder.state.inBegin, count > 0, size > 0 else { return }
  if recorder.state.buffer(GL.ELEMENT_ARRAY_BUFFER) != 0 {
    // Whatever stands in the buffer.
    if arrays.values.contains(where: { $0.isEnabled && $0.buffer == 0 }) {
      recorder.failed("reads vertices in memory by indices of a buffer")
    }
    if UInt(bitPattern: indices) > 1 << 32 { recorder.failed("takes an address for an offset") }
    return
  }
  guard let indices else { return recorder.failed("reads \(count) indices at NULL") }
  recorder.touch(indices, Int(count) * size)
  guard recorder.fault == nil else { return }
  let all = (0..<Int(count)).map { i -> Int in
    switch size {
    case 1: Int(indices.load(fromByteOffset: i, as: UInt8.self))
    case 2: Int(indices.loadUnaligned(fromByteOffset: i * 2, as: UInt16.self))
    default: Int(indices.loadUnaligned(fromByteOffset: i * 4, as: UInt32.self))
    }
  }
  readVertices(
    all.map { $0 + Int(base) }, instances: Int(instances), baseInstance: Int(baseInstance))
}

func stub_glArrayElement(_ i: Int32) {
  recorder.enter("glArrayElement")
  recorder.value(i)
  // The one that is called between Begin and End.
  let before = recorder.state.inBegin
  recorder.state.inBegin = false
  readRange(i, 1)
  recorder.state.inBegin = before
}
func stub_glDrawArrays(_ mode: UInt32, _ first: Int32, _ count: Int32) {
  recorder.enter("glDrawArrays")
  recorder.value(mode)
  recorder.value(first)
  recorder.value(count)
  readRange(first, count)
}
func stub_glDrawArraysInstanced(
  _ mode: UInt32, _ first: Int32, _ count: Int32, _ instances: Int32
) {
  recorder.enter("glDrawArraysInstanced")
  recorder.value(mode)
  recorder.value(first)
  recorder.value(count)
  recorder.value(instances)
  readRange(first, count, instances: instances)
}
func stub_glDrawArraysInstancedBaseInstance(
  _ mode: UInt32, _ first: Int32, _ count: Int32, _ instances: Int32, _ base: UInt32
) {
  recorder.enter("glDrawArraysInstancedBaseInstance")
  recorder.value(mode)
  recorder.value(first)
  recorder.value(count)
  recorder.value(instances)
  recorder.value(base)
  readRange(first, count, instances: instances, baseInstance: base)
}
func stub_glMultiDrawArrays(
  _ mode: UInt32, _ first: UnsafePointer<Int32>?, _ count: UnsafePointer<Int32>?, _ draws: Int32
) {
  recorder.enter("glMultiDrawArrays")
  recorder.value(mode)
  recorder.read(first, glProduct(Int(draws), 4))
  recorder.read(count, glProduct(Int(draws), 4))
  recorder.value(draws)
  guard recorder.fault == nil, let first, let count, draws > 0 else { return }
  for i in 0..<Int(draws) { readRange(first[i], count[i]) }
}
func stub_glDrawElements(_ mode: UInt32, _ count: Int32, _ type: UInt32, _ indices: Raw?) {
  recorder.enter("glDrawElements")
  recorder.value(mode)
  recorder.value(count)
  recorder.value(type)
  readIndices(count, type, indices)
}
func stub_glDrawElementsBaseVertex(
  _ mode: UInt32, _ count: Int32, _ type: UInt32, _ indices: Raw?, _ base: Int32
) {
  recorder.enter("glDrawElementsBaseVertex")
  recorder.value(mode)
  recorder.value(count)
  recorder.value(type)
  readIndices(count, type, indices, base: base)
  recorder.value(base)
}
func stub_glDrawElementsInstanced(
  _ mode: UInt32, _ count: Int32, _ type: UInt32, _ indices: Raw?, _ instances: Int32
) {
  recorder.enter("glDrawElementsInstanced")
  recorder.value(mode)
  recorder.value(count)
  recorder.value(type)
  readIndices(count, type, indices, instances: instances)
  recorder.value(instances)
}
func stub_glDrawElementsInstancedBaseInstance(
  _ mode: UInt32, _ count: Int32, _ type: UInt32, _ indices: Raw?, _ instances: Int32,
  _ baseInstance: UInt32
) {
  recorder.enter("glDrawElementsInstancedBaseInstance")
  recorder.value(mode)
  recorder.value(count)
  recorder.value(type)
  readIndices(count, type, indices, instances: instances, baseInstance: baseInstance)
  recorder.value(instances)
  recorder.value(baseInstance)
}
func stub_glDrawElementsInstancedBaseVertex(
  _ mode: UInt32, _ count: Int32, _ type: UInt32, _ indices: Raw?, _ instances: Int32,
  _ base: Int32
) {
  recorder.enter("glDrawElementsInstancedBaseVertex")
  recorder.value(mode)
  recorder.value(count)
  recorder.value(type)
  readIndices(count, type, indices, base: base, instances: instances)
  recorder.value(instances)
  recorder.value(base)
}
func stub_glDrawElementsInstancedBaseVertexBaseInstance(
  _ mode: UInt32, _ count: Int32, _ type: UInt32, _ indices: Raw?, _ instances: Int32,
  _ base: Int32, _ baseInstance: UInt32
) {
  recorder.enter("glDrawElementsInstancedBaseVertexBaseInstance")
  recorder.value(mode)
  recorder.value(count)
  recorder.value(type)
  readIndices(count, type, indices, base: base, instances: instances, baseInstance: baseInstance)
  recorder.value(instances)
  recorder.value(base)
  recorder.value(baseInstance)
}
func stub_glDrawRangeElements(
  _ mode: UInt32, _ start: UInt32, _ end: UInt32, _ count: Int32, _ type: UInt32, _ indices: Raw?
) {
  recorder.enter("glDrawRangeElements")
  recorder.value(mode)
  recorder.value(start)
  recorder.value(end)
  recorder.value(count)
  recorder.value(type)
  readIndices(count, type, indices)
}
func stub_glDrawRangeElementsBaseVertex(
  _ mode: UInt32, _ start: UInt32, _ end: UInt32, _ count: Int32, _ type: UInt32, _ indices: Raw?,
  _ base: Int32
) {
  recorder.enter("glDrawRangeElementsBaseVertex")
  recorder.value(mode)
  recorder.value(start)
  recorder.value(end)
  recorder.value(count)
  recorder.value(type)
  readIndices(count, type, indices, base: base)
  recorder.value(base)
}
private func multiDraw(
  _ count: UnsafePointer<Int32>?, _ type: UInt32, _ indices: UnsafePointer<Raw?>?, _ draws: Int32,
  _ base: UnsafePointer<Int32>?
) {
  guard recorder.fault == nil, draws > 0 else { return }
  guard let indices, let count else {
    return recorder.failed("reads \(draws) pointers at NULL")
  }
  recorder.touch(indices, glProduct(Int(draws), 8))
  for i in 0..<Int(draws) where recorder.fault == nil {
    readIndices(count[i], type, indices[i], base: base?[i] ?? 0)
  }
}
func stub_glMultiDrawElements(
  _ mode: UInt32, _ count: UnsafePointer<Int32>?, _ type: UInt32, _ indices: UnsafePointer<Raw?>?,
  _ draws: Int32
) {
  recorder.enter("glMultiDrawElements")
  recorder.value(mode)
  recorder.read(count, glProduct(Int(draws), 4))
  recorder.value(type)
  multiDraw(count, type, indices, draws, nil)
  recorder.value(draws)
}
func stub_glMultiDrawElementsBaseVertex(
  _ mode: UInt32, _ count: UnsafePointer<Int32>?, _ type: UInt32, _ indices: UnsafePointer<Raw?>?,
  _ draws: Int32, _ base: UnsafePointer<Int32>?
) {
  recorder.enter("glMultiDrawElementsBaseVertex")
  recorder.value(mode)
  recorder.read(count, glProduct(Int(draws), 4))
  recorder.value(type)
  recorder.read(base, glProduct(Int(draws), 4))
  multiDraw(count, type, indices, draws, base)
  recorder.value(draws)
}

/// Parameters of a draw in the bound buffer, or at an address.
private func readIndirect(_ indirect: Raw?) {
  recorder.pointer(indirect)
  guard !recorder.state.inBegin else { return }
  if recorder.state.buffer(GL.DRAW_INDIRECT_BUFFER) == 0, !recorder.state.isCore,
    !recorder.state.isES
  {
    recorder.failed("reads the parameters of a draw at an address of the client's")
  }
  if arrays.values.contains(where: { $0.isEnabled && $0.buffer == 0 }) {
    recorder.failed("reads vertices in memory as a buffer says")
  }
}
func stub_glDrawArraysIndirect(_ mode: UInt32, _ indirect: Raw?) {
  recorder.enter("glDrawArraysIndirect")
  recorder.value(mode)
  readIndirect(indirect)
}
func stub_glDrawElementsIndirect(_ mode: UInt32, _ type: UInt32, _ indirect: Raw?) {
  recorder.enter("glDrawElementsIndirect")
  recorder.value(mode)
  recorder.value(type)
  readIndirect(indirect)
}
func stub_glMultiDrawArraysIndirect(
  _ mode: UInt32, _ indirect: Raw?, _ draws: Int32, _ stride: Int32
) {
  recorder.enter("glMultiDrawArraysIndirect")
  recorder.value(mode)
  readIndirect(indirect)
  recorder.value(draws)
  recorder.value(stride)
}
func stub_glMultiDrawElementsIndirect(
  _ mode: UInt32, _ type: UInt32, _ indirect: Raw?, _ draws: Int32, _ stride: Int32
) {
  recorder.enter("glMultiDrawElementsIndirect")
  recorder.value(mode)
  recorder.value(type)
  readIndirect(indirect)
  recorder.value(draws)
  recorder.value(stride)
}
func stub_glMultiDrawArraysIndirectCount(
  _ mode: UInt32, _ indirect: Raw?, _ draws: Int, _ most: Int32, _ stride: Int32
) {
  recorder.enter("glMultiDrawArraysIndirectCount")
  recorder.value(mode)
  readIndirect(indirect)
  recorder.value(draws)
  recorder.value(most)
  recorder.value(stride)
}
func stub_glMultiDrawElementsIndirectCount(
  _ mode: UInt32, _ type: UInt32, _ indirect: Raw?, _ draws: Int, _ most: Int32, _ stride: Int32
) {
  recorder.enter("glMultiDrawElementsIndirectCount")
  recorder.value(mode)
  recorder.value(type)
  readIndirect(indirect)
  recorder.value(draws)
  recorder.value(most)
  recorder.value(stride)
}

// MARK: Lists of buffers

func stub_glDrawBuffers(_ n: Int32, _ bufs: UnsafePointer<UInt32>?) {
  recorder.enter("glDrawBuffers")
  recorder.value(n)
  recorder.read(bufs, glProduct(Int(n), 4))
}
func stub_glNamedFramebufferDrawBuffers(
  _ framebuffer: UInt32, _ n: Int32, _ bufs: UnsafePointer<UInt32>?
) {
  recorder.enter("glNamedFramebufferDrawBuffers")
  recorder.value(framebuffer)
  recorder.value(n)
  recorder.read(bufs, glProduct(Int(n), 4))
}

// MARK: Shaders

func stub_glCreateShader(_ type: UInt32) -> UInt32 {
  recorder.enter("glCreateShader")
  recorder.value(type)
  return recorder.newName()
}
func stub_glCreateProgram() -> UInt32 {
  recorder.enter("glCreateProgram")
  return recorder.newName()
}
func stub_glCreateShaderProgramv(
  _ type: UInt32, _ count: Int32, _ strings: UnsafePointer<UnsafePointer<CChar>?>?
) -> UInt32 {
  recorder.enter("glCreateShaderProgramv")
  recorder.value(type)
  recorder.value(count)
  recorder.strings(strings, Int(count))
  return recorder.newName()
}
func stub_glShaderSource(
  _ shader: UInt32, _ count: Int32, _ string: UnsafePointer<UnsafePointer<CChar>?>?,
  _ length: UnsafePointer<Int32>?
) {
  recorder.enter("glShaderSource")
  recorder.value(shader)
  recorder.value(count)
  guard count > 0 else { return }
  guard let string, let length else { return recorder.failed("reads sources at NULL") }
  for i in 0..<Int(count) { recorder.text(string[i], length[i], isNullable: false) }
}
/// Without lengths every path ends with a NUL.
func stub_glCompileShaderIncludeARB(
  _ shader: UInt32, _ count: Int32, _ path: UnsafePointer<UnsafePointer<CChar>?>?,
  _ length: UnsafePointer<Int32>?
) {
  recorder.enter("glCompileShaderIncludeARB")
  recorder.value(shader)
  recorder.value(count)
  recorder.strings(path, Int(count))
}
func stub_glSpecializeShader(
  _ shader: UInt32, _ entry: UnsafePointer<CChar>?, _ count: UInt32,
  _ index: UnsafePointer<UInt32>?, _ value: UnsafePointer<UInt32>?
) {
  recorder.enter("glSpecializeShader")
  recorder.value(shader)
  recorder.string(entry)
  recorder.value(count)
  recorder.read(index, glProduct(Int(count), 4))
  recorder.read(value, glProduct(Int(count), 4))
}
func stub_glIsProgram(_ name: UInt32) -> UInt8 {
  recorder.enter("glIsProgram")
  recorder.value(name)
  return name & 1 == 0 ? 1 : 0
}
func stub_glIsShader(_ name: UInt32) -> UInt8 {
  recorder.enter("glIsShader")
  recorder.value(name)
  return name & 1 == 1 ? 1 : 0
}
func stub_glGetShaderiv(_ shader: UInt32, _ pname: UInt32, _ p: UnsafeMutablePointer<Int32>?) {
  recorder.enter("glGetShaderiv")
  recorder.value(shader)
  recorder.value(pname)
  recorder.write(p, 4)
  p?.pointee = pname == GL.COMPILE_STATUS ? 1 : Int32(pname % 20)
}
func stub_glGetProgramiv(_ program: UInt32, _ pname: UInt32, _ p: UnsafeMutablePointer<Int32>?) {
  recorder.enter("glGetProgramiv")
  recorder.value(program)
  recorder.value(pname)
  recorder.write(p, 4)
  p?.pointee = pname == GL.LINK_STATUS ? 1 : Int32(pname % 20)
}
func stub_glGetActiveUniformsiv(
  _ program: UInt32, _ count: Int32, _ indices: UnsafePointer<UInt32>?, _ pname: UInt32,
  _ p: UnsafeMutablePointer<Int32>?
) {
  recorder.enter("glGetActiveUniformsiv")
  recorder.value(program)
  recorder.value(count)
  recorder.read(indices, glProduct(Int(count), 4))
  recorder.value(pname)
  recorder.write(p, glProduct(Int(count), 4))
}

/// Length of the assembly program that is bound.
private let programLength = 40_000
func stub_glGetProgramivARB(_ target: UInt32, _ pname: UInt32, _ p: UnsafeMutablePointer<Int32>?) {
  recorder.enter("glGetProgramivARB")
  recorder.value(target)
  recorder.value(pname)
  guard !recorder.state.isRefused else { return }
  recorder.write(p, 4)
  p?.pointee = pname == GL.PROGRAM_LENGTH_ARB ? Int32(programLength) : 1
}
func stub_glGetProgramStringARB(_ target: UInt32, _ pname: UInt32, _ p: MutableRaw?) {
  recorder.enter("glGetProgramStringARB")
  recorder.value(target)
  recorder.value(pname)
  if !recorder.state.isRefused, pname == GL.PROGRAM_STRING_ARB { recorder.write(p, programLength) }
}

func stub_glGetNamedProgramivEXT(
  _ program: UInt32, _ target: UInt32, _ pname: UInt32, _ p: UnsafeMutablePointer<Int32>?
) {
  recorder.enter("glGetNamedProgramivEXT")
  recorder.value(program)
  recorder.value(target)
  recorder.value(pname)
  guard !recorder.state.isRefused else { return }
  recorder.write(p, 4)
  p?.pointee = pname == GL.PROGRAM_LENGTH_ARB ? Int32(programLength) : 1
}
func stub_glGetNamedProgramStringEXT(
  _ program: UInt32, _ target: UInt32, _ pname: UInt32, _ p: MutableRaw?
) {
  recorder.enter("glGetNamedProgramStringEXT")
  recorder.value(program)
  recorder.value(target)
  recorder.value(pname)
  if !recorder.state.isRefused, pname == GL.PROGRAM_STRING_ARB { recorder.write(p, programLength) }
}

// MARK: Evaluators and pixel maps

private func map(
  _ p: Raw?, _ size: Int, _ target: UInt32, _ ustride: Int32, _ uorder: Int32, _ vstride: Int32,
  _ vorder: Int32
) {
  let components = Int(target % 4) + 1
  guard !recorder.state.inBegin, ustride >= Int32(components), uorder > 0, vorder > 0,
    uorder <= 40, vorder <= 40, vstride >= 0
  else { return }
  guard let p else { return recorder.failed("reads points at NULL") }
  let last = Int(uorder - 1) * Int(ustride) + Int(vorder - 1) * Int(vstride)
  recorder.touch(p, size)
  recorder.touch(p + last * size, size)
}
func stub_glMap1d(
  _ target: UInt32, _ u1: Double, _ u2: Double, _ stride: Int32, _ order: Int32,
  _ points: UnsafePointer<Double>?
) {
  recorder.enter("glMap1d")
  map(points, 8, target, stride, order, 0, 1)
}
func stub_glMap1f(
  _ target: UInt32, _ u1: Float, _ u2: Float, _ stride: Int32, _ order: Int32,
  _ points: UnsafePointer<Float>?
) {
  recorder.enter("glMap1f")
  map(points, 4, target, stride, order, 0, 1)
}
func stub_glMap2d(
  _ target: UInt32, _ u1: Double, _ u2: Double, _ ustride: Int32, _ uorder: Int32, _ v1: Double,
  _ v2: Double, _ vstride: Int32, _ vorder: Int32, _ points: UnsafePointer<Double>?
) {
  recorder.enter("glMap2d")
  map(points, 8, target, ustride, uorder, vstride, vorder)
}
func stub_glMap2f(
  _ target: UInt32, _ u1: Float, _ u2: Float, _ ustride: Int32, _ uorder: Int32, _ v1: Float,
  _ v2: Float, _ vstride: Int32, _ vorder: Int32, _ points: UnsafePointer<Float>?
) {
  recorder.enter("glMap2f")
  map(points, 4, target, ustride, uorder, vstride, vorder)
}

/// Evaluators and pixel maps are in compatibility profiles alone.
private func isMissing() -> Bool {
  let isMissing = recorder.state.isES || recorder.state.isCore
  if isMissing { recorder.state.raise(GL.INVALID_OPERATION) }
  return isMissing || recorder.state.isRefused
}

/// Coefficients of a map of the highest order, which glGetIntegerv tells.
private func getMap(_ p: MutableRaw?, _ target: UInt32, _ query: UInt32, _ size: Int) {
  recorder.value(target)
  recorder.value(query)
  if isMissing() { return }
  switch query {
  case GL.COEFF: recorder.write(p, 40 * 40 * 4 * size)
  case GL.DOMAIN: recorder.write(p, 4 * size)
  default: recorder.write(p, 2 * size)
  }
}
func stub_glGetMapdv(_ target: UInt32, _ query: UInt32, _ v: UnsafeMutablePointer<Double>?) {
  recorder.enter("glGetMapdv")
  getMap(v, target, query, 8)
}
func stub_glGetMapfv(_ target: UInt32, _ query: UInt32, _ v: UnsafeMutablePointer<Float>?) {
  recorder.enter("glGetMapfv")
  getMap(v, target, query, 4)
}
func stub_glGetMapiv(_ target: UInt32, _ query: UInt32, _ v: UnsafeMutablePointer<Int32>?) {
  recorder.enter("glGetMapiv")
  getMap(v, target, query, 4)
}
func stub_glGetPixelMapfv(_ map: UInt32, _ values: UnsafeMutablePointer<Float>?) {
  recorder.enter("glGetPixelMapfv")
  recorder.value(map)
  if !isMissing() { recorder.write(values, 65536 * 4) }
}
func stub_glGetPixelMapuiv(_ map: UInt32, _ values: UnsafeMutablePointer<UInt32>?) {
  recorder.enter("glGetPixelMapuiv")
  recorder.value(map)
  if !isMissing() { recorder.write(values, 65536 * 4) }
}
func stub_glGetPixelMapusv(_ map: UInt32, _ values: UnsafeMutablePointer<UInt16>?) {
  recorder.enter("glGetPixelMapusv")
  recorder.value(map)
  if !isMissing() { recorder.write(values, 65536 * 2) }
}

// MARK: Images that are read

private let levelSize: Int32 = 4

/// Rows as the node packs them, one behind the other.
private func readImage(
  _ p: MutableRaw?, _ format: UInt32, _ type: UInt32, _ width: Int, _ height: Int, _ depth: Int,
  most: Int32? = nil
) {
  guard !recorder.state.inBegin else { return }
  guard recorder.state.buffer(GL.PIXEL_PACK_BUFFER) == 0 else { return recorder.pointer(p) }
  guard width > 0, height > 0, depth > 0 else { return }
  var size = glImageBytes(format, type, width, height, depth)
  // Formats that a driver may know and the node does not.
  if size == 0 { size = width * height * depth * 16 }
  if let most {
    if Int(most) < size { return recorder.state.raise(GL.INVALID_OPERATION) }
  }
  recorder.write(p, size)
}
func stub_glReadPixels(
  _ x: Int32, _ y: Int32, _ width: Int32, _ height: Int32, _ format: UInt32, _ type: UInt32,
  _ p: MutableRaw?
) {
  recorder.enter("glReadPixels")
  guard width >= 0, height >= 0 else { return recorder.state.raise(GL.INVALID_VALUE) }
  readImage(p, format, type, Int(width), Int(height), 1)
}
func stub_glGetTexImage(
  _ target: UInt32, _ level: Int32, _ format: UInt32, _ type: UInt32, _ p: MutableRaw?
) {
  recorder.enter("glGetTexImage")
  readImage(p, format, type, Int(levelSize), Int(levelSize), Int(levelSize))
}
func stub_glGetnTexImage(
  _ target: UInt32, _ level: Int32, _ format: UInt32, _ type: UInt32, _ most: Int32,
  _ p: MutableRaw?
) {
  recorder.enter("glGetnTexImage")
  readImage(
    p, format, type, Int(levelSize), Int(levelSize), Int(levelSize), most: most)
}
func stub_glGetTextureImage(
  _ texture: UInt32, _ level: Int32, _ format: UInt32, _ type: UInt32, _ most: Int32,
  _ p: MutableRaw?
) {
  recorder.enter("glGetTextureImage")
  // Another context may have made it larger since the node has asked.
  readImage(
    p, format, type, Int(levelSize) + 1, Int(levelSize), Int(levelSize), most: most)
}
func stub_glGetTextureSubImage(
  _ texture: UInt32, _ level: Int32, _ x: Int32, _ y: Int32, _ z: Int32, _ width: Int32,
  _ height: Int32, _ depth: Int32, _ format: UInt32, _ type: UInt32, _ most: Int32,
  _ p: MutableRaw?
) {
  recorder.enter("glGetTextureSubImage")
  guard width <= levelSize, height <= levelSize, depth <= levelSize else { return }
  readImage(p, format, type, Int(width), Int(height), Int(depth), most: most)
}
private func readCompressed(_ p: MutableRaw?, _ size: Int, most: Int32? = nil) {
  guard !recorder.state.inBegin else { return }
  guard recorder.state.buffer(GL.PIXEL_PACK_BUFFER) == 0 else { return recorder.pointer(p) }
  if let most, Int(most) < size { return recorder.state.raise(GL.INVALID_OPERATION) }
  recorder.write(p, size)
}
private let compressedSize = 64
func stub_glGetCompressedTexImage(_ target: UInt32, _ level: Int32, _ p: MutableRaw?) {
  recorder.enter("glGetCompressedTexImage")
  readCompressed(p, compressedSize)
}
func stub_glGetnCompressedTexImage(
  _ target: UInt32, _ level: Int32, _ most: Int32, _ p: MutableRaw?
) {
  recorder.enter("glGetnCompressedTexImage")
  readCompressed(p, compressedSize, most: most)
}
func stub_glGetCompressedTextureImage(
  _ texture: UInt32, _ level: Int32, _ most: Int32, _ p: MutableRaw?
) {
  recorder.enter("glGetCompressedTextureImage")
  readCompressed(p, compressedSize * 6, most: most)
}
func stub_glGetCompressedTextureSubImage(
  _ texture: UInt32, _ level: Int32, _ x: Int32, _ y: Int32, _ z: Int32, _ width: Int32,
  _ height: Int32, _ depth: Int32, _ most: Int32, _ p: MutableRaw?
) {
  recorder.enter("glGetCompressedTextureSubImage")
  readCompressed(p, compressedSize, most: most)
}
func stub_glGetPolygonStipple(_ p: UnsafeMutablePointer<UInt8>?) {
  recorder.enter("glGetPolygonStipple")
  readCompressed(p, 128)
}
private func level(_ pname: UInt32) -> Int32 {
  switch pname {
  case GL.TEXTURE_WIDTH, GL.TEXTURE_HEIGHT, GL.TEXTURE_DEPTH: levelSize
  case GL.TEXTURE_COMPRESSED: 1
  case GL.TEXTURE_COMPRESSED_IMAGE_SIZE: Int32(compressedSize)
  default: 8
  }
}
func stub_glGetTexLevelParameteriv(
  _ target: UInt32, _ lod: Int32, _ pname: UInt32, _ p: UnsafeMutablePointer<Int32>?
) {
  recorder.enter("glGetTexLevelParameteriv")
  recorder.value(target)
  recorder.value(lod)
  recorder.value(pname)
  guard !recorder.state.isRefused else { return }
  recorder.write(p, 4)
  p?.pointee = level(pname)
}
func stub_glGetTextureLevelParameteriv(
  _ texture: UInt32, _ lod: Int32, _ pname: UInt32, _ p: UnsafeMutablePointer<Int32>?
) {
  recorder.enter("glGetTextureLevelParameteriv")
  recorder.value(texture)
  recorder.value(lod)
  recorder.value(pname)
  guard !recorder.state.isRefused else { return }
  recorder.write(p, 4)
  p?.pointee = level(pname)
}
func stub_glGetTextureParameteriv(
  _ texture: UInt32, _ pname: UInt32, _ p: UnsafeMutablePointer<Int32>?
) {
  recorder.enter("glGetTextureParameteriv")
  recorder.value(texture)
  recorder.value(pname)
  recorder.write(p, 4)
  p?.pointee = pname == GL.TEXTURE_TARGET ? Int32(GL.TEXTURE_2D) : 1
}

// MARK: Feedback and selection

func stub_glFeedbackBuffer(_ size: Int32, _ type: UInt32, _ p: UnsafeMutablePointer<Float>?) {
  recorder.enter("glFeedbackBuffer")
  guard !recorder.state.isRefused, recorder.state.renderMode != GL.FEEDBACK, size >= 0 else {
    return recorder.state.raise(GL.INVALID_OPERATION)
  }
  recorder.state.feedback = .init(buffer: p, size: Int(size) * 4)
}
func stub_glSelectBuffer(_ size: Int32, _ p: UnsafeMutablePointer<UInt32>?) {
  recorder.enter("glSelectBuffer")
  guard !recorder.state.isRefused, recorder.state.renderMode != GL.SELECT, size >= 0 else {
    return recorder.state.raise(GL.INVALID_OPERATION)
  }
  recorder.state.selection = .init(buffer: p, size: Int(size) * 4)
}
func stub_glRenderMode(_ mode: UInt32) -> Int32 {
  recorder.enter("glRenderMode")
  let state = recorder.state
  guard !state.isRefused else { return 0 }
  let ended = state.renderMode
  let buffer =
    ended == GL.FEEDBACK ? state.feedback : ended == GL.SELECT ? state.selection : .init()
  recorder.fill(buffer.buffer, buffer.size)
  guard [GL.RENDER, GL.SELECT, GL.FEEDBACK].contains(mode) else {
    state.raise(GL.INVALID_ENUM)
    return 0
  }
  state.renderMode = mode
  return recorder.roll(3) == 0 ? -1 : Int32(buffer.size / 4)
}

// MARK: The table

/// Functions that the node asks for and that are no records: the generated table has none of them.
func addOwnStubs(_ table: inout [String: UnsafeMutableRawPointer]) {
  table["glGetError"] = unsafeBitCast(
    getError as @convention(c) () -> UInt32, to: UnsafeMutableRawPointer.self)
  table["glGetString"] = unsafeBitCast(
    getString as @convention(c) (UInt32) -> UnsafePointer<UInt8>?,
    to: UnsafeMutableRawPointer.self)
  table["glGetStringi"] = unsafeBitCast(
    { _, _ in extensions.utf8Start }
      as @convention(c) (UInt32, UInt32) -> UnsafePointer<UInt8>?,
    to: UnsafeMutableRawPointer.self)
  table["glFinish"] = unsafeBitCast(
    {} as @convention(c) () -> Void, to: UnsafeMutableRawPointer.self)
}
