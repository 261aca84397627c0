"""What the end-to-end tests share: native and remote runs, displays, nodes, pictures."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("OMEGA_BUILD", ROOT / "build"))
SCRATCH = pathlib.Path(os.environ.get("OMEGA_SCRATCH", ROOT / ".build"))
OMEGA = BUILD / "bin" / "omega"
LIBRARY = BUILD / "lib" / "omega" / "libVkLayer_omega.so"
DRIVER = BUILD / "share" / "vulkan" / "icd.d" / "omega_icd.json"
EXPLICIT = BUILD / "share" / "vulkan" / "explicit_layer.d"
IMPLICIT = BUILD / "share" / "vulkan" / "implicit_layer.d"
PROGRAMS = SCRATCH / "programs" / "release"
# The driver of native runs and of nodes; another one on a machine with a GPU (docs/gpu.md).
LAVAPIPE = pathlib.Path(
    os.environ.get("OMEGA_TEST_DRIVER", "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json")
)
LAYER = "VK_LAYER_OMEGA_render_router"

_folder: pathlib.Path | None = None


class Skip(Exception):
    """This machine cannot run the test; the message says why."""


def deadline(seconds: float):
    """Decorates a test with the seconds that it may take (120 without)."""

    def mark(function):
        function.deadline = seconds
        return function

    return mark


def patience() -> float:
    """By what to stretch time limits: more where others keep the machine busy."""
    return max(1.0, min(4.0, os.getloadavg()[0] / (os.cpu_count() or 1)))


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise Skip(f"{program} is not installed (make deps)")


def folder() -> pathlib.Path:
    """The test's own folder; gone after it, unless --keep."""
    global _folder
    if _folder is None:
        _folder = pathlib.Path(tempfile.mkdtemp(prefix="omega-test-"))
    return _folder


def clean_up() -> None:
    if _folder is not None and "OMEGA_TEST_KEEP" not in os.environ:
        shutil.rmtree(_folder, ignore_errors=True)
    elif _folder is not None:
        print(f"kept: {_folder}")


def processes() -> list[int]:
    return [int(entry.name) for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit()]


def session(leader: int) -> list[int]:
    """Every process of a session, without this one."""
    found = []
    for process in processes():
        with contextlib.suppress(OSError):
            if process != os.getpid() and os.getsid(process) == leader:
                found.append(process)
    return found


def end_session(leader: int) -> None:
    for process in session(leader):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


# --- Environments and runs


def plain_environment(**extra: object) -> dict[str, str]:
    """The environment without anything that Vulkan or Omega would read."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("VK_", "OMEGA_", "GFXRECON_", "DISPLAY", "WAYLAND_"))
    }
    # Of its own, so that an agent of another test or of the user is not found.
    kept["XDG_RUNTIME_DIR"] = str(runtime_folder())
    if "OMEGA_TEST_DRIVER" in os.environ:
        kept["VK_DRIVER_FILES"] = str(LAVAPIPE)
    # Nor may a node keep what a test sent, or know what another one did.
    kept["XDG_CACHE_HOME"] = str(folder() / "cache-home")
    kept.update({key: str(value) for key, value in extra.items()})
    return kept


def native_environment(**extra: object) -> dict[str, str]:
    """The environment of a run on the node's driver, without Omega."""
    return plain_environment(**{"VK_DRIVER_FILES": LAVAPIPE} | extra)


