/// What is generated: the commands and structures that the rules let in, and their numbers.
struct Scope {
  let registry: Registry
  let rules: Rules
  /// Canonical commands that travel, in order of opcode.
  private(set) var commands: [Command] = []
  /// Every command that is offered under any name, with the level it is looked up at.
  private(set) var offered: [(name: String, canonical: String)] = []
  /// Structures that are encoded, in order of the registry.
  private(set) var structures: [Structure] = []
  private(set) var opcodes: [String: Int] = [:]
  private(set) var kinds: [String: Int] = [:]
  /// Members of chains: structure -> names of those that may extend it.
  private(set) var chains: [String: [String]] = [:]
  private(set) var extensions: [Feature] = []
  /// The name of the core version or extension that brings a command or structure.
  private(set) var origin: [String: String] = [:]

  init(registry: Registry, rules: Rules) throws {
    self.registry = registry
    self.rules = rules
    for name in registry.extensions.map(\.name).sorted()
    where name.hasPrefix("VK_KHR_") || name.hasPrefix("VK_EXT_") {
      guard rules.knownExtensions.contains(name) else {
        throw GenerationError("extensions.txt says nothing about \(name): in or out, and why")
      }
    }
    extensions = registry.extensions.filter { rules.extensions.contains($0.name) }
    for name in rules.extensions.sorted() where !extensions.contains(where: { $0.name == name }) {
      throw GenerationError("extensions.txt: the registry has no \(name)")
    }
    for name in rules.writes.keys.sorted() where registry.commands[name] == nil {
      throw GenerationError("writes.txt: the registry has no \(name)")
    }
    try selectCommands()
    selectStructures()
    try number()
  }

  private var blocks: [(feature: Feature, block: Feature.Block)] {
    (registry.versions + extensions).flatMap { feature in
      feature.blocks(with: rules.extensions).map { (feature, $0) }
    }
  }

  private mutating func selectCommands() throws {
    var names: Set<String> = []
    for (feature, block) in blocks {
      for command in block.commands {
        names.insert(command)
        let canonical = registry.canonicalCommand(command)
        if origin[canonical] == nil { origin[canonical] = feature.name }
      }
      for type in block.types where origin[registry.canonical(type)] == nil {
        origin[registry.canonical(type)] = feature.name
      }
    }
    for name in registry.commandOrder {
      let command = registry.commands[name]!
      let spellings = ([name] + command.aliases.sorted()).filter { names.contains($0) }
      guard !spellings.isEmpty else { continue }
      guard let kind = rules.classes[name] else {
        throw GenerationError("commands.txt has no class for \(name)")
      }
      if kind.travels { commands.append(command) }
      if kind.kind == "absent" { continue }
      offered += spellings.map { ($0, name) }
    }
    for name in rules.classes.keys.sorted() where registry.commands[name] == nil {
      throw GenerationError("commands.txt: the registry has no \(name)")
    }
  }

  private mutating func selectStructures() {
    let typesInScope = Set(blocks.flatMap(\.block.types).map { registry.canonical($0) })
    var reached: Set<String> = []
    var queue: [String] = []
    for command in commands {
      queue += command.parameters.map { registry.canonical($0.type.base) }
    }
    while let name = queue.popLast() {
      guard let structure = registry.structures[name], name != "VkAllocationCallbacks",
        reached.insert(name).inserted
      else { continue }
      for member in structure.members
      where !rules.omitted.contains("\(name).\(member.name)") {
        queue.append(registry.canonical(member.type.base))
      }
      for other in registry.structureOrder
      where registry.structures[other]!.extends.map(registry.canonical).contains(name)
        && typesInScope.contains(other) && !rules.dropped.contains(other)
      {
        queue.append(other)
        chains[name, default: []].append(other)
      }
    }
    structures = registry.structureOrder.filter { reached.contains($0) }.map {
      registry.structures[$0]!
    }
  }

  /// Numbers once given stay; what is new comes behind them.
  private mutating func number() throws {
    for (name, value) in rules.opcodes { opcodes[name] = value }
    var next = (rules.opcodes.map(\.value).max() ?? 0xFFF) + 1
    for command in commands where opcodes[command.name] == nil {
      opcodes[command.name] = next
      next += 1
    }
    guard next <= 0x10000 else { throw GenerationError("opcodes.txt has run out of numbers") }
    let typesInScope = Set(blocks.flatMap(\.block.types).map { registry.canonical($0) })
    for (name, value) in rules.kinds { kinds[name] = value }
    var nextKind = (rules.kinds.map(\.value).max() ?? 0) + 1
    for name in registry.handleOrder where kinds[name] == nil {
      guard typesInScope.contains(name) else { continue }
      kinds[name] = nextKind
      nextKind += 1
    }
    guard nextKind <= 256 else { throw GenerationError("kinds.txt has run out of numbers") }
    commands.sort { opcodes[$0.name]! < opcodes[$1.name]! }
  }

  // MARK: Questions

  func commandClass(_ command: Command) -> CommandClass { rules.classes[command.name]! }

  /// The extensions that may be offered to an application, sorted by name.
  func offeredExtensions(isDevice: Bool) -> [Feature] {
    extensions.filter { $0.isDevice == isDevice && !rules.codecOnly.contains($0.name) }
      .sorted { $0.name < $1.name }
  }

  func structure(_ type: String) -> Structure? { registry.structures[registry.canonical(type)] }

  /// The value of a structure's sType; nil when it has none.
  func structureType(_ structure: Structure) -> Int64? {
    guard let name = structure.members.first(where: { $0.name == "sType" })?.values else {
      return nil
    }
    return registry.value(of: name, in: "VkStructureType")
  }

  /// Enumerations that are checked, with the values in order.
  func checkedValues(_ type: String) -> [Int64]? {
    let name = registry.canonical(type)
    guard rules.checked.contains(name), let e = registry.enumerations[name] else { return nil }
    return Set(e.values.map(\.value)).sorted()
  }
}
