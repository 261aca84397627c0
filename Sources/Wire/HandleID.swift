/// The kind of an object: the 8 bits of an id that say what it names. Each vocabulary adds its own
/// (`VulkanWire` from the registry), so this is an open set of numbers and no enumeration.
@frozen
public struct HandleKind: Equatable {
  public let rawValue: UInt8

  @inlinable
  public init(rawValue: UInt8) { self.rawValue = rawValue }
}

/// The parts of an object id.
///
/// ```
///  63            40 39      32 31             0
/// +----------------+----------+----------------+
/// |   generation   |   kind   |  index, from 1 |
/// +----------------+----------+----------------+
/// ```
///
/// 0 is VK_NULL_HANDLE. The client makes every id; an index is used again after a destroy, with a
/// greater generation.
public enum HandleID {
  /// Puts an id together; the parts are cut to their width.
  @inlinable
  public static func make(generation: UInt32, kind: HandleKind, index: UInt32) -> UInt64 {
    (UInt64(generation & 0xFF_FFFF) &<< 40) | (UInt64(kind.rawValue) &<< 32) | UInt64(index)
  }

  /// Dense number of the object among all of its connection, from 1.
  @inlinable
  public static func index(of id: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: id) }

  /// What the id names.
  @inlinable
  public static func kind(of id: UInt64) -> HandleKind {
    HandleKind(rawValue: UInt8(truncatingIfNeeded: id &>> 32))
  }

  /// How often the index has been given out before, modulo 2^24.
  @inlinable
  public static func generation(of id: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: id &>> 40) }
}

/// The id of a dispatchable object of ours: word 1 of what the handle points to (word 0 is the
/// loader's). 0 for a null handle.
@inlinable
public func wireID(of handle: OpaquePointer?) -> UInt64 {
  guard let handle else { return 0 }
  return UnsafeRawPointer(handle).load(fromByteOffset: 8, as: UInt64.self)
}

/// The id of a non-dispatchable object: the handle itself.
@inlinable
public func handleID(_ handle: OpaquePointer?) -> UInt64 { UInt64(UInt(bitPattern: handle)) }

/// The handle whose bits are `value`: a driver's handle, or an id.
@inlinable
public func handlePointer(_ value: UInt64) -> OpaquePointer? {
  OpaquePointer(bitPattern: UInt(truncatingIfNeeded: value))
}
