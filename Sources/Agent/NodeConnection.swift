internal import CPlatform
internal import Glibc
internal import Ring
internal import Threads
internal import Transport
internal import Wire

/// What a node said of itself when a client came.
public struct NodeDescription: Sendable {
  public var name: String
  public var driver: String
  /// VkPhysicalDeviceIDProperties.driverUUID; empty when the node did not say.
  public var driverUUID: [UInt8] = []
  public var driverVersion: UInt32 = 0
}

/// What a node has measured; from its `statistics` messages.
struct NodeStatistics: Sendable {
  var cpuNanoseconds: UInt64 = 0
  var gpuNanoseconds: UInt64 = 0
  var commands: UInt64 = 0
  var queueOperations: UInt64 = 0
  var frames: UInt64 = 0
  var driverMemory: UInt64 = 0
  /// Contexts of OpenGL that were made.
  var contexts: UInt64 = 0
}

/// One node's link, for one application process.
public final class NodeConnection: @unchecked Sendable {
  let link: Link
  /// Whether the node can map the segment and read its rings.
  let isSameHost: Bool
  /// The process of an embedded node; our child.
  let process: Int32?
  public private(set) var description = NodeDescription(name: "", driver: "")
  /// `NodeAbility`, as the node has said.
  private(set) var abilities: UInt32 = 0
  private(set) var isGreeted = false
  /// Whether the node takes what changed in memory in blocks.
  private(set) var takesMemoryBlocks = false

  private let lock = Lock()
  private var latest = NodeStatistics()
  private var isReaped = false

  /// How long a node may take to load its driver and answer, in nanoseconds.
  static let helloTime: UInt64 = 20_000_000_000

  private init(link: Link, isSameHost: Bool, process: Int32?) {
    self.link = link
    self.isSameHost = isSameHost
    self.process = process
  }

  var statistics: NodeStatistics {
    get { lock.withLock { latest } }
    set { lock.withLock { latest = newValue } }
  }

  // MARK: Making

  /// Connects to a node that runs by itself. With `streams`, one on this host works from the link
  /// alone as well.
  static func connect(
    _ address: Address, token: Token?, streams: Bool
  ) throws(LinkError) -> NodeConnection {
    let link = try Link.connect(address, token: token)
    if case .unix = address, !streams {
      return NodeConnection(link: link, isSameHost: true, process: nil)
    }
    return NodeConnection(link: link, isSameHost: false, process: nil)
  }

  /// Starts a node process of our own, connected by a socket pair.
  static func embedded(_ settings: EmbeddedNodes) throws(LinkError) -> NodeConnection {
    var own: Int32 = -1
    var other: Int32 = -1
    let result = platform_socketpair(&own, &other)
    guard result == 0 else {
      throw LinkError(.system, "cannot make a socket pair: \(text(-result))")
    }
    let process = Subprocess.start(
      [settings.program, "node-worker"] + settings.arguments,
      environment: settings.environment, descriptors: [(other, EmbeddedNodes.descriptor)])
    _ = platform_close(other)
    guard process > 0 else {
      _ = platform_close(own)
      throw LinkError(.system, "cannot start \(settings.program): \(text(-process))")
    }
    let link = Link(descriptor: own, peer: "the embedded node")
    return NodeConnection(link: link, isSameHost: !settings.streams, process: process)
  }

  private static func text(_ code: Int32) -> String {
    String(cString: platform_error_text(code))
  }

  // MARK: First words

  private static let usesMemoryBlocks = !platform_is_switched_off("no_memory_blocks")

  /// Says who comes. `greeted` reads the answer, later: the node loads its driver meanwhile.
  func sayHello(
    application: String, process: Int32, stayIdle: Bool, takesMemoryBlocks: Bool = true,
    takesFrameTimes: Bool = false, takesInput: Bool = false
  ) throws(LinkError) {
    var w = HeapWriter(capacity: 512)
    defer { w.free() }
    w.writer.u32(WireVersion.current)
    // A node that is idle gets no segment: two readers of the rings would both draw.
    var flags = stayIdle ? HelloFlag.stayIdle : isSameHost ? HelloFlag.sameHost : 0
    if takesMemoryBlocks && NodeConnection.usesMemoryBlocks { flags |= HelloFlag.memoryBlocks }
    if takesFrameTimes { flags |= HelloFlag.frameTimes }
    if takesInput { flags |= HelloFlag.viewerInput }
    w.writer.u32(flags)
    w.writer.u32(0x1_0000)
    w.writer.u32(UInt32(truncatingIfNeeded: process))
    application.withCString { w.writer.string($0) }
    guard !w.writer.failed else { throw LinkError(.system, "out of memory for a hello") }
    try link.send(MessageType.hello, w.bytes)
  }

