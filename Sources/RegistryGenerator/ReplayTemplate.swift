/// Writes the node's side of each command: the table of driver functions, a handler that decodes,
/// calls the driver and replies, and the switch from opcode to handler. Commands of class
/// `…+doer` end in a hand-written `doer_vkX` in VulkanReplay; what they may write in mapped memory is
/// noted as `Rules/writes.txt` says.
struct ReplayTemplate {
  let scope: Scope
  let generator: CommandGenerator

  init(scope: Scope) {
    self.scope = scope
    generator = CommandGenerator(scope: scope)
  }

  private func isInstanceLevel(_ command: Command) -> Bool {
    switch command.parameters.first?.type.base {
    case "VkDevice", "VkQueue", "VkCommandBuffer": false
    default: true
    }
  }

  private func spellings(_ command: Command) -> [String] {
    [command.name]
      + scope.offered.filter { $0.canonical == command.name && $0.name != command.name }
      .map(\.name)
  }

  // MARK: Driver functions

  func dispatch() -> String {
    var out = SourcePrinter()
    out.line(
      "/// The functions of the node's driver, as its loader gives them; nil for what it lacks.")
    out.line("/// Plain data. Loaded once for the instance and once for the device.")
    out.block("public struct DriverDispatch") { out in
      for command in scope.commands { out.line("var \(command.name): PFN_\(command.name)?") }
      out.blank()
      out.line("public init() {}")
    }
    out.blank()
    for (name, getter, owner, level) in [
      ("loadInstance", "PFN_vkGetInstanceProcAddr", "VkInstance?", true),
      ("loadDevice", "PFN_vkGetDeviceProcAddr", "VkDevice?", false),
    ] {
      let commands = scope.commands.filter { isInstanceLevel($0) == level }
      let blocks = stride(from: 0, to: commands.count, by: 100).map {
        Array(commands[$0..<min($0 + 100, commands.count)])
      }
      out.block("extension DriverDispatch") { out in
        out.line("/// Fills in the functions of the \(level ? "instance" : "device") level.")
        out.block("public mutating func \(name)(_ get: \(getter), _ owner: \(owner))") { out in
          for i in blocks.indices { out.line("\(name)\(i)(get, owner)") }
        }
        for (i, block) in blocks.enumerated() {
          out.blank()
          out.block("private mutating func \(name)\(i)(_ get: \(getter), _ owner: \(owner))") {
            for command in block {
              let tries = spellings(command).map { "get(owner, \"\($0)\")" }
              $0.line(
                "\(command.name) = unsafeBitCast(\(tries.joined(separator: " ?? ")),"
                  + " to: PFN_\(command.name)?.self)")
            }
          }
        }
      }
      out.blank()
    }
    return out.text
  }

  // MARK: Handlers

  func handler(_ command: Command) throws -> String {
    let model = try CommandModel(command, scope: scope)
    let kind = model.kind
    var out = SourcePrinter()
    out.line("/// Replays `\(command.name)`.")
    try out.block(
      "func replay_\(command.name)(_ c: UnsafeMutablePointer<ReplayContext>, _ r: inout Reader)"
    ) { out in
      let isDoer = kind.parts.contains("doer")
      let isUsed =
        isDoer || kind.replies
        || model.parameters.contains {
          if case .left = $0.role { false } else { true }
        }
      let binding = isUsed ? "\(isDoer ? "var" : "let") a: Args_\(command.name)" : "_"
      out.line("\(binding) = decode_\(command.name)(&r)")
      out.line("guard r.failure == nil else { return }")
      if isDoer {
        out.line("doer_\(command.name)(c, &a)")
        return
      }
      if kind.isRecorded(command) {
        switch scope.rules.writes[command.name] {
        case "nothing": break
        case "shaders": out.line("c.pointee.noteShaders()")
        case "noted": out.line("note_\(command.name)(c, a)")
        case let rule? where rule.hasPrefix("image "):
          let image = rule.dropFirst(6).replacing("$", with: "a.")
          out.line("noteImage(c, \(image))")
        default: out.line("c.pointee.noteEverything()")
        }
      }
      out.block("guard let call = c.pointee.dispatch.pointee.\(command.name) else") {
        $0.line("return c.pointee.missing(Opcode.\(command.name))")
      }
      try callDriver(model, &out)
    }
    return out.text
  }

