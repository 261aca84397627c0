"""What a node refuses: shaders that are none, and clients that want too much."""

import pathlib
import struct

import test_recording as recording
from harness import PROGRAMS, folder, node, omega, plain_environment


def with_shader(change) -> bytes:
    """The offscreen recording with the words of its first shader changed."""
    data = (recording.CORPUS / "offscreen.omegarec").read_bytes()
    done = []

    def of_entry(kind, body):
        if kind != 1:
            return [(kind, body)]
        records, at = bytearray(body[8:]), 0
        while at < len(records) and not done:
            opcode, size = struct.unpack_from("<II", records, at)
            magic = records.find(struct.pack("<I", 0x07230203), at, at + size)
            if opcode == shader_opcode() and magic >= 0:
                change(records, magic)
                done.append(True)
            at += size
        return [(kind, body[:8] + bytes(records))]

    changed = recording.rewritten(data, of_entry)
    assert done, "the recording makes no shader module"
    return changed


def shader_opcode() -> int:
    """The number of vkCreateShaderModule."""
    rules = pathlib.Path(__file__).resolve().parents[2] / "Sources/RegistryGenerator/Rules"
    for line in (rules / "opcodes.txt").read_text().splitlines():
        if line.startswith("vkCreateShaderModule "):
            return int(line.split()[1])
    raise AssertionError("vkCreateShaderModule has no number")


def replay(data: bytes, *flags: object, status: int | None = 1, environment=None):
    file = folder() / "changed.omegarec"
    file.write_bytes(data)
    return omega("replay", *flags, file, status=status, seconds=60, environment=environment)


def test_shader_that_is_none():
    def break_instruction(records: bytearray, start: int) -> None:
        # The first instruction after the header gets a length that makes no sense.
        struct.pack_into("<I", records, start + 20, 0x0000_0011)

    result = replay(with_shader(break_instruction))
    assert "vkCreateShaderModule: the shader is no valid SPIR-V" in result.stderr, result.stderr


def test_shader_whose_ids_are_out_of_bounds():
    def no_bound(records: bytearray, start: int) -> None:
        # Every id is beyond the bound.
        struct.pack_into("<I", records, start + 12, 1)

    result = replay(with_shader(no_bound))
    assert "no valid SPIR-V" in result.stderr, result.stderr


def test_objects():
    data = (recording.CORPUS / "offscreen.omegarec").read_bytes()
    with node("--max-objects", 256) as server:
        # The program makes more of them, one after the other; it never has so many at once.
        replay(data, "--nodes", server.address, status=0)


def test_memory_is_refused_to_the_application():
    """It is told where it asks, by the heaps that it was shown, and not by a lost device."""
    with node("--max-memory", 1) as server:
        result = omega(
            "run", "--nodes", server.address, "--", PROGRAMS / "offscreen", folder() / "x",
            status=None,
        )
        assert result.returncode != 0, "more memory was given than the limit allows"
        assert "-4" not in result.stderr, result.stderr
        assert "-2" in result.stdout + result.stderr, result.stdout + result.stderr


def test_memory_of_two_devices():
    """They are counted together, although their channels are read at different speeds."""
    with node("--max-memory", 64) as server:
        result = omega("run", "--nodes", server.address, "--", PROGRAMS / "budgets", 64)
        assert result.stdout == "done\n", result.stdout
    result = omega(
        "run", "--", PROGRAMS / "budgets", 64, environment=plain_environment(), status=None
    )
    assert "and not -2" in result.stderr, result.stderr


def test_records():
    data = (recording.CORPUS / "offscreen.omegarec").read_bytes()

    def large(kind, body):
        if kind == 1 and not done:
            done.append(True)
            size = 2 << 20
            record = struct.pack("<II", shader_opcode(), size) + bytes(size - 8)
            return [(kind, body), (1, struct.pack("<II", 0, 0) + record)]
        return [(kind, body)]

    done: list[bool] = []
    with node("--max-record", 1) as server:
        result = replay(recording.rewritten(data, large), "--nodes", server.address)
        assert "--max-record" in result.stderr, result.stderr


def test_limits_that_make_no_sense():
    for flag in ("--max-memory", "--max-objects", "--max-record", "--max-pending"):
        result = omega("node", flag, 0, status=125, seconds=10)
        assert flag in result.stderr, result.stderr
