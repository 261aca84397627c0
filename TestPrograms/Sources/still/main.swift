// Draws one picture of many colors to a window, and then nothing more, until it is ended.
//
//   still [SIZE]
//
// SIZE is the width and height in pixels.

import Glibc
import Windowing
import WindowingGL
import Workbench

let size = CommandLine.arguments.dropFirst().first.map { Int($0) ?? 0 } ?? 256
guard size >= 64 else { fail("usage: still [SIZE]") }
let window = Window(width: size, height: size)
let surface = GLWindow(window, interval: 1)
let cell = 8
let colors = pseudorandomWords((size / cell) * (size / cell), seed: 7)
for (index, color) in colors.enumerated() {
  let (row, column) = (index / (size / cell), index % (size / cell))
  surface.limit(x: column * cell, y: row * cell, width: cell, height: cell)
  surface.clear(
    to: (
      Float(color & 255) / 255, Float(color >> 8 & 255) / 255, Float(color >> 16 & 255) / 255, 1
    ))
}
surface.swap()
while true { pause() }
