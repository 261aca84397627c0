/// Encoders and decoders of structures, chains, and the checks of enumerants.
struct StructureGenerator {
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

  static let imports = ["public import CVulkan", "public import Wire"]

  func files() throws -> [GeneratedFile] {
    var groups: [(name: String, parts: [String])] = []
    for structure in scope.structures where !structure.isUnion {
      let group = Self.group(scope.origin[structure.name] ?? "")
      if groups.last?.name != group, !groups.contains(where: { $0.name == group }) {
        groups.append((group, []))
      }
      let i = groups.firstIndex { $0.name == group }!
      var out = SourcePrinter()
      try print(structure, &out)
      groups[i].parts.append(out.text)
    }
    return groups.map {
      GeneratedFile(
        path: "VulkanWire/Generated/Structures\($0.name)", imports: Self.imports, parts: $0.parts)
    } + [try chains(), checks()]
  }

  /// The file that a thing goes to: a core version, or whose extension it is.
  static func group(_ origin: String) -> String {
    if origin.hasPrefix("VK_VERSION_") {
      return "Vulkan" + origin.dropFirst("VK_VERSION_".count).filter { $0 != "_" }
    }
    return origin.hasPrefix("VK_KHR_") ? "KHR" : "EXT"
  }

  // MARK: One structure

  private func print(_ structure: Structure, _ out: inout SourcePrinter) throws {
    let name = structure.name
    let isExtension = !structure.extends.isEmpty
    let plain = try layout.plainBody(structure)
    if structure.hasChain {
      // A structure that is only memory and only met in chains needs nothing of its own.
      if isExtension && plain != nil && !isReferred(name) { return }
      let type = scope.structureType(structure)!
      let allowed = scope.chains[name] == nil ? "nothing" : "mayExtend_\(name)"
      out.line("/// Encodes `\(name)` with its chain.")
      out.block("public func encode_\(name)(_ w: inout Writer, _ s: UnsafePointer<\(name)>)") {
        $0.line("encodeChain(&w, s, \(allowed))")
        $0.line("encodeBody_\(name)(&w, s)")
      }
      out.blank()
      out.line("/// Decodes `\(name)` with its chain into zeroed memory.")
      out.block(
        "public func decode_\(name)(_ r: inout Reader, _ s: UnsafeMutablePointer<\(name)>)"
      ) {
        $0.line("UnsafeMutableRawPointer(s).put32(\(type), 0)")
        $0.line("decodeChain(&r, s, \(allowed), \"\(name).pNext\")")
        $0.line("decodeBody_\(name)(&r, s)")
      }
      out.blank()
      if scope.rules.handwritten[name] == nil {
        try printBody(structure, "Body", "", &out)
      }
      if isOutput(structure) { printOutput(structure, allowed, &out) }
    } else if scope.rules.handwritten[name] == nil {
      try printBody(structure, "", "public ", &out)
    }
  }

  /// Whether a structure stands in a command or in another structure, and not only in chains.
  private func isReferred(_ name: String) -> Bool {
    scope.commands.contains {
      $0.parameters.contains { scope.registry.canonical($0.type.base) == name }
    }
      || scope.structures.contains {
        $0.members.contains { scope.registry.canonical($0.type.base) == name }
      }
  }

  private func isOutput(_ structure: Structure) -> Bool {
    scope.commands.contains {
      $0.parameters.contains {
        scope.registry.canonical($0.type.base) == structure.name && !$0.type.isConst
          && $0.type.pointers > 0
      }
    }
  }

  private func printOutput(
    _ structure: Structure, _ allowed: String, _ out: inout SourcePrinter
  ) {
    let name = structure.name
    let type = scope.structureType(structure)!
    out.line("/// Encodes which structures a caller's `\(name)` wants filled.")
    out.block("public func encodeShape_\(name)(_ w: inout Writer, _ s: UnsafePointer<\(name)>)") {
      $0.line("encodeShape(&w, s, \(allowed))")
    }
    out.blank()
    out.line("/// Makes zeroed structures for a shape: what the driver fills.")
    out.block(
      "public func decodeShape_\(name)(_ r: inout Reader, _ s: UnsafeMutablePointer<\(name)>)"
    ) {
      $0.line("UnsafeMutableRawPointer(s).put32(\(type), 0)")
      $0.line("decodeShape(&r, s, \(allowed), \"\(name).pNext\")")
    }
    out.blank()
    out.line("/// Decodes `\(name)` into the caller's structures; sType and pNext stay.")
    out.block(
      "public func decodeInto_\(name)(_ r: inout Reader, _ s: UnsafeMutablePointer<\(name)>)"
    ) {
      $0.line("decodeChainInto(&r, s, \(allowed), \"\(name).pNext\")")
      $0.line("decodeBody_\(name)(&r, s)")
    }
    out.blank()
  }

