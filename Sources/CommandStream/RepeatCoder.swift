internal import CPlatform
internal import Ring
internal import Wire

/// Records of OpenGL that both ends of a channel hold: a program sends most of what it sends for a
/// frame again for the next one, commands and vertices alike.
///
/// Every record of OpenGL that travels as it is is kept at both ends, in a ring of bytes, so that
/// positions mean the same there and nobody has to tell the other what was forgotten. What was sent
/// before, one record or a run of them, travels as its place (`RepeatRecord`).
struct RepeatStore: ~Copyable {
  /// Bytes of the ring. Part of the protocol, as is the largest record that is kept.
  static let limit = 16 << 20
  static let largest = 1 << 20

  private let size: Int
  private var ring: UnsafeMutableRawPointer?
  /// Bytes that were kept since the start, with the gaps at the ring's end.
  private(set) var head: UInt64 = 0

  /// `size`: a power of two.
  init(size: Int = RepeatStore.limit) { self.size = size }

  deinit { if let ring { platform_unmap(ring, size) } }

  /// Whether records with this opcode are kept.
  static func keeps(_ opcode: UInt32) -> Bool {
    opcode >= 0x1_0000 || opcode >= ControlOpcode.openContext && opcode < 0x180
  }

  /// Keeps a record; its place, or nil when it is too large, or without memory.
  mutating func add(_ record: UnsafeRawBufferPointer) -> UInt64? {
    guard let from = record.baseAddress, record.count <= min(RepeatStore.largest, size / 16) else {
      return nil
    }
    if ring == nil { ring = platform_map_private(size) }
    guard let ring else { return nil }
    let left = size - Int(head & UInt64(size - 1))
    if record.count > left { head &+= UInt64(left) }
    let place = head
    platform_copy(ring + Int(place & UInt64(size - 1)), from, record.count)
    head &+= UInt64(record.count)
    return place
  }

  /// The bytes at a place; nil when they are not all held.
  func bytes(at place: UInt64, _ count: Int) -> UnsafeRawBufferPointer? {
    guard let ring, count > 0, count <= size, place < head, head &- place <= UInt64(size),
      UInt64(count) <= head &- place
    else { return nil }
    let offset = Int(place & UInt64(size - 1))
    guard count <= size - offset else { return nil }
    return UnsafeRawBufferPointer(start: ring + offset, count: count)
  }
}

/// u64 place (8), u32 byteCount (16), u32 reserved: whole records that were sent before.
enum RepeatRecord {
  static let opcode: UInt32 = 0x113
  static let size = 24
  /// Less is sent as it is.
  static let smallest = 96
}

/// One thread at a time.
struct RepeatEncoder: ~Copyable {
  private var store: RepeatStore
  /// Places by hashes of the records there, as many as fit: 0 is none, others are one more.
  private var places: UnsafeMutablePointer<UInt64>?
  private static let placeCount = 1 << 16

  /// The run of repeated records that has not been written yet.
  private var place: UInt64 = 0
  private(set) var pending = 0

  init(size: Int = RepeatStore.limit) {
    store = RepeatStore(size: size)
    places = platform_calloc(RepeatEncoder.placeCount, 8)?
      .bindMemory(to: UInt64.self, capacity: RepeatEncoder.placeCount)
  }

  deinit { platform_free(places) }

  /// Whether a record goes on with the run: it is part of it then.
  mutating func extends(_ record: UnsafeRawBufferPointer) -> Bool {
    // A run does not go on at the ring's start.
    guard pending > 0, store.bytes(at: place, pending + record.count) != nil,
      isAt(place &+ UInt64(pending), record)
    else { return false }
    pending += record.count
    return true
  }

  /// Whether a record begins a run, of which there is none.
  mutating func begins(_ record: UnsafeRawBufferPointer, _ hash: UInt64) -> Bool {
    guard let places else { return false }
    let known = places[Int(hash & UInt64(RepeatEncoder.placeCount - 1))]
    guard known != 0, isAt(known &- 1, record) else { return false }
    place = known &- 1
    pending = record.count
    return true
  }

