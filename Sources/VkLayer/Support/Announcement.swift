import CPlatform
import CVulkan
import Client
import Ring
import Wire

// Small operations on the client-side state of fences, semaphores and queues, shared by the hooks
// for submission and for presentation.

/// The next sequence number of a queue operation. Under the lock of the device's channel.
func nextQueueSequence(_ queue: UnsafeMutablePointer<QueueObject>) -> UInt64 {
  queue.pointee.sequence &+= 1
  queue.pointee.device.pointee.operations &+= 1
  return queue.pointee.sequence
}

/// Signals a binary semaphore on the client, for an acquired image: the next wait for it is taken
/// out of its submit.
func markSemaphoreAcquired(_ semaphore: VkSemaphore?) {
  semaphoreState(semaphore)?.pointee.acquired = 1
}

/// Whether a semaphore was signalled by an acquire and not waited for since; ends that state.
func takeAcquired(_ semaphore: VkSemaphore?) -> Bool {
  guard let state = semaphoreState(semaphore), state.pointee.acquired != 0 else { return false }
  state.pointee.acquired = 0
  return true
}

/// Signals a fence without any queue operation, for an acquired image.
func signalFenceLocally(_ fence: VkFence?, _ connection: Connection) {
  guard let state = fenceState(fence) else { return }
  state.pointee.submitted &+= 1
  connection.segment.complete(slot: state.pointee.slot, value: state.pointee.submitted)
}

/// Whether a fence is signalled: one load.
func isSignalled(_ fence: UnsafeMutablePointer<FenceState>, _ connection: Connection) -> Bool {
  platform_load64(connection.segment.slot(fence.pointee.slot)) > fence.pointee.reset
}

/// What an `announce` record says: written before the queue operation that it belongs to.
struct Announcement {
  private let writer: UnsafeMutablePointer<Writer>
  private var count: UInt32 = 0

  /// Begins the record and takes the queue's next sequence number.
  init(_ writer: UnsafeMutablePointer<Writer>, _ queue: UnsafeMutablePointer<QueueObject>) {
    self.writer = writer
    let sequence = nextQueueSequence(queue)
    writer.pointee.begin(ControlOpcode.announce)
    writer.pointee.u64(queue.pointee.id)
    writer.pointee.u64(sequence)
    writer.pointee.u32(queue.pointee.slot)
    writer.pointee.u32(0)
  }

  mutating func complete(slot: UInt32, value: UInt64) {
    guard slot != ControlField.noSlot else { return }
    writer.pointee.u32(slot)
    writer.pointee.u32(0)
    writer.pointee.u64(value)
    count &+= 1
  }

  /// A fence is completed by this operation.
  mutating func complete(_ fence: VkFence?) {
    guard let state = fenceState(fence) else { return }
    state.pointee.submitted &+= 1
    state.pointee.submittedAt = platform_now()
    complete(slot: state.pointee.slot, value: state.pointee.submitted)
  }

  /// A semaphore is signalled by this operation; binary ones need nothing from the client.
  mutating func complete(_ semaphore: VkSemaphore?, value: UInt64) {
    guard let state = semaphoreState(semaphore) else { return }
    complete(slot: state.pointee.slot, value: value)
  }

  mutating func end() {
    writer.pointee.patch(28, count)
    writer.pointee.end()
  }
}
