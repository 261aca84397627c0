internal import CPlatform
public import FrameStream
internal import Glibc
internal import Ring
internal import Threads
public import Transport

/// The hand: serves application processes on a unix socket and connects each with its nodes.
public final class Agent: @unchecked Sendable {
  /// Where applications connect: `OMEGA_AGENT`.
  public let socketPath: String

  private let listener: Listener
  /// Seconds that a node may be silent while an application waits for it; 0: any. Set before
  /// `start`.
  public var nodePatience = 20
  private let pool: NodePool
  private let recordings: RecordingPlace?
  private let frames: FrameSettings?
  private let takesInput: Bool
  private let makesInterim: Bool
  private let table = StatisticsTable()
  private let sessions = RunningCount()
  private let lock = Lock()
  private var statisticsFile: StatisticsFile?
  private var latestActivity: UInt64 = platform_now()
  /// The socket's name is not ours any more.
  private var hasRetired = false

  /// Listens at `socketPath`, whose directory must be its owner's alone.
  /// `recordings` is where what applications do is recorded; nodes on this host get it through
  /// the agent then, and so they do where `frames` asks for a coding that is not theirs. `takesInput`: whether
  /// viewers of the nodes may operate the applications.
  public init(
    socketPath: String, nodes: NodePlaces, recordings: RecordingPlace? = nil,
    frames: FrameWishes = FrameWishes(), takesInput: Bool = false
  ) throws(LinkError) {
    let isRecorded = recordings != nil
    self.frames =
      platform_is_switched_off("no_frame_coding") ? nil : frames.settings(exact: isRecorded)
    self.takesInput = takesInput
    makesInterim = frames.makesInterim && !platform_is_switched_off("no_interim")
    self.socketPath = socketPath
    self.recordings = recordings
    listener = try Listener(.unix(path: socketPath))
    pool = NodePool(
      nodes, streams: isRecorded || frames.needsCoding, isPlain: isRecorded,
      takesFrameTimes: FrameClock.isOn, needsCoding: frames.needsCoding ? frames : nil,
      takesInput: takesInput)
  }

  /// Connects to the nodes ahead of the first application process. With `wait`, fails when one of
  /// them cannot serve.
  public func prepareNodes(application: String, wait: Bool) throws(LinkError) {
    try pool.prepare(application: application, wait: wait)
  }

  /// Writes statistics to a file every second and in `finish`, and to another one (`frameTimes`) a line for each frame
  /// that was shown. Before `start`.
  public func writeStatistics(
    to path: String?, frameTimes: String?, application: String
  ) throws(LinkError) {
    if let frameTimes {
      var error: Int32 = 0
      guard let log = FrameLog(path: frameTimes, error: &error) else {
        throw LinkError(
          .system, "cannot write to '\(frameTimes)': \(String(cString: strerror(error)))")
      }
      table.frameLog = log
    }
    guard path != nil || frameTimes != nil else { return }
    let file = StatisticsFile(path: path, application: application, table: table)
    statisticsFile = file
    file.start()
  }

  /// Notes input at this process's display, for frames to say which they answer.
  public func watchInput() {
    guard FrameClock.isOn else { return }
    InputWatch { [table] in table.noteInput($0) }.start()
  }

  /// Serves in the background. False when the system has no thread.
  public func start() -> Bool {
    startThread("omega-accept") { [self] in serve() }
  }

  /// Serves until nobody has been connected for `idle` nanoseconds.
  public func serve(idle: UInt64 = UInt64.max) {
    var isRetiring = false
    while true {
      let events = platform_poll(listener.descriptor, Int32(POLLIN), idle == .max ? -1 : 1000)
      if events == 0 {
        if !sessions.isZero { lock.withLock { latestActivity = platform_now() } }
        let since = platform_now() &- lock.withLock { latestActivity }
        guard since > idle else { continue }
        // Who comes from now on finds no socket and starts another agent; who came just before
        // is still served.
        if isRetiring { return }
        isRetiring = true
        hasRetired = true
        unlink(socketPath)
        continue
      }
      guard let socket = listener.accept() else {
        if events & Int32(POLLNVAL | POLLERR) != 0 { return }
        continue
      }
      lock.withLock { latestActivity = platform_now() }
      sessions.enter()
      let session = AppSession(
        socket: socket, pool: pool, statistics: table, recordings: recordings, frames: frames,
        makesInterim: makesInterim, nodePatience: nodePatience, takesInput: takesInput)
      let started = startThread("omega-session") { [self] in
        session.run()
        lock.withLock { latestActivity = platform_now() }
        sessions.leave()
      }
      if !started {
        sessions.leave()
        Log.error("no thread for an application")
      }
    }
  }

