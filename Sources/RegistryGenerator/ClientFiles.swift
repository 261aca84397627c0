/// The generated files of VkLayer and VulkanReplay.
struct ClientFiles {
  let scope: Scope

  private static let layerImports = [
    "import Client", "import CVulkan", "import VulkanWire", "import Wire",
  ]
  private static let replayImports = ["import CVulkan", "import VulkanWire", "import Wire"]

  func files() throws -> [GeneratedFile] { try layer() + replay() }

  private func text(_ lines: [String]) -> String { lines.joined(separator: "\n") + "\n" }

  private func layer() throws -> [GeneratedFile] {
    let hooks = HookTemplate(scope: scope)
    let entries = EntryTemplate(scope: scope)
    let layer = LayerTemplate(scope: scope)
    let generated = Set(["record", "async", "sync", "cached"])
    var groups: [String: [String]] = [:]
    for command in scope.commands where generated.contains(scope.commandClass(command).kind) {
      let group = StructureGenerator.group(scope.origin[command.name] ?? "")
      groups[group, default: []].append(text(try hooks.hook(command)))
    }
    let rows = entries.rows
    return groups.keys.sorted().map {
      GeneratedFile(
        path: "VkLayer/Generated/Hooks\($0)", imports: Self.layerImports, parts: groups[$0]!)
    } + [
      GeneratedFile(
        path: "VkLayer/Generated/EntryPoints", imports: ["import CVulkan"],
        parts: [
          text(entries.names(rows)),
          text(entries.functions(rows, function: "entryFunction") { "hook_\($0.name)" }),
        ]),
      GeneratedFile(
        path: "VkLayer/Generated/LayerDispatch", imports: ["import CVulkan"],
        parts: [text(layer.dispatch())]),
      GeneratedFile(
        path: "VkLayer/Generated/LayerHooks", imports: ["import CVulkan", "import Client"],
        parts: [text(layer.hooks()), text(layer.table())]),
    ]
  }

  private func replay() throws -> [GeneratedFile] {
    let replay = ReplayTemplate(scope: scope)
    var groups: [String: [String]] = [:]
    for command in scope.commands {
      let group = StructureGenerator.group(scope.origin[command.name] ?? "")
      groups[group, default: []].append(try replay.handler(command))
    }
    return [
      GeneratedFile(
        path: "VulkanReplay/Generated/DriverDispatch", imports: ["public import CVulkan"],
        parts: [replay.dispatch()]),
      GeneratedFile(
        path: "VulkanReplay/Generated/ReplayTable", imports: ["import Wire"],
        parts: [replay.table()]),
    ]
      + groups.keys.sorted().map {
        GeneratedFile(
          path: "VulkanReplay/Generated/Handlers\($0)", imports: Self.replayImports,
          parts: groups[$0]!)
      }
  }
}
