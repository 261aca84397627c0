internal import CPlatform
internal import VulkanWire
internal import Wire

/// Finds the ids in recorded commands.
///
/// Most commands have their ids at places that a table generated from the registry knows; the rest
/// are decoded by a reader that notes them. A place that is missed or wrong costs bytes and nothing
/// else: what is hoisted is put back where it was, whatever it was.
struct IDScanner: ~Copyable {
  /// What the table says of an opcode.
  private struct Form {
    enum Way: UInt8 { case none, table, decoder }
    var way: Way = .none
    var fixedCount: UInt8 = 0
    var fixed: (UInt16, UInt16, UInt16) = (0, 0, 0)
    var array: UInt16 = 0
  }

  private let forms: UnsafeMutablePointer<Form>
  private let formCount = Int(Opcode.last - Opcode.first) + 1
  private let arena: UnsafeMutablePointer<Arena>
  private let places: UnsafeMutablePointer<IDPlaces>

  init() {
    forms = .allocate(capacity: formCount)
    forms.initialize(repeating: Form(), count: formCount)
    for opcode in Opcode.first...Opcode.last where commandInfo(opcode)?.travel == .recorded {
      let index = Int(opcode - Opcode.first)
      guard let form = idForm(opcode) else {
        forms[index].way = .decoder
        continue
      }
      forms[index] = Form(
        way: .table, fixedCount: UInt8(form.fixedCount), fixed: form.fixed, array: form.array)
    }
    arena = .allocate(capacity: 1)
    arena.initialize(to: Arena(limit: 16 << 20))
    places = .allocate(capacity: 1)
    places.initialize(to: IDPlaces())
  }

  deinit {
    arena.pointee.free()
    arena.deallocate()
    places.pointee.free()
    places.deallocate()
    forms.deallocate()
  }

  /// What a scan has found.
  struct Findings {
    /// Ids in all.
    var idCount = 0
    /// A number that is the same for command buffers of the same commands with the same sizes.
    var shape: UInt64 = 0
  }

  /// Appends the place of each id in `commands` to `gaps`, as `u32`: the distance in words from the
  /// end of the id before it. Nil when the bytes are no whole records, which is the node's to say.
  mutating func scan(_ commands: UnsafeRawBufferPointer, _ gaps: inout Bytes) -> Findings? {
    guard let start = commands.baseAddress, commands.count & 7 == 0 else { return nil }
    var found = Findings()
    var at = 0
    var end = 0
    while at < commands.count {
      let record = start + at
      let opcode = record.get32(0)
      let size = Int(record.get32(4))
      guard size >= 8, size & 7 == 0, size <= commands.count - at else { return nil }
      found.shape = mix(found.shape ^ (UInt64(opcode) << 32 | UInt64(size)))
      let index = Int(opcode) - Int(Opcode.first)
      if index >= 0 && index < formCount {
        switch forms[index].way {
        case .none: break
        case .table: table(forms[index], record, size, at, &found, &end, &gaps)
        case .decoder: decode(opcode, record, size, at, &found, &end, &gaps)
        }
      }
      at += size
    }
    return found
  }

  private func table(
    _ form: Form, _ record: UnsafeRawPointer, _ size: Int, _ at: Int, _ found: inout Findings,
    _ end: inout Int, _ gaps: inout Bytes
  ) {
    if form.fixedCount > 0 { add(Int(form.fixed.0), size, at, &found, &end, &gaps) }
    if form.fixedCount > 1 { add(Int(form.fixed.1), size, at, &found, &end, &gaps) }
    if form.fixedCount > 2 { add(Int(form.fixed.2), size, at, &found, &end, &gaps) }
    let array = Int(form.array)
    guard array != 0, array + 4 <= size else { return }
    let count = min(Int(record.get32(array)), (size - array - 4) / 8)
    for i in 0..<count { add(array + 4 + i * 8, size, at, &found, &end, &gaps) }
  }

  private func decode(
    _ opcode: UInt32, _ record: UnsafeRawPointer, _ size: Int, _ at: Int,
    _ found: inout Findings, _ end: inout Int, _ gaps: inout Bytes
  ) {
    places.pointee.reset(record)
    arena.pointee.reset()
    var reader = Reader(
      UnsafeRawBufferPointer(start: record + 8, count: size - 8), arena: arena, places: places)
    _ = readIDs(opcode, &reader)
    for i in 0..<places.pointee.count { add(places.pointee[i], size, at, &found, &end, &gaps) }
  }

  private func add(
    _ place: Int, _ size: Int, _ at: Int, _ found: inout Findings, _ end: inout Int,
    _ gaps: inout Bytes
  ) {
    // Places ascend and do not overlap; one that does is left in the body.
    guard place & 3 == 0, place >= 8, place + 8 <= size, at + place >= end else { return }
    gaps.append32(UInt32(truncatingIfNeeded: (at + place - end) / 4))
    end = at + place + 8
    found.idCount += 1
  }
}

/// A permutation of 64 bits that spreads each of them over all.
@inline(__always)
func mix(_ value: UInt64) -> UInt64 {
  var x = value &* 0x9E37_79B9_7F4A_7C15
  x ^= x >> 32
  x = x &* 0xD6E8_FEB8_6659_FD93
  return x ^ (x >> 29)
}

/// A hash for finding equal bytes among our own. It resists nobody: who finds compares.
func quickHash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
  guard let start = bytes.baseAddress else { return 0 }
  // Four lanes, so that the multiplications do not wait for each other.
  var a: UInt64 = 0x243F_6A88_85A3_08D3
  var b: UInt64 = 0x1319_8A2E_0370_7344
  var c: UInt64 = 0xA409_3822_299F_31D0
  var d: UInt64 = 0x082E_FA98_EC4E_6C89
  let k: UInt64 = 0x9E37_79B9_7F4A_7C15
  var at = 0
  while bytes.count - at >= 32 {
    a = (a ^ start.get64(at)) &* k
    b = (b ^ start.get64(at + 8)) &* k
    c = (c ^ start.get64(at + 16)) &* k
    d = (d ^ start.get64(at + 24)) &* k
    a ^= a >> 29
    b ^= b >> 31
    c ^= c >> 30
    d ^= d >> 28
    at += 32
  }
  while bytes.count - at >= 4 {
    a = mix(a ^ UInt64(start.get32(at)))
    at += 4
  }
  while at < bytes.count {
    a = mix(a ^ UInt64(bytes[at]))
    at += 1
  }
  return mix(a ^ mix(b ^ mix(c ^ mix(d ^ UInt64(bytes.count)))))
}
