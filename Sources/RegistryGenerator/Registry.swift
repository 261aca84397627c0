/// What vk.xml says, as far as encoding needs it. Values only: nothing here knows Swift or the wire.

/// A C declarator: `const VkBuffer* pBuffers`, `float matrix[3][4]`, `uint32_t mask:8`.
struct Declarator {
  var base: String
  var isConst: Bool
  var pointers: Int
  var dimensions: [Int]
  var bits: Int?

  var elementCount: Int { dimensions.reduce(1, *) }
}

/// A member of a structure or a parameter of a command: the same idea for both.
struct Member {
  var name: String
  var type: Declarator
  /// The parts of `len`, by commas: a sibling's name, `null-terminated`, an expression.
  var lengths: [String]
  /// The parts of `optional`, by commas: of the pointer, then of what it points to.
  var optional: [Bool]
  var hasNoAutomaticValidity: Bool
  /// The only values allowed: for `sType`.
  var values: String?
  /// For a union: the sibling that says which member is used.
  var selector: String?
  /// For a member of such a union: the selector's values.
  var selection: [String]

  var isOptional: Bool { optional.first ?? false }
  var elementsAreOptional: Bool { optional.count > 1 && optional[1] }
}

struct Structure {
  var name: String
  var isUnion: Bool
  var members: [Member]
  var extends: [String]
  var isReturnedOnly: Bool

  var hasChain: Bool { members.contains { $0.name == "pNext" } }
}

struct Command {
  var name: String
  var returns: String
  var parameters: [Member]
  var aliases: [String]
}

struct Handle {
  var name: String
  var isDispatchable: Bool
}

struct Enumeration {
  var name: String
  var isBitmask: Bool
  var width: Int
  var values: [(name: String, value: Int64)]
}

/// A core version or an extension: what it adds.
struct Feature {
  var name: String
  var specVersion: Int
  var isDevice: Bool
  /// The window system that its header needs; nil when it is in vulkan_core.h.
  var platform: String? = nil
  var blocks: [Block]

  /// Things that it adds, when another extension is there too.
  struct Block {
    var dependency: String?
    var types: [String]
    var commands: [String]
  }

  /// The blocks that apply where only `extensions` exist.
  func blocks(with extensions: Set<String>) -> [Block] {
    blocks.filter {
      $0.dependency.map {
        $0.split(separator: ",").contains { name in
          extensions.contains(String(name))
        }
      } ?? true
    }
  }
}

struct Registry {
  var headerVersion: String = ""
  var structures: [String: Structure] = [:]
  /// Names in the order of the registry.
  var structureOrder: [String] = []
  var commands: [String: Command] = [:]
  var commandOrder: [String] = []
  var handles: [String: Handle] = [:]
  var handleOrder: [String] = []
  var enumerations: [String: Enumeration] = [:]
  /// Flag types: 4 or 8 bytes.
  var flags: [String: Int] = [:]
  /// Other names of base types: VkDeviceSize -> uint64_t.
  var baseTypes: [String: String] = [:]
  var functionPointers: Set<String> = []
  var typeAliases: [String: String] = [:]
  var commandAliases: [String: String] = [:]
  var constants: [String: Int] = [:]
  var versions: [Feature] = []
  var extensions: [Feature] = []

  /// The name behind aliases.
  func canonical(_ type: String) -> String {
    var name = type
    while let next = typeAliases[name] { name = next }
    return name
  }

  func canonicalCommand(_ command: String) -> String {
    var name = command
    while let next = commandAliases[name] { name = next }
    return name
  }

  func value(of enumerant: String, in enumeration: String) -> Int64? {
    enumerations[canonical(enumeration)]?.values.first { $0.name == enumerant }?.value
  }
}

/// The generation cannot go on: the message says what to add to which file.
struct GenerationError: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}
