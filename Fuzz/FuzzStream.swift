// The fuzz target of the stream's decoder: the input is a few messages of one channel, each behind its
// u32 length.

import CommandStream

/// Keeps one thing, which nobody can name.
private final class NoContent: ContentKeeper {
  func bytes(_ digest: Digest) -> UnsafeRawBufferPointer? { nil }
  func keep(_ bytes: UnsafeRawBufferPointer) {}
}

@c(LLVMFuzzerTestOneInput)
public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  let input = UnsafeRawBufferPointer(start: data, count: count)
  let decoder = StreamDecoder(keeper: NoContent())
  var at = 0
  while input.count - at >= 4 {
    let length = Int(input.loadUnaligned(fromByteOffset: at, as: UInt32.self))
    at += 4
    let message = UnsafeRawBufferPointer(rebasing: input[at..<at + min(length, input.count - at)])
    at += message.count
    // Whole records, whatever came.
    let wrong = decoder.decode(message) { records in
      var position = 0
      while position < records.count {
        let size = Int(records.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self))
        precondition(size >= 8 && size <= records.count - position)
        position += size
      }
      return true
    }
    if wrong != nil { return 0 }
  }
  return 0
}
