/// Encoders, argument structures, decoders and replies of commands.
struct CommandGenerator {
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

  func files() throws -> [GeneratedFile] {
    var groups: [(name: String, parts: [String])] = []
    for command in scope.commands where !scope.rules.handwrittenCommands.contains(command.name) {
      let group = StructureGenerator.group(scope.origin[command.name] ?? "")
      if !groups.contains(where: { $0.name == group }) { groups.append((group, [])) }
      let i = groups.firstIndex { $0.name == group }!
      let model = try CommandModel(command, scope: scope)
      var out = SourcePrinter()
      try printEncoder(model, &out)
      out.blank()
      try printArguments(model, &out)
      out.blank()
      try printDecoder(model, &out)
      if model.kind.replies {
        out.blank()
        try printReplyEncoder(model, &out)
        out.blank()
        try printReplyDecoder(model, &out)
      }
      groups[i].parts.append(out.text)
    }
    return groups.map {
      GeneratedFile(
        path: "VulkanWire/Generated/Commands\($0.name)", imports: StructureGenerator.imports,
        parts: $0.parts)
    }
  }

  private func place(_ model: CommandModel, _ prefix: String) -> FieldGenerator.Place {
    FieldGenerator.Place(
      owner: model.name, prefix: prefix, siblings: model.command.parameters)
  }

  /// A part of a record: scalars in one piece, or something of its own.
  private enum Piece {
    case run([Slot])
    case other(Member, ParameterRole)
  }

  /// A scalar of a record.
  private enum Slot {
    case ticket
    case createdID(Member)
    case scalar(Member)
    case block(Member, Int)
    case capacity(Member)
    case presence(Member)
  }

  private func pieces(_ model: CommandModel) -> [Piece] {
    var result: [Piece] = []
    var run: [Slot] = []
    func flush() {
      if !run.isEmpty { result.append(.run(run)) }
      run = []
    }
    if model.kind.replies { run.append(.ticket) }
    if let created = model.created {
      if created.isArray {
        flush()
        result.append(.other(created.member, .created(isArray: true)))
      } else {
        run.append(.createdID(created.member))
      }
    }
    for (member, role) in model.parameters {
      switch role {
      case .left, .created: continue
      case .scalar: run.append(.scalar(member))
      case .block(let size): run.append(.block(member, size))
      case .count: run.append(.capacity(member))
      case .outputArray:
        run.append(.presence(member))
        if scope.structure(member.type.base)?.hasChain == true {
          flush()
          result.append(.other(member, role))
        }
      case .output:
        if scope.structure(member.type.base)?.hasChain == true {
          flush()
          result.append(.other(member, role))
        }
      case .input:
        flush()
        result.append(.other(member, role))
      }
    }
    flush()
    return result
  }

  private func size(_ slot: Slot) throws -> Int {
    switch slot {
    case .ticket, .createdID: 8
    case .scalar(let member): try namer.put(member, "").size
    case .block(_, let size): size
    case .capacity(let member): try layout.measure(member.type.base).size
    case .presence: 4
    }
  }

  // MARK: Encoder

