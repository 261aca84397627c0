// A Wayland program that reads its display's socket in one of the ways that programs do, and knows
// nothing of Omega. Frame n is filled with a colour of its own (see `draw`).
//
//   wayland_guest egl|vulkan MODE FRAMES
//
//   poll     sleeps in poll without wl_display_prepare_read, and draws when its frame callback comes
//   prepare  the same with wl_display_prepare_read, as libwayland wants it
//   never    swaps, and never reads
//   thread   one thread swaps, another one reads
//   several  as poll, with two windows
//   hidden   its window is never shown
//   resize   as poll; is maximized and back again and again, and draws at once when it is told a size
//   destroy  swaps, and destroys the window and its surface at once, again and again
//
// It ends with 0 when all frames were drawn and the compositor has complained of nothing.

#define _GNU_SOURCE
#define VK_USE_PLATFORM_WAYLAND_KHR
#include <EGL/egl.h>
#include <GLES2/gl2.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan.h>
#include <wayland-client.h>
#include <wayland-egl.h>

#include "xdg-shell.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "%s:%d: %s (display error %d, EGL 0x%x)\n", __FILE__, __LINE__, #condition,   \
              display ? wl_display_get_error(display) : 0, eglGetError());                         \
      exit(1);                                                                                     \
    }                                                                                              \
  } while (0)

static struct wl_display *display;
static struct wl_compositor *compositor;
static struct xdg_wm_base *shell;
static bool uses_vulkan, is_hidden, is_maximized;
static int frames_wanted;

struct window {
  struct wl_surface *surface;
  struct xdg_surface *role;
  struct xdg_toplevel *top;
  struct wl_callback *callback;
  int width, height, drawn;
  bool configured, due;
  struct wl_egl_window *native;
  EGLSurface egl;
  VkSurfaceKHR vk_surface;
  VkSwapchainKHR swapchain;
  VkImage images[16];
  uint32_t image_count;
};

// MARK: Drawing

static EGLDisplay egl;
static EGLConfig config;
static EGLContext context;
static VkInstance instance;
static VkPhysicalDevice gpu;
static VkDevice device;
static VkQueue queue;
static VkCommandPool pool;

static void open_egl(void) {
  egl = eglGetDisplay((EGLNativeDisplayType)display);
  CHECK(eglInitialize(egl, NULL, NULL));
  const EGLint wish[] = {EGL_SURFACE_TYPE, EGL_WINDOW_BIT, EGL_RENDERABLE_TYPE, EGL_OPENGL_ES2_BIT,
                         EGL_RED_SIZE, 8, EGL_GREEN_SIZE, 8, EGL_BLUE_SIZE, 8, EGL_NONE};
  EGLint count;
  CHECK(eglChooseConfig(egl, wish, &config, 1, &count) && count == 1);
  CHECK(eglBindAPI(EGL_OPENGL_ES_API));
  const EGLint version[] = {EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE};
  CHECK((context = eglCreateContext(egl, config, EGL_NO_CONTEXT, version)));
}

static void open_vulkan(void) {
  const char *extensions[] = {"VK_KHR_surface", "VK_KHR_wayland_surface"};
  VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                               .enabledExtensionCount = 2,
                               .ppEnabledExtensionNames = extensions};
  CHECK(vkCreateInstance(&info, NULL, &instance) == VK_SUCCESS);
  uint32_t one = 1;
  CHECK(vkEnumeratePhysicalDevices(instance, &one, &gpu) >= 0 && one == 1);
  float priority = 1;
  VkDeviceQueueCreateInfo queues = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                    .queueCount = 1,
                                    .pQueuePriorities = &priority};
  const char *swapchains = "VK_KHR_swapchain";
  VkDeviceCreateInfo wish = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                             .queueCreateInfoCount = 1,
                             .pQueueCreateInfos = &queues,
                             .enabledExtensionCount = 1,
                             .ppEnabledExtensionNames = &swapchains};
  CHECK(vkCreateDevice(gpu, &wish, NULL, &device) == VK_SUCCESS);
  vkGetDeviceQueue(device, 0, 0, &queue);
  VkCommandPoolCreateInfo commands = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  CHECK(vkCreateCommandPool(device, &commands, NULL, &pool) == VK_SUCCESS);
}

