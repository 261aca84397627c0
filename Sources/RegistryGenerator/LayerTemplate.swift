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

  /// Physical-device commands that Omega does not offer. The layer takes them too: a device of ours
  /// must never reach a driver that cannot know it.
  var strangers: [Command] {
    let offered = Set(scope.offered.map(\.canonical))
    var seen: Set<String> = []
    return scope.registry.extensions
      .filter { [nil, "xcb", "xlib", "wayland"].contains($0.platform) }
      .flatMap { $0.blocks.flatMap(\.commands) }
      .map { scope.registry.canonicalCommand($0) }
      .filter { !offered.contains($0) && seen.insert($0).inserted }
      .compactMap { scope.registry.commands[$0] }
      .filter { entries.level($0) == .physicalDevice }
  }

  /// Strangers that `VkLayer` answers for devices of ours: a local driver offers them for surfaces.
  static let answered: Set<String> = ["vkGetPhysicalDeviceSurfaceCapabilities2EXT"]

  /// What a command of an extension that our devices do not have says.
  private func refusal(_ command: Command) -> [String] {
    if LayerTemplate.answered.contains(command.name) {
      return ["return hook_\(command.name)(\(names(command)))"]
    }
    let counts = command.parameters.filter {
      $0.type.base == "uint32_t" && $0.type.pointers == 1 && $0.name.hasSuffix("Count")
    }
    var lines = counts.map { "\($0.name)?.pointee = 0" }
    switch command.returns {
    case "void": lines.append("return")
    case "VkResult":
      lines.append("return \(counts.isEmpty ? "VK_ERROR_EXTENSION_NOT_PRESENT" : "VK_SUCCESS")")
    default: lines.append("return 0")
    }
    return lines
  }

  private func names(_ command: Command) -> String {
    command.parameters.map(\.name).joined(separator: ", ")
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
    for command in commands + strangers {
      lines.append("  var \(command.name): PFN_\(command.name)?")
    }
    lines += [
      "", "  /// All functions of the chain that `get` knows for `instance`.",
      "  init(_ get: PFN_vkGetInstanceProcAddr, _ instance: VkInstance?) {",
    ]
    for command in commands + strangers {
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
      lines += hook(command, own: ["return hook_\(command.name)(\(names(command)))"]) + [""]
    }
    for command in strangers { lines += hook(command, own: refusal(command)) + [""] }
    return lines.dropLast()
  }

  /// One hook: `own` for a device of ours, the next function for any other.
  private func hook(_ command: Command, own: [String]) -> [String] {
    let parameters = command.parameters.map { "  _ \($0.name): \(types.parameter($0))" }
    let result = types.result(command)
    let absent: String
    switch command.returns {
    case "void": absent = ""
    case "VkResult": absent = " ?? VK_ERROR_EXTENSION_NOT_PRESENT"
    default: absent = " ?? 0"
    }
    let next =
      "nextDispatch(of: physicalDevice)?.pointee.\(command.name)?(\(names(command)))\(absent)"
    return [
      "/// Hooks `\(command.name)` in the layer.",
      "@c(omega_layer_\(command.name))",
      "func layer_\(command.name)(",
      parameters.joined(separator: ",\n"),
      result == "Void" ? ") {" : ") -> \(result) {",
      "  if isOmega(physicalDevice) {",
    ] + own.map { "    " + $0 } + [
      "  }",
      command.returns == "void" ? "  \(next)" : "  return \(next)",
      "}",
    ]
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
    lines += [
      "  default: return nil", "  }", "}", "",
      "/// The layer's function for a physical-device command that Omega does not offer.",
      "func strangerFunction(_ name: UnsafePointer<CChar>) -> PFN_vkVoidFunction? {",
    ]
    for command in strangers {
      for spelling in [command.name] + command.aliases {
        lines += [
          "  if equal(name, \"\(spelling)\") {",
          "    return unsafeBitCast(layer_\(command.name) as PFN_\(spelling), to: PFN_vkVoidFunction.self)",
          "  }",
        ]
      }
    }
    lines += ["  return nil", "}"]
    return lines
  }
}
