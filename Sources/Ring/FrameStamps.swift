public import CPlatform

/// The moments of a frame, in their order: where each is noted, `docs/frame-clock.md`.
public enum FrameMoment {
  /// The first input since the frame before came from the window system.
  @inlinable public static var input: Int { 0 }
  /// The application called vkQueuePresentKHR or swapped.
  @inlinable public static var presented: Int { 1 }
  /// The present was handed to the node's link, or to the ring that the node reads.
  @inlinable public static var submitted: Int { 2 }
  /// The node had it.
  @inlinable public static var started: Int { 3 }
  /// The GPU had drawn the frame and copied it out.
  @inlinable public static var drawn: Int { 4 }
  /// The first of its bands was coded.
  @inlinable public static var firstBand: Int { 5 }
  /// The last of its bands was.
  @inlinable public static var lastBand: Int { 6 }
  /// The agent had all of its bytes.
  @inlinable public static var received: Int { 7 }
  /// Its pixels lay in the frame buffer.
  @inlinable public static var decoded: Int { 8 }
  /// The window system had taken them.
  @inlinable public static var shown: Int { 9 }
  @inlinable public static var count: Int { 10 }
}

/// When a frame was where: nanoseconds of the client's CLOCK_MONOTONIC, by `FrameMoment`; 0 where a frame was
/// not on its way, or nobody has noted it.
public struct FrameStamps: Sendable {
  /// The present's number in its process, from 1.
  public var number: UInt64 = 0
  /// What the moments on the node may be wrong by, nanoseconds: its clock is another one.
  public var uncertainty: UInt64 = 0
  /// The frame is not there: its image has the picture of the one before, since a newer one was made.
  public var isLeftOut = false
  private var moments = InlineArray<10, UInt64>(repeating: 0)

  public init() {}

  /// `moment` must be below `FrameMoment.count`.
  public subscript(_ moment: Int) -> UInt64 {
    get { moments[moment] }
    set { moments[moment] = newValue }
  }

  /// The moment that the frame's way begins with: input when there was some, else the present.
  public var beginning: UInt64 {
    let input = moments[FrameMoment.input]
    return input != 0 ? input : moments[FrameMoment.presented]
  }

  /// Puts what two clocks say in order: no moment is before the one before it, none after the last. What
  /// lies at either end is of one clock, and stays.
  public mutating func order() {
    let last = moments[FrameMoment.shown]
    var before: UInt64 = 0
    var moment = 0
    while moment < FrameMoment.count {
      if moments[moment] != 0 {
        moments[moment] = min(max(moments[moment], before), max(last, before))
        before = moments[moment]
      }
      moment &+= 1
    }
  }

  /// Nanoseconds from the last moment that is known before this one until this one: the parts of a frame's
  /// way, whose sum is the way. Nil when this one is not known, or is the first.
  public func part(endingAt moment: Int) -> UInt64? {
    guard moments[moment] != 0 else { return nil }
    var earlier = moment
    while earlier > 0 {
      earlier &-= 1
      if moments[earlier] != 0 { return moments[moment] &- moments[earlier] }
    }
    return nil
  }
}

/// What a node has noted of one frame, in its own clock's nanoseconds, and its message (`frameTimes`). Times
/// behind `started` travel as distances from it, of at most 4.29 s.
///
/// ```
///  0   u64 swapchain        8   u32 slot       12   u32 flags       16   u64 value
/// 24   u64 started         32   u32 drawn      36   u32 firstBand; 0xFFFFFFFF: none
/// 40   u32 lastBand        44   u32 sent: this message was written
/// ```
///
/// Flags: 1 the frame was left out, 2 its picture has become better since it was announced.
public struct NodeFrameTimes: Equatable, Sendable {
  public static var byteCount: Int { 48 }

  public var swapchain: UInt64
  /// What is completed when the frame is there.
  public var slot: UInt32
  public var value: UInt64
  public var started: UInt64
  public var drawn: UInt64 = 0
  /// 0 when nothing was coded or sent.
  public var firstBand: UInt64 = 0
  public var lastBand: UInt64 = 0
  public var sent: UInt64 = 0
  /// The frame was not sent, since a newer one was there.
  public var isLeftOut = false
  /// Its picture has become better since it was announced.
  public var isRefined = false

