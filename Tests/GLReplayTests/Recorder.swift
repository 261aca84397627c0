import CPlatform
import GLWire
import Wire

@testable import GLReplay

// A driver that draws nothing: it notes how it is called, reads every byte that a driver may read, and
// writes every byte that one may write. What no driver survives is a fault.

/// One call of a driver's function.
struct DriverCall {
  enum Argument: Equatable {
    /// By value: its bits, as a record has them.
    case value(UInt64)
    /// What was read; nil for NULL.
    case bytes([UInt8]?)
    case strings([[UInt8]])
    /// What was written; nil for NULL.
    case written([UInt8]?)
  }

  let name: StaticString
  var arguments: [Argument] = []
}

/// State of one context, as far as safety hangs on it (OpenGL 4.6, compatibility profile).
final class DriverState {
  /// A vertex array, by the slots of `glVertexData`.
  struct VertexArray {
    var isEnabled = false
    var pointer: UInt = 0
    /// 0: the pointer is an address.
    var buffer: UInt32 = 0
    var elementSize = 16
    var step = 16
    var divisor: UInt32 = 0
  }
  /// What glPushClientAttrib keeps.
  struct Saved {
    var mask: UInt32
    var unpack: PixelStore
    var vertexArray: UInt32
    var arrays: [Int: VertexArray]
    var buffer: UInt32
  }
  struct Mode {
    var buffer: UnsafeMutableRawPointer?
    var size = 0
  }

  var isES = false
  var version: (major: Int32, minor: Int32) = (4, 6)
  var isCore = false
  var errors: [UInt32] = []
  var inBegin = false
  var unpack = PixelStore()
  var bound: [UInt32: UInt32] = [:]
  var vertexArray: UInt32 = 0
  /// Of each vertex array object.
  var arrays: [UInt32: [Int: VertexArray]] = [:]
  var saved: [Saved] = []
  var activeTexture = 0
  var renderMode = GL.RENDER
  var feedback = Mode()
  var selection = Mode()
  var list: UInt32 = 0

  func raise(_ error: UInt32) { if !errors.contains(error) { errors.append(error) } }

  /// Begin and End have few commands between them.
  var isRefused: Bool {
    if inBegin { raise(GL.INVALID_OPERATION) }
    return inBegin
  }

  func buffer(_ target: UInt32) -> UInt32 { bound[target] ?? 0 }
}

/// A buffer object's store.
final class DriverBuffer {
  let bytes: UnsafeMutableRawBufferPointer
  var map: (offset: Int, length: Int, access: UInt32)?
  /// What lay in a map that may not be written.
  var before: [UInt8] = []

  init(_ size: Int) {
    bytes = .allocate(byteCount: max(size, 1), alignment: 64)
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    count = size
  }

  let count: Int

  deinit { bytes.deallocate() }
}

final class Recorder: @unchecked Sendable {
  /// Whether calls are kept. Without it arguments are read all the same.
  var isRecording = false
  private(set) var calls: [DriverCall] = []
  /// What is done about the first fault; nothing more is noted then.
  var onFault: (String) -> Void = { _ in }
  private(set) var fault: String?
  /// The record that is being replayed: what is read from it must lie in it whole.
  var record = UnsafeRawBufferPointer(start: nil, count: 0)
  /// Memory for results, and how much of it may be written.
  var results: () -> (whole: UnsafeRawBufferPointer, taken: Int)? = { nil }
  /// Seed of everything that a driver is free to answer.
  var dice: UInt64 = 1

  var state = DriverState()
  private(set) var contexts: [UnsafeMutableRawPointer: DriverState] = [:]
  var buffers: [UInt32: DriverBuffer] = [:]
  private var nextName: UInt32 = 1000
  private var current: StaticString = "nothing"
  private var functions: [String: UnsafeMutableRawPointer] = [:]
  /// By the address of a name, which is a constant of the program's.
  private var known: [UnsafePointer<CChar>: UnsafeMutableRawPointer?] = [:]

  /// Forgets everything but what it is to do about faults.
  func reset(dice: UInt64) {
    calls = []
    fault = nil
    record = UnsafeRawBufferPointer(start: nil, count: 0)
    results = { nil }
    self.dice = dice | 1
    state = DriverState()
    for handle in contexts.keys { handle.deallocate() }
    contexts = [:]
    buffers = [:]
    nextName = 1000
    current = "nothing"
  }

