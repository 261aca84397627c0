"""How frames travel from another host: exactly, or as video of a quality that is measured."""

import asyncio
import contextlib
import functools
import math
import re

from harness import (
    HERE, OMEGA, compare_frames, deadline, display, folder, native_environment, need, node, omega,
    plain_environment, read_ppm, run, start, stats, stop, wait_until,
)
from test_far_node import Relay
from test_vkcube import capture, command, resize

FRAMES = 60


@functools.cache
def native():
    return capture("native", frames=FRAMES)


def frames_of(name: str) -> list:
    return sorted((folder() / name).glob("frame-*.ppm"))


def over_tcp(codec: str | None, *words: object, name: str = "frames", server=None, **extra) -> dict:
    """The statistics of a program that a node draws over TCP, with its frames in a folder."""
    flags = ["--codec", codec] if codec else []
    file = folder() / f"{name}.json"
    with display() as screen, node() as other:
        found = omega(
            "run", "--nodes", (server or other).address, *flags, "--stats", file, "--dump-frames",
            folder() / name, "--", *words,
            environment=plain_environment(DISPLAY=screen, **extra), seconds=120,
        )
    return stats(file) | {"errors": found.stderr}


def luma(picture: bytes) -> list[int]:
    """Luma of BT.709, of which video has all samples; of colours it has a quarter."""
    red, green, blue = (picture[i::3] for i in range(3))
    return [54 * r + 183 * g + 19 * b >> 8 for r, g, b in zip(red, green, blue)]


def psnr(found: bytes, wanted: bytes) -> float:
    """Decibels between the luma of two pictures of the same size."""
    error = sum((a - b) ** 2 for a, b in zip(luma(found), luma(wanted))) * 3 / len(wanted)
    return math.inf if error == 0 else 10 * math.log10(255 * 255 / error)


@deadline(240)
def test_vkcube_exactly():
    for codec in ("raw", "lossless", None):
        name = f"frames-{codec}"
        found = over_tcp(codec, *command(FRAMES), name=name)
        compare_frames(frames_of(name), native())
        if codec:
            assert found["frames_out"]["codec"] == codec, found["frames_out"]
        assert found["frames_out"]["encode_ms_p50"] > 0, found["frames_out"]
        assert found["frames_out"]["first_byte_ms_p50"] > 0, found["frames_out"]


def expect_likeness(codec: str, found: dict, paths: list, wanted: list) -> None:
    """The frames of a run are those of a native one, as video has them."""
    assert found["frames_out"]["codec"] == codec, found["frames_out"]
    shown = [read_ppm(path) for path in paths]
    assert len(shown) == len(wanted), f"{len(shown)} frames, not {len(wanted)}"
    ratios = [psnr(a[2], b[2]) for a, b in list(zip(shown, wanted))[::5]]
    print(f"{codec}: {min(ratios):.1f} to {max(ratios):.1f} dB")
    # Of 35 dB a picture has hardly a fault that is seen.
    assert min(ratios) > 35, (codec, ratios)
    for (number, picture), want in zip(enumerate(shown), wanted):
        assert picture[:2] == want[:2], f"frame {number + 1} is {picture[:2]}"


@deadline(240)
def test_vkcube_as_video():
    for codec in ("h264", "hevc"):
        found = over_tcp(codec, *command(FRAMES), name=codec)
        expect_likeness(codec, found, frames_of(codec), native())


# --- OpenGL


@functools.cache
def clock() -> str:
    """A library that makes glxgears draw the same frames each time, and dumps those of native runs."""
    need("gcc", "glxgears")
    library = folder() / "steady_clock.so"
    run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, HERE / "programs" / "steady_clock.c",
         "-lGL", "-ldl"])
    return str(library)


@functools.cache
def native_gears() -> list:
    shown = folder() / "gears"
    shown.mkdir()
    with display() as screen:
        environment = native_environment(
            DISPLAY=screen, LIBGL_ALWAYS_SOFTWARE=1, LD_PRELOAD=clock(), COUNT=FRAMES, FRAMES=shown)
        run(["glxgears"], environment)
    return [read_ppm(path) for path in frames_of("gears")]


def gears(codec: str) -> tuple[dict, list]:
    name = f"gears-{codec}"
    command = ["env", f"LD_PRELOAD={clock()}", f"COUNT={FRAMES}", "glxgears"]
    found = over_tcp(codec, *command, name=name)
    return found, frames_of(name)


@deadline(240)
def test_glxgears_exactly():
    assert len(set(native_gears())) > FRAMES / 2, "the gears hardly turn"
    for codec in ("raw", "lossless"):
        compare_frames(gears(codec)[1], native_gears())


