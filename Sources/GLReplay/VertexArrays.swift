import CPlatform
import GLWire
import Ring
import Wire

// A vertex array without a buffer is read at an address: one of ours, of vertices that came with the draw
// (`glVertexData`), or any number that a client has given for an offset once, and whose buffer is gone. So no draw
// reaches the driver before every array that is enabled has a buffer behind it, or vertices for all that the draw
// reads.
//
// The driver is asked, which no state of our own can be wrong about; this file only remembers what has been asked
// and cannot have changed. With all of that a draw costs one comparison.

/// What is remembered of one vertex array object; bits are slots, those of `glVertexData`.
struct VertexArrayState {
  /// What has ever been enabled.
  var used: UInt64 = 0
  /// What may be enabled without a buffer, for all that is known.
  var unchecked: UInt64 = 0
}

/// The vertex array objects of a context.
struct VertexArrays {
  /// Of the one that is bound.
  private(set) var current: UnsafeMutablePointer<VertexArrayState>
  /// Its name, the client's.
  private(set) var name: UInt32 = 0
  private var states: [UInt32: UnsafeMutablePointer<VertexArrayState>] = [:]
  /// Slots whose vertices came in front of the command that is replayed.
  fileprivate(set) var fresh: UInt64 = 0
  /// The vertices that each of those has.
  fileprivate let ranges: UnsafeMutablePointer<Range<Int>>
  /// Arrays may advance by instance.
  var hasDivisors = false
  /// Stands behind arrays that have no buffer; 0 until it is needed.
  fileprivate(set) var neutralBuffer: UInt32 = 0

  init() {
    current = .allocate(capacity: 1)
    current.initialize(to: VertexArrayState())
    states[0] = current
    ranges = .allocate(capacity: ArraySlot.count)
    ranges.initialize(repeating: 0..<0, count: ArraySlot.count)
  }

  mutating func free() {
    for state in states.values { state.deallocate() }
    states = [:]
    ranges.deallocate()
  }

  mutating func forgetVertices() { fresh = 0 }

  /// Whether there has ever been another object than the context's own.
  var hasObjects: Bool { states.count > 1 }

  fileprivate mutating func bind(_ name: UInt32) {
    self.name = name
    current = state(name)
  }

  mutating func state(_ name: UInt32) -> UnsafeMutablePointer<VertexArrayState> {
    if let known = states[name] { return known }
    let new = UnsafeMutablePointer<VertexArrayState>.allocate(capacity: 1)
    new.initialize(to: VertexArrayState())
    states[name] = new
    return new
  }

  fileprivate mutating func forget(_ name: UInt32) {
    guard name != 0, let state = states.removeValue(forKey: name) else { return }
    if current == state { bind(0) }
    state.deallocate()
  }

  fileprivate mutating func setNeutralBuffer(_ name: UInt32) { neutralBuffer = name }
}

// MARK: What may have changed

extension GLReplayContext {
  /// Between glBegin and glEnd nothing of this can be asked or set. A list may have begun.
  private mutating func isOutsideBegin() -> Bool {
    if properties.isES || properties.isCore { return true }
    return driverValue(GL.ARRAY_BUFFER_BINDING, otherwise: -1) != -1
  }

  mutating func didSetPointer(_ slot: Int) {
    guard slot >= 0, slot < ArraySlot.count else { return }
    let state = vertexArrays.current
    state.pointee.unchecked |= 1 << UInt64(slot) & state.pointee.used
  }

  mutating func didEnable(_ slot: Int, of state: UnsafeMutablePointer<VertexArrayState>) {
    guard slot >= 0, slot < ArraySlot.count else { return }
    state.pointee.used |= 1 << UInt64(slot)
    state.pointee.unchecked |= 1 << UInt64(slot)
  }

  /// Buffers may have gone from arrays of an object, or arrays have been given others.
  mutating func didUnbind(_ state: UnsafeMutablePointer<VertexArrayState>) {
    state.pointee.unchecked |= state.pointee.used
  }

  /// Before buffers are deleted: arrays that have them lose them.
  mutating func willDeleteBuffers() { didUnbind(vertexArrays.current) }

  /// Behind the deletion of vertex array objects.
  mutating func didDeleteVertexArray(_ client: UInt32) {
    vertexArrays.forget(client)
  }

  /// Finds out which object is bound, when a command may have failed that changes it.
  mutating func findVertexArray() {
    let bound = driverValue(GL.VERTEX_ARRAY_BINDING, otherwise: -1)
    let driver = UInt32(bitPattern: bound)
    let client = driver == 0 ? 0 : clientName(.vertexArray, driver)
    guard bound != -1, driver == 0 || client != 0 else {
      // One that the client has deleted, or nothing can be asked now.
      vertexArrays.current.pointee = VertexArrayState(used: UInt64.max, unchecked: UInt64.max)
      return
    }
    vertexArrays.bind(client)
  }