  func forgetCalls() { calls = [] }

  // MARK: Answers

  /// Any number below `limit`.
  func roll(_ limit: UInt64) -> UInt64 {
    dice ^= dice << 13
    dice ^= dice >> 7
    dice ^= dice << 17
    return (dice >> 11) % limit
  }

  func newName() -> UInt32 {
    nextName += 1
    return nextName
  }

  func result<Number: FixedWidthInteger>() -> Number {
    Number(truncatingIfNeeded: roll(8) == 0 ? roll(1 << 31) : roll(3))
  }
  func result() -> Float { Float(roll(100)) }

  // MARK: Calls

  func failed(_ what: String) {
    guard fault == nil else { return }
    let message = "\(current): \(what)"
    fault = message
    onFault(message)
  }

  func enter(_ name: StaticString) {
    current = name
    if isRecording { calls.append(DriverCall(name: name)) }
  }

  private func note(_ argument: @autoclosure () -> DriverCall.Argument) {
    if isRecording, !calls.isEmpty { calls[calls.count - 1].arguments.append(argument()) }
  }

  func value(_ value: UInt32) { note(.value(UInt64(value))) }
  func value(_ value: Int32) { note(.value(UInt64(UInt32(bitPattern: value)))) }
  func value(_ value: Float) { note(.value(UInt64(value.bitPattern))) }
  func value(_ value: Double) { note(.value(value.bitPattern)) }
  func value(_ value: UInt8) { note(.value(UInt64(value))) }
  func value(_ value: Int8) { note(.value(UInt64(UInt32(bitPattern: Int32(value))))) }
  func value(_ value: UInt16) { note(.value(UInt64(value))) }
  func value(_ value: Int16) { note(.value(UInt64(UInt32(bitPattern: Int32(value))))) }
  func value(_ value: Int64) { note(.value(UInt64(bitPattern: value))) }
  func value(_ value: UInt64) { note(.value(value)) }
  func value(_ value: Int) { note(.value(UInt64(bitPattern: Int64(value)))) }
  func pointer(_ p: UnsafeRawPointer?) { note(.value(UInt64(UInt(bitPattern: p)))) }
  /// A parameter that the node leaves to itself.
  func absent(_ p: UnsafeRawPointer?) {}
  func absent<T>(_ p: UnsafePointer<UnsafePointer<T>?>?) {}

  // MARK: Memory

  /// Reads `count` bytes, as far as they may be read.
  func touch(_ p: UnsafeRawPointer, _ count: Int) {
    guard count > 0 else { return }
    if let start = record.baseAddress, p >= start, p < start + record.count,
      count > start + record.count - p
    {
      return failed("reads \(count) bytes, of which \(start + record.count - p) are there")
    }
    var sum: UInt8 = 0
    for i in 0..<count { sum ^= p.load(fromByteOffset: i, as: UInt8.self) }
    lastByte = sum
  }
  private(set) var lastByte: UInt8 = 0

  private func copy(_ p: UnsafeRawPointer, _ count: Int) -> [UInt8] {
    Array(UnsafeRawBufferPointer(start: p, count: max(count, 0)))
  }

  func read(_ p: UnsafeRawPointer?, _ count: Int, isNullable: Bool = false) {
    guard let p else {
      if count > 0, !isNullable { failed("reads \(count) bytes at NULL") }
      return note(.bytes(nil))
    }
    touch(p, count)
    if fault == nil { note(.bytes(copy(p, count))) }
  }

  private func length(_ p: UnsafeRawPointer) -> Int {
    let most =
      record.baseAddress.map { p >= $0 && p < $0 + record.count ? $0 + record.count - p : Int.max }
      ?? Int.max
    var count = 0
    while count < most, p.load(fromByteOffset: count, as: UInt8.self) != 0 { count += 1 }
    if count == most { failed("reads a string that does not end") }
    return count
  }

  func string(_ p: UnsafeRawPointer?) {
    guard let p else { return failed("reads a string at NULL") }
    let count = length(p)
    if fault == nil { note(.bytes(copy(p, count + 1))) }
  }

