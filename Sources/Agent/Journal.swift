internal import VulkanWire

/// The records that made what is alive, so that another node could be given the same objects.
///
/// One per channel, and so one per device: what a device's end takes with it goes with the channel.
/// Threads: the channel's own, and whoever reads the counters under the session's lock.
struct Journal {
  /// Bytes of records that are kept; the oldest knowledge is not given up for newer, so a journal
  /// that has overflowed is of no use any more and says so.
  let limit: Int
  private(set) var byteCount = 0
  private(set) var hasOverflowed = false
  private var records: [UInt64: [UInt8]] = [:]

  init(limit: Int) { self.limit = limit }

  var objectCount: Int { records.count }

  /// The creating record of an object that lives.
  func record(of id: UInt64) -> [UInt8]? { records[id] }

  /// Takes note of one whole record.
  mutating func note(_ opcode: UInt32, _ record: UnsafeRawBufferPointer) {
    guard opcode >= 0x1000, let info = commandInfo(opcode), info.idOffset > 0 else { return }
    if info.created != nil {
      forEachID(info, record) { id in
        guard !hasOverflowed, records[id] == nil else { return }
        guard byteCount + record.count <= limit else {
          hasOverflowed = true
          records = [:]
          byteCount = 0
          return
        }
        records[id] = Array(record)
        byteCount += record.count
      }
    } else if info.destroyed != nil {
      forEachID(info, record) { id in
        if let old = records.removeValue(forKey: id) { byteCount -= old.count }
      }
    }
  }

  private func forEachID(
    _ info: CommandInfo, _ record: UnsafeRawBufferPointer, _ body: (UInt64) -> Void
  ) {
    var offset = info.idOffset
    var count = 1
    if info.isArray {
      guard offset + 4 <= record.count else { return }
      count = Int(record.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
      offset += 4
    }
    guard count <= (record.count - min(offset, record.count)) / 8 else { return }
    for index in 0..<count {
      let id = record.loadUnaligned(fromByteOffset: offset + index * 8, as: UInt64.self)
      if id != 0 { body(id) }
    }
  }
}