  private func printEncoder(_ model: CommandModel, _ out: inout SourcePrinter) throws {
    let pieces = pieces(model)
    var slots: [Slot]?
    if pieces.count == 1, case .run(let run) = pieces[0] { slots = run }
    if pieces.isEmpty { slots = [] }
    var parameters = ["_ w: inout Writer"]
    if model.kind.replies { parameters.append("_ ticket: UInt32") }
    for (member, role) in model.parameters {
      switch role {
      case .left: continue
      case .created(let isArray):
        parameters.append("_ \(member.name): \(isArray ? "UnsafePointer<UInt64>?" : "UInt64")")
      default: parameters.append("_ \(member.name): \(namer.parameter(member.type))")
      }
    }
    let note =
      model.kind.mayReply ? " `ticket` is `noTicket` when no reply is wanted." : ""
    out.line("/// Encodes `\(model.name)`, header included.\(note)")
    if slots != nil { out.line("@inlinable") }
    out.list("public func encode_\(model.name)(", parameters, ") {")
    if let slots {
      let body = try slots.reduce(0) { try $0 + self.size($1) }
      let total = (8 + body + 7) / 8 * 8
      out.line(
        total == 8
          ? "  _ = w.fixedRecord(Opcode.\(model.name), 8)"
          : "  guard let p = w.fixedRecord(Opcode.\(model.name), \(total)) else { return }")
      for line in try puts(slots, at: 8, model) { out.line("  " + line) }
      if total != 8 + body { out.line("  p.put32(0, \(total - 4))") }
      out.line("}")
      return
    }
    var body = SourcePrinter()
    try body.block("") { out in
      out.line("w.begin(Opcode.\(model.name))")
      for (i, piece) in pieces.enumerated() {
        switch piece {
        case .run(let run):
          let size = try run.reduce(0) { try $0 + self.size($1) }
          if pieces[..<i].contains(where: { if case .run = $0 { true } else { false } }) {
            try out.block("if let p = w.reserve(\(size))") { out in
              for line in try puts(run, at: 0, model) { out.line(line) }
            }
          } else {
            out.line("guard let p = w.reserve(\(size)) else { return }")
            for line in try puts(run, at: 0, model) { out.line(line) }
          }
        case .other(let member, let role):
          try printEncode(member, role, model, &out)
        }
      }
      out.line("w.end()")
    }
    out.append(body, droppingFirst: 1)
  }

  private func puts(_ slots: [Slot], at start: Int, _ model: CommandModel) throws -> [String] {
    var at = start
    var lines: [String] = []
    for slot in slots {
      switch slot {
      case .ticket: lines += ["p.put32(ticket, \(at))", "p.put32(0, \(at + 4))"]
      case .createdID(let member): lines.append("p.put64(\(member.name), \(at))")
      case .scalar(let member):
        let (size, code) = try namer.put(member, member.name)
        lines.append("p.put\(size * 8)(\(code), \(at))")
      case .block(let member, let size):
        lines += [
          "guard let \(member.name) else { return w.fail() }",
          "p.put(\(member.name), 0, \(size), \(at))",
        ]
      case .capacity(let member):
        let size = try layout.measure(member.type.base).size
        let value = "\(member.name)?.pointee ?? 0"
        lines.append(
          size == 8
            ? "p.put64(UInt64(UInt(bitPattern: \(value))), \(at))"
            : "p.put32(\(value), \(at))")
      case .presence(let member):
        lines.append("p.put32(\(member.name) == nil ? 0 : 1, \(at))")
      }
      at += try self.size(slot)
    }
    return lines
  }

  private func printEncode(
    _ member: Member, _ role: ParameterRole, _ model: CommandModel, _ out: inout SourcePrinter
  ) throws {
    let place = place(model, "")
    switch role {
    case .created:
      out.line("w.array(\(member.name), \(try fields.count(member, place)!), stride: 8)")
    case .output:
      out.line("guard let \(member.name) else { return w.fail() }")
      out.line("encodeShape_\(member.type.base)(&w, \(member.name))")
    case .outputArray:
      let count = try fields.count(member, place)!
      out.block("if let e = \(member.name)") {
        $0.line("let n: Int = \(count)")
        $0.line("for i: Int in 0..<n { encodeShape_\(member.type.base)(&w, e + i) }")
      }
    default:
      try fields.encode(member, place, &out)
    }
  }

  // MARK: Arguments and decoder

  private func printArguments(_ model: CommandModel, _ out: inout SourcePrinter) throws {
    out.line(
      "/// The arguments of `\(model.name)`, ready for a driver. Valid until the arena is reset.")
    out.block("public struct Args_\(model.name)") { out in
      if model.kind.replies { out.line("public var ticket: UInt32 = 0") }
      if model.created != nil {
        out.line("/// The ids of what is made, in order.")
        out.line("public var ids: UnsafePointer<UInt64>? = nil")
        out.line("public var idCount: Int = 0")
      }
      for (member, role) in model.parameters {
        if case .left = role { continue }
        out.line(
          "public var \(member.name): \(namer.parameter(member.type)) = \(namer.zero(member.type))")
        if case .outputArray = role { out.line("public var \(member.name)Capacity: Int = 0") }
      }
      out.line("public init() {}")
    }
  }

