// The SPIR-V validator of spirv-tools, which Debian ships as a static library in C++ behind a C
// interface.
#pragma once

#include <spirv-tools/libspirv.h>
