"""Ray tracing, on a driver that writes down what it is asked for: lavapipe has none.

`raydriver` is lavapipe but for the commands of ray tracing, which leave a hash of what they were given.
"""

import functools
import json
import pathlib

from harness import PROGRAMS, folder, node, omega, plain_environment, run

# What the driver has, and Omega does not pass on.
WITHHELD = ("host-commands", "handle-replay")


@functools.cache
def driver() -> pathlib.Path:
    path = folder() / "raydriver_icd.json"
    library = str(PROGRAMS / "libraydriver.so")
    manifest = {
        "file_format_version": "1.0.0", "ICD": {"library_path": library, "api_version": "1.3.0"}
    }
    path.write_text(json.dumps(manifest))
    return path


@functools.cache
def native() -> dict[str, list[str]]:
    environment = plain_environment(VK_DRIVER_FILES=driver())
    return lines(run([PROGRAMS / "raytracing"], environment).stdout)


def lines(text: str) -> dict[str, list[str]]:
    """What was printed, by the first word of each line."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, *rest = line.split(" ", 1)
        found.setdefault(name, []).extend(rest)
    return found


def expect_native(got: dict[str, list[str]]) -> None:
    want = dict(native())
    assert len(want) > 8 and all(want[name] == ["1"] for name in WITHHELD), want
    want |= {name: ["0"] for name in WITHHELD}
    assert got == want


def test_embedded_node():
    """Structures, pipelines, tables, deferred operations; and no feature that ends at the client."""
    expect_native(lines(omega("run", "--driver", driver(), "--", PROGRAMS / "raytracing").stdout))


def test_tcp():
    with node("--driver", driver()) as server:
        result = omega("run", "--nodes", server.address, "--", PROGRAMS / "raytracing")
        expect_native(lines(result.stdout))


def test_groups_that_are_not_there():
    """A driver would write beyond what it was given."""
    result = omega(
        "run", "--driver", driver(), "--", PROGRAMS / "raytracing", "beyond", status=None
    )
    assert result.returncode == 1, result.returncode
    assert "vkGetRayTracingShaderGroupHandlesKHR: field firstGroup" in result.stderr, result.stderr