  func text(_ p: UnsafeRawPointer?, _ length: Int32, isNullable: Bool) {
    guard let p, length < 0 else { return read(p, Int(length), isNullable: isNullable) }
    string(p)
  }

  func strings(_ list: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int) {
    guard count > 0 else { return note(.strings([])) }
    guard let list else { return failed("reads \(count) strings at NULL") }
    touch(list, count * 8)
    var all: [[UInt8]] = []
    for i in 0..<count where fault == nil {
      guard let p = list[i] else { return failed("reads string \(i) at NULL") }
      let size = length(p)
      if isRecording, fault == nil { all.append(copy(p, size + 1)) }
    }
    note(.strings(all))
  }

  /// Pixels, by the pixel store as the driver has it.
  func image(
    _ p: UnsafeRawPointer?, _ dimensions: Int, _ format: UInt32, _ type: UInt32, _ width: Int,
    _ height: Int, _ depth: Int
  ) {
    if state.buffer(GL.PIXEL_UNPACK_BUFFER) != 0 { return pointer(p) }
    guard let p, !state.inBegin else { return note(.bytes(nil)) }
    if format == GL.NONE, type == GL.NONE { return read(p, width) }
    let store = state.unpack
    guard width > 0, height > 0, depth > 0 else { return note(.bytes([])) }
    // Formats that a driver may know and the node does not.
    let size = type == GL.BITMAP ? 0 : max(glPixelSize(format, type), 0)
    guard size > 0 || type == GL.BITMAP else {
      touch(p, 16)
      return note(.bytes([]))
    }
    let pixels = store.rowLength > 0 ? Int(store.rowLength) : width
    let align = Int(store.alignment)
    let component = glComponentSize(type).bytes
    var row = type == GL.BITMAP ? (pixels + 7) / 8 : pixels * size
    if type == GL.BITMAP || component < align { row = (row + align - 1) / align * align }
    let rows = dimensions > 2 && store.imageHeight > 0 ? Int(store.imageHeight) : height
    let images = dimensions > 2 ? Int(store.skipImages) : 0
    var all: [UInt8] = []
    for z in 0..<depth {
      for y in 0..<height where fault == nil {
        let line = (images + z) * rows + Int(store.skipRows) + y
        let skipped = Int(store.skipPixels)
        let first = type == GL.BITMAP ? skipped / 8 : skipped * size
        let bytes = type == GL.BITMAP ? (width + skipped % 8 + 7) / 8 : width * size
        touch(p + line * row + first, bytes)
        if isRecording, fault == nil { all += copy(p + line * row + first, bytes) }
      }
    }
    note(.bytes(all))
  }

  /// Fills `count` bytes.
  func write(_ p: UnsafeMutableRawPointer?, _ count: Int) {
    fill(p, count)
    note(.written(p.map { copy($0, count) }))
  }

  func fill(_ p: UnsafeMutableRawPointer?, _ count: Int) {
    guard count > 0 else { return }
    guard let p else { return failed("writes \(count) bytes at NULL") }
    if let (whole, taken) = results(), let start = whole.baseAddress, Raw(p) >= start,
      Raw(p) < start + whole.count
    {
      let left = start + taken - Raw(p)
      if count > left { return failed("writes \(count) bytes, of which \(left) are there") }
    }
    p.initializeMemory(
      as: UInt8.self, repeating: UInt8(truncatingIfNeeded: roll(200) + 1), count: count)
  }

  /// A string in `size` bytes.
  func writeString(_ p: UnsafeMutableRawPointer?, _ size: Int) {
    guard size > 0, let p else { return note(.written(p == nil ? nil : [])) }
    fill(p, size)
    guard fault == nil else { return }
    p.storeBytes(of: 0, toByteOffset: size - 1, as: UInt8.self)
    note(.written(copy(p, size)))
  }

  /// Names that the node may know, and some that it does not: no more than there are.
  func writeNames(_ p: UnsafeMutablePointer<UInt32>?, _ kind: NameKind, _ count: Int) {
    let count = min(count, 16)
    fill(p, glProduct(count, 4))
    if let p, fault == nil {
      for i in 0..<max(count, 0) { p[i] = driverName(kind, UInt32(i)) }
    }
    note(.written(p.map { copy($0, glProduct(count, 4)) }))
  }

