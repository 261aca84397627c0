// The frame server beside ffmpeg's command, on frames of 1080p in memory: what it takes until the first byte of
// a frame is there, and until it is decoded at the other end of a connection; how many bits and how much of the
// processor a picture of a quality costs; and what a desktop costs of which little changes.
//
//   FrameBench first-byte|loopback|quality|desktop

import CPlatform
import FrameSamples
import FrameServer
import FrameStream
import Glibc
import Synchronization

let width = 1920
let height = 1080
let frameBytes = width * height * 4

@main
enum FrameBench {
  static func main() {
    signal(SIGPIPE, SIG_IGN)
    switch CommandLine.arguments.dropFirst().first {
    case "first-byte": FirstByte().run()
    case "loopback": Loopback().run()
    case "quality": Quality().run()
    case "desktop": DesktopTrace().run()
    default:
      print("FrameBench first-byte|loopback|quality|desktop")
      exit(2)
    }
  }
}

func report(_ name: String, _ value: Double) { print("\(name) \(value)") }

func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  return sorted.isEmpty ? .nan : sorted[sorted.count / 2]
}

func milliseconds(_ nanoseconds: UInt64) -> Double { Double(nanoseconds) / 1e6 }

/// Frames of a drive, there and back again, so that few of them make a long clip.
struct Clip {
  let frames: [Picture]

  init(_ count: Int) {
    let scene = FlyThrough(width: width, height: height)
    frames = (0..<count).map { number in
      let picture = Picture(width: width, height: height)
      scene.draw(number, into: picture)
      return picture
    }
  }

  func bytes(_ number: Int) -> (UnsafeRawPointer, Int) {
    (UnsafeRawPointer(self[number].pixels), frameBytes)
  }

  subscript(number: Int) -> Picture {
    let turn = number % (2 * frames.count - 2)
    return frames[turn < frames.count ? turn : 2 * frames.count - 2 - turn]
  }
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

  /// Hands a frame over on a thread of its own, so that what comes meanwhile is read.
  func writeBeside(_ frame: (UnsafeRawPointer, Int)) {
    nonisolated(unsafe) let frame = frame
    detach { self.write(frame.0, frame.1) }
  }

  /// Reads until nothing comes for `quiet` milliseconds; how many bytes.
  @discardableResult
  func drain(quiet: Int32) -> Int {
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
    defer { room.deallocate() }
    var sum = 0
    while case let count = read(room, timeout: quiet), count > 0 { sum += count }
    return sum
  }

  /// The command looks at some frames before it begins: hands over as many as it takes until each comes
  /// out at once.
  func warm(_ frame: (Int) -> (UnsafeRawPointer, Int)) {
    var atOnce = 0
    for number in 0..<60 where atOnce < 5 {
      let frame = frame(number)
      writeBeside(frame)
      atOnce = drain(quiet: 150) > 0 ? atOnce + 1 : 0
    }
    guard atOnce == 5 else {
      print("the command keeps frames back")
      exit(1)
    }
  }

