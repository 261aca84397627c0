#version 450
// Writes the arguments of indirect draws and their count.
layout(local_size_x = 1) in;
struct Draw { uint indexCount, instanceCount, firstIndex; int vertexOffset; uint firstInstance; };
layout(set = 0, binding = 0) readonly buffer Source { uint source[]; };
layout(set = 0, binding = 1) buffer Target { uint count; uint padding[3]; Draw draws[]; };

void main() {
  uint i = gl_WorkGroupID.x;
  draws[i] = Draw(6u, 2u + source[0] * i, 0u, 0, i * 3u);
  if (i == 0u) count = gl_NumWorkGroups.x - 1u;
}