  private func callDriver(_ model: CommandModel, _ out: inout SourcePrinter) throws {
    let command = model.command
    let arguments = model.parameters.map { parameter -> String in
      switch parameter.role {
      case .left:
        parameter.member.type.base == "VkCommandBuffer" ? "c.pointee.commandBuffer" : "nil"
      default: "a.\(parameter.member.name)"
      }
    }
    let returns = command.returns != "void"
    out.list(returns ? "let result = call(" : "call(", arguments, ")")
    if let created = model.created { insert(created.member, created.isArray, &out) }
    if model.destroyed(scope) != nil, let offset = try generator.idOffset(model) {
      out.line("c.pointee.forget(recordOffset: \(offset))")
    }
    if scope.rules.writes[command.name] == "noted", !model.kind.isRecorded(command) {
      let note = "note_\(command.name)(c, a)"
      out.line(returns ? "if result.rawValue >= 0 { \(note) }" : note)
    }
    let failure = "if result.rawValue < 0 { c.pointee.failed(Opcode.\(command.name), result) }"
    if model.kind.mayReply {
      out.block("guard a.ticket != noTicket else") { out in
        if command.returns == "VkResult" { out.line(failure) }
        out.line("return")
      }
    }
    if model.kind.replies {
      let result = returns ? "result, " : ""
      out.line("encodeReply_\(command.name)(&c.pointee.reply.writer, \(result)a)")
      out.line("c.pointee.sendReply(a.ticket)")
    } else if command.returns == "VkResult" {
      out.line(failure)
    }
  }

  private func insert(_ created: Member, _ isArray: Bool, _ out: inout SourcePrinter) {
    let handle = "a.\(created.name)?[i]"
    out.block("if result.rawValue >= 0, let ids = a.ids") { out in
      if isArray {
        out.line("for i: Int in 0..<a.idCount { c.pointee.insert(ids[i], \(handle) ?? nil) }")
      } else {
        out.line("c.pointee.insert(ids[0], a.\(created.name)?.pointee ?? nil)")
      }
    }
  }

  // MARK: Table

  /// `replay(opcode, …)`: a dense switch, in blocks.
  func table() -> String {
    var out = SourcePrinter()
    let base = 0x1000
    var blocks: [Int: [(Int, Command)]] = [:]
    for command in scope.commands {
      let index = scope.opcodes[command.name]! - base
      blocks[index / 128, default: []].append((index % 128, command))
    }
    out.line("/// Replays one Vulkan record. False when no command has this opcode.")
    out.block(
      "func replay(_ opcode: UInt32, _ c: UnsafeMutablePointer<ReplayContext>, _ r: inout Reader)"
        + " -> Bool"
    ) { out in
      out.line("guard opcode >= \(base) else { return false }")
      out.block("switch (opcode &- \(base)) &>> 7") { out in
        for block in blocks.keys.sorted() {
          out.line("case \(block): return replayBlock\(block)(opcode & 127, c, &r)")
        }
        out.line("default: return false")
      }
    }
    for block in blocks.keys.sorted() {
      out.blank()
      out.block(
        "private func replayBlock\(block)(\n  _ index: UInt32, _ c: UnsafeMutablePointer<ReplayContext>,"
          + " _ r: inout Reader\n) -> Bool"
      ) { out in
        out.block("switch index") { out in
          for (index, command) in blocks[block]! {
            out.line("case \(index): replay_\(command.name)(c, &r)")
          }
          out.line("default: return false")
        }
        out.line("return true")
      }
    }
    return out.text
  }
}
