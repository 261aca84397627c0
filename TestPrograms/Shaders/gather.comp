#version 450
// One of each kind of descriptor that a compute shader reads.
layout(local_size_x = 8, local_size_y = 8) in;
layout(set = 0, binding = 0, rgba8) uniform readonly image2D pictures[2];
layout(set = 0, binding = 1) uniform usamplerBuffer words;
layout(set = 0, binding = 2) uniform Scale { uvec4 scale; };
layout(set = 0, binding = 3) uniform sampler nearest;
layout(set = 0, binding = 4) uniform texture2D sampled;
layout(set = 1, binding = 0, r32ui) uniform writeonly uimage2D target;

void main() {
  ivec2 p = ivec2(gl_GlobalInvocationID.xy);
  uvec4 a = uvec4(imageLoad(pictures[0], p) * 255.0);
  uvec4 b = uvec4(imageLoad(pictures[1], p) * 255.0);
  uvec4 c = uvec4(texture(sampler2D(sampled, nearest), (vec2(p) + 0.5) / 64.0) * 255.0);
  uint w = texelFetch(words, (p.x + p.y * 64) % 256).x;
  uint v = (a.x + b.y * scale.x + c.z * scale.y) ^ w;
  imageStore(target, p, uvec4(v));
}
