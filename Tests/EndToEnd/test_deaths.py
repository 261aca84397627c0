"""Sudden deaths: each ends in an error within its deadline, and the others live on."""

import contextlib
import os
import pathlib
import signal
import time

from harness import (
    OMEGA, PROGRAMS, children, display, folder, native_environment, node, omega, patience,
    plain_environment, run, session, start, stats, stop, wait_for_end, wait_until,
)

# Records, submits and waits without end; ends with a message when a call fails.
ENDLESS = [PROGRAMS / "recordbench", 10_000_000]


@contextlib.contextmanager
def client(*flags: object, command=None, **environment: object):
    """A running client that has made calls."""
    statistics = folder() / f"stats-{time.monotonic_ns()}.json"
    process = start(
        [OMEGA, "run", "--stats", statistics, *flags, "--", *(command or ENDLESS)],
        plain_environment(**environment), start_new_session=True,
    )
    process.statistics = statistics
    try:
        wait_until(
            lambda: process.poll() is not None or stats(statistics).get("calls", 0) > 100_000, 20,
            "calls of the client",
        )
        assert process.poll() is None, process.errors()[-3000:]
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def application_of(agent: int) -> int:
    """The process of the application, by its program."""
    def find():
        for child in children(agent):
            if "recordbench" in pathlib.Path(f"/proc/{child}/cmdline").read_text():
                return child
        return None

    return wait_until(find, 5, "the application's process")


def is_gone(process: int) -> bool:
    try:
        status = pathlib.Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return True
    return status.rsplit(")", 1)[1].split()[0] == "Z"


def expect_serving(server) -> None:
    assert server.poll() is None, server.errors()[-3000:]
    omega("run", "--nodes", server.address, "--", PROGRAMS / "offscreen", folder() / "x", "timeline")


def test_node_process_is_killed():
    """The client's node process dies: the application gets its device lost, by a result."""
    with node() as server, client("--nodes", server.address) as agent:
        victims = wait_until(lambda: children(server.pid), 5, "the node's process")
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        status = wait_for_end(agent, 10, "the application")
        assert status == 1 and "returned -4" in agent.errors(), f"{status}\n{agent.errors()}"
        expect_serving(server)


def test_whole_node_is_killed():
    with node() as server, client("--nodes", server.address) as agent:
        for victim in [server.pid, *children(server.pid)]:
            os.kill(victim, signal.SIGKILL)
        status = wait_for_end(agent, 10, "the application")
        assert status == 1 and "returned -4" in agent.errors(), f"{status}\n{agent.errors()}"


def test_agent_is_killed():
    with node() as server, client("--nodes", server.address) as agent:
        application = application_of(agent.pid)
        os.kill(agent.pid, signal.SIGKILL)
        wait_until(lambda: is_gone(application), 10, "the end of the application")
        assert "returned -4" in agent.errors() or "kill" in agent.errors().lower(), agent.errors()
        wait_until(lambda: not children(server.pid), 5, "the end of the node's process")
        expect_serving(server)


def test_application_is_killed():
    """The node frees everything within a second, and the next client is served."""
    with node() as server, client("--nodes", server.address) as agent:
        os.kill(application_of(agent.pid), signal.SIGKILL)
        start_of_wait = time.monotonic()
        wait_until(lambda: not children(server.pid), 5, "the end of the node's process")
        assert time.monotonic() - start_of_wait < 1.0 * patience(), "later than a second"
        status = wait_for_end(agent, 5, "omega run")
        assert status in (128 + signal.SIGKILL, -signal.SIGKILL), status
        expect_serving(server)


def test_application_of_an_embedded_node_is_killed():
    with client() as agent:
        os.kill(application_of(agent.pid), signal.SIGKILL)
        wait_for_end(agent, 5, "omega run")
        wait_until(lambda: all(map(is_gone, session(agent.pid))), 5, "the end of every process")


def test_vkcube_survives_nothing_but_hangs_never():
    """vkcube in a window, its node killed in mid-frame: it ends, by its own logic."""
    with display() as screen, node() as server:
        command = ["vkcube", "--c", "100000", "--present_mode", "0", "--suppress_popups"]
        statistics = folder() / "stats.json"
        agent = start(
            [OMEGA, "run", "--nodes", server.address, "--stats", statistics, "--", *command],
            plain_environment(DISPLAY=screen),
        )
        try:
            wait_until(lambda: stats(statistics).get("frames", 0) > 30, 20, "frames")
            for victim in children(server.pid):
                os.kill(victim, signal.SIGKILL)
            wait_for_end(agent, 20, "vkcube")
        finally:
            stop(agent)


def test_other_clients_do_not_notice():
    """Two clients of one node; one is killed, the other's result is whole."""
    want = folder() / "want"
    run([PROGRAMS / "offscreen", want], native_environment())
    with node() as server, client("--nodes", server.address) as agent:
        got = folder() / "got"
        other = start([OMEGA, "run", "--nodes", server.address, "--", PROGRAMS / "offscreen", got])
        os.kill(application_of(agent.pid), signal.SIGKILL)
        assert wait_for_end(other, 30, "the other client") == 0, other.errors()
        assert got.read_bytes() == want.read_bytes()


def test_no_shared_memory_is_left():
    """Nothing stays in /dev/shm or in the runtime folder after a killed client."""
    before = set(os.listdir("/dev/shm"))
    with client() as agent:
        os.killpg(agent.pid, signal.SIGKILL)
    time.sleep(0.5)
    left = {name for name in set(os.listdir("/dev/shm")) - before if "omega" in name.lower()}
    assert not left, left
