"""The frame's clock: when each frame was where, and that the parts are the whole."""

import json

from harness import (
    HERE, OMEGA, compare_frames, deadline, display, folder, native_environment, need, node, omega,
    plain_environment, read_ppm, run, screenshot, start, stats, stop, wait_until,
)
from test_codec import frames_of, native
from test_far_node import DELAY, Relay
from test_vkcube import command

FRAMES = 60
# In the order of a frame's way.
MOMENTS = [
    "input", "presented", "submitted", "node_start", "gpu_done", "first_band", "last_band", "received",
    "decoded", "shown",
]
# What a frame of a node on this host has not, and one of any other node has.
FAR = {"first_band", "last_band", "received", "decoded"}
PARTS = {
    "submitted": "submit", "node_start": "uplink", "gpu_done": "render", "first_band": "encode_first",
    "last_band": "encode_rest", "received": "downlink", "decoded": "decode", "shown": "show",
}
GEARS = ["timeout", "-s", "TERM", "4", "glxgears"]


def observe(name: str, *flags: object, words=None, status: int | None = 0, **extra) -> tuple:
    """The lines of --frame-times and the statistics of a run."""
    file, times = folder() / f"{name}.json", folder() / f"{name}.times"
    with display() as screen:
        omega(
            "run", "--stats", file, "--frame-times", times, *flags, "--",
            *(words or command(FRAMES)), environment=plain_environment(DISPLAY=screen, **extra),
            seconds=100, status=status,
        )
    lines = times.read_text().splitlines()
    return [json.loads(line) for line in lines], stats(file)


def check_frame(frame: dict, moments: set[str]) -> None:
    known = [moment for moment in MOMENTS if moment in frame]
    assert moments <= set(known), frame
    times = [frame[moment] for moment in known]
    assert times == sorted(times), frame
    # Nanoseconds of one clock: the parts are the whole, exactly.
    parts = [later - earlier for earlier, later in zip(times, times[1:])]
    assert sum(parts) == frame["shown"] - times[0], frame


def check_figures(found: dict, frames: int) -> dict:
    """The figures of `--stats`, whose means add up."""
    clock = found["frame_clock"]
    assert clock["frames"] >= frames, clock
    whole = clock["present_to_shown"]
    assert 0 < whole["p50"] <= whole["p95"] <= whole["p99"], clock
    means = sum(part["mean"] for name, part in clock["parts"].items() if name != "application")
    # Each mean is given to a thousandth of a millisecond.
    assert abs(means - whole["mean"]) < 0.01, (means, clock)
    return clock


@deadline(240)
def test_frames_of_a_node_on_this_host():
    expected = set(MOMENTS) - FAR - {"input"}
    for name, words, status in (("vulkan", command(FRAMES), 0), ("opengl", GEARS, None)):
        frames, found = observe(name, words=words, status=status)
        assert len(frames) >= FRAMES, (name, len(frames))
        for frame in frames:
            check_frame(frame, expected)
            assert not FAR & set(frame), frame
        clock = check_figures(found, FRAMES)
        # What was under way when the gears were ended was never shown.
        under_way = 0 if status == 0 else 4
        unshown = found["frames"] - found["frames_out"]["dropped"] - len(frames)
        assert clock["frames"] == len(frames) and 0 <= unshown <= under_way, found
        assert "clock_offset_ms" not in clock, clock
        last = {moment: clock["last"].get(moment) for moment in MOMENTS}
        assert last == {moment: frames[-1].get(moment) for moment in MOMENTS}, (clock, frames[-1])


@deadline(240)
def test_frames_of_another_node():
    """In each coding, and as they are; with both APIs."""
    for name, flags, words, extra in (
        ("raw", ["--codec", "raw"], command(FRAMES), {}),
        ("h264", ["--codec", "h264"], command(FRAMES), {}),
        ("whole", [], command(FRAMES), {"OMEGA_PERF": "no_frame_coding"}),
        ("gears", ["--codec", "lossless"], GEARS, {}),
    ):
        with node() as server:
            frames, found = observe(
                name, "--nodes", server.address, *flags, words=words,
                status=None if words is GEARS else 0, **extra)
        expected = set(MOMENTS) - {"input"}
        if name == "whole":
            expected -= {"first_band", "last_band"}
        # The first frame may come before anything is known of the node's clock, and one in which nothing has
        # changed is not coded.
        assert len(frames) >= FRAMES, (name, len(frames))
        whole = [frame for frame in frames if expected <= set(frame)]
        assert len(whole) > 0.9 * FRAMES, (name, frames)
        for frame in frames:
            check_frame(frame, expected if frame in whole else {"presented", "submitted", "shown"})
        clock = check_figures(found, FRAMES)
        assert set(PARTS[moment] for moment in expected if moment in PARTS) <= set(clock["parts"]), clock
        # Both read the same clock.
        assert abs(clock["clock_offset_ms"]) <= clock["clock_uncertainty_ms"] + 0.001, clock


