"""A node that is far: 20 ms away each way, over TCP, in a network namespace of its own."""

import asyncio
import contextlib
import os
import threading
import time

from harness import (
    OMEGA, PROGRAMS, Skip, deadline, display, folder, free_port, native_environment, need, node,
    omega, plain_environment, run, start, stats, stop, wait_for_end, wait_until,
)

DELAY = 0.020
CUBE = ["vkcube", "--c", "400", "--present_mode", "2", "--suppress_popups"]


class Relay:
    """Forwards TCP connections, each byte `DELAY` seconds late in either direction."""

    def __init__(self, target: str, port: int, host: str = "127.0.0.1"):
        self.host = host
        self.target = (target, port)
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.address = ""
        self.connections: list[asyncio.StreamWriter] = []
        threading.Thread(target=self.serve, daemon=True).start()
        assert self.ready.wait(5), "the relay did not start"

    def serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(
            asyncio.start_server(self.accept, self.host, 0, limit=1 << 24)
        )
        self.address = "%s:%d" % server.sockets[0].getsockname()
        self.ready.set()
        self.loop.run_forever()

    async def accept(self, reader, writer) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target, limit=1 << 24)
        except OSError:
            writer.close()
            return
        self.connections += [writer, far_writer]
        await asyncio.gather(self.pump(reader, far_writer), self.pump(far_reader, writer))

    def cut(self) -> None:
        """Breaks every connection, as a network that goes away."""
        for writer in self.connections:
            writer.transport.abort()

    async def pump(self, reader, writer) -> None:
        """Reads at once and writes when each piece is due, so that the delay costs no throughput."""
        pieces: asyncio.Queue = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, piece = await pieces.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not piece:
                    break
                writer.write(piece)
                await writer.drain()
            writer.close()

        delivery = asyncio.ensure_future(deliver())
        with contextlib.suppress(OSError):
            while piece := await reader.read(1 << 20):
                pieces.put_nowait((time.monotonic() + DELAY, piece))
        pieces.put_nowait((time.monotonic() + DELAY, b""))
        with contextlib.suppress(OSError):
            await delivery


@contextlib.contextmanager
def far_node():
    """A node in another network namespace; gives the environment of its clients and its port."""
    need("ip")
    space, here, there = (f"{kind}{os.getpid() % 100000}" for kind in ("omega", "oh", "ot"))
    if run(["ip", "netns", "add", space], status=None).returncode != 0:
        raise Skip("network namespaces need root")
    token = folder() / "token"
    token.write_text(os.urandom(32).hex() + "\n")
    token.chmod(0o600)
    network = f"10.{os.getpid() % 200 + 20}.7"
    port = free_port()
    process = None
    try:
        for command in (
            f"ip link add {here} type veth peer name {there} netns {space}",
            f"ip addr add {network}.1/24 dev {here}",
            f"ip link set {here} up",
            f"ip -n {space} addr add {network}.2/24 dev {there}",
            f"ip -n {space} link set {there} up",
            f"ip -n {space} link set lo up",
        ):
            if run(command.split(), status=None).returncode != 0:
                raise Skip(f"this machine refuses: {command}")
        address = f"{network}.2:{port}"
        command = ["ip", "netns", "exec", space, OMEGA, "node"]
        command += ["--listen", address, "--token-file", token]
        process = start(command, native_environment())
        relay = Relay(f"{network}.2", port)
        process.address = relay.address
        process.token = token
        time.sleep(0.5)
        assert process.poll() is None, process.errors()
        yield process
    finally:
        if process is not None:
            stop(process)
        run(["ip", "netns", "del", space], status=None)


@deadline(180)
def test_vkcube_keeps_presenting():
    """Twenty milliseconds each way: frames flow, no steady round trip, at most 40 to start."""
    statistics = folder() / "stats.json"
    with display() as screen, far_node() as server:
        environment = plain_environment(DISPLAY=screen, OMEGA_TOKEN_FILE=server.token)
        began = time.monotonic()
        omega(
            "run", "--nodes", server.address, "--stats", statistics, "--", *CUBE,
            environment=environment, seconds=90,
        )
        seconds = time.monotonic() - began
    found = stats(statistics)
    assert found["frames"] == 400, found
    trips = found["round_trips"]
    assert trips["steady"] == 0 and trips["steady_per_frame"] == 0, trips
    assert trips["startup"] <= 40, trips
    print(f"{400 / seconds:.0f} frames a second, {trips['startup']} round trips to start")


@deadline(180)
def test_offscreen_results():
    """The same bytes from afar."""
    want, got = folder() / "want", folder() / "got"
    run([PROGRAMS / "offscreen", want], native_environment())
    with far_node() as server:
        omega(
            "run", "--nodes", server.address, "--", PROGRAMS / "offscreen", got,
            environment=plain_environment(OMEGA_TOKEN_FILE=server.token), seconds=120,
        )
    assert got.read_bytes() == want.read_bytes()


def test_relay_is_cut():
    """The network goes away in mid-frame: device lost within seconds."""
    with node() as server:
        host, port = server.address.rsplit(":", 1)
        relay = Relay(host, int(port))
        statistics = folder() / "stats.json"
        command = [PROGRAMS / "recordbench", 10_000_000]
        agent = start(
            [OMEGA, "run", "--nodes", relay.address, "--stats", statistics, "--", *command]
        )
        try:
            wait_until(lambda: stats(statistics).get("calls", 0) > 50_000, 30, "calls")
            relay.loop.call_soon_threadsafe(relay.cut)
            status = wait_for_end(agent, 20, "the application")
            assert status == 1 and "returned -4" in agent.errors(), agent.errors()
        finally:
            stop(agent)