  /// Milliseconds from when a frame is handed over until the first byte comes.
  func timeToFirstByte(_ frame: (UnsafeRawPointer, Int)) -> Double {
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
    defer { room.deallocate() }
    let began = platform_now()
    writeBeside(frame)
    guard read(room, timeout: 2000) > 0 else {
      print("the command keeps a frame back")
      exit(1)
    }
    let took = milliseconds(platform_now() - began)
    drain(quiet: 30)
    return took
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

  func kill() {
    Glibc.kill(pid, SIGKILL)
    close(input)
    wait()
  }
}

/// Samples that the command is given.
enum Samples: String {
  /// The pixels themselves, which the command converts.
  case bgra
  /// What is left to code when they have been converted.
  case yuv420p
}

/// The command that codes raw frames of a pipe. `loses`: it does not wait to know its input, for which it
/// throws its first frame away.
func encoderCommand(
  _ samples: Samples, quality: Double, loses: Bool, to output: [String] = ["-f", "h264", "pipe:1"]
) -> [String] {
  ["ffmpeg", "-loglevel", "error", "-nostdin"] + (loses ? ["-fflags", "nobuffer"] : []) + [
    "-probesize", "32", "-analyzeduration", "0", "-fpsprobesize", "0", "-f", "rawvideo",
    "-pix_fmt", samples.rawValue, "-s", "\(width)x\(height)", "-r", "60", "-i", "pipe:0",
    "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
    "-crf", "\(quality)", "-g", "100000", "-vsync", "passthrough", "-flush_packets", "1",
  ] + output
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

// MARK: Time to the first byte

struct FirstByte {
  let clip = Clip(12)

  func run() {
    let encoder = FrameEncoder(settings(quality: 23))
    let planes = PlaneFrames(clip)
    var own: [Double] = []
    var ownWhole: [Double] = []
    var theirs: [Samples: [Double]] = [:]
    let peers = [Samples.bgra, .yuv420p].map {
      ($0, Command(encoderCommand($0, quality: 23, loses: true)))
    }
    for (samples, peer) in peers {
      peer.warm { samples == .bgra ? clip.bytes($0) : planes.bytes($0) }
    }
    var number = 0
    for round in 0..<9 {
      for frame in number..<number + 12 {
        let picture = clip[frame]
        let coded = encoder.encode(picture.rows, width: width, height: height) { _ in }
        if round > 0 {
          own.append(milliseconds(coded.firstUnit - coded.began))
          ownWhole.append(milliseconds(coded.lastUnit - coded.began))
        }
        platform_sleep(5_000_000)
      }
      for (samples, peer) in peers {
        for frame in number..<number + 12 {
          let took = peer.timeToFirstByte(
            samples == .bgra ? clip.bytes(frame) : planes.bytes(frame))
          if round > 0 { theirs[samples, default: []].append(took) }
        }
      }
      number += 12
    }
    for (_, peer) in peers { peer.kill() }
    report("omega", median(own))
    report("omega-whole", median(ownWhole))
    for (samples, values) in theirs { report("ffmpeg-\(samples)", median(values)) }
  }
}

// MARK: Time to the last decoded row

/// From when a frame is there until its last row is decoded at the other end of a TCP connection.
struct Loopback {
  let clip = Clip(12)

  func run() {
    let own = Client()
    let peer = Pair(clip)
    var ours: [Double] = []
    var theirs: [Double] = []
    var number = 0
    for round in 0..<9 {
      for frame in number..<number + 12 {
        let took = own.show(clip[frame])
        if round > 0 { ours.append(took) }
        platform_sleep(5_000_000)
      }
      for frame in number..<number + 12 {
        let took = peer.show(clip.bytes(frame))
        if round > 0 { theirs.append(took) }
      }
      number += 12
    }
    peer.end()
    report("omega", median(ours))
    report("ffmpeg", median(theirs))
  }

  /// The frame server and a client in this process, with a connection between them.
  private final class Client: @unchecked Sendable {
    private let encoder = FrameEncoder(settings(quality: 23))
    private let sending = Mutex(())
    private let socket: Int32
    /// Bands that the client has shown, and when it had the last.
    private let shown = Mutex((bands: 0, at: UInt64(0)))

    init() {
      let (server, client) = connectedSockets()
      socket = server
      detach { [self] in serve(client) }
    }

    private func send(_ bytes: [UInt8]) {
      var at = 0
      while at < bytes.count {
        at += bytes.withUnsafeBytes { Glibc.write(socket, $0.baseAddress! + at, $0.count - at) }
      }
    }

    func show(_ picture: Picture) -> Double {
      shown.withLock { $0 = (0, 0) }
      let began = platform_now()
      let coded = encoder.encode(picture.rows, width: width, height: height) { unit in
        var bytes = [UInt8](repeating: 0, count: 4 + unit.byteCount)
        bytes.withUnsafeMutableBytes { room in
          room.storeBytes(of: UInt32(unit.byteCount), as: UInt32.self)
          unit.write(to: room.baseAddress! + 4)
        }
        sending.withLock { _ in send(bytes) }
      }
      send([0, 0, 0, 0])
      let wanted = coded.bands.nonzeroBitCount
      precondition(wanted > 1)
      while true {
        let (bands, at) = shown.withLock { $0 }
        if bands == wanted { return milliseconds(at - began) }
        platform_sleep(50_000)
      }
    }

    /// Decodes what comes, as the agent does.
    private func serve(_ socket: Int32) {
      nonisolated(unsafe) let decoder = FrameDecoder()
      let crew = DecodingCrew()
      var unit: [UInt8] = []
      func read(_ count: Int) {
        unit = [UInt8](repeating: 0, count: count)
        var at = 0
        while at < count {
          let got = unit.withUnsafeMutableBytes {
            Glibc.read(socket, $0.baseAddress! + at, count - at)
          }
          guard got > 0 else { exit(0) }
          at += got
        }
      }
      let work: @Sendable (UnsafeRawBufferPointer) -> Void = { [self] bytes in
        do { try decoder.decode(try BandUnit(bytes)) } catch {
          print("a band does not decode: \(error)")
          exit(1)
        }
        shown.withLock { $0 = ($0.bands + 1, platform_now()) }
      }
      while true {
        read(4)
        let count = Int(unit.withUnsafeBytes { $0.load(as: UInt32.self) })
        // The end of a frame.
        if count == 0 {
          crew.finish(decoder)
          continue
        }
        read(count)
        do {
          try unit.withUnsafeBytes { bytes in
            let header = try BandUnit(bytes).header
            _ = try decoder.prepare(for: header)
            _ = crew.add(decoder, band: header.band, bytes, work: work)
          }
        } catch {
          print("a band is damaged: \(error)")
          exit(1)
        }
      }
    }
  }

  /// Two of the commands with a connection between them: one codes, one decodes to samples, which it does
  /// not even make pixels of.
  private final class Pair {
    private let encoder: Command
    private let decoder: Command

    init(_ clip: Clip) {
      let address = "tcp://127.0.0.1:\(freePort())"
      decoder = Command([
        "ffmpeg", "-loglevel", "error", "-nostdin", "-flags", "low_delay", "-thread_type", "slice",
        "-probesize", "32", "-analyzeduration", "0", "-f", "nut", "-i",
        address + "?listen=1", "-vsync", "passthrough", "-flush_packets", "1", "-f", "rawvideo",
        "-pix_fmt", "yuv420p", "pipe:1",
      ])
      platform_sleep(500_000_000)
      encoder = Command(
        encoderCommand(
          .bgra, quality: 23, loses: true, to: ["-f", "nut", address + "?tcp_nodelay=1"]))
      var atOnce = 0
      for number in 0..<60 where atOnce < 5 {
        encoder.writeBeside(clip.bytes(number))
        atOnce = decoder.drain(quiet: 200) == PlaneFrames.byteCount ? atOnce + 1 : 0
      }
      guard atOnce == 5 else {
        print("the commands keep frames back")
        exit(1)
      }
    }

    func show(_ frame: (UnsafeRawPointer, Int)) -> Double {
      let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
      defer { room.deallocate() }
      let began = platform_now()
      encoder.writeBeside(frame)
      var count = 0
      while count < PlaneFrames.byteCount {
        let more = decoder.read(room, timeout: 2000)
        guard more > 0 else {
          print("the commands keep a frame back")
          exit(1)
        }
        count += more
      }
      return milliseconds(platform_now() - began)
    }

    func end() {
      encoder.kill()
      decoder.kill()
    }
  }
}

/// A port of loopback that nobody listens on.
private func freePort() -> UInt16 {
  let (descriptor, port) = listen()
  close(descriptor)
  return port
}

private func listen() -> (Int32, UInt16) {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  var size = socklen_t(MemoryLayout<sockaddr_in>.size)
  withUnsafeMutablePointer(to: &address) { address in
    address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
      precondition(bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: address), size) == 0)
      precondition(getsockname(descriptor, __SOCKADDR_ARG(__sockaddr__: address), &size) == 0)
    }
  }
  precondition(Glibc.listen(descriptor, 1) == 0)
  return (descriptor, UInt16(bigEndian: address.sin_port))
}