  private func printDecoder(_ model: CommandModel, _ out: inout SourcePrinter) throws {
    out.line("/// Decodes the body of `\(model.name)`. Look at the reader's `failure` before use.")
    try out.block(
      "public func decode_\(model.name)(_ r: inout Reader) -> Args_\(model.name)"
    ) { out in
      let pieces = pieces(model)
      out.line("\(pieces.isEmpty ? "let" : "var") a = Args_\(model.name)()")
      var checks: [String] = []
      var hasRun = false
      for piece in pieces {
        switch piece {
        case .run(let run):
          let size = try run.reduce(0) { try $0 + self.size($1) }
          let field = "\"\(model.name).\(slotName(run[0]))\""
          if hasRun {
            try out.block("if let p = r.take(\(size), \(field))") {
              try printGets(run, model, &$0)
            }
          } else {
            out.line("guard let p = r.take(\(size), \(field)) else { return a }")
            try printGets(run, model, &out)
          }
          hasRun = true
        case .other(let member, let role):
          if let check = try printDecode(member, role, model, &out) { checks.append(check) }
        }
      }
      for (member, role) in model.parameters { try printStorage(member, role, model, &out) }
      for check in checks { out.line(check) }
      out.line("return a")
    }
  }

  private func slotName(_ slot: Slot) -> String {
    switch slot {
    case .ticket: "ticket"
    case .createdID(let m), .scalar(let m), .block(let m, _), .capacity(let m), .presence(let m):
      m.name
    }
  }

  private func printGets(
    _ slots: [Slot], _ model: CommandModel, _ out: inout SourcePrinter
  ) throws {
    var at = 0
    for slot in slots {
      let field = "\"\(model.name).\(slotName(slot))\""
      switch slot {
      case .ticket: out.line("a.ticket = p.get32(\(at))")
      case .createdID:
        out.line("a.idCount = 1")
        out.line("a.ids = r.id(p.get64(\(at)), \(field))")
      case .scalar(let member):
        let name = scope.registry.canonical(member.type.base)
        if scope.registry.handles[name] != nil {
          let optional =
            member.isOptional || member.hasNoAutomaticValidity
            || fields.condition(member, place(model, "")) != nil
          out.list(
            "a.\(member.name) = handlePointer(r.resolve(",
            [
              "p + \(at)", ".\(namer.kind(name))", "optional: \(optional)", field,
            ], "))")
        } else {
          out.line("a.\(member.name) = \(try namer.get(member, at))")
          if scope.rules.lenient.contains("\(model.name).\(member.name)") {
            out.line(
              "if !isKnown_\(name)(p.get32(\(at))) { a.\(member.name) = \(namer.zero(member.type)) }"
            )
          } else if scope.checkedValues(name) != nil {
            out.line("if !isKnown_\(name)(p.get32(\(at))) { r.fail(.enumerant, \(field)) }")
          }
        }
      case .block(let member, let size):
        out.line("if let e = r.room(1, \(size), \(field)) {")
        out.line("  e.put(p, \(at), \(size), 0)")
        out.line("  a.\(member.name) = typed(e)")
        out.line("}")
      case .capacity(let member):
        let size = try layout.measure(member.type.base).size
        out.line("if let e = r.room(1, \(size), \(field)) {")
        out.line("  e.put(p, \(at), \(size), 0)")
        out.line("  a.\(member.name) = typedMutable(e)")
        out.line("}")
      case .presence(let member):
        out.line("let \(member.name)Wanted: Bool = p.get32(\(at)) != 0")
        try printArrayRoom(member, model, &out)
      }
      at += try self.size(slot)
    }
  }