  /// The slot behind an array of fixed function; nil for what is none.
  mutating func slot(_ array: UInt32) -> Int? {
    switch array {
    case GL.VERTEX_ARRAY: return ArraySlot.vertex
    case GL.NORMAL_ARRAY: return ArraySlot.normal
    case GL.COLOR_ARRAY: return ArraySlot.color
    case GL.SECONDARY_COLOR_ARRAY: return ArraySlot.secondaryColor
    case GL.FOG_COORD_ARRAY: return ArraySlot.fogCoord
    case GL.INDEX_ARRAY: return ArraySlot.index
    case GL.EDGE_FLAG_ARRAY: return ArraySlot.edgeFlag
    case GL.TEXTURE_COORD_ARRAY: return textureSlot()
    default: return nil
    }
  }

  mutating func textureSlot() -> Int {
    let unit = Int(driverValue(GL.CLIENT_ACTIVE_TEXTURE)) - Int(GL.TEXTURE0)
    return unit >= 0 && unit < ArraySlot.texCoordCount
      ? ArraySlot.texCoord + unit : ArraySlot.texCoord
  }
}

// MARK: Vertices that come with a draw

extension GLReplayContext {
  /// `glVertexData`: gives the driver the pointers of arrays in client memory.
  mutating func takeVertices(_ f: inout ControlFields) {
    let count = Int(f.u32(8, "arrayCount"))
    let arrayBuffer = f.u32(12, "arrayBuffer")
    let first = Int(f.u32(16, "first"))
    let byteCount = Int(f.u32(20, "byteCount"))
    guard f.wrong == nil else { return }
    guard count <= ArraySlot.count else { return f.fail("arrayCount") }
    let start = 24 &+ count &* 24
    guard start &+ byteCount <= f.record.count else { return f.fail("byteCount") }
    guard driver != nil else { return }
    guard
      let bytes = memory.keep(
        UnsafeRawBufferPointer(rebasing: f.record[start..<(start &+ byteCount)]))
    else { return f.fail("byteCount") }
    guard isOutsideBegin() else { return }
    saveErrors()
    beginQuiet()
    defer { endQuiet() }
    gl.glBindBuffer?(GL.ARRAY_BUFFER, 0)
    for i in 0..<count {
      let array = ClientArray(f.record, 24 &+ i &* 24)
      // Vertex `first` lies at `offset`; the driver counts from vertex 0.
      let pointer =
        UInt(bitPattern: bytes) &+ UInt(array.offset) &- UInt(first) &* UInt(array.step)
      setArray(array, UnsafeRawPointer(bitPattern: pointer))
      if array.slot < ArraySlot.count { didSetMemory(array.slot) }
    }
    let isTaken = functions?.getError() == 0
    if arrayBuffer != 0 { gl.glBindBuffer?(GL.ARRAY_BUFFER, name(.buffer, arrayBuffer)) }
    // What the driver refuses the application has been told of when it set the pointer.
    guard isTaken else {
      functions?.drainErrors()
      return
    }
    for i in 0..<count {
      let array = ClientArray(f.record, 24 &+ i &* 24)
      let left = byteCount &- array.offset &- array.elementSize
      guard array.slot < ArraySlot.count, array.elementSize > 0, left >= 0 else { continue }
      vertexArrays.ranges[array.slot] = first..<(first &+ left / array.step &+ 1)
      vertexArrays.fresh |= 1 << UInt64(array.slot)
    }
  }

  private mutating func didSetMemory(_ slot: Int) {
    vertexArrays.fresh &= ~(1 << UInt64(slot))
    vertexArrays.current.pointee.unchecked |= 1 << UInt64(slot)
  }

  private mutating func setArray(_ array: ClientArray, _ pointer: UnsafeRawPointer?) {
    let (size, type, stride) = (array.size, array.type, array.stride)
    switch array.slot {
    case 0..<32:
      let index = UInt32(array.slot)
      if array.flags & ArrayFlag.integer != 0 {
        gl.glVertexAttribIPointer?(index, size, type, stride, pointer)
      } else if array.flags & ArrayFlag.long != 0 {
        gl.glVertexAttribLPointer?(index, size, type, stride, pointer)
      } else {
        gl.glVertexAttribPointer?(
          index, size, type, array.flags & ArrayFlag.normalized != 0 ? 1 : 0, stride, pointer)
      }
    case ArraySlot.vertex: gl.glVertexPointer?(size, type, stride, pointer)
    case ArraySlot.normal: gl.glNormalPointer?(type, stride, pointer)
    case ArraySlot.color: gl.glColorPointer?(size, type, stride, pointer)
    case ArraySlot.secondaryColor: gl.glSecondaryColorPointer?(size, type, stride, pointer)
    case ArraySlot.fogCoord: gl.glFogCoordPointer?(type, stride, pointer)
    case ArraySlot.index: gl.glIndexPointer?(type, stride, pointer)
    case ArraySlot.edgeFlag: gl.glEdgeFlagPointer?(stride, pointer)
    case ArraySlot.texCoord..<(ArraySlot.texCoord + ArraySlot.texCoordCount):
      withTexture(array.slot) { $0.gl.glTexCoordPointer?(size, type, stride, pointer) }
    default: break
    }
  }