  public init(swapchain: UInt64, slot: UInt32, value: UInt64, started: UInt64) {
    self.swapchain = swapchain
    self.slot = slot
    self.value = value
    self.started = started
  }

  /// Nil when there are too few bytes.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= NodeFrameTimes.byteCount else { return nil }
    func long(_ offset: Int) -> UInt64 {
      UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    func word(_ offset: Int) -> UInt32 {
      UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
    self.init(swapchain: long(0), slot: word(8), value: long(16), started: long(24))
    let start = started
    func time(_ offset: Int) -> UInt64 { start &+ UInt64(word(offset)) }
    drawn = time(32)
    let hasBands = word(36) != UInt32.max
    firstBand = hasBands ? time(36) : 0
    lastBand = hasBands ? time(40) : 0
    sent = time(44)
    isLeftOut = word(12) & 1 != 0
    isRefined = word(12) & 2 != 0
  }

  /// Writes `byteCount` bytes.
  public func write(to p: UnsafeMutableRawPointer) {
    let start = started
    func distance(_ time: UInt64) -> UInt32 {
      UInt32(truncatingIfNeeded: min(time > start ? time &- start : 0, UInt64(UInt32.max &- 1)))
        .littleEndian
    }
    p.storeBytes(of: swapchain.littleEndian, as: UInt64.self)
    p.storeBytes(of: slot.littleEndian, toByteOffset: 8, as: UInt32.self)
    let flags: UInt32 = (isLeftOut ? 1 : 0) | (isRefined ? 2 : 0)
    p.storeBytes(of: flags.littleEndian, toByteOffset: 12, as: UInt32.self)
    p.storeBytes(of: value.littleEndian, toByteOffset: 16, as: UInt64.self)
    p.storeBytes(of: started.littleEndian, toByteOffset: 24, as: UInt64.self)
    p.storeBytes(of: distance(drawn), toByteOffset: 32, as: UInt32.self)
    p.storeBytes(
      of: firstBand == 0 ? UInt32.max : distance(firstBand), toByteOffset: 36, as: UInt32.self)
    p.storeBytes(of: distance(lastBand), toByteOffset: 40, as: UInt32.self)
    p.storeBytes(of: distance(sent), toByteOffset: 44, as: UInt32.self)
  }
}

/// Where stamps lie in the segment. A row is 16 words: a key, the number, the uncertainty, flags (1: left out; from
/// bit 1 on, how often the picture has become better since), and the moments.
///
/// ```
///  2 MiB   65,536 rows, one a slot: of the frame that the slot's value announces; key: that value
/// 16 MiB   u64: frames shown; at 4 KiB from there 4,096 rows, of the last ones; key: its number among them, from 1
/// ```
public enum FrameStampLayout {
  static var arrivalsOffset: Int { 2 << 20 }
  static var shownOffset: Int { 16 << 20 }
  static var rowSize: Int { 128 }
  /// Frames that are remembered after they were shown.
  @inlinable public static var shownCount: UInt64 { 4096 }
}

extension Segment {
  private func row(_ offset: Int) -> UnsafeMutablePointer<UInt64> {
    (base + offset).assumingMemoryBound(to: UInt64.self)
  }

  private func store(
    _ stamps: FrameStamps, _ key: UInt64, at row: UnsafeMutablePointer<UInt64>
  ) {
    // Whoever reads meanwhile finds a key that he does not look for.
    platform_store64_seq(row, 0)
    platform_store64(row + 1, stamps.number)
    platform_store64(row + 2, stamps.uncertainty)
    platform_store64(row + 3, stamps.isLeftOut ? 1 : 0)
    var moment = 0
    while moment < FrameMoment.count {
      platform_store64(row + 4 + moment, stamps[moment])
      moment &+= 1
    }
    platform_store64_seq(row, key)
  }

