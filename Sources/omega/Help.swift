/// What `omega help` prints.
enum Help {
  static let version = "0.1.0"

  static let overview = """
    Omega draws an unmodified program with the GPUs of other machines.

      omega run [FLAGS] [--] APP [ARG…]   start a program on a node
      omega node [FLAGS]                  serve this machine's GPU
      omega record [-o FILE] -- APP       run a program and record what it draws
      omega replay FILE [--verify]        draw a recording again
      omega doctor [--json] [APP]         say what works here, and what to do about the rest
      omega help [COMMAND]                this, or one command's flags
      omega --version

    """

  static func text(of command: String) -> String? {
    switch command {
    case "run": run
    case "node": node
    case "record": record
    case "replay": replay
    case "doctor": doctor
    case "agent": agent
    default: nil
    }
  }

  private static let run = """
    omega run [FLAGS] [--] APP [ARG…]

    Starts APP with Omega's devices in place of the local ones. Exits with APP's status
    (128 + n when a signal n ended it; 125: omega failed before it started; 126: APP cannot be
    executed; 127: APP is not found). Serves processes that APP leaves behind until they end.

      --nodes ADDRESS[,…]   nodes to draw on: HOST:PORT, [IPv6]:PORT or unix:PATH (OMEGA_NODES)
      --local N             N node processes on this machine; 1 when no node is named
      --token-file FILE     the secret shared with the nodes (OMEGA_TOKEN_FILE)
      --with-local          shows the local devices too
      --gl native|zink      how OpenGL is caught: by Omega's own libraries; or by this machine's Mesa,
                            whose driver Zink draws with Omega's Vulkan devices
      --driver ICD.json     the driver of --local nodes
      --validate            runs --local nodes below the Khronos validation layer
      --stats FILE          figures as JSON, written every second and at exit (OMEGA_STATS)
      --dump-frames DIR     every shown frame as DIR/frame-000001.ppm
      --dump-at N,N-M,…     only these frames
      --record FILE         records what APP draws, for omega replay; further processes of APP go
                            to FILE.2, FILE.3, …
      --record-from N       begins the recording with frame N; it is for the same driver
      --node-timeout S      seconds that a node may be silent while APP waits for it; 20; 0: any
                            (OMEGA_NODE_TIMEOUT)
      --codec CODEC         how frames travel: auto, raw, lossless, h264 or hevc. auto: exactly as long as
                            the link is fast enough, else as video; from a node on this host raw
      --bitrate MBPS        megabits a second of video at most; what the link takes
      --shard auto|off      how nodes share a frame; further nodes stay idle
      --interim auto|off    shows synthesised pictures between frames that come from another host more
                            seldom than the display shows them, up to 60 a second
      -v, -q                more messages, or errors only (OMEGA_LOG=error|warn|info|debug)

    """

  private static let record = """
    omega record [-o FILE] [--from N] [FLAGS OF omega run] [--] APP [ARG…]

    The same as omega run --record FILE --record-from N. FILE is APP.omegarec when it is not given.

    """

  private static let replay = """
    omega replay [FLAGS] FILE

    Draws a recording again, on any node, as fast as that goes, and says how fast that was. Exits
    with 0 when it was played; with 1 when it could not be, or --verify found a difference.

      --nodes ADDRESS[,…]   the node to draw on, as for omega run (OMEGA_NODES)
      --local N             a node process on this machine; the standard when no node is named
      --token-file FILE     the secret shared with the node (OMEGA_TOKEN_FILE)
      --driver ICD.json     the driver of a --local node
      --validate            runs a --local node below the Khronos validation layer
      --verify              compares every frame, and memory that the GPU wrote, with the recording
      --dump-frames DIR     every frame as DIR/frame-000001.ppm
      --info                says what the recording is, and plays nothing
      -v, -q                more messages, or errors only (OMEGA_LOG=error|warn|info|debug)

    """

  private static let node = """
    omega node [FLAGS]

    Serves this machine's GPU, one process for each client, until SIGTERM or SIGINT.

      --listen ADDRESS      HOST:PORT, [IPv6]:PORT or unix:PATH; 127.0.0.1:4700 when not given.
                            Beyond loopback a token is required
      --token-file FILE     the secret shared with the clients (OMEGA_TOKEN_FILE); make one with
                            head -c 32 /dev/urandom | base64 > FILE; chmod 600 FILE
      --driver ICD.json     the Vulkan driver to use
      --max-clients N       more are turned away; 64
      --cache DIR|off       where to keep shaders and uploads of clients on other hosts, for each
                            token apart; $XDG_CACHE_HOME/omega or ~/.cache/omega
      --cache-size MIB      how much for each token; 1024
      --datagram-ports A-B  the ports that video may leave from as datagrams, one for each client, for
                            a firewall to let through; any
      --max-memory MIB      driver memory that one client may hold in each heap; 65536
      --max-objects N       objects that one client may have; 4194304
      --max-record MIB      the largest record that is taken; 256
      --max-pending N       operations of one queue that may be under way; 16384
      --validate            puts the Khronos validation layer below the clients
      -v, -q                more messages, or errors only (OMEGA_LOG=error|warn|info|debug)

    """

  private static let doctor = """
    omega doctor [--json] [APP]

    Checks what `omega run --local 1` needs and exits with 0 when it would work. Each line that is
    not well says what to do. With APP it also looks at that program: whether it is set-user-ID,
    statically linked, 32-bit, a Flatpak, a snap, an AppImage, or brings an OpenGL of its own.

    """

  private static let agent = """
    omega agent

    Serves this user's programs that were started without `omega run`, on the nodes in OMEGA_NODES
    or an embedded one. Programs start it by themselves; it ends when idle for a minute.

    """
}