  /// Runs `body` with the texture unit of a slot active for arrays; not when there is no such unit.
  private mutating func withTexture(_ slot: Int, _ body: (inout GLReplayContext) -> Void) {
    let unit = GL.TEXTURE0 &+ UInt32(slot - ArraySlot.texCoord)
    guard let activate = gl.glClientActiveTexture else {
      if slot == ArraySlot.texCoord { body(&self) }
      return
    }
    let active = driverValue(GL.CLIENT_ACTIVE_TEXTURE)
    if active != unit {
      activate(unit)
      guard driverValue(GL.CLIENT_ACTIVE_TEXTURE) == unit else { return }
    }
    body(&self)
    if active != unit { activate(active) }
  }
}

/// An array of a `glVertexData` record.
private struct ClientArray {
  let slot: Int
  let size: Int32
  let type: UInt32
  let stride: Int32
  let flags: UInt32
  let offset: Int

  /// The 24 bytes at `place`, which the record has.
  init(_ record: UnsafeRawBufferPointer, _ place: Int) {
    func word(_ i: Int) -> UInt32 {
      record.loadUnaligned(fromByteOffset: place &+ i &* 4, as: UInt32.self)
    }
    slot = Int(word(0))
    size = Int32(bitPattern: word(1))
    type = word(2)
    stride = Int32(bitPattern: word(3))
    flags = word(4)
    offset = Int(word(5))
  }

  /// Bytes of one element; 0 for what is none. Some arrays have no size of their own.
  var elementSize: Int {
    let components: Int
    switch slot {
    case ArraySlot.normal, ArraySlot.secondaryColor: components = 3
    case ArraySlot.fogCoord, ArraySlot.index: components = 1
    case ArraySlot.edgeFlag: return 1
    default: components = size == Int32(bitPattern: GL.BGRA) ? 4 : Int(size)
    }
    switch type {
    case GL.INT_2_10_10_10_REV, GL.UNSIGNED_INT_2_10_10_10_REV, GL.UNSIGNED_INT_10F_11F_11F_REV:
      return 4
    default: return glProduct(components, glTypeSize(type))
    }
  }

  /// Bytes from element to element.
  var step: Int { stride > 0 ? Int(stride) : max(elementSize, 1) }
}

// MARK: Before a draw

/// Which vertices a draw reads.
enum Vertices {
  case range(first: Int, count: Int)
  /// Indices that came with the draw, or lie in the bound buffer at an offset.
  case indices(UnsafeRawPointer?, isOffset: Bool, count: Int, type: UInt32, base: Int)
  /// The same of several draws, one after the other.
  case draws(
    UnsafePointer<UnsafeRawPointer?>, isOffset: Bool, counts: UnsafePointer<Int32>, type: UInt32,
    bases: UnsafePointer<Int32>?, drawCount: Int)
  /// As a buffer says.
  case unknown
}

extension GLReplayContext {
  /// Whether a draw reads nothing but buffers and the vertices that came with it. When not, nothing is drawn; a
  /// client that sends too few vertices has lost its session.
  @inline(__always)
  mutating func mayDraw(
    _ vertices: @autoclosure () -> Vertices, instances: Int32 = 1, baseInstance: UInt32 = 0
  ) -> Bool {
    if _fastPath(vertexArrays.current.pointee.unchecked == 0) { return true }
    return checkArrays(vertices(), Int(instances), Int(baseInstance))
  }

  @inline(never)
  private mutating func checkArrays(
    _ vertices: Vertices, _ instances: Int, _ baseInstance: Int
  ) -> Bool {
    let state = vertexArrays.current
    var left = state.pointee.unchecked
    // Where vertices have come nothing is asked.
    let asks = left & ~vertexArrays.fresh != 0
    if asks {
      // A draw between glBegin and glEnd is an error, but for glArrayElement, whose arrays were looked at.
      guard isOutsideBegin() else { return false }
      saveErrors()
    }
    beginQuiet()
    defer {
      if asks { functions?.drainErrors() }
      endQuiet()
    }
    while left != 0 {
      let slot = left.trailingZeroBitCount
      let bit: UInt64 = 1 << UInt64(slot)
      left &= ~bit
      if vertexArrays.fresh & bit != 0 {
        // Indices that the buffer does not have are the application's mistake, and draw nothing.
        guard let isCovered = covers(slot, vertices, instances, baseInstance) else { return false }
        if isCovered { continue }
        malformed(recordWord(0), "vertices")
        return false
      }
      if isHarmless(slot) || neutralise(slot) {
        state.pointee.unchecked &= ~bit
      } else {
        return false
      }
    }
    return true
  }

