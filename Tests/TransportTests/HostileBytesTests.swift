import CPlatform
import Foundation
import Testing

@testable import Transport

@Suite("A peer that sends anything")
struct HostileBytesTests {
  private struct Numbers {
    var state: UInt64 = 0x1234_5678_9ABC_DEF1

    mutating func next() -> UInt64 {
      state ^= state &<< 13
      state ^= state &>> 7
      state ^= state &<< 17
      return state
    }
  }

  private func end() -> Date {
    Date(
      timeIntervalSinceNow: ProcessInfo.processInfo.environment["OMEGA_FUZZ_SECONDS"]
        .flatMap { Double($0) } ?? 0.5)
  }

  @Test("gets a message, an error or an end: no trap, no wait")
  func hostileBytes() {
    let end = end()
    var numbers = Numbers()
    repeat {
      let (a, b) = Pair.sockets()
      let link = Link(descriptor: b, peer: "x")
      link.messageLimit = [64, 4096, Link.largestMessage][Int(numbers.next() % 3)]
      var bytes: [UInt8] = []
      for _ in 0..<(numbers.next() % 6) {
        let count = Int(numbers.next() % 200)
        let said = numbers.next() % 4 == 0 ? numbers.next() : UInt64(count)
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: numbers.next() % 100)) { bytes += $0 }
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: said)) { bytes += $0 }
        bytes += (0..<count).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
      }
      bytes = Array(bytes.prefix(Int(numbers.next() % UInt64(bytes.count + 1))))
      _ = platform_send(a, bytes, bytes.count)
      platform_close(a)
      while let message = try? link.receive() {
        #expect(message.payload.count <= link.messageLimit)
      }
    } while Date() < end
  }

  @Test("gets no key by a handshake that is nearly right")
  func hostileHandshakes() {
    let end = end()
    var numbers = Numbers()
    repeat {
      let (a, b) = Pair.sockets()
      var bytes = Handshake.magic + [1, 0, 1, 0, 0, 0, 0, 0]
      bytes += (0..<200).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
      if numbers.next() % 2 == 0 {
        bytes[Int(numbers.next() % 16)] ^= UInt8(truncatingIfNeeded: 1 << (numbers.next() % 8))
      }
      bytes = Array(bytes.prefix(Int(numbers.next() % UInt64(bytes.count + 1))))
      _ = platform_send(a, bytes, bytes.count)
      platform_close(a)
      #expect(throws: LinkError.self) { try Link.accept(tcp: b, peer: "x", token: nil) }
    } while Date() < end
  }
}
