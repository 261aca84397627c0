"""Direct3D 11 in Wine, by WineD3D's Vulkan renderer: the frames of a native run.

Wine is not among the packages that `make deps` installs; docs/directx.md says how to have it.
"""

import functools
import pathlib

from harness import (
    HERE, deadline, display, folder, native_environment, need, omega, plain_environment, run, stats,
)

WINE = {"WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
COMPILER = "x86_64-w64-mingw32-gcc"


@functools.cache
def program() -> pathlib.Path:
    """The program, compiled, and a Wine prefix whose Direct3D is drawn by Vulkan."""
    need("wine", COMPILER)
    path = folder() / "d3d11_frames.exe"
    libraries = ["-ld3d11", "-ld3dcompiler", "-ldxgi", "-ldxguid", "-luuid", "-lgdi32"]
    run([COMPILER, "-O1", "-o", path, HERE / "programs" / "d3d11_frames.c", *libraries])
    with display() as screen:
        environment = plain_environment(DISPLAY=screen, **wine())
        run(["wine", "wineboot", "-i"], environment, seconds=120)
        key = ["HKCU\\Software\\Wine\\Direct3D", "/v", "renderer", "/d", "vulkan", "/f"]
        run(["wine", "reg", "add", *key], environment)
        run(["wineserver", "-k"], environment, status=None)
    return path


def wine() -> dict[str, object]:
    return {**WINE, "WINEPREFIX": folder() / "wine"}


def frames(output: str) -> list[str]:
    return [line.strip() for line in output.splitlines() if line.startswith("frame")]


@deadline(300)
def test_d3d11():
    command = ["wine", program()]
    with display() as screen:
        # What it has drawn counts; how Wine ends natively is not ours.
        native = run(command, native_environment(DISPLAY=screen, **wine()), status=None)
        want = frames(native.stdout)
        assert len(want) == len(set(want)) == 12, f"the native run gave {want}"
        statistics = folder() / "stats.json"
        environment = plain_environment(DISPLAY=screen, **wine())
        got = omega("run", "--stats", statistics, "--", *command, environment=environment)
        run(["wineserver", "-k"], environment, status=None)
    assert frames(got.stdout) == want, f"{frames(got.stdout)}, natively {want}"
    assert stats(statistics)["frames"] > 0, stats(statistics)
