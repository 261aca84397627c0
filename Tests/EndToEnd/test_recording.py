"""Recordings: what was recorded is drawn again, on any node, to the same pixels."""

import os
import pathlib
import random
import re
import shutil
import signal
import struct

from harness import (
    OMEGA, PROGRAMS, compare_frames, deadline, display, folder, need, node, omega,
    plain_environment, read_ppm, run, start, stats, stop, wait_for_end, wait_until,
)

CORPUS = pathlib.Path(__file__).resolve().parents[1] / "Corpus"
CUBE = ["vkcube", "--present_mode", "0", "--suppress_popups"]


def record_cube(frames: int = 60, *flags: object, size=(200, 150)) -> pathlib.Path:
    file = folder() / "cube.omegarec"
    need("vkcube")
    with display() as screen:
        omega(
            "record", "-o", file, *flags, "--", *CUBE, "--c", frames, "--width", size[0],
            "--height", size[1], environment=plain_environment(DISPLAY=screen),
        )
    return file


# Without the section that uses the addresses of buffers, which are others in another process.
SECTIONS = (
    "compute-staged", "scene-coherent", "transfers-images", "scene-secondary", "descriptors",
    "frames", "shared-page", "remap", "events", "timeline", "flights", "queries", "threads",
)


def record_offscreen() -> tuple[pathlib.Path, bytes]:
    file, result = folder() / "offscreen.omegarec", folder() / "result"
    omega("run", "--record", file, "--", PROGRAMS / "offscreen", result, *SECTIONS)
    return file, result.read_bytes()


def verified(result) -> tuple[int, int]:
    """How many frames and contents of memory were compared."""
    found = re.search(r"compared: (\d+) frames, (\d+) contents of memory, all as", result.stdout)
    assert found, result.stdout + result.stderr
    return int(found.group(1)), int(found.group(2))


def test_recording_changes_nothing():
    """A program that is recorded gives the result that it gives otherwise."""
    plain = folder() / "plain"
    omega("run", "--", PROGRAMS / "offscreen", plain, *SECTIONS)
    _, result = record_offscreen()
    assert result == plain.read_bytes(), "a recorded run gives another result"


@deadline(180)
def test_frames_are_as_recorded():
    file = record_cube(60, "--dump-frames", folder() / "shown")
    result = omega("replay", file, "--verify", "--dump-frames", folder() / "drawn")
    assert verified(result)[0] == 60, result.stdout
    assert re.search(r"60 frames in [\d.]+ s, [\d.]+ fps", result.stdout), result.stdout
    shown = [read_ppm(path) for path in sorted((folder() / "shown").glob("*.ppm"))]
    compare_frames(sorted((folder() / "drawn").glob("*.ppm")), shown)
    assert len(set(shown)) > 20, "the cube hardly turns"


def test_memory_is_as_recorded():
    file, _ = record_offscreen()
    assert verified(omega("replay", "--verify", file))[1] > 0


@deadline(180)
def test_other_nodes():
    """What was recorded on an embedded node is drawn over TCP and a unix socket."""
    file = record_cube(20)
    for listen in (None, f"unix:{folder()}/node"):
        with node(listen=listen) as server:
            result = omega("replay", "--nodes", server.address, file, "--verify")
            assert verified(result)[0] == 20, result.stdout


@deadline(180)
def test_recorded_over_tcp():
    file = folder() / "cube.omegarec"
    with display() as screen, node() as server:
        omega(
            "record", "-o", file, "--nodes", server.address, "--", *CUBE, "--c", 20,
            environment=plain_environment(DISPLAY=screen),
        )
    assert verified(omega("replay", file, "--verify"))[0] == 20


@deadline(180)
def test_from_a_later_frame():
    """A recording that begins with frame 20 draws the same frames from there on."""
    file = record_cube(40, "--from", 20, "--dump-frames", folder() / "shown")
    result = omega("replay", file, "--verify", "--dump-frames", folder() / "drawn")
    assert verified(result)[0] == 21, result.stdout
    shown = [read_ppm(path) for path in sorted((folder() / "shown").glob("*.ppm"))][19:]
    drawn = sorted((folder() / "drawn").glob("*.ppm"))
    assert drawn[0].name == "frame-000020.ppm", drawn[0]
    compare_frames(drawn, shown)


