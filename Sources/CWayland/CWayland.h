// Wayland types for the presenter. Nothing is linked: the library is opened when a surface is made.
#pragma once
// As CPlatform has it: modules that are read together must see the same libc.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <wayland-client.h>
