/// What was wrong with a field.
public enum DecodeFailure: UInt8 {
  /// Nothing.
  case none
  /// The record ends inside the field.
  case truncated
  /// The field has more elements than the record can hold, or not as many as its length says.
  case count
  /// The id is unknown, of another kind, or null where that is not allowed.
  case handle
  /// The value is none that the registry knows.
  case enumerant
  /// A chain is malformed or too deep.
  case chain
  /// The record needs more memory than the limit.
  case arena
  /// A string holds a NUL byte.
  case string
  /// A pointer is null that must not be.
  case missing

  /// End of the sentence "Field … ".
  public var sentence: StaticString {
    switch self {
    case .none: "is right"
    case .truncated: "is truncated"
    case .count: "has a wrong element count"
    case .handle: "names no such object"
    case .enumerant: "has an unknown value"
    case .chain: "has a malformed chain"
    case .arena: "needs more memory than the limit"
    case .string: "is no string"
    case .missing: "is null"
    }
  }
}

/// Decodes one record, checking everything: no bytes make it trap or read outside.
///
/// The first failure stays; every read after it gives zeros and empty arrays, so that generated
/// code checks once, at the end. Plain old data. Thread-safety: none.
///
/// The bytes must not change while they are read: whoever shares them with their writer copies
/// them first.
public struct Reader {
  @usableFromInline var cursor: UnsafeRawPointer
  @usableFromInline var end: UnsafeRawPointer
  /// Where decoded structures and arrays lie.
  public let arena: UnsafeMutablePointer<Arena>
  /// Maps ids to driver handles; without it ids are read as they are.
  public let handles: UnsafePointer<HandleTable>?
  /// The first field that was wrong, such as "VkBufferCreateInfo.pQueueFamilyIndices".
  public private(set) var failure: StaticString?
  /// What was wrong with it.
  public private(set) var failureReason: DecodeFailure
  /// Chains inside chains.
  private var depth: Int32
  /// Where a reader without a table notes the places of ids; nil when nobody asks for them.
  private let places: UnsafeMutablePointer<IDPlaces>?

  /// A reader on `bytes`, which begin at a multiple of 4.
  public init(
    _ bytes: UnsafeRawBufferPointer, arena: UnsafeMutablePointer<Arena>,
    handles: UnsafePointer<HandleTable>?
  ) {
    // An empty buffer has no address; any other stands for it.
    let start: UnsafeRawPointer = bytes.baseAddress ?? UnsafeRawPointer(arena)
    self.cursor = start
    self.end = start + bytes.count
    self.arena = arena
    self.handles = handles
    self.failure = nil
    self.failureReason = .none
    self.depth = 0
    self.places = nil
  }

  /// A reader that decodes to find out where the ids lie. It knows no table: ids are read as they
  /// are, and the place of each goes to `places`.
  public init(
    _ bytes: UnsafeRawBufferPointer, arena: UnsafeMutablePointer<Arena>,
    places: UnsafeMutablePointer<IDPlaces>
  ) {
    let start: UnsafeRawPointer = bytes.baseAddress ?? UnsafeRawPointer(arena)
    self.cursor = start
    self.end = start + bytes.count
    self.arena = arena
    self.handles = nil
    self.failure = nil
    self.failureReason = .none
    self.depth = 0
    self.places = places
  }

  /// Bytes that are left.
  @inlinable
  public var remaining: Int { end - cursor }

  /// Marks `field` as wrong, unless another was before it.
  @inline(never)
  public mutating func fail(_ reason: DecodeFailure, _ field: StaticString) {
    if failure == nil {
      failure = field
      failureReason = reason
    }
    cursor = end
  }

  /// Steps over `count` bytes and returns them; nil (and a failure) when there are fewer.
  @inlinable
  public mutating func take(_ count: Int, _ field: StaticString) -> UnsafeRawPointer? {
    guard count >= 0, end - cursor >= count else {
      fail(.truncated, field)
      return nil
    }
    let start: UnsafeRawPointer = cursor
    cursor = start + count
    return start
  }

  // MARK: Fields

  @inlinable
  public mutating func u32(_ field: StaticString) -> UInt32 {
    guard let p = take(4, field) else { return 0 }
    return p.get32(0)
  }

  @inlinable
  public mutating func i32(_ field: StaticString) -> Int32 { Int32(bitPattern: u32(field)) }

  @inlinable
  public mutating func u64(_ field: StaticString) -> UInt64 {
    guard let p = take(8, field) else { return 0 }
    return p.get64(0)
  }

  @inlinable
  public mutating func f32(_ field: StaticString) -> Float { Float(bitPattern: u32(field)) }

  /// The driver's handle for the id at `place`, inside what `take` gave: 0 for a null id, where
  /// `optional` allows it.
  public mutating func resolve(
    _ place: UnsafeRawPointer, _ kind: HandleKind, optional: Bool, _ field: StaticString
  ) -> UInt64 {
    let id: UInt64 = place.get64(0)
    if handles == nil { note(place) }
    if id == 0 {
      if !optional { fail(.handle, field) }
      return 0
    }
    guard let handles else { return id }
    guard let handle = handles.pointee.resolve(id, kind) else {
      fail(.handle, field)
      return 0
    }
    return handle
  }

