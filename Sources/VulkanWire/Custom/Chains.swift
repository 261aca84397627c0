// pNext chains: `u32 entryCount`, then `u32 sType, u32 byteCount, body` each. A structure in a
// chain has sType at byte 0 and pNext at byte 8.
//
// Every list of what may extend what comes from the registry, and no structure can come to stand
// in its own chain: so decoding ends, whatever the bytes say.

import CVulkan
import Wire

/// The chain of a structure that nothing extends.
@inline(__always)
func nothing(_ sType: UInt32) -> Bool { false }

/// Longer chains than this are cut: no program has them, and one that is a circle ends.
private var longestChain: Int { 256 }

private func next(_ s: UnsafeRawPointer) -> UnsafeRawPointer? {
  s.load(fromByteOffset: 8, as: UnsafeRawPointer?.self)
}

/// Encodes what stands in the chain of `s` and is known; the rest is left out.
func encodeChain(
  _ w: inout Writer, _ s: UnsafeRawPointer, _ mayExtend: (UInt32) -> Bool
) {
  let countAt: Int = w.offset
  w.u32(0)
  var count: UInt32 = 0
  var entry: UnsafeRawPointer? = next(s)
  var seen: Int = 0
  while let e = entry, seen < longestChain {
    let sType: UInt32 = e.get32(0)
    if mayExtend(sType) {
      w.u32(sType)
      let sizeAt: Int = w.offset
      w.u32(0)
      encodeChained(&w, sType, e)
      w.patch(sizeAt, UInt32(truncatingIfNeeded: w.offset &- sizeAt &- 4))
      count &+= 1
    }
    entry = next(e)
    seen &+= 1
  }
  if count != 0 { w.patch(countAt, count) }
}

/// Decodes a chain into zeroed structures and hangs it on `s`; skips what is not known.
func decodeChain(
  _ r: inout Reader, _ s: UnsafeMutableRawPointer, _ mayExtend: (UInt32) -> Bool,
  _ field: StaticString
) {
  let count: Int = r.count(8, field)
  var last: UnsafeMutableRawPointer = s
  for _: Int in 0..<count {
    let sType: UInt32 = r.u32(field)
    let byteCount: UInt32 = r.u32(field)
    guard mayExtend(sType) else {
      _ = r.take(Int(byteCount), field)
      continue
    }
    guard let outer = r.enter(byteCount, field) else { return }
    guard let entry = r.room(1, chainedSize(sType), field) else { return }
    entry.put32(sType, 0)
    decodeChained(&r, sType, entry)
    r.leave(outer, field)
    last.putPointer(entry, 8)
    last = entry
  }
}

/// Encodes which structures the chain of `s` holds, without their contents.
func encodeShape(
  _ w: inout Writer, _ s: UnsafeRawPointer, _ mayExtend: (UInt32) -> Bool
) {
  let countAt: Int = w.offset
  w.u32(0)
  var count: UInt32 = 0
  var entry: UnsafeRawPointer? = next(s)
  var seen: Int = 0
  while let e = entry, seen < longestChain {
    let sType: UInt32 = e.get32(0)
    if mayExtend(sType) {
      w.u32(sType)
      count &+= 1
    }
    entry = next(e)
    seen &+= 1
  }
  if count != 0 { w.patch(countAt, count) }
}

/// Makes the zeroed structures that a shape names and hangs them on `s`.
func decodeShape(
  _ r: inout Reader, _ s: UnsafeMutableRawPointer, _ mayExtend: (UInt32) -> Bool,
  _ field: StaticString
) {
  let count: Int = r.count(4, field)
  var last: UnsafeMutableRawPointer = s
  for _: Int in 0..<count {
    let sType: UInt32 = r.u32(field)
    guard mayExtend(sType) else { continue }
    guard let entry = r.room(1, chainedSize(sType), field) else { return }
    entry.put32(sType, 0)
    last.putPointer(entry, 8)
    last = entry
  }
}

/// Decodes a chain into the structures that the chain of `s` already has: each into the first of
/// its sType. What the caller has not asked for is skipped.
func decodeChainInto(
  _ r: inout Reader, _ s: UnsafeMutableRawPointer, _ mayExtend: (UInt32) -> Bool,
  _ field: StaticString
) {
  let count: Int = r.count(8, field)
  for _: Int in 0..<count {
    let sType: UInt32 = r.u32(field)
    let byteCount: UInt32 = r.u32(field)
    guard mayExtend(sType), let entry = find(sType, s) else {
      _ = r.take(Int(byteCount), field)
      continue
    }
    guard let outer = r.enter(byteCount, field) else { return }
    decodeChained(&r, sType, entry)
    r.leave(outer, field)
  }
}

private func find(
  _ sType: UInt32, _ s: UnsafeMutableRawPointer
) -> UnsafeMutableRawPointer? {
  var entry: UnsafeRawPointer? = next(s)
  var seen: Int = 0
  while let e = entry, seen < longestChain {
    if e.get32(0) == sType { return UnsafeMutableRawPointer(mutating: e) }
    entry = next(e)
    seen &+= 1
  }
  return nil
}

/// The first structure of this type in the chain of `s`.
func chained<T>(_ sType: VkStructureType, of s: UnsafeRawPointer, as: T.Type) -> UnsafePointer<T>? {
  find(sType.rawValue, UnsafeMutableRawPointer(mutating: s)).map {
    UnsafePointer($0.assumingMemoryBound(to: T.self))
  }
}

// MARK: Members by offset

@inline(__always)
func member(_ s: UnsafeRawPointer, _ offset: Int) -> UnsafeRawPointer { s + offset }

@inline(__always)
func member<T>(_ s: UnsafeRawPointer, _ offset: Int, as: T.Type) -> UnsafePointer<T> {
  (s + offset).assumingMemoryBound(to: T.self)
}

@inline(__always)
func mutableMember<T>(
  _ s: UnsafeMutableRawPointer, _ offset: Int, as: T.Type
) -> UnsafeMutablePointer<T> {
  (s + offset).assumingMemoryBound(to: T.self)
}

@inline(__always)
func typed<T>(_ p: UnsafeMutableRawPointer?) -> UnsafePointer<T>? {
  p.map { UnsafePointer($0.assumingMemoryBound(to: T.self)) }
}

@inline(__always)
func typedMutable<T>(_ p: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<T>? {
  p.map { $0.assumingMemoryBound(to: T.self) }
}

extension UnsafeRawPointer {
  /// The dispatchable handle that lies here.
  @inline(__always)
  var handle: OpaquePointer? { load(as: OpaquePointer?.self) }

  /// A number of 1 or 2 bytes, as 4.
  func widened(_ size: Int, _ signed: Bool) -> UInt32 {
    switch (size, signed) {
    case (1, false): UInt32(load(as: UInt8.self))
    case (1, true): UInt32(bitPattern: Int32(load(as: Int8.self)))
    case (2, false): UInt32(load(as: UInt16.self))
    default: UInt32(bitPattern: Int32(load(as: Int16.self)))
    }
  }
}
