// Two devices of one instance that share a heap of so many MiB: what one has, the other cannot have.
//
// budgets MIB

import CVulkan
import Workbench

guard let mebibytes = CommandLine.arguments.dropFirst().first.flatMap(UInt64.init) else {
  fail("usage: budgets MIB")
}
let first = Device()
let second = Device(beside: first)

/// An allocation, or the error.
func allocate(_ device: Device, _ size: UInt64) -> (memory: VkDeviceMemory?, result: VkResult) {
  var info = VkMemoryAllocateInfo()
  info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO
  info.allocationSize = size
  var memory: VkDeviceMemory?
  let result = vkAllocateMemory(device.handle, &info, nil, &memory)
  return (memory, result)
}

func expect(_ result: VkResult, _ wanted: VkResult, _ what: String) {
  if result != wanted { fail("\(what): \(result.rawValue) and not \(wanted.rawValue)") }
}

let large = mebibytes << 20 / 8 * 5
for _ in 0..<200 {
  let one = allocate(first, large)
  expect(one.result, VK_SUCCESS, "the first device's")
  let two = allocate(second, large)
  expect(two.result, VK_ERROR_OUT_OF_DEVICE_MEMORY, "the second device's")
  expect(allocate(first, large).result, VK_ERROR_OUT_OF_DEVICE_MEMORY, "the first device's again")
  vkFreeMemory(first.handle, one.memory, nil)
  // The node may read this before it reads of the end of the first.
  let three = allocate(second, large)
  expect(three.result, VK_SUCCESS, "the second device's in its place")
  vkFreeMemory(second.handle, three.memory, nil)
}
// What ends with its device is free as well, and a device that comes after knows of it.
let left = allocate(second, large)
expect(left.result, VK_SUCCESS, "the last")
vkFreeMemory(second.handle, left.memory, nil)
second.destroy()
let third = Device(beside: first)
for device in [third, first] {
  let (memory, result) = allocate(device, large)
  expect(result, VK_SUCCESS, "after the second device's end")
  vkFreeMemory(device.handle, memory, nil)
}
third.destroy()
first.destroy()
say("done")