/// Both ends of a TCP connection.
private func connectedSockets() -> (Int32, Int32) {
  let (listener, port) = listen()
  let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  withUnsafePointer(to: &address) { address in
    address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
      let result = connect(
        client, __CONST_SOCKADDR_ARG(__sockaddr__: address),
        socklen_t(MemoryLayout<sockaddr_in>.size))
      precondition(result == 0)
    }
  }
  let server = accept4(listener, __SOCKADDR_ARG(), nil, Int32(SOCK_CLOEXEC.rawValue))
  close(listener)
  var one: Int32 = 1
  for descriptor in [server, client] {
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(4))
  }
  return (server, client)
}

/// A clip's frames as 4:2:0 samples, by the frame server's own conversion.
final class PlaneFrames {
  private let clip: Clip
  private let frames: [UnsafeMutablePointer<UInt8>]
  static let byteCount = width * height * 3 / 2

  init(_ clip: Clip) {
    self.clip = clip
    frames = clip.frames.map { picture in
      let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: PlaneFrames.byteCount)
      ColorConversion(range: .limited).toVideo(
        picture.rows, width: width, height: height,
        into: PlanePicture(
          y: memory, yStride: width, cb: memory + width * height,
          cr: memory + width * height * 5 / 4, chromaStride: width / 2, sampling: .quarter420),
        codedWidth: width, codedHeight: height)
      return memory
    }
  }

  func bytes(_ number: Int) -> (UnsafeRawPointer, Int) {
    let turn = number % (2 * frames.count - 2)
    let frame = frames[turn < frames.count ? turn : 2 * frames.count - 2 - turn]
    return (UnsafeRawPointer(frame), PlaneFrames.byteCount)
  }
}

