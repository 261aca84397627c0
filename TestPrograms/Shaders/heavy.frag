#version 450
// As much arithmetic for each fragment as the host asks for.
layout(push_constant) uniform Push { vec4 place; uint rounds; } push;
layout(location = 0) out vec4 color;

void main() {
  vec2 z = gl_FragCoord.xy * 0.0078125;
  for (uint k = 0u; k < push.rounds; k++) {
    z = fract(vec2(z.x * z.x - z.y * z.y, 2.0 * z.x * z.y) + vec2(0.31, 0.17));
  }
  color = vec4(z, 0.5, 1.0);
}
