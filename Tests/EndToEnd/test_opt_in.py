"""Every way into the library, each with a program that must compute what it computes natively.

Whether Omega was used is seen in the statistics that it writes: calls were made on its devices.
"""

import functools
import itertools
import os
import shutil
import time

from harness import (
    BUILD, DRIVER, EXPLICIT, LAVAPIPE, LAYER, PROGRAMS, ROOT, deadline, folder, native_environment,
    omega, plain_environment, run, stats,
)

SECTIONS = ["compute-coherent", "scene-staged", "timeline"]
VALIDATION = "VK_LAYER_KHRONOS_validation"
_numbers = itertools.count()


@functools.cache
def native() -> bytes:
    path = folder() / "native"
    run([PROGRAMS / "offscreen", path, *SECTIONS], native_environment())
    return path.read_bytes()


def calls(*prefix: object, **environment: object) -> int:
    """Runs the program, checks what it computed, and says how many calls Omega saw. An agent that the
    library starts outlives the program and writes at least every second."""
    number = next(_numbers)
    result, statistics = folder() / f"result-{number}", folder() / f"stats-{number}.json"
    runtime = folder() / f"runtime-{number}"
    runtime.mkdir(mode=0o700)
    own = {"OMEGA_STATS": statistics, "XDG_RUNTIME_DIR": runtime}
    run(
        [*prefix, PROGRAMS / "offscreen", result, *SECTIONS],
        plain_environment(**own | environment),
    )
    assert result.read_bytes() == native(), "not as natively"
    end = time.monotonic() + 3
    while time.monotonic() < end and any(runtime.rglob("*.sock")):
        if seen := stats(statistics).get("calls", 0):
            return seen
        time.sleep(0.05)
    return stats(statistics).get("calls", 0)


def calls_on_each_device(**environment: object) -> list[int]:
    """The same on the first and the second physical device."""
    return [calls(WORKBENCH_DEVICE=index, **environment) for index in (0, 1)]


def test_launcher():
    assert calls(BUILD / "bin" / "omega", "run", "--") > 0


def test_launcher_with_local():
    found = [
        calls(BUILD / "bin" / "omega", "run", "--with-local", "--", WORKBENCH_DEVICE=index)
        for index in (0, 1)
    ]
    assert max(found) > 0, f"neither of two devices is Omega's: {found}"


def test_launcher_hides_local_devices():
    result = omega("run", "--", "vulkaninfo", "--summary").stdout
    assert "GPU0:" in result and "GPU1:" not in result, result


def test_driver_beside_lavapipe():
    found = calls_on_each_device(
        VK_ADD_DRIVER_FILES=DRIVER, VK_LOADER_DRIVERS_SELECT="*omega*,*lvp*"
    )
    assert max(found) > 0, f"neither of two devices is Omega's: {found}"


def test_driver_alone():
    """As on a machine that has no other driver."""
    assert calls(VK_DRIVER_FILES=DRIVER) > 0


def test_empty_lists_of_drivers():
    """The loader takes an empty list at its word, and Omega says so before the program starts; one of further
    drivers adds none."""
    for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        result = omega(
            "run", "--", "echo", "started", environment=plain_environment(**{name: ""}),
            status=None,
        )
        assert result.returncode == 125, (result.returncode, result.stderr)
        assert f"{name} is empty" in result.stderr, result.stderr
        assert "started" not in result.stdout, result.stdout
    assert calls(BUILD / "bin" / "omega", "run", "--", VK_ADD_DRIVER_FILES="") > 0


def test_layer_alone_with_a_local_driver():
    found = calls_on_each_device(
        VK_INSTANCE_LAYERS=LAYER, VK_LAYER_PATH=EXPLICIT, VK_DRIVER_FILES=LAVAPIPE
    )
    assert max(found) > 0, f"neither of two devices is Omega's: {found}"


