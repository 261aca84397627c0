"""What a slow link does to frames: the newest win where the program allows it, and pictures that stand still
become exact."""

import contextlib
import pathlib
import re

from harness import (
    OMEGA, PROGRAMS, children, compare_frames, deadline, display, folder, native_environment, need,
    node, omega, plain_environment, read_ppm, screenshot, start, stats, stop, wait_until,
)
from test_codec import ThinRelay, frames_of, native
from test_vkcube import command

FRAMES = 60


def thin(name: str, *flags: object, words: list, rate: float = 2_000_000) -> tuple[dict, list]:
    """The statistics of a program whose frames come over a thin link, and what was dumped of them."""
    file = folder() / f"{name}.json"
    with display() as screen, node() as server:
        relay = ThinRelay(server.address, rate)
        omega(
            "run", "--nodes", relay.address, "--codec", "raw", "--stats", file, *flags, "--", *words,
            environment=plain_environment(DISPLAY=screen), seconds=100)
    return stats(file), frames_of(name)


@deadline(240)
def test_newest_win():
    """With IMMEDIATE and MAILBOX frames are left out, and the program is not slowed down by them; with FIFO none are."""
    for mode, leaves_out in ((0, True), (1, True), (2, False)):
        found, _ = thin(f"mode-{mode}", words=command(FRAMES, mode=mode))
        out = found["frames_out"]
        assert found["frames"] == FRAMES, found
        assert (out.get("left_out", 0) > 0) == leaves_out, (mode, out)
        # What is left out is not shown.
        assert out["dropped"] >= out.get("left_out", 0), (mode, out)
        assert found["frame_clock"]["frames"] == FRAMES - out["dropped"], (mode, found)


@deadline(240)
def test_all_are_dumped_and_recorded():
    """Who wants all frames has all, in their pixels, whatever the mode."""
    found, frames = thin(
        "dumped", "--dump-frames", folder() / "dumped", words=command(FRAMES, mode=0), rate=8_000_000)
    assert "left_out" not in found["frames_out"], found["frames_out"]
    compare_frames(frames, native())
    recording = folder() / "all.omegarec"
    found, _ = thin("recorded", "--record", recording, words=command(FRAMES, mode=0), rate=8_000_000)
    assert "left_out" not in found["frames_out"], found["frames_out"]
    said = omega("replay", "--info", recording).stdout
    assert re.search(rf"^frames +{FRAMES}$", said, re.M), said


@deadline(120)
def test_still_picture_becomes_exact():
    """Video of a picture after which nothing is presented is refined, in the window; what was dumped stays."""
    with display() as screen:
        process = start([PROGRAMS / "still"], native_environment(DISPLAY=screen, LIBGL_ALWAYS_SOFTWARE=1))
        try:
            wait_until(lambda: many_colors(screen), 20, "the native picture")
            wanted = screenshot(screen)
        finally:
            stop(process)
    with display() as screen, node() as server:
        process = start(
            [OMEGA, "run", "--nodes", server.address, "--codec", "h264", "--dump-frames",
             folder() / "still", "--", PROGRAMS / "still"],
            plain_environment(DISPLAY=screen))
        try:
            wait_until(lambda: frames_of("still"), 30, "the picture")
            wait_until(lambda: screenshot(screen) == wanted, 30, "the exact picture")
            shown = [read_ppm(path) for path in frames_of("still")]
            assert len(shown) == 1 and shown[0] != wanted, "video was exact"
            assert process.poll() is None, process.errors()
        finally:
            stop(process)


def many_colors(screen: str) -> bool:
    with contextlib.suppress(AssertionError):
        pixels = screenshot(screen)[2]
        return len({pixels[i : i + 3] for i in range(0, len(pixels), 3)}) > 100
    return False


@deadline(120)
def test_frames_of_opengl_are_coded_beside_it():
    """The thread of a context goes on while its frames are coded and sent."""
    need("glxgears")
    with display() as screen, node() as server:
        process = start(
            [OMEGA, "run", "--nodes", server.address, "--codec", "h264", "--", "glxgears"],
            plain_environment(DISPLAY=screen))
        try:
            wait_until(lambda: "omega-courier" in threads(server.pid), 30, "a thread that codes")
            assert process.poll() is None, process.errors()
        finally:
            stop(process)


def threads(process: int) -> set[str]:
    """Names of the threads of a process and of its children."""
    found = set()
    for one in [process, *children(process)]:
        with contextlib.suppress(OSError):
            for task in pathlib.Path(f"/proc/{one}/task").iterdir():
                found.add((task / "comm").read_text().strip())
    return found
