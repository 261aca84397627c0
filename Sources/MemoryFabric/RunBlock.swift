internal import CPlatform

// A block of byte runs on the wire:
//
// ```
//  0          4        8           12            16
//  +----------+--------+-----------+-------------+------------------+-------+
//  | runCount | codec  | byteCount | packedCount | packed bytes     | 0 pad |   to a multiple of 8
//  +----------+--------+-----------+-------------+------------------+-------+
//
//  unpacked, byteCount bytes:   gap, count | gap, count | …   and then the bytes of all runs
// ```
//
// `gap` is from the end of the run before (from 0 for the first), zigzag, and `count` as it is, both
// LEB128: two or three bytes where a page was written here and there, which is the common case.
// Places and bytes are apart from each other because each packs better without the other.

/// Gathers runs and makes blocks of them. Thread-safety: none. Owns memory: `free`.
public struct RunEncoder {
  private var places = Bytes()
  private var contents = Bytes()
  private var packed = Bytes()
  private var packer = Packer()
  private var end: UInt64 = 0
  public private(set) var runCount: UInt32 = 0

  /// Bytes after which a block should be finished. The decoder's limit is more.
  public static var enough: Int { 1 << 20 }

  public init() {}

  public mutating func free() {
    places.free()
    contents.free()
    packed.free()
    packer.free()
  }

  /// Bytes that the block has so far, unpacked.
  public var byteCount: Int { places.count &+ contents.count }
  public var isFull: Bool { byteCount >= RunEncoder.enough }

  /// Adds a run. False without memory; the block cannot be finished then.
  public mutating func append(_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let start = bytes.baseAddress, bytes.count > 0 else { return true }
    let gap = Int64(bitPattern: offset &- end)
    guard let place = places.room(20), let content = contents.room(bytes.count) else {
      return false
    }
    var used = RunEncoder.put(UInt64(bitPattern: (gap << 1) ^ (gap >> 63)), place)
    used &+= RunEncoder.put(UInt64(bytes.count), place + used)
    places.count &+= used
    content.copyMemory(from: start, byteCount: bytes.count)
    contents.count &+= bytes.count
    end = offset &+ UInt64(bytes.count)
    runCount &+= 1
    return true
  }

  private static func put(_ value: UInt64, _ place: UnsafeMutableRawPointer) -> Int {
    var rest = value
    var i = 0
    while rest >= 0x80 {
      place.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: i, as: UInt8.self)
      rest >>= 7
      i &+= 1
    }
    place.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: i, as: UInt8.self)
    return i &+ 1
  }

  /// Finishes the block and begins the next: calls `write` with its pieces, header, bytes and
  /// padding, in order. False when there are no runs, or was no memory.
  public mutating func finish(
    _ chooser: CodecChooser, _ write: (_ piece: UnsafeRawBufferPointer) -> Void
  ) -> Bool {
    defer { reset() }
    guard runCount > 0, let tail = places.room(contents.count), let data = contents.start,
      let start = places.start
    else { return false }
    tail.copyMemory(from: data, byteCount: contents.count)
    let count = places.count &+ contents.count
    let block = UnsafeRawBufferPointer(start: start, count: count)
    var body = block
    var codec = BlockCodec.raw
    if let room = packed.whole(max(count, CodecChooser.roomSize)) {
      let choice = chooser.choose(block, room: room)
      if choice != .raw {
        // What does not get smaller by a sixteenth stays as it is.
        let size = packer.pack(
          choice, block,
          into: UnsafeMutableRawBufferPointer(start: room, count: count &- count / 16))
        if size > 0 {
          codec = choice
          body = UnsafeRawBufferPointer(start: room, count: size)
        }
      }
    }
    var header = (
      runCount, codec.rawValue, UInt32(truncatingIfNeeded: count),
      UInt32(truncatingIfNeeded: body.count)
    )
    withUnsafeBytes(of: &header) { write($0) }
    write(body)
    var zero: UInt64 = 0
    let padding = -body.count & 7
    withUnsafeBytes(of: &zero) { write(UnsafeRawBufferPointer(rebasing: $0[..<padding])) }
    return true
  }

  /// Gives the runs back one by one, in order, and begins the next block.
  public mutating func take(
    _ body: (_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Void
  ) {
    defer { reset() }
    guard let start = places.start, let data = contents.start else { return }
    let block = UnsafeRawBufferPointer(start: start, count: places.count)
    var position = 0
    var content = 0
    var end: UInt64 = 0
    for _ in 0..<runCount {
      guard let place = RunDecoder.place(block, &position, after: end) else { return }
      body(
        place.offset, UnsafeRawBufferPointer(start: data + content, count: Int(place.count)))
      content &+= Int(place.count)
      end = place.offset &+ place.count
    }
  }

  private mutating func reset() {
    places.count = 0
    contents.count = 0
    end = 0
    runCount = 0
  }
}

