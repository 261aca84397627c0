#version 450
// A small triangle placed by push constants: the least a draw can be.
layout(push_constant) uniform Push { vec4 place; } push;

void main() {
  vec2 corner = vec2(gl_VertexIndex & 1, gl_VertexIndex >> 1) * push.place.z;
  gl_Position = vec4(push.place.xy + corner, 0.0, 1.0);
}
