import Foundation

/// A C type of OpenGL: how Swift has it, and how it travels.
struct GLType {
  /// The Swift type by value.
  var swift: String
  /// Bytes of an element in memory.
  var size: Int
  /// How a value is stored: 4 or 8 bytes.
  var width: Int { size == 8 ? 8 : 4 }

  static let all: [String: GLType] = [
    "GLenum": GLType(swift: "UInt32", size: 4), "GLbitfield": GLType(swift: "UInt32", size: 4),
    "GLuint": GLType(swift: "UInt32", size: 4), "GLint": GLType(swift: "Int32", size: 4),
    "GLsizei": GLType(swift: "Int32", size: 4), "GLfixed": GLType(swift: "Int32", size: 4),
    "GLclampx": GLType(swift: "Int32", size: 4), "GLboolean": GLType(swift: "UInt8", size: 1),
    "GLbyte": GLType(swift: "Int8", size: 1), "GLubyte": GLType(swift: "UInt8", size: 1),
    "GLchar": GLType(swift: "CChar", size: 1), "GLcharARB": GLType(swift: "CChar", size: 1),
    "GLshort": GLType(swift: "Int16", size: 2), "GLushort": GLType(swift: "UInt16", size: 2),
    "GLhalfNV": GLType(swift: "UInt16", size: 2), "GLfloat": GLType(swift: "Float", size: 4),
    "GLclampf": GLType(swift: "Float", size: 4), "GLdouble": GLType(swift: "Double", size: 8),
    "GLclampd": GLType(swift: "Double", size: 8), "GLint64": GLType(swift: "Int64", size: 8),
    "GLuint64": GLType(swift: "UInt64", size: 8), "GLint64EXT": GLType(swift: "Int64", size: 8),
    "GLuint64EXT": GLType(swift: "UInt64", size: 8), "GLintptr": GLType(swift: "Int", size: 8),
    "GLsizeiptr": GLType(swift: "Int", size: 8), "GLintptrARB": GLType(swift: "Int", size: 8),
    "GLsizeiptrARB": GLType(swift: "Int", size: 8), "GLhandleARB": GLType(swift: "UInt32", size: 4),
    "void": GLType(swift: "", size: 1),
    "GLsync": GLType(swift: "UnsafeMutableRawPointer?", size: 8),
    "GLeglImageOES": GLType(swift: "UnsafeMutableRawPointer?", size: 8),
    "GLDEBUGPROC": GLType(swift: "UnsafeRawPointer?", size: 8),
    "GLDEBUGPROCARB": GLType(swift: "UnsafeRawPointer?", size: 8),
    "GLDEBUGPROCKHR": GLType(swift: "UnsafeRawPointer?", size: 8),
  ]
}

/// What a parameter is for the wire.
enum GLRole {
  /// By value.
  case value
  /// The name of an object, by value.
  case name(String)
  /// A sync object, by value.
  case sync
  /// An address that is an offset, 8 bytes.
  case offset
  /// Not sent; the node gives NULL.
  case left
  /// What the command reads: bytes. `isOptional`: may be NULL.
  case array(bytes: String, isOptional: Bool)
  /// An array of names.
  case names(String, count: String)
  /// A C string.
  case string(isOptional: Bool)
  /// `count` C strings.
  case strings(count: String)
  /// A text that has a length, or ends with NUL where that is negative.
  case text(length: String, isOptional: Bool)
  /// Pixels: dimensions, and the sizes in Swift's words.
  case image(dimensions: Int, format: String, type: String, size: [String])
  /// What the command fills: bytes.
  case output(bytes: String)
  /// What the command fills, as much as it does. `isTable`: up to all that an evaluator or a pixel map holds.
  case probe(isTable: Bool)
  /// A string that the command fills.
  case outputString(size: String)
  /// Names that the command fills.
  case outputNames(String, count: String)

  var isOutput: Bool {
    switch self {
    case .output, .probe, .outputString, .outputNames: true
    default: false
    }
  }
  /// Whether it lies behind the values of a record.
  var isVariable: Bool {
    switch self {
    case .array, .names, .string, .strings, .text, .image: true
    default: false
    }
  }
  /// Bytes among the values; nil for what is none.
  func width(_ type: GLType) -> Int? {
    switch self {
    case .value: type.width
    case .name: 4
    case .sync, .offset: 8
    default: nil
    }
  }
}

/// A command with everything that generating it needs.
struct GLModel {
  struct Parameter {
    var name: String
    var base: GLRegistry.Parameter
    var type: GLType
    var role: GLRole