  /// Whether the vertices that came for a slot are all that a draw reads of it.
  private mutating func covers(
    _ slot: Int, _ vertices: Vertices, _ instances: Int, _ baseInstance: Int
  ) -> Bool? {
    guard instances > 0 else { return true }
    let range = vertexArrays.ranges[slot]
    if slot < 32, vertexArrays.hasDivisors {
      let divisor = attribute(slot, GL.VERTEX_ATTRIB_ARRAY_DIVISOR)
      if divisor > 0 {
        return range.contains(baseInstance)
          && range.contains(baseInstance &+ (instances &- 1) / divisor)
      }
    }
    switch vertices {
    case .unknown: return false
    case .range(let first, let count):
      if count <= 0 || first < 0 { return true }
      return range.contains(first) && range.contains(first &+ count &- 1)
    case .indices(let pointer, let isOffset, let count, let type, let base):
      return covers(range, pointer, isOffset, count, type, base)
    case .draws(let pointers, let isOffset, let counts, let type, let bases, let drawCount):
      for i in 0..<drawCount {
        let base = Int(bases?[i] ?? 0)
        let isCovered = covers(range, pointers[i], isOffset, Int(counts[i]), type, base)
        guard isCovered == true else { return isCovered }
      }
      return true
    }
  }

  /// Whether a range has all the vertices that `count` indices name; nil when the buffer does not have those.
  private mutating func covers(
    _ range: Range<Int>, _ pointer: UnsafeRawPointer?, _ isOffset: Bool, _ count: Int,
    _ type: UInt32, _ base: Int
  ) -> Bool? {
    guard count > 0, glIndexSize(type) > 0 else { return true }
    guard let place = isOffset ? bufferIndices(pointer, count, type) : pointer else {
      return isOffset ? nil : false
    }
    func fit(_ restart: UInt32?) -> Bool {
      guard let (low, high) = limits(place, count, type, skipping: restart) else { return true }
      return range.contains(low &+ base) && range.contains(high &+ base)
    }
    if fit(nil) { return true }
    return restartIndex(type).map { fit($0) } ?? false
  }

  /// The smallest and the largest index; nil when there are none but those that are skipped.
  private func limits(
    _ place: UnsafeRawPointer, _ count: Int, _ type: UInt32, skipping restart: UInt32?
  ) -> (low: Int, high: Int)? {
    var (low, high) = (UInt32.max, UInt32(0))
    var isFound = false
    for i in 0..<count {
      let index: UInt32
      switch type {
      case GL.UNSIGNED_BYTE: index = UInt32(place.load(fromByteOffset: i, as: UInt8.self))
      case GL.UNSIGNED_SHORT:
        index = UInt32(place.loadUnaligned(fromByteOffset: i &* 2, as: UInt16.self))
      default: index = place.loadUnaligned(fromByteOffset: i &* 4, as: UInt32.self)
      }
      if index == restart { continue }
      isFound = true
      low = min(low, index)
      high = max(high, index)
    }
    return isFound ? (Int(low), Int(high)) : nil
  }

  /// The index that means no vertex; nil when every one means one.
  private mutating func restartIndex(_ type: UInt32) -> UInt32? {
    if gl.glIsEnabled?(GL.PRIMITIVE_RESTART_FIXED_INDEX) == 1 {
      return type == GL.UNSIGNED_BYTE ? 0xFF : type == GL.UNSIGNED_SHORT ? 0xFFFF : UInt32.max
    }
    guard gl.glIsEnabled?(GL.PRIMITIVE_RESTART) == 1 else { return nil }
    return driverValue(GL.PRIMITIVE_RESTART_INDEX)
  }

  /// A copy of indices in the bound buffer; nil when it does not have them.
  private mutating func bufferIndices(
    _ offset: UnsafeRawPointer?, _ count: Int, _ type: UInt32
  ) -> UnsafeRawPointer? {
    let bytes = glProduct(count, glIndexSize(type))
    guard let first = Int(exactly: UInt(bitPattern: offset)), bytes <= 256 << 20,
      let room = blobRoom(bytes)
    else { return nil }
    // What cannot be read are indices that nothing covers.
    room.initializeMemory(as: UInt8.self, repeating: 0xFF, count: bytes)
    return readBuffer(GL.ELEMENT_ARRAY_BUFFER, first, bytes, into: room)
      ? UnsafeRawPointer(room) : nil
  }

  /// Whether an array is disabled, or has a buffer.
  private mutating func isHarmless(_ slot: Int) -> Bool {
    if slot < 32 {
      return attribute(slot, GL.VERTEX_ATTRIB_ARRAY_ENABLED) <= 0
        || attribute(slot, GL.VERTEX_ATTRIB_ARRAY_BUFFER_BINDING) > 0
    }
    guard let names = FixedArray(slot) else { return true }
    var result = true
    onUnit(of: slot) { c in
      result = c.gl.glIsEnabled?(names.array) != 1 || c.driverValue(names.buffer) != 0
    }
    return result
  }

