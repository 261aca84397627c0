import CPlatform
import CVulkan
import Client

/// What Vulkan says of every resource that was created in the same way: asked once, then known.
struct Shape {
  var hash: UInt64
  var keySize: Int
  var next: UnsafeMutablePointer<Shape>?
  /// Guarded by the cache's lock, like the two lists below.
  var hasRequirements: Bool
  var requirements: VkMemoryRequirements
  var prefersDedicated: VkBool32
  var requiresDedicated: VkBool32
  var layouts: UnsafeMutablePointer<LayoutEntry>?
}

/// The layout of one subresource of an image.
struct LayoutEntry {
  var subresource: VkImageSubresource
  var layout: VkSubresourceLayout
  var next: UnsafeMutablePointer<LayoutEntry>?
}

/// Shapes by the bytes of their encoded create info. Bounded: what comes late is asked every time.
struct ShapeCache {
  private struct State {
    var count: Int
    var buckets: UnsafeMutablePointer<UnsafeMutablePointer<Shape>?>
  }

  private static var bucketCount: Int { 1024 }
  private static var largestCount: Int { 8192 }

  private let lock: Lock
  private let state: UnsafeMutablePointer<State>?

  /// Without memory, or when it is `off`, a cache that knows nothing.
  init?(off: Bool) {
    guard let lock = Lock() else { return nil }
    self.lock = lock
    guard !off, let buckets = platform_calloc(ShapeCache.bucketCount, 8),
      let raw = platform_malloc(MemoryLayout<State>.stride)
    else {
      state = nil
      return
    }
    let state = raw.bindMemory(to: State.self, capacity: 1)
    state.initialize(
      to: State(
        count: 0,
        buckets: buckets.bindMemory(
          to: UnsafeMutablePointer<Shape>?.self, capacity: ShapeCache.bucketCount)))
    self.state = state
  }

  private func hash(_ key: UnsafeRawBufferPointer) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    var i = 0
    while i &+ 4 <= key.count {
      let word = key.loadUnaligned(fromByteOffset: i, as: UInt32.self)
      hash = (hash ^ UInt64(word)) &* 0x100_0000_01B3
      i &+= 4
    }
    return hash ^ (hash &>> 31)
  }

  /// The shape of these bytes, made if need be; nil when the cache takes no more.
  func shape(_ key: UnsafeRawBufferPointer) -> UnsafeMutablePointer<Shape>? {
    guard let state, let start = key.baseAddress else { return nil }
    let hash = hash(key)
    let bucket =
      state.pointee.buckets + (Int(truncatingIfNeeded: hash) & (ShapeCache.bucketCount &- 1))
    lock.lock()
    defer { lock.unlock() }
    var shape = bucket.pointee
    while let known = shape {
      if known.pointee.hash == hash, known.pointee.keySize == key.count,
        platform_compare(UnsafeRawPointer(known + 1), start, key.count) == 0
      {
        return known
      }
      shape = known.pointee.next
    }
    guard state.pointee.count < ShapeCache.largestCount,
      let raw = platform_calloc(1, MemoryLayout<Shape>.stride &+ key.count)
    else { return nil }
    let made = raw.bindMemory(to: Shape.self, capacity: 1)
    made.pointee.hash = hash
    made.pointee.keySize = key.count
    made.pointee.next = bucket.pointee
    platform_copy(UnsafeMutableRawPointer(made + 1), start, key.count)
    bucket.pointee = made
    state.pointee.count &+= 1
    return made
  }

  /// Copies the known requirements out; false when they have not been asked yet.
  func requirements(
    _ shape: UnsafeMutablePointer<Shape>?, _ out: inout VkMemoryRequirements,
    _ prefersDedicated: inout VkBool32, _ requiresDedicated: inout VkBool32
  ) -> Bool {
    guard let shape else { return false }
    lock.lock()
    defer { lock.unlock() }
    guard shape.pointee.hasRequirements else { return false }
    out = shape.pointee.requirements
    prefersDedicated = shape.pointee.prefersDedicated
    requiresDedicated = shape.pointee.requiresDedicated
    return true
  }

  func setRequirements(
    _ shape: UnsafeMutablePointer<Shape>?, _ requirements: VkMemoryRequirements,
    _ prefersDedicated: VkBool32, _ requiresDedicated: VkBool32
  ) {
    guard let shape else { return }
    lock.lock()
    defer { lock.unlock() }
    shape.pointee.requirements = requirements
    shape.pointee.prefersDedicated = prefersDedicated
    shape.pointee.requiresDedicated = requiresDedicated
    shape.pointee.hasRequirements = true
  }

  /// The known layout of a subresource.
  func layout(_ shape: UnsafeMutablePointer<Shape>?, _ subresource: VkImageSubresource)
    -> VkSubresourceLayout?
  {
    guard let shape else { return nil }
    lock.lock()
    defer { lock.unlock() }
    var entry = shape.pointee.layouts
    while let known = entry {
      let other = known.pointee.subresource
      if other.aspectMask == subresource.aspectMask, other.mipLevel == subresource.mipLevel,
        other.arrayLayer == subresource.arrayLayer
      {
        return known.pointee.layout
      }
      entry = known.pointee.next
    }
    return nil
  }

  func setLayout(
    _ shape: UnsafeMutablePointer<Shape>?, _ subresource: VkImageSubresource,
    _ layout: VkSubresourceLayout
  ) {
    guard let shape, let raw = platform_malloc(MemoryLayout<LayoutEntry>.stride) else { return }
    let entry = raw.bindMemory(to: LayoutEntry.self, capacity: 1)
    lock.lock()
    defer { lock.unlock() }
    entry.initialize(
      to: LayoutEntry(subresource: subresource, layout: layout, next: shape.pointee.layouts))
    shape.pointee.layouts = entry
  }

  /// Gives everything back, at the end of the device.
  func free() {
    if let state {
      var i = 0
      while i < ShapeCache.bucketCount {
        var shape = state.pointee.buckets[i]
        while let known = shape {
          shape = known.pointee.next
          var entry = known.pointee.layouts
          while let layout = entry {
            entry = layout.pointee.next
            platform_free(layout)
          }
          platform_free(known)
        }
        i &+= 1
      }
      platform_free(state.pointee.buckets)
      platform_free(state)
    }
    lock.free()
  }
}
