"""A steady frame waits for no answer: counted, for programs that others wrote.

From the 60th frame on every round trip counts as steady.
"""

from harness import (
    OMEGA, deadline, display, folder, need, omega, plain_environment, start, stats, stop,
    wait_until,
)
from test_programs import HERE, python
from test_vkcube import command

FRAMES = 300


def expect_steady(found: dict, startup: int) -> None:
    trips = found["round_trips"]
    assert found["frames"] >= FRAMES, found
    assert trips["steady"] == 0 and trips["steady_per_frame"] == 0, trips
    assert 0 < trips["startup"] <= startup, trips


def test_vkcube():
    file = folder() / "stats.json"
    with display() as screen:
        omega(
            "run", "--stats", file, "--", *command(FRAMES, mode=0),
            environment=plain_environment(DISPLAY=screen),
        )
    expect_steady(stats(file), startup=40)


def test_vkd3d_gears():
    """Direct3D 12: it runs until it is ended, so that its figures are read while it does."""
    need("vkd3d-gears")
    file = folder() / "stats.json"
    with display() as screen:
        process = start(
            [OMEGA, "run", "--stats", file, "--", "vkd3d-gears"],
            plain_environment(DISPLAY=screen),
        )
        try:
            found = wait_until(
                lambda: stats(file) if stats(file).get("frames", 0) >= FRAMES else None, 40,
                f"{FRAMES} frames",
            )
            assert process.poll() is None, process.errors()
        finally:
            stop(process)
    expect_steady(found, startup=100)


@deadline(400)
def test_wgpu_loop():
    file = folder() / "stats.json"
    with display() as screen:
        omega(
            "run", "--stats", file, "--", python(), HERE / "wgpu_loop.py", FRAMES,
            environment=plain_environment(DISPLAY=screen),
        )
    expect_steady(stats(file), startup=100)
