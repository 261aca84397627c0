"""Wayland: windows of programs that read their display's socket in every way that there is.

The library has no thread that reads it: a program that sleeps in poll, without
wl_display_prepare_read, would never hear of what such a thread has read.
"""

import functools
import pathlib

from harness import (
    HERE, deadline, folder, frames_of, native_environment, need, omega, plain_environment,
    read_ppm, run, verdicts, wayland_display,
)

SHELL = pathlib.Path("/usr/share/wayland-protocols/stable/xdg-shell/xdg-shell.xml")


@functools.cache
def guest() -> pathlib.Path:
    """programs/wayland_guest.c, compiled."""
    need("gcc", "wayland-scanner")
    for kind, name in (("client-header", "xdg-shell.h"), ("private-code", "xdg-shell.c")):
        run(["wayland-scanner", kind, SHELL, folder() / name])
    program = folder() / "wayland_guest"
    run([
        "gcc", "-O1", "-I", folder(), "-o", program, HERE / "programs" / "wayland_guest.c",
        folder() / "xdg-shell.c", "-lwayland-client", "-lwayland-egl", "-lEGL", "-lGLESv2",
        "-lvulkan", "-lpthread",
    ])
    return program


def draw(mode: str, frames: int, size: tuple[int, int] | None = (120, 90)) -> None:
    """Draws with EGL and with Vulkan: every frame comes, and has its colour (None: of any size)."""
    for interface in ("egl", "vulkan"):
        shown = folder() / f"{interface}-{mode}"
        with wayland_display() as wayland:
            done = omega(
                "run", "-q", "--dump-frames", shown, "--", guest(), interface, mode, frames,
                environment=plain_environment(**wayland), seconds=40,
            )
        assert done.stdout == "all drawn\n", f"{interface}: {done.stdout}{done.stderr}"
        found = [read_ppm(path) for path in sorted(shown.glob("frame-*.ppm"))]
        assert size is None or {picture[:2] for picture in found} == {size}, interface
        colours = [set(zip(p[2][0::3], p[2][1::3], p[2][2::3])) for p in found]
        if mode in ("poll", "prepare", "never", "thread", "hidden"):
            wanted = [{(n, 255 - n, 77)} for n in range(frames)]
            assert colours == wanted, f"{interface}: {colours}"
        else:
            assert len(found) >= frames and all(len(colour) == 1 for colour in colours), interface


@deadline(120)
def test_poll():
    draw("poll", 40)


@deadline(120)
def test_prepare_read():
    draw("prepare", 40)


@deadline(120)
def test_never_reading():
    draw("never", 40)


@deadline(120)
def test_reading_in_a_thread():
    draw("thread", 40)


@deadline(120)
def test_two_windows():
    draw("several", 40)


@deadline(120)
def test_hidden_window():
    """A compositor never asks for its frames; the program goes on all the same."""
    draw("hidden", 20)


@deadline(180)
def test_resize():
    """A compositor ends a program whose frame has not the size that it has agreed to."""
    draw("resize", 60, None)


@deadline(120)
def test_windows_destroyed_at_once():
    draw("destroy", 30)


# --- Programs of others


@deadline(240)
def test_programs():
    """They go on drawing: by GLES, with poll alone, and with subsurfaces."""
    for words in (
        ["es2gears_wayland"], ["weston-simple-egl"], ["weston-simple-egl", "-b"],
        ["weston-subsurfaces", "-r", "1"],
    ):
        need(words[0])
        with wayland_display() as wayland:
            pictures = frames_of(words, plain_environment(**wayland), 100)
        assert len({picture[2] for picture in pictures}) > 20, f"{words} stands still"


@deadline(180)
def test_glmark2_validates_as_natively():
    need("glmark2-es2-wayland")
    words = ["glmark2-es2-wayland", "--validate", "--size", "300x200"]
    with wayland_display() as wayland:
        native = native_environment(LIBGL_ALWAYS_SOFTWARE=1, **wayland)
        want = verdicts(run(words, native, seconds=80).stdout)
        environment = plain_environment(**wayland)
        got = verdicts(omega("run", "--", *words, environment=environment, seconds=80).stdout)
    assert len(want) > 20, want
    assert got == want, set(got) ^ set(want)
