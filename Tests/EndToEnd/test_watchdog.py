"""Nodes that hang, and nodes that only take long."""

import contextlib
import json
import os
import pathlib
import signal
import time

from harness import (
    LAVAPIPE, OMEGA, PROGRAMS, children, deadline, folder, native_environment, need, node, omega,
    patience, plain_environment, run, start, stats, stop, wait_for_end, wait_until,
)

ENDLESS = [PROGRAMS / "recordbench", 10_000_000]


def slow_driver(command: str, **time: int) -> tuple[pathlib.Path, dict[str, str]]:
    """A driver in which one command takes long, the first time SLOW_SECONDS, or each time
    SLOW_MILLISECONDS: its manifest, and the node's environment."""
    need("cc")
    source = pathlib.Path(__file__).with_name("programs") / "slow_driver.c"
    library = folder() / "slow_driver.so"
    run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"])
    native = json.loads(LAVAPIPE.read_text())
    environment = native_environment(
        SLOW_COMMAND=command, SLOW_LIBRARY=native["ICD"]["library_path"], **time
    )
    native["ICD"]["library_path"] = str(library)
    manifest = folder() / "slow.json"
    manifest.write_text(json.dumps(native))
    return manifest, environment


@deadline(120)
def test_stopped_node():
    """A node process that is stopped answers nothing: device lost after the time that was given."""
    statistics = folder() / "stats"
    with node() as server:
        client = start(
            [
                OMEGA, "run", "--nodes", server.address, "--node-timeout", 3, "--stats", statistics,
                "--", *ENDLESS,
            ],
        )
        victims = []
        try:
            wait_until(lambda: stats(statistics).get("calls", 0) > 50_000, 30, "calls")
            victims = wait_until(lambda: children(server.pid), 5, "the node's process")
            for victim in victims:
                os.kill(victim, signal.SIGSTOP)
            began = time.monotonic()
            status = wait_for_end(client, 30, "the application")
            took = time.monotonic() - began
            assert status == 1 and "returned -4" in client.errors(), client.errors()
            assert "has not answered for 3 seconds" in client.errors(), client.errors()
            assert took > 2, f"lost after {took:.1f} s already"
        finally:
            for victim in victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
            stop(client)


@deadline(120)
def test_node_that_is_stopped_for_a_moment():
    """A node that goes on in time is no loss."""
    statistics = folder() / "stats"
    with node() as server:
        client = start(
            [
                OMEGA, "run", "--nodes", server.address, "--node-timeout", 30, "--stats",
                statistics, "--", *ENDLESS,
            ],
        )
        try:
            wait_until(lambda: stats(statistics).get("calls", 0) > 50_000, 30, "calls")
            victims = wait_until(lambda: children(server.pid), 5, "the node's process")
            for victim in victims:
                os.kill(victim, signal.SIGSTOP)
            time.sleep(3)
            for victim in victims:
                os.kill(victim, signal.SIGCONT)
            calls = stats(statistics).get("calls", 0)
            wait_until(lambda: stats(statistics).get("calls", 0) > calls + 50_000, 30, "more calls")
            assert client.poll() is None, client.errors()
        finally:
            stop(client)


@deadline(120)
def test_slow_command():
    """A driver that takes long over a command is named, and waited for."""
    manifest, environment = slow_driver("vkCreateBuffer", SLOW_SECONDS=14)
    result = folder() / "result"
    with node("--driver", manifest, environment=environment) as server:
        client = omega(
            "run", "--nodes", server.address, "--node-timeout", 3, "--", PROGRAMS / "offscreen",
            result, "timeline", seconds=110,
        )
        assert "has been in vkCreateBuffer for 1" in client.stderr, client.stderr
        assert "lost" not in client.stderr, client.stderr
    assert result.stat().st_size > 0
