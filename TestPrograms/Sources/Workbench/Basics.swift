import CVulkan
import Glibc

/// Ends the program with a message on standard error and status 1.
public func fail(_ message: String) -> Never {
  note(message)
  exit(1)
}

/// Writes a line to standard error.
public func note(_ message: String) {
  let line = Array("\(message)\n".utf8)
  _ = Glibc.write(2, line, line.count)
}

/// Ends the program unless a call succeeded.
public func check(_ result: VkResult, _ call: StaticString) {
  if result != VK_SUCCESS { fail("\(call) returned \(result.rawValue)") }
}

/// Copies values to memory that lives until the program ends, so that structures can point to them
/// without nesting closures. The programs are short-lived; what they keep is small.
public func keep<T>(_ values: [T]) -> UnsafePointer<T> {
  let memory = UnsafeMutableBufferPointer<T>.allocate(capacity: max(values.count, 1))
  _ = memory.initialize(from: values)
  return UnsafePointer(memory.baseAddress!)
}

/// Copies one value to memory that lives until the program ends.
public func keep<T>(_ value: T) -> UnsafePointer<T> { keep([value]) }

/// Copies a string to memory that lives until the program ends.
public func keep(_ text: String) -> UnsafePointer<CChar> { keep(Array(text.utf8CString)) }

/// Joins flag bits into the word that Vulkan's structures hold.
public func bits<Bit: RawRepresentable>(_ values: Bit...) -> UInt32 where Bit.RawValue == UInt32 {
  values.reduce(0) { $0 | $1.rawValue }
}

/// VK_WHOLE_SIZE, which is not imported.
public let wholeSize: UInt64 = .max
/// VK_QUEUE_FAMILY_IGNORED, which is not imported.
public let queueFamilyIgnored: UInt32 = .max
/// No time limit.
public let forever: UInt64 = .max

/// FNV-1a over bytes: a short name for a result.
public func hash(_ bytes: [UInt8]) -> UInt64 {
  bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
}

/// The bytes of plain values, as they lie in memory.
public func bytes<T: BitwiseCopyable>(of values: [T]) -> [UInt8] {
  values.withUnsafeBytes { Array($0) }
}

/// Plain values made of bytes; a remainder is left out.
public func values<T: BitwiseCopyable>(of bytes: [UInt8], as type: T.Type = T.self) -> [T] {
  bytes.withUnsafeBytes { raw in
    (0..<raw.count / MemoryLayout<T>.stride).map {
      raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.stride, as: T.self)
    }
  }
}

/// CLOCK_MONOTONIC in nanoseconds.
public func now() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// The middle one, and the least.
public func summary(_ times: [UInt64]) -> (median: UInt64, minimum: UInt64) {
  let sorted = times.sorted()
  return (sorted[sorted.count / 2], sorted[0])
}

/// Words that look random and are the same every time.
public func pseudorandomWords(_ count: Int, seed: UInt32) -> [UInt32] {
  var state = seed | 1
  return (0..<count).map { _ in
    state ^= state &<< 13
    state ^= state &>> 17
    state ^= state &<< 5
    return state
  }
}

/// Prints a result line at once, even into a file.
public func say(_ line: String) {
  print(line)
  fflush(nil)
}

/// 16 digits.
public func hexadecimal(_ value: UInt64) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}
