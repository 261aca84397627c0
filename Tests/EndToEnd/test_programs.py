"""Programs that others wrote: Direct3D 12 through vkd3d, wgpu and taichi from PyPI."""

import contextlib
import fcntl
import pathlib
import re
import subprocess
import sys
import time

from harness import (
    OMEGA, SCRATCH, Skip, deadline, display, folder, native_environment, need, node, omega,
    plain_environment, read_ppm, run, screenshot, start, stop, wait_for_end,
    wait_until,
)

HERE = pathlib.Path(__file__).parent / "programs"
PACKAGES = ["wgpu==0.32.0", "rendercanvas==2.7.2", "glfw==2.11.0", "taichi==1.7.4", "numpy"]


def python() -> pathlib.Path:
    """The interpreter of a virtual environment with the packages; made at the first use."""
    environment = SCRATCH / "venv"
    interpreter = environment / "bin" / "python"
    SCRATCH.mkdir(exist_ok=True)
    with open(SCRATCH / "venv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        imports = [interpreter, "-c", "import wgpu, rendercanvas, glfw, taichi, numpy"]
        if interpreter.exists() and run(imports, status=None).returncode == 0:
            return interpreter
        run([sys.executable, "-m", "venv", environment])
        result = run(
            [interpreter, "-m", "pip", "install", "-q", *PACKAGES], seconds=240, status=None
        )
        if result.returncode != 0:
            raise Skip(f"PyPI is out of reach: {result.stderr.strip().splitlines()[-1]}")
    return interpreter


def results(output: str) -> list[str]:
    return [line for line in output.splitlines() if re.match(r"\w+ +[0-9a-f]+$", line)]


def expect_same(script: str) -> None:
    command = [python(), HERE / script]
    want = results(run(command, native_environment()).stdout)
    assert len(want) >= 2, "the native run gave no results"
    got = results(omega("run", "--", *command).stdout)
    assert got == want, f"{got}, natively {want}"
    with node() as server:
        far = results(omega("run", "--nodes", server.address, "--", *command).stdout)
        assert far == want, f"over TCP {far}, natively {want}"


@deadline(400)
def test_wgpu():
    expect_same("wgpu_results.py")


@deadline(400)
def test_taichi():
    expect_same("taichi_results.py")


def screens(*prefix: object, environment) -> list[tuple[int, int, bytes]]:
    """The whole screen after each step of the program with two windows."""
    with display() as screen:
        process = start(
            [*prefix, python(), HERE / "wgpu_windows.py"], environment(DISPLAY=screen),
            stdin=subprocess.PIPE,
        )
        try:
            shots = []
            for name in ("both", "resized", "destroyed"):
                said = lambda: name in process.errors().splitlines() or process.poll() is not None
                wait_until(said, 30, f"step {name}")
                assert process.poll() is None, process.errors()
                # Frames are on their way until the screen is still.
                shot = wait_until(lambda: still(screen), 10, "a still screen")
                shots.append(shot)
                process.stdin.write(b"\n")
                process.stdin.flush()
            wait_for_end(process, 20, "the program")
            assert process.returncode == 0, process.errors()
            return shots
        finally:
            stop(process)


def still(screen: str) -> tuple[int, int, bytes] | None:
    """The root window, once two looks at it agree."""
    found = []
    for _ in range(2):
        path = folder() / "root.ppm"
        run(
            ["import", "-window", "root", "-depth", "8", path],
            plain_environment(DISPLAY=screen),
        )
        found.append(read_ppm(path))
        time.sleep(0.3)
    return found[0] if found[0] == found[1] else None


@deadline(240)
def test_two_windows_of_one_program():
    """Xlib surfaces; one window is resized, the other destroyed before its swapchain."""
    want = screens(environment=native_environment)
    assert len(set(want)) == 3, "the native steps look alike"
    got = screens(OMEGA, "run", "--", environment=plain_environment)
    for number, (one, other) in enumerate(zip(got, want), 1):
        assert one == other, f"the screen after step {number} is not as natively"


def shown(program: str) -> tuple[int, int, bytes]:
    """What the program's window shows natively after its first frames."""
    with display() as screen:
        process = start([program], native_environment(DISPLAY=screen))
        try:
            return wait_until(lambda: colorful(shot(screen)), 15, "a native frame")
        finally:
            stop(process)


def shot(screen: str) -> tuple[int, int, bytes] | None:
    """A screenshot, once there is a window."""
    with contextlib.suppress(AssertionError):
        return screenshot(screen)
    return None


def colorful(picture: tuple[int, int, bytes] | None):
    """The picture, when it has something in it."""
    if picture is None:
        return None
    pixels = picture[2]
    colors = {pixels[at : at + 3] for at in range(0, len(pixels), 3 * 7)}
    return picture if len(colors) > 8 else None


def test_vkd3d_triangle():
    """Draws when its window is exposed, always the same: every frame must be the native picture."""
    need("vkd3d-triangle")
    want = shown("vkd3d-triangle")
    with display() as screen:
        process = start(
            [OMEGA, "run", "--dump-frames", folder() / "frames", "--", "vkd3d-triangle"],
            plain_environment(DISPLAY=screen),
        )
        try:
            frames = lambda: sorted((folder() / "frames").glob("*.ppm"))  # noqa: E731
            wait_until(lambda: shot(screen) == want, 20, "the native picture in the window")
            wait_until(frames, 5, "a dumped frame")
        finally:
            stop(process)
    wrong = [path.name for path in frames() if read_ppm(path) != want]
    assert not wrong, f"not as natively: {wrong}"


def test_vkd3d_gears():
    """They turn with the time, so that frames are looked at, not compared."""
    need("vkd3d-gears")
    colors = gear_colors(shown("vkd3d-gears"))
    with display() as screen:
        process = start(
            [OMEGA, "run", "--dump-frames", folder() / "frames", "--", "vkd3d-gears"],
            plain_environment(DISPLAY=screen),
        )
        try:
            frames = lambda: sorted((folder() / "frames").glob("*.ppm"))  # noqa: E731
            wait_until(lambda: len(frames()) > 60, 20, "sixty frames")
            assert process.poll() is None, process.errors()
        finally:
            stop(process)
    late = [read_ppm(path) for path in frames()[30:60]]
    assert len(set(late)) > 5, "the gears stand still"
    assert gear_colors(late[0]) == colors == {"red", "green", "blue"}


def gear_colors(picture: tuple[int, int, bytes]) -> set[str]:
    """Which of the three gears are there, by strong colors over a part of the picture."""
    pixels = picture[2]
    found = {"red": 0, "green": 0, "blue": 0}
    for at in range(0, len(pixels), 3):
        for channel, name in enumerate(found):
            others = [pixels[at + (channel + k) % 3] for k in (1, 2)]
            found[name] += pixels[at + channel] > 100 and 2 * max(others) < pixels[at + channel]
    return {name for name, count in found.items() if count > 300}
