/// A view of 8-bit samples in rows. It owns nothing; whoever made it says how long it lives.
public struct Plane: @unchecked Sendable {
  public var base: UnsafeMutablePointer<UInt8>
  /// Samples in a row, and rows.
  public var width: Int
  public var height: Int
  /// Bytes from a row to the next.
  public var stride: Int

  public init(base: UnsafeMutablePointer<UInt8>, width: Int, height: Int, stride: Int) {
    self.base = base
    self.width = width
    self.height = height
    self.stride = stride
  }

  @inlinable
  public func row(_ y: Int) -> UnsafeMutablePointer<UInt8> { base + y &* stride }
}

/// A plane with memory of its own and a border around it, so that a block that motion carries over
/// the edge can be read without a test per sample.
public final class BorderedPlane: @unchecked Sendable {
  /// Samples that may be read beyond each edge.
  public static let border = 32

  public let plane: Plane
  private let memory: UnsafeMutableRawPointer

  /// - Parameters: width and height in samples, from 1 to 16384.
  public init(width: Int, height: Int) {
    precondition((1...16384).contains(width) && (1...16384).contains(height))
    let border = Self.border
    let stride = (width + 2 * border + 63) & ~63
    let bytes = stride * (height + 2 * border)
    memory = .allocate(byteCount: bytes, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    let origin = memory.assumingMemoryBound(to: UInt8.self) + border * stride + border
    plane = Plane(base: origin, width: width, height: height, stride: stride)
  }

  deinit { memory.deallocate() }

  /// Copies samples in, and repeats the outermost ones through the border.
  public func load(_ source: Plane, rows: Range<Int>) {
    for y in rows {
      plane.row(y).update(from: source.row(y), count: plane.width)
    }
    extendBorder(rows: rows)
  }

  /// Repeats the outermost samples of these rows through the border; those of the first and the last
  /// row through the border above and below.
  func extendBorder(rows: Range<Int>) {
    let border = Self.border
    let width = plane.width
    for y in rows {
      let row = plane.row(y)
      (row - border).update(repeating: row[0], count: border)
      (row + width).update(repeating: row[width - 1], count: border)
    }
    let count = width + 2 * border
    if rows.lowerBound == 0 {
      for y in 1...border {
        plane.row(-y).advanced(by: -border).update(from: plane.row(0) - border, count: count)
      }
    }
    if rows.upperBound == plane.height {
      let last = plane.row(plane.height - 1) - border
      for y in 0..<border {
        plane.row(plane.height + y).advanced(by: -border).update(from: last, count: count)
      }
    }
  }
}

/// How much smaller than luma the chroma planes are.
public enum ChromaSampling: Sendable {
  /// 4:2:0: half as wide, half as high, both rounded up.
  case half
  /// 4:4:4.
  case full

  /// Binary digits by which a coordinate shrinks.
  @inlinable
  public var shift: Int { self == .half ? 1 : 0 }

  /// Samples of chroma for these of luma.
  @inlinable
  public func extent(_ luma: Int) -> Int { (luma + (1 << shift) - 1) >> shift }
}

/// A colour picture: luma and two chroma planes of 8 bits, each with a border.
///
/// Any luma-and-chroma matrix and range will do, provided that all pictures of a stream have the same.
public final class Picture: @unchecked Sendable {
  public let width: Int
  public let height: Int
  public let sampling: ChromaSampling
  /// Luma, blue and red difference.
  public let planes: [Plane]
  private let memory: [BorderedPlane]

  /// - Parameters: width and height in samples, from 1 to 16384.
  public init(width: Int, height: Int, sampling: ChromaSampling = .half) {
    self.width = width
    self.height = height
    self.sampling = sampling
    let (w, h) = (sampling.extent(width), sampling.extent(height))
    memory = [
      BorderedPlane(width: width, height: height), BorderedPlane(width: w, height: h),
      BorderedPlane(width: w, height: h),
    ]
    planes = memory.map(\.plane)
  }

  public var luma: Plane { planes[0] }
  public var blue: Plane { planes[1] }
  public var red: Plane { planes[2] }

  /// Must follow a change of the samples, before the picture is a source of synthesis.
  public func extendBorders() {
    for plane in memory { plane.extendBorder(rows: 0..<plane.plane.height) }
  }

  /// Whether both can be sources of one interim picture.
  public func matches(_ other: Picture) -> Bool {
    width == other.width && height == other.height && sampling == other.sampling
  }
}
