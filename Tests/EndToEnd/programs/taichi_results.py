"""Runs kernels on taichi's Vulkan back end and prints what came out as hexadecimal hashes."""

import hashlib

import numpy
import taichi

taichi.init(arch=taichi.vulkan, offline_cache=False, log_level=taichi.ERROR)
assert taichi.cfg.arch == taichi.vulkan, taichi.cfg.arch

SIZE = 128
numbers = taichi.field(taichi.i32, shape=(SIZE, SIZE))
heat = taichi.field(taichi.f32, shape=(SIZE, SIZE))
next_heat = taichi.field(taichi.f32, shape=(SIZE, SIZE))
total = taichi.field(taichi.i32, shape=())


@taichi.kernel
def mix():
    for i, j in numbers:
        x = i * 7919 + j
        for _ in range(10):
            x = x * 1664525 + 1013904223
        numbers[i, j] = x
        taichi.atomic_add(total[None], x & 0xFF)


@taichi.kernel
def warm():
    for i, j in heat:
        heat[i, j] = taichi.cast((i * 31 + j * 17) % 64, taichi.f32)


@taichi.kernel
def spread():
    for i, j in heat:
        left, right = heat[(i - 1) % SIZE, j], heat[(i + 1) % SIZE, j]
        above, below = heat[i, (j - 1) % SIZE], heat[i, (j + 1) % SIZE]
        next_heat[i, j] = 0.25 * (left + right + above + below)
    for i, j in heat:
        heat[i, j] = next_heat[i, j]


def show(name: str, values: numpy.ndarray) -> None:
    print(name, hashlib.sha256(values.tobytes()).hexdigest())


mix()
warm()
for _ in range(30):
    spread()
show("numbers", numbers.to_numpy())
show("heat   ", heat.to_numpy())
print("total  ", total[None])
