"""Video as datagrams: what a lossy path does to frames, and when they stay on the link."""

import contextlib
import os
import queue
import random
import socket
import threading
import time

from harness import (
    Skip, deadline, display, folder, free_port, node, omega, plain_environment, read_ppm, stats,
)
from test_codec import frames_of, native, psnr
from test_far_node import DELAY, Relay
from test_vkcube import capture, command

FRAMES = 60


def own_address() -> str:
    """An address of this machine that is no loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: the kernel chooses a way.
            probe.connect(("203.0.113.1", 9))
        except OSError as error:
            raise Skip(f"there is no address but loopback: {error}") from error
        address = probe.getsockname()[0]
    if address.startswith("127."):
        raise Skip("there is no address but loopback")
    return address


class DatagramRelay:
    """Forwards datagrams between a client and a node, late as `Relay` does, but for a share that it loses."""

    def __init__(self, host: str, port: int, loss: float, most: int | None, seed: int = 1):
        self.target = ("127.0.0.1", port)
        self.chance = random.Random(seed)
        self.loss = loss
        # Datagrams of the node after which there is no way any more.
        self.most = most
        self.counts = {"sent": 0, "answers": 0}
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind((host, port))
        self.back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.back.bind(("127.0.0.1", 0))
        self.client = None
        for receive, send in ((self.from_client, self.to_node), (self.from_node, self.to_client)):
            pieces: queue.Queue = queue.Queue()
            for work in (self.take, self.deliver):
                arguments = (receive if work == self.take else send, pieces)
                threading.Thread(target=work, args=arguments, daemon=True).start()

    def take(self, receive, pieces) -> None:
        while True:
            datagram = receive()
            is_open = self.most is None or self.counts["sent"] <= self.most
            if self.chance.random() >= self.loss and is_open:
                pieces.put((time.monotonic() + DELAY, datagram))

    @staticmethod
    def deliver(send, pieces) -> None:
        while True:
            due, datagram = pieces.get()
            time.sleep(max(0.0, due - time.monotonic()))
            send(datagram)

    def from_client(self) -> bytes:
        datagram, self.client = self.front.recvfrom(2048)
        self.counts["answers"] += 1
        return datagram

    def to_node(self, datagram: bytes) -> None:
        self.back.sendto(datagram, self.target)

    def from_node(self) -> bytes:
        while True:
            with contextlib.suppress(ConnectionError):
                datagram = self.back.recv(2048)
                self.counts["sent"] += 1
                return datagram

    def to_client(self, datagram: bytes) -> None:
        self.front.sendto(datagram, self.client)


def over_path(
    codec: str, frames: int, *, loss: float, name: str, most: int | None = None, **extra
) -> tuple[dict, dict]:
    """Draws on a node behind a relay; the statistics, and what the relay has seen."""
    host = own_address()
    token = folder() / "token"
    if not token.exists():
        token.write_text(os.urandom(32).hex() + "\n")
        token.chmod(0o600)
    file = folder() / f"{name}.json"
    port = free_port()
    with display() as screen, node("--token-file", token, "--datagram-ports", port) as server:
        commands = Relay(*address_of(server.address), host=host)
        datagrams = DatagramRelay(host, port, loss, most)
        omega(
            "run", "--nodes", commands.address, "--codec", codec, "--stats", file,
            "--dump-frames", folder() / name, "--", *command(frames),
            environment=plain_environment(DISPLAY=screen, OMEGA_TOKEN_FILE=token, **extra),
            seconds=120,
        )
    return stats(file), datagrams.counts


def address_of(text: str) -> tuple[str, int]:
    host, port = text.rsplit(":", 1)
    return host, int(port)


@deadline(240)
def test_vkcube_over_a_lossy_path():
    """Three datagrams of a hundred are lost: all frames are shown, and nearly all of them are whole."""
    found, seen = over_path("h264", FRAMES, loss=0.03, name="lossy")
    out = found["frames_out"]
    print(f"{out}, relay: {seen}")
    assert out["codec"] == "h264", out
    # Frames begin to leave so when the client's first datagram has arrived.
    assert out["packets"] > FRAMES / 2, (out, seen)
    assert out["lost"] > 0 and out["repaired"] > 0, (out, seen)
    shown = [read_ppm(path) for path in frames_of("lossy")]
    wanted = native()
    assert len(shown) == len(wanted), f"{len(shown)} frames, not {len(wanted)}"
    ratios = [psnr(a[2], b[2]) for a, b in zip(shown, wanted)]
    whole = [ratio for ratio in ratios if ratio > 35]
    print(f"{min(ratios):.1f} to {max(ratios):.1f} dB, {len(whole)} of {len(ratios)} above 35")
    # A band that is lost shows what it did: a cube that has turned by a little.
    assert len(whole) > 0.8 * FRAMES, ratios
    assert min(ratios) > 15, ratios


@deadline(240)
def test_what_stays_on_the_link():
    """Exact frames, and video of those who do not want datagrams, or whose datagrams all are lost."""
    for name, codec, loss, extra in (
        ("exact", "lossless", 0, {}),
        ("unwanted", "h264", 0, {"OMEGA_PERF": "no_datagrams"}),
        ("closed", "h264", 1, {}),
    ):
        found, seen = over_path(codec, FRAMES, loss=loss, name=name, **extra)
        assert "packets" not in found["frames_out"], (name, found["frames_out"])
        assert (seen["answers"] > 0) == (name == "closed"), (name, seen)
        ratios = [
            psnr(read_ppm(path)[2], want[2]) for path, want in zip(frames_of(name), native())
        ]
        assert len(ratios) == FRAMES and min(ratios) > 35, (name, ratios)


@deadline(240)
def test_path_that_ends():
    """When no datagram comes through any more, all frames after a while are whole again: on the link."""
    found, seen = over_path("h264", 2 * FRAMES, loss=0, name="ending", most=100)
    assert 50 < found["frames_out"]["packets"] <= 101, (found["frames_out"], seen)
    paths = frames_of("ending")
    assert len(paths) == 2 * FRAMES, len(paths)
    wanted = capture("long", frames=2 * FRAMES)
    ratios = [psnr(read_ppm(path)[2], want[2]) for path, want in zip(paths, wanted)]
    print(f"{sum(ratio > 35 for ratio in ratios)} of {len(ratios)} above 35 dB")
    assert min(ratios[-5:]) > 35, ratios
