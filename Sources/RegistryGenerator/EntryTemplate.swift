/// Writes the tables by which a loader finds the hooks: names in one sorted block of bytes, one
/// row for each spelling of each command that is offered.
struct EntryTemplate {
  let scope: Scope
  let types: SwiftTypes

  init(scope: Scope) {
    self.scope = scope
    types = SwiftTypes(scope: scope)
  }

  enum Level: String {
    case global, instance, physicalDevice, device
  }

  static let global: Set<String> = [
    "vkCreateInstance", "vkEnumerateInstanceExtensionProperties",
    "vkEnumerateInstanceLayerProperties", "vkEnumerateInstanceVersion",
  ]

  func level(_ command: Command) -> Level {
    if EntryTemplate.global.contains(command.name) { return .global }
    switch command.parameters.first?.type.base {
    case "VkInstance": return .instance
    case "VkPhysicalDevice": return .physicalDevice
    default: return .device
    }
  }

  /// Every offered spelling, sorted as `strcmp` sorts.
  var rows: [(name: String, command: Command)] {
    scope.offered.map { ($0.name, scope.registry.commands[$0.canonical]!) }
      .sorted { Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8)) }
  }

  func names(_ rows: [(name: String, command: Command)]) -> [String] {
    var lines: [String] = [
      "/// The names of all entry points, sorted, each ended by NUL.",
      "let entryNames: StaticString = \"\"\"",
    ]
    lines += rows.map { "  \($0.name)\\0\\" }
    lines += ["", "  \"\"\"", ""]
    var offset = 0
    var offsets: [Int] = []
    for row in rows {
      offsets.append(offset)
      offset += row.name.utf8.count + 1
    }
    lines += [
      "/// Where each name begins in `entryNames`.",
      "nonisolated(unsafe) let entryNameOffsets: InlineArray<\(rows.count), UInt16> = [",
    ]
    lines += EntryTemplate.wrapped(offsets.map(String.init))
    lines += ["]", ""]
    lines += [
      "/// The level of each name: 0 global, 1 instance, 2 physical device, 3 device.",
      "nonisolated(unsafe) let entryLevels: InlineArray<\(rows.count), UInt8> = [",
    ]
    lines += EntryTemplate.wrapped(
      rows.map {
        switch level($0.command) {
        case .global: "0"
        case .instance: "1"
        case .physicalDevice: "2"
        case .device: "3"
        }
      })
    lines += ["]", ""]
    lines += providers(rows)
    lines += [
      "/// How many entry points there are.",
      "var entryCount: Int { \(rows.count) }",
    ]
    return lines
  }

  /// Which core version and which extensions bring each device-level spelling: `vkGetDeviceProcAddr`
  /// answers for those that are enabled alone.
  private func providers(_ rows: [(name: String, command: Command)]) -> [String] {
    var codes: [String: [Int]] = [:]
    for (minor, version) in scope.registry.versions.enumerated() {
      for block in version.blocks(with: scope.rules.extensions) {
        for name in block.commands { codes[name, default: []].append(minor) }
      }
    }
    for isDevice in [true, false] {
      let first = isDevice ? 0x100 : 0x200
      for (index, feature) in scope.offeredExtensions(isDevice: isDevice).enumerated() {
        for block in feature.blocks(with: scope.rules.extensions) {
          for name in block.commands { codes[name, default: []].append(first + index) }
        }
      }
    }
    var all: [Int] = []
    var starts: [Int] = []
    for row in rows {
      starts.append(all.count)
      if level(row.command) == .device { all += codes[row.name] ?? [] }
    }
    starts.append(all.count)
    var lines = [
      "/// What brings the device-level entry points: 0 to 3 is Vulkan 1.0 to 1.3, 0x100 + n the n-th known",
      "/// device extension, 0x200 + n the n-th known instance extension. Those of row i lie at",
      "/// `entryProviderStarts[i]` up to, but not including, `entryProviderStarts[i + 1]`.",
      "nonisolated(unsafe) let entryProviders: InlineArray<\(all.count), UInt16> = [",
    ]
    lines += EntryTemplate.wrapped(all.map(String.init))
    lines += [
      "]", "",
      "nonisolated(unsafe) let entryProviderStarts: InlineArray<\(starts.count), UInt16> = [",
    ]
    lines += EntryTemplate.wrapped(starts.map(String.init))
    return lines + ["]", ""]
  }

  static func wrapped(_ items: [String]) -> [String] {
    stride(from: 0, to: items.count, by: 14).map { start in
      "  " + items[start..<min(start + 14, items.count)].joined(separator: ", ") + ","
    }
  }

  /// `name(index) -> PFN`: one case for each row, in blocks so that no function is too long.
  func functions(
    _ rows: [(name: String, command: Command)], function: String, hook: (Command) -> String
  ) -> [String] {
    let block = 128
    let count = (rows.count + block - 1) / block
    var lines: [String] = [
      "/// The function of an entry point; nil for an index out of range.",
      "func \(function)(_ index: Int) -> PFN_vkVoidFunction? {",
      "  switch index &>> 7 {",
    ]
    for i in 0..<count { lines.append("  case \(i): return \(function)Block\(i)(index & 127)") }
    lines += ["  default: return nil", "  }", "}"]
    for i in 0..<count {
      lines += [
        "", "private func \(function)Block\(i)(_ index: Int) -> PFN_vkVoidFunction? {",
        "  switch index {",
      ]
      for (k, row) in rows[(i * block)..<min((i + 1) * block, rows.count)].enumerated() {
        let cast =
          "unsafeBitCast(\(hook(row.command)) as PFN_\(row.name), to: PFN_vkVoidFunction.self)"
        lines += ["  case \(k): return \(cast)"]
      }
      lines += ["  default: return nil", "  }", "}"]
    }
    return lines
  }
}
