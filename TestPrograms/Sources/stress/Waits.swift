import CVulkan
import Glibc
import Workbench

/// The ways in which a program waits.
enum Patience: Int, CaseIterable {
  /// One call without a limit.
  case forever
  /// Calls with a short limit, until one succeeds.
  case slices
  /// Looks at the state.
  case looks
  /// For any of several, until the right one is among them.
  case any

  init(_ seed: UInt64) { self = Self.allCases[Int(seed % UInt64(Self.allCases.count))] }

  static let slice: UInt64 = 100_000
}

/// The result of a wait that may run out of time; anything else ends the program.
private func isDone(_ result: VkResult, _ call: StaticString) -> Bool {
  if result == VK_TIMEOUT || result == VK_NOT_READY { return false }
  check(result, call)
  return true
}

extension Device {
  func isSignaled(_ fence: VkFence) -> Bool {
    isDone(vkGetFenceStatus(handle, fence), "vkGetFenceStatus")
  }

  /// Waits for one fence. `pending` is it and others that will be signalled too.
  func wait(_ fence: VkFence, _ patience: Patience, pending: List<VkFence?>) {
    var one: VkFence? = fence
    switch patience {
    case .forever:
      check(vkWaitForFences(handle, 1, &one, 1, forever), "vkWaitForFences")
    case .slices:
      while !isDone(vkWaitForFences(handle, 1, &one, 1, Patience.slice), "vkWaitForFences") {}
    case .looks:
      while !isSignaled(fence) { sched_yield() }
    case .any:
      while !isSignaled(fence) {
        let count = UInt32(pending.count)
        _ = isDone(
          vkWaitForFences(handle, count, pending.start, 0, Patience.slice), "vkWaitForFences")
        sched_yield()
      }
    }
    if !isSignaled(fence) { fail("a fence that was waited for is not signalled") }
  }

  func value(_ semaphore: VkSemaphore?) -> UInt64 {
    var value: UInt64 = 0
    check(vkGetSemaphoreCounterValue(handle, semaphore, &value), "vkGetSemaphoreCounterValue")
    return value
  }

  /// Waits until all timelines have reached their values; empties the lists.
  func wait(_ semaphores: List<VkSemaphore?>, _ values: List<UInt64>, _ patience: Patience) {
    func wait(_ flags: UInt32, _ limit: UInt64) -> Bool {
      var info = VkSemaphoreWaitInfo()
      info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO
      info.flags = flags
      info.semaphoreCount = UInt32(semaphores.count)
      info.pSemaphores = UnsafePointer(semaphores.start)
      info.pValues = UnsafePointer(values.start)
      return isDone(vkWaitSemaphores(handle, &info, limit), "vkWaitSemaphores")
    }
    func removeReached() -> Bool {
      let before = semaphores.count
      for index in (0..<before).reversed()
      where value(semaphores.start[index]) >= values.start[index] {
        semaphores.remove(at: index)
        values.remove(at: index)
      }
      return semaphores.count < before
    }
    switch patience {
    case .forever: check(wait(0, forever) ? VK_SUCCESS : VK_TIMEOUT, "vkWaitSemaphores")
    case .slices: while !wait(0, Patience.slice) {}
    case .looks:
      while semaphores.count > 0 { if !removeReached() { sched_yield() } }
    case .any:
      let any = bits(VK_SEMAPHORE_WAIT_ANY_BIT)
      while semaphores.count > 0 {
        while !wait(any, Patience.slice) {}
        if !removeReached() { fail("a wait for any timeline ended with none of them reached") }
      }
    }
    _ = removeReached()
    if semaphores.count > 0 { fail("a timeline that was waited for has not reached its value") }
  }

  func signal(_ semaphore: VkSemaphore, _ value: UInt64) {
    var info = VkSemaphoreSignalInfo()
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO
    info.semaphore = semaphore
    info.value = value
    check(vkSignalSemaphore(handle, &info), "vkSignalSemaphore")
  }
}
