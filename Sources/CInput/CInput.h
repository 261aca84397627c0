// Linux's virtual input devices (uinput): a gamepad that programs see as they see one of metal.
#pragma once
// As CPlatform has it: modules that are read together must see the same libc.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/uinput.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/// Makes a gamepad with the buttons and axes of the one that games know best (linux/drivers/input/joystick/xpad.c).
/// Its descriptor, or -errno.
static inline int input_pad_open(const char *_Nonnull name) {
  static const uint16_t buttons[] = {BTN_A,  BTN_B,      BTN_X,     BTN_Y,    BTN_TL,    BTN_TR,
                                     BTN_SELECT, BTN_START, BTN_MODE, BTN_THUMBL, BTN_THUMBR};
  static const struct { uint16_t code; int32_t least, most; } axes[] = {
      {ABS_X, -32767, 32767},  {ABS_Y, -32767, 32767}, {ABS_RX, -32767, 32767},
      {ABS_RY, -32767, 32767}, {ABS_Z, 0, 32767},      {ABS_RZ, 0, 32767},
      {ABS_HAT0X, -1, 1},      {ABS_HAT0Y, -1, 1}};
  int fd = open("/dev/uinput", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -errno;
  struct uinput_setup setup;
  memset(&setup, 0, sizeof setup);
  setup.id.bustype = BUS_VIRTUAL;
  setup.id.vendor = 0x045e;
  setup.id.product = 0x028e;
  setup.id.version = 1;
  strncpy(setup.name, name, sizeof setup.name - 1);
  int failed = ioctl(fd, UI_SET_EVBIT, EV_KEY) < 0 || ioctl(fd, UI_SET_EVBIT, EV_ABS) < 0;
  for (size_t i = 0; i < sizeof buttons / sizeof *buttons && !failed; i++)
    failed = ioctl(fd, UI_SET_KEYBIT, buttons[i]) < 0;
  for (size_t i = 0; i < sizeof axes / sizeof *axes && !failed; i++) {
    struct uinput_abs_setup axis;
    memset(&axis, 0, sizeof axis);
    axis.code = axes[i].code;
    axis.absinfo.minimum = axes[i].least;
    axis.absinfo.maximum = axes[i].most;
    failed = ioctl(fd, UI_SET_ABSBIT, axes[i].code) < 0 || ioctl(fd, UI_ABS_SETUP, &axis) < 0;
  }
  failed = failed || ioctl(fd, UI_DEV_SETUP, &setup) < 0 || ioctl(fd, UI_DEV_CREATE) < 0;
  if (!failed) return fd;
  int error = errno;
  close(fd);
  return -error;
}

/// Sends one change and says that it is whole; 0, or -errno.
static inline int input_pad_emit(int fd, uint16_t type, uint16_t code, int32_t value) {
  struct input_event events[2];
  memset(events, 0, sizeof events);
  events[0].type = type;
  events[0].code = code;
  events[0].value = value;
  events[1].type = EV_SYN;
  events[1].code = SYN_REPORT;
  return write(fd, events, sizeof events) == (ssize_t)sizeof events ? 0 : -errno;
}

static inline void input_pad_close(int fd) {
  ioctl(fd, UI_DEV_DESTROY);
  close(fd);
}
