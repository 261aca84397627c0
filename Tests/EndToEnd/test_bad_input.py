"""What is wrong is said before the application starts, with the thing and the remedy."""

import json
import os
import random
import socket
import struct
import threading

from harness import (
    OMEGA, PROGRAMS, can_connect, children, folder, free_port, native_environment, node, omega,
    plain_environment, start, stop, wait_for_end, wait_until,
)


def expect_error(result, *words: str) -> None:
    last = [line for line in result.stderr.splitlines() if "omega: error: " in line]
    assert last, f"no error line\n{result.stderr}"
    for word in words:
        assert word in last[-1], f"{word} is not in: {last[-1]}"
    assert not (folder() / "started").exists(), "the application was started all the same"


def app() -> list[object]:
    """An application that leaves a trace when it is started."""
    return ["touch", folder() / "started"]


def token(name: str, content: str = "") -> object:
    path = folder() / name
    path.write_text((content or os.urandom(32).hex()) + "\n")
    path.chmod(0o600)
    return path


def test_unreachable_node():
    address = f"127.0.0.1:{free_port()}"
    expect_error(omega("run", "--nodes", address, "--", *app(), status=125, seconds=20), address)


def test_unknown_host():
    result = omega("run", "--nodes", "no.such.host.invalid:1", "--", *app(), status=125)
    expect_error(result, "no.such.host.invalid")


def test_malformed_address():
    for address in ("", ":", "host", "host:port", "host:99999999", "[::1", "unix:"):
        expect_error(omega("run", "--nodes", address, "--", *app(), status=125))


def test_wrong_token():
    with node("--token-file", token("right")) as server:
        environment = plain_environment(OMEGA_TOKEN_FILE=token("wrong"))
        result = omega(
            "run", "--nodes", server.address, "--", *app(), environment=environment, status=125
        )
        expect_error(result, server.address, "token")
        assert server.poll() is None, server.errors()


def test_missing_token():
    with node("--token-file", token("right")) as server:
        result = omega("run", "--nodes", server.address, "--", *app(), status=125)
        expect_error(result, server.address, "token")


def test_token_that_the_node_does_not_want():
    with node() as server:
        environment = plain_environment(OMEGA_TOKEN_FILE=token("mine"))
        result = omega(
            "run", "--nodes", server.address, "--", *app(), environment=environment, status=125
        )
        expect_error(result, "token")


def test_token_file_problems():
    environment = plain_environment(OMEGA_TOKEN_FILE=folder() / "none")
    with node() as server:
        result = omega(
            "run", "--nodes", server.address, "--", *app(), environment=environment, status=125
        )
        expect_error(result, str(folder() / "none"))


def test_node_without_token_stays_on_loopback():
    result = omega("node", "--listen", f"0.0.0.0:{free_port()}", status=None, seconds=10)
    assert result.returncode not in (0, None) and "token" in result.stderr, result.stderr


def test_port_in_use():
    with node() as server:
        result = omega("node", "--listen", server.address, status=None, seconds=10)
        assert result.returncode != 0 and server.address.split(":")[1] in result.stderr


def serve_once(answer: bytes) -> int:
    """A server that answers anything with these bytes and then closes; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(2)
                try:
                    peer.recv(65536)
                    peer.sendall(answer)
                    peer.recv(65536)
                except OSError:
                    pass

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def test_not_a_node():
    """Something else listens there: an error in time, that names it."""
    for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 4096, b"\xff" * 4096, b""):
        address = f"127.0.0.1:{serve_once(answer)}"
        result = omega("run", "--nodes", address, "--", *app(), status=125, seconds=20)
        expect_error(result, address)


def altering_relay(target: str, change) -> str:
    """The address of a relay that changes the first bytes a client sends."""
    host, port = target.rsplit(":", 1)
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve():
        while True:
            near, _ = listener.accept()
            far = socket.create_connection((host, int(port)))
            far.sendall(change(near.recv(16, socket.MSG_WAITALL)))
            for ends in ((near, far), (far, near)):
                threading.Thread(target=pump, args=ends, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return f"127.0.0.1:{listener.getsockname()[1]}"


def test_another_protocol_version():
    """A client that speaks another version is told so, by both sides."""
    with node() as server:
        address = altering_relay(
            server.address, lambda hello: hello[:8] + struct.pack("<HH", 98, 99) + hello[12:]
        )
        result = omega("run", "--nodes", address, "--", *app(), status=125)
        expect_error(result, address, "version")
        wait_until(lambda: "version" in server.errors(), 5, "the node's word on it")
        omega("run", "--nodes", server.address, "--", "vulkaninfo", "--summary")


def test_greeting_that_was_tampered_with():
    """A version line that somebody on the way changed, to one that is allowed, is found out."""
    with node() as server:
        address = altering_relay(
            server.address, lambda hello: hello[:8] + struct.pack("<HH", 0, 99) + hello[12:]
        )
        omega("run", "--nodes", address, "--", *app(), status=125)
        assert not (folder() / "started").exists()


def first_bytes_of_client() -> bytes:
    """What an agent says first."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    process = start([OMEGA, "run", "--nodes", address, "--", "true"])
    try:
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(5)
            return peer.recv(4096)
    finally:
        stop(process)
        listener.close()


