"""The command itself: exit statuses, messages, streams, help."""

import json
import signal

from harness import folder, omega, plain_environment


def test_version_and_help():
    assert omega("--version").stdout.strip()
    everything = omega("help").stdout
    for command in ("run", "node", "doctor"):
        assert command in everything, everything
        assert "--" in omega("help", command).stdout


def test_exit_status_is_the_applications():
    omega("run", "--", "sh", "-c", "exit 7", status=7)
    omega("run", "--", "true")
    omega("run", "true")


def test_exit_status_of_a_signal():
    result = omega("run", "--", "sh", "-c", "kill -SEGV $$", status=None)
    assert result.returncode in (128 + signal.SIGSEGV, -signal.SIGSEGV), result.returncode


def test_application_is_missing():
    result = omega("run", "--", "/no/such/program", status=127)
    assert "/no/such/program" in result.stderr, result.stderr


def test_application_is_not_executable():
    path = folder() / "data"
    path.write_text("x")
    result = omega("run", "--", path, status=126)
    assert str(path) in result.stderr, result.stderr


def test_standard_output_is_the_applications():
    result = omega("run", "--", "echo", "hello")
    assert result.stdout == "hello\n", repr(result.stdout)


def test_arguments_arrive():
    result = omega("run", "--", "printf", "[%s]", "a b", "", "--local", "ä")
    assert result.stdout == "[a b][][--local][ä]", result.stdout


def expect_refusal(*arguments: object, says: str, **options) -> None:
    result = omega(*arguments, status=125, **options)
    assert result.stdout == "", result.stdout
    assert says in result.stderr, result.stderr
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("omega: error: "), line


def test_bad_flags():
    expect_refusal("run", "--no-such-flag", "--", "true", says="--no-such-flag")
    expect_refusal("run", "--local", "many", "--", "true", says="many")
    expect_refusal("run", "--nodes", says="--nodes")
    expect_refusal("run", says="run")
    expect_refusal("frobnicate", says="frobnicate")


def test_what_is_not_there_is_refused():
    """Flags of the contract whose subject does not exist yet are errors, not silence."""
    for flags in (["--shard", "sfr"], ["--interim", "on"], ["--gl", "native"]):
        result = omega("run", *flags, "--", "true", status=None)
        assert result.returncode in (0, 125), result.returncode
        assert result.returncode == 0 or flags[0] in result.stderr, result.stderr


def test_doctor():
    omega("doctor")
    found = json.loads(omega("doctor", "--json").stdout)
    assert found, "nothing was diagnosed"


def test_doctor_without_a_driver():
    result = omega("doctor", environment=plain_environment(VK_DRIVER_FILES="/none"), status=None)
    assert result.returncode != 0
    assert "driver" in result.stdout + result.stderr, result.stdout


def test_warns_when_nothing_was_drawn():
    result = omega("run", "--", "true")
    assert "device" in result.stderr, f"no warning: {result.stderr!r}"
    quiet = omega("run", "-q", "--", "true", status=None)
    assert quiet.returncode == 125 or "warning" not in quiet.stderr, quiet.stderr


def test_no_token_on_the_command_line():
    assert "--token " not in omega("help", "run").stdout


def test_runs_without_home_and_runtime_folder():
    environment = plain_environment()
    for name in ("HOME", "XDG_RUNTIME_DIR"):
        environment.pop(name, None)
    omega("run", "--", "vulkaninfo", "--summary", environment=environment)