  private mutating func onUnit(of slot: Int, _ body: (inout GLReplayContext) -> Void) {
    if slot >= ArraySlot.texCoord { withTexture(slot, body) } else { body(&self) }
  }

  /// A value of a generic attribute; -1 for one that there is not.
  private mutating func attribute(_ slot: Int, _ pname: UInt32) -> Int {
    var value: Int32 = -1
    gl.glGetVertexAttribiv?(UInt32(slot), pname, &value)
    return Int(value)
  }

  /// Puts a buffer of zeros behind an array that has none, whose other values stay. False when the driver
  /// will not have it.
  private mutating func neutralise(_ slot: Int) -> Bool {
    guard let functions, let bind = gl.glBindBuffer else { return false }
    let bound = driverValue(GL.ARRAY_BUFFER_BINDING)
    if vertexArrays.neutralBuffer == 0 {
      var name: UInt32 = 0
      functions.genBuffers(1, &name)
      bind(GL.ARRAY_BUFFER, name)
      let zeros = [UInt8](repeating: 0, count: 4096)
      gl.glBufferData?(GL.ARRAY_BUFFER, zeros.count, zeros, GL.STATIC_DRAW)
      vertexArrays.setNeutralBuffer(name)
    } else {
      bind(GL.ARRAY_BUFFER, vertexArrays.neutralBuffer)
    }
    if slot < 32 {
      neutraliseAttribute(slot)
    } else if let names = FixedArray(slot) {
      onUnit(of: slot) { c in
        let size = Int32(bitPattern: c.driverValue(names.size))
        let type = c.driverValue(names.type)
        let stride = Int32(bitPattern: c.driverValue(names.stride))
        c.setFixed(slot, size, type, stride)
      }
    }
    bind(GL.ARRAY_BUFFER, bound)
    return isHarmless(slot)
  }

  private mutating func neutraliseAttribute(_ slot: Int) {
    let index = UInt32(slot)
    let size = Int32(truncatingIfNeeded: attribute(slot, GL.VERTEX_ATTRIB_ARRAY_SIZE))
    let type = UInt32(truncatingIfNeeded: attribute(slot, GL.VERTEX_ATTRIB_ARRAY_TYPE))
    let stride = Int32(truncatingIfNeeded: attribute(slot, GL.VERTEX_ATTRIB_ARRAY_STRIDE))
    if attribute(slot, GL.VERTEX_ATTRIB_ARRAY_INTEGER) == 1 {
      gl.glVertexAttribIPointer?(index, size, type, stride, nil)
    } else if attribute(slot, GL.VERTEX_ATTRIB_ARRAY_LONG) == 1 {
      gl.glVertexAttribLPointer?(index, size, type, stride, nil)
    } else {
      let isNormalized = attribute(slot, GL.VERTEX_ATTRIB_ARRAY_NORMALIZED) == 1
      gl.glVertexAttribPointer?(index, size, type, isNormalized ? 1 : 0, stride, nil)
    }
    // Not every format is one of a pointer's.
    if !isHarmless(slot) { gl.glVertexAttribPointer?(index, 4, GL.FLOAT, 0, 0, nil) }
  }

  private mutating func setFixed(_ slot: Int, _ size: Int32, _ type: UInt32, _ stride: Int32) {
    switch slot {
    case ArraySlot.vertex: gl.glVertexPointer?(size, type, stride, nil)
    case ArraySlot.normal: gl.glNormalPointer?(type, stride, nil)
    case ArraySlot.color: gl.glColorPointer?(size, type, stride, nil)
    case ArraySlot.secondaryColor: gl.glSecondaryColorPointer?(size, type, stride, nil)
    case ArraySlot.fogCoord: gl.glFogCoordPointer?(type, stride, nil)
    case ArraySlot.index: gl.glIndexPointer?(type, stride, nil)
    case ArraySlot.edgeFlag: gl.glEdgeFlagPointer?(stride, nil)
    default: gl.glTexCoordPointer?(size, type, stride, nil)
    }
  }
}

/// What the driver calls an array of fixed function and its values; 0 for one that it has not.
private struct FixedArray {
  let array: UInt32
  let buffer: UInt32
  let size: UInt32
  let type: UInt32
  let stride: UInt32