  private func load(_ row: UnsafeMutablePointer<UInt64>, _ key: UInt64) -> FrameStamps? {
    guard platform_load64_seq(row) == key else { return nil }
    var stamps = FrameStamps()
    stamps.number = platform_load64(row + 1)
    stamps.uncertainty = platform_load64(row + 2)
    stamps.isLeftOut = platform_load64(row + 3) & 1 != 0
    var moment = 0
    while moment < FrameMoment.count {
      stamps[moment] = platform_load64(row + 4 + moment)
      moment &+= 1
    }
    platform_fence()
    return platform_load64_seq(row) == key ? stamps : nil
  }

  /// Notes when a frame was where, before the completion that announces it. Slots out of range are ignored. The
  /// slot's owner alone: the agent, or a node on this host.
  public func noteArrival(slot: UInt32, value: UInt64, _ stamps: FrameStamps) {
    guard slot < SegmentLayout.slotCount else { return }
    store(
      stamps, value,
      at: row(FrameStampLayout.arrivalsOffset &+ Int(slot) &* FrameStampLayout.rowSize))
  }

  /// The same of a frame that a node on this host has drawn into the frame buffer itself.
  public func noteArrival(_ times: NodeFrameTimes) {
    var stamps = FrameStamps()
    stamps[FrameMoment.started] = times.started
    stamps[FrameMoment.drawn] = times.drawn
    noteArrival(slot: times.slot, value: times.value, stamps)
  }

  /// The picture of a frame has become better since it arrived. Ignored when its slot has another frame by now. The
  /// slot's owner alone.
  public func noteRefined(slot: UInt32, value: UInt64) {
    guard slot < SegmentLayout.slotCount else { return }
    let place = row(FrameStampLayout.arrivalsOffset &+ Int(slot) &* FrameStampLayout.rowSize)
    guard platform_load64_seq(place) == value else { return }
    _ = platform_add64(place + 3, 2)
  }

  /// How often the picture of a frame has become better since it arrived; nil when its slot has another one.
  public func refinements(slot: UInt32, value: UInt64) -> UInt64? {
    guard slot < SegmentLayout.slotCount, value != 0 else { return nil }
    let place = row(FrameStampLayout.arrivalsOffset &+ Int(slot) &* FrameStampLayout.rowSize)
    let flags = platform_load64(place + 3)
    guard platform_load64_seq(place) == value else { return nil }
    return flags &>> 1
  }

  /// What was noted of a frame that has arrived; nil when nothing was.
  public func arrival(slot: UInt32, value: UInt64) -> FrameStamps? {
    guard slot < SegmentLayout.slotCount, value != 0 else { return nil }
    return load(
      row(FrameStampLayout.arrivalsOffset &+ Int(slot) &* FrameStampLayout.rowSize), value)
  }

  /// Keeps the stamps of a frame that was shown. Any thread of the client.
  public func noteShown(_ stamps: FrameStamps) {
    let number = platform_add64(row(FrameStampLayout.shownOffset), 1)
    store(stamps, number &+ 1, at: shownRow(number))
  }

  private func shownRow(_ number: UInt64) -> UnsafeMutablePointer<UInt64> {
    let index = Int(truncatingIfNeeded: number % FrameStampLayout.shownCount)
    return row(FrameStampLayout.shownOffset &+ 4096 &+ index &* FrameStampLayout.rowSize)
  }

  /// How many frames `noteShown` was given.
  public var shownCount: UInt64 { platform_load64_seq(row(FrameStampLayout.shownOffset)) }

  /// The stamps of the frame with this number, from 0, among those that were shown; nil when it is not there yet, or
  /// not any more.
  public func shown(_ number: UInt64) -> FrameStamps? { load(shownRow(number), number &+ 1) }

  /// Says that there was input at `time`; the first since the last frame counts. Any process.
  public func noteInput(_ time: UInt64) {
    _ = platform_compare_exchange64(row(HeaderField.input), 0, time)
  }

  /// Takes the input that came before a frame was presented; 0 without any.
  public func takeInput(before presented: UInt64) -> UInt64 {
    let time = platform_load64(row(HeaderField.input))
    guard time != 0, time <= presented,
      platform_compare_exchange64(row(HeaderField.input), time, 0)
    else { return 0 }
    return time
  }
}
