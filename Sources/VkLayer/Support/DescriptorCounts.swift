import CPlatform
import CVulkan

/// How many descriptors there are of each type: of one set of a layout, or left in a pool.
///
/// Allocation is asynchronous, so the client itself has to know when a pool is empty: Vulkan lets an
/// application allocate until VK_ERROR_OUT_OF_POOL_MEMORY says that it is time for another pool.
struct DescriptorCounts {
  /// By bucket: the eleven types of Vulkan 1.0, inline uniform blocks (whose count is bytes),
  /// acceleration structures, mutable descriptors.
  private var counts: [14 of UInt32]

  static var bucketCount: Int { 14 }

  init() { counts = [14 of UInt32](repeating: 0) }

  /// The bucket of a type; nil for one that is not counted.
  private static func bucket(_ type: VkDescriptorType) -> Int? {
    switch type {
    case VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK: 11
    case VK_DESCRIPTOR_TYPE_ACCELERATION_STRUCTURE_KHR: 12
    case VK_DESCRIPTOR_TYPE_MUTABLE_EXT: 13
    default: type.rawValue <= 10 ? Int(type.rawValue) : nil
    }
  }

  mutating func add(_ type: VkDescriptorType, _ count: UInt32) {
    guard let bucket = DescriptorCounts.bucket(type) else { return }
    let (sum, overflow) = counts[bucket].addingReportingOverflow(count)
    counts[bucket] = overflow ? UInt32.max : sum
  }

  mutating func subtract(_ type: VkDescriptorType, _ count: UInt32) {
    guard let bucket = DescriptorCounts.bucket(type) else { return }
    counts[bucket] = counts[bucket] > count ? counts[bucket] &- count : 0
  }

  /// Takes all of `other` away, or nothing and is false when there is not enough of a type.
  mutating func take(_ other: DescriptorCounts) -> Bool {
    var i = 0
    while i < DescriptorCounts.bucketCount {
      if other.counts[i] > counts[i] { return false }
      i &+= 1
    }
    i = 0
    while i < DescriptorCounts.bucketCount {
      counts[i] &-= other.counts[i]
      i &+= 1
    }
    return true
  }

  mutating func give(_ other: DescriptorCounts) {
    var i = 0
    while i < DescriptorCounts.bucketCount {
      let (sum, overflow) = counts[i].addingReportingOverflow(other.counts[i])
      counts[i] = overflow ? UInt32.max : sum
      i &+= 1
    }
  }

  fileprivate var hash: UInt32 {
    var value: UInt32 = 0x811C_9DC5
    var i = 0
    while i < DescriptorCounts.bucketCount {
      value = (value ^ counts[i]) &* 0x0100_0193
      i &+= 1
    }
    return value
  }

  fileprivate func equals(_ other: DescriptorCounts) -> Bool {
    var i = 0
    while i < DescriptorCounts.bucketCount {
      if counts[i] != other.counts[i] { return false }
      i &+= 1
    }
    return true
  }
}

/// What one set of a layout takes out of a pool. Layouts with the same needs share one, which lives
/// as long as the process: sets outlive their layout, and there are few that differ.
struct LayoutNeeds {
  var counts: DescriptorCounts
  /// The binding with VK_DESCRIPTOR_BINDING_VARIABLE_DESCRIPTOR_COUNT_BIT: its type and its largest
  /// count, which `counts` has in it; 0 when there is none.
  var variableType: VkDescriptorType
  var variableCount: UInt32
  fileprivate var next: UnsafeMutablePointer<LayoutNeeds>?

  /// What a set takes whose variable binding has `variable` descriptors.
  func counts(variable: UInt32) -> DescriptorCounts {
    var needed = counts
    if variableCount > variable { needed.subtract(variableType, variableCount &- variable) }
    return needed
  }

  /// The needs of a layout; nil without memory.
  static func of(_ info: VkDescriptorSetLayoutCreateInfo) -> UnsafeMutablePointer<LayoutNeeds>? {
    var needs = LayoutNeeds(
      counts: DescriptorCounts(), variableType: VK_DESCRIPTOR_TYPE_SAMPLER, variableCount: 0,
      next: nil)
    let flags = chained(
      VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_BINDING_FLAGS_CREATE_INFO, in: info.pNext)?
      .assumingMemoryBound(to: VkDescriptorSetLayoutBindingFlagsCreateInfo.self).pointee
    var i = 0
    while i < Int(info.bindingCount), let binding = info.pBindings?[i] {
      needs.counts.add(binding.descriptorType, binding.descriptorCount)
      if let flags, i < Int(flags.bindingCount), let bits = flags.pBindingFlags?[i],
        bits & VK_DESCRIPTOR_BINDING_VARIABLE_DESCRIPTOR_COUNT_BIT.rawValue != 0
      {
        needs.variableType = binding.descriptorType
        needs.variableCount = binding.descriptorCount
      }
      i &+= 1
    }
    return intern(needs)
  }

  private static func intern(_ needs: LayoutNeeds) -> UnsafeMutablePointer<LayoutNeeds>? {
    while !platform_compare_exchange32(&internLock, 0, 1) { platform_yield() }
    defer { platform_store32_seq(&internLock, 0) }
    let bucket = Int(needs.counts.hash & 63)
    var known = interned[bucket]
    while let candidate = known {
      if candidate.pointee.variableCount == needs.variableCount,
        candidate.pointee.variableType == needs.variableType,
        candidate.pointee.counts.equals(needs.counts)
      {
        return candidate
      }
      known = candidate.pointee.next
    }
    guard let made = makeObject(needs) else { return nil }
    made.pointee.next = interned[bucket]
    interned[bucket] = made
    return made
  }
}

nonisolated(unsafe) private var interned: [64 of UnsafeMutablePointer<LayoutNeeds>?] =
  [64 of UnsafeMutablePointer<LayoutNeeds>?](repeating: nil)
nonisolated(unsafe) private var internLock: UInt32 = 0
