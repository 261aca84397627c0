"""The offscreen program: the same bytes as natively, on every transport and under validation."""

import functools
import re

from harness import (
    PROGRAMS, deadline, folder, native_environment, node, omega, plain_environment, run,
)

PROGRAM = PROGRAMS / "offscreen"


@functools.cache
def native() -> bytes:
    path = folder() / "native"
    run([PROGRAM, path], native_environment())
    return path.read_bytes()


def sections(data: bytes) -> dict[str, bytes]:
    """The parts of a result file by name."""
    found, at = {}, 0
    while at < len(data):
        end = data.index(b"\n", at)
        name, size = data[at:end].decode().split()
        found[name] = data[end + 1 : end + 1 + int(size)]
        at = end + 1 + int(size)
    return found


def expect_native(path) -> None:
    got, want = sections(path.read_bytes()), sections(native())
    wrong = [name for name in want if got.get(name) != want[name]]
    assert not wrong, f"not as natively: {', '.join(wrong)}"


def test_native_is_its_own_oracle():
    path = folder() / "again"
    run([PROGRAM, path], native_environment())
    assert path.read_bytes() == native(), "two native runs differ"


def test_embedded_node():
    path = folder() / "result"
    omega("run", "--", PROGRAM, path)
    expect_native(path)


def test_unix_socket():
    with node(listen=f"unix:{folder()}/node") as server:
        path = folder() / "result"
        omega("run", "--nodes", server.address, "--", PROGRAM, path)
        expect_native(path)


def test_tcp():
    with node() as server:
        path = folder() / "result"
        omega("run", "--nodes", server.address, "--", PROGRAM, path)
        expect_native(path)


def test_sealed_tcp():
    token = folder() / "token"
    token.write_text("5u6bXo0fU0pQ1X2qzK5s9cV7n3yT8dLwGmRkJhFaEiM=\n")
    token.chmod(0o600)
    with node("--token-file", token) as server:
        path = folder() / "result"
        environment = plain_environment(OMEGA_TOKEN_FILE=token)
        omega("run", "--nodes", server.address, "--", PROGRAM, path, environment=environment)
        expect_native(path)


def test_second_node_may_idle():
    path = folder() / "result"
    omega("run", "--local", 2, "--", PROGRAM, path)
    expect_native(path)


@deadline(240)
def test_every_switch_off():
    """Each optimisation can be turned off, and the result stays."""
    command = ["vulkaninfo", "--summary"]
    listed = omega("run", "--", *command, environment=plain_environment(OMEGA_PERF="help"))
    switches = sorted(set(re.findall(r"\bno_\w+", listed.stdout + listed.stderr)))
    assert switches, "OMEGA_PERF=help lists no switch"
    path = folder() / "result"
    for choice in [*switches, ",".join(switches)]:
        omega("run", "--", PROGRAM, path, environment=plain_environment(OMEGA_PERF=choice))
        expect_native(path)


def messages(output: str) -> set[str]:
    """Validation messages by their names."""
    return set(re.findall(r"\b(?:VUID|UNASSIGNED|SYNC)-[\w-]+", output))


VALIDATION = {"VK_INSTANCE_LAYERS": "VK_LAYER_KHRONOS_validation"}


def test_validation_above():
    path = folder() / "result"
    want = run([PROGRAM, path], native_environment(**VALIDATION))
    got = omega("run", "--", PROGRAM, path, environment=plain_environment(**VALIDATION))
    expect_native(path)
    more = messages(got.stdout + got.stderr) - messages(want.stdout + want.stderr)
    assert not more, f"messages that the native run does not give: {sorted(more)}"


def test_validation_below():
    """The layer under the node: what the node does to its driver is valid too."""
    path = folder() / "result"
    want = run([PROGRAM, path], native_environment(**VALIDATION))
    with node("--validate") as server:
        omega("run", "--nodes", server.address, "--", PROGRAM, path, seconds=120)
        expect_native(path)
        more = messages(server.errors()) - messages(want.stdout + want.stderr)
        assert not more, f"{sorted(more)}\n{server.errors()[-3000:]}"
