internal import CPlatform

/// Exact reads and writes on a connected stream socket. Does not own the descriptor.
struct ByteStream: Sendable {
  let descriptor: Int32
  /// The other end, for messages: "gpu1:4700".
  let peer: String

  /// Exactly `count` bytes before `deadline` (CLOCK_MONOTONIC, nanoseconds), however slowly they
  /// trickle in.
  func read(_ count: Int, deadline: UInt64) throws(LinkError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let milliseconds = remainingMilliseconds(until: deadline)
      guard milliseconds > 0 else {
        throw LinkError(
          .deadline, "\(peer) did not finish the handshake in time; the connection is dropped")
      }
      guard platform_poll(descriptor, Int32(POLLIN), milliseconds) != 0 else { continue }
      let got = bytes.withUnsafeMutableBytes {
        platform_receive_now(descriptor, $0.baseAddress! + filled, count - filled)
      }
      if got == -Int64(EAGAIN) { continue }
      guard got != 0 else {
        throw LinkError(.closed, "\(peer) closed the connection during the handshake")
      }
      guard got > 0 else { throw .system("cannot read from \(peer)", Int32(-got)) }
      filled += Int(got)
    }
    return bytes
  }

  /// Writes all of a few bytes.
  func write(_ bytes: [UInt8]) throws(LinkError) {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        platform_send(descriptor, $0.baseAddress! + sent, bytes.count - sent)
      }
      guard count > 0 else { throw .system("cannot write to \(peer)", Int32(-count)) }
      sent += Int(count)
    }
  }

  /// Writes `vectors` whole, descriptors with the first byte. Changes the vectors.
  func write(
    _ vectors: UnsafeMutableBufferPointer<iovec>, descriptors: [Int32]
  ) throws(LinkError) {
    var first = 0
    var attach = !descriptors.isEmpty
    while first < vectors.count {
      if vectors[first].iov_len == 0 {
        first += 1
        continue
      }
      let pieces = Int32(min(vectors.count - first, 64))
      let sent =
        attach
        ? platform_send_vectors(
          descriptor, vectors.baseAddress! + first, pieces, descriptors, Int32(descriptors.count))
        : platform_send_vectors(descriptor, vectors.baseAddress! + first, pieces, nil, 0)
      guard sent > 0 else { throw .system("cannot write to \(peer)", Int32(-sent)) }
      attach = false
      var rest = Int(sent)
      while rest > 0 {
        let step = min(rest, vectors[first].iov_len)
        vectors[first].iov_base += step
        vectors[first].iov_len -= step
        rest -= step
        if vectors[first].iov_len == 0 { first += 1 }
      }
    }
  }
}
