import CPlatform

/// The places of the ids in a record, in bytes from its start, as a `Reader` finds them.
///
/// Plain old data that owns memory; `free` ends it. Thread-safety: none.
public struct IDPlaces {
  /// What the places count from.
  public var origin: UnsafeRawPointer
  /// False once memory ran out: then some are missing.
  public private(set) var isComplete: Bool = true
  public private(set) var count: Int = 0
  private var memory: UnsafeMutablePointer<UInt32>?
  private var capacity: Int = 0

  /// No places yet.
  public init() {
    // Replaced before anything is added.
    origin = UnsafeRawPointer(bitPattern: 8).unsafelyUnwrapped
    memory = nil
  }

  /// Forgets all places; the next ones count from `origin`.
  public mutating func reset(_ origin: UnsafeRawPointer) {
    self.origin = origin
    count = 0
    isComplete = true
  }

  public subscript(_ index: Int) -> Int {
    guard let memory, index >= 0, index < count else { return 0 }
    return Int(memory[index])
  }

  mutating func add(_ place: UnsafeRawPointer) {
    if count == capacity {
      let wanted: Int = max(capacity &* 2, 64)
      guard let larger = platform_realloc(memory, wanted &* 4) else {
        isComplete = false
        return
      }
      memory = larger.bindMemory(to: UInt32.self, capacity: wanted)
      capacity = wanted
    }
    memory?[count] = UInt32(truncatingIfNeeded: place - origin)
    count &+= 1
  }

  /// Gives the memory back.
  public mutating func free() {
    platform_free(memory)
    memory = nil
    count = 0
    capacity = 0
  }
}
