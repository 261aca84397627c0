#version 450
layout(location = 0) in vec2 coordinate;
layout(location = 1) flat in vec4 tint;
layout(set = 0, binding = 1) uniform sampler2D picture;
layout(location = 0) out vec4 color;

void main() { color = texture(picture, coordinate) * tint; }
