// Wayland types for the presenter. Nothing is linked: the library is opened when a surface is made.
#pragma once
#include <wayland-client.h>
