"""What travels to a node on another host: few bytes, and the same pictures with each part turned off."""

import contextlib
import functools
import hashlib
import os
import re

from harness import (
    PROGRAMS, Skip, deadline, display, folder, native_environment, need, node, omega,
    plain_environment, run, stats,
)

SWITCHES = ["no_blob_dedup", "no_blob_delta", "no_compression", "no_content_cache"]
CHOICES = ["", *SWITCHES, ",".join(SWITCHES)]
PAIRS = 20_000


@functools.cache
def native() -> bytes:
    path = folder() / "native"
    run([PROGRAMS / "offscreen", path], native_environment())
    return path.read_bytes()


def cache_node(*flags: object):
    return node("--cache", folder() / "cache", *flags)


def launch(server, *command: object, switches: str = "", **options) -> dict:
    """Runs a program on the node; its statistics, with what it said as `output`."""
    path = folder() / "stats.json"
    path.unlink(missing_ok=True)
    environment = plain_environment(OMEGA_PERF=switches, **options)
    result = omega(
        "run", "--nodes", server.address, "--stats", path, "--", *command,
        environment=environment, seconds=120,
    )
    return stats(path) | {"output": result.stdout, "errors": result.stderr}


def offscreen(server, **options) -> dict:
    path = folder() / "result"
    found = launch(server, PROGRAMS / "offscreen", path, **options)
    assert path.read_bytes() == native(), f"not as natively: {options}"
    return found


@deadline(240)
def test_offscreen_with_each_part_off():
    with cache_node() as server:
        for switches in CHOICES:
            offscreen(server, switches=switches)


@deadline(240)
def test_vkcube_with_each_part_off():
    need("vkcube")
    command = ["vkcube", "--c", "60", "--present_mode", "2", "--suppress_popups"]

    def frames(name: str) -> list[bytes]:
        return [path.read_bytes() for path in sorted((folder() / name).glob("frame-*.ppm"))]

    with display() as screen, cache_node() as server:
        environment = plain_environment(DISPLAY=screen)
        omega("run", "--dump-frames", folder() / "here", "--", *command, environment=environment)
        want = frames("here")
        assert len(want) == 60
        for number, switches in enumerate(CHOICES):
            omega(
                "run", "--nodes", server.address, "--dump-frames", folder() / str(number), "--",
                *command, environment=environment | {"OMEGA_PERF": switches},
            )
            found = frames(str(number))
            wrong = [i + 1 for i, (a, b) in enumerate(zip(found, want)) if a != b]
            assert not wrong and len(found) == 60, (
                f"with '{switches}': {len(found)} frames, and these are others: {wrong}")


def picture(found: dict) -> str:
    return re.search(r"picture (\d+)", found["output"])[1]


def bytes_per_pair(server, mode: str, switches: str) -> tuple[float, float]:
    """Bytes sent, and bytes before compression, of a pair in a round behind the first few."""
    few, many = (
        launch(server, PROGRAMS / "recordbench", rounds, mode, switches=switches)
        for rounds in (3, 9)
    )
    return tuple(
        (many["bytes"][key] - few["bytes"][key]) / 6 / PAIRS
        for key in ("up", "before_compression")
    )


@deadline(240)
def test_bytes_of_a_pair():
    """20,000 pairs of vkCmdPushConstants and vkCmdDraw a round: counts, not times."""
    with cache_node() as server:
        for switches, changing, same in (
            ("", 12, 0.1),
            ("no_compression", 12, 0.1),
            ("no_compression,no_blob_dedup", 12, 0.1),
            ("no_compression,no_blob_delta", 85, 0.1),
        ):
            sent, coded = bytes_per_pair(server, "changing", switches)
            print(f"[{switches}] changing: {sent:.2f} sent, {coded:.2f} before compression")
            assert sent <= changing, (switches, sent)
            sent, coded = bytes_per_pair(server, "same", switches)
            print(f"[{switches}] same: {sent:.4f} sent, {coded:.4f} before compression")
            assert sent <= same, (switches, sent)
        first = launch(server, PROGRAMS / "recordbench", 1, "same", switches="no_compression")
        assert first["bytes"]["before_compression"] <= 64 * PAIRS, first["bytes"]
        blobs = first["blobs"]
        assert blobs["sent"] >= 1 and blobs["deduplicated"] >= 2, blobs


