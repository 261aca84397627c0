import CPlatform
import CVulkan
import VulkanWire
import Wire

/// Pipeline layouts that the application has destroyed while command buffers were being recorded.
///
/// A recording reaches the node when it ends, so a layout that it names has to live until then. Vulkan
/// asks the application for that, but drivers count references, and programs have come to rely on it.
/// Under the lock of the device's channel.
struct RetiredLayouts {
  private var ids: UnsafeMutablePointer<UInt64>?
  private(set) var count: UInt32

  /// More are not kept: an application that is always recording would keep them for ever.
  private static var most: UInt32 { 1024 }

  init() {
    ids = nil
    count = 0
  }

  /// False when there is no room, or no memory.
  mutating func add(_ id: UInt64) -> Bool {
    if ids == nil {
      ids = platform_malloc(Int(RetiredLayouts.most) &* 8)?
        .bindMemory(to: UInt64.self, capacity: Int(RetiredLayouts.most))
    }
    guard let ids, count < RetiredLayouts.most else { return false }
    ids[Int(count)] = id
    count &+= 1
    return true
  }

  /// Destroys them all: their records, and then their ids, which nobody can use before the lock is
  /// given back.
  mutating func flush(_ device: VkDevice?, into writer: UnsafeMutablePointer<Writer>) {
    var i = 0
    while i < Int(count), let ids {
      encode_vkDestroyPipelineLayout(&writer.pointee, device, handlePointer(ids[i]))
      didDestroy(.pipelineLayout, ids[i])
      i &+= 1
    }
    count = 0
  }

  mutating func free() {
    platform_free(ids)
    ids = nil
    count = 0
  }
}
