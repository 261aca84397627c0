/// What the tests know of structures and commands: descriptions as text, which a small interpreter
/// in the tests fills and compares without the codecs, and calls of each codec.
struct TestGenerator {
  let scope: Scope
  let layout: Layout
  let namer: Namer
  let fields: FieldGenerator

  init(scope: Scope) {
    self.scope = scope
    layout = Layout(scope: scope)
    namer = Namer(scope: scope)
    fields = FieldGenerator(scope: scope)
  }

  func files() throws -> [GeneratedFile] {
    let testable = ["@testable import VulkanWire", "import CVulkan", "import Wire"]
    return [
      GeneratedFile(
        path: "VulkanWireTests/Generated/Descriptions", imports: [],
        parts: try descriptions()),
      GeneratedFile(
        path: "VulkanWireTests/Generated/StructureCodecs", imports: testable,
        parts: [structureCodecs()]),
      GeneratedFile(
        path: "VulkanWireTests/Generated/CommandExercises", imports: testable,
        parts: try exercises() + [exerciseTable()]),
      GeneratedFile(
        path: "VulkanWireTests/Generated/CommandDecoders", imports: testable,
        parts: [decoders()]),
    ]
  }

  // MARK: Descriptions

  private func descriptions() throws -> [String] {
    var enums = ["let enumerantDescriptions: String = \"\"\""]
    for name in scope.rules.checked.sorted() {
      let values = (scope.checkedValues(name) ?? []).filter { $0 >= 0 }
      enums.append("  \(name) " + values.map(String.init).joined(separator: " "))
    }
    enums.append("  \"\"\"\n")
    var parts = [enums.joined(separator: "\n")]
    let lines = try scope.structures.filter { !$0.isUnion }.flatMap(describe)
    parts += Self.literals("structureDescriptions", lines)
    let commands = scope.commands.filter { !scope.rules.handwrittenCommands.contains($0.name) }
    parts += Self.literals("commandDescriptions", try commands.flatMap(describe))
    return parts
  }

  /// String constants of at most 1500 lines, and an array of them.
  private static func literals(_ name: String, _ lines: [String]) -> [String] {
    let chunks = stride(from: 0, to: lines.count, by: 1500).map {
      lines[$0..<min($0 + 1500, lines.count)]
    }
    var parts = chunks.enumerated().map { i, chunk in
      "let \(name)\(i): String = \"\"\"\n"
        + chunk.map { "  \($0)\n" }.joined() + "  \"\"\"\n"
    }
    let names = chunks.indices.map { "\(name)\($0)" }.joined(separator: ", ")
    parts[parts.count - 1] += "\nlet \(name): [String] = [\(names)]\n"
    return parts
  }

  private func describe(_ structure: Structure) throws -> [String] {
    let size = try layout.measure(structure).size
    let type = scope.structureType(structure).map(String.init) ?? "-"
    var lines = ["S \(structure.name) \(size) \(type)"]
    if let chain = scope.chains[structure.name] {
      lines.append("C " + chain.joined(separator: " "))
    }
    let place = FieldGenerator.Place(
      owner: structure.name, prefix: "$", siblings: structure.members)
    var lastBits: Int?
    for (offset, member) in try zip(layout.offsets(structure), structure.members) {
      if member.name == "sType" || member.name == "pNext" { continue }
      if member.type.bits != nil {
        if lastBits == offset { continue }
        lastBits = offset
      }
      lines.append(try describe(member, place, offset))
    }
    return lines
  }

  /// `M name kind offset …`; the kinds are those of `Tests/VulkanWireTests/Description.swift`.
  private func describe(
    _ member: Member, _ place: FieldGenerator.Place, _ offset: Int
  ) throws -> String {
    let head = "M \(member.name)"
    let name = scope.registry.canonical(member.type.base)
    let isOmitted = scope.rules.omitted.contains("\(place.owner).\(member.name)")
    if isOmitted || scope.registry.functionPointers.contains(name) {
      return "\(head) omitted \(offset)"
    }
    let flags = flagWords(member, place)
    if member.type.pointers > 0 {
      let kind = member.type.pointers == 2 && name != "char" ? "pointers" : "pointer"
      return "\(head) \(kind) \(offset) \(try element(member)) \(try count(member, place))\(flags)"
    }
    if let union = scope.registry.structures[name], union.isUnion, let selector = member.selector,
      union.members.contains(where: { scope.structure($0.type.base)?.hasChain == true })
    {
      let choices = union.members.map { choice in
        let value = scope.registry.enumerations.values.lazy.compactMap { e in
          e.values.first { $0.name == choice.selection[0] }?.value
        }.first!
        return "\(value):\(choice.type.base)"
      }
      return "\(head) tagged \(offset) \(selector) \(choices.joined(separator: " "))"
    }
    return "\(head) value \(offset) \(try element(member)) \(member.type.elementCount)\(flags)"
  }

