import CVulkan
import Wire

// What the GPU may write in memory that the application has mapped. It is noted while command
// buffers are replayed, so that a finished queue operation is followed by a look at what it can
// have changed, and not at all that was ever writable.
//
// ```
//  vkCmdCopyBuffer ─┐
//  bound storage   ─┼─► CommandWrites ──vkQueueSubmit──► WriteSet ──finished──► MemoryState.deliver
//  attachments     ─┘   by resource      binding known    by memory
// ```
//
// Every step may say too much and none too little: a command that nobody has thought about, a set
// that may be updated after it was bound, a command buffer that nobody has seen stand for
// everything.

/// What one queue operation may write: ranges of allocations.
struct WriteSet {
  struct Entry {
    let memory: MemoryState
    var ranges: [ByteRange]
  }

  /// True: whatever the GPU may write at all.
  private(set) var isEverything = false
  private(set) var entries: [Entry] = []

  static let nothing = WriteSet()

  var isEmpty: Bool { !isEverything && entries.isEmpty }

  mutating func addEverything() {
    isEverything = true
    entries.removeAll()
  }

  mutating func add(_ memory: MemoryState, _ range: ByteRange) {
    guard !isEverything, range.end > range.start else { return }
    // The newest first: what one command buffer writes lies together.
    if let i = entries.lastIndex(where: { $0.memory === memory }) {
      entries[i].ranges.append(range)
    } else {
      entries.append(Entry(memory: memory, ranges: [range]))
    }
  }

  /// Brings the ranges into order and joins those that touch.
  mutating func finish() {
    for i in entries.indices { entries[i].ranges = ByteRange.merged(entries[i].ranges) }
  }
}

extension ByteRange {
  static func merged(_ ranges: some Sequence<ByteRange>) -> [ByteRange] {
    var result: [ByteRange] = []
    for range in ranges.sorted(by: { $0.start < $1.start }) where range.end > range.start {
      if let last = result.last, range.start <= last.end {
        result[result.count - 1].end = max(last.end, range.end)
      } else {
        result.append(range)
      }
    }
    return result
  }

  /// From `offset` on, `size` bytes; VK_WHOLE_SIZE and what would not fit reach to the end.
  init(offset: VkDeviceSize, size: VkDeviceSize) {
    let limit = VkDeviceSize(Int.max / 2)
    start = Int(min(offset, limit))
    end = start &+ Int(min(size, limit))
  }
}

/// The ranges of one resource that are written: a few, and when there are more, one around them all.
struct WrittenRanges {
  private(set) var ranges: [ByteRange]
  private static var limit: Int { 8 }

  init(_ range: ByteRange) { ranges = [range] }

  mutating func add(_ new: ByteRange) {
    for i in ranges.indices where new.start <= ranges[i].end && new.end >= ranges[i].start {
      ranges[i].start = min(ranges[i].start, new.start)
      ranges[i].end = max(ranges[i].end, new.end)
      return
    }
    guard ranges.count == WrittenRanges.limit else { return ranges.append(new) }
    var hull = new
    for range in ranges {
      hull.start = min(hull.start, range.start)
      hull.end = max(hull.end, range.end)
    }
    ranges = [hull]
  }
}

/// What a command buffer may write when it is executed. Of its channel's thread alone.
final class CommandWrites {
  private struct Noted {
    let resource: ResourceState
    var written: WrittenRanges
  }

  private(set) var isEverything = false
  private(set) var runsShaders = false
  private var noted: [ObjectIdentifier: Noted] = [:]

  /// The command buffer is recorded anew.
  func reset() {
    isEverything = false
    runsShaders = false
    noted.removeAll(keepingCapacity: true)
  }

  func addEverything() { isEverything = true }
  func addShaders() { runsShaders = true }

  /// Notes a resource, unless it can lie in no memory that is ever mapped. It is bound by now:
  /// Vulkan wants that before a command or a descriptor names it.
  func add(_ resource: ResourceState?, _ range: ByteRange = .whole) {
    guard let resource, !resource.bindings.isEmpty else { return }
    if noted[ObjectIdentifier(resource)]?.written.add(range) == nil {
      noted[ObjectIdentifier(resource)] = Noted(resource: resource, written: .init(range))
    }
  }

  /// Notes what a secondary command buffer writes.
  func add(_ other: CommandWrites) {
    isEverything = isEverything || other.isEverything
    runsShaders = runsShaders || other.runsShaders
    for one in other.noted.values {
      for range in one.written.ranges { add(one.resource, range) }
    }
  }

  /// Notes what a shader may write through a descriptor set.
  func add(_ set: DescriptorWrites) {
    if set.isEverything { return addEverything() }
    for (resource, range) in set.descriptors.values { add(resource, range) }
  }

  /// Adds the places in memory of what is noted to `writes`. `addressable`: buffers that shaders may
  /// find by their address.
  func resolve(into writes: inout WriteSet, addressable: some Sequence<ResourceState>) {
    if isEverything { return writes.addEverything() }
    for one in noted.values {
      for range in one.written.ranges { one.resource.resolve(range, into: &writes) }
    }
    guard runsShaders else { return }
    for resource in addressable { resource.resolve(.whole, into: &writes) }
  }
}

extension ByteRange {
  static let whole = ByteRange(start: 0, end: Int.max / 2)
}

extension ResourceState {
  /// Adds the places of a part of the resource.
  fileprivate func resolve(_ part: ByteRange, into writes: inout WriteSet) {
    for binding in bindings {
      // The bytes of an image lie where its layout wants them.
      guard size > 0 else {
        writes.add(binding.memory, binding.range)
        continue
      }
      let start = binding.range.start
      let length = binding.range.end &- start
      writes.add(
        binding.memory,
        ByteRange(start: start &+ min(part.start, length), end: start &+ min(part.end, length)))
    }
  }
}

/// What shaders may write through a descriptor set.
final class DescriptorWrites {
  /// True for a set that may be updated after it was bound, or of which too little is known.
  private(set) var isEverything = false
  /// By binding and array element; a key of its own for what was copied from another set.
  private(set) var descriptors: [UInt64: (ResourceState, ByteRange)] = [:]
  private var copies: UInt64 = 0

  private static var limit: Int { 4096 }

  func addEverything() {
    isEverything = true
    descriptors.removeAll()
  }

  func set(_ binding: UInt32, _ element: UInt32, _ resource: ResourceState?, _ range: ByteRange) {
    let key = UInt64(binding) << 32 | UInt64(element)
    guard let resource, !isEverything else {
      descriptors.removeValue(forKey: key)
      return
    }
    descriptors[key] = (resource, range)
    if descriptors.count > DescriptorWrites.limit { addEverything() }
  }

  func clear(_ binding: UInt32, _ element: UInt32) {
    guard !descriptors.isEmpty else { return }
    descriptors.removeValue(forKey: UInt64(binding) << 32 | UInt64(element))
  }

  /// Which of the other's descriptors were copied is not looked at: elements may run over into the
  /// next binding.
  func copy(from other: DescriptorWrites) {
    guard !other.isEverything, !isEverything else { return addEverything() }
    for descriptor in other.descriptors.values {
      copies &+= 1
      descriptors[1 << 63 | copies] = descriptor
    }
    if descriptors.count > DescriptorWrites.limit { addEverything() }
  }
}

extension ReplayContext {
  /// Notes a command that may write anywhere.
  @inline(__always)
  func noteEverything() { writes?.addEverything() }

  /// Notes a command that runs shaders.
  @inline(__always)
  func noteShaders() { writes?.addShaders() }
}
