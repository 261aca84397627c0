/// Opcodes, kinds, names and facts of commands.
struct TableGenerator {
  let scope: Scope

  func files() throws -> [GeneratedFile] {
    [
      GeneratedFile(
        path: "VulkanWire/Generated/Opcodes", imports: ["public import Wire"],
        parts: [opcodes(), kinds(), names()]),
      GeneratedFile(
        path: "VulkanWire/Generated/CommandFacts", imports: ["import Wire"],
        parts: [try info()]),
      GeneratedFile(path: "VulkanWire/Generated/Extensions", imports: [], parts: [extensions()]),
      GeneratedFile(
        path: "VulkanWire/Generated/IDForms", imports: ["public import Wire"],
        parts: try idForms()),
    ]
  }

  private func opcodes() -> String {
    var out = SourcePrinter()
    out.line("/// The numbers of the Vulkan commands that travel. A number is never used again.")
    out.block("public enum Opcode") { out in
      for command in scope.commands {
        let value = String(scope.opcodes[command.name]!, radix: 16, uppercase: true)
        out.line(
          "@inlinable public static var \(command.name): UInt32 { 0x\(value) }")
      }
      let values = scope.commands.map { scope.opcodes[$0.name]! }
      out.blank()
      out.line("/// The first and the last number.")
      out.line("@inlinable public static var first: UInt32 { 0x1000 }")
      out.line(
        "@inlinable public static var last: UInt32 { 0x\(String(values.max()!, radix: 16, uppercase: true)) }"
      )
    }
    return out.text
  }

  private func kinds() -> String {
    let namer = Namer(scope: scope)
    var out = SourcePrinter()
    out.line("/// What Vulkan ids name.")
    out.block("extension HandleKind") { out in
      for (name, value) in scope.kinds.sorted(by: { $0.value < $1.value }) {
        out.line(
          "@inlinable public static var \(namer.kind(name)): HandleKind "
            + "{ HandleKind(rawValue: \(value)) }")
      }
    }
    return out.text
  }

  private func names() -> String {
    var out = SourcePrinter()
    out.line("/// The name of a command; nil for a number that is none.")
    out.block("public func commandName(_ opcode: UInt32) -> StaticString?") { out in
      out.block("switch opcode") { out in
        for command in scope.commands {
          out.line("case Opcode.\(command.name): \"\(command.name)\"")
        }
        out.line("default: nil")
      }
    }
    return out.text
  }

  private func info() throws -> String {
    let generator = CommandGenerator(scope: scope)
    let namer = Namer(scope: scope)
    var out = SourcePrinter()
    out.line("/// What the journal and the dispatcher must know of a command; nil for no command.")
    try out.block("public func commandInfo(_ opcode: UInt32) -> CommandInfo?") { out in
      try out.block("switch opcode") { out in
        for command in scope.commands {
          let model = try CommandModel(command, scope: scope)
          var arguments = [Self.travel(model)]
          let made = model.created
          let ended = model.destroyed(scope)
          if let made { arguments.append("creates: .\(namer.kind(made.member.type.base))") }
          if let ended { arguments.append("destroys: .\(namer.kind(ended.member.type.base))") }
          if let offset = try generator.idOffset(model) { arguments.append("idOffset: \(offset)") }
          if made?.isArray == true || ended?.isArray == true { arguments.append("isArray: true") }
          out.line("case Opcode.\(command.name):")
          out.line("  CommandInfo(\(arguments.joined(separator: ", ")))")
        }
        out.line("default: nil")
      }
    }
    return out.text
  }

  /// Where ids lie in what is recorded: a table of the commands whose layout is fixed, and decoders
  /// for the rest.
  private func idForms() throws -> [String] {
    let generator = CommandGenerator(scope: scope)
    var forms = SourcePrinter()
    var decoders = SourcePrinter()
    var decoded: [String] = []
    forms.line("/// Where the ids of a recorded command lie; nil when only decoding tells.")
    try forms.block("public func idForm(_ opcode: UInt32) -> IDForm?") { out in
      try out.block("switch opcode") { out in
        for command in scope.commands {
          let model = try CommandModel(command, scope: scope)
          guard model.kind.isRecorded(command) else { continue }
          guard let form = try generator.idForm(model) else {
            decoded.append(command.name)
            continue
          }
          var arguments = form.fixed.map { "\($0)" }
          if let array = form.array { arguments.append("array: \(array)") }
          out.line("case Opcode.\(command.name): IDForm(\(arguments.joined(separator: ", ")))")
        }
        out.line("default: nil")
      }
    }
    decoders.line(
      "/// Decodes the body of a recorded command that has no `idForm`, for a reader that notes ids."
    )
    decoders.line("/// False for any other opcode.")
    decoders.block("public func readIDs(_ opcode: UInt32, _ r: inout Reader) -> Bool") { out in
      out.block("switch opcode") { out in
        for name in decoded { out.line("case Opcode.\(name): _ = decode_\(name)(&r)") }
        out.line("default: return false")
      }
      out.line("return true")
    }
    return [forms.text, decoders.text]
  }

  private static func travel(_ model: CommandModel) -> String {
    if model.kind.isRecorded(model.command) { return ".recorded" }
    if model.kind.mayReply { return ".either" }
    return model.kind.replies ? ".call" : ".async"
  }

  /// Device extensions that the codecs know, sorted by name.
  private func extensions() -> String {
    var out = SourcePrinter()
    out.line("/// An extension whose commands and structures the codecs know.")
    out.block("public struct KnownExtension") {
      $0.line("public let name: StaticString")
      $0.line("public let specVersion: UInt32")
    }
    for (title, isDevice) in [("Device", true), ("Instance", false)] {
      let list = scope.offeredExtensions(isDevice: isDevice)
      out.blank()
      out.line("/// \(title) extensions that may be offered to an application.")
      out.line("public let known\(title)ExtensionCount: Int = \(list.count)")
      out.blank()
      out.line("/// \(title) extension `index`; nil behind the last.")
      out.block(
        "public func known\(title)Extension(_ index: Int) -> KnownExtension?"
      ) { out in
        out.block("switch index") { out in
          for (i, feature) in list.enumerated() {
            out.line(
              "case \(i): KnownExtension(name: \"\(feature.name)\", "
                + "specVersion: \(feature.specVersion))")
          }
          out.line("default: nil")
        }
      }
    }
    return out.text
  }
}
