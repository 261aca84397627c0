"""A render loop through wgpu: a triangle in a window, its uniform written anew for every frame.

  wgpu_loop.py FRAMES
"""

import os
import struct
import sys

import glfw
import wgpu
from rendercanvas.glfw import RenderCanvas

SHADER = """
@group(0) @binding(0) var<uniform> turn: vec4<f32>;

@vertex fn vertex(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
  let corner = vec2<f32>(f32(index & 1u), f32(index >> 1u)) - vec2<f32>(0.4);
  return vec4<f32>(corner.x * turn.x - corner.y * turn.y, dot(corner, turn.yx), 0.0, 1.0);
}

@fragment fn fragment() -> @location(0) vec4<f32> { return vec4<f32>(0.2, 0.6, 1.0, 1.0); }
"""
FORMAT = "bgra8unorm"

canvas = RenderCanvas(title="loop", size=(320, 240), update_mode="manual", vsync=False)
adapter = wgpu.gpu.request_adapter_sync()
device = adapter.request_device_sync()
context = canvas.get_context("wgpu")
context.configure(device=device, format=FORMAT)
module = device.create_shader_module(code=SHADER)
pipeline = device.create_render_pipeline(
    layout="auto",
    vertex={"module": module, "entry_point": "vertex"},
    fragment={"module": module, "entry_point": "fragment", "targets": [{"format": FORMAT}]},
)
turn = device.create_buffer(
    size=16, usage=wgpu.BufferUsage.UNIFORM | wgpu.BufferUsage.COPY_DST)
group = device.create_bind_group(
    layout=pipeline.get_bind_group_layout(0),
    entries=[{"binding": 0, "resource": {"buffer": turn, "offset": 0, "size": 16}}],
)
frame = 0


def draw():
    device.queue.write_buffer(turn, 0, struct.pack("4f", 1 - frame % 64 / 128, frame % 64 / 64, 0, 0))
    view = context.get_current_texture().create_view()
    encoder = device.create_command_encoder()
    attachment = {
        "view": view, "clear_value": (0, 0, 0, 1), "load_op": "clear", "store_op": "store",
    }
    render = encoder.begin_render_pass(color_attachments=[attachment])
    render.set_pipeline(pipeline)
    render.set_bind_group(0, group)
    render.draw(3)
    render.end()
    device.queue.submit([encoder.finish()])


canvas.request_draw(draw)
for frame in range(int(sys.argv[1])):
    glfw.poll_events()
    canvas.force_draw()
# glfw and wgpu end in no particular order, natively too.
os._exit(0)