@deadline(240)
def test_glxgears_as_video():
    for codec in ("h264", "hevc"):
        expect_likeness(codec, *gears(codec), native_gears())


# --- Sizes and amounts


@deadline(120)
def test_resize():
    """Frames of another size follow, in each coding."""
    for codec in ("lossless", "h264"):
        name = f"resized-{codec}"
        with display() as screen, node() as server:
            process = start(
                [OMEGA, "run", "--nodes", server.address, "--codec", codec, "--dump-frames",
                 folder() / name, "--", *command(4000, mode=0)],
                plain_environment(DISPLAY=screen),
            )
            try:
                wait_until(lambda: len(frames_of(name)) > 10, 20, "the first frames")
                for size in ((320, 240), (701, 399), (1, 1), (640, 480)):
                    resize(screen, *size)

                    def has_size() -> bool:
                        paths = frames_of(name)[-2:-1]
                        return bool(paths) and read_ppm(paths[0])[:2] == size

                    wait_until(has_size, 10, f"a frame of {size}")
                picture = read_ppm(frames_of(name)[-2])
                assert len(set(picture[2])) > 20, "the picture is empty"
                assert process.poll() is None, process.errors()
            finally:
                stop(process)


@deadline(120)
def test_still_pictures_cost_little():
    """A picture of which a small part changes: what has not changed is not sent."""
    down = {}
    for codec in ("raw", "lossless"):
        found = over_tcp(codec, *command(FRAMES), name=f"still-{codec}")
        down[codec] = found["bytes"]["down"] / FRAMES
    with_everything = over_tcp(
        None, *command(FRAMES), name="still", OMEGA_PERF="no_frame_coding")
    whole = with_everything["bytes"]["down"] / FRAMES
    assert whole > 500 * 500 * 4, whole
    assert down["raw"] < 0.8 * whole, (down, whole)
    assert down["lossless"] < 0.1 * whole, (down, whole)


# --- What goes wrong


def test_what_is_refused():
    """Before the program starts, with what to do."""
    for flags, says in (
        (["--codec", "mpeg2"], "--codec"),
        (["--bitrate", "many"], "--bitrate"),
        (["--bitrate", "5", "--codec", "lossless"], "--bitrate"),
        (["--codec", "h264", "--record", folder() / "file"], "--record"),
    ):
        marker = folder() / "started"
        result = omega("run", *flags, "--", "touch", marker, status=125)
        assert result.stderr.startswith("omega: error: ") and says in result.stderr, result.stderr
        assert not marker.exists(), f"{flags}: the program was started"


@deadline(120)
def test_node_without_encoders():
    """A node without libavcodec: frames travel lossless, and somebody says so."""
    libraries = folder() / "libraries"
    libraries.mkdir()
    # Not one of the names that it looks for has what it needs.
    run(["gcc", "-shared", "-o", libraries / "empty.so", "-x", "c", "/dev/null"])
    for line in run(["ldconfig", "-p"]).stdout.splitlines():
        name = line.strip().split(" ")[0]
        if re.match(r"libavcodec\.so", name) and not (libraries / name).exists():
            (libraries / name).symlink_to("empty.so")
    environment = native_environment(LD_LIBRARY_PATH=libraries)
    with node(environment=environment) as server:
        found = over_tcp("h264", *command(FRAMES), server=server)
    compare_frames(frames_of("frames"), native())
    assert found["frames_out"]["codec"] == "lossless", found["frames_out"]
    assert "h264" in found["errors"] and "install libavcodec" in found["errors"], found["errors"]


class ThinRelay(Relay):
    """Forwards what comes at no more than so many bytes a second."""

    def __init__(self, address: str, bytes_per_second: float):
        self.bytes_per_second = bytes_per_second
        host, port = address.rsplit(":", 1)
        super().__init__(host, int(port))

    async def pump(self, reader, writer) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(1 << 16):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(len(piece) / self.bytes_per_second)
        writer.close()


@deadline(120)
def test_thin_link_gets_video():
    """With auto, what moves is shown as video where the link is too thin for it."""
    file = folder() / "stats.json"
    with display() as screen, node() as server:
        relay = ThinRelay(server.address, 500_000)
        process = start(
            [OMEGA, "run", "--nodes", relay.address, "--stats", file, "--", *command(4000)],
            plain_environment(DISPLAY=screen),
        )
        try:
            wait_until(
                lambda: stats(file).get("frames_out", {}).get("codec") == "h264", 60, "video")
            assert process.poll() is None, process.errors()
        finally:
            stop(process)
