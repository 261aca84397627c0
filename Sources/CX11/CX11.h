// X11 types for the presenter and for GLX. Nothing is linked: the libraries are opened when a window
// is used.
#pragma once
// As CPlatform has it: modules that are read together must see the same libc.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <xcb/xcb.h>
#include <xcb/xcbext.h>
#include <xcb/randr.h>
#include <xcb/shm.h>
#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <X11/Xlib-xcb.h>
