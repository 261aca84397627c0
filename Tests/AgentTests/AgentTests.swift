import CPlatform
import Ring
import Testing

@testable import Agent

@Suite("Differences of memory")
struct DifferenceTests {
  @Test("are exact to the byte, and leave the twin equal", arguments: 0..<40)
  func exact(seed: Int) {
    var generator = SystemRandomNumberGenerator()
    let size = 3 * 4096
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
    let twin = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
    defer {
      bytes.deallocate()
      twin.deallocate()
    }
    for index in 0..<size { bytes[index] = UInt8(truncatingIfNeeded: index &* 7) }
    twin.copyMemory(from: UnsafeRawBufferPointer(bytes))
    var changed = Set<Int>()
    for _ in 0..<seed * seed {
      let index = Int.random(in: 0..<size, using: &generator)
      bytes[index] = UInt8(truncatingIfNeeded: index &* 7) ^ 0x55
      changed.insert(index)
    }
    var found = Set<Int>()
    ByteDifference.forEachRun(
      from: bytes.baseAddress!, twin: twin.baseAddress!, offset: 0, count: size
    ) { offset, run in
      for (index, byte) in run.enumerated() {
        #expect(byte == bytes[Int(offset) + index])
        found.insert(Int(offset) + index)
      }
    }
    #expect(found == changed)
    #expect(twin.elementsEqual(bytes))
  }
}

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
