internal import CPlatform

/// Why a link could not be made, or ended. `message` is a whole sentence that names the peer and,
/// where a person can do something about it, the remedy.
public struct LinkError: Error, CustomStringConvertible, Sendable {
  public enum Kind: Sendable {
    /// The peer closed the connection in the middle of something.
    case closed
    /// A system call failed.
    case system
    /// The text of an address cannot be understood, or names nothing.
    case address
    /// The two sides speak different protocol versions.
    case version
    /// The two sides do not hold the same token, or one that may not be used.
    case token
    /// The other end does not speak Omega's protocol.
    case notOmega
    /// A record was changed, repeated or reordered on its way.
    case tampered
    /// A message or record is larger than allowed.
    case tooLarge
    /// The peer did not answer in time.
    case deadline
    /// The node has as many clients as it may.
    case full
  }

  public let kind: Kind
  public let message: String

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  public var description: String { message }

  /// A failed system call: "cannot connect to gpu1:4700: Connection refused".
  static func system(_ what: String, _ code: Int32) -> LinkError {
    LinkError(code == EPIPE || code == ECONNRESET ? .closed : .system, "\(what): \(text(code))")
  }

  static func text(_ code: Int32) -> String {
    String(cString: platform_error_text(code))
  }
}