  /// Tells who wants to know that an id lies at `place`.
  public func note(_ place: UnsafeRawPointer) { places?.pointee.add(place) }

  /// An id, as the driver's handle.
  public mutating func handle(
    _ kind: HandleKind, optional: Bool, _ field: StaticString
  ) -> OpaquePointer? {
    guard let p = take(8, field) else { return nil }
    return handlePointer(resolve(p, kind, optional: optional, field))
  }

  /// A count, checked against the bytes that are left: each element takes `elementMinimumBytes`.
  public mutating func count(_ elementMinimumBytes: Int, _ field: StaticString) -> Int {
    guard let p = take(4, field) else { return 0 }
    let count = Int(p.get32(0))
    guard count <= remaining / max(elementMinimumBytes, 4) else {
      fail(.count, field)
      return 0
    }
    return count
  }

  /// 0 or 1: whether an optional structure follows.
  public mutating func presence(_ field: StaticString) -> Bool {
    let value: UInt32 = u32(field)
    if value > 1 { fail(.count, field) }
    return value == 1
  }

  /// Zeroed memory for `count` elements; nil for none, or when the limit is reached.
  public mutating func room(
    _ count: Int, _ stride: Int, _ field: StaticString
  ) -> UnsafeMutableRawPointer? {
    guard count > 0 else { return nil }
    let (size, overflow) = count.multipliedReportingOverflow(by: stride)
    guard !overflow, let p = arena.pointee.allocate(size) else {
      fail(.arena, field)
      return nil
    }
    return p
  }

  /// An array whose bytes are its memory; nil when empty. `found` is its count.
  public mutating func array(
    _ stride: Int, _ field: StaticString, _ found: inout Int
  ) -> UnsafeMutableRawPointer? {
    let n: Int = byteArrayCount(stride, field)
    found = n
    guard n > 0, let to = room(n, stride, field) else { return nil }
    let size: Int = n &* stride
    guard let p = take((size + 3) & ~3, field) else {
      found = 0
      return nil
    }
    to.copyMemory(from: p, byteCount: size)
    return to
  }

  /// Like `count`, for elements that may be narrower than 4 bytes.
  private mutating func byteArrayCount(_ stride: Int, _ field: StaticString) -> Int {
    guard let p = take(4, field) else { return 0 }
    let count = Int(p.get32(0))
    guard count <= remaining / max(stride, 1) else {
      fail(.count, field)
      return 0
    }
    return count
  }

  /// An array of ids, as driver handles; nil when empty.
  public mutating func handleArray(
    _ kind: HandleKind, optional: Bool, _ field: StaticString, _ found: inout Int
  ) -> UnsafeMutablePointer<OpaquePointer?>? {
    let n: Int = count(8, field)
    found = n
    guard let to = room(n, 8, field), let p = take(n &* 8, field) else {
      found = 0
      return nil
    }
    let handles = to.bindMemory(to: OpaquePointer?.self, capacity: n)
    for i: Int in 0..<n {
      handles[i] = handlePointer(resolve(p + i &* 8, kind, optional: optional, field))
    }
    return handles
  }

  /// A C string with its NUL, in the arena; nil for NULL, which only `optional` allows.
  public mutating func string(
    optional: Bool, _ field: StaticString
  ) -> UnsafeMutablePointer<CChar>? {
    let length: UInt32 = u32(field)
    if length == UInt32.max {
      if !optional { fail(.missing, field) }
      return nil
    }
    let n = Int(length)
    guard n <= remaining else {
      fail(.truncated, field)
      return nil
    }
    guard let p = take((n + 3) & ~3, field), let to = room(n &+ 1, 1, field) else { return nil }
    for i: Int in 0..<n where p.load(fromByteOffset: i, as: UInt8.self) == 0 {
      fail(.string, field)
      return nil
    }
    to.copyMemory(from: p, byteCount: n)
    return to.bindMemory(to: CChar.self, capacity: n &+ 1)
  }

  /// An array of C strings; nil when empty.
  public mutating func stringArray(
    _ field: StaticString, _ found: inout Int
  ) -> UnsafeMutablePointer<UnsafePointer<CChar>?>? {
    let n: Int = count(4, field)
    found = n
    guard let to = room(n, 8, field) else { return nil }
    let strings = to.bindMemory(to: UnsafePointer<CChar>?.self, capacity: n)
    for i: Int in 0..<n {
      strings[i] = string(optional: false, field).map { UnsafePointer<CChar>($0) }
    }
    return strings
  }

  // MARK: Parts

  /// Narrows the reader to the next `count` bytes. Returns the end to give back to `leave`; nil
  /// (and a failure) when there are fewer, or when parts lie too deep in parts.
  public mutating func enter(_ count: UInt32, _ field: StaticString) -> UnsafeRawPointer? {
    guard Int(count) <= remaining, depth < 16 else {
      fail(.chain, field)
      return nil
    }
    let outer: UnsafeRawPointer = end
    end = cursor + Int(count)
    depth &+= 1
    return outer
  }

  /// Ends what `enter` began; the part must have been read to its end.
  public mutating func leave(_ outer: UnsafeRawPointer, _ field: StaticString) {
    if cursor != end { fail(.chain, field) }
    end = outer
    depth &-= 1
    if failure != nil { cursor = end }
  }
}
