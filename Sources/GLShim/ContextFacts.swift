import CPlatform
import GLWire
import Wire

/// What the node said of a context when it made it: strings, extensions and implementation
/// constants. They never change, and live as long as the context.
struct ContextFacts {
  typealias Text = UnsafePointer<CChar>

  /// An implementation constant: numbers `first ..< first + count`.
  struct Constant {
    var pname: UInt32
    var count: UInt32
    var first: Int
  }

  /// As glGetString gives them.
  var vendor: Text
  var renderer: Text
  var version: Text
  var shadingLanguageVersion: Text
  /// As glGetStringi gives them.
  var extensionCount: Int
  var extensions: UnsafeMutablePointer<Text>
  /// All of them with spaces between, as glGetString(GL_EXTENSIONS) gives them.
  var extensionString: Text
  var constantCount: Int
  var constants: UnsafeMutablePointer<Constant>
  var numbers: UnsafeMutablePointer<Double>

  /// The numbers of an implementation constant; nil for one that the node did not name.
  func numbers(of pname: UInt32) -> UnsafeBufferPointer<Double>? {
    var i = 0
    while i < constantCount {
      let constant = constants[i]
      if constant.pname == pname {
        return UnsafeBufferPointer(start: numbers + constant.first, count: Int(constant.count))
      }
      i &+= 1
    }
    return nil
  }

  /// Adds GL_CONTEXT_FLAG_NO_ERROR_BIT, which is not there yet, where the context has flags.
  func addNoErrorFlag() {
    var i = 0
    while i < constantCount {
      let constant = constants[i]
      if constant.pname == GL.CONTEXT_FLAGS, constant.count == 1 {
        numbers[constant.first] += Double(GL.CONTEXT_FLAG_NO_ERROR_BIT)
      }
      i &+= 1
    }
  }

  /// Whether the driver has an extension.
  func has(_ name: StaticString) -> Bool {
    var i = 0
    while i < extensionCount {
      if platform_compare(extensions[i], name.utf8Start, name.utf8CodeUnitCount &+ 1) == 0 {
        return true
      }
      i &+= 1
    }
    return false
  }
}

// MARK: The reply

extension ContextFacts {
  /// Reads what stands behind the status of a reply to glCreateContext. Nil when it is malformed or
  /// there is no memory; everything is in one piece that starts at the result.
  static func read(_ reader: inout Reader) -> UnsafeMutablePointer<ContextFacts>? {
    guard let vendor = text(&reader), let renderer = text(&reader), let version = text(&reader),
      let language = text(&reader)
    else { return nil }
    var count = 0
    let names = reader.stringArray("glCreateContext.extensions", &count)
    guard reader.failure == nil else { return nil }
    var values = reader
    var numberCount = 0
    let constantCount = values.count(8, "glCreateContext.constants")
    var i = 0
    while i < constantCount {
      _ = values.u32("glCreateContext.pname")
      let many = values.count(8, "glCreateContext.numbers")
      _ = values.take(many &* 8, "glCreateContext.numbers")
      guard values.failure == nil else { return nil }
      numberCount &+= many
      i &+= 1
    }
    let head = (MemoryLayout<ContextFacts>.stride &+ 15) & ~15
    let lists =
      count &* 8 &+ constantCount &* MemoryLayout<Constant>.stride &+ numberCount &* 8
    var characters = 4
    characters &+= length(vendor) &+ length(renderer) &+ length(version) &+ length(language)
    i = 0
    var all = 1
    while i < count, let name = names?[i] {
      all &+= length(name) &+ 1
      i &+= 1
    }
    guard let raw = platform_calloc(1, head &+ lists &+ characters &+ all &+ all) else {
      return nil
    }
    let numbers = (raw + head).bindMemory(to: Double.self, capacity: max(numberCount, 1))
    let constants = (raw + head + numberCount &* 8)
      .bindMemory(to: Constant.self, capacity: max(constantCount, 1))
    let extensions =
      (raw + head + numberCount &* 8 + constantCount &* MemoryLayout<Constant>.stride)
      .bindMemory(to: Text.self, capacity: max(count, 1))
    var place = raw + head + lists
    let joined = place
    place += all
    fillExtensions(extensions, names, count, joined, &place)
    fillConstants(constants, numbers, constantCount, &reader)
    let facts = raw.bindMemory(to: ContextFacts.self, capacity: 1)
    facts.initialize(
      to: ContextFacts(
        vendor: copy(vendor, &place), renderer: copy(renderer, &place),
        version: copy(version, &place), shadingLanguageVersion: copy(language, &place),
        extensionCount: count, extensions: extensions,
        extensionString: UnsafeRawPointer(joined).assumingMemoryBound(to: CChar.self),
        constantCount: constantCount, constants: constants, numbers: numbers))
    return facts
  }

  private static func text(_ reader: inout Reader) -> UnsafeMutablePointer<CChar>? {
    reader.string(optional: false, "glCreateContext.string")
  }

  private static func length(_ text: Text) -> Int { platform_string_length(text) }

  /// A copy with its NUL at `place`, which moves behind it.
  private static func copy(_ text: Text, _ place: inout UnsafeMutableRawPointer) -> Text {
    let count = length(text) &+ 1
    platform_copy(place, text, count)
    defer { place += count }
    return UnsafeRawPointer(place).assumingMemoryBound(to: CChar.self)
  }

  private static func fillExtensions(
    _ extensions: UnsafeMutablePointer<Text>,
    _ names: UnsafeMutablePointer<UnsafePointer<CChar>?>?, _ count: Int,
    _ joined: UnsafeMutableRawPointer, _ place: inout UnsafeMutableRawPointer
  ) {
    var behind = joined
    var i = 0
    while i < count, let name = names?[i] {
      (extensions + i).initialize(to: copy(name, &place))
      platform_copy(behind, name, length(name))
      behind += length(name)
      if i &+ 1 < count {
        behind.storeBytes(of: 0x20, as: UInt8.self)
        behind += 1
      }
      i &+= 1
    }
  }

  private static func fillConstants(
    _ constants: UnsafeMutablePointer<Constant>, _ numbers: UnsafeMutablePointer<Double>,
    _ count: Int, _ reader: inout Reader
  ) {
    _ = reader.u32("glCreateContext.constants")
    var first = 0
    var i = 0
    while i < count {
      let pname = reader.u32("glCreateContext.pname")
      let many = reader.u32("glCreateContext.numbers")
      (constants + i).initialize(to: Constant(pname: pname, count: many, first: first))
      var k: UInt32 = 0
      while k < many {
        numbers[first] = Double(bitPattern: reader.u64("glCreateContext.number"))
        first &+= 1
        k &+= 1
      }
      i &+= 1
    }
  }
}
