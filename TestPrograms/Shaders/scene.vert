#version 450
// A textured quad or cube per instance, turned and moved by what the host supplies.
layout(location = 0) in vec3 position;
layout(location = 1) in vec2 coordinate;
layout(set = 0, binding = 0) uniform View { mat4 projection; vec4 offset; } view;
layout(push_constant) uniform Push { vec4 tint; vec2 shift; float scale; float depth; } push;
layout(location = 0) out vec2 outCoordinate;
layout(location = 1) flat out vec4 outTint;

void main() {
  vec2 cell = vec2(gl_InstanceIndex % 4, gl_InstanceIndex / 4) * 0.5 - 0.75;
  vec3 p = position * push.scale + vec3(cell + push.shift, push.depth + 0.05 * gl_InstanceIndex);
  gl_Position = view.projection * vec4(p + view.offset.xyz, 1.0);
  outCoordinate = coordinate;
  outTint = push.tint * (1.0 - 0.04 * gl_InstanceIndex);
}