/// What a run of the command has made and cost.
struct CommandRun {
  var bytes: [UInt8] = []
  var nanoseconds: UInt64 = 0

  /// Hands over `count` frames and reads what comes.
  init(
    _ samples: Samples, quality: Double, _ count: Int,
    frame: @escaping @Sendable (Int) -> (UnsafeRawPointer, Int)
  ) {
    let command = Command(encoderCommand(samples, quality: quality, loses: false))
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

// MARK: Bits and work at equal quality

struct Quality {
  private let clip = Clip(16)
  private let count = 48

  private struct Point {
    var bytes = 0.0
    /// Nanoseconds of the processor, a frame.
    var work = 0.0
    /// Of luma, in dB.
    var psnr = 0.0
  }

  func run() {
    let planes = PlaneFrames(clip)
    let rates = [20.0, 25, 30, 35]
    var own: [Point] = []
    var theirs: [Samples: [Point]] = [:]
    for quality in rates {
      var rounds: [Point] = []
      var others: [Samples: [Point]] = [:]
      for _ in 0..<3 {
        rounds.append(ownPoint(quality, planes))
        for samples in [Samples.yuv420p, .bgra] {
          others[samples, default: []].append(theirPoint(samples, quality, planes))
        }
      }
      func middle(_ points: [Point]) -> Point {
        var point = points[0]
        point.work = median(points.map(\.work))
        return point
      }
      own.append(middle(rounds))
      for (samples, points) in others { theirs[samples, default: []].append(middle(points)) }
    }
    // The command's own conversion has other colours: its picture is judged by the samples it was given.
    let peer = theirs[.yuv420p] ?? []
    report(
      "bits", ratio(own.map { (log($0.bytes), $0.psnr) }, peer.map { (log($0.bytes), $0.psnr) }))
    report("speed-yuv420p", 1 / workRatio(own, peer))
    let pixels = zip(theirs[.bgra] ?? [], peer).map { point, judged in
      Point(bytes: judged.bytes, work: point.work, psnr: judged.psnr)
    }
    report("speed-bgra", 1 / workRatio(own, pixels))
    report("omega-ms", own.map(\.work).reduce(0, +) / 4e6)
    report("ffmpeg-ms", pixels.map(\.work).reduce(0, +) / 4e6)
    report("ffmpeg-yuv420p-ms", peer.map(\.work).reduce(0, +) / 4e6)
    report("omega-kilobytes", own.map(\.bytes).reduce(0, +) / 4e3)
    report("ffmpeg-kilobytes", peer.map(\.bytes).reduce(0, +) / 4e3)
  }

  /// Mean ratio of bytes at the same PSNR: the curves, piecewise linear in the logarithm, over the part that
  /// both have.
  private func ratio(_ a: [(Double, Double)], _ b: [(Double, Double)]) -> Double {
    func at(_ curve: [(Double, Double)], _ psnr: Double) -> Double {
      let sorted = curve.sorted { $0.1 < $1.1 }
      for (low, high) in zip(sorted, sorted.dropFirst()) where psnr <= high.1 {
        return low.0 + (high.0 - low.0) * (psnr - low.1) / (high.1 - low.1)
      }
      return sorted[sorted.count - 1].0
    }
    let low = max(a.map(\.1).min() ?? 0, b.map(\.1).min() ?? 0)
    let high = min(a.map(\.1).max() ?? 0, b.map(\.1).max() ?? 0)
    let steps = (0...100).map { low + (high - low) * Double($0) / 100 }
    return exp(steps.map { at(a, $0) - at(b, $0) }.reduce(0, +) / 101)
  }

  private func workRatio(_ a: [Point], _ b: [Point]) -> Double {
    ratio(a.map { (log($0.work), $0.psnr) }, b.map { (log($0.work), $0.psnr) })
  }

  private func ownPoint(_ quality: Double, _ planes: PlaneFrames) -> Point {
    let encoder = FrameEncoder(settings(quality: quality))
    let units = Mutex([(number: Int, header: BandHeader, bytes: [UInt8])]())
    var bytes = 0
    var work: UInt64 = 0
    for number in 0..<count {
      let before = platform_cpu_time()
      _ = encoder.encode(clip[number].rows, width: width, height: height) { unit in
        let copy = Array(unit.picture)
        units.withLock { $0.append((number, unit.header, copy)) }
      }
      if number > 0 { work += platform_cpu_time() - before }
    }
    let all = units.withLock { $0 }
    var sum = 0.0
    for band in 0..<(encoder.layout?.count ?? 0) {
      let own = all.filter { $0.header.band == band }
      bytes += own.reduce(0) { $0 + $1.bytes.count }
      guard let header = own.first?.header else { continue }
      for unit in own {
        precondition(unit.header.coding == .h264)
        guard let picture = decoded(unit.bytes, header.rows, band) else { continue }
        sum += squares(picture, planes, unit.number, header.top..<header.top + header.rows)
      }
      decoder = nil
    }
    return Point(
      bytes: Double(bytes) / Double(count), work: Double(work) / Double(count - 1),
      psnr: psnr(sum))
  }

  private func theirPoint(_ samples: Samples, _ quality: Double, _ planes: PlaneFrames) -> Point {
    let clip = clip
    nonisolated(unsafe) let planes = planes
    let frame: @Sendable (Int) -> (UnsafeRawPointer, Int) = { number in
      samples == .bgra ? (UnsafeRawPointer(clip[number].pixels), frameBytes) : planes.bytes(number)
    }
    let start = CommandRun(samples, quality: quality, 1, frame: frame)
    let whole = CommandRun(samples, quality: quality, count, frame: frame)
    var point = Point(
      bytes: Double(whole.bytes.count) / Double(count),
      work: Double(whole.nanoseconds - start.nanoseconds) / Double(count - 1))
    guard samples == .yuv420p else { return point }
    var sum = 0.0
    var number = 0
    for picture in pictures(whole.bytes) {
      guard let frame = decoded(picture, height, 0) else { continue }
      sum += squares(frame, planes, number, 0..<height)
      number += 1
    }
    decoder = nil
    precondition(number == count)
    point.psnr = psnr(sum)
    return point
  }

  /// Splits a stream into pictures: each ends where, behind a slice, something else than a later slice of the
  /// same picture begins.
  private func pictures(_ bytes: [UInt8]) -> [[UInt8]] {
    var found: [[UInt8]] = []
    var from = 0
    var hasSlice = false
    var i = 0
    while i + 4 < bytes.count {
      guard bytes[i] == 0, bytes[i + 1] == 0, bytes[i + 2] == 1 else {
        i += 1
        continue
      }
      let isSlice = [1, 5].contains(bytes[i + 3] & 31)
      // first_mb_in_slice is 0 when its first bit is set.
      if hasSlice, !isSlice || bytes[i + 4] & 0x80 != 0 {
        found.append(Array(bytes[from..<i]))
        from = i
        hasSlice = false
      }
      hasSlice = hasSlice || isSlice
      i += 4
    }
    return found + [Array(bytes[from...])]
  }

  nonisolated(unsafe) private static var current: VideoDecoder?
  private var decoder: VideoDecoder? {
    get { Quality.current }
    nonmutating set { Quality.current = newValue }
  }

  /// Luma of a picture, in rows of `width`.
  private func decoded(_ bytes: [UInt8], _ rows: Int, _ band: Int) -> (UnsafePointer<UInt8>, Int)? {
    do {
      if decoder == nil { decoder = try VideoDecoder(.h264, width: width, rows: rows) }
      guard let decoder else { return nil }
      try bytes.withUnsafeBytes { try decoder.feed($0) }
      let frame = try decoder.finish()
      return frame.data.0.map { (UnsafePointer($0), Int(frame.linesize.0)) }
    } catch {
      print("a picture does not decode: \(error)")
      exit(1)
    }
  }

  private func squares(
    _ picture: (UnsafePointer<UInt8>, Int), _ planes: PlaneFrames, _ number: Int, _ rows: Range<Int>
  ) -> Double {
    let source = planes.bytes(number).0.assumingMemoryBound(to: UInt8.self)
    var sum = 0
    for y in rows {
      let a = picture.0 + (y - rows.lowerBound) * picture.1
      let b = source + y * width
      var line: Int32 = 0
      for x in 0..<width {
        let difference = Int32(a[x]) &- Int32(b[x])
        line &+= difference &* difference
      }
      sum += Int(line)
    }
    return Double(sum)
  }

  private func psnr(_ sum: Double) -> Double {
    10 * log10(255 * 255 * Double(width * height * count) / max(sum, 1))
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
      let start = CommandRun(.bgra, quality: 23, 1, frame: frame)
      let whole = CommandRun(.bgra, quality: 23, count, frame: frame)
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
