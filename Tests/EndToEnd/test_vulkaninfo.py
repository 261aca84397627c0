"""vulkaninfo: what a program can ask about the device is what the driver says, but for a list."""

import json
import re

from harness import DRIVER, folder, native_environment, omega, plain_environment, run

# Places in the JSON, as patterns, that may differ, each with the reason. A place is a path of keys;
# items of lists of names are keys as well. "less" allows only that the native value is absent or
# smaller here, "any" allows all.
EXPLAINED = [
    (
        "less",
        r"device/extensions/VK_(KHR|EXT)_external_(memory|semaphore|fence)(_fd|_host|_dma_buf|)",
        "a handle of another host means nothing here",
    ),
    ("less", r"device/extensions/VK_EXT_image_drm_format_modifier", "modifiers name local hardware"),
    ("less", r"device/extensions/VK_EXT_physical_device_drm", "device nodes are the other host's"),
    (
        "less",
        r"device/properties/VkPhysicalDeviceExternalMemoryHostPropertiesEXT/.*",
        "goes with VK_EXT_external_memory_host",
    ),
    (
        "less",
        r"device/extensions/VK_EXT_calibrated_timestamps",
        "the clocks of another host are not the application's",
    ),
    (
        "less",
        r"device/extensions/VK_ARM_rasterization_order_attachment_access",
        "a vendor's name of VK_EXT_rasterization_order_attachment_access, which is there",
    ),
    ("less", r"device/extensions/VK_ANDROID_.*", "another platform's"),
    (
        "any",
        r"device/extensions/VK_KHR_(swapchain|swapchain_mutable_format|incremental_present"
        r"|present_id|present_wait)",
        "presentation is Omega's own: the client's, not the node's",
    ),
    ("any", r"device/extensions/VK_(EXT|GOOGLE)_display_timing|.*swapchain_maintenance1", "as above"),
    (
        "any",
        r"device/features/VkPhysicalDevice(PresentId|PresentWait)FeaturesKHR/.*"
        r"|device/features/VkPhysicalDeviceSwapchainMaintenance1FeaturesEXT/.*",
        "as above",
    ),
    ("any", r"device/properties/VkPhysicalDeviceProperties/pipelineCacheUUID/.*", "no cache is shared"),
]


def profile(launch, name: str) -> dict:
    path = folder() / name
    launch(["vulkaninfo", "--json", "-o", path])
    return json.loads(path.read_text())


def places(value, prefix: str = "") -> dict[str, object]:
    """Every leaf of the JSON by its path."""
    if isinstance(value, dict):
        found = {}
        for key, inner in value.items():
            found.update(places(inner, f"{prefix}/{key}" if prefix else key))
        return found
    if isinstance(value, list):
        found = {}
        for number, inner in enumerate(value):
            name = inner if isinstance(inner, str) else str(number)
            found.update(places(inner, f"{prefix}/{name}"))
        return found
    return {prefix: value}


def is_explained(place: str, want: object, got: object) -> bool:
    for kind, pattern, _ in EXPLAINED:
        if re.fullmatch(pattern, place) is None:
            continue
        if kind == "any" or got is None or got is False:
            return True
    return False


def test_json_equals_native():
    def natively(command):
        run(command, native_environment())

    def remotely(command):
        omega("run", "--", *command)

    want, got = profile(natively, "native.json"), profile(remotely, "omega.json")
    want = places(want["capabilities"])
    got = places(got["capabilities"])
    wrong = [
        f"{place}: {got.get(place)!r}, natively {want.get(place)!r}"
        for place in sorted(want.keys() | got.keys())
        if want.get(place) != got.get(place)
        and not is_explained(place, want.get(place), got.get(place))
    ]
    assert not wrong, "\n".join([f"{len(wrong)} unexplained differences", *wrong[:60]])


def test_whole_text():
    """The long form asks everything, surfaces included, and ends well."""
    result = omega("run", "--", "vulkaninfo")
    assert "GPU0" in result.stdout, result.stdout[:2000]


def test_summary_names_the_device():
    want = run(["vulkaninfo", "--summary"], native_environment()).stdout
    got = omega("run", "--", "vulkaninfo", "--summary", environment=plain_environment()).stdout
    name = re.search(r"deviceName\s*=\s*(.*)", want).group(1)
    assert name.split(" (")[0] in got, got


def test_no_instance_is_lost_with_the_node():
    """A node that is away means no devices, never a failed instance."""
    environment = plain_environment(
        VK_DRIVER_FILES=DRIVER, OMEGA_NODES="127.0.0.1:1"
    )
    result = run(["vulkaninfo", "--summary"], environment, status=None)
    assert "ERROR_INCOMPATIBLE_DRIVER" not in result.stdout + result.stderr, result.stderr
    assert result.returncode >= 0, f"killed by signal {-result.returncode}"
