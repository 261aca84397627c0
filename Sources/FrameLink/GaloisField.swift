internal import CPlatform

/// The field GF(2^8) of the erasure code: polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11D), generator 2.
/// Addition is exclusive or.
enum GaloisField {
  /// Powers of the generator, twice over, so that sums of two logarithms need no reduction; then the
  /// logarithms of 0...255 (that of 0 is not read).
  private static let tables: (powers: [UInt8], logarithms: [UInt8]) = {
    var powers = [UInt8](repeating: 0, count: 510)
    var logarithms = [UInt8](repeating: 0, count: 256)
    var value = 1
    for exponent in 0..<255 {
      powers[exponent] = UInt8(value)
      powers[exponent + 255] = UInt8(value)
      logarithms[value] = UInt8(exponent)
      value <<= 1
      if value > 255 { value ^= 0x11D }
    }
    return (powers, logarithms)
  }()

  static func product(_ a: UInt8, _ b: UInt8) -> UInt8 {
    guard a != 0, b != 0 else { return 0 }
    return tables.powers[Int(tables.logarithms[Int(a)]) + Int(tables.logarithms[Int(b)])]
  }

  /// `a` divided by `b`, which is not 0.
  static func quotient(_ a: UInt8, _ b: UInt8) -> UInt8 {
    guard a != 0 else { return 0 }
    return tables.powers[Int(tables.logarithms[Int(a)]) + 255 - Int(tables.logarithms[Int(b)])]
  }

  /// For each factor, its products with 0x00 … 0x0F and with 0x00, 0x10 … 0xF0: 32 bytes.
  private static let nibbleProducts: [UInt8] = {
    var out = [UInt8](repeating: 0, count: 256 * 32)
    for factor in 0..<256 {
      for nibble in 0..<16 {
        out[factor * 32 + nibble] = product(UInt8(factor), UInt8(nibble))
        out[factor * 32 + 16 + nibble] = product(UInt8(factor), UInt8(nibble << 4))
      }
    }
    return out
  }()

  /// Adds `factor` times each of `count` bytes at `from` to those at `to`. The two do not overlap.
  static func addProducts(
    _ to: UnsafeMutablePointer<UInt8>, _ from: UnsafePointer<UInt8>, _ factor: UInt8, _ count: Int
  ) {
    if factor == 1 {
      for i in 0..<count { to[i] ^= from[i] }
      return
    }
    guard factor != 0 else { return }
    nibbleProducts.withUnsafeBufferPointer { all in
      guard let tables = all.baseAddress.map({ $0 + Int(factor) * 32 }) else { return }
      let done = platform_add_products(to, from, tables, count)
      addProductsByTable(to + done, from + done, tables, count - done)
    }
  }

  /// The same without the processor's shuffles: what is left behind whole vectors, and everything where
  /// there are none.
  static func addProductsByTable(
    _ to: UnsafeMutablePointer<UInt8>, _ from: UnsafePointer<UInt8>,
    _ tables: UnsafePointer<UInt8>, _ count: Int
  ) {
    for i in 0..<max(count, 0) {
      let x = Int(from[i])
      to[i] ^= tables[x & 15] ^ tables[16 + x >> 4]
    }
  }

  /// `addProducts` by tables alone, for tests and the benchmark to compare with.
  static func addProductsPortably(
    _ to: UnsafeMutablePointer<UInt8>, _ from: UnsafePointer<UInt8>, _ factor: UInt8, _ count: Int
  ) {
    nibbleProducts.withUnsafeBufferPointer { all in
      guard let tables = all.baseAddress else { return }
      addProductsByTable(to, from, tables + Int(factor) * 32, count)
    }
  }

  /// Inverts a square matrix of `size` rows in place, by Gauss and Jordan; false when it is singular.
  static func invert(_ matrix: UnsafeMutablePointer<UInt8>, size: Int) -> Bool {
    guard size > 0 else { return true }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: size * size) { room in
      guard let inverse = room.baseAddress else { return false }
      room.initialize(repeating: 0)
      for i in 0..<size { inverse[i * size + i] = 1 }
      for column in 0..<size {
        guard let pivot = (column..<size).first(where: { matrix[$0 * size + column] != 0 }) else {
          return false
        }
        if pivot != column {
          for i in 0..<size {
            swap(&matrix[pivot * size + i], &matrix[column * size + i])
            swap(&inverse[pivot * size + i], &inverse[column * size + i])
          }
        }
        let scale = quotient(1, matrix[column * size + column])
        for i in 0..<size {
          matrix[column * size + i] = product(matrix[column * size + i], scale)
          inverse[column * size + i] = product(inverse[column * size + i], scale)
        }
        for row in 0..<size where row != column {
          let factor = matrix[row * size + column]
          addProducts(matrix + row * size, matrix + column * size, factor, size)
          addProducts(inverse + row * size, inverse + column * size, factor, size)
        }
      }
      matrix.update(from: inverse, count: size * size)
      return true
    }
  }
}
