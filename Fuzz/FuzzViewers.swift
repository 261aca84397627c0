// The fuzz target of what viewers send, and what nodes pass on of it: the first byte of the input chooses a reader,
// the rest is what it reads. None may trap, read outside of its bytes, or keep more than its limit.
//
// Build and run with `Fuzz/run SECONDS viewers`.

import ViewStream

@c(LLVMFuzzerTestOneInput)
public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  guard count > 0 else { return 0 }
  let input = UnsafeRawBufferPointer(start: data, count: count)
  let bytes = UnsafeRawBufferPointer(rebasing: input[1...])
  switch input[0] & 7 {
  case 0: _ = try? ViewRequest(bytes)
  case 1: _ = try? ViewInput(bytes)
  case 2: _ = try? ViewReply(bytes)
  case 3: _ = try? HTTPRequest.read(Array(bytes))
  case 4:
    _ = ViewAnswer(bytes)
    _ = FeedEnd(bytes)
    _ = FeedWindow(bytes)
    _ = FeedApplication(bytes)
    for type: UInt32 in 16...19 { _ = FeedRequest(type: type, bytes) }
  default: readFrames(bytes, step: 1 + Int(input[0] >> 3), isMasked: input[0] & 1 == 0)
  }
  return 0
}

/// Reads frames of a WebSocket that come in pieces, and the messages in them.
private func readFrames(_ bytes: UnsafeRawBufferPointer, step: Int, isMasked: Bool) {
  var reader = WebSocketReader(limit: 512, isMasked: isMasked)
  var at = 0
  while at < bytes.count {
    let count = min(step, bytes.count - at)
    reader.append(UnsafeRawBufferPointer(rebasing: bytes[at..<at + count]))
    at += count
    do {
      while let event = try reader.next() {
        guard case .message(_, let payload) = event else { continue }
        precondition(payload.count <= 512)
        payload.withUnsafeBytes { _ = try? ViewRequest($0) }
      }
    } catch { return }
    precondition(reader.pendingByteCount <= 2048)
  }
}
