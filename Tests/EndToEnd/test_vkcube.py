"""vkcube in its window: the presented frames are those of a native run.

The oracle is the capture layer and the replay tool of gfxreconstruct: a native run is captured, and
replayed with a screenshot of every frame.
"""

import ctypes
import functools
import os
import signal

from harness import (
    OMEGA, compare_frames, deadline, display, folder, native_environment, need, node, omega,
    plain_environment, read_bmp, read_ppm, run, screenshot, session, start, stats, stop,
    wait_for_end, wait_until, wayland_display, window,
)

FRAMES = 300


def command(frames: int = FRAMES, mode: int = 2) -> list[str]:
    return ["vkcube", "--c", str(frames), "--present_mode", str(mode), "--suppress_popups"]


def capture(name: str, mode: int = 2, frames: int = FRAMES):
    """The frames that a native run presents."""
    need("vkcube", "gfxrecon-replay")
    file = folder() / f"{name}.gfxr"
    shots = folder() / name
    shots.mkdir()
    with display() as screen:
        capturing = {
            "VK_INSTANCE_LAYERS": "VK_LAYER_LUNARG_gfxreconstruct",
            "GFXRECON_CAPTURE_FILE": file,
            "GFXRECON_CAPTURE_FILE_TIMESTAMP": "false",
            "GFXRECON_LOG_LEVEL": "warning",
        }
        run(command(frames, mode), native_environment(DISPLAY=screen, **capturing))
        replay = ["gfxrecon-replay", "--screenshot-all", "--screenshot-dir", shots, file]
        run(replay, native_environment(DISPLAY=screen))
    return [read_bmp(shots / f"screenshot_frame_{n}.bmp") for n in range(1, frames + 1)]


@functools.cache
def native():
    return capture("native")


def dumped(name: str = "frames"):
    return sorted((folder() / name).glob("frame-*.ppm"))


@deadline(180)
def test_native_is_its_own_oracle():
    frames = native()
    assert frames == capture("again", mode=0), "two native runs present different frames"
    assert len(set(frames)) > FRAMES / 3, "the cube hardly turns"


@deadline(180)
def test_fifo():
    with display() as screen:
        environment = plain_environment(DISPLAY=screen)
        omega("run", "--dump-frames", folder() / "frames", "--", *command(), environment=environment)
    compare_frames(dumped(), native())


@deadline(180)
def test_immediate():
    with display() as screen:
        environment = plain_environment(DISPLAY=screen)
        omega(
            "run", "--dump-frames", folder() / "frames", "--", *command(mode=0),
            environment=environment,
        )
    compare_frames(dumped(), native())


@deadline(180)
def test_mailbox_over_tcp():
    with display() as screen, node() as server:
        environment = plain_environment(DISPLAY=screen)
        omega(
            "run", "--nodes", server.address, "--dump-frames", folder() / "frames", "--",
            *command(mode=1), environment=environment,
        )
    compare_frames(dumped(), native())


@deadline(180)
def test_wayland():
    need("vkcube-wayland")
    with wayland_display() as wayland:
        omega(
            "run", "--dump-frames", folder() / "frames", "--", "vkcube-wayland", *command()[1:],
            environment=plain_environment(**wayland),
        )
    compare_frames(dumped(), native())


def test_dump_of_chosen_frames():
    with display() as screen:
        omega(
            "run", "--dump-frames", folder() / "frames", "--dump-at", "3,10-12", "--",
            *command(20), environment=plain_environment(DISPLAY=screen),
        )
    assert [path.name for path in dumped()] == [
        f"frame-{number:06}.ppm" for number in (3, 10, 11, 12)
    ]


@deadline(180)
def test_window_shows_what_was_presented():
    """What an X client sees in the window is one of the presented frames, whole."""
    expect_whole_frames()


@deadline(120)
def test_window_without_shared_memory():
    """An X server on another host, or one that cannot share memory: pictures are sent to it."""
    expect_whole_frames("-extension", "MIT-SHM")


def expect_whole_frames(*server_options: str) -> None:
    """Looks at the window while frames come: each look shows one of them, whole."""
    with display("1280x1024x24", *server_options) as screen:
        process = start(
            [OMEGA, "run", "--dump-frames", folder() / "frames", "--", *command(2000)],
            plain_environment(DISPLAY=screen),
        )
        try:
            wait_until(lambda: len(dumped()) > 20, 20, "the first frames")
            shots = [screenshot(screen) for _ in range(5)]
        finally:
            stop(process)
    frames = {read_ppm(path) for path in dumped()}
    torn = [number for number, shot in enumerate(shots) if shot not in frames]
    assert not torn, f"screenshots {torn} are none of the {len(frames)} frames"
    assert len(set(shots)) > 1, "the window stands still"


@deadline(120)
def test_resize():
    """The window is resized from outside; frames of the new size follow."""
    with display() as screen:
        process = start(
            [OMEGA, "run", "--dump-frames", folder() / "frames", "--", *command(4000, mode=0)],
            plain_environment(DISPLAY=screen),
        )
        try:
            wait_until(lambda: len(dumped()) > 10, 20, "the first frames")
            for width, height in ((320, 240), (700, 400)):
                resize(screen, width, height)

                def has_size() -> bool:
                    paths = dumped()[-2:-1]
                    return bool(paths) and read_ppm(paths[0])[:2] == (width, height)

                wait_until(has_size, 10, f"a frame of {width}x{height}")
            assert process.poll() is None, process.errors()
        finally:
            stop(process)


def resize(screen: str, width: int, height: int) -> None:
    """Resizes vkcube's window, as a window manager would."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(x11.XOpenDisplay(screen.encode()))
    x11.XResizeWindow(handle, ctypes.c_ulong(window(screen)), width, height)
    x11.XSync(handle, 0)
    x11.XCloseDisplay(handle)


def test_statistics():
    """`--stats` has the fields that exist, and a steady frame makes no round trip."""
    file = folder() / "stats.json"
    with display() as screen:
        omega(
            "run", "--stats", file, "--", *command(200, mode=0),
            environment=plain_environment(DISPLAY=screen),
        )
    found = stats(file)
    assert found.get("version") == 1 and found.get("api") == "vulkan", found
    assert found["frames"] == 200 and found["calls"] > 200 and found["fps"] > 0, found
    assert found["round_trips"]["steady"] == 0, found["round_trips"]
    assert found["round_trips"]["startup"] <= 40, found["round_trips"]
    assert found["nodes"] and found["nodes"][0]["driver"], found


def test_sigint_ends_both():
    """An interrupt ends the application and leaves no process."""
    with display() as screen:
        process = start(
            [OMEGA, "run", "--stats", folder() / "s", "--", *command(100_000)],
            plain_environment(DISPLAY=screen), start_new_session=True,
        )
        wait_until(lambda: stats(folder() / "s").get("frames", 0) > 5, 20, "frames")
        os.killpg(process.pid, signal.SIGINT)
        wait_for_end(process, 5, "omega run")
        wait_until(lambda: not session(process.pid), 5, "the end of every process")
