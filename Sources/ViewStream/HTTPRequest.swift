/// The head of an HTTP/1.1 request (RFC 9112) as far as a server of a few files needs it.
public struct HTTPRequest: Equatable, Sendable {
  /// Bytes of a head at most; more is refused.
  public static let largestHead = 8192

  public let method: String
  /// Without the query.
  public let path: String
  /// By name in lower case; of fields that come twice, the last.
  public let fields: [String: String]

  /// Why bytes are no request, and the status to answer with.
  public struct Failure: Error, Equatable, Sendable {
    public let status: Int
    public let text: String
  }

  /// Reads the head at the beginning of `bytes`; nil when it has not come whole. What follows it is not looked at.
  public static func read(
    _ bytes: [UInt8]
  ) throws(Failure) -> (request: HTTPRequest, byteCount: Int)? {
    let end = endOfHead(bytes)
    guard let end else {
      guard bytes.count < largestHead else {
        throw Failure(status: 431, text: "the head of a request has more than \(largestHead) bytes")
      }
      return nil
    }
    guard end <= largestHead else {
      throw Failure(status: 431, text: "the head of a request has more than \(largestHead) bytes")
    }
    // Names and what is used of values are ASCII; obs-text is refused with the rest.
    guard bytes[..<end].allSatisfy({ $0 == 13 || $0 == 10 || $0 == 9 || (32...126).contains($0) })
    else { throw Failure(status: 400, text: "the head of a request is no text") }
    var lines: [String] = []
    var line: [UInt8] = []
    for byte in bytes[..<(end - 4)] where byte != 13 {
      if byte == 10 {
        lines.append(String(decoding: line, as: UTF8.self))
        line = []
      } else {
        line.append(byte)
      }
    }
    lines.append(String(decoding: line, as: UTF8.self))
    return (try HTTPRequest(lines), end)
  }

  private static func endOfHead(_ bytes: [UInt8]) -> Int? {
    var index = 3
    while index < min(bytes.count, largestHead + 1) {
      if bytes[index] == 10, bytes[index - 1] == 13, bytes[index - 2] == 10, bytes[index - 3] == 13
      {
        return index + 1
      }
      index += 1
    }
    return nil
  }

  private init(_ lines: [String]) throws(Failure) {
    let words = lines[0].split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 3, words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0", !words[0].isEmpty,
      words[1].hasPrefix("/")
    else { throw Failure(status: 400, text: "the first line is no request") }
    method = String(words[0])
    path = String(words[1].prefix { $0 != "?" })
    var found: [String: String] = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":"), colon != line.startIndex,
        !line[..<colon].contains(where: { $0 == " " || $0 == "\t" })
      else { throw Failure(status: 400, text: "a line of the head is no field") }
      var value = line[line.index(after: colon)...]
      while value.first == " " || value.first == "\t" { value.removeFirst() }
      while value.last == " " || value.last == "\t" { value.removeLast() }
      found[line[..<colon].lowercased()] = String(value)
    }
    fields = found
  }

  /// Whether a field whose value is a list has `word`.
  public func has(_ word: String, in field: String) -> Bool {
    guard let value = fields[field] else { return false }
    return value.split(separator: ",").contains {
      $0.drop { $0 == " " }.lowercased().prefix { $0 != " " } == word
    }
  }

  /// Whether a script from elsewhere asks: it names another origin than the one that it talks to.
  public var isFromElsewhere: Bool {
    guard let origin = fields["origin"] else { return false }
    guard let host = fields["host"] else { return true }
    return origin.lowercased() != "http://\(host.lowercased())"
      && origin.lowercased() != "https://\(host.lowercased())"
  }

  /// The host that was asked for, without its port.
  public var host: String? {
    guard let value = fields["host"] else { return nil }
    if value.hasPrefix("[") { return value.prefix { $0 != "]" } + "]" }
    return String(value.prefix { $0 != ":" }).lowercased()
  }
}
