internal import CPlatform
internal import Wire

/// The command buffers that both ends of a channel hold.
///
/// Neither end tells the other what it forgets: both apply the same records in the same order, and
/// everything here follows from those alone. What is used comes to the front; when the bytes exceed
/// the limit, the back is forgotten.
struct BlobStore: ~Copyable {
  /// A command buffer whose ids are hoisted.
  struct Blob {
    /// From 1 in the order of definition.
    let number: UInt32
    /// The commands with zeros in place of ids, then the gaps between those, `u32` each.
    let contents: UnsafeRawBufferPointer
    let bodyCount: Int
    let idCount: Int
    /// The ids of its latest use.
    var ids: UnsafeMutableRawPointer?
    /// For the coder's side; 0 on the other.
    var hash: UInt64 = 0
    var shape: UInt64 = 0
    fileprivate var newer: UInt32 = 0
    fileprivate var older: UInt32 = 0

    var idBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: ids, count: idCount * 8) }
    var cost: Int { BlobStore.cost(contents: contents.count, idCount: idCount) }

    fileprivate func free() {
      platform_free(UnsafeMutableRawPointer(mutating: contents.baseAddress))
      platform_free(ids)
    }
  }

  /// Bytes that a channel's blobs may take at either end.
  static let limit = 64 << 20
  /// A blob that takes more is not kept: it would drive out too many.
  static var largest: Int { limit / 4 }

  /// What keeping a blob takes. Part of the protocol, as are the two limits.
  static func cost(contents: Int, idCount: Int) -> Int { contents + idCount * 8 + 256 }

  private let limit: Int
  private var blobs: [UInt32: Blob] = [:]
  private(set) var byteCount = 0
  /// The number of the next blob.
  private(set) var next: UInt32 = 1
  private var newest: UInt32 = 0
  private var oldest: UInt32 = 0

  init(limit: Int = BlobStore.limit) { self.limit = limit }

  deinit { for blob in blobs.values { blob.free() } }

  var count: Int { blobs.count }

  func mayKeep(contents: Int, idCount: Int) -> Bool {
    BlobStore.cost(contents: contents, idCount: idCount) <= limit / 4
  }

  subscript(_ number: UInt32) -> Blob? { blobs[number] }

  /// Keeps a blob as the newest and forgets what no longer fits. Copies what it is given. Nil when
  /// there is no memory.
  mutating func add(
    contents: UnsafeRawBufferPointer, bodyCount: Int, ids: UnsafeRawBufferPointer,
    hash: UInt64 = 0, shape: UInt64 = 0, forgotten: (Blob) -> Void
  ) -> UInt32? {
    guard let own = Bytes.copy(contents) else { return nil }
    var blob = Blob(
      number: next, contents: UnsafeRawBufferPointer(start: own, count: contents.count),
      bodyCount: bodyCount, idCount: ids.count / 8, ids: Bytes.copy(ids), hash: hash, shape: shape)
    guard blob.ids != nil || blob.idCount == 0 else {
      blob.free()
      return nil
    }
    blob.older = newest
    if newest != 0 { blobs[newest]?.newer = next } else { oldest = next }
    newest = next
    blobs[next] = blob
    byteCount += blob.cost
    next &+= 1
    while byteCount > limit, oldest != newest, let last = blobs[oldest] {
      blobs[oldest] = nil
      oldest = last.newer
      blobs[oldest]?.older = 0
      byteCount -= last.cost
      forgotten(last)
      last.free()
    }
    return blob.number
  }

  /// A blob has been used with these ids, as many as it has.
  mutating func use(_ number: UInt32, ids: UnsafeRawBufferPointer) {
    if let own = blobs[number]?.ids, let from = ids.baseAddress,
      blobs[number]?.idCount == ids.count / 8
    {
      platform_copy(own, from, ids.count)
    }
    moveToFront(number)
  }

  mutating func moveToFront(_ number: UInt32) {
    guard number != newest, let blob = blobs[number] else { return }
    if blob.older != 0 { blobs[blob.older]?.newer = blob.newer } else { oldest = blob.newer }
    blobs[blob.newer]?.older = blob.older
    blobs[number]?.older = newest
    blobs[number]?.newer = 0
    blobs[newest]?.newer = number
    newest = number
  }

  /// The numbers that are held, newest first. For tests: both ends must say the same.
  var order: [UInt32] {
    var numbers: [UInt32] = []
    var at = newest
    while at != 0, let blob = blobs[at] {
      numbers.append(at)
      at = blob.older
    }
    return numbers
  }
}

/// The records of coded command buffers (`docs/wire-format.md`). Offsets count from the start.
enum BlobRecord {
  /// A command buffer that the node has not, or not quite.
  static let define: UInt32 = 0x110
  static let commandBuffer = 8  // u64
  static let number = 16  // u32; in `define` 0: the node does not keep it
  static let base = 20  // u32; 0: none
  static let bodyCount = 24  // u32
  static let idCount = 28  // u32
  static let digest = 32  // 32 bytes
  static let codedContents = 64  // u32
  static let codedIDs = 68  // u32
  static let defineSize = 72

  /// A command buffer that the node has, with other ids.
  static let use: UInt32 = 0x111
  static let useIDs = 20  // u32
  static let useSize = 24

  /// Smaller command buffers travel as they are: their blob's record would be larger.
  static let smallest = 192

  /// What the digest covers.
  static func digest(bodyCount: Int, idCount: Int, _ contents: UnsafeRawBufferPointer) -> Digest {
    var counts = (UInt64(bodyCount).littleEndian, UInt64(idCount).littleEndian)
    return withUnsafeBytes(of: &counts) { Digest(of: $0, contents) }
  }
}
