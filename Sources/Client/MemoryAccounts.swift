import CPlatform
import Ring

/// What the process holds of each heap of its node, all devices together, as the node counts it too: so an
/// allocation that the node would refuse is refused where the application makes it.
///
/// The channels of two devices are read at different speeds. What a device has freed is room for itself at
/// once, since its records stay in order; for another device it is room only when it is known to be read.
/// Thread-safety: a lock of its own. A plain value; copies are the same accounts.
public struct MemoryAccounts: @unchecked Sendable {
  /// Physical devices of a node, and heaps of each (VK_MAX_MEMORY_HEAPS).
  private static var deviceCount: Int { 16 }
  private static var heapCount: Int { 16 }
  private static var accountCount: Int { deviceCount &* heapCount }

  /// What a channel has freed. Both only grow; what lies between them may not be read yet.
  private struct Freed {
    var published: UInt64
    /// What became room for others, or was taken again by the channel's own device; the oldest first.
    var spent: UInt64

    var rest: UInt64 { published &- spent }
  }

  private let lock: Lock
  /// Held while somebody asks what a device has read: none goes away meanwhile.
  private let devicesLock: Lock
  /// The device of each channel.
  private let devices: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  /// The channel that the last device has left; 0 for none.
  private let inherited: UnsafeMutablePointer<UInt32>
  /// By account: what was allocated and is not known to be freed.
  private let held: UnsafeMutablePointer<UInt64>
  /// By channel and account.
  private let freed: UnsafeMutablePointer<Freed>

  /// Nil when there is no memory.
  public init?() {
    let channels = Int(SegmentLayout.channelCount)
    guard let lock = Lock(), let devicesLock = Lock(),
      let devices = platform_calloc(channels, MemoryLayout<UnsafeMutableRawPointer?>.stride),
      let inherited = platform_calloc(1, 4),
      let held = platform_calloc(MemoryAccounts.accountCount, 8),
      let freed = platform_calloc(
        channels &* MemoryAccounts.accountCount, MemoryLayout<Freed>.stride)
    else { return nil }
    self.lock = lock
    self.devicesLock = devicesLock
    self.devices = devices.bindMemory(to: UnsafeMutableRawPointer?.self, capacity: channels)
    self.inherited = inherited.bindMemory(to: UInt32.self, capacity: 1)
    self.held = held.bindMemory(to: UInt64.self, capacity: MemoryAccounts.accountCount)
    self.freed = freed.bindMemory(
      to: Freed.self, capacity: channels &* MemoryAccounts.accountCount)
  }

  /// The account of a heap of a physical device, by its index among the node's; nil beyond what is counted.
  public static func account(device: Int, heap: Int) -> Int? {
    guard device >= 0, device < deviceCount, heap >= 0, heap < heapCount else { return nil }
    return device &* heapCount &+ heap
  }

  private func freedBy(_ channel: UInt32, _ account: Int) -> UnsafeMutablePointer<Freed> {
    freed + (Int(channel) &* MemoryAccounts.accountCount &+ account)
  }

  /// Takes room for an allocation that is about to be recorded on `channel`; false when the heap, of `limit`
  /// bytes, has no room that is certain.
  public func take(_ size: UInt64, account: Int, limit: UInt64, channel: UInt32) -> Bool {
    lock.lock()
    defer { lock.unlock() }
    let own = freedBy(channel, account)
    let again = min(size, own.pointee.rest)
    let more = size &- again
    guard more <= limit, held[account] <= limit &- more else { return false }
    own.pointee.spent &+= again
    held[account] &+= more
    return true
  }

  /// Notes that the record which frees an allocation has been published on `channel`.
  public func giveBack(_ size: UInt64, account: Int, channel: UInt32) {
    lock.lock()
    defer { lock.unlock() }
    freedBy(channel, account).pointee.published &+= size
  }

  /// Whether a channel has freed anything that may not be read yet.
  public func isUnsettled(channel: UInt32) -> Bool {
    lock.lock()
    defer { lock.unlock() }
    var account = 0
    while account < MemoryAccounts.accountCount {
      if freedBy(channel, account).pointee.rest != 0 { return true }
      account &+= 1
    }
    return false
  }

  // MARK: Devices

  /// A device that allocates on `channel` is there from now on.
  public func join(_ device: UnsafeMutableRawPointer, channel: UInt32) {
    devicesLock.lock()
    devices[Int(channel)] = device
    devicesLock.unlock()
  }

  /// The device of a channel is about to end: what it has freed becomes room for the others, of which nobody
  /// could ask afterwards. The last device has no others. The next one takes over its channel, and with it
  /// what it has freed.
  public func leave(channel: UInt32, read: () -> Bool) {
    devicesLock.lock()
    defer { devicesLock.unlock() }
    devices[Int(channel)] = nil
    var other = 0
    while other < Int(SegmentLayout.channelCount), devices[other] == nil { other &+= 1 }
    if other == Int(SegmentLayout.channelCount) {
      inherited.pointee = channel
    } else if isUnsettled(channel: channel) {
      settle(channel: channel, read: read)
    }
  }

  /// The channel that the next device is to have; nil when any will do.
  var inheritedChannel: UInt32? {
    devicesLock.lock()
    defer { devicesLock.unlock() }
    defer { inherited.pointee = 0 }
    return inherited.pointee == 0 ? nil : inherited.pointee
  }

  /// Makes what every device but that of `channel` has freed room for everybody; `read` waits until the
  /// device's channel is read up to where it is now, and is false when it never will be.
  public func settleOthers(than channel: UInt32, read: (UnsafeMutableRawPointer) -> Bool) {
    devicesLock.lock()
    defer { devicesLock.unlock() }
    var other: UInt32 = 0
    while other < SegmentLayout.channelCount {
      if other != channel, let device = devices[Int(other)], isUnsettled(channel: other) {
        settle(channel: other) { read(device) }
      }
      other &+= 1
    }
  }

  /// Makes what a channel has freed room for everybody, once `read` has come back with true: the channel was
  /// read up to where it was before.
  public func settle(channel: UInt32, read: () -> Bool) {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: MemoryAccounts.accountCount) { seen in
      lock.lock()
      var account = 0
      while account < MemoryAccounts.accountCount {
        seen[account] = freedBy(channel, account).pointee.published
        account &+= 1
      }
      lock.unlock()
      guard read() else { return }
      lock.lock()
      account = 0
      while account < MemoryAccounts.accountCount {
        let own = freedBy(channel, account)
        // The channel's own device, or somebody else who asked, may have been here meanwhile.
        if seen[account] > own.pointee.spent {
          held[account] &-= seen[account] &- own.pointee.spent
          own.pointee.spent = seen[account]
        }
        account &+= 1
      }
      lock.unlock()
    }
  }
}