  /// ` optional`, ` conditional`.
  private func flagWords(_ member: Member, _ place: FieldGenerator.Place) -> String {
    var words = ""
    let rule = scope.rules.conditions["\(place.owner).\(member.name)"]
    let isHandwritten = ["VkGraphicsPipelineCreateInfo", "VkPipelineViewportStateCreateInfo"]
      .contains(place.owner)
    let isStages = member.name == "pStages" && isHandwritten
    if member.isOptional && !isStages { words += " optional" }
    if rule != nil && rule != "always" || isHandwritten && member.type.base != "uint32_t" {
      words += " conditional"
    }
    return words
  }

  private func element(_ member: Member) throws -> String {
    let base = member.type.base
    let name = scope.registry.canonical(base)
    if base == "char" && member.type.pointers > 0 { return "string" }
    if base == "void" { return "scalar:1" }
    if let handle = scope.registry.handles[name] {
      let nullable =
        member.type.pointers > 0
        ? member.elementsAreOptional || member.hasNoAutomaticValidity
        : member.isOptional || member.hasNoAutomaticValidity
      return "handle:\(scope.kinds[name]!):\(handle.isDispatchable ? 1 : 0):\(nullable ? 1 : 0)"
    }
    if let structure = scope.registry.structures[name], !structure.isUnion {
      return "struct:\(name)"
    }
    if scope.checkedValues(name) != nil { return "enum:\(name)" }
    let length = member.type.pointers > 0 ? member.type.elementCount : 1
    return "scalar:\(try layout.measure(name).size * length)"
  }

  /// How many elements: `one`, `sibling NAME`, `quarter NAME`, `mask NAME`, `fixed N`,
  /// `path NAME.MEMBER`, `behind NAME` for a count that is pointed to.
  private func count(_ member: Member, _ place: FieldGenerator.Place) throws -> String {
    if let rule = scope.rules.counts["\(place.owner).\(member.name)"] {
      if rule.hasSuffix("/ 4"), let name = Self.sibling(rule) { return "quarter \(name)" }
      if let name = Self.sibling(rule) { return "mask \(name)" }
      return "fixed \(rule)"
    }
    guard let length = member.lengths.first, length != "null-terminated", length != "1" else {
      return "one -"
    }
    if let sibling = place.siblings.first(where: { $0.name == length }) {
      return sibling.type.pointers > 0 ? "behind \(length)" : "sibling \(length)"
    }
    return "path \(length.components("->").joined(separator: "."))"
  }

  /// The first `$name` of a rule.
  private static func sibling(_ rule: String) -> String? {
    guard let dollar = rule.firstIndex(of: "$") else { return nil }
    return String(rule[rule.index(after: dollar)...].prefix { $0.isLetter || $0.isNumber })
  }

  // MARK: Structure codecs

  private func structureCodecs() -> String {
    var out = SourcePrinter()
    out.line("/// The codec of a structure that stands by itself; nil for one met only in chains.")
    out.block("func structureCodec(_ name: String) -> StructureCodec?") { out in
      out.block("switch name") { out in
        for structure in scope.structures where !structure.isUnion {
          if structure.hasChain, !structure.extends.isEmpty, isPlain(structure),
            !isReferred(structure.name)
          {
            continue
          }
          let name = structure.name
          out.line("case \"\(name)\":")
          out.line("  return StructureCodec(encode_\(name), decode_\(name))")
        }
        out.line("default: return nil")
      }
    }
    return out.text
  }

  private func isPlain(_ structure: Structure) -> Bool {
    ((try? layout.plainBody(structure)) ?? nil) != nil
  }

  private func isReferred(_ name: String) -> Bool {
    scope.commands.contains {
      $0.parameters.contains { scope.registry.canonical($0.type.base) == name }
    }
      || scope.structures.contains {
        $0.members.contains { scope.registry.canonical($0.type.base) == name }
      }
  }

  // MARK: Commands

