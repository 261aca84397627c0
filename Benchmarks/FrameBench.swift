// The frame server beside ffmpeg's command, on frames of 1080p in memory: what a desktop costs of which little
// changes.
//
//   FrameBench desktop

import CPlatform
import FrameSamples
import FrameServer
import FrameStream
import Glibc

let width = 1920
let height = 1080
let frameBytes = width * height * 4

@main
enum FrameBench {
  static func main() {
    signal(SIGPIPE, SIG_IGN)
    switch CommandLine.arguments.dropFirst().first {
    case "desktop": DesktopTrace().run()
    default:
      print("FrameBench desktop")
      exit(2)
    }
  }
}

func report(_ name: String, _ value: Double) { print("\(name) \(value)") }

func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  return sorted.isEmpty ? .nan : sorted[sorted.count / 2]
}

/// Settings of the frame server that are those of the command below.
func settings(quality: Double) -> EncoderSettings {
  var settings = EncoderSettings()
  settings.usesHardware = false
  settings.quality = quality
  settings.bitsPerSecond = 400_000_000
  settings.refinesAfter = 0
  return settings
}

// MARK: ffmpeg

/// A command with pipes at both ends.
final class Command: Sendable {
  let input: Int32
  let output: Int32
  private let pid: pid_t

  init(_ arguments: [String]) {
    func makePipe() -> (Int32, Int32) {
      var ends: [Int32] = [0, 0]
      precondition(pipe2(&ends, O_CLOEXEC) == 0)
      // As large as anyone may have it, so that a frame takes few turns.
      _ = fcntl(ends[1], F_SETPIPE_SZ, 1 << 20)
      return (ends[0], ends[1])
    }
    let (childInput, input) = makePipe()
    let (output, childOutput) = makePipe()
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, childInput, 0)
    posix_spawn_file_actions_adddup2(&actions, childOutput, 1)
    var pid: pid_t = 0
    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    let result = posix_spawnp(&pid, arguments[0], &actions, nil, &words, Glibc.environ)
    precondition(result == 0, "\(arguments[0]) does not start")
    close(childInput)
    close(childOutput)
    self.input = input
    self.output = output
    self.pid = pid
  }

  func write(_ bytes: UnsafeRawPointer, _ count: Int) {
    var at = 0
    while at < count {
      let written = Glibc.write(input, bytes + at, count - at)
      precondition(written > 0, "the command takes no more")
      at += written
    }
  }

  /// Reads what is there after at most `timeout` milliseconds; 0 when nothing is.
  func read(_ room: UnsafeMutableRawBufferPointer, timeout: Int32) -> Int {
    var wanted = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
    guard poll(&wanted, 1, timeout) > 0 else { return 0 }
    return max(Glibc.read(output, room.baseAddress, room.count), 0)
  }

  func endInput() { close(input) }

  /// Waits for the end; nanoseconds of the processor that it took.
  @discardableResult
  func wait() -> UInt64 {
    var status: Int32 = 0
    var usage = rusage()
    wait4(pid, &status, 0, &usage)
    close(output)
    func nanoseconds(_ t: timeval) -> UInt64 {
      UInt64(t.tv_sec) * 1_000_000_000 + UInt64(t.tv_usec) * 1000
    }
    return nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime)
  }
}

func encoderCommand(
  quality: Double
) -> [String] {
  [
    "ffmpeg", "-loglevel", "error", "-nostdin", "-fflags", "nobuffer", "-probesize", "32",
    "-analyzeduration", "0", "-fpsprobesize", "0", "-f", "rawvideo", "-pix_fmt", "bgra",
    "-s",
    "\(width)x\(height)", "-r", "60", "-i", "pipe:0", "-pix_fmt", "yuv420p", "-c:v", "libx264",
    "-preset", "ultrafast", "-tune", "zerolatency", "-crf", "\(quality)", "-g", "100000",
    "-vsync", "passthrough", "-flush_packets", "1", "-f", "h264", "pipe:1",
  ]
}

/// Runs on a thread of its own.
func detach(_ body: @escaping @Sendable () -> Void) {
  final class Box {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  let result = platform_thread_start(
    { context in
      if let context { Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body() }
      return nil
    }, Unmanaged.passRetained(Box(body)).toOpaque(), 4 << 20, "bench")
  precondition(result == 0)
}

/// What a run of the command has made and cost.
struct CommandRun {
  var bytes: [UInt8] = []
  var nanoseconds: UInt64 = 0

  /// Hands over `count` frames and reads what comes.
  init(
    quality: Double, _ count: Int,
    frame: @escaping @Sendable (Int) -> (UnsafeRawPointer, Int)
  ) {
    let command = Command(encoderCommand(quality: quality))
    detach {
      for number in 0..<count {
        let (bytes, size) = frame(number)
        command.write(bytes, size)
      }
      command.endInput()
    }
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
    defer { room.deallocate() }
    while true {
      let count = command.read(room, timeout: 60_000)
      guard count > 0 else { break }
      bytes += room[..<count]
    }
    nanoseconds = command.wait()
  }
}

// MARK: A desktop

struct DesktopTrace {
  private let count = 60

  func run() {
    let desktop = Desktop(width: width, height: height, share: 0.05)
    let frames = (0..<count).map { _ in
      desktop.advance()
      return Picture(copyOf: desktop.picture)
    }
    var own: [(Double, Double)] = []
    var theirs: [(Double, Double)] = []
    let frame: @Sendable (Int) -> (UnsafeRawPointer, Int) = {
      (UnsafeRawPointer(frames[$0].pixels), frameBytes)
    }
    for _ in 0..<3 {
      var choice = settings(quality: 23)
      choice.mixesExact = true
      choice.bitsPerSecond = 50_000_000
      let encoder = FrameEncoder(choice)
      var (bytes, work) = (0, UInt64(0))
      for (number, picture) in frames.enumerated() {
        let before = platform_cpu_time()
        let coded = encoder.encode(picture.rows, width: width, height: height) { _ in }
        guard number > 0 else { continue }
        bytes += coded.byteCount
        work += platform_cpu_time() - before
      }
      own.append((Double(bytes) / Double(count - 1), Double(work) / Double(count - 1)))
      let start = CommandRun(quality: 23, 1, frame: frame)
      let whole = CommandRun(quality: 23, count, frame: frame)
      theirs.append(
        (
          Double(whole.bytes.count - start.bytes.count) / Double(count - 1),
          Double(whole.nanoseconds - start.nanoseconds) / Double(count - 1)
        ))
    }
    report("omega-bytes", median(own.map(\.0)))
    report("ffmpeg-bytes", median(theirs.map(\.0)))
    report("omega-ms", median(own.map(\.1)) / 1e6)
    report("ffmpeg-ms", median(theirs.map(\.1)) / 1e6)
  }
}
