import Foundation
import FoundationXML

/// Reads vk.xml into a `Registry`. Only what is supported="vulkan" and not provisional is kept.
struct RegistryParser {
  private var registry = Registry()
  /// Enumerant aliases, resolved when everything else is known.
  private var enumerantAliases: [(enumeration: String, name: String, alias: String)] = []

  static func parse(_ path: String) throws -> Registry {
    let document = try XMLDocument(contentsOf: URL(fileURLWithPath: path), options: [])
    guard let root = document.rootElement() else {
      throw GenerationError("\(path) has no root element")
    }
    var parser = RegistryParser()
    try parser.read(root)
    return parser.registry
  }

  private mutating func read(_ root: XMLElement) throws {
    for block in root.elements(forName: "enums") { readEnumeration(block) }
    for block in root.elements(forName: "types") {
      for type in block.elements(forName: "type") { try readType(type) }
    }
    for block in root.elements(forName: "commands") {
      for command in block.elements(forName: "command") { try readCommand(command) }
    }
    for (alias, name) in registry.commandAliases.sorted(by: { $0.key < $1.key }) {
      registry.commands[registry.canonicalCommand(name)]?.aliases.append(alias)
    }
    for feature in root.elements(forName: "feature") {
      registry.versions.append(readFeature(feature, number: 0))
    }
    for block in root.elements(forName: "extensions") {
      for element in block.elements(forName: "extension") {
        guard element.attribute("supported") == "vulkan",
          element.attribute("provisional") != "true"
        else { continue }
        let number = Int(element.attribute("number") ?? "") ?? 0
        registry.extensions.append(readFeature(element, number: number))
      }
    }
    for (enumeration, name, alias) in enumerantAliases {
      guard let value = registry.value(of: alias, in: enumeration) else { continue }
      registry.enumerations[enumeration]?.values.append((name, value))
    }
  }

  // MARK: Enumerations

  private mutating func readEnumeration(_ block: XMLElement) {
    guard let name = block.attribute("name") else { return }
    if name == "API Constants" {
      for e in block.elements(forName: "enum") {
        guard let key = e.attribute("name"), let value = Int(e.attribute("value") ?? "") else {
          continue
        }
        registry.constants[key] = value
      }
      return
    }
    var enumeration = Enumeration(
      name: name, isBitmask: block.attribute("type") == "bitmask",
      width: Int(block.attribute("bitwidth") ?? "32") ?? 32, values: [])
    for e in block.elements(forName: "enum") {
      guard let key = e.attribute("name") else { continue }
      if let alias = e.attribute("alias") {
        enumerantAliases.append((name, key, alias))
      } else if let value = RegistryParser.value(e, number: 0) {
        enumeration.values.append((key, value))
      }
    }
    registry.enumerations[name] = enumeration
  }

  /// `value`, `bitpos`, or `offset` counted from the block of an extension's number.
  private static func value(_ e: XMLElement, number: Int) -> Int64? {
    if let text = e.attribute("value") {
      if text.hasPrefix("0x") { return Int64(text.dropFirst(2), radix: 16) }
      return Int64(text)
    }
    if let bit = e.attribute("bitpos").flatMap({ Int64($0) }) { return 1 << bit }
    if let offset = e.attribute("offset").flatMap({ Int64($0) }) {
      let block = e.attribute("extnumber").flatMap { Int64($0) } ?? Int64(number)
      let value = 1_000_000_000 + (block - 1) * 1000 + offset
      return e.attribute("dir") == "-" ? -value : value
    }
    return nil
  }

  // MARK: Types

  private mutating func readType(_ type: XMLElement) throws {
    let name = type.attribute("name") ?? type.text(of: "name")
    guard let name, let category = type.attribute("category") else { return }
    if name == "VK_HEADER_VERSION_COMPLETE" || name == "VK_HEADER_VERSION" {
      if name == "VK_HEADER_VERSION" {
        registry.headerVersion =
          type.allText.split(whereSeparator: \.isWhitespace).last.map(
            String.init) ?? ""
      }
      return
    }
    if let alias = type.attribute("alias") {
      registry.typeAliases[name] = alias
      return
    }
    switch category {
    case "handle":
      registry.handles[name] = Handle(
        name: name, isDispatchable: type.text(of: "type") == "VK_DEFINE_HANDLE")
      registry.handleOrder.append(name)
    case "bitmask":
      registry.flags[name] = type.text(of: "type") == "VkFlags64" ? 8 : 4
    case "basetype":
      if let base = type.text(of: "type") { registry.baseTypes[name] = base }
    case "funcpointer":
      registry.functionPointers.insert(name)
    case "enum":
      if registry.enumerations[name] == nil {
        registry.enumerations[name] = Enumeration(
          name: name, isBitmask: name.contains("FlagBits"), width: 32, values: [])
      }
    case "struct", "union":
      let members = try type.elements(forName: "member").filter { $0.appliesToVulkan }.map {
        try readMember($0, in: name)
      }
      registry.structures[name] = Structure(
        name: name, isUnion: category == "union", members: members,
        extends: type.list("structextends"),
        isReturnedOnly: type.attribute("returnedonly") == "true")
      registry.structureOrder.append(name)
    default:
      break
    }
  }