  /// Storage for an array that the driver fills, when the caller wants it.
  private func printArrayRoom(
    _ member: Member, _ model: CommandModel, _ out: inout SourcePrinter
  ) throws {
    let count = try fields.count(member, place(model, "a."))!
    let size = member.type.base == "void" ? 1 : try layout.measure(member.type.base).size
    out.line("a.\(member.name)Capacity = \(member.name)Wanted ? \(count) : 0")
    // A caller's empty array is not NULL: that would ask for the count.
    let field = "\"\(model.name).\(member.name)\""
    out.line("if \(member.name)Wanted {")
    out.line("  let e = r.room(max(a.\(member.name)Capacity, 1), \(size), \(field))")
    out.line(
      member.type.base == "void"
        ? "  a.\(member.name) = e" : "  a.\(member.name) = typedMutable(e)")
    out.line("}")
  }

  /// Storage for single outputs and for created handles.
  private func printStorage(
    _ member: Member, _ role: ParameterRole, _ model: CommandModel, _ out: inout SourcePrinter
  ) throws {
    let field = "\"\(model.name).\(member.name)\""
    switch role {
    case .output where scope.structure(member.type.base)?.hasChain != true:
      let size = try layout.measure(member.type.base).size
      out.line("a.\(member.name) = typedMutable(r.room(1, \(size), \(field)))")
    case .created(let isArray):
      out.line(
        "a.\(member.name) = typedMutable(r.room(\(isArray ? "a.idCount" : "1"), 8, \(field)))")
    default: break
    }
  }

  private func printDecode(
    _ member: Member, _ role: ParameterRole, _ model: CommandModel, _ out: inout SourcePrinter
  ) throws -> String? {
    let place = place(model, "a.")
    let field = "\"\(model.name).\(member.name)\""
    let element = member.type.base
    switch role {
    case .created:
      out.line("a.ids = r.idArray(\(field), &a.idCount)")
      return "if a.idCount != \(try fields.count(member, place)!) { r.fail(.count, \(field)) }"
    case .output:
      let size = try layout.measure(element).size
      out.line("a.\(member.name) = typedMutable(r.room(1, \(size), \(field)))")
      out.line("if let e = a.\(member.name) { decodeShape_\(element)(&r, e) }")
      return nil
    case .outputArray:
      out.line("if let e = a.\(member.name), r.remaining / 4 >= a.\(member.name)Capacity {")
      out.line(
        "  for i: Int in 0..<a.\(member.name)Capacity { decodeShape_\(element)(&r, e + i) }")
      out.line("} else if a.\(member.name) != nil {")
      out.line("  r.fail(.count, \(field))")
      out.line("}")
      return nil
    default:
      return try fields.decode(member, place, &out) {
        member.type.base == "void"
          ? "a.\(member.name) = UnsafeRawPointer(\($0))" : "a.\(member.name) = typed(\($0))"
      }
    }
  }

  // MARK: Replies

  private func resultType(_ model: CommandModel) -> String? {
    model.command.returns == "void" ? nil : namer.value(model.command.returns)
  }

  private func resultMember(_ model: CommandModel) -> Member {
    Member(
      name: "result",
      type: Declarator(
        base: model.command.returns, isConst: false, pointers: 0, dimensions: [], bits: nil),
      lengths: [], optional: [], hasNoAutomaticValidity: false, values: nil, selector: nil,
      selection: [])
  }

