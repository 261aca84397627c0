import Foundation

/// Writes the OpenGL rooms' Generated folders.
struct GLGenerator {
  let registry: GLRegistry
  let rules: GLRules
  /// Commands by the order of their opcodes, without aliases.
  private(set) var models: [GLModel] = []
  /// Every name that is offered, with the command behind it.
  private(set) var names: [(name: String, canonical: String)] = []
  private(set) var opcodes: [String: Int] = [:]
  private var enumerants: [String] = []

  init(registry: GLRegistry, rules: GLRules) throws {
    self.registry = registry
    self.rules = rules
    try select()
  }

  private mutating func select() throws {
    var wanted: Set<String> = []
    var values: Set<String> = []
    /// What the registry does not call an alias.
    var coreNames: [String: String] = [:]
    for version in registry.versions where version.apis.isDisjoint(with: ["glsc2"]) {
      wanted.formUnion(version.commands)
      values.formUnion(version.enumerants)
    }
    for name in rules.extensions {
      guard let found = registry.extensions.first(where: { $0.name == name }) else {
        throw GenerationError("gl-extensions.txt: the registry has no \(name)")
      }
      values.formUnion(found.enumerants)
      if rules.core.contains(name) {
        for command in found.commands { coreNames[command] = registry.coreName(of: command) }
      } else {
        wanted.formUnion(found.commands)
      }
    }
    wanted.formUnion(coreNames.keys)
    enumerants = values.sorted()
    for name in rules.commands.keys.sorted() where registry.commands[name] == nil {
      throw GenerationError("gl-commands.txt: the registry has no \(name)")
    }
    var canonical: Set<String> = []
    for name in wanted.sorted() {
      guard let command = registry.commands[name] else { continue }
      // An alias means its command where that is there too, and stands for itself otherwise.
      let behind =
        (coreNames[name] ?? command.alias).flatMap { registry.commands[$0] == nil ? nil : $0 }
        ?? name
      let target = rules.commands[name] != nil ? name : behind
      canonical.insert(target)
      names.append((name, target))
    }
    for name in canonical where !wanted.contains(name) { names.append((name, name)) }
    var problems: [String] = []
    var made: [GLModel] = []
    for name in canonical.sorted() {
      do {
        made.append(try GLModel(registry.commands[name]!, rules: rules))
      } catch {
        problems.append("\(error)")
      }
    }
    guard problems.isEmpty else { throw GenerationError(problems.joined(separator: "\n")) }
    let absent = Set(made.filter { $0.kind == "absent" }.map(\.name))
    names = names.filter { !absent.contains($0.canonical) }.sorted { $0.name < $1.name }
    made.removeAll { $0.kind == "absent" }
    opcodes = rules.opcodes
    var next = (opcodes.values.max() ?? 0xFFFF) + 1
    for model in made where model.hasRecord && opcodes[model.name] == nil {
      opcodes[model.name] = next
      next += 1
    }
    models = made
  }

  func opcode(_ model: GLModel) -> String {
    "0x" + String(opcodes[model.name]!, radix: 16, uppercase: true)
  }

  var opcodeFile: String {
    "# The number of each OpenGL command on the wire. Only ever grows: the generator adds at the end.\n"
      + opcodes.sorted { $0.value < $1.value }.map { "\($0.key) \($0.value)\n" }.joined()
  }

  func files() -> [GeneratedFile] {
    [
      enumerantFile(), opcodeTable(), entryFile(), tableFile(), dispatchFile(), replayFile(),
      extensionFile(),
    ]
  }

  // MARK: GLWire

  private func enumerantFile() -> GeneratedFile {
    var parts: [String] = []
    for start in stride(from: 0, to: enumerants.count, by: 500) {
      var out = SourcePrinter()
      out.line(start == 0 ? "/// The enumerants of the supported versions and extensions." : "")
      out.block(start == 0 ? "public enum GL" : "extension GL") { out in
        for name in enumerants[start..<min(start + 500, enumerants.count)] {
          guard let value = registry.enumerants[name], value <= 0xFFFF_FFFF else { continue }
          var short = String(name.dropFirst(3))
          if short.first?.isNumber == true { short = "_" + short }
          out.line(
            "@inlinable public static var \(short): UInt32 { 0x\(String(value, radix: 16, uppercase: true)) }"
          )
        }
      }
      parts.append(out.text)
    }
    return GeneratedFile(path: "GLWire/Generated/GLEnumerants", imports: [], parts: parts)
  }

  private func opcodeTable() -> GeneratedFile {
    var out = SourcePrinter()
    out.line("/// Opcodes of OpenGL's commands.")
    out.block("public enum GLOpcode") { out in
      out.line("@inlinable public static var first: UInt32 { 0x10000 }")
      out.line(
        "@inlinable public static var last: UInt32 { \(opcodes.values.max() ?? 0x10000) }")
      for model in models where model.hasRecord {
        out.line("@inlinable public static var \(model.name): UInt32 { \(opcode(model)) }")
      }
    }
    var named = SourcePrinter()
    named.line("/// The name of a command; nil for a number that is none.")
    named.block("public func glCommandName(_ opcode: UInt32) -> StaticString?") { out in
      out.line("switch opcode {")
      for model in models where model.hasRecord {
        out.line("case \(opcode(model)): return \"\(model.name)\"")
      }
      out.line("default: return nil")
      out.line("}")
    }
    return GeneratedFile(
      path: "GLWire/Generated/GLOpcodes", imports: [], parts: [out.text, named.text])
  }
}
