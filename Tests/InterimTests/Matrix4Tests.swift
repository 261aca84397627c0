import Testing

@testable import Interim

@Suite("Matrix4")
struct Matrix4Tests {
  private static let samples: [Matrix4] = [
    .identity,
    Matrix4(rows: [1, 2, 0, 3], [0, 1, 0.5, -4], [0, 0, 2, 7], [0, 0, 0, 1]),
    Matrix4(rows: [1.2, 0.1, 0, 0], [0, -1.7, 0.2, 0], [0, 0, -1.0003, -0.1], [0, 0, -1, 0]),
    Matrix4(rows: [0.8, -0.6, 0, 5], [0.6, 0.8, 0, -2], [0, 0, 1, 9], [0, 0, 0, 1]),
  ]

  private func distance(_ a: Matrix4, _ b: Matrix4) -> Double { (a - b).norm }

  @Test("a matrix times its inverse is the identity", arguments: samples.indices)
  func inverse(index: Int) throws {
    let m = Self.samples[index]
    let inverse = try #require(m.inverse)
    #expect(distance(m * inverse, .identity) < 1e-9)
    #expect(distance(inverse * m, .identity) < 1e-9)
  }

  @Test("what has no inverse has none")
  func singular() {
    #expect(
      Matrix4(rows: [1, 2, 3, 4], [2, 4, 6, 8], [0, 0, 1, 0], [0, 0, 0, 1]).inverse == nil)
    #expect((Matrix4.identity * 0).inverse == nil)
    #expect((Matrix4.identity * .nan).inverse == nil)
    #expect((Matrix4.identity * .infinity).inverse == nil)
  }

  @Test("rows and columns are each other's transpose")
  func transposed() {
    let m = Self.samples[1]
    #expect(m.transposed.transposed == m)
    #expect(m.rows.0 == [1, 2, 0, 3])
    #expect(m.columns.3 == [3, -4, 7, 1])
    #expect(m * SIMD4(1, 1, 1, 1) == [6, -2.5, 9, 1])
  }

  @Test("the root squared and the logarithm's exponential give the matrix", arguments: [1, 3])
  func roots(index: Int) throws {
    let m = Self.samples[index]
    let root = try #require(m.squareRoot)
    #expect(distance(root * root, m) < 1e-9)
    let logarithm = try #require(m.logarithm)
    #expect(distance(logarithm.exponential, m) < 1e-8)
    // Three thirds are a whole.
    let third = (logarithm * (1.0 / 3)).exponential
    #expect(distance(third * third * third, m) < 1e-8)
  }

  @Test("a half turn has no principal logarithm, and no answer is made up for it")
  func halfTurn() {
    let m = Matrix4(rows: [-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1])
    #expect(m.logarithm == nil)
    #expect((Matrix4.identity * .nan).logarithm == nil)
  }
}
