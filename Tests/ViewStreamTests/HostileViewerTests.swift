import Foundation
import Testing

@testable import ViewStream

@Suite("Hostile viewers")
struct HostileViewerTests {
  /// One of everything, as the fuzz target takes it.
  private static var seeds: [[UInt8]] {
    let input = ViewInput(swapchain: 1, viewer: 2, events: ViewMessageTests.events)
    let head = "GET /view HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n"
    return ViewMessageTests.requests.map { [0] + $0.bytes } + [[1] + input.bytes]
      + ViewMessageTests.replies.map { [2] + $0.bytes } + [[3] + Array(head.utf8)]
      + ViewMessageTests.requests.flatMap { request in
        [
          [6] + WebSocket.frame(.binary, request.bytes, mask: 0x0102_0304),
          [5] + WebSocket.frame(.binary, request.bytes),
        ]
      }
  }

  /// For `Fuzz/run`: a file for each.
  @Test(
    "writes seeds", .enabled(if: ProcessInfo.processInfo.environment["OMEGA_FUZZ_SEEDS"] != nil))
  func writesSeeds() throws {
    let folder = try #require(ProcessInfo.processInfo.environment["OMEGA_FUZZ_SEEDS"])
    for (index, seed) in Self.seeds.enumerated() {
      try Data(seed).write(to: URL(fileURLWithPath: "\(folder)/viewers-\(index)"))
    }
  }

  @Test("damaged messages are refused or read, and nothing else")
  func damaged() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      guard var bytes = Self.seeds.randomElement(using: &random) else { return }
      for _ in 0..<Int.random(in: 1...4, using: &random) where bytes.count > 1 {
        bytes[Int.random(in: 1..<bytes.count, using: &random)] = .random(
          in: 0...255, using: &random)
      }
      Array(bytes[1...]).withUnsafeBytes {
        _ = try? ViewRequest($0)
        _ = try? ViewInput($0)
        if let reply = try? ViewReply($0), case .windows(let windows) = reply {
          #expect(windows.count <= $0.count / 24)
        }
        var reader = WebSocketReader(limit: 256, isMasked: bytes[0] != 5)
        reader.append($0)
        while let event = try? reader.next() {
          if case .message(_, let payload) = event { #expect(payload.count <= 256) }
        }
      }
    }
  }
}