  /// True while an application process is connected.
  public var isServing: Bool { !sessions.isZero }

  /// Waits until no application process is connected, at most `nanoseconds`.
  public func waitUntilIdle(nanoseconds: UInt64) -> Bool {
    sessions.waitForZero(nanoseconds: nanoseconds)
  }

  /// How many application processes connected so far, and how many devices they made, or contexts of
  /// OpenGL.
  public var usage: (connections: Int, devices: UInt64) {
    let snapshot = table.snapshot
    return (table.connectionCount, snapshot.devicesCreated &+ snapshot.contextsCreated)
  }

  /// Ends: removes the socket, ends nodes that were never used, writes the last statistics.
  public func finish() {
    if !hasRetired { unlink(socketPath) }
    pool.close()
    statisticsFile?.write()
  }

  /// Starts an embedded node, asks it who it is, and ends it. For `omega doctor`.
  public static func probe(_ settings: EmbeddedNodes) throws(LinkError) -> NodeDescription {
    let node = try NodeConnection.embedded(settings)
    defer { node.end(nanoseconds: 1_000_000_000) }
    try node.sayHello(application: "omega doctor", process: platform_pid(), stayIdle: true)
    try node.greeted()
    return node.description
  }
}

/// What the user wishes of frames from other hosts.
public struct FrameWishes: Sendable {
  public var choice: FrameChoice
  /// Bits a second of video at most; 0: what the link takes.
  public var mostBits: Int
  /// Whether pictures are shown between frames that come from another host more seldom than the display shows them.
  public var makesInterim: Bool

  public init(choice: FrameChoice = .auto, mostBits: Int = 0, makesInterim: Bool = true) {
    self.choice = choice
    self.mostBits = mostBits
    self.makesInterim = makesInterim
  }

  /// Whether frames travel coded from a node on this host, too, that could write them into the
  /// application's memory, and a node that cannot code them is of no use.
  var needsCoding: Bool { choice != .auto && choice != .raw }

  /// What is asked of a node. `exact`: whatever frames are recorded or compared.
  func settings(exact: Bool) -> FrameSettings {
    let choice = exact && choice == .auto ? .raw : choice
    let isVideo = choice.coding?.isExact != true
    return FrameSettings(
      choice: choice, codings: isVideo ? CodingSet.decodable : .exact, mostBits: mostBits,
      // A recording has them all.
      mayLeaveOut: !exact)
  }
}

/// The private directory of a user's sockets.
public enum AgentDirectory {
  /// Where an agent listens for programs with this one's environment, in the private directory.
  public static func socketPath() throws(LinkError) -> String {
    let key = AgentKey.fromEnvironment()
    let name = key == 0 ? "agent" : "agent-\(key >> 32)-\(key & 0xFFFF_FFFF)"
    return try open() + "/\(name).sock"
  }

  /// `$XDG_RUNTIME_DIR/omega`, or `/tmp/omega-<uid>`; made when it is not there. Fails when it is
  /// somebody else's or open to others.
  public static func open() throws(LinkError) -> String {
    let path: String
    if let runtime = platform_secure_getenv("XDG_RUNTIME_DIR"), runtime[0] != 0 {
      path = String(cString: runtime) + "/omega"
    } else {
      path = "/tmp/omega-\(platform_uid())"
    }
    if mkdir(path, 0o700) != 0 && errno != EEXIST {
      throw LinkError(.system, "cannot make '\(path)': \(String(cString: strerror(errno)))")
    }
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR,
      status.st_uid == platform_uid(), status.st_mode & 0o077 == 0
    else {
      throw LinkError(
        .system,
        "'\(path)' is not a directory of yours alone; remove it, or set XDG_RUNTIME_DIR")
    }
    return path
  }
}
