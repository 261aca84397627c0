// What a structure or a command looks like in memory, as the generator wrote it down. The tests
// fill and compare memory by these descriptions alone: a second reading of the registry, beside
// the codecs.

/// The type of an element.
enum Element {
  /// So many bytes of anything.
  case scalar(Int)
  case enumerant(String)
  case handle(kind: UInt8, dispatchable: Bool, nullable: Bool)
  case structure(String)
  case string

  init(_ text: Substring) {
    let parts = text.split(separator: ":")
    switch parts[0] {
    case "scalar": self = .scalar(Int(parts[1])!)
    case "enum": self = .enumerant(String(parts[1]))
    case "handle":
      self = .handle(
        kind: UInt8(parts[1])!, dispatchable: parts[2] == "1", nullable: parts[3] == "1")
    case "struct": self = .structure(String(parts[1]))
    default: self = .string
    }
  }
}

/// How many elements a pointer points to.
enum Count {
  case one
  case sibling(String)
  /// A quarter of a sibling.
  case quarter(String)
  /// Words of a mask with as many bits as the sibling says.
  case mask(String)
  case fixed(Int)
  /// A member of the structure that a sibling points to.
  case path(String, String)
  /// What a sibling points to.
  case behind(String)

  init(_ word: Substring, _ argument: Substring) {
    switch word {
    case "sibling": self = .sibling(String(argument))
    case "quarter": self = .quarter(String(argument))
    case "mask": self = .mask(String(argument))
    case "fixed": self = .fixed(Int(argument)!)
    case "behind": self = .behind(String(argument))
    case "path":
      let parts = argument.split(separator: ".")
      self = .path(String(parts[0]), String(parts[1]))
    default: self = .one
    }
  }
}

struct MemberDescription {
  enum Kind {
    case value(Element, Int)
    case pointer(Element, Count)
    /// A pointer to pointers, each to one element.
    case pointers(Element, Count)
    case tagged(selector: String, choices: [(value: UInt32, structure: String)])
    case omitted
    case id(UInt8)
    case ids(UInt8, Count)
    /// Points to a count of so many bytes, which the command changes.
    case count(Int)
    case output(Element, Count)
  }
  var name: String
  var kind: Kind
  var offset: Int
  var isOptional: Bool
  var isConditional: Bool
}

struct StructureDescription {
  var name: String
  var size: Int
  var sType: UInt32?
  var extensions: [String] = []
  var members: [MemberDescription] = []
}

/// All descriptions, read once.
struct Descriptions: Sendable {
  private(set) nonisolated(unsafe) static var shared = Descriptions()

  let structures: [String: StructureDescription]
  let structureNames: [String]
  let commands: [StructureDescription]
  let enumerants: [String: [UInt32]]

  private init() {
    let structures = Descriptions.read(structureDescriptions.joined(separator: "\n"))
    self.structures = Dictionary(uniqueKeysWithValues: structures.map { ($0.name, $0) })
    structureNames = structures.map(\.name)
    commands = Descriptions.read(commandDescriptions.joined(separator: "\n"))
    var enumerants: [String: [UInt32]] = [:]
    for line in enumerantDescriptions.split(separator: "\n") {
      let words = line.split(separator: " ")
      enumerants[String(words[0])] = words.dropFirst().map { UInt32($0)! }
    }
    self.enumerants = enumerants
  }

  private static func read(_ text: String) -> [StructureDescription] {
    var result: [StructureDescription] = []
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      switch words[0] {
      case "S":
        result.append(
          StructureDescription(
            name: String(words[1]), size: Int(words[2])!, sType: UInt32(words[3])))
      case "C":
        result[result.count - 1].extensions = words.dropFirst().map(String.init)
      default:
        result[result.count - 1].members.append(member(words))
      }
    }
    return result
  }

  private static func member(_ words: [Substring]) -> MemberDescription {
    let kind: MemberDescription.Kind =
      switch words[2] {
      case "value": .value(Element(words[4]), Int(words[5])!)
      case "pointer": .pointer(Element(words[4]), Count(words[5], words[6]))
      case "pointers": .pointers(Element(words[4]), Count(words[5], words[6]))
      case "tagged":
        .tagged(
          selector: String(words[4]),
          choices: words[5...].map {
            let parts = $0.split(separator: ":")
            return (UInt32(parts[0])!, String(parts[1]))
          })
      case "id": .id(UInt8(words[4])!)
      case "ids": .ids(UInt8(words[4])!, Count(words[5], words[6]))
      case "count": .count(Int(words[4])!)
      case "output": .output(Element(words[4]), Count(words[5], words[6]))
      default: .omitted
      }
    return MemberDescription(
      name: String(words[1]), kind: kind, offset: Int(words[3])!,
      isOptional: words.contains("optional"), isConditional: words.contains("conditional"))
  }
}
