"""The library as a guest: what a C program sees that loads it and knows nothing of it."""

import re

from harness import (
    DRIVER, LIBRARY, ROOT, deadline, folder, native_environment, need, plain_environment, run,
)

HOST = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void status(const char *key, char *value) {
  char line[256];
  FILE *f = fopen("/proc/self/status", "r");
  value[0] = 0;
  while (fgets(line, sizeof line, f)) {
    if (strncmp(line, key, strlen(key)) == 0) sscanf(line + strlen(key), " %63s", value);
  }
  fclose(f);
}

static int descriptors(void) {
  int n = 0;
  DIR *d = opendir("/proc/self/fd");
  while (readdir(d)) n++;
  closedir(d);
  return n;
}

int main(int argc, char **argv) {
  char caught[2][64], ignored[2][64], threads[64], resident[2][64];
  int before = descriptors();
  status("SigCgt:", caught[0]);
  status("SigIgn:", ignored[0]);
  status("VmRSS:", resident[0]);
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  void *library = dlopen(argv[1], RTLD_LAZY | RTLD_LOCAL);
  clock_gettime(CLOCK_MONOTONIC, &b);
  if (!library) {
    printf("dlopen %s\n", dlerror());
    return 1;
  }
  status("SigCgt:", caught[1]);
  status("SigIgn:", ignored[1]);
  status("Threads:", threads);
  status("VmRSS:", resident[1]);
  printf("milliseconds %.3f\n", (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6);
  printf("signals %d\n", strcmp(caught[0], caught[1]) != 0 || strcmp(ignored[0], ignored[1]) != 0);
  printf("threads %s\n", threads);
  printf("descriptors %d\n", descriptors() - before);
  printf("kilobytes %d\n", atoi(resident[1]) - atoi(resident[0]));

  int (*negotiate)(uint32_t *) = dlsym(library, "vk_icdNegotiateLoaderICDInterfaceVersion");
  void *(*get)(void *, const char *) = dlsym(library, "vk_icdGetInstanceProcAddr");
  if (!negotiate || !get) return 2;
  uint32_t version = 5;
  printf("negotiated %d\n", negotiate(&version));
  printf("interface %u\n", version);
  printf("vkCreateInstance %d\n", get(0, "vkCreateInstance") != 0);
  printf("unknown %d\n", get(0, "vkNoSuchCommand") != 0);
  status("Threads:", threads);
  printf("threads_after_negotiation %s\n", threads);

  pid_t child = fork();
  if (child == 0) {
    version = 5;
    _exit(negotiate(&version) == 0 && get(0, "vkCreateInstance") ? 0 : 1);
  }
  int code = -1;
  waitpid(child, &code, 0);
  printf("fork %d\n", code);
  printf("dlclose %d\n", dlclose(library));
  printf("resident_after_dlclose %d\n", dlopen(argv[1], RTLD_NOLOAD | RTLD_LAZY) != 0);
  return 0;
}
"""


def host_says(**environment: object) -> dict[str, str]:
    need("gcc")
    source, program = folder() / "host.c", folder() / "host"
    if not program.exists():
        source.write_text(HOST)
        run(["gcc", "-O1", "-o", program, source, "-ldl"])
    output = run([program, LIBRARY], plain_environment(**environment)).stdout
    return dict(line.split(maxsplit=1) for line in output.splitlines())


def test_loads_and_leaves_everything_alone():
    found = host_says()
    assert found["signals"] == "0", "signal dispositions changed"
    assert found["threads"] == found["threads_after_negotiation"] == "1", found
    assert found["descriptors"] == "0", "loading opened descriptors"
    assert found["negotiated"] == "0" and int(found["interface"]) >= 3, found
    assert found["vkCreateInstance"] == "1" and found["unknown"] == "0", found
    assert found["fork"] == "0", "the library does not survive fork"
    assert found["resident_after_dlclose"] == "1", "the library can be unloaded under its threads"


def test_leaves_signals_alone_beside_a_toolchain():
    """A Swift runtime that finds its toolchain would install crash handlers."""
    swift = run(["sh", "-c", "dirname $(dirname $(readlink -f $(command -v swift)))"], status=None)
    found = host_says(SWIFT_ROOT=swift.stdout.strip() or "/usr", SWIFT_BACKTRACE="enable=no")
    assert found["signals"] == "0", "signal dispositions changed"


def test_loads_quickly():
    times = sorted(float(host_says()["milliseconds"]) for _ in range(9))
    assert times[4] < 10, f"median {times[4]} ms"


def exported() -> set[str]:
    """Global symbols; nm's lower-case kinds are local ones that a linker leaves in the table."""
    lines = run(["nm", "-D", "--defined-only", LIBRARY]).stdout.splitlines()
    symbols = [line.split() for line in lines]
    return {name.split("@")[0] for _, kind, name in symbols if kind.isupper() and kind != "A"}


def test_exports_what_the_version_script_says():
    script = (ROOT / "Sources" / "VkLayer" / "VkLayer.map").read_text()
    block = re.search(r"global:(.*?)local:", script, re.S).group(1)
    block = re.sub(r"/\*.*?\*/", "", block, flags=re.S)
    wanted = set(re.findall(r"[A-Za-z_]\w*", block))
    assert exported() == wanted, f"{sorted(exported() ^ wanted)}"


def test_needs_little():
    dynamic = run(["readelf", "-d", LIBRARY]).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.*?)\]", dynamic))
    foreign = {name for name in needed if not name.startswith(ALLOWED)}
    assert not foreign, f"needs {sorted(foreign)}"
    assert "NODELETE" in dynamic, "no -z nodelete"
    assert "RPATH" not in dynamic.replace("RUNPATH", ""), "an RPATH"


ALLOWED = (
    "libc.so.", "libm.so.", "libdl.so.", "libpthread.so.", "librt.so.", "ld-linux", "libgcc_s.",
    "libstdc++.",
)


def test_needs_no_new_libc():
    """Containers of games have an older libc; Debian 12's own is 2.36."""
    symbols = run(["readelf", "-V", LIBRARY]).stdout
    versions = {tuple(map(int, v.split("."))) for v in re.findall(r"GLIBC_(\d+\.\d+)", symbols)}
    assert max(versions) <= (2, 36), max(versions)


def test_no_executable_stack_and_relro():
    headers = run(["readelf", "-lW", LIBRARY]).stdout
    stack = re.search(r"GNU_STACK.*", headers).group(0)
    assert "RWE" not in stack, stack
    assert "GNU_RELRO" in headers


@deadline(60)
def test_fork_with_an_instance():
    """A program that forks with an instance alive: the child ends well, the parent goes on."""
    need("gcc")
    source, program = folder() / "fork.c", folder() / "fork"
    source.write_text(FORKING)
    run(["gcc", "-O1", "-o", program, source, "-lvulkan"])
    for environment in (native_environment(), plain_environment(VK_DRIVER_FILES=DRIVER)):
        output = run([program], environment, seconds=20).stdout
        assert output.endswith("parent 1\n"), output


FORKING = r"""
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vulkan/vulkan.h>

int main(void) {
  VkInstanceCreateInfo info = {VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  VkInstance instance;
  if (vkCreateInstance(&info, 0, &instance)) return 1;
  uint32_t count = 0;
  vkEnumeratePhysicalDevices(instance, &count, 0);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) _exit(0);
  int status = 1;
  waitpid(child, &status, 0);
  if (status) return 2;
  count = 0;
  vkEnumeratePhysicalDevices(instance, &count, 0);
  vkDestroyInstance(instance, 0);
  printf("parent %u\n", count);
  return 0;
}
"""
