import CPlatform
import Client
import GLWire
import Ring
import Wire

/// What the node has said of shaders and programs, by name, until they are compiled or linked again, and
/// how long the sources of shaders are. Guarded by the share group's lock, also while an answer is read.
struct Reflections {
  private struct Answer {
    var bytes: UnsafeMutableRawPointer?
    var count = 0
    /// GL_SHADER_SOURCE_LENGTH; 0 when it is not known.
    var sourceLength: Int32 = 0
  }

  private var answers: UnsafeMutablePointer<Answer>?
  private var capacity = 0

  /// Names that are kept; of others the node is asked every time.
  private static var most: Int { 64 << 10 }

  /// Reads what is known of an object; nil when nothing is.
  func answer(_ name: UInt32) -> Reflection? {
    guard Int(name) < capacity, let answer = answers?[Int(name)], let bytes = answer.bytes else {
      return nil
    }
    return Reflection(GLRecord(start: bytes, count: answer.count))
  }

  /// The place of a name; nil for one that is not kept.
  private mutating func place(_ name: UInt32) -> UnsafeMutablePointer<Answer>? {
    guard Int(name) < Reflections.most else { return nil }
    if Int(name) >= capacity {
      var wanted = max(capacity &* 2, 64)
      while wanted <= Int(name) { wanted &*= 2 }
      guard let raw = platform_calloc(wanted, MemoryLayout<Answer>.stride) else { return nil }
      let grown = raw.bindMemory(to: Answer.self, capacity: wanted)
      if let answers {
        platform_copy(grown, answers, capacity &* MemoryLayout<Answer>.stride)
        platform_free(answers)
      }
      answers = grown
      capacity = wanted
    }
    return answers.map { $0 + Int(name) }
  }

  mutating func keep(_ name: UInt32, _ bytes: UnsafeRawPointer, _ count: Int) {
    guard let place = place(name), let copy = platform_malloc(max(count, 1)) else { return }
    platform_copy(copy, bytes, count)
    forget(name)
    place.pointee.bytes = copy
    place.pointee.count = count
  }

  /// Forgets what the node has said.
  mutating func forget(_ name: UInt32) {
    guard Int(name) < capacity, let answers else { return }
    platform_free(answers[Int(name)].bytes)
    answers[Int(name)].bytes = nil
    answers[Int(name)].count = 0
  }

  /// The length of a shader's source with its NUL; nil when it is not known.
  func sourceLength(_ name: UInt32) -> Int32? {
    guard Int(name) < capacity, let answers, answers[Int(name)].sourceLength > 0 else { return nil }
    return answers[Int(name)].sourceLength
  }

  /// `length`: 0 when it is not known any more.
  mutating func keepSourceLength(_ name: UInt32, _ length: Int32) {
    if length == 0, Int(name) >= capacity { return }
    place(name)?.pointee.sourceLength = length
  }

  func free() {
    var i = 0
    while i < capacity {
      platform_free(answers?[i].bytes)
      i &+= 1
    }
    platform_free(answers)
  }
}

/// An answer, which is read from its start.
struct Reflection {
  private var reader: GLRecord
  let kind: UInt32
  private let values: UnsafeRawPointer?
  private let valueCount: Int
  let log: UnsafeRawPointer?
  let logLength: Int

  init(_ record: GLRecord) {
    reader = record
    kind = reader.u32()
    valueCount = kind == ReflectedKind.none ? 0 : Int(min(reader.u32(), 64))
    values = reader.take(valueCount &* 8)
    (log, logLength) =
      kind == ReflectedKind.none ? (nil, 0) : reader.array(minimumBytes: 0, field: "log")
  }

  /// A value of glGetShaderiv or glGetProgramiv; nil for one that is not told.
  func value(_ pname: UInt32) -> Int32? {
    guard let values else { return nil }
    var i = 0
    while i < valueCount {
      if values.get32(i &* 8) == pname { return Int32(bitPattern: values.get32(i &* 8 &+ 4)) }
      i &+= 1
    }
    return nil
  }

  /// A uniform variable, or an attribute, which has one location.
  struct Variable {
    var type: UInt32 = 0
    var size: Int32 = 0
    var name: UnsafeRawPointer?
    var nameLength = 0
    var locations: UnsafeRawPointer?
    var locationCount = 0

    func location(_ i: Int) -> Int32 {
      guard i < locationCount, let locations else { return -1 }
      return Int32(bitPattern: locations.get32(i &* 4))
    }
  }

  /// Calls `body` with every active uniform until it wants no more. False when they are not told.
  func forEachUniform(_ body: (Int, Variable) -> Bool) -> Bool {
    var r = reader
    guard kind == ReflectedKind.program, r.u32() == 1 else { return false }
    let count = Int(r.u32())
    var i = 0
    while i < count {
      let uniform = Reflection.uniform(&r)
      guard r.failure == nil else { return false }
      if !body(i, uniform) { return true }
      i &+= 1
    }
    return true
  }