  /// Waits for the answer to `sayHello`.
  func greeted() throws(LinkError) {
    let deadline = platform_now() &+ NodeConnection.helloTime
    link.messageLimit = 4096
    while !link.hasBuffered {
      let now = platform_now()
      guard now < deadline else {
        throw LinkError(.deadline, "\(link.peer) does not answer; see the node's own log")
      }
      let milliseconds = Int32(clamping: (deadline &- now) / 1_000_000 &+ 1)
      if platform_poll(link.descriptor, Int32(POLLIN), milliseconds) != 0 { break }
    }
    guard let message = try link.receive(), message.type == MessageType.helloReply else {
      throw LinkError(.closed, "\(link.peer) ended before it was ready\(howItEnded())")
    }
    var arena = Arena(limit: 1 << 16)
    defer { arena.free() }
    var failure: LinkError?
    withUnsafeMutablePointer(to: &arena) { arena in
      var reader = Reader(message.payload, arena: arena, handles: nil)
      let version = reader.u32("helloReply.version")
      let status = reader.u32("helloReply.status")
      let name = reader.string(optional: true, "helloReply.name")
      let driver = reader.string(optional: true, "helloReply.driver")
      let why = reader.string(optional: true, "helloReply.message")
      let abilities = reader.remaining >= 4 ? reader.u32("helloReply.abilities") : 0
      guard reader.failure == nil else {
        failure = LinkError(.notOmega, "\(link.peer) answered something that is no hello")
        return
      }
      // Who the driver is came later to the message than the rest.
      let driverVersion = reader.u32("helloReply.driverVersion")
      let identity = [UInt8](
        (0..<4).flatMap { _ in
          withUnsafeBytes(of: reader.u32("helloReply.driverUUID").littleEndian) { Array($0) }
        })
      let isIdentified = reader.failure == nil
      takesMemoryBlocks =
        NodeConnection.usesMemoryBlocks && abilities & NodeAbility.memoryBlocks != 0
      let text = { (s: UnsafePointer<CChar>?) -> String in s.map { String(cString: $0) } ?? "" }
      if version != WireVersion.current {
        failure = LinkError(
          .version,
          "\(link.peer) speaks version \(version) of the wire format, this omega version "
            + "\(WireVersion.current); install the same release on both machines")
      } else if status != 0 {
        failure = LinkError(.system, "\(link.peer) cannot serve: \(text(why))")
      }
      description = NodeDescription(
        name: text(name), driver: text(driver), driverUUID: isIdentified ? identity : [],
        driverVersion: isIdentified ? driverVersion : 0)
      self.abilities = abilities
    }
    if let failure { throw failure }
    link.messageLimit = Link.largestMessage
    isGreeted = true
  }

  // MARK: End

  /// Closes the link and, for an embedded node, waits for its process: at most `nanoseconds`
  /// before it is killed. Once.
  func end(nanoseconds: UInt64) {
    link.close()
    let mustReap = lock.withLock {
      defer { isReaped = true }
      return !isReaped
    }
    if mustReap, let process { _ = Subprocess.finish(process, nanoseconds: nanoseconds) }
  }

  /// ": its process was killed by signal 9" when an embedded node's process has ended, else nothing.
  func howItEnded() -> String {
    guard let process else { return "" }
    return lock.withLock {
      guard !isReaped else { return "" }
      // The socket closes a moment before the process can be reaped.
      var status: Int32 = 0
      for _ in 0..<50 {
        if waitpid(process, &status, WNOHANG) == process {
          isReaped = true
          return ": its process \(Subprocess.text(waitStatus: status))"
        }
        platform_sleep(2_000_000)
      }
      return ""
    }
  }
}

/// How embedded nodes are started.
public struct EmbeddedNodes: Sendable {
  /// Number of the link's descriptor in a node process that `omega` starts.
  public static let descriptor: Int32 = 3

  /// This program's own path.
  public var program: String
  /// More arguments of `omega node-worker`.
  public var arguments: [String]
  public var environment: [String]
  /// Lets the node work from the link alone, as one on another host does.
  public var streams = false

  public init(program: String, arguments: [String], environment: [String]) {
    self.program = program
    self.arguments = arguments
    self.environment = environment
  }
}