@deadline(240)
def test_direct3d_from_a_later_frame():
    need("vkd3d-gears")
    gears = shutil.which("vkd3d-gears")
    file, statistics = folder() / "gears.omegarec", folder() / "stats"
    with display() as screen:
        process = start(
            [OMEGA, "record", "-o", file, "--from", 30, "--stats", statistics, "--", gears],
            plain_environment(DISPLAY=screen),
        )
        try:
            wait_until(lambda: stats(statistics).get("frames", 0) > 60, 60, "frames")
            run(["pkill", "-TERM", "-P", process.pid], plain_environment(), status=None)
            wait_for_end(process, 20, "omega record")
        finally:
            stop(process)
    assert verified(omega("replay", file, "--verify", seconds=120))[0] > 10


def test_program_that_ends_before():
    """A program that ends before the frame that was asked for: said, and nothing is recorded."""
    file = folder() / "x.omegarec"
    result = omega(
        "record", "-o", file, "--from", 1000, "--", PROGRAMS / "offscreen", folder() / "y",
        "timeline",
    )
    assert "was to begin with frame 1000" in result.stderr, result.stderr
    assert "nothing" in omega("replay", "--verify", file, status=1).stderr


def test_addresses_of_buffers():
    """Programs that put addresses into their data are refused where the addresses are others."""
    file = folder() / "x.omegarec"
    omega("run", "--record", file, "--", PROGRAMS / "offscreen", folder() / "y", "addresses")
    result = omega("replay", "--verify", file, status=None)
    assert result.returncode == 0 or "vkGetBufferDeviceAddress gives" in result.stderr, (
        result.stderr
    )


def test_what_it_is():
    file = record_cube(5)
    text = omega("replay", "--info", file).stdout
    for word in ("vkcube", "llvmpipe", "frames        5"):
        assert word in text, text


def test_corpus():
    """Recordings of earlier releases are drawn as they were then."""
    files = sorted(CORPUS.glob("*.omegarec"))
    assert files, "there is no corpus"
    for file in files:
        result = omega("replay", file, "--verify", status=None)
        if "another" in result.stderr and "driver" in result.stderr:
            # Another driver may draw other pixels; what must not change is that it draws.
            assert "cannot be played" not in result.stderr, f"{file.name}: {result.stderr}"
            continue
        assert result.returncode == 0, f"{file.name}: {result.stdout}{result.stderr}"
        assert sum(verified(result)) > 0, f"{file.name}: {result.stdout}"


def test_a_difference_is_found():
    """A frame whose checksum is another one is named, and the exit status is 1."""
    file = CORPUS / "vkcube.omegarec"
    changed = folder() / "changed.omegarec"
    changed.write_bytes(with_other_checksum(file.read_bytes()))
    result = omega("replay", "--verify", changed, status=1)
    assert "frame 1 " in result.stderr and "not as recorded" in result.stderr, result.stderr
    omega("replay", changed)


def xxh64(data: bytes) -> int:
    """XXH64 with seed 0, by its specification."""
    p1, p2, p3, p4, p5 = (
        0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )
    mask = (1 << 64) - 1

    def rotate(x: int, n: int) -> int:
        return ((x << n) | (x >> (64 - n))) & mask

    def mix(lane: int, word: int) -> int:
        return rotate((lane + word * p2) & mask, 31) * p1 & mask

    at = 0
    if len(data) >= 32:
        lanes = [(p1 + p2) & mask, p2, 0, -p1 & mask]
        while at + 32 <= len(data):
            words = struct.unpack_from("<4Q", data, at)
            lanes = [mix(lane, word) for lane, word in zip(lanes, words)]
            at += 32
        value = sum(rotate(lane, n) for lane, n in zip(lanes, (1, 7, 12, 18))) & mask
        for lane in lanes:
            value = ((value ^ mix(0, lane)) * p1 + p4) & mask
    else:
        value = p5
    value = (value + len(data)) & mask
    while at + 8 <= len(data):
        word = struct.unpack_from("<Q", data, at)[0]
        value = (rotate(value ^ mix(0, word), 27) * p1 + p4) & mask
        at += 8
    if at + 4 <= len(data):
        word = struct.unpack_from("<I", data, at)[0]
        value = (rotate(value ^ (word * p1 & mask), 23) * p2 + p3) & mask
        at += 4
    for byte in data[at:]:
        value = rotate(value ^ (byte * p5 & mask), 11) * p1 & mask
    value = (value ^ (value >> 33)) * p2 & mask
    value = (value ^ (value >> 29)) * p3 & mask
    return value ^ (value >> 32)