  private static func uniform(_ r: inout GLRecord) -> Variable {
    var uniform = Variable()
    uniform.type = r.u32()
    uniform.size = r.i32()
    (uniform.name, uniform.nameLength) = r.array(minimumBytes: 0, field: "name")
    uniform.locationCount = Int(r.u32())
    uniform.locations = r.take(uniform.locationCount &* 4)
    return uniform
  }

  private func attributes() -> GLRecord? {
    var r = reader
    guard kind == ReflectedKind.program, r.u32() == 1 else { return nil }
    var left = Int(r.u32())
    while left > 0, r.failure == nil {
      _ = Reflection.uniform(&r)
      left &-= 1
    }
    return r.failure == nil ? r : nil
  }

  private static func attribute(_ r: inout GLRecord) -> Variable {
    var attribute = Variable()
    attribute.type = r.u32()
    attribute.size = r.i32()
    (attribute.name, attribute.nameLength) = r.array(minimumBytes: 0, field: "name")
    attribute.locations = r.take(4)
    attribute.locationCount = 1
    return attribute
  }

  /// The same for attributes.
  func forEachAttribute(_ body: (Int, Variable) -> Bool) -> Bool {
    guard var r = attributes() else { return false }
    let count = Int(r.u32())
    var i = 0
    while i < count {
      let attribute = Reflection.attribute(&r)
      guard r.failure == nil else { return false }
      if !body(i, attribute) { return true }
      i &+= 1
    }
    return true
  }

  /// The same for the names of uniform blocks.
  func forEachBlock(_ body: (Int, UnsafeRawPointer?, Int) -> Bool) -> Bool {
    guard var r = attributes() else { return false }
    var left = Int(r.u32())
    while left > 0, r.failure == nil {
      _ = Reflection.attribute(&r)
      left &-= 1
    }
    let count = Int(r.u32())
    var i = 0
    while i < count {
      let (name, length) = r.array(minimumBytes: 0, field: "name")
      guard r.failure == nil else { return false }
      if !body(i, name, length) { return true }
      i &+= 1
    }
    return true
  }
}

extension UnsafeMutablePointer<ContextState> {
  /// Calls `body` with what there is to know of a shader or a program, which the node is asked for when
  /// it is not known yet. False when nobody knows, or the object is not of `kind`: then the node is to
  /// be asked the question itself.
  func withReflection(_ name: UInt32, _ kind: UInt32, _ body: (Reflection) -> Bool) -> Bool {
    // Between Begin and End the driver has an error to raise.
    guard !pointee.shadow.pointee.isInBegin else { return false }
    let share = pointee.share
    share.pointee.lock.lock()
    if let known = share.pointee.reflections.answer(name) {
      defer { share.pointee.lock.unlock() }
      return known.kind == kind && body(known)
    }
    share.pointee.lock.unlock()
    guard name != 0, let call = beginCall(ControlOpcode.glReflect) else { return false }
    call.writer.pointee.begin(ControlOpcode.glReflect)
    call.writer.pointee.u32(call.ticket)
    call.writer.pointee.u32(0)
    call.writer.pointee.u32(name)
    call.writer.pointee.u32(0)
    call.writer.pointee.end()
    guard var reply = endCall(call) else { return false }
    let count = reply.remaining
    guard let bytes = reply.take(count) else {
      finishCall(call)
      return false
    }
    let new = Reflection(GLRecord(start: bytes, count: count))
    let isAnswered = new.kind == kind && body(new)
    if new.kind != ReflectedKind.none {
      share.pointee.lock.lock()
      share.pointee.reflections.keep(name, bytes, count)
      share.pointee.lock.unlock()
    }
    finishCall(call)
    return isAnswered
  }

  /// The length of a shader's source with its NUL; nil when the node is to be asked.
  func sourceLength(_ shader: UInt32) -> Int32? {
    let share = pointee.share
    share.pointee.lock.lock()
    defer { share.pointee.lock.unlock() }
    return share.pointee.reflections.sourceLength(shader)
  }

  /// `length`: 0 when it is not known any more.
  func keepSourceLength(_ shader: UInt32, _ length: Int32) {
    let share = pointee.share
    share.pointee.lock.lock()
    share.pointee.reflections.keepSourceLength(shader, length)
    share.pointee.lock.unlock()
  }

  /// What was known of an object is over.
  func forgetReflection(_ name: UInt32) {
    let share = pointee.share
    share.pointee.lock.lock()
    share.pointee.reflections.forget(name)
    share.pointee.lock.unlock()
  }
}
