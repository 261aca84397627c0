import GLWire

@testable import GLReplay

/// What a record of a command holds, from the generated text (`RegistryGenerator/GL/GLTestGenerator.swift`).
struct RecordDescription {
  struct Parameter {
    let name: String
    let role: String
    /// What follows the role.
    let words: [String]
  }

  let name: String
  let opcode: UInt32
  let isGen: Bool
  let isDelete: Bool
  /// For gen and delete.
  let object: NameKind?
  let replies: Bool
  /// The driver is called in a way of its own.
  let hasDoer: Bool
  /// The stub keeps no plain list of the arguments.
  let hasOwnStub: Bool
  /// Bytes of the result in a reply; 0 for none.
  let resultWidth: Int
  var parameters: [Parameter] = []

  static let all: [RecordDescription] = {
    var found: [RecordDescription] = []
    for line in recordDescriptions.flatMap({ $0.split(separator: "\n") }) {
      let words = line.split(separator: " ").map(String.init)
      if words[0] == "P" {
        found[found.count - 1].parameters.append(
          Parameter(name: words[1], role: words[2], words: Array(words[3...])))
        continue
      }
      found.append(
        RecordDescription(
          name: words[1], opcode: UInt32(words[2], radix: 16) ?? 0, isGen: words[3] == "gen",
          isDelete: words[3] == "delete", object: nameKind(words[4]),
          replies: words[5] == "replies", hasDoer: words[6] == "doer",
          hasOwnStub: words[6] == "own", resultWidth: Int(words[7]) ?? 0))
    }
    return found
  }()

  static func nameKind(_ word: String) -> NameKind? {
    NameKind.allCases.first { "\($0)" == word }
  }
}

/// Numbers that are random and the same each time.
struct Numbers {
  private var state: UInt64

  init(seed: UInt64) { state = (seed &+ 1) &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state >> 8
  }
  mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
  mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }
}

/// One record with random arguments, and what the driver is to see of it.
struct RandomRecord {
  let description: RecordDescription
  private(set) var arguments: [DriverCall.Argument] = []
  /// Words behind the header.
  private(set) var body: [UInt8] = []
  /// A buffer has to be bound for unpacking.
  private(set) var needsBuffer = false
  private var numbers: Numbers
  /// Arguments that others count with.
  private var known: [String: Int] = [:]
  /// Elements of each array.
  let count: Int

  static let ticket: UInt32 = 5
  static let knownSync: UInt64 = 7
  static let driverSync: UInt = 0x7000

  /// `count`: elements of every array; nil for any.
  init(_ description: RecordDescription, seed: UInt64, count: Int?) {
    self.description = description
    numbers = Numbers(seed: seed)
    self.count = count ?? Int(seed % 4)
    chooseArguments()
    if description.replies {
      put(UInt32(RandomRecord.ticket))
      put(UInt32(0))
    }
    // Values, then arrays; the driver is given both in the order of the parameters.
    var values: [String: DriverCall.Argument] = [:]
    for p in description.parameters { values[p.name] = putValue(p) }
    for p in description.parameters {
      if let value = values[p.name] {
        arguments.append(value)
      } else if let array = putArray(p) {
        arguments.append(array)
      }
    }
  }

  // MARK: Bytes

