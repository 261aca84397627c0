internal import Crypto

/// The key of a WebSocket's handshake, and the answer to it (RFC 6455 §4): they show that both sides mean it.
public struct WebSocketKey: Sendable {
  /// The key as it is sent.
  public let text: String

  /// A key of 16 random bytes.
  public init(bytes: [UInt8]) { text = WebSocketKey.base64(bytes) }

  /// A key that a client has sent; nil when it is none.
  public init?(text: String) {
    guard text.utf8.count == 24 else { return nil }
    self.text = text
  }

  /// What the server answers.
  public var accept: String {
    var hash = Insecure.SHA1()
    hash.update(data: Array((text + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))
    return WebSocketKey.base64(Array(hash.finalize()))
  }

  private static func base64(_ bytes: [UInt8]) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var out = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let part = bytes[start..<min(start + 3, bytes.count)]
      let word = part.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - part.count))
      for index in 0..<4 {
        out.append(index > part.count ? "=" : digits[word >> (18 - 6 * index) & 63])
      }
    }
    return out
  }
}
