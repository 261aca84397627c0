/// A 4×4 matrix of columns, applied to column vectors: `clip = matrix * position`.
public struct Matrix4: Sendable, Equatable {
  public var columns: (SIMD4<Double>, SIMD4<Double>, SIMD4<Double>, SIMD4<Double>)

  public init(
    columns a: SIMD4<Double>, _ b: SIMD4<Double>, _ c: SIMD4<Double>, _ d: SIMD4<Double>
  ) {
    columns = (a, b, c, d)
  }

  public init(
    rows a: SIMD4<Double>, _ b: SIMD4<Double>, _ c: SIMD4<Double>, _ d: SIMD4<Double>
  ) {
    self = Matrix4(columns: a, b, c, d).transposed
  }

  public static var identity: Matrix4 { scale(1) }

  static func scale(_ s: Double) -> Matrix4 {
    Matrix4(
      columns: SIMD4(s, 0, 0, 0), SIMD4(0, s, 0, 0), SIMD4(0, 0, s, 0), SIMD4(0, 0, 0, s))
  }

  public static func == (a: Matrix4, b: Matrix4) -> Bool { a.columns == b.columns }

  public var transposed: Matrix4 {
    let (a, b, c, d) = columns
    return Matrix4(
      columns: SIMD4(a.x, b.x, c.x, d.x), SIMD4(a.y, b.y, c.y, d.y), SIMD4(a.z, b.z, c.z, d.z),
      SIMD4(a.w, b.w, c.w, d.w))
  }

  /// The rows, which is what tests of a projection's pattern look at.
  public var rows: (SIMD4<Double>, SIMD4<Double>, SIMD4<Double>, SIMD4<Double>) {
    transposed.columns
  }

  public static func * (m: Matrix4, v: SIMD4<Double>) -> SIMD4<Double> {
    m.columns.0 * v.x + m.columns.1 * v.y + m.columns.2 * v.z + m.columns.3 * v.w
  }

  public static func * (a: Matrix4, b: Matrix4) -> Matrix4 {
    Matrix4(columns: a * b.columns.0, a * b.columns.1, a * b.columns.2, a * b.columns.3)
  }

  public static func + (a: Matrix4, b: Matrix4) -> Matrix4 {
    Matrix4(
      columns: a.columns.0 + b.columns.0, a.columns.1 + b.columns.1, a.columns.2 + b.columns.2,
      a.columns.3 + b.columns.3)
  }

  public static func - (a: Matrix4, b: Matrix4) -> Matrix4 { a + b * -1 }

  public static func * (a: Matrix4, s: Double) -> Matrix4 {
    Matrix4(columns: a.columns.0 * s, a.columns.1 * s, a.columns.2 * s, a.columns.3 * s)
  }

  public var isFinite: Bool {
    let (a, b, c, d) = columns
    let sum = (a * 0 + b * 0 + c * 0 + d * 0)
    return sum == SIMD4(repeating: 0)
  }

  /// Largest sum of magnitudes in a column.
  var norm: Double {
    func sum(_ v: SIMD4<Double>) -> Double { abs(v.x) + abs(v.y) + abs(v.z) + abs(v.w) }
    return max(sum(columns.0), sum(columns.1), sum(columns.2), sum(columns.3))
  }

  /// nil when the matrix is singular or as good as that.
  public var inverse: Matrix4? {
    var (a, b) = ([columns.0, columns.1, columns.2, columns.3], Matrix4.identity.columns)
    var result = [b.0, b.1, b.2, b.3]
    // Gauss and Jordan on columns, which is the transposed problem: the inverse's transpose comes out.
    for pivot in 0..<4 {
      var best = pivot
      for k in pivot..<4 where abs(a[k][pivot]) > abs(a[best][pivot]) { best = k }
      a.swapAt(pivot, best)
      result.swapAt(pivot, best)
      let value = a[pivot][pivot]
      guard abs(value) > 1e-300, value.isFinite else { return nil }
      a[pivot] /= value
      result[pivot] /= value
      for k in 0..<4 where k != pivot {
        let factor = a[k][pivot]
        a[k] -= a[pivot] * factor
        result[k] -= result[pivot] * factor
      }
    }
    b = (result[0], result[1], result[2], result[3])
    let inverse = Matrix4(columns: b.0, b.1, b.2, b.3)
    return inverse.isFinite ? inverse : nil
  }

  /// The principal square root, by the iteration of Denman and Beavers; nil when it does not converge.
  var squareRoot: Matrix4? {
    var (y, z) = (self, Matrix4.identity)
    for _ in 0..<24 {
      guard let yi = y.inverse, let zi = z.inverse else { return nil }
      let next = (y + zi) * 0.5
      z = (z + yi) * 0.5
      let change = (next - y).norm
      y = next
      guard y.isFinite else { return nil }
      if change <= 1e-13 * max(1, y.norm) {
        return (y * y - self).norm <= 1e-6 * max(1, norm) ? y : nil
      }
    }
    return nil
  }

  /// The principal logarithm, by square roots and a series; nil when there is none.
  var logarithm: Matrix4? {
    var m = self
    var roots = 0
    while (m - .identity).norm > 0.05 {
      guard roots < 16, let root = m.squareRoot else { return nil }
      m = root
      roots += 1
    }
    // log(1+x) = 2 artanh(x / (2 + x))
    let x = m - .identity
    guard let divisor = (m + .identity).inverse else { return nil }
    let u = x * divisor
    let square = u * u
    var term = u
    var sum = u
    for k in 1...6 {
      term = term * square
      sum = sum + term * (1 / Double(2 * k + 1))
    }
    return sum * Double(2 << roots)
  }

  /// e to the power of the matrix.
  var exponential: Matrix4 {
    var halvings = 0
    var size = norm
    while size > 0.1, halvings < 40 {
      size /= 2
      halvings += 1
    }
    let x = self * (1 / Double(UInt64(1) << UInt64(halvings)))
    var term = Matrix4.identity
    var sum = Matrix4.identity
    for k in 1...9 {
      term = term * x * (1 / Double(k))
      sum = sum + term
    }
    for _ in 0..<halvings { sum = sum * sum }
    return sum
  }
}