  private func printReplyEncoder(_ model: CommandModel, _ out: inout SourcePrinter) throws {
    var parameters = ["_ w: inout Writer"]
    if let type = resultType(model) { parameters.append("_ result: \(type)") }
    parameters.append("_ a: borrowing Args_\(model.name)")
    out.line("/// Encodes the reply to `\(model.name)`, header included.")
    out.list("public func encodeReply_\(model.name)(", parameters, ") {")
    var body = SourcePrinter()
    try body.block("") { out in
      out.line("w.begin(Opcode.\(model.name))")
      if let type = resultType(model) {
        if type == "VkResult" {
          out.line("w.i32(result.rawValue)")
        } else {
          let (size, code) = try namer.put(resultMember(model), "result")
          out.line("w.u\(size * 8)(\(code))")
        }
      }
      for (member, role) in model.results {
        let element = member.type.base
        switch role {
        case .count:
          let size = try layout.measure(element).size
          out.line(
            size == 8
              ? "w.u64(UInt64(UInt(bitPattern: a.\(member.name)?.pointee ?? 0)))"
              : "w.u32(a.\(member.name)?.pointee ?? 0)")
        case .output:
          if let plain = try layout.plainSize(element, decoding: false) {
            out.line("w.bytes(a.\(member.name), \(plain))")
          } else {
            out.line("if let e = a.\(member.name) { encode_\(element)(&w, e) }")
          }
        case .outputArray:
          let count = try fields.count(member, place(model, "a."))!
          out.line(
            "let \(member.name)Count: Int = min(a.\(member.name)Capacity, \(count))")
          if let stride = try fields.stride(member, decoding: false) {
            out.line("w.array(a.\(member.name), \(member.name)Count, stride: \(stride))")
          } else {
            out.line(
              "w.u32(a.\(member.name) == nil ? 0 : UInt32(truncatingIfNeeded: \(member.name)Count))"
            )
            out.block("if let e = a.\(member.name)") {
              $0.line(
                "for i: Int in 0..<\(member.name)Count { encode_\(element)(&w, e + i) }")
            }
          }
        default: break
        }
      }
      out.line("w.end()")
    }
    out.append(body, droppingFirst: 1)
  }

  private func printReplyDecoder(_ model: CommandModel, _ out: inout SourcePrinter) throws {
    var parameters = ["_ r: inout Reader"]
    for (member, _) in model.results {
      parameters.append("_ \(member.name): \(namer.parameter(member.type))")
    }
    let type = resultType(model)
    out.line("/// Decodes the reply to `\(model.name)` into the caller's memory.")
    if type == "VkResult" { out.line("/// A malformed reply is VK_ERROR_DEVICE_LOST.") }
    out.list(
      "public func decodeReply_\(model.name)(", parameters,
      ")\(type.map { " -> \($0)" } ?? "") {")
    var body = SourcePrinter()
    try body.block("") { out in
      if let type {
        if type == "VkResult" {
          out.line("let result = VkResult(rawValue: r.i32(\"\(model.name).result\"))")
        } else {
          let size = try namer.put(resultMember(model), "result").size
          let get = "r.u\(size * 8)(\"\(model.name).result\")"
          let name = scope.registry.canonical(type)
          let isEnumeration =
            scope.registry.enumerations[name] != nil && scope.registry.flags[name] == nil
          out.line("let result: \(type) = \(isEnumeration ? "\(type)(rawValue: \(get))" : get)")
        }
      }
      for (member, role) in model.results {
        if case .outputArray = role {
          out.line(
            "let \(member.name)Capacity: Int = \(try fields.count(member, place(model, ""))!)")
        }
      }
      for (member, role) in model.results { try printResult(member, role, model, &out) }
      if type == "VkResult" {
        out.line("return r.failure == nil ? result : VK_ERROR_DEVICE_LOST")
      } else if type != nil {
        out.line("return result")
      }
    }
    out.append(body, droppingFirst: 1)
  }

