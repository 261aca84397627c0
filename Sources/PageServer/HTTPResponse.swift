internal import Transport
internal import ViewStream

/// An answer to a request that is not for a WebSocket. The connection ends behind it.
struct HTTPResponse {
  var status: Int
  var type: String
  var body: [UInt8]

  private static let reasons = [
    200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    421: "Misdirected Request", 426: "Upgrade Required", 431: "Request Header Fields Too Large",
    503: "Service Unavailable",
  ]

  static func error(_ status: Int, _ text: String) -> HTTPResponse {
    HTTPResponse(
      status: status, type: "text/plain; charset=utf-8", body: Array((text + "\n").utf8))
  }

  /// Nothing from elsewhere is loaded, nobody else may frame the page, and nothing of it is kept.
  private static let policy =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; "
    + "img-src 'self' data:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; "
    + "frame-ancestors 'none'\r\n"
    + "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nCache-Control: no-store\r\n"
    + "Cross-Origin-Resource-Policy: same-origin\r\n"

  var bytes: [UInt8] {
    let head =
      "HTTP/1.1 \(status) \(HTTPResponse.reasons[status] ?? "Error")\r\nContent-Type: \(type)\r\n"
      + "Content-Length: \(body.count)\r\nConnection: close\r\n\(HTTPResponse.policy)\r\n"
    return Array(head.utf8) + body
  }

  /// The page's files.
  static func file(_ path: String) -> HTTPResponse? {
    let (type, body): (String, [UInt8])
    switch path {
    case "/", "/index.html": (type, body) = ("text/html", PackageResources.index_html)
    case "/viewer.css": (type, body) = ("text/css", PackageResources.viewer_css)
    case "/viewer.js": (type, body) = ("text/javascript", PackageResources.viewer_js)
    case "/picture.js": (type, body) = ("text/javascript", PackageResources.picture_js)
    case "/tiles.js": (type, body) = ("text/javascript", PackageResources.tiles_js)
    case "/zstd.js": (type, body) = ("text/javascript", PackageResources.zstd_js)
    case "/proof.js": (type, body) = ("text/javascript", PackageResources.proof_js)
    default: return nil
    }
    return HTTPResponse(status: 200, type: "\(type); charset=utf-8", body: body)
  }

  /// Agrees to speak WebSocket (RFC 6455 §4.2.2); nil when the request has no key.
  static func upgrade(_ request: HTTPRequest) -> [UInt8]? {
    guard let key = request.fields["sec-websocket-key"].flatMap({ WebSocketKey(text: $0) }) else {
      return nil
    }
    return Array(
      ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Accept: \(key.accept)\r\n\r\n").utf8)
  }
}
