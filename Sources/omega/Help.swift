/// What `omega help` prints.
enum Help {
  static let version = "0.1.0"

  static let overview = """
    Omega draws an unmodified program with the GPUs of other machines.

      omega run [FLAGS] [--] APP [ARG…]   start a program on a node
      omega node [FLAGS]                  serve this machine's GPU
      omega view HOST:PORT [FLAGS]        see, and operate, what a node draws
      omega record [-o FILE] -- APP       run a program and record what it draws
      omega replay FILE [--verify]        draw a recording again
      omega bench latency                 measure the time from input to pixel
      omega doctor [--json] [APP]         say what works here, and what to do about the rest
      omega help [COMMAND]                this, or one command's flags
      omega --version

    """

  static func text(of command: String) -> String? {
    switch command {
    case "run": run
    case "node": node
    case "view": view
    case "record": record
    case "replay": replay
    case "doctor": doctor
    case "bench": bench
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
      --frame-times FILE    a line of JSON for each frame that was shown: when it was where, nanoseconds of
                            CLOCK_MONOTONIC
      --hud                 figures in a corner of the window (OMEGA_HUD=1)
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
      --viewer-input on|off whether viewers of the nodes may operate APP's windows, as far as their tokens
                            go; on (OMEGA_VIEWER_INPUT)
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
      --view HOST:PORT      shows the windows of what is drawn here to browsers, at http://HOST:PORT/, and to
                            omega view. Beyond loopback a token is required
      --view-token-file FILE     the token of those who may look
      --control-token-file FILE  that of those who may also operate the windows; the one of --token-file
                            when neither is given
      --max-viewers N       more are turned away; 64
      --validate            puts the Khronos validation layer below the clients
      -v, -q                more messages, or errors only (OMEGA_LOG=error|warn|info|debug)

    """

  private static let view = """
    omega view [FLAGS] HOST:PORT|APPLICATION

    Shows in a window what a node shows at its --view HOST:PORT, and takes what is typed and clicked there to the
    application, where the token allows it. APPLICATION, a name or a process, is shown by this host's node
    (OMEGA_VIEW, or 127.0.0.1:4780). The same in a browser: http://HOST:PORT/

      --token-file FILE     the token for looking, or for operating (OMEGA_TOKEN_FILE)
      --window NAME         the application to show, by its name or process; the newest
      -v, -q                more messages, or errors only (OMEGA_LOG=error|warn|info|debug)

    """

  private static let bench = """
    omega bench latency [FLAGS]

    Presses a button of the pointer over a window that changes its color with each, and looks how long it
    takes until the X server shows the other one: without Omega, and with it, where the parts of the way
    are told. Prints a table and JSON. Needs an X display; without one: xvfb-run -a omega bench latency

      --api API             vulkan, gl or both
      --mode MODE           how frames are shown: fifo, mailbox or immediate; fifo
      --flashes N           how often; 100
      --size N              the window's width and height in pixels; 256
      --program PATH        another flashing program, started with API MODE SIZE
      --json                JSON alone
      --nodes, --local, --token-file, --driver, --codec, --bitrate, --interim   as for omega run
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