  /// Keeps a record that is sent as it is.
  mutating func keep(_ record: UnsafeRawBufferPointer, _ hash: UInt64) {
    guard let place = store.add(record) else { return }
    places?[Int(hash & UInt64(RepeatEncoder.placeCount - 1))] = place &+ 1
  }

  private func isAt(_ place: UInt64, _ record: UnsafeRawBufferPointer) -> Bool {
    guard let held = store.bytes(at: place, record.count), let a = held.baseAddress,
      let b = record.baseAddress
    else { return false }
    return platform_compare(a, b, record.count) == 0
  }

  /// Ends the run: as its place, or, when that would not be shorter, as the records that it is made
  /// of, which are kept again as any.
  mutating func end(_ records: UnsafeRawBufferPointer, _ out: inout Bytes) {
    guard pending > 0 else { return }
    defer { pending = 0 }
    guard pending < RepeatRecord.smallest else {
      guard let p = out.add(RepeatRecord.size) else { return }
      p.put32(RepeatRecord.opcode, 0)
      p.put32(UInt32(RepeatRecord.size), 4)
      p.put64(place, 8)
      p.put32(UInt32(pending), 16)
      p.put32(0, 20)
      return
    }
    out.append(records)
    guard let start = records.baseAddress else { return }
    var at = 0
    while at < records.count {
      let size = Int(start.get32(at + 4))
      let record = UnsafeRawBufferPointer(rebasing: records[at..<at + size])
      keep(record, RepeatEncoder.hash(record))
      at += size
    }
  }

  /// Not for anybody who means harm: what is found is compared.
  static func hash(_ record: UnsafeRawBufferPointer) -> UInt64 {
    guard let p = record.baseAddress else { return 0 }
    var a: UInt64 = 0x9E37_79B9_7F4A_7C15
    var b = UInt64(record.count)
    var at = 0
    while at + 16 <= record.count {
      a = (a ^ p.get64(at)) &* 0xA076_1D64_78BD_642F
      b = (b ^ p.get64(at + 8)) &* 0xE703_7ED1_A0B4_28DB
      a ^= a >> 29
      b ^= b >> 32
      at += 16
    }
    if at + 8 <= record.count { a = (a ^ p.get64(at)) &* 0xA076_1D64_78BD_642F }
    let sum = (a ^ (b >> 17) ^ (b << 47)) &* 0x8EBC_6AF0_9C88_C6E3
    return sum ^ sum >> 32
  }
}

/// The other end.
struct RepeatDecoder: ~Copyable {
  private var store: RepeatStore

  init(size: Int = RepeatStore.limit) { store = RepeatStore(size: size) }

  /// Takes a record that has come as it is.
  mutating func keep(_ record: UnsafeRawBufferPointer) { _ = store.add(record) }

  /// Appends the records that a `RepeatRecord` stands for. What is wrong, or nil.
  func decode(_ record: UnsafeRawBufferPointer, _ out: inout Bytes) -> StaticString? {
    guard record.count == RepeatRecord.size, let p = record.baseAddress else {
      return "codedRecords: again: the record's size"
    }
    let count = Int(p.get32(16))
    guard let held = store.bytes(at: p.get64(8), count), let start = held.baseAddress else {
      return "codedRecords: again: what is at the place is not held"
    }
    var at = 0
    while at < count {
      guard count - at >= 8 else { return "codedRecords: again: a record is not whole" }
      let size = Int(start.get32(at + 4))
      guard RepeatStore.keeps(start.get32(at)), size >= 8, size & 7 == 0, size <= count - at else {
        return "codedRecords: again: a record is not whole"
      }
      at += size
    }
    out.append(held)
    return out.hasFailed ? "codedRecords: no memory" : nil
  }
}