def parts(data: bytes) -> list[tuple[int, bytes]]:
    """The parts of a recording: kind and unpacked bytes."""
    at = struct.unpack_from("<I", data, 12)[0]
    found = []
    while data[at : at + 4] == b"CHNK":
        kind, packed, _ = struct.unpack_from("<III", data, at + 4)
        content = data[at + 32 : at + 32 + packed]
        found.append((kind, run_zstd("-d", content)))
        at += 32 + (packed + 7) // 8 * 8
    return found


def run_zstd(direction: str, content: bytes) -> bytes:
    import subprocess

    need("zstd")
    return subprocess.run(
        ["zstd", "-q", "-c", direction], input=content, stdout=subprocess.PIPE, check=True
    ).stdout


def assembled(data: bytes, chunks: list[tuple[int, bytes]]) -> bytes:
    """A recording with the header of `data` and these parts, and no index."""
    file = data[: struct.unpack_from("<I", data, 12)[0]]
    for number, (kind, content) in enumerate(chunks):
        packed = run_zstd("-1", content)
        head = struct.pack("<IIIIQ", 0x4B4E4843, kind, len(packed), len(content), number)
        file += head + struct.pack("<Q", xxh64(head + packed))
        file += packed + bytes(-len(packed) % 8)
    return file


def entries(content: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(content):
        kind, size = struct.unpack_from("<II", content, at)
        found.append((kind, content[at + 8 : at + size]))
        at += size
    return found


def of_entries(found: list[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack("<II", kind, len(body) + 8) + body for kind, body in found)


def rewritten(data: bytes, change) -> bytes:
    """A recording whose entries went through `change(kind, body) -> [(kind, body)]`."""
    chunks = []
    for kind, content in parts(data):
        if kind == 0:
            content = of_entries([new for old in entries(content) for new in change(*old)])
            chunks.append((kind, content))
    return assembled(data, chunks)


def with_other_checksum(data: bytes) -> bytes:
    def change(kind, body):
        if kind == 4 and struct.unpack_from("<Q", body)[0] == 1:
            body = body[:-1] + bytes([body[-1] ^ 1])
        return [(kind, body)]

    return rewritten(data, change)


def expect_refused(data: bytes, what: str, *words: str) -> None:
    """An error, soon, by a sentence: no trap and no hang."""
    file = folder() / "bad.omegarec"
    file.write_bytes(data)
    result = omega("replay", "--verify", file, status=1, seconds=40)
    assert "omega: error: " in result.stderr, f"{what}: {result.stderr}"
    for word in words:
        assert word in result.stderr, f"{what}: {result.stderr}"


def test_no_recording():
    expect_refused(b"", "an empty file", "no recording")
    expect_refused(os.urandom(5000), "garbage", "no recording")
    omega("replay", folder() / "missing", status=1)
    omega("replay", status=125)


@deadline(240)
def test_damaged():
    """Bits flipped anywhere are found before a record of that part is played."""
    data = (CORPUS / "vkcube.omegarec").read_bytes()
    generator = random.Random(7)
    for _ in range(12):
        at = generator.randrange(12, len(data) - 200)
        changed = bytearray(data)
        changed[at] ^= 1 << generator.randrange(8)
        file = folder() / "bad.omegarec"
        file.write_bytes(changed)
        result = omega("replay", "--verify", file, status=None, seconds=40)
        if result.returncode == 0:
            # The bit lay where nothing lies: in padding.
            assert sum(verified(result)) > 0
        else:
            assert result.returncode == 1 and "damaged" in result.stderr, f"{at}: {result.stderr}"


@deadline(240)
def test_cut_off():
    """Cut off anywhere, a recording is played to there, or refused."""
    data = (CORPUS / "vkcube.omegarec").read_bytes()
    for tenth in range(1, 11):
        file = folder() / "cut.omegarec"
        file.write_bytes(data[: len(data) * tenth // 10 - 40])
        result = omega("replay", file, status=None, seconds=40)
        assert result.returncode in (0, 1), f"{tenth}: {result.stderr}"
        assert "cut off" in result.stderr or result.returncode == 1, f"{tenth}: {result.stderr}"


def test_waits_for_what_never_comes():
    """A recording that waits for a completion nobody announces ends with an error."""
    data = (CORPUS / "offscreen.omegarec").read_bytes()
    done = []

    def change(kind, body):
        if kind == 2 and not done:
            done.append(True)
            return [(2, struct.pack("<IIQ", 4000, 0, 1)), (kind, body)]
        return [(kind, body)]

    expect_refused(rewritten(data, change), "a completion that never comes", "waits for")


def test_records_that_make_no_sense():
    """The node refuses what is no record, as it does a client's."""
    data = (CORPUS / "offscreen.omegarec").read_bytes()
    generator = random.Random(3)
    done = []

    def change(kind, body):
        if kind == 1:
            done.append(True)
            if len(done) == 4:
                size = len(body) - 8
                return [(kind, body[:8] + struct.pack("<II", 0x1003, size) + generator.randbytes(size - 8))]
        return [(kind, body)]

    expect_refused(rewritten(data, change), "records of noise")


def test_entries_of_a_later_release():
    """Kinds of entries and of parts that this release does not know are skipped."""
    data = (CORPUS / "vkcube.omegarec").read_bytes()
    chunks = []
    for kind, content in parts(data):
        if kind == 0:
            more = [new for old in entries(content) for new in (old, (77, b"later..."))]
            chunks += [(0, of_entries(more)), (9, b"a part of a later release")]
    file = folder() / "later.omegarec"
    file.write_bytes(assembled(data, chunks))
    assert verified(omega("replay", "--verify", file))[0] > 0


def test_full_disk():
    """A disk that is full ends the recording, and not the application."""
    need("mount")
    place = folder() / "small"
    place.mkdir()
    mounted = run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], plain_environment(), status=None
    )
    if mounted.returncode != 0:
        from harness import Skip

        raise Skip("a small file system needs root")
    try:
        file, result = place / "x.omegarec", folder() / "result"
        ended = omega("run", "--record", file, "--", PROGRAMS / "offscreen", result)
        assert "No space left" in ended.stderr and "goes on" in ended.stderr, ended.stderr
        plain = folder() / "plain"
        omega("run", "--", PROGRAMS / "offscreen", plain)
        assert result.read_bytes() == plain.read_bytes()
        # What was written until then is a recording.
        assert omega("replay", file, status=None).returncode in (0, 1)
    finally:
        run(["umount", place], plain_environment(), status=None)


def test_place_that_cannot_be_written():
    result = omega("run", "--record", "/nonexistent/x", "--", "true", status=125)
    assert "/nonexistent/x" in result.stderr, result.stderr


@deadline(180)
def test_killed_application():
    """The recording of a program that was killed is whole."""
    need("vkcube")
    file, statistics = folder() / "cube.omegarec", folder() / "stats"
    with display() as screen:
        process = start(
            [OMEGA, "run", "--stats", statistics, "--record", file, "--", *CUBE, "--c", "100000"],
            plain_environment(DISPLAY=screen),
        )
        try:
            wait_until(lambda: stats(statistics).get("frames", 0) > 20, 20, "frames")
            run(["pkill", "-KILL", "-P", process.pid, "vkcube"], plain_environment())
            wait_for_end(process, 10, "omega run")
        finally:
            stop(process)
    assert verified(omega("replay", file, "--verify", seconds=120))[0] > 20


@deadline(180)
def test_killed_agent():
    """The recording of an agent that was killed is played to its last whole part."""
    need("vkcube")
    file, statistics = folder() / "cube.omegarec", folder() / "stats"
    with display() as screen:
        process = start(
            [OMEGA, "run", "--stats", statistics, "--record", file, "--", *CUBE, "--c", "100000"],
            plain_environment(DISPLAY=screen), start_new_session=True,
        )
        wait_until(lambda: stats(statistics).get("frames", 0) > 60, 20, "frames")
        # What is on its way to the file is lost with its agent; a part has to be there.
        wait_until(lambda: file.exists() and file.stat().st_size > 8192, 20, "a part of the file")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    result = omega("replay", file, "--verify", seconds=120)
    assert "cut off" in result.stderr and verified(result)[0] > 0, result.stdout + result.stderr
