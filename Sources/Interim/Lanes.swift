/// How the caller runs independent parts of the work. Interim starts no threads; whoever has a pool
/// hands it in here.
///
/// What comes out never depends on the number of lanes: work is cut into the same parts always.
public struct Lanes: @unchecked Sendable {
  /// How many parts can run at once.
  public let count: Int
  private let run: (Int, (Int) -> Void) -> Void

  /// - Parameter run: calls its second argument with every number below the first, in any order and
  ///   on any threads, and returns when all calls have.
  public init(count: Int, run: @escaping (Int, (Int) -> Void) -> Void) {
    self.count = count
    self.run = run
  }

  /// One after the other on the caller's thread.
  public static let serial = Lanes(count: 1) { parts, body in
    for part in 0..<parts { body(part) }
  }

  /// Calls the body with each of `0..<parts`, and returns when all calls have.
  public func forParts(_ parts: Int, _ body: (Int) -> Void) { run(parts, body) }

  /// Cuts `0..<length` into `parts` ranges whose bounds are multiples of `unit`, and runs the body
  /// for each.
  func forRanges(of length: Int, parts: Int, unit: Int = 1, _ body: (Range<Int>) -> Void) {
    let units = (length + unit - 1) / unit
    let parts = max(1, min(parts, units))
    run(parts) { part in
      let start = min(length, units * part / parts * unit)
      let end = min(length, units * (part + 1) / parts * unit)
      if start < end { body(start..<end) }
    }
  }
}