  init?(_ slot: Int) {
    switch slot {
    case ArraySlot.vertex:
      (array, buffer) = (GL.VERTEX_ARRAY, GL.VERTEX_ARRAY_BUFFER_BINDING)
      (size, type, stride) = (
        GL.VERTEX_ARRAY_SIZE, GL.VERTEX_ARRAY_TYPE, GL.VERTEX_ARRAY_STRIDE
      )
    case ArraySlot.normal:
      (array, buffer) = (GL.NORMAL_ARRAY, GL.NORMAL_ARRAY_BUFFER_BINDING)
      (size, type, stride) = (0, GL.NORMAL_ARRAY_TYPE, GL.NORMAL_ARRAY_STRIDE)
    case ArraySlot.color:
      (array, buffer) = (GL.COLOR_ARRAY, GL.COLOR_ARRAY_BUFFER_BINDING)
      (size, type, stride) = (GL.COLOR_ARRAY_SIZE, GL.COLOR_ARRAY_TYPE, GL.COLOR_ARRAY_STRIDE)
    case ArraySlot.secondaryColor:
      (array, buffer) = (GL.SECONDARY_COLOR_ARRAY, GL.SECONDARY_COLOR_ARRAY_BUFFER_BINDING)
      (size, type, stride) = (
        GL.SECONDARY_COLOR_ARRAY_SIZE, GL.SECONDARY_COLOR_ARRAY_TYPE,
        GL.SECONDARY_COLOR_ARRAY_STRIDE
      )
    case ArraySlot.fogCoord:
      (array, buffer) = (GL.FOG_COORD_ARRAY, GL.FOG_COORD_ARRAY_BUFFER_BINDING)
      (size, type, stride) = (0, GL.FOG_COORD_ARRAY_TYPE, GL.FOG_COORD_ARRAY_STRIDE)
    case ArraySlot.index:
      (array, buffer) = (GL.INDEX_ARRAY, GL.INDEX_ARRAY_BUFFER_BINDING)
      (size, type, stride) = (0, GL.INDEX_ARRAY_TYPE, GL.INDEX_ARRAY_STRIDE)
    case ArraySlot.edgeFlag:
      (array, buffer) = (GL.EDGE_FLAG_ARRAY, GL.EDGE_FLAG_ARRAY_BUFFER_BINDING)
      (size, type, stride) = (0, 0, GL.EDGE_FLAG_ARRAY_STRIDE)
    case ArraySlot.texCoord..<(ArraySlot.texCoord + ArraySlot.texCoordCount):
      (array, buffer) = (GL.TEXTURE_COORD_ARRAY, GL.TEXTURE_COORD_ARRAY_BUFFER_BINDING)
      (size, type, stride) = (
        GL.TEXTURE_COORD_ARRAY_SIZE, GL.TEXTURE_COORD_ARRAY_TYPE, GL.TEXTURE_COORD_ARRAY_STRIDE
      )
    default: return nil
    }
  }
}

// MARK: Doers of what changes arrays

func doer_glVertexPointer(
  _ c: GLContextPointer, _ size: Int32, _ type: UInt32, _ stride: Int32,
  _ pointer: UnsafeRawPointer?
) {
  c.pointee.didSetPointer(ArraySlot.vertex)
  c.pointee.gl.glVertexPointer?(size, type, stride, pointer)
}
func doer_glNormalPointer(
  _ c: GLContextPointer, _ type: UInt32, _ stride: Int32, _ pointer: UnsafeRawPointer?
) {
  c.pointee.didSetPointer(ArraySlot.normal)
  c.pointee.gl.glNormalPointer?(type, stride, pointer)
}
func doer_glColorPointer(
  _ c: GLContextPointer, _ size: Int32, _ type: UInt32, _ stride: Int32,
  _ pointer: UnsafeRawPointer?
) {
  c.pointee.didSetPointer(ArraySlot.color)
  c.pointee.gl.glColorPointer?(size, type, stride, pointer)
}
func doer_glSecondaryColorPointer(
  _ c: GLContextPointer, _ size: Int32, _ type: UInt32, _ stride: Int32,
  _ pointer: UnsafeRawPointer?
) {
  c.pointee.didSetPointer(ArraySlot.secondaryColor)
  c.pointee.gl.glSecondaryColorPointer?(size, type, stride, pointer)
}
func doer_glFogCoordPointer(
  _ c: GLContextPointer, _ type: UInt32, _ stride: Int32, _ pointer: UnsafeRawPointer?
) {
  c.pointee.didSetPointer(ArraySlot.fogCoord)
  c.pointee.gl.glFogCoordPointer?(type, stride, pointer)
}
func doer_glIndexPointer(
  _ c: GLContextPointer, _ type: UInt32, _ stride: Int32, _ pointer: UnsafeRawPointer?
) {
  c.pointee.didSetPointer(ArraySlot.index)
  c.pointee.gl.glIndexPointer?(type, stride, pointer)
}
func doer_glEdgeFlagPointer(
  _ c: GLContextPointer, _ stride: Int32, _ pointer: UnsafeRawPointer?
) {
  c.pointee.didSetPointer(ArraySlot.edgeFlag)
  c.pointee.gl.glEdgeFlagPointer?(stride, pointer)
}
func doer_glTexCoordPointer(
  _ c: GLContextPointer, _ size: Int32, _ type: UInt32, _ stride: Int32,
  _ pointer: UnsafeRawPointer?
) {
  c.pointee.didSetPointer(c.pointee.textureSlot())
  c.pointee.gl.glTexCoordPointer?(size, type, stride, pointer)
}
func doer_glVertexAttribPointer(
  _ c: GLContextPointer, _ index: UInt32, _ size: Int32, _ type: UInt32, _ normalized: UInt8,
  _ stride: Int32, _ pointer: UnsafeRawPointer?
) {
  if index < 32 { c.pointee.didSetPointer(Int(index)) }
  c.pointee.gl.glVertexAttribPointer?(index, size, type, normalized, stride, pointer)
}
func doer_glVertexAttribIPointer(
  _ c: GLContextPointer, _ index: UInt32, _ size: Int32, _ type: UInt32, _ stride: Int32,
  _ pointer: UnsafeRawPointer?
) {
  if index < 32 { c.pointee.didSetPointer(Int(index)) }
  c.pointee.gl.glVertexAttribIPointer?(index, size, type, stride, pointer)
}
func doer_glVertexAttribLPointer(
  _ c: GLContextPointer, _ index: UInt32, _ size: Int32, _ type: UInt32, _ stride: Int32,
  _ pointer: UnsafeRawPointer?
) {
  if index < 32 { c.pointee.didSetPointer(Int(index)) }
  c.pointee.gl.glVertexAttribLPointer?(index, size, type, stride, pointer)
}