  private mutating func put(_ value: UInt32) {
    withUnsafeBytes(of: value) { body += Array($0) }
  }
  private mutating func put(_ value: UInt64) {
    withUnsafeBytes(of: value) { body += Array($0) }
  }
  private mutating func put(_ bytes: [UInt8]) {
    put(UInt32(bytes.count))
    body += bytes
    while body.count % 4 != 0 { body.append(0) }
  }
  private mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<max(count, 0)).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
  }
  private mutating func string(_ length: Int) -> [UInt8] {
    (0..<length).map { _ in UInt8(65 + numbers.below(26)) } + [0]
  }

  // MARK: Arguments that others need

  private mutating func chooseArguments() {
    for p in description.parameters {
      switch p.role {
      case "array", "output": choose(p.words[1])
      case "names", "outnames": choose(p.words[1])
      case "strings", "outstring": choose(p.words[0])
      case "text": known[p.words[0]] = numbers.below(3) == 0 ? -1 : count
      case "image":
        for word in p.words[3...] where Int(word) == nil {
          // The size of compressed images is in bytes.
          known[word] = p.words[1] == "GL.NONE" ? count * 5 : count
        }
        known[p.words[1]] = Int(numbers.pick([GL.RED, GL.RGB, GL.RGBA]))
        known[p.words[2]] = Int(numbers.pick([GL.UNSIGNED_BYTE, GL.FLOAT, GL.SHORT]))
      case "made":
        if let n = description.parameters.first(where: { $0.name == "n" || $0.name == "count" }) {
          known[n.name] = count
        }
      default: break
      }
    }
  }

  /// Gives the parameters that a count is made of values.
  private mutating func choose(_ text: String) {
    for part in text.split(separator: "*").map(String.init) {
      let inner = RandomRecord.inner(part)
      switch part.prefix(while: { $0 != "(" }) {
      case "pname":
        known[inner[0]] = Int(numbers.pick([GL.AMBIENT, GL.SPOT_DIRECTION, GL.SHININESS, 99]))
      case "type": known[inner[0]] = Int(numbers.pick([GL.UNSIGNED_BYTE, GL.INT, GL._3_BYTES]))
      case "{glPatchValueCount":
        known[inner[0]] = Int(
          numbers.pick([GL.PATCH_DEFAULT_INNER_LEVEL, GL.PATCH_DEFAULT_OUTER_LEVEL]))
      case "{glClearValueCount": known[inner[0]] = Int(numbers.pick([GL.COLOR, GL.DEPTH]))
      case "{glPixelSize":
        known[inner[0]] = Int(numbers.pick([GL.RED, GL.RGBA]))
        known[inner[1]] = Int(numbers.pick([GL.UNSIGNED_BYTE, GL.UNSIGNED_SHORT_5_6_5]))
      default: if Int(part) == nil { known[part] = count }
      }
    }
  }

  private static func inner(_ part: String) -> [String] {
    guard let open = part.firstIndex(of: "("), let close = part.lastIndex(of: ")") else {
      return []
    }
    return part[part.index(after: open)..<close].split(separator: ",").map(String.init)
  }

  private func value(_ name: String) -> Int { Int(name) ?? known[name] ?? 0 }

  /// How many elements a count says.
  private func elements(_ text: String) -> Int {
    text.split(separator: "*").map(String.init).reduce(1) { product, part in
      let inner = RandomRecord.inner(part).map { UInt32(truncatingIfNeeded: value($0)) }
      switch part.prefix(while: { $0 != "(" }) {
      case "pname": return product * glValueCount(inner[0])
      case "type": return product * glTypeSize(inner[0])
      case "{glPatchValueCount": return product * glPatchValueCount(inner[0])
      case "{glClearValueCount": return product * glClearValueCount(inner[0])
      case "{glPixelSize": return product * glPixelSize(inner[0], inner[1])
      default: return product * value(part)
      }
    }
  }

  // MARK: What travels

  /// What lies among the values; nil for what does not.
  private mutating func putValue(_ p: RecordDescription.Parameter) -> DriverCall.Argument? {
    switch p.role {
    case "name":
      let client = UInt32(numbers.below(4))
      put(client)
      guard let kind = RecordDescription.nameKind(p.words[0]) else { return .value(UInt64(client)) }
      return .value(UInt64(RandomRecord.driverName(kind, client)))
    case "sync":
      let id = numbers.pick([0, RandomRecord.knownSync, 99])
      put(id)
      return .value(id == RandomRecord.knownSync ? UInt64(RandomRecord.driverSync) : 0)
    case "offset":
      let offset = UInt64(numbers.below(4096))
      put(offset)
      return .value(offset)
    case "value": return putNumber(p)
    default: return nil
    }
  }

  /// Framebuffer 0 is an object of the driver's, which the test knows.
  nonisolated(unsafe) static var defaultFramebuffer: UInt32 = 0

  static func driverName(_ kind: NameKind, _ client: UInt32) -> UInt32 {
    kind == .framebuffer && client == 0
      ? defaultFramebuffer : recorder.driverName(kind, client)
  }

  private mutating func putNumber(_ p: RecordDescription.Parameter) -> DriverCall.Argument {
    let type = p.words[0]
    let any = numbers.below(3) == 0 ? numbers.next() : UInt64(numbers.below(100))
    let number = known[p.name].map { UInt64(bitPattern: Int64($0)) } ?? any
    switch type {
    case "Double", "Int64", "Int", "UInt64":
      let bits = type == "Double" ? Double(numbers.below(1000)).bitPattern : number
      put(bits)
      return .value(bits)
    case "Float":
      let bits = Float(numbers.below(1000)).bitPattern
      put(bits)
      return .value(UInt64(bits))
    case "UInt8", "UInt16":
      let narrow = UInt32(truncatingIfNeeded: type == "UInt8" ? number & 0xFF : number & 0xFFFF)
      put(narrow)
      return .value(UInt64(narrow))
    case "Int8", "Int16", "CChar":
      let narrow =
        type == "Int16"
        ? Int32(Int16(truncatingIfNeeded: number)) : Int32(Int8(truncatingIfNeeded: number))
      put(UInt32(bitPattern: narrow))
      return .value(UInt64(UInt32(bitPattern: narrow)))
    default:
      put(UInt32(truncatingIfNeeded: number))
      return .value(UInt64(UInt32(truncatingIfNeeded: number)))
    }
  }

  /// What lies behind the values; nil for what the driver is not given or fills itself.
  private mutating func putArray(_ p: RecordDescription.Parameter) -> DriverCall.Argument? {
    switch p.role {
    case "array":
      let all = bytes(elements(p.words[1]) * (Int(p.words[0]) ?? 1))
      put(all)
      return .bytes(all)
    case "names":
      let kind = RecordDescription.nameKind(p.words[0])
      let clients = (0..<elements(p.words[1])).map { _ in UInt32(numbers.below(4)) }
      put(clients.flatMap { withUnsafeBytes(of: $0) { Array($0) } })
      let drivers = clients.map { client in
        kind.map { RandomRecord.driverName($0, client) } ?? client
      }
      return .bytes(drivers.flatMap { withUnsafeBytes(of: $0) { Array($0) } })
    case "made":
      let clients = (0..<count).map { UInt32($0 + 1) }
      put(clients.flatMap { withUnsafeBytes(of: $0) { Array($0) } })
      return nil
    case "string":
      let all = string(count)
      put(all)
      return .bytes(all)
    case "text":
      let length = value(p.words[0])
      let all = length < 0 ? string(count) : bytes(length)
      put(all)
      return .bytes(all)
    case "strings":
      let all = (0..<elements(p.words[0])).map { string($0) }
      if all.isEmpty { put(UInt32.max) } else { put(all.flatMap { $0 }) }
      return .strings(all)
    case "image": return putImage(p)
    default: return nil
    }
  }

  private mutating func putImage(_ p: RecordDescription.Parameter) -> DriverCall.Argument {
    let constants: [String: UInt32] = [
      "GL.NONE": GL.NONE, "GL.COLOR_INDEX": GL.COLOR_INDEX, "GL.BITMAP": GL.BITMAP,
      "GL.RED": GL.RED, "GL.FLOAT": GL.FLOAT, "GL.UNSIGNED_INT": GL.UNSIGNED_INT,
      "GL.UNSIGNED_SHORT": GL.UNSIGNED_SHORT,
    ]
    let format = constants[p.words[1]] ?? UInt32(value(p.words[1]))
    let type = constants[p.words[2]] ?? UInt32(value(p.words[2]))
    let size = p.words[3...].map(value) + [1, 1]
    let byteCount = glImageBytes(format, type, size[0], size[1], size[2])
    let isCompressed = type == GL.NONE
    switch numbers.below(4) {
    case 0:
      put(ImageMode.none)
      return .bytes(nil)
    case 1:
      put(ImageMode.offset)
      needsBuffer = true
      let offset = UInt64(numbers.below(1000))
      put(offset)
      putStore(PixelStore())
      return .value(offset)
    case 2 where !isCompressed && byteCount > 0:
      put(ImageMode.raw)
      var store = PixelStore()
      store.rowLength = Int32(numbers.below(2) * (size[0] + 9))
      store.skipRows = Int32(numbers.below(3))
      store.skipPixels = Int32(numbers.below(3))
      store.alignment = numbers.pick([1, 2, 4, 8])
      store.lsbFirst = UInt32(numbers.below(2))
      if p.words[0] == "3" {
        store.imageHeight = Int32(numbers.below(2) * (size[1] + 2))
        store.skipImages = Int32(numbers.below(2))
      }
      putStore(store)
      let all = bytes(
        store.span(Int(p.words[0]) ?? 1, format, type, size[0], size[1], size[2]).end)
      put(all)
      return .bytes(rows(of: all, store, format, type, size, is3D: p.words[0] == "3"))
    default:
      put(ImageMode.packed)
      let all = bytes(byteCount)
      put(all)
      // Where nothing is to be read the driver gets no address.
      return .bytes(all.isEmpty ? nil : all)
    }
  }

  /// The rows of an image by the specification (OpenGL 4.6, 8.4.4.1 and 8.4.4.2).
  private func rows(
    of all: [UInt8], _ store: PixelStore, _ format: UInt32, _ type: UInt32, _ size: [Int],
    is3D: Bool
  ) -> [UInt8] {
    let length = store.rowLength > 0 ? Int(store.rowLength) : size[0]
    let align = Int(store.alignment)
    let pixel = glPixelSize(format, type)
    var step = type == GL.BITMAP ? (length + 7) / 8 : length * pixel
    step = (step + align - 1) / align * align
    let height = is3D && store.imageHeight > 0 ? Int(store.imageHeight) : size[1]
    var found: [UInt8] = []
    for z in 0..<size[2] {
      for y in 0..<size[1] {
        let image = is3D ? Int(store.skipImages) + z : z
        let line = (image * height + Int(store.skipRows) + y) * step
        let skip = Int(store.skipPixels)
        let first: Int = type == GL.BITMAP ? skip / 8 : skip * pixel
        let count: Int = type == GL.BITMAP ? (size[0] + skip % 8 + 7) / 8 : size[0] * pixel
        found += all[(line + first)..<(line + first + count)]
      }
    }
    return found
  }

  private mutating func putStore(_ store: PixelStore) {
    var words = [UInt8](repeating: 0, count: PixelStore.byteCount)
    words.withUnsafeMutableBytes { store.store($0.baseAddress!) }
    body += words
  }
}
