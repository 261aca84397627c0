import Testing

@testable import Wire

private func withReader<R>(
  _ bytes: UnsafeRawBufferPointer, handles: UnsafePointer<HandleTable>? = nil,
  arenaLimit: Int = 1 << 20, _ body: (inout Reader) -> R
) -> R {
  var arena = Arena(limit: arenaLimit)
  defer { arena.free() }
  return withUnsafeMutablePointer(to: &arena) {
    var reader = Reader(bytes, arena: $0, handles: handles)
    return body(&reader)
  }
}

private func same(_ a: StaticString?, _ b: String) -> Bool { a.map { "\($0)" } == b }

@Suite("Writer and Reader")
struct WriterReaderTests {
  @Test("a record is padded to 8 bytes and carries its size")
  func record() {
    var heap = HeapWriter(capacity: 64)
    defer { heap.free() }
    heap.writer.begin(0x1234)
    heap.writer.u32(7)
    heap.writer.end()
    heap.writer.begin(0x1235)
    heap.writer.u64(UInt64.max)
    heap.writer.end()
    let words = heap.bytes.bindMemory(to: UInt32.self)
    #expect(Array(words) == [0x1234, 16, 7, 0, 0x1235, 16, .max, .max])
  }

  @Test("fields come back, also through a growing writer")
  func fields() {
    var heap = HeapWriter(capacity: 0)
    defer { heap.free() }
    let text: [CChar] = Array("omega".utf8CString)
    heap.writer.begin(1)
    for i: UInt32 in 0..<1000 { heap.writer.u32(i) }
    heap.writer.string(text)
    heap.writer.string(nil)
    [UInt16](arrayLiteral: 1, 2, 3).withUnsafeBytes {
      heap.writer.array($0.baseAddress, 3, stride: 2)
    }
    heap.writer.array(nil, 5, stride: 8)
    heap.writer.end()
    #expect(!heap.writer.failed)
    let body = UnsafeRawBufferPointer(rebasing: heap.bytes[8...])
    withReader(body) { r in
      for i: UInt32 in 0..<1000 { #expect(r.u32("n") == i) }
      let s = r.string(optional: false, "s")
      #expect(s.map { String(cString: $0) } == "omega")
      #expect(r.string(optional: true, "t") == nil)
      var found = -1
      let a = r.array(2, "a", &found)
      #expect(found == 3)
      #expect(a?.load(fromByteOffset: 4, as: UInt16.self) == 3)
      #expect(r.array(8, "b", &found) == nil)
      #expect(found == 0)
      #expect(r.failure == nil)
    }
  }

  @Test("a writer without memory takes its record back and stays failed")
  func noMemory() {
    let room = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 16)
    defer { room.deallocate() }
    var w = Writer(start: room, capacity: 64, owner: nil) { _, _ in false }
    w.begin(1)
    w.u64(1)
    w.end()
    let kept = w.cursor
    w.begin(2)
    for _ in 0..<100 { w.u32(9) }
    w.patch(4, 1)
    w.end()
    #expect(w.failed)
    #expect(w.cursor == kept)
    #expect(w.reserve(0) != nil || w.failed)
    #expect(w.reserve(8) == nil)
  }

  @Test("the first failure stays and names its field")
  func failure() {
    let words: [UInt32] = [0xFFFF_FFFF, 1, 2]
    words.withUnsafeBytes { bytes in
      withReader(bytes) { r in
        #expect(r.count(4, "X.count") == 0)
        #expect(r.u32("X.other") == 0)
        #expect(same(r.failure, "X.count"))
        #expect(r.failureReason == .count)
      }
      withReader(bytes) { r in
        _ = r.u64("a")
        #expect(r.u64("X.late") == 0)
        #expect(same(r.failure, "X.late"))
        #expect(r.failureReason == .truncated)
      }
      withReader(bytes, arenaLimit: 64) { r in
        #expect(r.room(1 << 20, 1 << 20, "X.room") == nil)
        #expect(r.failureReason == .arena)
      }
      withReader(bytes) { r in
        #expect(r.room(.max, 16, "X.room") == nil)
        #expect(r.failureReason == .arena)
      }
    }
  }

