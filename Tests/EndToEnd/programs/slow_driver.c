// A driver that is another one, but for a command that takes long: the first SLOW_COMMAND sleeps
// SLOW_SECONDS before it does what it does, or each of them SLOW_MILLISECONDS. SLOW_LIBRARY is the
// other driver.
//
// Only commands whose arguments fit into six registers can be slow: they are passed on as words.

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef void (*function)(void);
typedef function (*get_proc)(void *, const char *);
typedef uint64_t (*words)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

static void *library(void) {
  static void *handle;
  if (!handle) handle = dlopen(getenv("SLOW_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
  return handle;
}

static words slow_target;
static get_proc device_proc;

static uint64_t slow(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) {
  static int calls;
  const char *seconds = getenv("SLOW_SECONDS"), *milliseconds = getenv("SLOW_MILLISECONDS");
  struct timespec time = {.tv_sec = seconds ? atoi(seconds) : 0,
                          .tv_nsec = milliseconds ? atol(milliseconds) * 1000000 : 0};
  if (calls++ == 0 || milliseconds) nanosleep(&time, NULL);
  return slow_target(a, b, c, d, e, f);
}

static function wrap(const char *name, function found) {
  const char *command = getenv("SLOW_COMMAND");
  if (!found || !command || strcmp(name, command) != 0) return found;
  slow_target = (words)found;
  return (function)slow;
}

static function get_device_proc(void *device, const char *name) {
  return wrap(name, device_proc(device, name));
}

__attribute__((visibility("default"))) function vk_icdGetInstanceProcAddr(
    void *instance, const char *name) {
  get_proc get = (get_proc)dlsym(library(), "vk_icdGetInstanceProcAddr");
  function found = get(instance, name);
  if (found && strcmp(name, "vkGetDeviceProcAddr") == 0) {
    device_proc = (get_proc)found;
    return (function)get_device_proc;
  }
  return wrap(name, found);
}

__attribute__((visibility("default"))) int vk_icdNegotiateLoaderICDInterfaceVersion(
    uint32_t *version) {
  int (*negotiate)(uint32_t *) =
      (int (*)(uint32_t *))dlsym(library(), "vk_icdNegotiateLoaderICDInterfaceVersion");
  return negotiate(version);
}

__attribute__((visibility("default"))) function vk_icdGetPhysicalDeviceProcAddr(
    void *instance, const char *name) {
  get_proc get = (get_proc)dlsym(library(), "vk_icdGetPhysicalDeviceProcAddr");
  return get ? get(instance, name) : NULL;
}
