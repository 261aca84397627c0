"""Draws into two windows of one program, resizes one, destroys the other first, and goes on.

Each step prints a line once its frames have been presented; the caller looks at the screen and
answers with a line.
"""

import os
import sys

import glfw
import wgpu
from rendercanvas.glfw import RenderCanvas

FRAMES = 12


class Window:
    def __init__(self, device, adapter, color, x, y, width, height):
        self.canvas = RenderCanvas(
            title=str(color), size=(width, height), update_mode="manual", vsync=True)
        glfw.set_window_pos(self.canvas._window, x, y)
        self.device, self.color = device, color
        self.context = self.canvas.get_context("wgpu")
        self.context.configure(device=device, format="bgra8unorm")
        self.canvas.request_draw(self.draw)

    def draw(self):
        view = self.context.get_current_texture().create_view()
        encoder = self.device.create_command_encoder()
        encoder.begin_render_pass(
            color_attachments=[
                {
                    "view": view,
                    "clear_value": (*self.color, 1),
                    "load_op": "clear",
                    "store_op": "store",
                }
            ]
        ).end()
        self.device.queue.submit([encoder.finish()])


def step(name, *windows):
    for _ in range(FRAMES):
        glfw.poll_events()
        for window in windows:
            window.canvas.force_draw()
    print(name, flush=True)
    sys.stdin.readline()


adapter = wgpu.gpu.request_adapter_sync()
device = adapter.request_device_sync()
red = Window(device, adapter, (1, 0, 0), 20, 30, 200, 150)
blue = Window(device, adapter, (0, 0, 1), 320, 40, 160, 240)
step("both", red, blue)
glfw.set_window_size(blue.canvas._window, 300, 200)
step("resized", red, blue)
glfw.destroy_window(red.canvas._window)
step("destroyed", blue)
# glfw and wgpu end in no particular order, natively too: the windows are gone, that is enough.
os._exit(0)
