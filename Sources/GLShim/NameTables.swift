import CPlatform
import Client
import GLWire

/// What a name names, as far as the client keeps accounts.
enum NameKind: Int {
  case texture, buffer, renderbuffer, program, sampler, list
  case framebuffer, query, vertexArray, transformFeedback, programPipeline, arbProgram
  /// Which of the programs' names are shaders'.
  case shader

  static var count: Int { 13 }
}

/// The names of one kind that are in use: a bit for each of the first 4 Mi, grown as needed. Names
/// beyond are the application's own, and never given out.
struct NameTable {
  private var words: UnsafeMutablePointer<UInt64>?
  private var capacity = 0
  /// No name below is free.
  private var lowest: UInt32 = 1

  private static var most: Int { 4 << 20 }

  /// Makes room for `name`; false without memory.
  private mutating func reach(_ name: Int) -> Bool {
    if name < capacity { return true }
    guard name < NameTable.most else { return false }
    var wanted = max(capacity &* 2, 1024)
    while wanted <= name { wanted &*= 2 }
    guard let raw = platform_calloc(wanted / 64, 8) else { return false }
    let grown = raw.bindMemory(to: UInt64.self, capacity: wanted / 64)
    if let words {
      platform_copy(grown, words, capacity / 8)
      platform_free(words)
    }
    words = grown
    capacity = wanted
    return true
  }

  func isUsed(_ name: Int) -> Bool {
    guard name < capacity, let words else { return false }
    return words[name / 64] & (1 &<< UInt64(name % 64)) != 0
  }

  /// Marks a name as in use, whoever gave it.
  mutating func use(_ name: UInt32) {
    guard reach(Int(name)), let words else { return }
    words[Int(name) / 64] |= 1 &<< UInt64(name % 64)
  }

  mutating func release(_ name: UInt32) {
    guard name != 0, Int(name) < capacity, let words else { return }
    words[Int(name) / 64] &= ~(1 &<< UInt64(name % 64))
    if name < lowest { lowest = name }
  }

  /// The lowest free name, taken; 0 when there is none.
  mutating func take() -> UInt32 {
    var name = Int(lowest)
    while isUsed(name) { name &+= 1 }
    guard reach(name) else { return 0 }
    use(UInt32(name))
    lowest = UInt32(name &+ 1)
    return UInt32(name)
  }

  /// The first of `count` free names in a row, taken; 0 when there are none.
  mutating func takeRange(_ count: Int) -> UInt32 {
    var start = Int(lowest)
    var length = 0
    while length < count {
      guard start &+ length < NameTable.most else { return 0 }
      if isUsed(start &+ length) {
        start &+= length &+ 1
        length = 0
      } else {
        length &+= 1
      }
    }
    var i = 0
    while i < count {
      use(UInt32(start &+ i))
      i &+= 1
    }
    return UInt32(start)
  }

  func free() { platform_free(words) }
}

/// The names of one share group that are in use, by kind. Guarded by the group's lock.
struct NameTables {
  private let tables: UnsafeMutablePointer<NameTable>

  init?() {
    guard let raw = platform_malloc(NameKind.count &* MemoryLayout<NameTable>.stride) else {
      return nil
    }
    tables = raw.bindMemory(to: NameTable.self, capacity: NameKind.count)
    tables.initialize(repeating: NameTable(), count: NameKind.count)
  }

  subscript(_ kind: NameKind) -> UnsafeMutablePointer<NameTable> { tables + kind.rawValue }

  func free() {
    var i = 0
    while i < NameKind.count {
      tables[i].free()
      i &+= 1
    }
    platform_free(tables)
  }
}

extension UnsafeMutablePointer<ContextState> {
  /// Gives out `count` names; false, with an error raised, when the count is negative or there are
  /// none left.
  func generateNames(
    _ kind: NameKind, _ count: Int32, _ names: UnsafeMutablePointer<UInt32>?
  ) -> Bool {
    guard count >= 0 else {
      raise(GL.INVALID_VALUE)
      return false
    }
    guard let names else { return false }
    let share = pointee.share
    share.pointee.lock.lock()
    defer { share.pointee.lock.unlock() }
    var i = 0
    while i < Int(count) {
      names[i] = share.pointee.names[kind].pointee.take()
      i &+= 1
    }
    return true
  }

  func releaseNames(_ kind: NameKind, _ count: Int32, _ names: UnsafePointer<UInt32>?) {
    guard let names, count > 0 else { return }
    let share = pointee.share
    share.pointee.lock.lock()
    var i = 0
    while i < Int(count) {
      share.pointee.names[kind].pointee.release(names[i])
      i &+= 1
    }
    share.pointee.lock.unlock()
  }

  /// A name for one object; 0 when there is none left.
  func takeName(_ kind: NameKind) -> UInt32 {
    let share = pointee.share
    share.pointee.lock.lock()
    defer { share.pointee.lock.unlock() }
    return share.pointee.names[kind].pointee.take()
  }

  func isName(_ kind: NameKind, _ name: UInt32) -> Bool {
    let share = pointee.share
    share.pointee.lock.lock()
    defer { share.pointee.lock.unlock() }
    return share.pointee.names[kind].pointee.isUsed(Int(name))
  }

  /// Keeps a name that the application made up from being given out.
  func useName(_ kind: NameKind, _ name: UInt32) {
    guard name != 0 else { return }
    let share = pointee.share
    share.pointee.lock.lock()
    share.pointee.names[kind].pointee.use(name)
    share.pointee.lock.unlock()
  }

  /// The same, for what must have been generated in the core profile. `isLocked`: the group's lock is held.
  func useMadeUpName(_ kind: NameKind, _ name: UInt32, isLocked: Bool = false) {
    guard name != 0, pointee.request.api != 0 || hasFixedFunction else { return }
    if isLocked {
      pointee.share.pointee.names[kind].pointee.use(name)
    } else {
      useName(kind, name)
    }
  }
}
