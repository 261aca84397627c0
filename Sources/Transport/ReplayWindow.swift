/// Which of the latest packet numbers have been seen, so that each is taken once (RFC 6479): a ring of
/// words, one bit a number, of which a word is emptied when the window moves into it.
struct ReplayWindow {
  private static let words = 64
  /// Numbers behind the highest that can still be told from ones that were seen. One word is always
  /// only partly in the window.
  static let length = UInt64((words - 1) * 64)

  private var bits = [UInt64](repeating: 0, count: words)
  private(set) var highest: UInt64?

  /// Whether a number is new. What is too old to tell counts as seen.
  func isNew(_ number: UInt64) -> Bool {
    guard let highest, number <= highest else { return true }
    guard highest - number < ReplayWindow.length else { return false }
    return bits[Int(number >> 6) % ReplayWindow.words] >> (number & 63) & 1 == 0
  }

  /// Notes a number that is new, and whose packet has been authenticated.
  mutating func note(_ number: UInt64) {
    if highest.map({ number > $0 }) ?? true {
      // Words that the window enters, each once at most.
      let from = highest.map { $0 >> 6 } ?? 0
      let steps = min(number >> 6 - from, UInt64(ReplayWindow.words))
      for step in 0..<steps {
        bits[Int(number >> 6 - step) % ReplayWindow.words] = 0
      }
      highest = number
    }
    bits[Int(number >> 6) % ReplayWindow.words] |= 1 << (number & 63)
  }
}
