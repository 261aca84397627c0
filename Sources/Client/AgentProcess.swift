import CPlatform
import Ring
import Wire

/// Finding the agent, starting it, and the first words with it.
enum AgentProcess {
  private static var pathCapacity: Int { 4096 }

  /// How long a started agent may take until its socket is there.
  private static var startLimit: UInt64 { 5_000_000_000 }
  /// How long the agent may take to reach its nodes.
  private static var welcomeLimit: UInt64 { 20_000_000_000 }

  /// A connected socket, or nil after a message that says why there is none.
  static func reach() -> Int32? {
    guard let path = PathBuffer() else { return nil }
    defer { path.free() }
    let named = socketPath(path)
    guard !path.overflowed else {
      log(.error, "the path of the agent's socket is too long; set OMEGA_AGENT to a shorter one")
      return nil
    }
    let first = platform_unix_connect(path.text)
    if first >= 0 { return trusted(first) }
    if named {
      var line = LogLine(.error)
      line.text("no agent at ")
      line.text(path.text)
      line.text(" (OMEGA_AGENT, ")
      line.error(first)
      line.text("); start the program with omega run, or unset OMEGA_AGENT")
      line.send()
      return nil
    }
    guard start() else { return nil }
    let deadline = platform_now() &+ startLimit
    while platform_now() < deadline {
      let socket = platform_unix_connect(path.text)
      if socket >= 0 { return trusted(socket) }
      platform_sleep(5_000_000)
    }
    var line = LogLine(.error)
    line.text("the agent was started but does not answer at ")
    line.text(path.text)
    line.text("; run `omega agent` by hand to see why")
    line.send()
    return nil
  }

  /// Writes where the agent listens; true when the environment names it.
  private static func socketPath(_ path: PathBuffer) -> Bool {
    if let named = platform_secure_getenv("OMEGA_AGENT"), named[0] != 0 {
      path.append(named)
      return true
    }
    if let directory = platform_secure_getenv("XDG_RUNTIME_DIR"), directory[0] != 0 {
      path.append(directory)
      path.append("/omega/agent")
    } else {
      path.append("/tmp/omega-")
      path.append(platform_uid())
      path.append("/agent")
    }
    let key = AgentKey.fromEnvironment()
    if key != 0 {
      path.append("-")
      path.append(UInt32(truncatingIfNeeded: key &>> 32))
      path.append("-")
      path.append(UInt32(truncatingIfNeeded: key))
    }
    path.append(".sock")
    return false
  }

  /// Only an agent of the same user (or root's) may see what this program draws.
  private static func trusted(_ socket: Int32) -> Int32? {
    let user = platform_peer_uid(socket)
    if user == Int64(platform_uid()) || user == 0 { return socket }
    log(.error, "the agent's socket belongs to another user; set OMEGA_AGENT to your own")
    _ = platform_close(socket)
    return nil
  }

  /// Starts `omega agent`, which lies at ../../bin/omega or ../../../bin/omega from this library (that
  /// of OpenGL has a folder of its own), or beside it.
  private static func start() -> Bool {
    guard let directory = PathBuffer() else { return false }
    defer { directory.free() }
    guard let library = platform_path_of(#dsohandle), directory.resolve(library) else {
      log(.error, "cannot tell where this library lies; start the program with omega run")
      return false
    }
    directory.removeLastComponent()
    let end = directory.count
    directory.append("/../../bin/omega")
    if !platform_is_executable(directory.text) {
      directory.cut(end)
      directory.append("/../../../bin/omega")
    }
    if !platform_is_executable(directory.text) {
      directory.cut(end)
      directory.append("/omega")
    }
    let result = platform_start_detached(directory.text, "agent")
    guard result != 0 else { return true }
    var line = LogLine(.error)
    line.text("no agent runs and ")
    line.text(directory.text)
    line.text(" cannot be started (")
    line.error(result)
    line.text("); a sandbox may forbid it: start the program with omega run")
    line.send()
    return false
  }

  // MARK: Messages

  /// What the agent has said.
  struct Welcome {
    /// The mask of ring readers.
    var readers: UInt32
    /// `WelcomeFlag`s.
    var flags: UInt32
  }

  /// Sends hello with the segment and reads the welcome; nil when there is no node, after a message.
  static func greet(_ socket: Int32, _ segment: Segment) -> Welcome? {
    var hello = HeapWriter(capacity: 256)
    defer { hello.free() }
    hello.writer.u32(MessageType.appHello)
    hello.writer.u32(0)
    hello.writer.u32(WireVersion.current)
    hello.writer.u32(UInt32(truncatingIfNeeded: platform_pid()))
    hello.writer.string(platform_program_name())
    guard !hello.writer.failed else { return nil }
    hello.writer.patch(4, UInt32(truncatingIfNeeded: hello.bytes.count &- 8))
    var descriptor = segment.descriptor
    let sent = withUnsafePointer(to: &descriptor) { one in
      sendAll(socket, hello.bytes, UnsafeBufferPointer(start: one, count: 1))
    }
    guard sent, let payload = receive(socket, MessageType.appWelcome) else {
      log(.error, "the agent does not answer; end it (omega agent) and start the program again")
      return nil
    }
    defer { platform_free(UnsafeMutableRawPointer(mutating: payload.baseAddress)) }
    return welcome(payload)
  }

