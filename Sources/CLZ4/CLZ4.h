// LZ4, as the system has it.
#pragma once
// As CPlatform has it: modules that are read together must see the same libc.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <lz4.h>
