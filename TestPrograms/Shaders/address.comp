#version 460
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
// Follows device addresses, one of them read from memory.
layout(local_size_x = 64) in;
layout(buffer_reference, std430, buffer_reference_align = 4) buffer Words { uint word[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) buffer Links { uvec2 next; };
layout(push_constant) uniform Push { uvec2 links; uvec2 target; uint count; } push;

void main() {
  uint i = gl_GlobalInvocationID.x;
  if (i >= push.count) return;
  Words source = Words(Links(push.links).next);
  Words(push.target).word[i] = source.word[push.count - 1u - i] * 3u + 1u;
}