static void make_swapchain(struct window *window) {
  if (!window->vk_surface) {
    VkWaylandSurfaceCreateInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_WAYLAND_SURFACE_CREATE_INFO_KHR,
        .display = display,
        .surface = window->surface};
    CHECK(vkCreateWaylandSurfaceKHR(instance, &info, NULL, &window->vk_surface) == VK_SUCCESS);
    VkBool32 supported;
    vkGetPhysicalDeviceSurfaceSupportKHR(gpu, 0, window->vk_surface, &supported);
    CHECK(supported);
  }
  VkSurfaceCapabilitiesKHR can;
  vkGetPhysicalDeviceSurfaceCapabilitiesKHR(gpu, window->vk_surface, &can);
  VkSwapchainCreateInfoKHR info = {
      .sType = VK_STRUCTURE_TYPE_SWAPCHAIN_CREATE_INFO_KHR,
      .surface = window->vk_surface,
      .minImageCount = can.minImageCount,
      .imageFormat = VK_FORMAT_B8G8R8A8_UNORM,
      .imageExtent = {window->width, window->height},
      .imageArrayLayers = 1,
      .imageUsage = VK_IMAGE_USAGE_TRANSFER_DST_BIT,
      .preTransform = VK_SURFACE_TRANSFORM_IDENTITY_BIT_KHR,
      .compositeAlpha = VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR,
      .presentMode = VK_PRESENT_MODE_FIFO_KHR,
      .oldSwapchain = window->swapchain};
  CHECK(vkCreateSwapchainKHR(device, &info, NULL, &window->swapchain) == VK_SUCCESS);
  if (info.oldSwapchain) vkDestroySwapchainKHR(device, info.oldSwapchain, NULL);
  window->image_count = 16;
  CHECK(vkGetSwapchainImagesKHR(device, window->swapchain, &window->image_count,
                                window->images) == VK_SUCCESS);
}

static void barrier(VkCommandBuffer commands, VkImage image, VkImageLayout from, VkImageLayout to) {
  VkImageMemoryBarrier change = {.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
                                 .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
                                 .dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT,
                                 .oldLayout = from,
                                 .newLayout = to,
                                 .image = image,
                                 .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1}};
  vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                       VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 0, NULL, 0, NULL, 1, &change);
}

static void draw_vulkan(struct window *window, const float *color) {
  VkFenceCreateInfo fences = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
  VkFence acquired, done;
  CHECK(vkCreateFence(device, &fences, NULL, &acquired) == VK_SUCCESS);
  CHECK(vkCreateFence(device, &fences, NULL, &done) == VK_SUCCESS);
  uint32_t index;
  CHECK(vkAcquireNextImageKHR(device, window->swapchain, UINT64_MAX, VK_NULL_HANDLE, acquired,
                              &index) == VK_SUCCESS);
  vkWaitForFences(device, 1, &acquired, VK_TRUE, UINT64_MAX);
  VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                      .commandPool = pool,
                                      .commandBufferCount = 1};
  VkCommandBuffer commands;
  CHECK(vkAllocateCommandBuffers(device, &info, &commands) == VK_SUCCESS);
  VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  vkBeginCommandBuffer(commands, &begin);
  VkImage image = window->images[index];
  barrier(commands, image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
  VkClearColorValue value = {{color[0], color[1], color[2], 1}};
  VkImageSubresourceRange all = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
  vkCmdClearColorImage(commands, image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, &value, 1, &all);
  barrier(commands, image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, VK_IMAGE_LAYOUT_PRESENT_SRC_KHR);
  vkEndCommandBuffer(commands);
  VkSubmitInfo submit = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                         .commandBufferCount = 1,
                         .pCommandBuffers = &commands};
  CHECK(vkQueueSubmit(queue, 1, &submit, done) == VK_SUCCESS);
  VkPresentInfoKHR present = {.sType = VK_STRUCTURE_TYPE_PRESENT_INFO_KHR,
                              .swapchainCount = 1,
                              .pSwapchains = &window->swapchain,
                              .pImageIndices = &index};
  CHECK(vkQueuePresentKHR(queue, &present) == VK_SUCCESS);
  vkWaitForFences(device, 1, &done, VK_TRUE, UINT64_MAX);
  vkFreeCommandBuffers(device, pool, 1, &commands);
  vkDestroyFence(device, acquired, NULL);
  vkDestroyFence(device, done, NULL);
}

static const struct wl_callback_listener frame_listener;

