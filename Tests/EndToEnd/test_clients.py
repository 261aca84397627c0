"""Many clients of one node at once: every picture is right, and the node is afterwards as before."""

import contextlib
import os
import pathlib

from harness import (
    OMEGA, children, deadline, display, folder, node, plain_environment, read_ppm, start, stop,
    wait_until,
)
from test_vkcube import capture, command

CLIENTS = 40
LOOKED_AT = (1, 8, 15)


def resident(process: int, *kinds: str) -> int:
    """KiB of memory that the process has to itself or shares, files left out, or of some kinds."""
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return sum(int(fields[name].split()[0]) for name in kinds or ("RssAnon", "RssShmem"))


def descriptors(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/fd"))


@contextlib.contextmanager
def clients(server, screen: str, count: int, name: str):
    """So many vkcubes on the node, each with its folder of frames; all are there at once."""
    started = []
    try:
        for number in range(count):
            frames = folder() / f"{name}-{number}"
            listed = ",".join(map(str, LOOKED_AT))
            process = start(
                [
                    OMEGA, "run", "--nodes", server.address, "--dump-frames", frames, "--dump-at",
                    listed, "--", *command(1_000_000),
                ],
                plain_environment(DISPLAY=screen),
            )
            process.frames = frames
            started.append(process)
        yield started
    finally:
        for process in started:
            process.terminate()
        for process in started:
            stop(process)


def wave(server, screen: str, count: int, name: str, want: list) -> None:
    """Serves so many clients at once and looks at their pictures."""
    with clients(server, screen, count, name) as started:

        def have_drawn() -> bool:
            ended = [process for process in started if process.poll() is not None]
            assert not ended, f"a client ended\n{ended[0].errors()[-2000:]}"
            last = f"frame-{LOOKED_AT[-1]:06}.ppm"
            return all((process.frames / last).exists() for process in started)

        wait_until(have_drawn, 90, f"the frames of {count} clients")
        assert len(children(server.pid)) == count, "a process for each client"
    wait_until(lambda: not children(server.pid), 20, "the end of the clients' processes")
    for process in started:
        for number in LOOKED_AT:
            path = process.frames / f"frame-{number:06}.ppm"
            assert read_ppm(path) == want[number - 1], f"{path}: not as natively"


@deadline(400)
def test_forty_clients_at_once():
    want = capture("native", frames=LOOKED_AT[-1])
    with display() as screen, node() as server:
        # What is made once is made for the first clients.
        wave(server, screen, 3, "first", want)
        before = resident(server.pid), descriptors(server.pid)
        wave(server, screen, CLIENTS, "many", want)
        after = resident(server.pid), descriptors(server.pid)
    assert after[0] - before[0] < 1024, f"the node has grown from {before[0]} to {after[0]} KiB"
    assert after[1] == before[1], f"{before[1]} descriptors before, {after[1]} after"
