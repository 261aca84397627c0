/// Writes the client's hooks for the classes record, async, sync and cached (`docs/architecture.md`
/// §4). Custom and local hooks are hand-written beside them, under the same names.
struct HookTemplate {
  let scope: Scope
  let types: SwiftTypes

  init(scope: Scope) {
    self.scope = scope
    types = SwiftTypes(scope: scope)
  }

  /// One hook.
  func hook(_ command: Command) throws -> [String] {
    let kind = scope.commandClass(command).kind
    var lines: [String] = ["/// Hooks `\(command.name)`."]
    lines += signature(command)
    switch kind {
    case "record": lines += record(command)
    case "async": lines += try async(command)
    default: lines += try call(command, cached: kind == "cached")
    }
    lines.append("}")
    return lines
  }

  func signature(_ command: Command) -> [String] {
    let parameters = command.parameters.map { "  _ \($0.name): \(types.parameter($0))" }
    let result = types.result(command)
    return ["@c(omega_\(command.name))", "func hook_\(command.name)("]
      + [parameters.joined(separator: ",\n")]
      + [result == "Void" ? ") {" : ") -> \(result) {"]
  }

  // MARK: Parts of a command

  private func model(_ command: Command) throws -> CommandModel {
    try CommandModel(command, scope: scope)
  }

  private func created(_ command: Command) throws -> (member: Member, isArray: Bool)? {
    try model(command).created
  }

  private func destroyed(_ command: Command) throws -> Member? {
    try model(command).destroyed(scope)?.member
  }

  private func kindName(_ member: Member) -> String { ".\(types.namer.kind(member.type.base))" }

  private func owner(_ command: Command) -> String {
    let first = command.parameters[0]
    return "\(first.name): \(first.name)"
  }

  private func arguments(_ command: Command, ids: String?) throws -> String {
    let out = ids == nil ? nil : try created(command)?.member.name
    return command.parameters.filter { $0.name != "pAllocator" }.map {
      $0.name == out ? ids ?? $0.name : $0.name
    }.joined(separator: ", ")
  }

  private func lost(_ command: Command) -> String {
    switch command.returns {
    case "void": return "return"
    case "VkResult": return "return VK_ERROR_DEVICE_LOST"
    default: return "return 0"
    }
  }

  /// What out parameters hold when there is nobody to ask: counts of 0.
  private func emptyOutputs(_ command: Command) -> [String] {
    command.parameters.filter {
      $0.type.pointers == 1 && !$0.type.isConst && $0.type.base == "uint32_t"
        && $0.name.hasPrefix("p") && $0.name.hasSuffix("Count")
    }.map { "    \($0.name)?.pointee = 0" }
  }

  // MARK: Bodies

  private func record(_ command: Command) -> [String] {
    let arguments = command.parameters.dropFirst().map(\.name)
    let list = (["&recorder(commandBuffer).pointee"] + arguments).joined(separator: ", ")
    return ["  encode_\(command.name)(\(list))"]
  }

  private func async(_ command: Command) throws -> [String] {
    var lines: [String] = []
    if let destroyed = try destroyed(command) {
      lines.append("  guard let \(destroyed.name) else { return }")
    }
    var ids: String?
    let created = try created(command)?.member
    if let created {
      if !created.lengths.isEmpty { return try asyncMany(command, created) }
      lines += [
        "  let id: UInt64 = makeID(\(kindName(created)), \(owner(command)))",
        "  guard id != 0 else { return VK_ERROR_OUT_OF_HOST_MEMORY }",
      ]
      ids = "id"
    }
    lines += ["  guard let writer = beginAsync(\(owner(command))) else { \(lost(command)) }"]
    lines += ["  encode_\(command.name)(&writer.pointee, \(try arguments(command, ids: ids)))"]
    if let created {
      lines += [
        "  let result: VkResult = endAsync(writer)",
        "  guard result == VK_SUCCESS else { return result }",
        "  didCreate(\(kindName(created)), id)",
        "  \(created.name)?.pointee = OpaquePointer(bitPattern: UInt(id))",
        "  return VK_SUCCESS",
      ]
    } else if command.returns == "VkResult" {
      lines += ["  return endAsync(writer)"]
    } else {
      lines += ["  _ = endAsync(writer)"]
    }
    if let destroyed = try destroyed(command) {
      lines += [
        "  didDestroy(\(kindName(destroyed)), UInt64(UInt(bitPattern: \(destroyed.name))))"
      ]
    }
    return lines
  }