    /// The C parameter in Swift.
    var swift: String {
      switch base.pointers {
      case 0: return type.swift
      case 1:
        if base.base == "void" {
          return base.isConst ? "UnsafeRawPointer?" : "UnsafeMutableRawPointer?"
        }
        return base.isConst
          ? "UnsafePointer<\(type.swift)>?" : "UnsafeMutablePointer<\(type.swift)>?"
      default:
        let inner =
          base.base == "void"
          ? (base.isConst ? "UnsafeRawPointer?" : "UnsafeMutableRawPointer?")
          : "UnsafePointer<\(type.swift)>?"
        return base.isConst ? "UnsafePointer<\(inner)>?" : "UnsafeMutablePointer<\(inner)>?"
      }
    }
  }

  let name: String
  let kind: String
  let words: Set<String>
  /// For gen, delete: the kind of object.
  let object: String?
  let parameters: [Parameter]
  /// The Swift type of the result; empty for void.
  let returns: String
  let returnType: GLType?
  /// The result is a pointer.
  let returnsPointer: Bool

  var short: String { String(name.dropFirst(2)) }
  var travels: Bool { kind != "local" && kind != "absent" }
  var replies: Bool {
    kind == "sync" || (kind == "hook" && words.contains("sync"))
  }
  /// Whether the wire has anything to do with it.
  var hasRecord: Bool {
    switch kind {
    case "local", "absent": false
    case "hook": !words.contains("alone")
    default: true
    }
  }
  /// GL_EXT_direct_state_access: the first two arguments are a texture and its target.
  var namesTarget: Bool {
    parameters.count >= 2 && name.hasSuffix("EXT") && parameters[0].base.kind == "texture"
      && parameters[1].name == "target"
  }
  /// Whether it gives an image to a texture of a target.
  var isTextureImage: Bool {
    name.contains("Tex") && parameters.contains { $0.name == "target" }
      && parameters.contains { if case .image = $0.role { true } else { false } }
  }
  var hasDoer: Bool { words.contains("doer") }
  /// Whether it changes a framebuffer, which must not be the window's.
  var attaches: Bool { words.contains("attach") }

  init(_ command: GLRegistry.Command, rules: GLRules) throws {
    name = command.name
    let rule = rules.commands[command.name]
    words = rule?.words ?? []
    object = rule?.object
    let isPointer = command.returns.contains("*")
    returnsPointer = isPointer
    let base = command.returns.replacingOccurrences(of: "const", with: "")
      .replacingOccurrences(of: "*", with: "").trimmed
    if isPointer {
      returns =
        base == "void" ? "UnsafeMutableRawPointer?" : "UnsafePointer<\(GLType.all[base]!.swift)>?"
      returnType = nil
    } else if base == "void" {
      returns = ""
      returnType = nil
    } else {
      guard let type = GLType.all[base] else {
        throw GenerationError("gl.xml: \(command.name) returns \(base), which has no rule")
      }
      returns = type.swift
      returnType = type
    }
    let hasOutput =
      !command.returns.hasSuffix("void") && command.returns != "void"
      || command.parameters.contains { $0.pointers > 0 && !$0.isConst }
    kind = rule?.kind ?? (hasOutput ? "sync" : "async")
    let isLocal =
      kind == "local" || kind == "absent" || (kind == "hook" && words.contains("alone"))
    var result: [Parameter] = []
    for p in command.parameters {
      guard let type = GLType.all[p.base] else {
        throw GenerationError("\(command.name).\(p.name): type \(p.base) has no rule")
      }
      let role: GLRole =
        isLocal
        ? .left
        : try GLModel.role(
          p, type, rule?.parameters[p.name], command, isMade: kind == "gen" || kind == "delete")
      result.append(Parameter(name: safe(p.name), base: p, type: type, role: role))
    }
    parameters = result
  }

  /// The kind of an object in `NameKind`'s words.
  static func nameKind(_ kind: String) -> String {
    switch kind {
    case "shader", "program": "program"
    case "vertex array": "vertexArray"
    case "transform feedback": "transformFeedback"
    case "program pipeline": "programPipeline"
    case "arb program": "arbProgram"
    case "display list": "list"
    default: kind
    }
  }

  private static func role(
    _ p: GLRegistry.Parameter, _ type: GLType, _ rule: String?, _ command: GLRegistry.Command,
    isMade: Bool
  ) throws -> GLRole {
    func fail(_ what: String) -> GenerationError {
      GenerationError(
        "\(command.name).\(p.name) (len \(p.length ?? "none")) \(what): say so in gl-commands.txt")
    }
    if let rule { return try parse(rule, p, type, command) }
    if p.pointers == 0 {
      if p.base == "GLsync" { return .sync }
      if type.swift.hasSuffix("?") { throw fail("is an address") }
      if let kind = p.kind { return .name(nameKind(kind)) }
      return .value
    }
    guard p.pointers == 1 else { throw fail("is a pointer to pointers") }
    let element = p.base == "void" ? 1 : type.size
    if p.isConst {
      if type.swift == "CChar", p.length == nil || p.length?.hasPrefix("COMPSIZE(name") == true {
        return .string(isOptional: false)
      }
      guard let expression = p.length.flatMap({ count($0, command) }) else {
        throw fail("has no length")
      }
      if let kind = p.kind { return .names(nameKind(kind), count: expression) }
      return .array(bytes: bytes(expression, element), isOptional: false)
    }
    if isMade { return .left }
    guard let length = p.length else { throw fail("has no length") }
    if length.hasPrefix("COMPSIZE(") { return .probe(isTable: false) }
    guard let expression = count(length, command) else { throw fail("has no length") }
    if type.swift == "CChar" { return .outputString(size: expression) }
    if let kind = p.kind { return .outputNames(nameKind(kind), count: expression) }
    return .output(bytes: bytes(expression, element))
  }

