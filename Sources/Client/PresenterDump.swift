import CPlatform

/// Which frames of this process are written to files: `OMEGA_DUMP_FRAMES=DIR` asks for them all,
/// `OMEGA_DUMP_AT=N,N-M,…` for some. Files are `DIR/frame-000001.ppm` (P6, 8 bit), numbered by
/// present over all windows of the process.
public enum FrameDump {
  /// The directory, or nil when nothing is to be written.
  static var directory: UnsafePointer<CChar>? {
    guard let path = platform_getenv("OMEGA_DUMP_FRAMES"), path[0] != 0 else { return nil }
    return path
  }

  /// Frames are written: all are wanted.
  public static var isOn: Bool { directory != nil }

  /// Number of the next present of this process, from 1.
  static func nextNumber() -> UInt64 { platform_add64(&presents, 1) &+ 1 }

  /// Whether a list like "3,10-20,50-" (nil: everything) names `number`. What is no number ends
  /// its entry.
  public static func isWanted(_ number: UInt64, _ list: UnsafePointer<CChar>?) -> Bool {
    guard let list else { return true }
    var i = 0
    while list[i] != 0 {
      let first = parse(list, &i)
      var last = first
      if list[i] == 0x2D {
        i &+= 1
        last = list[i] == 0 || list[i] == 0x2C ? UInt64.max : parse(list, &i)
      }
      if number >= first && number <= last { return true }
      while list[i] != 0 && list[i] != 0x2C { i &+= 1 }
      if list[i] == 0x2C { i &+= 1 }
    }
    return false
  }

  private static func parse(_ list: UnsafePointer<CChar>, _ i: inout Int) -> UInt64 {
    var value: UInt64 = 0
    while list[i] >= 0x30 && list[i] <= 0x39 {
      value = value &* 10 &+ UInt64(truncatingIfNeeded: list[i] &- 0x30)
      i &+= 1
    }
    return value
  }

  /// Writes one frame when it is wanted, under its name when it is whole: who is killed meanwhile leaves none that
  /// is not. A failure is said once; presenting goes on.
  static func write(_ frames: FrameBuffers, image: Int, number: UInt64) {
    guard let directory, isWanted(number, platform_getenv("OMEGA_DUMP_AT")) else { return }
    let headerRoom = 64
    let rowBytes = frames.width &* 3
    let byteCount = headerRoom &+ rowBytes &* frames.height
    let pathRoom = platform_string_length(directory) &+ 40
    guard let memory = platform_malloc(byteCount), let pathMemory = platform_malloc(2 &* pathRoom)
    else {
      return fail(directory, -ENOMEM)
    }
    defer {
      platform_free(memory)
      platform_free(pathMemory)
    }
    var header = Text(memory.assumingMemoryBound(to: UInt8.self))
    header.append("P6\n")
    header.append(UInt64(frames.width), digits: 1)
    header.append(" ")
    header.append(UInt64(frames.height), digits: 1)
    header.append("\n255\n")
    let pixels = header.cursor
    var row = 0
    while row < frames.height {
      frames.layout.convert(
        frames.frame(image) + row &* frames.stride, frames.width, into: pixels + row &* rowBytes)
      row &+= 1
    }
    let path = name(directory, number, ".ppm", in: pathMemory)
    let part = name(directory, number, ".ppm.part", in: pathMemory + pathRoom)
    let size = pixels - memory.assumingMemoryBound(to: UInt8.self) &+ rowBytes &* frames.height
    var result = save(part, memory, size)
    if result == 0 { result = platform_rename(part, path) }
    if result < 0 { fail(directory, result) }
  }

  private static func name(
    _ directory: UnsafePointer<CChar>, _ number: UInt64, _ suffix: StaticString,
    in room: UnsafeMutableRawPointer
  ) -> UnsafePointer<CChar> {
    var path = Text(room.assumingMemoryBound(to: UInt8.self))
    path.append(directory)
    path.append("/frame-")
    path.append(number, digits: 6)
    path.append(suffix)
    path.terminate()
    return UnsafeRawPointer(room).assumingMemoryBound(to: CChar.self)
  }

  private static func save(
    _ path: UnsafePointer<CChar>, _ bytes: UnsafeRawPointer, _ count: Int
  ) -> Int32 {
    let file = platform_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard file >= 0 else { return file }
    defer { _ = platform_close(file) }
    var done = 0
    while done < count {
      let written = platform_write(file, bytes + done, count &- done)
      guard written > 0 else { return written == 0 ? -EIO : Int32(truncatingIfNeeded: written) }
      done &+= Int(written)
    }
    return 0
  }

  private static func fail(_ directory: UnsafePointer<CChar>, _ result: Int32) {
    guard platform_exchange32(&hasFailed, 1) == 0 else { return }
    var line = LogLine(.error)
    line.text("frames cannot be written to '")
    line.text(directory)
    line.text("' (")
    line.error(-result)
    line.text("); is it a directory that can be written to, with room?")
    line.send()
  }
}

nonisolated(unsafe) private var presents: UInt64 = 0
nonisolated(unsafe) private var hasFailed: UInt32 = 0

/// Bytes put one behind the other into memory that has room for them.
private struct Text {
  var cursor: UnsafeMutablePointer<UInt8>

  init(_ memory: UnsafeMutablePointer<UInt8>) { cursor = memory }

  mutating func append(_ text: StaticString) {
    platform_copy(cursor, text.utf8Start, text.utf8CodeUnitCount)
    cursor += text.utf8CodeUnitCount
  }

  /// The NUL that ends a C string. A literal's count leaves out one that is written into it.
  mutating func terminate() {
    cursor.pointee = 0
    cursor += 1
  }

  mutating func append(_ text: UnsafePointer<CChar>) {
    let count = platform_string_length(text)
    platform_copy(cursor, text, count)
    cursor += count
  }

  /// At least `digits` digits, zeros in front.
  mutating func append(_ value: UInt64, digits: Int) {
    if value >= 10 || digits > 1 { append(value / 10, digits: digits &- 1) }
    cursor.pointee = UInt8(truncatingIfNeeded: 0x30 &+ value % 10)
    cursor += 1
  }
}
