#version 450
// Mixes words; the number of rounds is a specialization constant.
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint rounds = 1;
layout(set = 0, binding = 0) readonly buffer Source { uint source[]; };
layout(set = 0, binding = 1) buffer Target { uint target[]; };
layout(push_constant) uniform Push { uint count; uint seed; uint first; uint stride; } push;

void main() {
  uint i = gl_GlobalInvocationID.x;
  if (i >= push.count) return;
  uint x = source[i] ^ push.seed;
  for (uint k = 0; k < rounds; k++) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
  }
  target[push.first + i * push.stride] = x;
}