  private func printResult(
    _ member: Member, _ role: ParameterRole, _ model: CommandModel, _ out: inout SourcePrinter
  ) throws {
    let element = member.type.base
    let field = "\"\(model.name).\(member.name)\""
    switch role {
    case .count:
      let size = try layout.measure(element).size
      out.line(
        size == 8
          ? "let \(member.name)Value = Int(truncatingIfNeeded: r.u64(\(field)))"
          : "let \(member.name)Value: \(element == "uint32_t" ? "UInt32" : element) = r.u32(\(field))"
      )
      out.line("\(member.name)?.pointee = \(member.name)Value")
    case .output:
      if let plain = try layout.plainSize(element, decoding: true) {
        out.line("if let \(member.name) { r.copy(to: \(member.name), \(plain), \(field)) }")
      } else if scope.structure(element)?.hasChain == true {
        out.line("if let \(member.name) { decodeInto_\(element)(&r, \(member.name)) }")
      } else {
        out.line("if let \(member.name) { decode_\(element)(&r, \(member.name)) }")
      }
    case .outputArray:
      if let stride = try fields.stride(member, decoding: true) {
        out.line(
          "r.copyArray(to: \(member.name), \(member.name)Capacity, stride: \(stride), \(field))")
      } else {
        let hasChain = scope.structure(element)?.hasChain == true
        out.line(
          "let \(member.name)Count: Int = r.count(\(try layout.minimumSize(element)), \(field))")
        out.block("if let e = \(member.name), \(member.name)Count <= \(member.name)Capacity") {
          $0.line("for i: Int in 0..<\(member.name)Count {")
          $0.line("  \(hasChain ? "decodeInto" : "decode")_\(element)(&r, e + i)")
          $0.line("}")
        }
        out.block("else if \(member.name)Count != 0") { $0.line("r.fail(.count, \(field))") }
      }
    default: break
    }
  }

  // MARK: Offsets

  /// Where the id that a command makes or ends lies in its record; for arrays, their count.
  func idOffset(_ model: CommandModel) throws -> Int? {
    if model.created != nil { return model.kind.replies ? 16 : 8 }
    guard let destroyed = model.destroyed(scope) else { return nil }
    var at = 8
    for piece in pieces(model) {
      switch piece {
      case .run(let run):
        for slot in run {
          if case .scalar(let member) = slot, member.name == destroyed.member.name { return at }
          at += try self.size(slot)
        }
      case .other(let member, _):
        return member.name == destroyed.member.name ? at : nil
      }
    }
    return nil
  }
}

// MARK: Places of ids

/// Where the ids of a record lie, when that is the same in every record of its command: single ones
/// at fixed offsets, and at most one array of them.
struct IDFormModel {
  var fixed: [Int] = []
  /// Offset of the `u32 count` before the ids.
  var array: Int?
}

extension CommandGenerator {
  /// The form of a recorded command's ids; nil when only decoding tells where they lie.
  func idForm(_ model: CommandModel) throws -> IDFormModel? {
    guard !scope.rules.handwrittenCommands.contains(model.name) else { return nil }
    var form = IDFormModel()
    var at = 8
    // Behind something of variable size no offset is known.
    var isVariable = false
    for piece in pieces(model) {
      switch piece {
      case .run(let run):
        for slot in run {
          if case .scalar(let member) = slot, isHandle(member) {
            guard !isVariable else { return nil }
            form.fixed.append(at)
          }
          at += try size(slot)
        }
      case .other(let member, let role):
        guard case .input = role else { return nil }
        if isHandle(member) {
          guard !isVariable, member.type.pointers == 1 else { return nil }
          form.array = at
        } else if try mayHoldIDs(member) {
          return nil
        }
        isVariable = true
      }
    }
    return form.fixed.count <= 3 ? form : nil
  }

  private func isHandle(_ member: Member) -> Bool {
    scope.registry.handles[scope.registry.canonical(member.type.base)] != nil
  }

  /// True unless what the pointer points to is bytes, numbers, or structures of nothing but numbers.
  private func mayHoldIDs(_ member: Member) throws -> Bool {
    let name = scope.registry.canonical(member.type.base)
    guard let structure = scope.registry.structures[name] else { return false }
    guard !structure.hasChain, scope.rules.handwritten[name] == nil,
      let leaves = try layout.leaves(structure, at: 0, path: "", owner: name)
    else { return true }
    return leaves.contains {
      if case .handle = $0.kind { return true }
      return false
    }
  }
}

extension SourcePrinter {
  /// Takes over the lines of another printer, the first left out.
  mutating func append(_ other: SourcePrinter, droppingFirst count: Int) {
    let lines = other.text.split(separator: "\n", omittingEmptySubsequences: false)
    for text in lines.dropFirst(count).dropLast() { line(String(text)) }
  }
}