/// Takes blocks apart that anybody may have made. Thread-safety: none. Owns memory: `free`.
public struct RunDecoder {
  private var room = Bytes()
  private var packer = Packer()

  /// No block has more bytes unpacked.
  public static var largestBlock: Int { 16 << 20 }

  public init() {}

  public mutating func free() {
    room.free()
    packer.free()
  }

  /// Calls `body` with each run of the block at the start of `bytes`, in order, until it says false.
  /// Nil when it did or the block makes no sense, and then some of its runs may have been given;
  /// else the size of the block.
  public mutating func forEachRun(
    _ bytes: UnsafeRawBufferPointer,
    _ body: (_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Bool
  ) -> Int? {
    guard bytes.count >= 16 else { return nil }
    let runCount = bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self)
    let codec = BlockCodec(rawValue: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    let count = Int(bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
    let packedCount = Int(bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
    let padded = (packedCount &+ 7) & ~7
    guard let codec, padded <= bytes.count &- 16, count <= RunDecoder.largestBlock else {
      return nil
    }
    var block = UnsafeRawBufferPointer(rebasing: bytes[16..<16 &+ packedCount])
    if codec == .raw {
      guard packedCount == count else { return nil }
    } else {
      guard count > 0, let place = room.whole(count),
        packer.unpack(codec, block, into: UnsafeMutableRawBufferPointer(start: place, count: count))
      else { return nil }
      block = UnsafeRawBufferPointer(start: place, count: count)
    }
    // Twice over the places: the bytes begin where they end.
    var position = 0
    for _ in 0..<runCount {
      guard RunDecoder.get(block, &position) != nil, RunDecoder.get(block, &position) != nil else {
        return nil
      }
    }
    var content = position
    position = 0
    var end: UInt64 = 0
    for _ in 0..<runCount {
      guard let (offset, length) = RunDecoder.place(block, &position, after: end),
        length <= UInt64(block.count &- content)
      else { return nil }
      let (after, overflow) = offset.addingReportingOverflow(length)
      guard !overflow,
        body(
          offset, UnsafeRawBufferPointer(rebasing: block[content..<content &+ Int(length)]))
      else { return nil }
      content &+= Int(length)
      end = after
    }
    return content == block.count ? 16 &+ padded : nil
  }

  /// The next gap and count.
  fileprivate static func place(
    _ block: UnsafeRawBufferPointer, _ position: inout Int, after end: UInt64
  ) -> (offset: UInt64, count: UInt64)? {
    guard let gap = get(block, &position), let count = get(block, &position) else { return nil }
    return (end &+ UInt64(bitPattern: Int64(bitPattern: gap >> 1) ^ -Int64(gap & 1)), count)
  }

  private static func get(_ block: UnsafeRawBufferPointer, _ position: inout Int) -> UInt64? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < block.count, shift < 64 {
      let byte = block[position]
      position &+= 1
      // The tenth byte has one bit left.
      guard shift < 63 || byte <= 1 else { return nil }
      value |= UInt64(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return value }
      shift &+= 7
    }
    return nil
  }
}

/// Memory that grows and is kept. Plain data.
private struct Bytes {
  private(set) var start: UnsafeMutableRawPointer?
  var count = 0
  private var capacity = 0

  /// Room for `more` bytes behind what is there; nil without memory.
  mutating func room(_ more: Int) -> UnsafeMutableRawPointer? {
    if capacity &- count < more {
      let wanted = max(count &+ more, capacity &* 2, 4096)
      guard let grown = platform_realloc(start, wanted) else { return nil }
      start = grown
      capacity = wanted
    }
    return start.map { $0 + count }
  }

  /// `count` bytes from the start, with no regard to what is there.
  mutating func whole(_ count: Int) -> UnsafeMutableRawPointer? {
    self.count = 0
    return room(count)
  }

  mutating func free() {
    platform_free(start)
    start = nil
    count = 0
    capacity = 0
  }
}