private func enable(_ c: GLContextPointer, _ slot: Int?) {
  if let slot { c.pointee.didEnable(slot, of: c.pointee.vertexArrays.current) }
}
func doer_glEnableClientState(_ c: GLContextPointer, _ array: UInt32) {
  enable(c, c.pointee.slot(array))
  c.pointee.gl.glEnableClientState?(array)
}
/// Drivers enable arrays by it too.
func doer_glEnable(_ c: GLContextPointer, _ cap: UInt32) {
  switch cap {
  case GL.VERTEX_ARRAY...GL.EDGE_FLAG_ARRAY, GL.SECONDARY_COLOR_ARRAY, GL.FOG_COORD_ARRAY:
    enable(c, c.pointee.slot(cap))
  default: break
  }
  c.pointee.gl.glEnable?(cap)
}
func doer_glEnableVertexAttribArray(_ c: GLContextPointer, _ index: UInt32) {
  if index < 32 { enable(c, Int(index)) }
  c.pointee.gl.glEnableVertexAttribArray?(index)
}
func doer_glVertexAttribDivisor(_ c: GLContextPointer, _ index: UInt32, _ divisor: UInt32) {
  c.pointee.vertexArrays.hasDivisors = true
  c.pointee.gl.glVertexAttribDivisor?(index, divisor)
}
func doer_glVertexBindingDivisor(_ c: GLContextPointer, _ index: UInt32, _ divisor: UInt32) {
  c.pointee.vertexArrays.hasDivisors = true
  c.pointee.gl.glVertexBindingDivisor?(index, divisor)
}

func doer_glBindVertexArray(_ c: GLContextPointer, _ array: UInt32) {
  c.pointee.gl.glBindVertexArray?(array)
  // An object that is unknown is not bound, and neither is any between glBegin and glEnd.
  guard c.pointee.properties.isES || c.pointee.properties.isCore else {
    return c.pointee.bindVertexArray(expecting: array)
  }
  if array != GLReplayContext.neverGenerated {
    c.pointee.vertexArrays.bind(c.pointee.recordWord(8))
  }
}

extension GLReplayContext {
  fileprivate mutating func bindVertexArray(expecting array: UInt32) {
    if driverValue(GL.VERTEX_ARRAY_BINDING, otherwise: -1) == Int32(bitPattern: array) {
      vertexArrays.bind(array == 0 ? 0 : recordWord(8))
    } else {
      findVertexArray()
    }
  }

  mutating func bindVertexBuffer(
    _ state: UnsafeMutablePointer<VertexArrayState>, _ buffer: UInt32
  ) {
    // With a buffer an array is no more dangerous than before, whether the driver takes it or not.
    if buffer == 0 { didUnbind(state) }
  }
}

func doer_glBindVertexBuffer(
  _ c: GLContextPointer, _ index: UInt32, _ buffer: UInt32, _ offset: Int, _ stride: Int32
) {
  c.pointee.bindVertexBuffer(c.pointee.vertexArrays.current, buffer)
  c.pointee.gl.glBindVertexBuffer?(index, buffer, offset, stride)
}
func doer_glBindVertexBuffers(
  _ c: GLContextPointer, _ first: UInt32, _ count: Int32, _ buffers: UnsafePointer<UInt32>?,
  _ offsets: UnsafePointer<Int>?, _ strides: UnsafePointer<Int32>?
) {
  c.pointee.didUnbind(c.pointee.vertexArrays.current)
  c.pointee.gl.glBindVertexBuffers?(first, count, buffers, offsets, strides)
}
func doer_glVertexAttribBinding(_ c: GLContextPointer, _ index: UInt32, _ binding: UInt32) {
  c.pointee.didUnbind(c.pointee.vertexArrays.current)
  c.pointee.gl.glVertexAttribBinding?(index, binding)
}

