// Times an empty submit: from the call of vkQueueSubmit until vkWaitForFences has returned, one after the
// other, and the call alone. Prints nanoseconds.
//
//   submitbench [ROUNDS]

import CVulkan
import Workbench

let rounds = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 2000
let device = Device()
let fence = device.makeFence()
var calls: [UInt64] = []
var waits: [UInt64] = []
for round in 0..<rounds + 100 {
  let start = now()
  device.submitNothing(fence: fence)
  let called = now()
  device.wait(fence)
  let end = now()
  device.reset(fence)
  // The first rounds warm caches and wake threads.
  if round < 100 { continue }
  calls.append(called - start)
  waits.append(end - start)
}
say("submit_ns_median \(summary(calls).median)")
say("submit_ns_minimum \(summary(calls).minimum)")
say("submit_to_fence_ns_median \(summary(waits).median)")
say("submit_to_fence_ns_minimum \(summary(waits).minimum)")
device.destroy()