  private func printBody(
    _ structure: Structure, _ infix: String, _ access: String, _ out: inout SourcePrinter
  ) throws {
    let name = structure.name
    let parts = try layout.fields(structure)
    let place = FieldGenerator.Place(
      owner: name, prefix: "s.pointee.", siblings: structure.members)
    if access.isEmpty {
      // The chain's functions call bodies too.
    } else {
      out.line("/// Encodes `\(name)`.")
    }
    try out.block(
      "\(access)func encode\(infix)_\(name)(_ w: inout Writer, _ s: UnsafePointer<\(name)>)"
    ) {
      for (i, part) in parts.enumerated() {
        try printEncode(part, place, &$0, isFirst: Self.isFirstRun(i, parts))
      }
    }
    out.blank()
    if !access.isEmpty { out.line("/// Decodes `\(name)` into zeroed memory.") }
    try out.block(
      "\(access)func decode\(infix)_\(name)(_ r: inout Reader, _ s: UnsafeMutablePointer<\(name)>)"
    ) {
      let usesMemory = parts.contains {
        switch $0 {
        case .run, .pointer: true
        case .nested, .tagged: false
        }
      }
      if usesMemory { $0.line("let m = UnsafeMutableRawPointer(s)") }
      var checks: [String] = []
      for (i, part) in parts.enumerated() {
        checks += try printDecode(
          part, structure, place, &$0, isFirst: Self.isFirstRun(i, parts))
      }
      for check in checks { $0.line(check) }
    }
    out.blank()
  }

  /// Whether part `index` is the first run: later ones need a scope for their pointer.
  private static func isFirstRun(_ index: Int, _ parts: [Field]) -> Bool {
    !parts[..<index].contains { if case .run = $0 { true } else { false } }
  }

  private func printEncode(
    _ part: Field, _ place: FieldGenerator.Place, _ out: inout SourcePrinter, isFirst: Bool
  ) throws {
    switch part {
    case .run(let leaves): printEncodeRun(leaves, place, &out, isFirst: isFirst)
    case .pointer(let member): try fields.encode(member, place, &out)
    case .nested(let member, let inner, let offset):
      out.line(
        "encode_\(inner.name)(&w, member(s, \(offset), as: \(inner.name).self))"
          + "  // \(member.name)")
    case .tagged(let member, let union, let offset):
      guard let selector = member.selector else {
        throw GenerationError("\(place.owner).\(member.name): a union without selector")
      }
      out.block("switch s.pointee.\(selector)") { out in
        for (tag, choice) in union.members.enumerated() {
          let inner = choice.type.base
          out.line("case \(choice.selection.joined(separator: ", ")):")
          out.line("  w.u32(\(tag))")
          out.line("  encode_\(inner)(&w, member(s, \(offset), as: \(inner).self))")
        }
        out.line("default: w.u32(UInt32.max)")
      }
    }
  }

  private func printEncodeRun(
    _ leaves: [Leaf], _ place: FieldGenerator.Place, _ out: inout SourcePrinter, isFirst: Bool
  ) {
    let size = leaves.reduce(0) { $0 + $1.wireSize }
    let blocks = Layout.blocks(leaves, decoding: false)
    if blocks.count == 1, Layout.isPlain(leaves[0], false), size > 16 {
      return out.line("w.bytes(member(s, \(leaves[0].offset)), \(size))\(Self.note(leaves))")
    }
    if !isFirst {
      return out.block("if let p = w.reserve(\(size))") { printPuts(blocks, place, &$0) }
    }
    out.line("guard let p = w.reserve(\(size)) else { return }")
    printPuts(blocks, place, &out)
  }

  private func printPuts(
    _ blocks: [[Leaf]], _ place: FieldGenerator.Place, _ out: inout SourcePrinter
  ) {
    var at = 0
    for block in blocks {
      let leaf = block[0]
      let count = block.reduce(0) { $0 + $1.size }
      let note = Self.note(block)
      if Layout.isPlain(leaf, false) {
        out.line("p.put(s, \(leaf.offset), \(count), \(at))\(note)")
      } else {
        let used = leaf.condition.map {
          ($0.replacingOccurrences("$", with: place.prefix)) + " ? "
        }
        let tail = used == nil ? "" : " : 0"
        let load: String
        switch leaf.kind {
        case .handle(_, true, _): load = "wireID(of: member(s, \(leaf.offset)).handle)"
        case .handle,
          .plain where leaf.size == 8, .checked where leaf.size == 8:
          load = "member(s, \(leaf.offset)).get64(0)"
        case .narrow(let signed):
          load = "member(s, \(leaf.offset)).widened(\(leaf.size), \(signed))"
        default: load = "member(s, \(leaf.offset)).get32(0)"
        }
        let put = leaf.wireSize == 8 ? "put64" : "put32"
        out.line("p.\(put)(\(used ?? "")\(load)\(tail), \(at))\(note)")
      }
      at += block.reduce(0) { $0 + $1.wireSize }
    }
  }