def runtime_folder() -> pathlib.Path:
    path = folder() / "runtime"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def run(
    command: list[object],
    environment: dict[str, str] | None = None,
    seconds: float = 60,
    status: int | None = 0,
    cwd: object = None,
) -> subprocess.CompletedProcess:
    """Runs to the end; fails on another exit status than `status` (None: any will do)."""
    words = [str(word) for word in command]
    process = subprocess.Popen(
        words,
        env=environment if environment is not None else plain_environment(),
        cwd=cwd or folder(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        output, errors = process.communicate(timeout=seconds * patience())
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        raise AssertionError(f"{' '.join(words)}: no end after {seconds} s\n{output}{errors}")
    if status is not None and process.returncode != status:
        raise AssertionError(
            f"{' '.join(words)}: exit status {process.returncode}, not {status}\n"
            f"{output[-2000:]}{errors[-4000:]}"
        )
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


def omega(*arguments: object, **options) -> subprocess.CompletedProcess:
    return run([OMEGA, *arguments], **options)


def start(command: list[object], environment: dict[str, str] | None = None, **options):
    """Starts and returns a process whose standard error goes to a file, `process.errors()`."""
    log = tempfile.NamedTemporaryFile(dir=folder(), prefix="log-", delete=False)
    process = subprocess.Popen(
        [str(word) for word in command],
        env=environment if environment is not None else plain_environment(),
        cwd=folder(),
        stdin=options.pop("stdin", subprocess.DEVNULL),
        stdout=log,
        stderr=subprocess.STDOUT,
        **options,
    )
    process.errors = lambda: pathlib.Path(log.name).read_text(errors="replace")
    return process


def wait_until(condition, seconds: float, what: str):
    """Polls until the condition gives something true, and returns that."""
    end = time.monotonic() + seconds * patience()
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


def wait_for_end(process: subprocess.Popen, seconds: float, what: str) -> int:
    """The exit status; fails, with the process's log, when it does not end in time."""
    try:
        return process.wait(seconds * patience())
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{what} did not end within {seconds} s\n{process.errors()[-3000:]}")


def stats(path: pathlib.Path) -> dict:
    """The newest `--stats` of a run; {} when there is none yet."""
    with contextlib.suppress(OSError, json.JSONDecodeError):
        return json.loads(path.read_text())
    return {}


def stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# --- Displays


@contextlib.contextmanager
def display(size: str = "1280x1024x24", *options: str):
    """A virtual X display of the test's own; gives its name."""
    need("Xvfb")
    reader, writer = os.pipe()
    # A server that resets when its last client has gone refuses one that comes just then.
    server = subprocess.Popen(
        [
            "Xvfb", "-displayfd", str(writer), "-screen", "0", size, "-nolisten", "tcp", "-noreset",
            *options,
        ],
        pass_fds=[writer],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader) as pipe:
        number = pipe.readline().strip()
    assert number, "Xvfb did not start"
    try:
        yield f":{number}"
    finally:
        stop(server)


@contextlib.contextmanager
def wayland_display():
    """A headless Weston of the test's own; gives the environment that reaches it."""
    need("weston")
    name = f"omega-test-{os.getpid()}"
    compositor = start(
        ["weston", "--backend=headless-backend.so", f"--socket={name}", "--idle-time=0"]
    )
    try:
        wait_until(lambda: (runtime_folder() / name).exists(), 10, "weston's socket")
        yield {"WAYLAND_DISPLAY": name}
    finally:
        stop(compositor)


# --- Nodes


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def can_connect(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), 0.5):
        return True
    return False


@contextlib.contextmanager
def node(*flags: object, listen: str | None = None, environment=None):
    """An `omega node`, on a free port of loopback unless told; gives its process with `.address`."""
    address = listen or f"127.0.0.1:{free_port()}"
    process = start(
        [OMEGA, "node", "--listen", address, *flags],
        environment if environment is not None else native_environment(),
    )
    process.address = address
    try:
        wait_until(lambda: process.poll() is not None or is_listening(address), 10, "the node")
        assert process.poll() is None, f"the node ended\n{process.errors()}"
        yield process
    finally:
        stop(process)


def is_listening(address: str) -> bool:
    if address.startswith("unix:"):
        return pathlib.Path(address[5:]).is_socket()
    host, port = address.rsplit(":", 1)
    return can_connect(host, int(port))


def children(pid: int) -> list[int]:
    """Processes whose parent is `pid`."""
    found = []
    for process in processes():
        with contextlib.suppress(OSError):
            status = pathlib.Path(f"/proc/{process}/stat").read_text()
            state, parent = status.rsplit(")", 1)[1].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(process)
    return found


# --- Pictures


def read_ppm(path: pathlib.Path) -> tuple[int, int, bytes]:
    """Width, height and RGB bytes of a P6 file."""
    data = path.read_bytes()
    header = re.match(rb"P6\s+(?:#.*\n)*(\d+)\s+(\d+)\s+(\d+)\s", data)
    assert header, f"{path} is not a P6 file"
    width, height, depth = (int(field) for field in header.groups())
    pixels = data[header.end() :]
    assert depth == 255 and len(pixels) == width * height * 3, f"{path} is cut off"
    return width, height, pixels


def read_bmp(path: pathlib.Path) -> tuple[int, int, bytes]:
    """Width, height and RGB bytes, top row first, of an uncompressed BMP of 24 or 32 bits."""
    data = path.read_bytes()
    offset = struct.unpack_from("<I", data, 10)[0]
    width, height = struct.unpack_from("<ii", data, 18)
    depth = struct.unpack_from("<H", data, 28)[0] // 8
    stride = (width * depth + 3) // 4 * 4
    rows = []
    for row in range(abs(height)):
        line = data[offset + row * stride : offset + row * stride + width * depth]
        pixels = bytearray(width * 3)
        pixels[0::3], pixels[1::3], pixels[2::3] = line[2::depth], line[1::depth], line[0::depth]
        rows.append(bytes(pixels))
    if height > 0:
        rows.reverse()
    return width, abs(height), b"".join(rows)


def frames_of(words: list[object], environment: dict[str, str], count: int) -> list[tuple]:
    """The first frames of a program that draws for ever, without the very first."""
    shown = folder() / f"frames-of-{'-'.join(str(word) for word in words)}"
    process = start([OMEGA, "run", "--dump-frames", shown, "--", *words], environment)
    try:
        wait_until(
            lambda: process.poll() is not None or len(list(shown.glob("*.ppm"))) > count + 1, 60,
            f"{count} frames of {words}",
        )
        assert process.poll() is None, f"{words} ended\n{process.errors()}"
    finally:
        stop(process)
    return [read_ppm(path) for path in sorted(shown.glob("*.ppm"))[1 : count + 1]]


def verdicts(output: str) -> list[str]:
    """What glmark2 --validate thinks of its scenes."""
    return [line.strip() for line in output.splitlines() if "Validation:" in line]


def window(display_name: str) -> int:
    """The id of the only window of a display."""
    tree = run(["xwininfo", "-root", "-tree"], plain_environment(DISPLAY=display_name)).stdout
    found = re.search(r"^ +(0x[0-9a-f]+) ", tree.split("child")[-1], re.M)
    assert found, f"no window\n{tree}"
    return int(found.group(1), 16)


def screenshot(display_name: str) -> tuple[int, int, bytes]:
    """What the only window of a display shows."""
    need("import", "xwininfo")
    path = folder() / "screenshot.ppm"
    command = ["import", "-window", window(display_name), "-depth", "8", path]
    run(command, plain_environment(DISPLAY=display_name))
    return read_ppm(path)


def compare_frames(found: list[pathlib.Path], wanted: list[tuple[int, int, bytes]]) -> None:
    """Fails with the first frame and pixel that differ."""
    assert len(found) == len(wanted), f"{len(found)} frames, not {len(wanted)}"
    for number, (path, want) in enumerate(zip(found, wanted), 1):
        got = read_ppm(path)
        if got == want:
            continue
        assert got[:2] == want[:2], f"frame {number} is {got[:2]}, not {want[:2]}"
        at = next(i for i, (a, b) in enumerate(zip(got[2], want[2])) if a != b)
        y, x = divmod(at // 3, got[0])
        count = sum(
            got[2][i : i + 3] != want[2][i : i + 3] for i in range(0, len(got[2]), 3)
        )
        raise AssertionError(
            f"frame {number}: {count} pixels differ, the first at {x},{y}: "
            f"{tuple(got[2][at // 3 * 3 :][:3])}, not {tuple(want[2][at // 3 * 3 :][:3])}"
        )
