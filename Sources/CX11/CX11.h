// X11 types for the presenter. Nothing is linked: the libraries are opened when a surface is made.
#pragma once
#include <xcb/xcb.h>
#include <xcb/randr.h>
#include <xcb/shm.h>
#include <X11/Xlib.h>
#include <X11/Xlib-xcb.h>
