internal import CPlatform
internal import Wire

// Words that differ little from words that the peer has, or from those just before them.
//
//   sequence   variable literals, so many words as they are,
//              variable copied << 1 | moved, when moved: variable distance
//
// Sequences follow each other until all words are there; the last may end behind its literals. What
// is copied lies `distance` words before the place that it goes to, in the base followed by what has
// been written so far: a base of the same length is met word by word at a distance of its length,
// which is where the distance begins. Distances stay over literals, so that a word that has changed
// costs its four bytes and two of structure, wherever in the base the place is.

/// How words fall into units that are compared and moved as a whole.
struct WordUnits {
  /// Words at the front that are records with their size in bytes at byte 4.
  var recordWords: Int
  /// The size of a unit behind them.
  var restUnit: Int

  /// Words of the unit at `position` of the `count` words; at least one.
  @inline(__always)
  func size(_ words: UnsafePointer<UInt32>, _ position: Int, _ count: Int) -> Int {
    if position < recordWords {
      guard recordWords - position >= 2 else { return recordWords - position }
      let size = Int(words[position + 1]) / 4
      return max(1, min(size, recordWords - position))
    }
    return min(restUnit, count - position)
  }
}

/// A run of words.
struct Words {
  let start: UnsafePointer<UInt32>?
  let count: Int

  init(_ start: UnsafePointer<UInt32>?, _ count: Int) {
    self.start = start
    self.count = start == nil ? 0 : count
  }

  /// The whole words of bytes that lie at a multiple of 4.
  init(_ bytes: UnsafeRawBufferPointer) {
    self.init(bytes.baseAddress?.assumingMemoryBound(to: UInt32.self), bytes.count / 4)
  }

  static var none: Words { Words(nil, 0) }
}

/// The coder's side; keeps its tables. Its owner calls `free`.
struct WordEncoder {
  /// Where units of the same contents were last seen: 1 + their place in base and target.
  private var equal: UnsafeMutablePointer<UInt32>?
  private var mask = 0
  /// Where units of the same head were last seen.
  private let similar = UnsafeMutablePointer<UInt32>.allocate(capacity: 256)

  /// A unit with so many changed words stays where it is: looking elsewhere could not gain.
  private static let fewChanges = 2

  init() {}

  /// Gives the memory back. The encoder must not be used again.
  func free() {
    platform_free(equal)
    similar.deallocate()
  }

  /// Appends `target` in terms of `base`. False, and nothing is appended, when that would not save
  /// an eighth.
  mutating func encode(
    _ target: Words, _ units: WordUnits, base: Words, _ baseUnits: WordUnits, _ out: inout Bytes
  ) -> Bool {
    guard let words = target.start, target.count > 0,
      target.count < 1 << 28, base.count < 1 << 28, prepare(target.count + base.count)
    else { return false }
    let began = out.count
    let limit = began + target.count * 4 - target.count / 2
    var emitter = Emitter(words, distance: base.count)
    var isIndexed = false
    var at = 0
    while at < target.count {
      let size = units.size(words, at, target.count)
      let here = base.count + at
      let changes = self.changes(words, at, size, emitter.distance, base)
      if changes == 0 {
        emitter.copy(size, emitter.distance, &out)
        at += size
        continue
      }
      var distance = changes < size ? emitter.distance : 0
      if changes > WordEncoder.fewChanges {
        if !isIndexed {
          index(base, baseUnits)
          isIndexed = true
        }
        distance = search(words, at, size, changes, emitter.distance, base)
      }
      remember(words, at, size, here)
      emit(words, at, size, distance, base, &emitter, &out)
      guard out.count <= limit else { break }
      at += size
    }
    emitter.finish(&out)
    guard at == target.count, out.count <= limit, !out.hasFailed else {
      out.truncate(began)
      return false
    }
    return true
  }

  private mutating func prepare(_ total: Int) -> Bool {
    var wanted = 1 << 10
    while wanted < total / 2 && wanted < 1 << 18 { wanted <<= 1 }
    if equal == nil || mask + 1 < wanted {
      platform_free(equal)
      equal = platform_calloc(wanted, 4)?.bindMemory(to: UInt32.self, capacity: wanted)
      mask = wanted - 1
    } else if let equal {
      equal.update(repeating: 0, count: mask + 1)
    }
    similar.initialize(repeating: 0, count: 256)
    return equal != nil
  }

  /// Words of the unit that are others at `distance`; its size when there is nothing.
  @inline(__always)
  private func changes(
    _ words: UnsafePointer<UInt32>, _ at: Int, _ size: Int, _ distance: Int, _ base: Words
  ) -> Int {
    guard let source = WordEncoder.source(words, at, size, distance, base) else { return size }
    var count = 0
    for i in 0..<size where source[i] != words[at + i] { count += 1 }
    return count
  }

  /// `size` words at `distance` before `at`, when they do not straddle the end of the base.
  @inline(__always)
  private static func source(
    _ words: UnsafePointer<UInt32>, _ at: Int, _ size: Int, _ distance: Int, _ base: Words
  ) -> UnsafePointer<UInt32>? {
    let place = base.count + at - distance
    guard distance > 0, place >= 0 else { return nil }
    if place >= base.count { return words + (place - base.count) }
    guard place + size <= base.count, let start = base.start else { return nil }
    return start + place
  }

  private func hash(_ words: UnsafePointer<UInt32>, _ size: Int) -> Int {
    var h = UInt64(size)
    // Enough of a long unit to tell it; a match is compared whole.
    for i in 0..<min(size, 32) { h = (h ^ UInt64(words[i])) &* 0x9E37_79B9_7F4A_7C15 }
    return Int(truncatingIfNeeded: h >> 32) & mask
  }

