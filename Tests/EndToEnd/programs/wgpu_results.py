"""Renders and computes with wgpu, offscreen, and prints what came out as hexadecimal hashes."""

import hashlib

import numpy
import wgpu

SHADER = """
struct Out { @builtin(position) position: vec4<f32>, @location(0) color: vec3<f32> };
@vertex fn vertex(@builtin(vertex_index) i: u32) -> Out {
  var corners = array<vec2<f32>, 3>(vec2(-0.75, -0.75), vec2(0.75, -0.5), vec2(0.0, 0.75));
  var out: Out;
  out.position = vec4(corners[i], 0.0, 1.0);
  out.color = vec3(f32(i == 0u), f32(i == 1u), f32(i == 2u));
  return out;
}
@fragment fn fragment(in: Out) -> @location(0) vec4<f32> { return vec4(in.color, 1.0); }

@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(64) fn compute(@builtin(global_invocation_id) id: vec3<u32>) {
  var x = data[id.x];
  for (var k = 0u; k < 16u; k++) { x = x * 1664525u + 1013904223u; }
  data[id.x] = x;
}
"""


def render(device, module) -> bytes:
    usage = wgpu.TextureUsage.RENDER_ATTACHMENT | wgpu.TextureUsage.COPY_SRC
    texture = device.create_texture(size=(256, 256, 1), format="rgba8unorm", usage=usage)
    pipeline = device.create_render_pipeline(
        layout="auto",
        vertex={"module": module, "entry_point": "vertex"},
        primitive={"topology": "triangle-list"},
        fragment={
            "module": module,
            "entry_point": "fragment",
            "targets": [{"format": "rgba8unorm"}],
        },
    )
    encoder = device.create_command_encoder()
    attachment = {
        "view": texture.create_view(),
        "load_op": "clear",
        "store_op": "store",
        "clear_value": (0.125, 0.25, 0.5, 1),
    }
    render_pass = encoder.begin_render_pass(color_attachments=[attachment])
    render_pass.set_pipeline(pipeline)
    render_pass.draw(3)
    render_pass.end()
    device.queue.submit([encoder.finish()])
    return bytes(
        device.queue.read_texture(
            {"texture": texture}, {"bytes_per_row": 1024, "rows_per_image": 256}, (256, 256, 1)
        )
    )


def compute(device, module) -> bytes:
    values = numpy.arange(65536, dtype=numpy.uint32)
    usage = wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.COPY_SRC
    buffer = device.create_buffer_with_data(data=values, usage=usage)
    pipeline = device.create_compute_pipeline(
        layout="auto", compute={"module": module, "entry_point": "compute"}
    )
    group = device.create_bind_group(
        layout=pipeline.get_bind_group_layout(0),
        entries=[{"binding": 0, "resource": {"buffer": buffer}}],
    )
    encoder = device.create_command_encoder()
    compute_pass = encoder.begin_compute_pass()
    compute_pass.set_pipeline(pipeline)
    compute_pass.set_bind_group(0, group)
    compute_pass.dispatch_workgroups(1024)
    compute_pass.end()
    device.queue.submit([encoder.finish()])
    return bytes(device.queue.read_buffer(buffer))


def main() -> None:
    adapter = wgpu.gpu.request_adapter_sync(power_preference="high-performance")
    assert adapter.info["backend_type"] == "Vulkan", adapter.info
    device = adapter.request_device_sync()
    module = device.create_shader_module(code=SHADER)
    print("render ", hashlib.sha256(render(device, module)).hexdigest())
    print("compute", hashlib.sha256(compute(device, module)).hexdigest())


main()