def test_garbage_to_the_port():
    """Noise of every length, damaged greetings, and silence: the node serves the next client."""
    noise = random.Random(1)
    hello = first_bytes_of_client()
    with node() as server:
        host, port = server.address.rsplit(":", 1)
        silent = [socket.create_connection((host, int(port)), 5) for _ in range(20)]
        for round_ in range(200):
            data = noise.randbytes(noise.choice([1, 7, 64, 1000, 70_000]))
            if round_ % 2:
                data = bytearray(hello + data)
                for _ in range(3):
                    data[noise.randrange(len(data))] = noise.randrange(256)
            with socket.create_connection((host, int(port)), 5) as peer:
                try:
                    peer.sendall(data)
                    if round_ % 3 == 0:
                        peer.shutdown(socket.SHUT_WR)
                        peer.settimeout(0.05)
                        peer.recv(4096)
                except OSError:
                    pass
        assert server.poll() is None, server.errors()[-3000:]
        omega("run", "--nodes", server.address, "--", "vulkaninfo", "--summary", seconds=20)
        for peer in silent:
            peer.close()
        wait_until(lambda: len(children(server.pid)) <= 1, 20, "the end of the noise's processes")


def broken_driver(library: str) -> object:
    path = folder() / "broken_icd.json"
    manifest = {
        "file_format_version": "1.0.0",
        "ICD": {"library_path": library, "api_version": "1.3.0"},
    }
    path.write_text(json.dumps(manifest))
    return path


def test_broken_drivers():
    """A driver that is missing, or no driver: the node or the launcher says so, naming it."""
    for library in ("/no/such/driver.so", "/usr/lib/x86_64-linux-gnu/libm.so.6"):
        manifest = broken_driver(library)
        address = f"127.0.0.1:{free_port()}"
        process = start([OMEGA, "node", "--listen", address, "--driver", manifest])
        try:
            wait_until(
                lambda: process.poll() is not None
                or can_connect("127.0.0.1", int(address.split(":")[1])),
                10, "the node",
            )
            if process.poll() is not None:
                said = process.errors()
            else:
                said = omega("run", "--nodes", address, "--", *app(), status=125).stderr
            assert "driver" in said, said
        finally:
            stop(process)


def test_embedded_node_without_a_driver():
    environment = plain_environment(VK_DRIVER_FILES=broken_driver("/no/such/driver.so"))
    result = omega("run", "--local", 1, "--", *app(), environment=environment, status=125)
    expect_error(result, "driver")


def test_too_many_clients():
    with node("--max-clients", 1, environment=native_environment()) as server:
        first = start(
            [OMEGA, "run", "--nodes", server.address, "--", PROGRAMS / "recordbench", 100_000]
        )
        try:
            # The application is started when the node has taken its agent. A process of the node is no sign of
            # that: it has one while it looks at its driver too.
            wait_until(lambda: children(first.pid), 30, "the first client's application")
            result = omega("run", "--nodes", server.address, "--", *app(), status=None, seconds=20)
            assert result.returncode == 125, result.stderr
            expect_error(result, server.address)
        finally:
            stop(first)
        wait_for_end(first, 5, "the first client")