/// Fills the next frame with red n, green 255 - n, blue 77, and swaps. With `asks` the compositor is
/// asked to say when it wants another one.
static void draw(struct window *window, bool asks) {
  float color[3] = {window->drawn % 256 / 255.f, (255 - window->drawn % 256) / 255.f, 77 / 255.f};
  window->due = false;
  window->drawn += 1;
  if (asks) {
    if (window->callback) wl_callback_destroy(window->callback);
    window->callback = wl_surface_frame(window->surface);
    wl_callback_add_listener(window->callback, &frame_listener, window);
  }
  if (uses_vulkan) {
    draw_vulkan(window, color);
    return;
  }
  CHECK(eglMakeCurrent(egl, window->egl, window->egl, context));
  glClearColor(color[0], color[1], color[2], 1);
  glClear(GL_COLOR_BUFFER_BIT);
  CHECK(eglSwapBuffers(egl, window->egl));
}

// MARK: Windows

static void resize(struct window *window, int width, int height) {
  if (width <= 0 || height <= 0 || (width == window->width && height == window->height)) return;
  window->width = width;
  window->height = height;
  if (window->native) wl_egl_window_resize(window->native, width, height, 0, 0);
}

static void on_size(void *data, struct xdg_toplevel *top, int32_t width, int32_t height,
                    struct wl_array *states) {
  resize(data, width ? width : 120, height ? height : 90);
}

static void on_close(void *data, struct xdg_toplevel *top) { exit(2); }

static void on_configure(void *data, struct xdg_surface *role, uint32_t serial) {
  struct window *window = data;
  // Frames of the old size end here, before the compositor is told that there will be none.
  if (window->swapchain) make_swapchain(window);
  xdg_surface_ack_configure(role, serial);
  window->configured = true;
  window->due = true;
}

static void on_frame(void *data, struct wl_callback *callback, uint32_t time) {
  struct window *window = data;
  wl_callback_destroy(callback);
  window->callback = NULL;
  window->due = true;
}

static void on_ping(void *data, struct xdg_wm_base *base, uint32_t serial) {
  xdg_wm_base_pong(base, serial);
}

static const struct xdg_toplevel_listener top_listener = {.configure = on_size, .close = on_close};
static const struct xdg_surface_listener role_listener = {.configure = on_configure};
static const struct wl_callback_listener frame_listener = {.done = on_frame};
static const struct xdg_wm_base_listener shell_listener = {.ping = on_ping};

static void open_window(struct window *window) {
  *window = (struct window){.width = 120, .height = 90};
  window->surface = wl_compositor_create_surface(compositor);
  if (!is_hidden) {
    window->role = xdg_wm_base_get_xdg_surface(shell, window->surface);
    xdg_surface_add_listener(window->role, &role_listener, window);
    window->top = xdg_surface_get_toplevel(window->role);
    xdg_toplevel_add_listener(window->top, &top_listener, window);
    wl_surface_commit(window->surface);
    while (!window->configured) CHECK(wl_display_dispatch(display) >= 0);
  }
  if (uses_vulkan) {
    make_swapchain(window);
  } else {
    window->native = wl_egl_window_create(window->surface, window->width, window->height);
    window->egl = eglCreateWindowSurface(egl, config, (EGLNativeWindowType)window->native, NULL);
    CHECK(window->egl);
  }
}

/// As a careless program does: the surface first, except where Vulkan forbids it.
static void close_window(struct window *window) {
  if (window->callback) wl_callback_destroy(window->callback);
  if (uses_vulkan) {
    vkDestroySwapchainKHR(device, window->swapchain, NULL);
    vkDestroySurfaceKHR(instance, window->vk_surface, NULL);
  } else {
    wl_egl_window_destroy(window->native);
  }
  if (window->top) {
    xdg_toplevel_destroy(window->top);
    xdg_surface_destroy(window->role);
  }
  wl_surface_destroy(window->surface);
  if (!uses_vulkan) {
    eglMakeCurrent(egl, NULL, NULL, NULL);
    eglDestroySurface(egl, window->egl);
  }
}

// MARK: Ways to read

static void sleep_on_socket(void) {
  struct pollfd socket = {.fd = wl_display_get_fd(display), .events = POLLIN};
  CHECK(poll(&socket, 1, -1) == 1);
}

static void read_carelessly(void) {
  wl_display_dispatch_pending(display);
}