  /// As much as a driver likes to say.
  func probe(_ p: UnsafeMutableRawPointer?, _ element: Int) {
    // Both times the same.
    var hash: UInt64 = 0
    current.withUTF8Buffer { for byte in $0 { hash = hash &* 31 &+ UInt64(byte) } }
    let before = dice
    dice = hash | 1
    write(p, element * (1 + Int(roll(4))))
    dice = before
  }

  func makeNames(_ p: UnsafeMutablePointer<UInt32>?, _ count: Int32) {
    fill(p, glProduct(Int(count), 4))
    guard let p, fault == nil, count > 0 else { return }
    for i in 0..<Int(count) { p[i] = newName() }
  }

  // MARK: EGL

  /// The name that tests give the driver's object behind a client's.
  func driverName(_ kind: NameKind, _ client: UInt32) -> UInt32 {
    client == 0 ? 0 : 100_000 * (UInt32(kind.rawValue) + 1) + client
  }

  func function(_ name: UnsafePointer<CChar>) -> UnsafeMutableRawPointer? {
    if let found = known[name] { return found }
    if functions.isEmpty {
      addStubs(&functions)
      addOwnStubs(&functions)
    }
    let spelled = String(cString: name)
    let found = functions[spelled]
    // OpenGL's names are constants; others may be in passing memory.
    if spelled.hasPrefix("gl") { known[name] = .some(found) }
    return found
  }

  func makeContext(_ attributes: UnsafePointer<Int32>?, isES: Bool) -> UnsafeMutableRawPointer {
    let made = DriverState()
    made.isES = isES
    made.version = isES ? (3, 2) : (4, 6)
    var i = 0
    while let attributes, attributes[i] != EGL.none {
      let value = attributes[i + 1]
      if attributes[i] == EGL.majorVersion, value > 0, value < (isES ? 2 : 3) {
        made.version = (value, isES ? 1 : 1)
      }
      if attributes[i] == EGL.profileMask, value & 1 != 0 { made.isCore = true }
      i += 2
    }
    let handle = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 16)
    contexts[handle] = made
    return handle
  }

  func makeCurrent(_ context: UnsafeMutableRawPointer?) -> Bool {
    guard let context else {
      state = DriverState()
      return true
    }
    guard let found = contexts[context] else { return false }
    state = found
    return true
  }

  func destroyContext(_ context: UnsafeMutableRawPointer?) -> Bool {
    guard let context, contexts.removeValue(forKey: context) != nil else { return false }
    context.deallocate()
    return true
  }

  /// As EGL gives it to the node.
  static let driver: Result<EGLDriver, GLUnavailable> = {
    do throws(GLUnavailable) {
      return .success(try EGLDriver(EGLFunctions.recording))
    } catch { return .failure(error) }
  }()
}

let recorder = Recorder()

/// The API that contexts are made of next.
nonisolated(unsafe) private var boundAPI: UInt32 = EGL.openGLAPI
private let extensionText: StaticString =
  "EGL_KHR_surfaceless_context EGL_KHR_no_config_context EGL_KHR_create_context"

/// A C string that lives as long as the program.
func text(_ string: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(string.utf8Start).assumingMemoryBound(to: CChar.self)
}

extension EGLFunctions {
  static var recording: EGLFunctions {
    EGLFunctions(
      getProcAddress: { recorder.function($0) },
      getDisplay: { _ in UnsafeMutableRawPointer(bitPattern: 64) },
      initialize: { _, major, minor in
        (major.pointee, minor.pointee) = (1, 5)
        return 1
      }, queryString: { _, _ in text(extensionText) }, getError: { EGL.badMatch },
      bindAPI: { api in
        boundAPI = api
        return 1
      }, chooseConfig: { _, _, _, _, _ in 0 },
      createContext: { _, _, _, attributes in
        recorder.makeContext(attributes, isES: boundAPI == EGL.openGLESAPI)
      }, destroyContext: { recorder.destroyContext($1) ? 1 : 0 },
      makeCurrent: { recorder.makeCurrent($3) ? 1 : 0 }, releaseThread: { 1 },
      createImage: { _, _, _, _, _ in UnsafeMutableRawPointer(bitPattern: 128) },
      destroyImage: { _, _ in 1 })
  }
}