  private func readMember(_ element: XMLElement, in owner: String) throws -> Member {
    guard let base = element.text(of: "type"), let name = element.text(of: "name") else {
      throw GenerationError("\(owner) has a member without type or name")
    }
    // The declarator is what stands between the child elements, comments left out.
    var before = ""
    var after = ""
    var passedName = false
    for child in element.children ?? [] {
      if child.kind == .element {
        if child.name == "name" {
          passedName = true
        } else if child.name == "enum" {
          after += String(registry.constants[child.stringValue ?? ""] ?? 0)
        }
        continue
      }
      guard child.kind == .text else { continue }
      if passedName { after += child.stringValue ?? "" } else { before += child.stringValue ?? "" }
    }
    var dimensions: [Int] = []
    for part in after.split(separator: "[") where part.contains("]") {
      guard let size = Int(part.prefix { $0 != "]" }) else {
        throw GenerationError("\(owner).\(name) has an array size that is no number: \(after)")
      }
      dimensions.append(size)
    }
    var bits: Int?
    if let colon = after.firstIndex(of: ":") {
      bits = Int(after[after.index(after: colon)...].filter(\.isNumber))
    }
    return Member(
      name: name,
      type: Declarator(
        base: base, isConst: before.contains("const"),
        pointers: before.filter { $0 == "*" }.count, dimensions: dimensions, bits: bits),
      lengths: element.list("len"),
      optional: element.list("optional").map { $0 == "true" },
      hasNoAutomaticValidity: element.attribute("noautovalidity") == "true",
      values: element.attribute("values"), selector: element.attribute("selector"),
      selection: element.list("selection"))
  }

  // MARK: Commands

  private mutating func readCommand(_ element: XMLElement) throws {
    if let alias = element.attribute("alias"), let name = element.attribute("name") {
      registry.commandAliases[name] = alias
      return
    }
    guard let proto = element.elements(forName: "proto").first, let name = proto.text(of: "name"),
      let returns = proto.text(of: "type")
    else { return }
    let parameters = try element.elements(forName: "param").filter { $0.appliesToVulkan }.map {
      try readMember($0, in: name)
    }
    registry.commands[name] = Command(
      name: name, returns: returns, parameters: parameters, aliases: [])
    registry.commandOrder.append(name)
  }

  // MARK: Features

  private mutating func readFeature(_ element: XMLElement, number: Int) -> Feature {
    var feature = Feature(
      name: element.attribute("name") ?? "", specVersion: 1,
      isDevice: element.attribute("type") == "device", platform: element.attribute("platform"),
      blocks: [])
    for require in element.elements(forName: "require") {
      feature.blocks.append(
        Feature.Block(
          dependency: require.attribute("extension"),
          types: require.elements(forName: "type").compactMap { $0.attribute("name") },
          commands: require.elements(forName: "command").compactMap { $0.attribute("name") }))
      for e in require.elements(forName: "enum") {
        guard let name = e.attribute("name") else { continue }
        if name.hasSuffix("_SPEC_VERSION"), let value = Int(e.attribute("value") ?? "") {
          feature.specVersion = value
        }
        guard let enumeration = e.attribute("extends") else { continue }
        if let alias = e.attribute("alias") {
          enumerantAliases.append((enumeration, name, alias))
        } else if let value = RegistryParser.value(e, number: number),
          registry.enumerations[enumeration]?.values.contains(where: { $0.name == name }) == false
        {
          registry.enumerations[enumeration]?.values.append((name, value))
        }
      }
    }
    return feature
  }
}

extension XMLElement {
  fileprivate func attribute(_ name: String) -> String? { attribute(forName: name)?.stringValue }

  fileprivate func text(of child: String) -> String? {
    elements(forName: child).first?.stringValue
  }

  fileprivate var allText: String { stringValue ?? "" }

  /// An attribute that is a list separated by commas.
  fileprivate func list(_ name: String) -> [String] {
    guard let text = attribute(name) else { return [] }
    return text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
  }

  /// Members may be for Vulkan SC alone.
  fileprivate var appliesToVulkan: Bool {
    let apis = list("api")
    return apis.isEmpty || apis.contains("vulkan")
  }
}