def installed():
    """A prefix of this test's own, filled by `make install`; as XDG_DATA_HOME the loader reads it."""
    prefix = folder() / "prefix"
    if not prefix.exists():
        run(["make", "-s", "install", f"PREFIX={prefix}"], dict(os.environ), cwd=ROOT)
    return prefix


def implicit_only():
    """A prefix with the implicit layer, and no driver manifest."""
    prefix = installed()
    shutil.rmtree(prefix / "share" / "vulkan" / "icd.d", ignore_errors=True)
    shutil.rmtree(prefix / "share" / "vulkan" / "explicit_layer.d", ignore_errors=True)
    return {"XDG_DATA_HOME": prefix / "share", "VK_DRIVER_FILES": LAVAPIPE}


def test_implicit_layer_enabled():
    found = calls_on_each_device(OMEGA_ENABLE=1, **implicit_only())
    assert max(found) > 0, f"neither of two devices is Omega's: {found}"


def test_implicit_layer_not_enabled():
    assert calls(**implicit_only()) == 0


def test_implicit_layer_disabled():
    """OMEGA_DISABLE wins."""
    assert calls(OMEGA_ENABLE=1, OMEGA_DISABLE=1, **implicit_only()) == 0


def test_installed_but_not_asked_for():
    """What is only installed changes nothing for a program that does not ask for it."""
    assert calls(XDG_DATA_HOME=installed() / "share") == 0


def test_layer_named_twice():
    """Implicit and explicit manifests carry one name, and load once."""
    found = calls_on_each_device(
        OMEGA_ENABLE=1, VK_INSTANCE_LAYERS=LAYER, XDG_DATA_HOME=installed() / "share",
        VK_DRIVER_FILES=LAVAPIPE,
    )
    assert max(found) > 0, f"neither of two devices is Omega's: {found}"


def test_driver_and_layer_together():
    assert calls(VK_DRIVER_FILES=DRIVER, VK_INSTANCE_LAYERS=LAYER, VK_LAYER_PATH=EXPLICIT) > 0


def test_driver_below_validation():
    assert calls(VK_DRIVER_FILES=DRIVER, VK_INSTANCE_LAYERS=VALIDATION) > 0


@deadline(180)
def test_layer_below_validation():
    found = calls_on_each_device(
        VK_INSTANCE_LAYERS=f"{VALIDATION}:{LAYER}",
        VK_LAYER_PATH=f"{EXPLICIT}:/usr/share/vulkan/explicit_layer.d",
        VK_DRIVER_FILES=LAVAPIPE,
    )
    assert max(found) > 0, f"neither of two devices is Omega's: {found}"


def test_beside_device_select():
    """Mesa's implicit layer is always on; asked to list and to choose, it asks our devices."""
    environment = plain_environment(VK_DRIVER_FILES=DRIVER, MESA_VK_DEVICE_SELECT="list")
    result = run(["vulkaninfo", "--summary"], environment, status=None)
    assert "llvmpipe" in result.stderr + result.stdout, result.stderr
    assert result.returncode >= 0, f"killed by signal {-result.returncode}"
    assert calls(VK_DRIVER_FILES=DRIVER, NODEVICE_SELECT=0) > 0


def test_without_device_select():
    assert calls(VK_DRIVER_FILES=DRIVER, NODEVICE_SELECT=1) > 0


def test_agents_are_apart_by_their_nodes():
    """A program that names nodes is not served by the agent of one that named others."""
    summary, environment = ["vulkaninfo", "--summary"], plain_environment(VK_DRIVER_FILES=DRIVER)
    assert "GPU0:" in run(summary, environment).stdout
    elsewhere = run(summary, environment | {"OMEGA_NODES": "127.0.0.1:1"}, status=None)
    assert "GPU0:" not in elsewhere.stdout, elsewhere.stdout
    assert "127.0.0.1:1" in elsewhere.stderr, elsewhere.stderr
    assert "GPU0:" in run(summary, environment).stdout