  @Test("a part is read to its end, and not beyond")
  func parts() {
    let words: [UInt32] = [1, 2, 3]
    words.withUnsafeBytes { bytes in
      withReader(bytes) { r in
        let outer = r.enter(8, "p")
        #expect(r.u64("a") == 0x2_0000_0001)
        #expect(r.remaining == 0)
        r.leave(outer!, "p")
        #expect(r.u32("b") == 3)
        #expect(r.failure == nil)
      }
      withReader(bytes) { r in
        let outer = r.enter(8, "p")
        _ = r.u32("a")
        r.leave(outer!, "p")
        #expect(r.failureReason == .chain)
      }
      withReader(bytes) { r in #expect(r.enter(16, "p") == nil) }
    }
  }

  @Test("strings with a NUL, or none, are refused")
  func strings() {
    let words: [UInt32] = [4, 0x0041_4141]
    words.withUnsafeBytes { bytes in
      withReader(bytes) { r in
        #expect(r.string(optional: false, "s") == nil)
        #expect(r.failureReason == .string)
      }
    }
    [UInt32.max].withUnsafeBytes { bytes in
      withReader(bytes) { r in
        #expect(r.string(optional: false, "s") == nil)
        #expect(r.failureReason == .missing)
      }
    }
  }
}

@Suite("Arena")
struct ArenaTests {
  @Test("gives aligned zeroed memory, also after a reset")
  func zeroed() {
    var arena = Arena(limit: 1 << 20)
    defer { arena.free() }
    for _ in 0..<3 {
      for size: Int in [1, 15, 16, 17, 4096, 100_000, 0] {
        guard let p = arena.allocate(size) else {
          Issue.record("no memory for \(size)")
          continue
        }
        #expect(UInt(bitPattern: p) % 16 == 0)
        let bytes = UnsafeMutableRawBufferPointer(start: p, count: size)
        #expect(bytes.allSatisfy { $0 == 0 })
        for i: Int in 0..<size { bytes[i] = 0xAA }
      }
      arena.reset()
    }
  }

  @Test("keeps its limit")
  func limit() {
    var arena = Arena(limit: 1 << 20)
    defer { arena.free() }
    #expect(arena.allocate((1 << 20) + 1) == nil)
    #expect(arena.allocate(-1) == nil)
    var total = 0
    while arena.allocate(10_000) != nil { total += 10_000 }
    #expect(total <= 1 << 20)
    #expect(total > 1 << 19)
    arena.reset()
    #expect(arena.allocate(10_000) != nil)
  }
}

@Suite("Handle table")
struct HandleTableTests {
  @Test("finds only the whole id, of the kind that is asked for")
  func lookup() {
    let table = HandleTable(indexLimit: 10_000)
    defer { table.free() }
    let kind = HandleKind(rawValue: 9)
    let id = HandleID.make(generation: 3, kind: kind, index: 5000)
    #expect(HandleID.index(of: id) == 5000)
    #expect(HandleID.generation(of: id) == 3)
    #expect(HandleID.kind(of: id) == kind)
    #expect(table.lookup(id, kind) == nil)
    #expect(table.insert(id, 0xABCD))
    #expect(!table.insert(HandleID.make(generation: 4, kind: kind, index: 5000), 1))
    #expect(table.lookup(id, kind) == 0xABCD)
    #expect(table.lookup(id, HandleKind(rawValue: 8)) == nil)
    #expect(table.lookup(HandleID.make(generation: 2, kind: kind, index: 5000), kind) == nil)
    #expect(table.replace(id, 7))
    #expect(table.lookup(id, kind) == 7)
    #expect(table.remove(id))
    #expect(!table.remove(id))
    #expect(table.lookup(id, kind) == nil)
  }

  @Test("refuses null ids and indices out of bounds")
  func bounds() {
    let table = HandleTable(indexLimit: 4096)
    defer { table.free() }
    let kind = HandleKind(rawValue: 1)
    #expect(!table.insert(0, 1))
    #expect(!table.insert(HandleID.make(generation: 1, kind: kind, index: 0), 1))
    #expect(!table.insert(HandleID.make(generation: 0, kind: kind, index: 4096), 1))
    #expect(!table.insert(HandleID.make(generation: 0, kind: kind, index: .max), 1))
    #expect(table.lookup(HandleID.make(generation: 0, kind: kind, index: .max), kind) == nil)
  }

  @Test("a reader resolves ids through it")
  func resolve() {
    let table = HandleTable(indexLimit: 4096)
    defer { table.free() }
    let kind = HandleKind(rawValue: 1)
    let id = HandleID.make(generation: 0, kind: kind, index: 1)
    #expect(table.insert(id, 0x1000))
    let words: [UInt64] = [id, 0, 0]
    words.withUnsafeBytes { bytes in
      withUnsafePointer(to: table) { handles in
        withReader(bytes, handles: handles) { r in
          #expect(UInt(bitPattern: r.handle(kind, optional: false, "h")) == 0x1000)
          #expect(r.handle(kind, optional: true, "h") == nil)
          #expect(r.failure == nil)
          #expect(r.handle(kind, optional: false, "X.h") == nil)
          #expect(same(r.failure, "X.h"))
        }
      }
    }
  }
}
