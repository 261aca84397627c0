import CPlatform
import Glibc
import Testing

@testable import Recording

private func checksum(_ text: String) -> UInt64 {
  Array(text.utf8).withUnsafeBytes { Checksum.of($0) }
}

@Suite("Checksum")
struct ChecksumTests {
  @Test(
    "is XXH64",
    arguments: [
      ("", 0xEF46_DB37_51D8_E999), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999),
      (
        "Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1
      ),
    ] as [(String, UInt64)])
  func vectors(text: String, wanted: UInt64) { #expect(checksum(text) == wanted) }

  @Test("is the same however the bytes come")
  func pieces() {
    let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7 + $0 / 5) }
    let whole = bytes.withUnsafeBytes { Checksum.of($0) }
    for step in [1, 3, 8, 31, 32, 33, 64, 999] {
      var sum = Checksum()
      var at = 0
      while at < bytes.count {
        let end = min(at + step, bytes.count)
        bytes.withUnsafeBytes { sum.add(UnsafeRawBufferPointer(rebasing: $0[at..<end])) }
        at = end
      }
      #expect(sum.value == whole, "pieces of \(step)")
    }
  }
}

/// A file of the test's own, gone with it.
private final class File {
  let path: String

  init() {
    var name = Array("/tmp/omega-recording-XXXXXX".utf8CString)
    let descriptor = mkstemp(&name)
    _ = platform_close(descriptor)
    path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { unlink(path) }

  var bytes: [UInt8] {
    get {
      let descriptor = platform_open(path, O_RDONLY, 0)
      defer { _ = platform_close(descriptor) }
      var bytes = [UInt8](repeating: 0, count: Int(platform_file_size(descriptor)))
      let count = bytes.count
      _ = bytes.withUnsafeMutableBytes { platform_read(descriptor, $0.baseAddress!, count) }
      return bytes
    }
    set {
      let descriptor = platform_open(path, O_WRONLY | O_TRUNC, 0)
      defer { _ = platform_close(descriptor) }
      _ = newValue.withUnsafeBytes { platform_write(descriptor, $0.baseAddress!, $0.count) }
    }
  }
}

/// Entries as the reader gives them.
private struct Entry: Equatable {
  var kind: UInt32
  var body: [UInt8]

  /// As it lies in a chunk.
  var bytes: [UInt8] {
    var head: [UInt32] = [kind.littleEndian, UInt32(8 + body.count).littleEndian]
    return head.withUnsafeMutableBytes { Array($0) } + body
  }
}

private let header = RecordingHeader(
  wireVersion: 1, opcodeCount: 0x1234, driverUUID: Array(1...16), driverVersion: 7,
  driver: "a driver", application: "a program", firstFrame: 1)

private func entries(_ numbers: Range<Int>) -> [Entry] {
  numbers.map { number in
    Entry(
      kind: UInt32(number % 9 + 1),
      body: (0..<(number % 5 * 8)).map { UInt8(truncatingIfNeeded: $0 * number) })
  }
}

private func write(_ chunks: [[Entry]], to file: File, finish: Bool = true) throws {
  let writer = try RecordingWriter(path: file.path, header: header)
  for (number, chunk) in chunks.enumerated() {
    try chunk.flatMap(\.bytes).withUnsafeBytes {
      try writer.write(chunk: $0, frames: [UInt64(number + 1)])
    }
  }
  if finish { try writer.finish() }
}

private func read(_ file: File) throws -> (entries: [Entry], isCutOff: Bool) {
  let reader = try RecordingReader(path: file.path)
  var found: [Entry] = []
  while let entry = try reader.next() {
    found.append(Entry(kind: entry.kind, body: Array(entry.body)))
  }
  return (found, reader.isCutOff)
}

@Suite("Recording")
struct RecordingTests {
  @Test("gives back what was written")
  func roundTrip() throws {
    let file = File()
    let chunks = [entries(0..<100), entries(100..<101), entries(101..<300)]
    try write(chunks, to: file)
    let (found, isCutOff) = try read(file)
    #expect(found == chunks.flatMap { $0 })
    #expect(!isCutOff)
    #expect(try RecordingReader(path: file.path).header == header)
    let index = try #require(RecordingIndex(path: file.path))
    #expect(index.frames.map(\.number) == [1, 2, 3])
  }

  @Test("one that was never finished is read to its last whole part")
  func unfinished() throws {
    let file = File()
    try write([entries(0..<10), entries(10..<20)], to: file, finish: false)
    let (found, isCutOff) = try read(file)
    #expect(found == entries(0..<20))
    #expect(isCutOff)
    #expect(RecordingIndex(path: file.path) == nil)
  }

  @Test("cut off anywhere, it gives a beginning or an error")
  func cutOff() throws {
    let file = File()
    try write([entries(0..<10), entries(10..<20)], to: file)
    let whole = file.bytes
    for count in 0..<whole.count {
      file.bytes = Array(whole[..<count])
      _ = RecordingIndex(path: file.path)
      guard let (found, _) = try? read(file) else { continue }
      #expect(entries(0..<20).starts(with: found), "cut off at \(count)")
    }
  }

  @Test("a changed bit is an error, an end that is said, or is where nothing lies")
  func flipped() throws {
    let file = File()
    try write([entries(0..<10), entries(10..<20)], to: file)
    let whole = file.bytes
    for bit in 0..<(whole.count * 8) {
      var changed = whole
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      file.bytes = changed
      _ = RecordingIndex(path: file.path)
      guard let (found, isCutOff) = try? read(file) else { continue }
      // A chunk that says it is longer than the file looks like one that was cut off, and is said to be.
      if isCutOff {
        #expect(entries(0..<20).starts(with: found), "bit \(bit)")
      } else {
        #expect(found == entries(0..<20), "bit \(bit)")
      }
    }
  }

  @Test("garbage is no recording")
  func garbage() throws {
    let file = File()
    var random = SystemRandomNumberGenerator()
    for count in [0, 1, 8, 63, 64, 1000, 100_000] {
      file.bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
      #expect(throws: RecordingError.self) { try read(file) }
    }
    #expect(throws: RecordingError.self) { try RecordingReader(path: "/nonexistent/file") }
  }

  @Test("a full disk is an error that names the file")
  func fullDisk() throws {
    let error = #expect(throws: RecordingError.self) {
      _ = try RecordingWriter(path: "/dev/full", header: header)
    }
    #expect(error?.message.contains("/dev/full") == true)
    #expect(error?.message.contains("No space") == true)
  }
}