@deadline(240)
def test_node_with_another_clock():
    """A node whose clock is a day ahead, 20 ms away: the estimate is as good as it says, and so are the parts."""
    need("gcc")
    library = folder() / "shifted_clock.so"
    run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, HERE / "programs" / "shifted_clock.c", "-ldl"])
    shift = 86_400
    environment = native_environment(LD_PRELOAD=library, SHIFT=shift)
    with node(environment=environment) as server:
        host, port = server.address.rsplit(":", 1)
        relay = Relay(host, int(port))
        frames, found = observe("shifted", "--nodes", relay.address, "--codec", "raw")
    clock = check_figures(found, FRAMES)
    print(clock)
    assert abs(clock["clock_offset_ms"] - shift * 1000) <= clock["clock_uncertainty_ms"] + 0.001, clock
    # Half of the way there and back at least.
    assert clock["clock_uncertainty_ms"] >= DELAY * 1000 * 0.99, clock
    for frame in frames:
        check_frame(frame, {"presented", "submitted", "shown"})
    ways = [
        (frame["node_start"] - frame["submitted"]) + (frame["received"] - frame["last_band"])
        for frame in frames if "last_band" in frame
    ]
    assert len(ways) > 0.9 * FRAMES, frames
    assert min(ways) >= 2 * DELAY * 1e9 * 0.99, min(ways)


@deadline(120)
def test_without_the_clock():
    frames, found = observe("without", OMEGA_PERF="no_frame_clock")
    assert frames == [] and "frame_clock" not in found, found
    assert found["frames"] == FRAMES, found


@deadline(120)
def test_file_that_cannot_be_written():
    marker = folder() / "started"
    result = omega(
        "run", "--frame-times", "/nowhere/at/all", "--", "touch", marker, status=125)
    assert result.stderr.startswith("omega: error: ") and "/nowhere/at/all" in result.stderr, result.stderr
    assert not marker.exists()


# --- Figures in the window

# The rows of dots of an O, which the figures begin with; five dots from the left and the top four are the margin.
LETTER = ["01110", "10001", "10001", "10001", "10001", "10001", "01110"]


def has_figures(picture: tuple[int, int, bytes]) -> bool:
    width, _, pixels = picture

    def is_white(x: int, y: int) -> bool:
        return pixels[(y * width + x) * 3 :][:3] == b"\xff\xff\xff"

    return all(
        is_white(4 + x, 4 + y) == (dot == "1")
        for y, row in enumerate(LETTER) for x, dot in enumerate(row)
    )


@deadline(240)
def test_figures_in_the_window():
    """They are in the window and in no dumped frame, with both APIs."""
    for name, words in (("cube", command(4000)), ("gears", ["glxgears"])):
        with display() as screen:
            process = start(
                [OMEGA, "run", "--hud", "--dump-frames", folder() / name, "--", *words],
                plain_environment(DISPLAY=screen))
            try:
                wait_until(lambda: len(frames_of(name)) > 5, 30, "frames")
                assert has_figures(screenshot(screen)), name
                assert process.poll() is None, process.errors()
            finally:
                stop(process)
        shown = [read_ppm(path) for path in frames_of(name)[:5]]
        assert not any(has_figures(picture) for picture in shown), name
    with display() as screen:
        omega(
            "run", "--dump-frames", folder() / "dumped", "--", *command(FRAMES),
            environment=plain_environment(DISPLAY=screen, OMEGA_HUD=1), seconds=100)
    compare_frames(frames_of("dumped"), native())


# --- From input to pixel


@deadline(240)
def test_latency_benchmark():
    """A few flashes are seen, natively and through Omega, and the parts of the way are the whole."""
    count = 5
    with display() as screen:
        found = omega(
            "bench", "latency", "--flashes", count, "--json",
            environment=native_environment(DISPLAY=screen), seconds=200)
    report = json.loads(found.stdout)
    runs = {(run["api"], run["how"]): run for run in report["runs"]}
    assert len(runs) == 4, report
    for (api, how), result in runs.items():
        assert (result["flashes"], result["lost"]) == (count, 0), (api, how, report)
        whole = result["input_to_pixel_ms"]
        assert 0 < whole["p50"] <= whole["p95"] <= whole["p99"] < 5000, (api, how, whole)
        if how == "omega":
            parts = result["parts_ms"]
            assert {"application", "submit", "render", "show", "look"} <= set(parts), parts
            # One that comes late to the agent is the next frame's.
            assert result["input_noted"] > 0, result
            assert abs(sum(part["mean"] for part in parts.values()) - whole["mean"]) < 0.01, result
    assert set(report["ratio_p50"]) == {"vulkan", "gl"}, report
