import Testing

@testable import ViewStream

@Suite("WebSocket")
struct WebSocketTests {
  private func events(
    _ bytes: [UInt8], limit: Int = 1 << 20, isMasked: Bool = true, step: Int = .max
  ) throws -> [WebSocketReader.Event] {
    var reader = WebSocketReader(limit: limit, isMasked: isMasked)
    var found: [WebSocketReader.Event] = []
    var at = 0
    while at < bytes.count {
      let count = min(step, bytes.count - at)
      Array(bytes[at..<at + count]).withUnsafeBytes { reader.append($0) }
      at += count
      while let event = try reader.next() { found.append(event) }
    }
    return found
  }

  @Test("the examples of RFC 6455 §5.7")
  func examples() throws {
    let hello = Array("Hello".utf8)
    #expect(
      try events([0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f], isMasked: false) == [
        .message(.text, hello)
      ])
    #expect(
      try events([0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]) == [
        .message(.text, hello)
      ])
    #expect(
      try events([0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f], isMasked: false) == [
        .message(.text, hello)
      ])
    #expect(
      try events([0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f], isMasked: false) == [.ping(hello)])
    #expect(WebSocket.header(.binary, count: 256) == [0x82, 0x7E, 0x01, 0x00])
    #expect(
      WebSocket.header(.binary, count: 65536) == [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0])
  }

  @Test("frames of every length come through, however the bytes are cut", arguments: [1, 3, 4096])
  func lengths(step: Int) throws {
    for count in [0, 1, 125, 126, 127, 65535, 65536, 70000] where count < 1000 || step > 100 {
      let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      let frame = WebSocket.frame(.binary, payload, mask: 0xA1B2_C3D4)
      #expect(
        try events(frame + frame, step: step) == [
          .message(.binary, payload), .message(.binary, payload),
        ])
      #expect(
        try events(WebSocket.frame(.binary, payload), isMasked: false, step: step) == [
          .message(.binary, payload)
        ])
    }
  }

  @Test("a control frame may come between the parts of a message")
  func interleaved() throws {
    let bytes: [UInt8] = [0x02, 0x01, 7, 0x89, 0x00, 0x80, 0x01, 8]
    #expect(try events(bytes, isMasked: false) == [.ping([]), .message(.binary, [7, 8])])
  }

  @Test(
    "what breaks the rules is refused",
    arguments: [
      [0xF2, 0x80, 0, 0, 0, 0], [0x83, 0x80, 0, 0, 0, 0], [0x82, 0x00],
      [0x09, 0x80, 0, 0, 0, 0], [0x89, 0xFE, 0, 126, 0, 0, 0, 0], [0x80, 0x80, 0, 0, 0, 0],
      [0x02, 0x80, 0, 0, 0, 0, 0x82, 0x80, 0, 0, 0, 0],
      [0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
    ] as [[UInt8]])
  func broken(bytes: [UInt8]) {
    #expect(throws: WebSocketReader.Failure.self) { try events(bytes) }
  }

  @Test("a message beyond the limit is refused, in one part or in many")
  func limit() {
    let part = WebSocket.frame(.binary, [UInt8](repeating: 0, count: 60), mask: 0)
    var parts: [UInt8] = []
    for index in 0..<3 {
      var one = part
      one[0] = index == 0 ? 0x02 : 0x00
      parts += one
    }
    for bytes in [WebSocket.frame(.binary, [UInt8](repeating: 0, count: 101), mask: 0), parts] {
      #expect {
        try events(bytes, limit: 100)
      } throws: {
        ($0 as? WebSocketReader.Failure)?.reason == .tooLarge
      }
    }
  }
}

@Suite("HTTP requests")
struct HTTPRequestTests {
  private func read(_ text: String) throws -> HTTPRequest? {
    try HTTPRequest.read(Array(text.utf8))?.request
  }

  @Test("a request is read")
  func request() throws {
    let text =
      "GET /view?x=1 HTTP/1.1\r\nHost: a:80\r\nUPGRADE:  WebSocket \r\nConnection: keep-alive, Upgrade\r\n\r\n"
    let request = try #require(try read(text + "rest"))
    #expect(request.method == "GET")
    #expect(request.path == "/view")
    #expect(request.host == "a")
    #expect(request.has("websocket", in: "upgrade"))
    #expect(request.has("upgrade", in: "connection"))
    #expect(!request.has("close", in: "connection"))
    for count in 0..<text.utf8.count {
      #expect(try read(String(decoding: text.utf8.prefix(count), as: UTF8.self)) == nil)
    }
  }

  @Test(
    "pages from elsewhere are told from one's own",
    arguments: [
      ("a:80", "http://a:80", false), ("a:80", "https://A:80", false), ("a:80", "http://a", true),
      ("a:80", "http://b:80", true), ("a:80", "null", true), ("[::1]:80", "http://[::1]:80", false),
      ("a:80", nil, false),
    ] as [(String, String?, Bool)])
  func origins(host: String, origin: String?, isFromElsewhere: Bool) throws {
    let field = origin.map { "Origin: \($0)\r\n" } ?? ""
    let request = try #require(try read("GET / HTTP/1.1\r\nHost: \(host)\r\n\(field)\r\n"))
    #expect(request.isFromElsewhere == isFromElsewhere)
  }

  @Test(
    "what is no request is refused",
    arguments: [
      "\r\n\r\n", "GET /\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET / HTTP/2.0\r\n\r\n",
      "GET x HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nno field\r\n\r\n",
      "GET / HTTP/1.1\r\n: x\r\n\r\n", "GET / HTTP/1.1\r\na b: x\r\n\r\n",
      "GET / HTTP/1.1\r\na: \u{1}\r\n\r\n", "GET /ä HTTP/1.1\r\n\r\n",
    ])
  func broken(text: String) {
    #expect(throws: HTTPRequest.Failure.self) { try read(text) }
  }

  @Test("a head that does not end is refused in time")
  func endless() throws {
    #expect(try HTTPRequest.read([UInt8](repeating: 65, count: 8191)) == nil)
    #expect(throws: HTTPRequest.Failure.self) {
      try HTTPRequest.read([UInt8](repeating: 65, count: 8192))
    }
  }
}