  /// Parameters lie in slots of 8 bytes, in C order, as if they were members of a structure.
  private func describe(_ command: Command) throws -> [String] {
    let model = try CommandModel(command, scope: scope)
    var lines = ["S \(command.name) \(command.parameters.count * 8) -"]
    let place = FieldGenerator.Place(
      owner: command.name, prefix: "$", siblings: command.parameters)
    for (i, (member, role)) in model.parameters.enumerated() {
      let head = "M \(member.name)"
      let offset = i * 8
      switch role {
      case .left: continue
      case .scalar: lines.append(try describe(member, place, offset))
      case .block(let size): lines.append("\(head) pointer \(offset) scalar:\(size) one -")
      case .input: lines.append(try describe(member, place, offset))
      case .created(let isArray):
        let kind = scope.kinds[scope.registry.canonical(member.type.base)]!
        lines.append(
          isArray
            ? "\(head) ids \(offset) \(kind) \(try count(member, place))"
            : "\(head) id \(offset) \(kind)")
      case .count:
        lines.append("\(head) count \(offset) \(try layout.measure(member.type.base).size)")
      case .output:
        lines.append("\(head) output \(offset) \(try element(member)) one -")
      case .outputArray:
        lines.append(
          "\(head) output \(offset) \(try element(member)) \(try count(member, place))")
      }
    }
    return lines
  }

  private func exercises() throws -> [String] {
    try scope.commands.filter { !scope.rules.handwrittenCommands.contains($0.name) }.map {
      try exercise(CommandModel($0, scope: scope))
    }
  }

  private func exercise(_ model: CommandModel) throws -> String {
    var out = SourcePrinter()
    out.block("func exercise_\(model.name)(_ t: Exercise)") { out in
      var arguments = ["&t.heap.writer"]
      if model.kind.replies { arguments.append("7") }
      for (i, parameter) in model.parameters.enumerated() {
        if case .left = parameter.role { continue }
        arguments.append("t.load(\(i * 8))")
      }
      out.list("encode_\(model.name)(", arguments, ")")
      out.line("t.decode { (r: inout Reader) in")
      out.line("  let a: Args_\(model.name) = decode_\(model.name)(&r)")
      for (i, parameter) in model.parameters.enumerated() {
        switch parameter.role {
        case .left: continue
        case .created(let isArray):
          out.line(
            isArray ? "  t.store(a.ids, \(i * 8))" : "  t.store(a.ids?.pointee ?? 0, \(i * 8))")
        default: out.line("  t.store(a.\(parameter.member.name), \(i * 8))")
        }
      }
      if model.kind.replies {
        let returns = model.command.returns
        let result = returns == "void" ? "" : "VkResult(rawValue: 5), "
        let given = returns == "void" || returns == "VkResult" ? result : "5, "
        out.line("  t.fillOutputs()")
        out.line("  encodeReply_\(model.name)(&t.reply.writer, \(given)a)")
      }
      out.line("}")
      guard model.kind.replies else { return }
      var replyArguments = ["&r"]
      for (i, parameter) in model.parameters.enumerated()
      where model.results.contains(where: { $0.member.name == parameter.member.name }) {
        replyArguments.append("t.load(\(i * 8))")
      }
      out.line("t.decodeReply { (r: inout Reader) in")
      let call = "decodeReply_\(model.name)(\(replyArguments.joined(separator: ", ")))"
      switch model.command.returns {
      case "void": out.line("  \(call)")
      case "VkResult": out.line("  t.expectResult(Int64(\(call).rawValue))")
      // A damaged reply may be any number.
      default: out.line("  t.expectResult(Int64(truncatingIfNeeded: \(call)))")
      }
      out.line("}")
    }
    return out.text
  }

  private func exerciseTable() -> String {
    var out = SourcePrinter()
    out.line("/// Encodes, decodes and answers the command whose parameters lie in `t`.")
    out.block("func exercise(_ name: String, _ t: Exercise)") { out in
      out.block("switch name") { out in
        for command in scope.commands
        where !scope.rules.handwrittenCommands.contains(command.name) {
          out.line("case \"\(command.name)\": exercise_\(command.name)(t)")
        }
        out.line("default: break")
      }
    }
    return out.text
  }

  private func decoders() -> String {
    var out = SourcePrinter()
    out.line("/// Decodes the body of any command; false for a number that is none.")
    out.block("func decodeCommand(_ opcode: UInt32, _ r: inout Reader) -> Bool") { out in
      out.block("switch opcode") { out in
        for command in scope.commands {
          out.line("case Opcode.\(command.name): _ = decode_\(command.name)(&r)")
        }
        out.line("default: return false")
      }
      out.line("return true")
    }
    return out.text
  }
}
