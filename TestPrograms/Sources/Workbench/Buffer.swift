import CVulkan

/// How the host reaches a buffer's bytes.
public enum MemoryPath: CaseIterable, Sendable {
  /// Host-coherent memory, mapped once and for all.
  case coherent
  /// Host-visible memory treated as non-coherent: mapped for each access, flushed or invalidated.
  case flushed
  /// Device-local memory, reached through a staging buffer.
  case staged
}

/// A buffer with memory of its own.
public final class Buffer: @unchecked Sendable {
  public let handle: VkBuffer
  public let size: Int
  public let path: MemoryPath
  public let memory: VkDeviceMemory
  /// Where coherent memory is mapped.
  public let mapped: UnsafeMutableRawPointer?
  private let device: Device

  public init(
    _ device: Device, size: Int, path: MemoryPath = .coherent,
    usage: UInt32 = bits(
      VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT,
      VK_BUFFER_USAGE_VERTEX_BUFFER_BIT, VK_BUFFER_USAGE_INDEX_BUFFER_BIT,
      VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT)
  ) {
    self.device = device
    self.size = size
    self.path = path
    var info = VkBufferCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO
    info.size = UInt64(size)
    info.usage =
      usage | bits(VK_BUFFER_USAGE_TRANSFER_SRC_BIT, VK_BUFFER_USAGE_TRANSFER_DST_BIT)
    var handle: VkBuffer?
    check(vkCreateBuffer(device.handle, &info, nil, &handle), "vkCreateBuffer")
    self.handle = device.own(handle, vkDestroyBuffer)
    var needs = VkMemoryRequirements()
    vkGetBufferMemoryRequirements(device.handle, handle, &needs)
    let addressed = usage & bits(VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT) != 0
    memory = device.allocate(needs, path, deviceAddress: addressed)
    check(vkBindBufferMemory(device.handle, handle, memory, 0), "vkBindBufferMemory")
    var mapped: UnsafeMutableRawPointer?
    if path == .coherent {
      check(vkMapMemory(device.handle, memory, 0, wholeSize, 0, &mapped), "vkMapMemory")
    }
    self.mapped = mapped
  }

  /// Frees the buffer and its memory; the device must be done with it.
  public func destroy() {
    device.discard(handle)
    device.discard(memory)
  }

  /// Writes values at a byte offset, by this buffer's path.
  public func write<T: BitwiseCopyable>(_ values: [T], at offset: Int = 0) {
    values.withUnsafeBytes { source in
      switch path {
      case .coherent:
        mapped!.advanced(by: offset).copyMemory(
          from: source.baseAddress!, byteCount: source.count)
      case .flushed:
        withMapping(offset, source.count) { target, range in
          target.copyMemory(from: source.baseAddress!, byteCount: source.count)
          check(vkFlushMappedMemoryRanges(device.handle, 1, range), "vkFlushMappedMemoryRanges")
        }
      case .staged:
        let staging = Buffer(device, size: source.count)
        staging.mapped!.copyMemory(from: source.baseAddress!, byteCount: source.count)
        device.run { $0.copy(staging, self, count: source.count, to: offset) }
        staging.destroy()
      }
    }
  }

  /// Reads bytes, by this buffer's path. The device must be done with writing them.
  public func read(at offset: Int = 0, count: Int? = nil) -> [UInt8] {
    let count = count ?? size - offset
    var result: [UInt8] = []
    switch path {
    case .coherent:
      result = Array(UnsafeRawBufferPointer(start: mapped! + offset, count: count))
    case .flushed:
      withMapping(offset, count) { source, range in
        check(
          vkInvalidateMappedMemoryRanges(device.handle, 1, range), "vkInvalidateMappedMemoryRanges")
        result = Array(UnsafeRawBufferPointer(start: source, count: count))
      }
    case .staged:
      let staging = Buffer(device, size: count)
      device.run { $0.copy(self, staging, count: count, from: offset) }
      result = staging.read()
      staging.destroy()
    }
    return result
  }

  /// The buffer's device address; its usage must allow that.
  public var address: UInt64 {
    var info = VkBufferDeviceAddressInfo()
    info.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO
    info.buffer = handle
    return vkGetBufferDeviceAddress(device.handle, &info)
  }

  /// Maps part of the memory for as long as the body runs. The range covers what the body sees, widened
  /// to the device's atom.
  private func withMapping(
    _ offset: Int, _ count: Int,
    _ body: (UnsafeMutableRawPointer, UnsafePointer<VkMappedMemoryRange>) -> Void
  ) {
    let atom = Int(device.properties.limits.nonCoherentAtomSize)
    let start = offset / atom * atom
    var mapped: UnsafeMutableRawPointer?
    check(
      vkMapMemory(device.handle, memory, UInt64(start), wholeSize, 0, &mapped), "vkMapMemory")
    var range = VkMappedMemoryRange()
    range.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE
    range.memory = memory
    range.offset = UInt64(start)
    let end = (offset + count + atom - 1) / atom * atom
    range.size = end <= size ? UInt64(end - start) : wholeSize
    body(mapped! + (offset - start), &range)
    vkUnmapMemory(device.handle, memory)
  }
}

extension Device {
  /// Memory for a resource, of the type that its path asks for.
  public func allocate(
    _ needs: VkMemoryRequirements, _ path: MemoryPath, deviceAddress: Bool = false
  ) -> VkDeviceMemory {
    let visible = bits(VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT)
    let coherent = bits(VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)
    let local = bits(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT)
    let type: UInt32? =
      switch path {
      case .coherent: memoryType(needs, with: visible | coherent)
      case .flushed:
        memoryType(needs, with: visible, without: coherent) ?? memoryType(needs, with: visible)
      case .staged: memoryType(needs, with: local, without: visible) ?? memoryType(needs, with: 0)
      }
    guard let type else { fail("no memory type for \(path)") }
    var info = VkMemoryAllocateInfo()
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO
    info.allocationSize = needs.size
    info.memoryTypeIndex = type
    if deviceAddress {
      var flags = VkMemoryAllocateFlagsInfo()
      flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO
      flags.flags = bits(VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT)
      info.pNext = UnsafeRawPointer(keep(flags))
    }
    var memory: VkDeviceMemory?
    check(vkAllocateMemory(handle, &info, nil, &memory), "vkAllocateMemory")
    return own(memory, vkFreeMemory)
  }

  private func memoryType(
    _ needs: VkMemoryRequirements, with: UInt32, without: UInt32 = 0
  ) -> UInt32? {
    withUnsafeBytes(of: memory.memoryTypes) { raw in
      let types = raw.bindMemory(to: VkMemoryType.self)
      return (0..<memory.memoryTypeCount).first { index in
        let flags = types[Int(index)].propertyFlags
        return needs.memoryTypeBits & (1 << index) != 0
          && flags & with == with && flags & without == 0
      }
    }
  }
}
