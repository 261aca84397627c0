import Testing

@testable import FrameStream

@Suite("Geometry of frames")
struct FrameGeometryTests {
  /// A plane behind a smaller one, with nothing to the left.
  private func sample(columns: Int = 40, rows: Int = 30) -> FrameGeometry {
    var values = [UInt16](repeating: FrameGeometry.nothing, count: columns * rows)
    for y in 0..<rows {
      for x in columns / 4..<columns {
        values[y * columns + x] =
          x < columns / 2 ? UInt16(100 + 7 * x + 3 * y) : UInt16(60_000 - 40 * x + 11 * y)
      }
    }
    let draws = (0..<3).map { k in
      FrameGeometry.Draw(
        identity: UInt64(k) << 40, group: 7,
        blocks: (0..<k).map { [UInt8](repeating: UInt8($0), count: 64 * k + $0) })
    }
    return FrameGeometry(
      swapchain: 1 << 50, image: 2, columns: columns, rows: rows, step: 2, low: 0.25, high: 0.75,
      background: 1, values: values, draws: draws)
  }

  @Test("is read as it was written, and flat surfaces take little")
  func roundTrip() throws {
    let geometry = sample(columns: 320, rows: 180)
    let bytes = try #require(geometry.bytes)
    #expect(bytes.withUnsafeBytes { FrameGeometry($0) } == geometry)
    #expect(bytes.count < 320 * 180 / 20)
    #expect(geometry.depth(0) == 0.25 && geometry.depth(65534) == 0.75)
    #expect(geometry.depth(FrameGeometry.nothing) == 1)
    for size in [(1, 1), (1, 9), (9, 1)] {
      let small = sample(columns: size.0, rows: size.1)
      #expect(try #require(small.bytes).withUnsafeBytes { FrameGeometry($0) } == small)
    }
  }

  @Test("is none when it is larger than any may be")
  func limits() {
    var geometry = sample()
    geometry.step = 65
    #expect(geometry.bytes == nil)
    geometry = sample()
    geometry.draws = [FrameGeometry.Draw](repeating: geometry.draws[0], count: 17)
    #expect(geometry.bytes == nil)
    geometry = sample()
    geometry.draws[0].blocks = [[UInt8]](repeating: [], count: 9)
    #expect(geometry.bytes == nil)
    geometry.draws[0].blocks = [[UInt8](repeating: 0, count: 4097)]
    #expect(geometry.bytes == nil)
    geometry = sample()
    geometry.values.removeLast()
    #expect(geometry.bytes == nil)
  }

  @Test("is none when it is cut off or damaged, or says something sensible")
  func damaged() throws {
    let bytes = try #require(sample().bytes)
    for count in 0..<bytes.count {
      #expect(bytes.prefix(count).withUnsafeBytes { FrameGeometry($0) } == nil)
    }
    var state: UInt64 = 88_172_645_463_325_252
    for _ in 0..<4000 {
      var damaged = bytes
      for _ in 0..<3 {
        state ^= state &<< 13
        state ^= state &>> 7
        state ^= state &<< 17
        damaged[Int(state % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: state >> 32)
      }
      guard let found = damaged.withUnsafeBytes({ FrameGeometry($0) }) else { continue }
      #expect(found.values.count == found.columns * found.rows)
      #expect(found.draws.count <= FrameGeometry.mostDraws && found.low.isFinite)
    }
  }
}