  private static func welcome(_ payload: UnsafeRawBufferPointer) -> Welcome? {
    var arena = Arena(limit: 1 << 16)
    defer { arena.free() }
    return withUnsafeMutablePointer(to: &arena) { arena in
      var reader = Reader(payload, arena: arena, handles: nil)
      let version = reader.u32("appWelcome.version")
      let status = reader.u32("appWelcome.status")
      let readers = reader.u32("appWelcome.readerMask")
      let flags = reader.u32("appWelcome.flags")
      let message = reader.string(optional: true, "appWelcome.message")
      guard reader.failure == nil, version == WireVersion.current else {
        log(.error, "agent and library are of different versions; install one version of both")
        return nil
      }
      guard status == 0 else {
        var line = LogLine(.error)
        line.text("no remote GPU: ")
        if let message { line.text(message) } else { line.text("the agent has no node") }
        line.send()
        return nil
      }
      return Welcome(readers: readers & 0xF, flags: flags)
    }
  }

  /// Sends all bytes, the descriptors with the first of them.
  static func sendAll(
    _ socket: Int32, _ bytes: UnsafeRawBufferPointer, _ descriptors: UnsafeBufferPointer<Int32>
  ) -> Bool {
    guard let start = bytes.baseAddress, bytes.count > 0 else { return true }
    var sent = 0
    while sent < bytes.count {
      let count =
        sent == 0
        ? platform_send_fds(
          socket, start, bytes.count, descriptors.baseAddress,
          Int32(truncatingIfNeeded: descriptors.count))
        : platform_send(socket, start + sent, bytes.count &- sent)
      guard count > 0 else { return false }
      sent &+= Int(count)
    }
    return true
  }

  /// The payload of the next message, malloc'ed; nil when it is not of `type`, late, or malformed.
  private static func receive(_ socket: Int32, _ type: UInt32) -> UnsafeRawBufferPointer? {
    let deadline = platform_now() &+ welcomeLimit
    var header: (UInt32, UInt32) = (0, 0)
    let whole = withUnsafeMutableBytes(of: &header) { receiveAll(socket, $0, deadline) }
    guard whole, header.0 == type, header.1 <= 1 << 16,
      let payload = platform_malloc(max(Int(header.1), 1))
    else { return nil }
    let room = UnsafeMutableRawBufferPointer(start: payload, count: Int(header.1))
    guard receiveAll(socket, room, deadline) else {
      platform_free(payload)
      return nil
    }
    return UnsafeRawBufferPointer(room)
  }

  private static func receiveAll(
    _ socket: Int32, _ room: UnsafeMutableRawBufferPointer, _ deadline: UInt64
  ) -> Bool {
    guard let start = room.baseAddress else { return room.count == 0 }
    var got = 0
    while got < room.count {
      let now = platform_now()
      guard now < deadline else { return false }
      let ready = platform_poll_readable(socket, 100)
      guard ready >= 0 else { return false }
      guard ready > 0 else { continue }
      let count = platform_read(socket, start + got, room.count &- got)
      guard count > 0 else { return false }
      got &+= Int(count)
    }
    return true
  }
}

/// A path that is put together from parts, on the heap: this room has no strings.
private struct PathBuffer {
  private let memory: UnsafeMutablePointer<CChar>
  private let length: UnsafeMutablePointer<Int>
  private static var capacity: Int { 4096 }

  init?() {
    guard let memory = platform_calloc(PathBuffer.capacity, 1) else { return nil }
    guard let length = platform_calloc(1, 8) else {
      platform_free(memory)
      return nil
    }
    self.memory = memory.bindMemory(to: CChar.self, capacity: PathBuffer.capacity)
    self.length = length.bindMemory(to: Int.self, capacity: 1)
  }

  func free() {
    platform_free(memory)
    platform_free(length)
  }

  var text: UnsafePointer<CChar> { UnsafePointer(memory) }
  var count: Int { min(length.pointee, PathBuffer.capacity - 1) }
  var overflowed: Bool { length.pointee >= PathBuffer.capacity }

  private func put(_ character: CChar) {
    if length.pointee < PathBuffer.capacity - 1 {
      memory[length.pointee] = character
      memory[length.pointee &+ 1] = 0
    }
    length.pointee &+= 1
  }

  func append(_ part: UnsafePointer<CChar>) {
    var i = 0
    while part[i] != 0 && i < PathBuffer.capacity {
      put(part[i])
      i &+= 1
    }
  }

  func append(_ part: StaticString) {
    var i = 0
    while i < part.utf8CodeUnitCount {
      put(CChar(bitPattern: part.utf8Start[i]))
      i &+= 1
    }
  }

  func append(_ number: UInt32) {
    if number >= 10 { append(number / 10) }
    put(CChar(truncatingIfNeeded: 0x30 + number % 10))
  }

  /// Becomes the absolute path of `path`; false when that does not exist.
  func resolve(_ path: UnsafePointer<CChar>) -> Bool {
    guard platform_real_path(path, memory) else { return false }
    length.pointee = platform_string_length(memory)
    return true
  }

  func cut(_ count: Int) {
    guard count >= 0, count < PathBuffer.capacity else { return }
    memory[count] = 0
    length.pointee = count
  }

  func removeLastComponent() {
    var end = count
    while end > 0 && memory[end] != 0x2F { end &-= 1 }
    cut(end)
  }
}
