"""Presentation in every way that Vulkan offers: programs of our own, natively where the driver can,
and through Omega, with checks of their own where a driver may do several things."""

from harness import (
    PROGRAMS, deadline, display, native_environment, node, omega, plain_environment, run,
)

PROGRAM = PROGRAMS / "wsi"

# What lavapipe can do as well, and prints the same of.
COMPARED = ("surface", "acquire", "present", "together", "aliases", "devices")
# What is checked by the program alone: extensions that lavapipe does not have, and where Mesa's
# software presentation has no answer (it never says that a window has changed, and waits for nothing).
CHECKED = (
    "timeouts", "retired", "resize", "gone", "many", "allocators", "wait", "fences", "modes",
    "release", "placement", "pacing",
)
# What makes sense without a window.
WINDOWLESS = (
    "surface", "acquire", "timeouts", "present", "retired", "many", "together", "aliases",
    "devices", "allocators", "wait", "fences", "modes", "release", "pacing",
)


def lines(result) -> list[str]:
    return result.stdout.splitlines()


def remotely(screen: str, *words: str, flags=(), seconds: float = 60) -> list[str]:
    return lines(
        omega(
            "run", *flags, "--", PROGRAM, *words, environment=plain_environment(DISPLAY=screen),
            seconds=seconds,
        )
    )


def natively(screen: str, *words: str) -> list[str]:
    return lines(run([PROGRAM, *words], native_environment(DISPLAY=screen)))


@deadline(240)
def test_as_natively():
    with display() as screen:
        for case in COMPARED:
            want, got = natively(screen, case), remotely(screen, case)
            assert got == want, f"{case}: {got}\nnatively: {want}"
            assert got[-1] == "done", got


@deadline(400)
def test_checked():
    with display() as screen:
        for case in CHECKED:
            assert remotely(screen, case)[-1] == "done", case


@deadline(400)
def test_headless():
    for case in WINDOWLESS:
        got = lines(omega("run", "--", PROGRAM, "--headless", case))
        assert got[-1] == "done", f"{case}: {got}"


@deadline(240)
def test_over_tcp():
    with display() as screen, node() as server:
        for case in ("present", "aliases", "retired", "wait", "fences"):
            got = remotely(screen, case, flags=("--nodes", server.address))
            assert got[-1] == "done", f"{case}: {got}"


@deadline(240)
def test_without_shared_memory():
    """An X server that shares no memory is sent the frames."""
    with display("1280x1024x24", "-extension", "MIT-SHM") as screen:
        for case in ("present", "placement", "resize"):
            assert remotely(screen, case)[-1] == "done", case


def test_windows_of_30_bits():
    """VK_FORMAT_A2R10G10B10_UNORM_PACK32; lavapipe's own frames never reach such a window."""
    expect_depth("640x480x30", 58)


def test_windows_of_16_bits():
    """VK_FORMAT_R5G6B5_UNORM_PACK16; lavapipe itself has no format for them."""
    expect_depth("640x480x16", 4)


def test_windows_of_24_bits():
    with display() as screen:
        assert remotely(screen, "depth") == natively(screen, "depth")


def expect_depth(size: str, format: int) -> None:
    """A frame has its colour to the last bit."""
    with display(size) as screen:
        got = remotely(screen, "depth")
    assert got == [f"format: {format}", "present: VK_SUCCESS", "done"], got
