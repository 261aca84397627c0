"""Threads that submit to several queues with random dependencies: the same hashes as natively."""

import functools

from harness import (
    OMEGA, PROGRAMS, deadline, native_environment, node, omega, run, start, wait_for_end,
)

PROGRAM = PROGRAMS / "stress"
# The full size is `make soak`'s.
SAMPLE = ("--threads", 8, "--queues", 4, "--submits", 60)


@functools.cache
def native(size: tuple = SAMPLE, seed: int = 1) -> str:
    return run([PROGRAM, *size, "--seed", seed], native_environment()).stdout


def expect_native(got: str, size: tuple = SAMPLE, seed: int = 1) -> None:
    want = native(size, seed)
    assert len(want.splitlines()) > 32, f"the native run printed\n{want}"
    wrong = [a for a, b in zip(got.splitlines(), want.splitlines()) if a != b]
    assert got == want, "not as natively:\n" + "\n".join(wrong[:20])


def test_native_is_its_own_oracle():
    """The dependencies leave one outcome, and another seed another one."""
    again = run([PROGRAM, *SAMPLE, "--seed", 1], native_environment()).stdout
    expect_native(again)
    assert native(seed=2) != native(), "the seed makes no difference"


@deadline(240)
def test_embedded_node():
    for seed in (1, 2, 3):
        command = [PROGRAM, *SAMPLE, "--seed", seed]
        expect_native(omega("run", "--", *command, seconds=60).stdout, seed=seed)


@deadline(180)
def test_tcp():
    with node() as server:
        command = [PROGRAM, *SAMPLE, "--seed", 4]
        result = omega("run", "--nodes", server.address, "--", *command, seconds=100)
        expect_native(result.stdout, seed=4)


@deadline(180)
def test_two_programs_at_once():
    """They share a node's machine, not its process: neither disturbs the other."""
    want = native(seed=5)
    with node() as server:
        programs = [
            start([OMEGA, "run", "--nodes", server.address, "--", PROGRAM, *SAMPLE, "--seed", 5])
            for _ in range(2)
        ]
        for program in programs:
            assert wait_for_end(program, 100, "stress") == 0, program.errors()[-3000:]
            lines = program.errors().splitlines()
            assert [line for line in want.splitlines() if line not in lines] == []