  /// Creation of several objects at once: the application's array holds the ids while they are
  /// encoded, since an id and a non-dispatchable handle are the same 64 bits.
  private func asyncMany(_ command: Command, _ created: Member) throws -> [String] {
    let count = created.lengths[0]
    return [
      "  guard let \(created.name), \(count) > 0 else { return VK_SUCCESS }",
      "  let ids: UnsafeMutablePointer<UInt64> = UnsafeMutableRawPointer(\(created.name))",
      "    .assumingMemoryBound(to: UInt64.self)",
      "  var i: Int = 0",
      "  while i < Int(\(count)) {",
      "    ids[i] = makeID(\(kindName(created)), \(owner(command)))",
      "    guard ids[i] != 0 else {",
      "      forgetIDs(\(kindName(created)), ids, i)",
      "      return VK_ERROR_OUT_OF_HOST_MEMORY",
      "    }",
      "    i &+= 1",
      "  }",
      "  guard let writer = beginAsync(\(owner(command))) else {",
      "    forgetIDs(\(kindName(created)), ids, i)",
      "    return VK_ERROR_DEVICE_LOST",
      "  }",
      "  encode_\(command.name)(&writer.pointee, \(try arguments(command, ids: "UnsafePointer<UInt64>(ids)")))",
      "  let result: VkResult = endAsync(writer)",
      "  guard result == VK_SUCCESS else {",
      "    forgetIDs(\(kindName(created)), ids, i)",
      "    return result",
      "  }",
      "  i = 0",
      "  while i < Int(\(count)) {",
      "    didCreate(\(kindName(created)), ids[i])",
      "    i &+= 1",
      "  }",
      "  return VK_SUCCESS",
    ]
  }

  private func call(_ command: Command, cached: Bool) throws -> [String] {
    let word = cached ? "Cached" : "Call"
    var lines: [String] = []
    var ids: String?
    let created = try created(command)?.member
    if let created {
      lines += [
        "  let id: UInt64 = makeID(\(kindName(created)), \(owner(command)))",
        "  guard id != 0 else { return VK_ERROR_OUT_OF_HOST_MEMORY }",
      ]
      ids = "id"
    }
    lines += [
      "  guard var call = begin\(word)(\(owner(command)), opcode: Opcode.\(command.name)) else {"
    ]
    lines += emptyOutputs(command) + ["    \(lost(command))", "  }"]
    let list = ["&call.writer.pointee", "call.ticket"] + [try arguments(command, ids: ids)]
    lines += ["  encode_\(command.name)(\(list.joined(separator: ", ")))"]
    lines += ["  guard var reply = end\(word)(&call) else {", "    finishCall(&call)"]
    lines += emptyOutputs(command) + ["    \(lost(command))", "  }"]
    let outputs = (["&reply"] + (try model(command).results.map(\.member.name))).joined(
      separator: ", ")
    let decode = "decodeReply_\(command.name)(\(outputs))"
    if command.returns == "void" {
      lines += ["  \(decode)", "  finishCall(&call)"]
    } else {
      lines += [
        "  let result: \(types.result(command)) = \(decode)",
        "  finishCall(&call)",
      ]
      if let created {
        lines += [
          "  if result == VK_SUCCESS {",
          "    didCreate(\(kindName(created)), id)",
          "    \(created.name)?.pointee = OpaquePointer(bitPattern: UInt(id))",
          "  } else {",
          "    didDestroy(\(kindName(created)), id)",
          "  }",
        ]
      }
      lines += ["  return result"]
    }
    return lines
  }
}