@deadline(240)
def test_pictures_of_changing_rounds():
    want = re.search(
        r"picture (\d+)",
        run([PROGRAMS / "recordbench", 3, "changing"], native_environment()).stdout,
    )[1]
    with cache_node() as server:
        for switches in CHOICES:
            found = launch(server, PROGRAMS / "recordbench", 3, "changing", switches=switches)
            assert picture(found) == want, switches
            if not switches:
                assert found["blobs"]["delta"] >= 3, found["blobs"]


@deadline(400)
def test_command_buffer_above_64_mebibytes():
    command = [PROGRAMS / "recordbench", 1, "same", 950_000]
    want = re.search(r"picture (\d+)", run(command, native_environment()).stdout)[1]
    with cache_node() as server:
        for switches in ("", ",".join(SWITCHES)):
            found = launch(server, *command, switches=switches)
            assert picture(found) == want, switches
            assert found["bytes"]["recorded"] > 3 * (64 << 20), found["bytes"]


def uncompressed(found: dict) -> int:
    return found["bytes"]["before_compression"]


def files() -> list:
    return sorted(path for path in (folder() / "cache").rglob("*") if path.is_file())


@deadline(240)
def test_contents_are_remembered():
    """What a program sends is on the node's disk the next time, and damaged files are not believed."""
    with cache_node() as server:
        first = offscreen(server)
        kept = files()
        assert kept and all(path.stat().st_mode & 0o077 == 0 for path in kept), kept
        second = offscreen(server)
        assert second["blobs"]["content"] > first["blobs"]["content"], second["blobs"]
        assert uncompressed(second) < uncompressed(first) - 20_000, (first, second)
        for path in files():
            path.write_bytes(path.read_bytes()[:-1] + b"?")
        offscreen(server)
        for path in files():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


@deadline(240)
def test_tokens_have_caches_apart():
    for name in "ab":
        token = folder() / name
        token.write_text(os.urandom(32).hex() + "\n")
        token.chmod(0o600)
    for name in "ab":
        token = folder() / name
        with cache_node("--token-file", token) as server:
            first, second = (offscreen(server, OMEGA_TOKEN_FILE=token) for _ in range(2))
            # Whoever came before with another token has left nothing that helps.
            assert uncompressed(second) < uncompressed(first) - 20_000, (first, second)
    spaces = {path.parent.name for path in files()}
    assert len(spaces) == 2 and len({len(space) for space in spaces}) == 1, spaces


@deadline(240)
def test_cache_that_cannot_be_used():
    """No place, no room, or not wanted: the program does not notice."""
    with node("--cache", "/proc/nowhere/omega") as server:
        assert "--cache off" in offscreen(server)["errors"]
    with node("--cache", "off") as server:
        for _ in range(2):
            assert offscreen(server)["blobs"]["content"] == 0
    with full_disk() as path, node("--cache", path) as server:
        assert "is not kept" in offscreen(server)["errors"]
        offscreen(server)


@contextlib.contextmanager
def full_disk():
    path = folder() / "disk"
    path.mkdir()
    if run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", path], status=None).returncode != 0:
        raise Skip("mounting a small disk needs root")
    try:
        yield path
    finally:
        run(["umount", "-l", path], status=None)


@deadline(240)
def test_cache_keeps_its_size():
    with node("--cache", folder() / "cache", "--cache-size", 1) as server:
        for _ in range(3):
            offscreen(server)
    assert sum(path.stat().st_size for path in files()) <= 1 << 20