  private func printDecode(
    _ part: Field, _ structure: Structure, _ place: FieldGenerator.Place,
    _ out: inout SourcePrinter, isFirst: Bool
  ) throws -> [String] {
    switch part {
    case .run(let leaves):
      printDecodeRun(leaves, place, &out, isFirst: isFirst)
      return []
    case .pointer(let member):
      let index = structure.members.firstIndex { $0.name == member.name }!
      let offset = try layout.offsets(structure)[index]
      return try fields.decode(member, place, &out) { "m.putPointer(\($0), \(offset))" }.map {
        [$0]
      }
        ?? []
    case .nested(let member, let inner, let offset):
      out.line(
        "decode_\(inner.name)(&r, mutableMember(s, \(offset), as: \(inner.name).self))"
          + "  // \(member.name)")
      return []
    case .tagged(let member, let union, let offset):
      out.block("switch r.u32(\"\(place.owner).\(member.name)\")") { out in
        for (tag, choice) in union.members.enumerated() {
          let inner = choice.type.base
          out.line("case \(tag):")
          out.line("  decode_\(inner)(&r, mutableMember(s, \(offset), as: \(inner).self))")
          let agrees = choice.selection.map { "s.pointee.\(member.selector!) != \($0)" }
          out.line("  if \(agrees.joined(separator: " && ")) {")
          out.line("    r.fail(.enumerant, \"\(place.owner).\(member.name)\")")
          out.line("  }")
        }
        out.line("default: r.fail(.enumerant, \"\(place.owner).\(member.name)\")")
      }
      return []
    }
  }

  private func printDecodeRun(
    _ leaves: [Leaf], _ place: FieldGenerator.Place, _ out: inout SourcePrinter, isFirst: Bool
  ) {
    let size = leaves.reduce(0) { $0 + $1.wireSize }
    let take = "r.take(\(size), \"\(place.owner).\(leaves[0].path)\")"
    if !isFirst {
      return out.block("if let p = \(take)") { printGets(leaves, place, &$0) }
    }
    out.line("guard let p = \(take) else { return }")
    printGets(leaves, place, &out)
  }

  private func printGets(
    _ leaves: [Leaf], _ place: FieldGenerator.Place, _ out: inout SourcePrinter
  ) {
    var at = 0
    for block in Layout.blocks(leaves, decoding: true) {
      let leaf = block[0]
      let note = Self.note(block)
      let field = "\"\(place.owner).\(leaf.path)\""
      switch leaf.kind {
      case .plain:
        out.line("m.put(p, \(at), \(block.reduce(0) { $0 + $1.size }), \(leaf.offset))\(note)")
      case .narrow:
        out.line("m.put(p, \(at), \(leaf.size), \(leaf.offset))\(note)")
      case .checked(let type):
        let get = leaf.size == 8 ? "get64" : "get32"
        let put = leaf.size == 8 ? "put64" : "put32"
        if scope.rules.lenient.contains("\(place.owner).\(leaf.path)") {
          out.line(
            "m.put32(isKnown_\(type)(p.get32(\(at))) ? p.get32(\(at)) : 0, \(leaf.offset))\(note)")
          at += leaf.wireSize
          continue
        }
        out.line("m.\(put)(p.\(get)(\(at)), \(leaf.offset))\(note)")
        let check = "if !isKnown_\(type)(p.\(get)(\(at))) { r.fail(.enumerant, \(field)) }"
        out.line(check)
      case .handle(let type, _, let optional):
        let nullable = optional || leaf.condition != nil
        out.line(
          "m.put64(r.resolve(p + \(at), .\(namer.kind(type)), optional: \(nullable), \(field)),"
            + " \(leaf.offset))")
      }
      at += block.reduce(0) { $0 + $1.wireSize }
    }
  }

  /// The members of a block as a comment, when they fit.
  static func note(_ leaves: [Leaf]) -> String {
    let first = leaves[0].path
    let last = leaves[leaves.count - 1].path
    let note = first == last ? "  // \(first)" : "  // \(first) … \(last)"
    return note.count <= 64 ? note : ""
  }

  // MARK: Chains