static void read_carefully(void) {
  while (wl_display_prepare_read(display) != 0) wl_display_dispatch_pending(display);
  wl_display_flush(display);
  sleep_on_socket();
  CHECK(wl_display_read_events(display) == 0);
  wl_display_dispatch_pending(display);
}

/// Draws whatever window is due, and sleeps until something comes.
static void run(struct window *windows, int count, bool carefully, bool turns) {
  for (int i = 0; i < count; i += 1) windows[i].due = true;
  while (true) {
    bool is_over = true;
    read_carelessly();
    for (int i = 0; i < count; i += 1) {
      struct window *window = &windows[i];
      if (window->drawn == frames_wanted) continue;
      is_over = false;
      if (!window->due) continue;
      draw(window, true);
      if (turns && window->drawn % 3 == 0) {
        (is_maximized ? xdg_toplevel_unset_maximized : xdg_toplevel_set_maximized)(window->top);
        is_maximized = !is_maximized;
      }
    }
    if (is_over) return;
    if (carefully) {
      read_carefully();
      continue;
    }
    // What was read while we drew, and not dispatched, is lost to a program like this.
    wl_display_flush(display);
    sleep_on_socket();
    CHECK(wl_display_dispatch(display) >= 0);
  }
}

static bool is_over;

static void *swap_all(void *argument) {
  struct window *window = argument;
  while (window->drawn < frames_wanted) draw(window, false);
  if (!uses_vulkan) eglMakeCurrent(egl, NULL, NULL, NULL);
  __atomic_store_n(&is_over, true, __ATOMIC_SEQ_CST);
  return NULL;
}

static void run_thread(struct window *window) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, swap_all, window) == 0);
  while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST)) {
    while (wl_display_prepare_read(display) != 0) wl_display_dispatch_pending(display);
    wl_display_flush(display);
    struct pollfd socket = {.fd = wl_display_get_fd(display), .events = POLLIN};
    if (poll(&socket, 1, 20) == 1) {
      CHECK(wl_display_read_events(display) == 0);
    } else {
      wl_display_cancel_read(display);
    }
    wl_display_dispatch_pending(display);
  }
  pthread_join(thread, NULL);
}

static void on_global(void *data, struct wl_registry *registry, uint32_t name,
                      const char *interface, uint32_t version) {
  if (strcmp(interface, "wl_compositor") == 0) {
    compositor = wl_registry_bind(registry, name, &wl_compositor_interface, 4);
  } else if (strcmp(interface, "xdg_wm_base") == 0) {
    shell = wl_registry_bind(registry, name, &xdg_wm_base_interface, 1);
    xdg_wm_base_add_listener(shell, &shell_listener, NULL);
  }
}

static void on_removal(void *data, struct wl_registry *registry, uint32_t name) {}

int main(int count, char **words) {
  if (count != 4) return 2;
  uses_vulkan = strcmp(words[1], "vulkan") == 0;
  const char *mode = words[2];
  frames_wanted = atoi(words[3]);
  is_hidden = strcmp(mode, "hidden") == 0;
  CHECK((display = wl_display_connect(NULL)));
  static const struct wl_registry_listener registry_listener = {on_global, on_removal};
  struct wl_registry *registry = wl_display_get_registry(display);
  wl_registry_add_listener(registry, &registry_listener, NULL);
  CHECK(wl_display_roundtrip(display) >= 0 && compositor && shell);
  uses_vulkan ? open_vulkan() : open_egl();
  struct window windows[2];
  open_window(&windows[0]);
  int window_count = 1;
  if (strcmp(mode, "several") == 0) open_window(&windows[window_count++]);
  if (strcmp(mode, "never") == 0 || is_hidden) {
    while (windows[0].drawn < frames_wanted) draw(&windows[0], false);
  } else if (strcmp(mode, "thread") == 0) {
    run_thread(&windows[0]);
  } else if (strcmp(mode, "destroy") == 0) {
    for (int i = 0; i < frames_wanted; i += 1) {
      draw(&windows[0], false);
      draw(&windows[0], false);
      close_window(&windows[0]);
      open_window(&windows[0]);
    }
  } else {
    run(windows, window_count, strcmp(mode, "prepare") == 0, strcmp(mode, "resize") == 0);
  }
  for (int i = 0; i < window_count; i += 1) close_window(&windows[i]);
  CHECK(wl_display_roundtrip(display) >= 0 && wl_display_get_error(display) == 0);
  printf("all drawn\n");
  return 0;
}
