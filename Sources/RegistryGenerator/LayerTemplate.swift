/// Writes what the library needs as a layer with a local driver below it: the next functions of
/// every instance and physical-device command, and hooks that send each call to Omega's device or
/// to the next one down.
struct LayerTemplate {
  let scope: Scope
  let types: SwiftTypes
  let entries: EntryTemplate

  init(scope: Scope) {
    self.scope = scope
    types = SwiftTypes(scope: scope)
    entries = EntryTemplate(scope: scope)
  }

  /// Canonical commands of the two levels, in the order of the registry.
  var commands: [Command] {
    var seen: Set<String> = []
    return entries.rows.map(\.command).filter {
      let level = entries.level($0)
      return (level == .instance || level == .physicalDevice)
        && $0.name != "vkGetInstanceProcAddr" && seen.insert($0.name).inserted
    }
  }

  private func spellings(_ command: Command) -> [String] {
    [command.name]
      + scope.offered.filter { $0.canonical == command.name && $0.name != command.name }
      .map(\.name)
  }

  func dispatch() -> [String] {
    var lines: [String] = [
      "/// The next functions down a layer's chain. Plain data, filled once in vkCreateInstance;",
      "/// a function that the chain does not have is nil.",
      "struct LayerInstanceDispatch {",
    ]
    for command in commands { lines.append("  var \(command.name): PFN_\(command.name)?") }
    lines += [
      "", "  /// All functions of the chain that `get` knows for `instance`.",
      "  init(_ get: PFN_vkGetInstanceProcAddr, _ instance: VkInstance?) {",
    ]
    for command in commands {
      let tries = spellings(command).map { "nextFunction(get, instance, \"\($0)\")" }
      lines.append(
        "    \(command.name) = unsafeBitCast(\(tries.joined(separator: " ?? ")), to: PFN_\(command.name)?.self)"
      )
    }
    lines += [
      "  }", "}", "",
      "@inline(never)",
      "private func nextFunction(",
      "  _ get: PFN_vkGetInstanceProcAddr, _ instance: VkInstance?, _ name: StaticString",
      ") -> PFN_vkVoidFunction? {",
      "  get(instance, UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self))",
      "}",
    ]
    return lines
  }

  /// Hooks of the physical-device commands, but for those that `VkLayer` writes by hand.
  func hooks() -> [String] {
    var lines: [String] = []
    for command in commands
    where entries.level(command) == .physicalDevice
      && !LayerTemplate.handwritten.contains(command.name)
    {
      let names = command.parameters.map(\.name).joined(separator: ", ")
      let parameters = command.parameters.map { "  _ \($0.name): \(types.parameter($0))" }
      let result = types.result(command)
      let absent: String
      switch command.returns {
      case "void": absent = ""
      case "VkResult": absent = " ?? VK_ERROR_EXTENSION_NOT_PRESENT"
      default: absent = " ?? 0"
      }
      let next =
        "nextDispatch(of: physicalDevice)?.pointee.\(command.name)?(\(names))\(absent)"
      lines += [
        "/// Hooks `\(command.name)` in the layer.",
        "@c(omega_layer_\(command.name))",
        "func layer_\(command.name)(",
        parameters.joined(separator: ",\n"),
        result == "Void" ? ") {" : ") -> \(result) {",
        "  if isOmega(physicalDevice) { return hook_\(command.name)(\(names)) }",
        command.returns == "void" ? "  \(next)" : "  return \(next)",
        "}", "",
      ]
    }
    return lines.dropLast()
  }

  /// Physical-device commands whose layer hooks are hand-written.
  static let handwritten: Set<String> = ["vkCreateDevice"]

  /// The table of the layer: physical-device commands of the generated hooks.
  func table() -> [String] {
    let rows = entries.rows.filter { entries.level($0.command) == .physicalDevice }
    var lines: [String] = [
      "/// The layer's function for a physical-device command; nil for other names.",
      "/// `index` is the row of `entryNames`.",
      "func layerFunction(_ index: Int) -> PFN_vkVoidFunction? {",
      "  switch index {",
    ]
    let all = entries.rows
    for (index, row) in all.enumerated() where rows.contains(where: { $0.name == row.name }) {
      lines.append(
        "  case \(index): return unsafeBitCast(layer_\(row.command.name) as PFN_\(row.name), to: PFN_vkVoidFunction.self)"
      )
    }
    lines += ["  default: return nil", "  }", "}"]
    return lines
  }
}