  /// A count in the registry's words, as a Swift expression of type Int.
  static func count(_ text: String, _ command: GLRegistry.Command) -> String? {
    if let number = Int(text) { return "\(number)" }
    let parts = text.split(separator: "*").map { String($0).trimmed }
    var factor = 1
    var names: [String] = []
    for part in parts {
      if let number = Int(part) {
        factor *= number
      } else if command.parameters.contains(where: { $0.name == part && $0.pointers == 0 }) {
        names.append("Int(\(safe(part)))")
      } else if part.hasPrefix("pname("), part.hasSuffix(")") {
        names.append("glValueCount(\(part.dropFirst(6).dropLast()))")
      } else if part.hasPrefix("type("), part.hasSuffix(")") {
        names.append("glTypeSize(\(part.dropFirst(5).dropLast()))")
      } else if part.hasPrefix("{"), part.hasSuffix("}") {
        names.append(String(part.dropFirst().dropLast()))
      } else {
        return nil
      }
    }
    if factor != 1 || names.isEmpty { names.append("\(factor)") }
    return names.count == 1 ? names[0] : "glProduct(\(names.joined(separator: ", ")))"
  }

  private static func bytes(_ count: String, _ size: Int) -> String {
    if let number = Int(count) { return "\(number * size)" }
    return size == 1 ? "max(\(count), 0)" : "glProduct(\(count), \(size))"
  }

  private static func parse(
    _ rule: String, _ p: GLRegistry.Parameter, _ type: GLType, _ command: GLRegistry.Command
  ) throws -> GLRole {
    var text = rule
    let isOptional = text.hasSuffix("?")
    if isOptional { text.removeLast() }
    let element = p.base == "void" ? 1 : type.size
    func inner(_ head: String) -> String? {
      text.hasPrefix(head + "(") && text.hasSuffix(")")
        ? String(text.dropFirst(head.count + 1).dropLast()) : nil
    }
    func counted(_ text: String) throws -> String {
      guard let expression = count(text, command) else {
        throw GenerationError("\(command.name).\(p.name): \(text) is no count")
      }
      return expression
    }
    switch text {
    case "value": return .value
    case "offset": return .offset
    case "left": return .left
    case "string": return .string(isOptional: isOptional)
    case "probe": return .probe(isTable: false)
    case "table": return .probe(isTable: true)
    case "sync": return .sync
    default: break
    }
    if let kind = inner("name") {
      return .name(nameKind(kind.replacingOccurrences(of: "_", with: " ")))
    }
    if let content = inner("names") {
      let parts = content.split(separator: ",").map(String.init)
      return .names(
        nameKind(parts[0].replacingOccurrences(of: "_", with: " ")), count: try counted(parts[1]))
    }
    if let content = inner("outnames") {
      let parts = content.split(separator: ",").map(String.init)
      return .outputNames(
        nameKind(parts[0].replacingOccurrences(of: "_", with: " ")), count: try counted(parts[1]))
    }
    if let content = inner("text") { return .text(length: content, isOptional: isOptional) }
    if let content = inner("strings") { return .strings(count: try counted(content)) }
    if let content = inner("out") {
      return .output(bytes: bytes(try counted(content), element))
    }
    if let content = inner("outstring") { return .outputString(size: try counted(content)) }
    for dimensions in 1...3 {
      guard let content = inner("image\(dimensions)") else { continue }
      let parts = content.split(separator: ",").map(String.init)
      return .image(
        dimensions: dimensions, format: parts[0], type: parts[1], size: Array(parts[2...]))
    }
    return .array(bytes: bytes(try counted(text), element), isOptional: isOptional)
  }
}

/// A parameter's name that Swift takes.
func safe(_ name: String) -> String {
  // Names that generated code has for itself.
  let own: Set<String> = ["c", "r", "p", "writer", "call", "reply", "result", "ticket"]
  if own.contains(name) { return name + "Value" }
  return ["func", "in", "is", "as", "internal", "protocol", "default", "repeat"].contains(name)
    ? "`\(name)`" : name
}

extension String {
  var trimmed: String { trimmingCharacters(in: .whitespaces) }
}
