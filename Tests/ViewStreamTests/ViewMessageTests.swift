import FrameStream
import Testing

@testable import ViewStream

@Suite("Messages of viewers")
struct ViewMessageTests {
  static let events: [ViewEvent] = [
    .key(code: 30, isPressed: true), .key(code: 247, isPressed: false), .motion(x: 0, y: 16383),
    .button(number: 9, isPressed: true, x: 5, y: 6), .wheel(x: -16, y: 16),
    .relative(x: -4096, y: 4096), .padButton(pad: 3, number: 16, isPressed: true),
    .padAxis(pad: 0, number: 5, value: -32767),
  ]
  static let requests: [ViewRequest] = [
    .hello(version: 1, setting: .exact, proof: (0..<32).map { UInt8($0) }),
    .watch(application: 7, window: 1 << 60), .shown(frame: 9, lostBands: 3, decodeTime: 1234),
    .input(events), .input([]), .ping(77),
  ]
  static let replies: [ViewReply] = [
    .challenge(version: 1, needsToken: true, nonce: [UInt8](repeating: 3, count: 32)),
    .welcome(.control, viewer: 4), .notice(level: 1, "a sentence, größer"),
    .windows([]),
    .windows(
      ["", "a", "ab", "abc", "abcd"].map {
        ViewWindow(
          application: 1, process: 2, window: 3, width: 640, height: 480, takesInput: true, name: $0
        )
      }),
    .begin(.video, application: 3, window: 99), .pong(5),
    .end(
      ViewFrameEnd(
        frame: 1, bands: 2, presented: 3, waitTime: 4, encodeTime: 5, relayTime: 6)),
  ]

  @Test("requests are read as they were written", arguments: requests)
  func requestsRoundTrip(request: ViewRequest) throws {
    #expect(try request.bytes.withUnsafeBytes { try ViewRequest($0) } == request)
  }

  @Test("replies are read as they were written", arguments: replies)
  func repliesRoundTrip(reply: ViewReply) throws {
    #expect(try reply.bytes.withUnsafeBytes { try ViewReply($0) } == reply)
  }

  @Test("input on its way to the application's machine is read as it was written")
  func inputRoundTrips() throws {
    let input = ViewInput(swapchain: 1 << 50, viewer: 3, events: Self.events)
    #expect(try input.bytes.withUnsafeBytes { try ViewInput($0) } == input)
  }

  @Test("a message that is cut off, or longer than it says, is refused")
  func otherSizes() {
    for request in Self.requests {
      let bytes = request.bytes
      for count in 0..<bytes.count {
        #expect(throws: ViewError.self, "\(request) with \(count) bytes") {
          try Array(bytes[..<count]).withUnsafeBytes { try ViewRequest($0) }
        }
      }
      #expect(throws: ViewError.self) {
        try (bytes + [0]).withUnsafeBytes { try ViewRequest($0) }
      }
    }
  }

  @Test("an event beyond its range is refused")
  func ranges() {
    let wrong: [ViewEvent] = [
      .key(code: 0, isPressed: true), .key(code: 248, isPressed: true), .motion(x: -1, y: 0),
      .motion(x: 0, y: 16384), .button(number: 4, isPressed: true, x: 0, y: 0),
      .button(number: 0, isPressed: true, x: 0, y: 0), .wheel(x: 17, y: 0),
      .relative(x: 0, y: 4097), .padButton(pad: 4, number: 0, isPressed: true),
      .padButton(pad: 0, number: 17, isPressed: true), .padAxis(pad: 0, number: 6, value: 0),
      .padAxis(pad: 0, number: 0, value: 32768),
    ]
    for event in wrong {
      #expect(throws: ViewError.self, "\(event)") {
        try ViewRequest.input([event]).bytes.withUnsafeBytes { try ViewRequest($0) }
      }
    }
  }

  @Test("a name that does not fit is cut between two characters")
  func longNames() throws {
    let name = String(repeating: "ß", count: 200)
    let window = ViewWindow(
      application: 1, process: 1, window: 1, width: 1, height: 1, takesInput: false, name: name)
    let read = try ViewReply.windows([window]).bytes.withUnsafeBytes { try ViewReply($0) }
    guard case .windows(let windows) = read else { return #expect(Bool(false), "\(read)") }
    #expect(windows[0].name == String(repeating: "ß", count: 127))
  }

  @Test("what the page server asks for is read as it was written")
  func feedRequests() {
    let place = FeedPlace(swapchain: 5, setting: .exact)
    let requests: [FeedRequest] = [
      .watch(place, true), .next(place, delay: 7), .loss(place, band: 3, since: nil),
      .loss(place, band: .max, since: 9),
    ]
    for request in requests {
      let (type, bytes) = request.message
      #expect(bytes.withUnsafeBytes { FeedRequest(type: type, $0) } == request)
    }
  }
}
