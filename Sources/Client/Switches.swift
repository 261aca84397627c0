import CPlatform
public import PageTracker

/// The optimisations that `OMEGA_PERF=no_…,no_…` turns off, each by its name, so that a fault can
/// be narrowed down in the field. `OMEGA_PERF=help` prints the names.
public struct Switches: Sendable {
  private let off: UInt32

  private init(off: UInt32) { self.off = off }

  /// Written pages are found by the kernel; off: all mapped pages are compared at every submit.
  public var pageTracking: Bool { off & 1 == 0 }
  /// Replies that cannot change are kept and given again.
  public var replyCache: Bool { off & 2 == 0 }
  /// Calls whose result is known in advance do not wait; off: each waits until it has been read.
  public var asynchronous: Bool { off & 4 == 0 }
  /// Numbers of destroyed objects are given out again.
  public var idReuse: Bool { off & 8 == 0 }
  /// A first map of memory that the GPU cannot have written does not ask the node.
  public var lazyAttach: Bool { off & 16 == 0 }
  /// Memory requirements and subresource layouts are kept per shape of resource.
  public var requirementCache: Bool { off & 32 == 0 }
  /// The kernel notes written pages by itself; off: a thread of ours does, where it may.
  public var asynchronousPageTracking: Bool { off & 128 == 0 }
  /// Query results are pushed; off: each question goes to the node.
  public var queryPush: Bool { off & 64 == 0 }

  /// Frames carry stamps.
  public var frameClock: Bool { off & 1 << 17 == 0 }

  /// The best way to find written pages that is not switched off.
  public var trackingTier: TrackingTier {
    guard pageTracking else { return .compare }
    return asynchronousPageTracking ? .writeProtect : .faultThread
  }

  private static func name(_ bit: UInt32) -> StaticString? {
    switch bit {
    case 0: "no_page_tracking"
    case 1: "no_reply_cache"
    case 2: "no_async"
    case 3: "no_id_reuse"
    case 4: "no_lazy_attach"
    case 5: "no_requirement_cache"
    case 6: "no_query_push"
    case 7: "no_async_page_tracking"
    // Read by the node: after a queue operation it compares what that can have written.
    case 8: "no_write_sets"
    // The agent's (`Agent/StreamSwitches.swift`): known and listed here, and of no meaning to the
    // library.
    case 9: "no_blob_dedup"
    case 10: "no_blob_delta"
    case 11: "no_compression"
    case 12: "no_content_cache"
    // The node's: it reads its own environment, which an embedded node has from here.
    case 13: "no_spirv_validation"
    // Read by the agent and the node: what changed in mapped memory travels in packed blocks.
    case 14: "no_memory_blocks"
    // The agent's: frames from another host come as they are.
    case 15: "no_frame_coding"
    // The agent's: coded frames come over the link of the commands, not as datagrams.
    case 16: "no_datagrams"
    // Read by the library and the agent: nobody notes when a frame was where.
    case 17: "no_frame_clock"
    // The agent's: no interim pictures are made.
    case 18: "no_interim"
    // The agent's: interim pictures are made of pictures alone.
    case 19: "no_geometry"
    default: nil
    }
  }

  /// Reads the environment; warns about names that it does not know.
  public static func fromEnvironment() -> Switches {
    guard let text = platform_getenv("OMEGA_PERF") else { return Switches(off: 0) }
    var off: UInt32 = 0
    var start = 0
    while text[start] != 0 {
      var end = start
      while text[end] != 0 && text[end] != 0x2C { end &+= 1 }
      if end > start { off |= parse(text + start, end &- start) }
      start = text[end] == 0 ? end : end &+ 1
    }
    return Switches(off: off)
  }

  private static func parse(_ word: UnsafePointer<CChar>, _ count: Int) -> UInt32 {
    let bytes = UnsafeRawBufferPointer(start: word, count: count)
    if matches(bytes, "help") {
      printNames()
      return 0
    }
    var bit: UInt32 = 0
    while let name = name(bit) {
      if matches(bytes, name) { return 1 << bit }
      bit += 1
    }
    var line = LogLine(.warning)
    line.text("OMEGA_PERF does not know '")
    line.text(bytes)
    line.text("'; OMEGA_PERF=help lists the switches")
    line.send()
    return 0
  }

  private static func matches(_ bytes: UnsafeRawBufferPointer, _ name: StaticString) -> Bool {
    guard bytes.count == name.utf8CodeUnitCount, let start = bytes.baseAddress else { return false }
    return platform_compare(start, name.utf8Start, bytes.count) == 0
  }

  private static func printNames() {
    var line = LogLine(.error)
    line.text("OMEGA_PERF takes:")
    var bit: UInt32 = 0
    while let name = name(bit) {
      line.text(bit == 0 ? " " : ", ")
      line.text(name)
      bit += 1
    }
    line.send()
  }
}
