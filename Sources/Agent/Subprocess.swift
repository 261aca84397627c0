internal import CPlatform
internal import Glibc

/// Starting and ending processes.
public enum Subprocess {
  /// Starts `arguments[0]` (looked up in PATH when `search`). `descriptors` are the child's, beside
  /// the standard streams: pairs of ours and the number it sees. Signals are unblocked and back to
  /// their defaults in the child. The process id, or -errno.
  public static func start(
    _ arguments: [String], environment: [String], search: Bool = false,
    descriptors: [(own: Int32, child: Int32)] = []
  ) -> Int32 {
    guard let program = arguments.first else { return -ENOENT }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for pair in descriptors { posix_spawn_file_actions_adddup2(&actions, pair.own, pair.child) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var mask = sigset_t()
    sigemptyset(&mask)
    posix_spawnattr_setsigmask(&attributes, &mask)
    var defaults = sigset_t()
    sigemptyset(&defaults)
    for signal in [SIGPIPE, SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2] {
      sigaddset(&defaults, signal)
    }
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    let argv = CStrings(arguments)
    let envp = CStrings(environment)
    defer {
      argv.free()
      envp.free()
    }
    var process: pid_t = 0
    let result =
      search
      ? posix_spawnp(&process, program, &actions, &attributes, argv.pointers, envp.pointers)
      : posix_spawn(&process, program, &actions, &attributes, argv.pointers, envp.pointers)
    return result == 0 ? process : -result
  }

  /// This process' environment as `NAME=value`.
  public static func environment() -> [String] {
    var all: [String] = []
    guard var next = platform_environment() else { return all }
    while let entry = next.pointee {
      all.append(String(cString: entry))
      next += 1
    }
    return all
  }

  /// `environment` with `name` set to `value`, or taken out when that is nil.
  public static func setting(
    _ environment: [String], _ name: String, _ value: String?
  ) -> [String] {
    let prefix = name + "="
    var result = environment.filter { !$0.hasPrefix(prefix) }
    if let value { result.append(prefix + value) }
    return result
  }

  /// Waits at most `nanoseconds` for a child, kills it then, and reaps it. Its wait status.
  public static func finish(_ process: Int32, nanoseconds: UInt64) -> Int32 {
    let deadline = platform_now() &+ nanoseconds
    var status: Int32 = 0
    while true {
      let result = waitpid(process, &status, WNOHANG)
      if result == process { return status }
      if result < 0 && errno != EINTR { return 0 }
      if platform_now() >= deadline { break }
      platform_sleep(1_000_000)
    }
    kill(process, SIGKILL)
    while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    return status
  }

  /// "was killed by signal 9 (Killed)", "exited with status 1".
  public static func text(waitStatus status: Int32) -> String {
    let signal = status & 0x7F
    guard signal != 0 else { return "exited with status \((status >> 8) & 0xFF)" }
    return "was killed by signal \(signal) (\(String(cString: strsignal(signal))))"
  }
}

/// A NULL-terminated array of C strings.
private struct CStrings {
  let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  private let count: Int

  init(_ strings: [String]) {
    count = strings.count
    pointers = .allocate(capacity: count + 1)
    for (index, string) in strings.enumerated() { pointers[index] = strdup(string) }
    pointers[count] = nil
  }

  func free() {
    for index in 0..<count { Glibc.free(pointers[index]) }
    pointers.deallocate()
  }
}
