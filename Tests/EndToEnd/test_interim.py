"""Interim pictures: shown between frames that come too seldom, and never among what is kept."""

import contextlib

from harness import (
    compare_frames, deadline, display, folder, need, node, omega, plain_environment, stats,
    wayland_display,
)
from test_codec import FRAMES as GEARS, clock, frames_of, native_gears
from test_vkcube import capture, command
from test_watchdog import slow_driver

FRAMES = 80


@contextlib.contextmanager
def x11_display():
    with display() as screen:
        yield {"DISPLAY": screen}


def slow_gpu() -> dict:
    """A node that draws 20 frames a second at most, as `slowly` takes it."""
    # Twice a frame: what the program submits, and the copy of what it presents.
    manifest, environment = slow_driver("vkQueueSubmit", SLOW_MILLISECONDS=25)
    return {"server": ("--driver", manifest), "environment": environment}


def slowly(
    name: str, *words: object, flags=(), server=(), environment=None, screen=x11_display, **extra
) -> dict:
    """The statistics of a program whose frames come over TCP without loss, dumped as `name`."""
    file = folder() / f"{name}.json"
    with screen() as there, node(*server, environment=environment) as other:
        omega(
            "run", "--nodes", other.address, "--codec", "lossless", *flags, "--stats", file,
            "--dump-frames", folder() / name, "--", *words,
            environment=plain_environment(**there, **extra), seconds=120,
        )
    return stats(file)


def expect_pictures(found: dict, frames: int) -> None:
    """Between frames of which 20 a second come at most, pictures were shown: some for each, on average."""
    interim = found["interim"]
    print(found["frames_out"], interim, f"{found['fps']:.1f} real frames a second")
    assert found["frames"] == frames and found["fps"] < 21, found
    assert interim["real_shown"] == frames, interim
    assert interim["shown"] == found["frames_out"]["interim"] > 0.8 * frames, interim
    # Sixty are wanted, and never many more.
    assert interim["shown"] + frames < 1.25 * interim["target_fps"] * found["seconds"], found
    made = sum(tier["made"] for tier in interim["tiers"].values())
    # At the end four may be waiting for their time.
    assert interim["shown"] + interim["late"] + 4 >= made >= interim["shown"], interim
    assert all(0 < tier["confidence"] <= 1 for tier in interim["tiers"].values()), interim


def expect_none(found: dict) -> None:
    assert "interim" not in found and "interim" not in found["frames_out"], found


@deadline(240)
def test_vulkan_of_a_slow_gpu():
    server = slow_gpu()
    wanted = capture("native", frames=FRAMES)
    expect_pictures(slowly("with", *command(FRAMES), **server), FRAMES)
    compare_frames(frames_of("with"), wanted)
    expect_none(slowly("off", *command(FRAMES), flags=("--interim", "off"), **server))
    compare_frames(frames_of("off"), wanted)
    expect_none(slowly("switched", *command(FRAMES), OMEGA_PERF="no_interim", **server))


@deadline(240)
def test_geometry_of_a_slow_gpu():
    """Depth and matrices of vkcube's one draw are found, and pictures are made without waiting for the next."""
    server = slow_gpu()
    # Where the machine has much else to do the agent finds no time for it, and says so by doing without.
    for _ in range(3):
        found = slowly("geometry", *command(2 * FRAMES), **server)["interim"]
        print(found)
        if found["tiers"].get("extrapolated", {"made": 0})["made"] > 10:
            break
    assert found["geometries"] > 10, found
    assert found["tiers"]["extrapolated"]["made"] > 10, found
    assert found["tiers"]["extrapolated"]["confidence"] > 0.6, found
    compare_frames(frames_of("geometry"), capture("native", frames=2 * FRAMES))
    found = slowly("pictures", *command(FRAMES), OMEGA_PERF="no_geometry", **server)["interim"]
    assert set(found["tiers"]) == {"compensated"} and found["delay_ms"] > 0, found


@deadline(240)
def test_wayland_of_a_slow_gpu():
    need("vkcube-wayland")
    words = ["vkcube-wayland", *command(FRAMES)[1:]]
    found = slowly("wayland", *words, screen=wayland_display, **slow_gpu())
    print(found["interim"])
    # A compositor asks for as many as it likes.
    assert found["interim"]["shown"] > FRAMES / 4, found["interim"]
    assert found["interim"]["real_shown"] == FRAMES, found["interim"]
    compare_frames(frames_of("wayland"), capture("native", frames=FRAMES))


@deadline(240)
def test_slow_opengl():
    gears = ["env", f"LD_PRELOAD={clock()}", f"COUNT={GEARS}", "PAUSE=50", "glxgears"]
    expect_pictures(slowly("with", *gears), GEARS)
    compare_frames(frames_of("with"), native_gears())
    expect_none(slowly("off", *gears, flags=("--interim", "off")))


@deadline(120)
def test_what_is_fast_enough_is_left_alone():
    """A node on this host shows its own frames, and what comes sixty times a second needs nothing between."""
    file = folder() / "stats.json"
    with display() as screen:
        omega(
            "run", "--stats", file, "--", *command(FRAMES),
            environment=plain_environment(DISPLAY=screen), seconds=60)
    expect_none(stats(file))
    found = slowly("immediate", *command(FRAMES, mode=0))
    interim = found["interim"]
    print(interim, found["fps"])
    if found["fps"] > 120:
        assert interim["shown"] < FRAMES / 4, interim
