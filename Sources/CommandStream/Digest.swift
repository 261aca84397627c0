internal import Crypto
internal import Wire

/// SHA-256 of something: what names it to a peer that may be hostile.
public struct Digest: Hashable, Sendable {
  public static let size = 32

  private let words: (UInt64, UInt64, UInt64, UInt64)

  /// The digest of the parts in order.
  public init(of parts: UnsafeRawBufferPointer...) {
    var hash = SHA256()
    for part in parts { hash.update(bufferPointer: part) }
    words = hash.finalize().withUnsafeBytes { bytes in
      let p = bytes.baseAddress.unsafelyUnwrapped
      return (p.get64(0), p.get64(8), p.get64(16), p.get64(24))
    }
  }

  /// The 32 bytes at `place`, which somebody says are a digest.
  public init(at place: UnsafeRawPointer) {
    words = (place.get64(0), place.get64(8), place.get64(16), place.get64(24))
  }

  public func store(at place: UnsafeMutableRawPointer) {
    place.put64(words.0, 0)
    place.put64(words.1, 8)
    place.put64(words.2, 16)
    place.put64(words.3, 24)
  }

  /// 64 hexadecimal digits, in the order of the bytes.
  public var text: String {
    var text = ""
    for word in [words.0, words.1, words.2, words.3] {
      let digits = String(word.byteSwapped, radix: 16)
      text += String(repeating: "0", count: 16 - digits.count) + digits
    }
    return text
  }

  public static func == (a: Digest, b: Digest) -> Bool { a.words == b.words }
  public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}
