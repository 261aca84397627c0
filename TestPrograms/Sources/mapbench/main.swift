// Times what mapped memory costs around a submit, and prints microseconds:
//
//   submit   vkQueueSubmit after 655 scattered pages (1 %) of a mapping of 256 MiB were written
//   upload   the same, until the fence: the pages have been brought to the device and used
//   many     the same call with 400 mappings of 256 KiB, one page of each eighth written
//   fence    submit to fence of a command that writes 4 KiB of the 256 MiB
//   write    a first write to a page after a submit
//
//   mapbench [ROUNDS]

import CVulkan
import Glibc
import Shaders
import Workbench

let rounds = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 40
let page = 4096
let large = 256 << 20
let transfer = bits(VK_BUFFER_USAGE_TRANSFER_SRC_BIT)

let device = Device()
let fence = device.makeFence()
let target = Buffer(device, size: page, path: .staged)
let commands = Commands(device)
commands.begin()
vkCmdFillBuffer(commands.handle, target.handle, 0, wholeSize, 1)
commands.end()

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
func report(_ name: String, _ values: [Double]) {
  let sorted = values.sorted()
  say("\(name)_us_median \(median(values))")
  say("\(name)_us_minimum \(sorted[0])")
}

/// Submits and waits; microseconds of the call and until the fence.
func submit(_ commands: Commands) -> (call: Double, fence: Double) {
  let start = now()
  device.submit(commands, fence: fence)
  let called = now()
  device.wait(fence)
  let ended = now()
  var handle: VkFence? = fence
  check(vkResetFences(device.handle, 1, &handle), "vkResetFences")
  return (Double(called - start) / 1e3, Double(ended - start) / 1e3)
}

var submits: [Double] = []
var fences: [Double] = []
var uploads: [Double] = []
var writes: [Double] = []
do {
  let buffer = Buffer(device, size: large, usage: transfer)
  let base = buffer.mapped!
  for offset in stride(from: 0, to: large, by: page) {
    base.storeBytes(of: 1, toByteOffset: offset, as: UInt8.self)
  }
  for round in 0..<rounds + 3 {
    let pages = pseudorandomWords(large / page / 100, seed: UInt32(round + 1)).map {
      Int($0) % (large / page) * page
    }
    let start = now()
    for offset in pages {
      base.storeBytes(of: UInt8(truncatingIfNeeded: round), toByteOffset: offset, as: UInt8.self)
    }
    let written = now()
    let time = submit(commands)
    if round >= 3 {
      submits.append(time.call)
      uploads.append(time.fence)
      writes.append(Double(written - start) / 1e3 / Double(pages.count))
    }
  }
  let small = Commands(device)
  small.begin()
  vkCmdFillBuffer(small.handle, buffer.handle, UInt64(large / 2), UInt64(page), 7)
  small.barrier()
  small.end()
  for round in 0..<rounds + 3 {
    let time = submit(small)
    if round >= 3 { fences.append(time.fence) }
  }
  buffer.destroy()
}
report("submit", submits)
report("upload", uploads)
report("write", writes)
report("fence", fences)

var many: [Double] = []
let buffers = (0..<400).map { _ in Buffer(device, size: 256 << 10, usage: transfer) }
for buffer in buffers {
  for offset in stride(from: 0, to: buffer.size, by: page) {
    buffer.mapped!.storeBytes(of: 1, toByteOffset: offset, as: UInt8.self)
  }
}
for round in 0..<rounds + 3 {
  for index in stride(from: round % 8, to: buffers.count, by: 8) {
    buffers[index].mapped!.storeBytes(
      of: UInt8(truncatingIfNeeded: round), toByteOffset: round % 64 * page, as: UInt8.self)
  }
  let time = submit(commands)
  if round >= 3 { many.append(time.call) }
}
report("many", many)
device.destroy()