// MARK: Offsets that are asked for

/// The binding that makes a pointer an offset; nil for what is no array's.
private func bufferBinding(_ pointer: UInt32) -> UInt32? {
  switch pointer {
  case GL.VERTEX_ARRAY_POINTER: GL.VERTEX_ARRAY_BUFFER_BINDING
  case GL.NORMAL_ARRAY_POINTER: GL.NORMAL_ARRAY_BUFFER_BINDING
  case GL.COLOR_ARRAY_POINTER: GL.COLOR_ARRAY_BUFFER_BINDING
  case GL.SECONDARY_COLOR_ARRAY_POINTER: GL.SECONDARY_COLOR_ARRAY_BUFFER_BINDING
  case GL.FOG_COORD_ARRAY_POINTER: GL.FOG_COORD_ARRAY_BUFFER_BINDING
  case GL.INDEX_ARRAY_POINTER: GL.INDEX_ARRAY_BUFFER_BINDING
  case GL.EDGE_FLAG_ARRAY_POINTER: GL.EDGE_FLAG_ARRAY_BUFFER_BINDING
  case GL.TEXTURE_COORD_ARRAY_POINTER: GL.TEXTURE_COORD_ARRAY_BUFFER_BINDING
  case GL.VERTEX_ATTRIB_ARRAY_POINTER: GL.VERTEX_ATTRIB_ARRAY_BUFFER_BINDING
  default: nil
  }
}

extension GLReplayContext {
  /// Replies with an offset into a buffer. Without a buffer it is an address of this process, which is nobody's
  /// business.
  fileprivate mutating func answerPointer(
    _ opcode: UInt32, _ ticket: UInt32, _ pname: UInt32,
    _ ask: (GLDispatch, UnsafeMutablePointer<UnsafeMutableRawPointer?>) -> Void,
    buffer: (GLDispatch, UInt32, UnsafeMutablePointer<Int32>) -> Void
  ) {
    var value: UnsafeMutableRawPointer?
    saveErrors()
    ask(gl, &value)
    let isRight = !saveErrors()
    var bound: Int32 = 0
    if isRight, let binding = bufferBinding(pname) {
      quietly { buffer($0.gl, binding, &bound) }
    }
    var offset = bound == 0 ? 0 : UInt64(UInt(bitPattern: value))
    beginReply(opcode)
    put(&offset, isRight ? 8 : 0)
    endReply(ticket)
  }
}

func doer_glGetPointerv(_ c: GLContextPointer, _ ticket: UInt32, _ pname: UInt32) {
  c.pointee.answerPointer(GLOpcode.glGetPointerv, ticket, pname) {
    $0.glGetPointerv?(pname, $1)
  } buffer: {
    $0.glGetIntegerv?($1, $2)
  }
}
func doer_glGetVertexAttribPointerv(
  _ c: GLContextPointer, _ ticket: UInt32, _ index: UInt32, _ pname: UInt32
) {
  c.pointee.answerPointer(GLOpcode.glGetVertexAttribPointerv, ticket, pname) {
    $0.glGetVertexAttribPointerv?(index, pname, $1)
  } buffer: {
    $0.glGetVertexAttribiv?(index, $1, $2)
  }
}
func doer_glGetVertexArrayPointervEXT(
  _ c: GLContextPointer, _ ticket: UInt32, _ vaobj: UInt32, _ pname: UInt32
) {
  c.pointee.answerPointer(GLOpcode.glGetVertexArrayPointervEXT, ticket, pname) {
    $0.glGetVertexArrayPointervEXT?(vaobj, pname, $1)
  } buffer: {
    $0.glGetVertexArrayIntegervEXT?(vaobj, $1, $2)
  }
}
func doer_glGetVertexArrayPointeri_vEXT(
  _ c: GLContextPointer, _ ticket: UInt32, _ vaobj: UInt32, _ index: UInt32, _ pname: UInt32
) {
  c.pointee.answerPointer(GLOpcode.glGetVertexArrayPointeri_vEXT, ticket, pname) {
    $0.glGetVertexArrayPointeri_vEXT?(vaobj, index, pname, $1)
  } buffer: {
    $0.glGetVertexArrayIntegeri_vEXT?(vaobj, index, $1, $2)
  }
}

func doer_glPushClientAttrib(_ c: GLContextPointer, _ mask: UInt32) {
  // The pixel store is set for each image: nothing may bring an old one back.
  c.pointee.gl.glPushClientAttrib?(mask & GL.CLIENT_VERTEX_ARRAY_BIT)
}
func doer_glPopClientAttrib(_ c: GLContextPointer) {
  c.pointee.gl.glPopClientAttrib?()
  if c.pointee.vertexArrays.hasObjects { c.pointee.findVertexArray() }
  c.pointee.didUnbind(c.pointee.vertexArrays.current)
}
