/// Motion of blocks of 8×8 samples of an interim picture, from the picture before it to the one after.
///
/// A vector is the whole way from one to the other; where the interim picture lies between them says
/// how much of it is on either side.
final class MotionField: @unchecked Sendable {
  /// Samples of full size along a block's edge.
  static let block = 8
  /// Fractions of a sample of full size in a unit of a vector.
  static let unit = 8

  let columns: Int
  let rows: Int
  /// Vectors, a row of blocks after the other, in eighths of a sample.
  let dx: UnsafeMutablePointer<Int16>
  let dy: UnsafeMutablePointer<Int16>
  /// How badly the two pictures match along the vector: the mean difference, in eighths of a level.
  let residual: UnsafeMutablePointer<UInt16>

  init(columns: Int, rows: Int) {
    self.columns = columns
    self.rows = rows
    let count = columns * rows
    dx = .allocate(capacity: count)
    dy = .allocate(capacity: count)
    residual = .allocate(capacity: count)
    dx.initialize(repeating: 0, count: count)
    dy.initialize(repeating: 0, count: count)
    residual.initialize(repeating: 0, count: count)
  }

  deinit {
    dx.deallocate()
    dy.deallocate()
    residual.deallocate()
  }
}

/// Where between two pictures an interim one lies.
public struct Phase: Sendable, Equatable {
  /// 256ths of the way from the picture before to the one after, from 0 to 256; above 256 for what lies
  /// beyond the last picture, at most 512.
  public let fraction: Int

  public init(fraction: Int) { self.fraction = min(512, max(0, fraction)) }

  public static let half = Phase(fraction: 128)

  /// From 0 to 2.
  public var value: Double { Double(fraction) / 256 }

  /// How much of a displacement lies before the interim picture, rounded.
  @inline(__always)
  func before(_ displacement: Int) -> Int { (displacement &* fraction &+ 128) &>> 8 }
}