  private func chains() throws -> GeneratedFile {
    var parts: [String] = []
    for structure in scope.structures {
      guard let members = scope.chains[structure.name] else { continue }
      var out = SourcePrinter()
      out.block("func mayExtend_\(structure.name)(_ sType: UInt32) -> Bool") { out in
        out.block("switch sType") { out in
          for (i, name) in members.enumerated() {
            let value = scope.structureType(scope.registry.structures[name]!)!
            let head = i == 0 ? "case " : "  "
            out.line("\(head)\(value)\(i == members.count - 1 ? ":" : ",")  // \(name)")
          }
          out.line("  true")
          out.line("default: false")
        }
      }
      parts.append(out.text)
    }
    let chained = scope.structures.filter { !$0.extends.isEmpty && $0.hasChain }
    var bySize: [Int: [Structure]] = [:]
    var others: [Structure] = []
    for structure in chained {
      if let size = try layout.plainBody(structure) {
        bySize[size, default: []].append(structure)
      } else {
        others.append(structure)
      }
    }
    var out = SourcePrinter()
    out.line("/// Bytes of a structure that may stand in a chain; 0 when it is not known.")
    try out.block("func chainedSize(_ sType: UInt32) -> Int") { out in
      try out.block("switch sType") { out in
        var sizes: [Int: [Structure]] = [:]
        for s in chained { sizes[try layout.measure(s).size, default: []].append(s) }
        for size in sizes.keys.sorted() {
          printCases(sizes[size]!, &out)
          out.line("  \(size)")
        }
        out.line("default: 0")
      }
    }
    parts.append(out.text)
    out = SourcePrinter()
    out.line(
      "/// Encodes the body of a structure in a chain. Those that are only numbers share cases.")
    out.block(
      "func encodeChained(_ w: inout Writer, _ sType: UInt32, _ s: UnsafeRawPointer)"
    ) { out in
      out.block("switch sType") { out in
        for size in bySize.keys.sorted() {
          printCases(bySize[size]!, &out)
          out.line("  w.bytes(s + 16, \(size))")
        }
        for structure in others {
          printCases([structure], &out)
          out.line(
            "  encodeBody_\(structure.name)(&w, s.assumingMemoryBound(to: \(structure.name).self))")
        }
        out.line("default: break")
      }
    }
    parts.append(out.text)
    out = SourcePrinter()
    out.line("/// Decodes the body of a structure in a chain; sType and pNext stay.")
    out.block(
      "func decodeChained(_ r: inout Reader, _ sType: UInt32, _ s: UnsafeMutableRawPointer)"
    ) { out in
      out.block("switch sType") { out in
        for size in bySize.keys.sorted() {
          printCases(bySize[size]!, &out)
          out.line("  r.copy(to: s + 16, \(size), \"\(fieldName(bySize[size]!))\")")
        }
        for structure in others {
          printCases([structure], &out)
          out.line(
            "  decodeBody_\(structure.name)(&r, s.assumingMemoryBound(to: \(structure.name).self))")
        }
        out.line("default: break")
      }
    }
    parts.append(out.text)
    return GeneratedFile(
      path: "VulkanWire/Generated/ChainTables", imports: ["import CVulkan", "import Wire"],
      parts: parts)
  }

  private func fieldName(_ structures: [Structure]) -> String {
    structures.count == 1 ? structures[0].name : "structure in pNext"
  }

  private func printCases(_ structures: [Structure], _ out: inout SourcePrinter) {
    for (i, structure) in structures.enumerated() {
      let value = scope.structureType(structure)!
      let head = i == 0 ? "case " : "  "
      let tail = i == structures.count - 1 ? ":" : ","
      out.line("\(head)\(value)\(tail)  // \(structure.name)")
    }
  }

  // MARK: Enumerants

  private func checks() -> GeneratedFile {
    var parts: [String] = []
    for name in scope.rules.checked.sorted() {
      guard let values = scope.checkedValues(name) else { continue }
      var out = SourcePrinter()
      out.line("/// Whether the registry has this `\(name)`.")
      out.block("public func isKnown_\(name)(_ value: UInt32) -> Bool") { out in
        out.block("switch value") { out in
          var ranges: [(Int64, Int64)] = []
          for v in values where v >= 0 {
            if let last = ranges.last, last.1 + 1 == v {
              ranges[ranges.count - 1].1 = v
            } else {
              ranges.append((v, v))
            }
          }
          let texts = ranges.map { $0.0 == $0.1 ? "\($0.0)" : "\($0.0)...\($0.1)" }
          for (i, text) in texts.enumerated() {
            out.line((i == 0 ? "case " : "  ") + text + (i == texts.count - 1 ? ":" : ","))
          }
          out.line("  true")
          out.line("default: false")
        }
      }
      parts.append(out.text)
    }
    return GeneratedFile(
      path: "VulkanWire/Generated/Enumerants", imports: [], parts: parts)
  }
}