  private func head(_ words: UnsafePointer<UInt32>, _ size: Int) -> Int {
    let first = UInt64(words[0]) << 32 | UInt64(size > 2 ? size : 2)
    return Int(truncatingIfNeeded: (first &* 0x9E37_79B9_7F4A_7C15) >> 56)
  }

  private mutating func index(_ base: Words, _ units: WordUnits) {
    guard let start = base.start else { return }
    var at = 0
    while at < base.count {
      let size = units.size(start, at, base.count)
      remember(start, at, size, at)
      at += size
    }
  }

  private mutating func remember(
    _ words: UnsafePointer<UInt32>, _ at: Int, _ size: Int, _ here: Int
  ) {
    guard let equal else { return }
    // Two places for each, the older of which is given up.
    let slot = hash(words + at, size)
    equal[slot ^ 1] = equal[slot]
    equal[slot] = UInt32(truncatingIfNeeded: here + 1)
    similar[head(words + at, size)] = UInt32(truncatingIfNeeded: here + 1)
  }

  /// The distance that leaves the fewest words to send; 0 when none is any good.
  private func search(
    _ words: UnsafePointer<UInt32>, _ at: Int, _ size: Int, _ changes: Int, _ current: Int,
    _ base: Words
  ) -> Int {
    guard let equal else { return 0 }
    let slot = hash(words + at, size)
    var best = (distance: changes < size ? current : 0, changes: changes)
    for attempt in 0..<3 {
      let place =
        attempt < 2 ? Int(equal[slot ^ attempt]) : Int(similar[head(words + at, size)])
      let distance = base.count + at - (place - 1)
      guard place > 0, distance > 0, distance != current else { continue }
      let found = self.changes(words, at, size, distance, base)
      // Another distance is about a word itself.
      if found + 1 < best.changes { best = (distance, found) }
      if found == 0 { break }
    }
    return best.distance
  }

  @inline(__always)
  private func emit(
    _ words: UnsafePointer<UInt32>, _ at: Int, _ size: Int, _ distance: Int, _ base: Words,
    _ emitter: inout Emitter, _ out: inout Bytes
  ) {
    guard let source = WordEncoder.source(words, at, size, distance, base) else {
      return emitter.literal(size, &out)
    }
    var i = 0
    while i < size {
      let isEqual = source[i] == words[at + i]
      var end = i + 1
      while end < size && (source[end] == words[at + end]) == isEqual { end += 1 }
      if isEqual {
        emitter.copy(end - i, distance, &out)
      } else {
        emitter.literal(end - i, &out)
      }
      i = end
    }
  }

  /// Gathers literals and copies into sequences.
  private struct Emitter {
    let words: UnsafePointer<UInt32>
    /// Of the copy that is gathered, or of the last one.
    private(set) var distance: Int
    private var sent: Int
    private var at = 0
    private var literals = 0
    private var copied = 0

    init(_ words: UnsafePointer<UInt32>, distance: Int) {
      self.words = words
      self.distance = distance
      sent = distance
    }

    @inline(__always)
    mutating func literal(_ count: Int, _ out: inout Bytes) {
      if copied > 0 { flush(&out) }
      literals += count
    }

    @inline(__always)
    mutating func copy(_ count: Int, _ distance: Int, _ out: inout Bytes) {
      if copied > 0 && distance != self.distance { flush(&out) }
      self.distance = distance
      copied += count
    }

    mutating func finish(_ out: inout Bytes) {
      if literals > 0 || copied > 0 { flush(&out) }
    }

    private mutating func flush(_ out: inout Bytes) {
      out.appendVariable(UInt64(literals))
      out.append(UnsafeRawBufferPointer(start: words + at, count: literals * 4))
      at += literals + copied
      literals = 0
      guard copied > 0 else { return }
      out.appendVariable(UInt64(copied) << 1 | (distance == sent ? 0 : 1))
      if distance != sent { out.appendVariable(UInt64(distance)) }
      sent = distance
      copied = 0
    }
  }
}

/// The other side. No bytes make it write or read outside, or write more than `count` words.
enum WordDecoder {
  /// Writes exactly `count` words to `target`, from exactly `coded`. False when the bytes do not say
  /// so; what was written then means nothing.
  static func decode(
    _ coded: UnsafeRawBufferPointer, base: Words, into target: UnsafeMutablePointer<UInt32>,
    _ count: Int
  ) -> Bool {
    var reader = ByteReader(coded)
    var distance = base.count
    var at = 0
    while at < count {
      guard let literals = reader.variable(), Int(literals) <= count - at,
        let from = reader.take(Int(literals) * 4)
      else { return false }
      if literals > 0 { platform_copy(target + at, from, Int(literals) * 4) }
      at += Int(literals)
      if at == count { break }
      guard let token = reader.variable() else { return false }
      let copied = Int(token >> 1)
      if token & 1 != 0 {
        guard let moved = reader.variable() else { return false }
        distance = Int(moved)
      }
      guard copied > 0, copied <= count - at, distance > 0, distance <= base.count + at else {
        return false
      }
      copy(base, target, at, copied, distance)
      at += copied
    }
    return reader.remaining == 0
  }

  private static func copy(
    _ base: Words, _ target: UnsafeMutablePointer<UInt32>, _ at: Int, _ count: Int, _ distance: Int
  ) {
    var done = 0
    let place = base.count + at - distance
    if place < base.count, let start = base.start {
      done = min(count, base.count - place)
      platform_copy(target + at, start + place, done * 4)
    }
    // From here on the source is what has been written, which may reach into what is being written.
    var source = place + done - base.count
    while done < count {
      let step = min(count - done, at + done - source)
      platform_copy(target + at + done, target + source, step * 4)
      done += step
      source += step
    }
  }
}
