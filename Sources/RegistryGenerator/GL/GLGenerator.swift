import Foundation

/// Writes the OpenGL rooms' Generated folders.
struct GLGenerator {
  let registry: GLRegistry
  let rules: GLRules
  /// Commands by the order of their opcodes, without aliases.
  private(set) var models: [GLModel] = []
  /// Every name that is offered, with the command behind it.
  private(set) var names: [(name: String, canonical: String)] = []
  private(set) var opcodes: [String: Int] = [:]
  private var enumerants: [String] = []

  init(registry: GLRegistry, rules: GLRules) throws {
    self.registry = registry
    self.rules = rules
    try select()
  }

  private mutating func select() throws {
    var wanted: Set<String> = []
    var values: Set<String> = []
    for version in registry.versions where version.apis.isDisjoint(with: ["glsc2"]) {
      wanted.formUnion(version.commands)
      values.formUnion(version.enumerants)
    }
    for name in rules.extensions {
      guard let found = registry.extensions.first(where: { $0.name == name }) else {
        throw GenerationError("gl-extensions.txt: the registry has no \(name)")
      }
      wanted.formUnion(found.commands)
      values.formUnion(found.enumerants)
    }
    enumerants = values.sorted()
    for name in rules.commands.keys.sorted() where registry.commands[name] == nil {
      throw GenerationError("gl-commands.txt: the registry has no \(name)")
    }
    var canonical: Set<String> = []
    for name in wanted.sorted() {
      guard let command = registry.commands[name] else { continue }
      // An alias means its command where that is there too, and stands for itself otherwise.
      let behind = command.alias.flatMap { registry.commands[$0] == nil ? nil : $0 } ?? name
      let target = rules.commands[name] != nil ? name : behind
      canonical.insert(target)
      names.append((name, target))
    }
    for name in canonical where !wanted.contains(name) { names.append((name, name)) }
    var problems: [String] = []
    var made: [GLModel] = []
    for name in canonical.sorted() {
      do {
        made.append(try GLModel(registry.commands[name]!, rules: rules))
      } catch {
        problems.append("\(error)")
      }
    }
    guard problems.isEmpty else { throw GenerationError(problems.joined(separator: "\n")) }
    let absent = Set(made.filter { $0.kind == "absent" }.map(\.name))
    names = names.filter { !absent.contains($0.canonical) }.sorted { $0.name < $1.name }
    made.removeAll { $0.kind == "absent" }
    opcodes = rules.opcodes
    var next = (opcodes.values.max() ?? 0xFFFF) + 1
    for model in made where model.hasRecord && opcodes[model.name] == nil {
      opcodes[model.name] = next
      next += 1
    }
    models = made
  }

  private func opcode(_ model: GLModel) -> String {
    "0x" + String(opcodes[model.name]!, radix: 16, uppercase: true)
  }

  var opcodeFile: String {
    "# The number of each OpenGL command on the wire. Only ever grows: the generator adds at the end.\n"
      + opcodes.sorted { $0.value < $1.value }.map { "\($0.key) \($0.value)\n" }.joined()
  }

  func files() -> [GeneratedFile] {
    [
      enumerantFile(), opcodeTable(), entryFile(), tableFile(), dispatchFile(), replayFile(),
      extensionFile(),
    ]
  }

  // MARK: GLWire

  private func enumerantFile() -> GeneratedFile {
    var parts: [String] = []
    for start in stride(from: 0, to: enumerants.count, by: 500) {
      var out = SourcePrinter()
      out.line(start == 0 ? "/// The enumerants of the supported versions and extensions." : "")
      out.block(start == 0 ? "public enum GL" : "extension GL") { out in
        for name in enumerants[start..<min(start + 500, enumerants.count)] {
          guard let value = registry.enumerants[name], value <= 0xFFFF_FFFF else { continue }
          var short = String(name.dropFirst(3))
          if short.first?.isNumber == true { short = "_" + short }
          out.line(
            "@inlinable public static var \(short): UInt32 { 0x\(String(value, radix: 16, uppercase: true)) }"
          )
        }
      }
      parts.append(out.text)
    }
    return GeneratedFile(path: "GLWire/Generated/GLEnumerants", imports: [], parts: parts)
  }

  private func opcodeTable() -> GeneratedFile {
    var out = SourcePrinter()
    out.line("/// Opcodes of OpenGL's commands.")
    out.block("public enum GLOpcode") { out in
      out.line("@inlinable public static var first: UInt32 { 0x10000 }")
      out.line(
        "@inlinable public static var last: UInt32 { \(opcodes.values.max() ?? 0x10000) }")
      for model in models where model.hasRecord {
        out.line("@inlinable public static var \(model.name): UInt32 { \(opcode(model)) }")
      }
    }
    var named = SourcePrinter()
    named.line("/// The name of a command; nil for a number that is none.")
    named.block("public func glCommandName(_ opcode: UInt32) -> StaticString?") { out in
      out.line("switch opcode {")
      for model in models where model.hasRecord {
        out.line("case \(opcode(model)): return \"\(model.name)\"")
      }
      out.line("default: return nil")
      out.line("}")
    }
    return GeneratedFile(
      path: "GLWire/Generated/GLOpcodes", imports: [], parts: [out.text, named.text])
  }

  // MARK: GLShim

  /// `_ x: Int32, …`
  private func signature(_ model: GLModel) -> [String] {
    model.parameters.map { "_ \($0.name): \($0.swift)" }
  }

  private func entryFile() -> GeneratedFile {
    var parts: [String] = []
    for model in models {
      var out = SourcePrinter()
      let returns = model.returns.isEmpty ? "" : " -> \(model.returns)"
      out.line("@c(\(model.name))")
      out.block(
        "public func gl_\(model.short)(\(signature(model).joined(separator: ", ")))\(returns)"
      ) { out in entryBody(model, &out) }
      if model.kind == "hook", model.hasRecord {
        out.blank()
        encoder(model, &out)
      }
      parts.append(out.text)
    }
    // Other names of the same commands, for programs that are linked to them.
    var out = SourcePrinter()
    let byName = Dictionary(uniqueKeysWithValues: models.map { ($0.name, $0) })
    for (name, canonical) in names where name != canonical {
      guard let model = byName[canonical], let own = registry.commands[name],
        own.parameters.count == model.parameters.count
      else { continue }
      let returns = model.returns.isEmpty ? "" : " -> \(model.returns)"
      out.line("@c(\(name))")
      out.block(
        "public func gl_\(name.dropFirst(2))(\(signature(model).joined(separator: ", ")))\(returns)"
      ) { out in
        let arguments = model.parameters.map(\.name).joined(separator: ", ")
        out.line("\(returns.isEmpty ? "" : "return ")gl_\(model.short)(\(arguments))")
      }
      if out.lineCount > 1500 {
        parts.append(out.text)
        out = SourcePrinter()
      }
    }
    parts.append(out.text)
    return GeneratedFile(
      path: "GLShim/Generated/EntryPoints",
      imports: ["import CPlatform", "import Client", "import GLWire", "import Wire"], parts: parts)
  }

  private func failure(_ model: GLModel) -> String {
    if model.returns.isEmpty { return "return" }
    return model.returns.hasSuffix("?") ? "return nil" : "return 0"
  }

  private func entryBody(_ model: GLModel, _ out: inout SourcePrinter) {
    let arguments = model.parameters.map(\.name).joined(separator: ", ")
    switch model.kind {
    case "local":
      out.line("\(model.returns.isEmpty ? "" : "return ")hook_\(model.name)(\(arguments))")
    case "hook":
      out.line("guard let c = currentContext() else { \(failure(model)) }")
      let all = arguments.isEmpty ? "c" : "c, \(arguments)"
      out.line("\(model.returns.isEmpty ? "" : "return ")hook_\(model.name)(\(all))")
    case "gen":
      out.line("guard let c = currentContext() else { return }")
      let (count, place) = made(model)
      let kind = GLModel.nameKind((model.object ?? "").replacingOccurrences(of: "_", with: " "))
      out.line("guard c.generateNames(.\(kind), \(count), \(place)) else { return }")
      encodeMade(model, &out)
      notice(model, &out)
    case "delete":
      out.line("guard let c = currentContext() else { return }")
      let (count, place) = made(model)
      let kind = GLModel.nameKind((model.object ?? "").replacingOccurrences(of: "_", with: " "))
      out.line("guard \(count) >= 0 else { return c.raise(GL.INVALID_VALUE) }")
      encodeMade(model, &out)
      out.line("c.releaseNames(.\(kind), \(count), \(place))")
      notice(model, &out)
    case "sync":
      syncBody(model, &out)
    default:
      if model.words.contains("note") || model.words.contains("pixels") {
        out.line("guard let c = currentContext() else { return }")
        encode(model, writer: "c.writer", &out)
        notice(model, &out)
      } else {
        out.line("guard let writer = contextWriter() else { return }")
        encode(model, writer: "writer", &out)
      }
    }
  }

  private func notice(_ model: GLModel, _ out: inout SourcePrinter) {
    guard model.words.contains("note") else { return }
    let all = (["c"] + model.parameters.map(\.name)).joined(separator: ", ")
    out.line("note_\(model.name)(\(all))")
  }

  /// The count and the place of names of a gen or delete command.
  private func made(_ model: GLModel) -> (count: String, place: String) {
    let place = model.parameters.last { $0.base.pointers == 1 }?.name ?? ""
    let count = model.parameters.last { $0.base.base == "GLsizei" }?.name ?? "1"
    return (count, place)
  }

  /// gen and delete: the values, then the names.
  private func encodeMade(_ model: GLModel, _ out: inout SourcePrinter) {
    let values = model.parameters.filter { $0.base.pointers == 0 }
    let (count, place) = made(model)
    out.line("let writer = c.writer")
    out.line("writer.pointee.begin(\(opcode(model)))")
    for value in values { out.line("writer.pointee.u32(\(stored(value)))") }
    out.line("writer.pointee.glArray(\(place), glProduct(Int(\(count)), 4))")
    out.line("writer.pointee.end()")
  }

  private func stored(_ p: GLModel.Parameter) -> String {
    switch p.type.swift {
    case "UInt32": return p.name
    case "Int32": return "UInt32(bitPattern: \(p.name))"
    case "Float": return "\(p.name).bitPattern"
    case "UInt8", "UInt16": return "UInt32(\(p.name))"
    case "Int8", "Int16", "CChar": return "UInt32(bitPattern: Int32(\(p.name)))"
    case "Double": return "\(p.name).bitPattern"
    case "Int64", "Int": return "UInt64(bitPattern: Int64(\(p.name)))"
    default: return p.name
    }
  }

  /// The values of a record at their offsets from `p`; returns the end.
  private func putValues(_ model: GLModel, from start: Int, _ out: inout SourcePrinter) -> Int {
    var offset = start
    for p in model.parameters {
      guard let width = p.role.width(p.type) else { continue }
      switch p.role {
      case .sync: out.line("p.put64(syncID(\(p.name)), \(offset))")
      case .offset: out.line("p.put64(UInt64(UInt(bitPattern: \(p.name))), \(offset))")
      default: out.line("p.put\(width * 8)(\(stored(p)), \(offset))")
      }
      offset += width
    }
    return offset
  }

  private func valueBytes(_ model: GLModel) -> Int {
    model.parameters.reduce(0) { $0 + ($1.role.width($1.type) ?? 0) }
  }

  private func encode(_ model: GLModel, writer: String, _ out: inout SourcePrinter) {
    let values = valueBytes(model)
    let start = model.replies ? 16 : 8
    let variable = model.parameters.filter(\.role.isVariable)
    if variable.isEmpty {
      let size = (start + values + 7) & ~7
      let used = start + values
      let needs = values > 0 || model.replies
      out.line(
        "guard let \(needs || size != used ? "p" : "_") = \(writer).pointee.fixedRecord(\(opcode(model)), \(size)) else { return }"
      )
      if model.replies { out.line("p.put64(UInt64(ticket), 8)") }
      _ = putValues(model, from: start, &out)
      if size != used { out.line("p.put32(0, \(used))") }
      return
    }
    out.line("\(writer).pointee.begin(\(opcode(model)))")
    let head = start - 8 + values
    if head > 0 {
      out.line("guard let p = \(writer).pointee.reserve(\(head)) else { return }")
      if model.replies { out.line("p.put64(UInt64(ticket), 0)") }
      _ = putValues(model, from: start - 8, &out)
    }
    for p in variable {
      switch p.role {
      case .array(let bytes, _): out.line("\(writer).pointee.glArray(\(p.name), \(bytes))")
      case .names(_, let count):
        out.line("\(writer).pointee.glArray(\(p.name), glProduct(\(count), 4))")
      case .string: out.line("\(writer).pointee.glString(\(p.name))")
      case .text(let length, _):
        out.line("\(writer).pointee.glArray(\(p.name), glTextLength(\(p.name), \(length)))")
      case .strings(let count): out.line("\(writer).pointee.glStrings(\(p.name), \(count))")
      case .image(let dimensions, let format, let type, let size):
        let parts = size.map { "Int(\($0))" }
        let whole = (parts + Array(repeating: "1", count: 3 - parts.count)).joined(separator: ", ")
        out.line(
          "\(writer).pointee.glImage(c, \(dimensions), \(format), \(type), \(whole), \(p.name))")
      default: break
      }
    }
    out.line("\(writer).pointee.end()")
  }

  /// `encode_glX` of a command that has a hook: the record alone.
  private func encoder(_ model: GLModel, _ out: inout SourcePrinter) {
    var parameters = ["_ c: Context", "_ writer: UnsafeMutablePointer<Writer>"]
    if model.replies { parameters.append("_ ticket: UInt32") }
    for p in model.parameters {
      if case .left = p.role { continue }
      if p.role.isOutput { continue }
      parameters.append("_ \(p.name): \(p.swift)")
    }
    out.block("func encode_\(model.name)(\(parameters.joined(separator: ", ")))") { out in
      encode(model, writer: "writer", &out)
    }
  }

  private func syncBody(_ model: GLModel, _ out: inout SourcePrinter) {
    out.line(
      "guard let c = currentContext(), let call = c.beginCall(\(opcode(model))) else { \(failure(model)) }"
    )
    out.line("let ticket = call.ticket")
    out.line("let writer = call.writer")
    var encoding = SourcePrinter()
    encode(model, writer: "writer", &encoding)
    // A request that could not be written ends the connection in endCall.
    for line in encoding.text.split(separator: "\n") {
      let text = String(line).trimmed
      out.line(text.replacingOccurrences(of: "else { return }", with: "else { \(failure(model)) }"))
    }
    let outputs = model.parameters.filter(\.role.isOutput)
    if outputs.isEmpty, model.returns.isEmpty {
      out.line("_ = c.endCall(call)")
      return
    }
    out.line("guard var reply = c.endCall(call) else { \(failure(model)) }")
    if let type = model.returnType {
      let read = type.width == 8 ? "reply.u64(\"result\")" : "reply.u32(\"result\")"
      out.line("let result = \(value(read, type))")
    }
    for p in outputs {
      switch p.role {
      case .output(let bytes):
        out.line("reply.copyOut(\(p.name), \(bytes))")
      case .outputString(let size):
        out.line("reply.copyOut(\(p.name), max(\(size), 0))")
      case .outputNames(_, let count):
        out.line("reply.copyOut(\(p.name), glProduct(\(count), 4))")
      default: out.line("reply.copyOut(\(p.name), Int.max)")
      }
    }
    out.line("c.finishCall(call)")
    if !model.returns.isEmpty { out.line("return result") }
  }

  /// A Swift expression of `type` from the 4 or 8 bytes that were read.
  private func value(_ read: String, _ type: GLType) -> String {
    switch type.swift {
    case "UInt32", "UInt64": return read
    case "Int32": return "Int32(bitPattern: \(read))"
    case "Float": return "Float(bitPattern: \(read))"
    case "Double": return "Double(bitPattern: \(read))"
    case "UInt8": return "UInt8(truncatingIfNeeded: \(read))"
    case "Int8", "CChar": return "Int8(truncatingIfNeeded: \(read))"
    case "UInt16": return "UInt16(truncatingIfNeeded: \(read))"
    case "Int16": return "Int16(truncatingIfNeeded: \(read))"
    case "Int64": return "Int64(bitPattern: \(read))"
    case "Int": return "Int(truncatingIfNeeded: \(read))"
    default: return "UnsafeMutableRawPointer(bitPattern: UInt(\(read)))"
    }
  }

  /// Names that have an entry point of their own beside the command's.
  private var forwarded: Set<String> {
    let byName = Dictionary(uniqueKeysWithValues: models.map { ($0.name, $0) })
    return Set(
      names.filter { name, canonical in
        name != canonical
          && registry.commands[name]?.parameters.count == byName[canonical]?.parameters.count
      }.map(\.name))
  }

  private func tableFile() -> GeneratedFile {
    let forwarded = forwarded
    var list = SourcePrinter()
    list.line("/// The names of OpenGL's entry points, sorted, each ended by NUL.")
    list.line("let glEntryNames: StaticString = \"\"\"")
    for (index, (name, _)) in names.enumerated() {
      list.line("  \(name)\\0" + (index == names.count - 1 ? "" : "\\"))
    }
    list.line("  \"\"\"")
    list.line("let glEntryCount = \(names.count)")
    var parts = [list.text]
    let byName = Dictionary(uniqueKeysWithValues: models.map { ($0.name, $0) })
    let step = 500
    var main = SourcePrinter()
    main.line("/// The address of the entry point at `index` of the names.")
    main.block("func glEntryPoint(_ index: Int) -> UnsafeMutableRawPointer?") { out in
      out.line("switch index / \(step) {")
      for i in 0...((names.count - 1) / step) {
        out.line("case \(i): return glEntryPoint\(i)(index % \(step))")
      }
      out.line("default: return nil")
      out.line("}")
    }
    parts.append(main.text)
    for start in stride(from: 0, to: names.count, by: step) {
      var out = SourcePrinter()
      out.block("func glEntryPoint\(start / step)(_ index: Int) -> UnsafeMutableRawPointer?") {
        out in
        out.line("switch index {")
        for i in start..<min(start + step, names.count) {
          guard let model = byName[names[i].canonical] else { continue }
          let types = model.parameters.map(\.swift).joined(separator: ", ")
          let result = model.returns.isEmpty ? "Void" : model.returns
          let function =
            forwarded.contains(names[i].name) ? String(names[i].name.dropFirst(2)) : model.short
          out.line(
            "case \(i - start): return unsafeBitCast(gl_\(function) as @convention(c) (\(types)) -> \(result), to: UnsafeMutableRawPointer?.self)"
          )
        }
        out.line("default: return nil")
        out.line("}")
      }
      parts.append(out.text)
    }
    return GeneratedFile(path: "GLShim/Generated/EntryTable", imports: [], parts: parts)
  }

  // MARK: GLReplay

  /// Extensions of which not every command is there.
  private func extensionFile() -> GeneratedFile {
    let offered = Set(names.map(\.name))
    let partial = registry.extensions.filter { feature in
      !rules.extensions.contains(feature.name)
        && feature.commands.contains { !offered.contains($0) }
    }.map(\.name)
    var out = SourcePrinter()
    out.line(
      "/// Extensions that are not offered: not all of their commands are there, or the rules hide them."
    )
    out.line("let hiddenExtensions: Set<String> = [")
    for name in Set(partial + rules.hidden).sorted() { out.line("  \"\(name)\",") }
    out.line("]")
    return GeneratedFile(
      path: "GLReplay/Generated/HiddenExtensions", imports: [], parts: [out.text])
  }

  private func dispatchFile() -> GeneratedFile {
    let commands = models.filter { $0.hasRecord || $0.words.contains("driver") }
    var out = SourcePrinter()
    out.line("/// The driver's functions; nil for what it has not.")
    out.block("public struct GLDispatch") { out in
      for model in commands {
        let types = model.parameters.map(\.swift).joined(separator: ", ")
        let result = model.returns.isEmpty ? "Void" : model.returns
        out.line("public var \(model.name): (@convention(c) (\(types)) -> \(result))?")
      }
      out.blank()
      out.line("public init() {}")
    }
    var load = SourcePrinter()
    load.block("extension GLDispatch") { out in
      out.line("/// Looks every function up, under its name or another one that it has.")
      out.block(
        "public mutating func load(_ get: (UnsafePointer<CChar>) -> UnsafeMutableRawPointer?)"
      ) { out in
        for i in 0...(commands.count - 1) / 400 { out.line("load\(i)(get)") }
      }
      for start in stride(from: 0, to: commands.count, by: 400) {
        out.blank()
        out.block(
          "private mutating func load\(start / 400)(_ get: (UnsafePointer<CChar>) -> UnsafeMutableRawPointer?)"
        ) { out in
          for model in commands[start..<min(start + 400, commands.count)] {
            let others = names.filter { $0.canonical == model.name && $0.name != model.name }
              .map(\.name).sorted()
            let all = ([model.name] + others).map { "\"\($0)\"" }.joined(separator: ", ")
            out.line("\(model.name) = find(get, \(all))")
          }
        }
      }
    }
    return GeneratedFile(
      path: "GLReplay/Generated/GLDispatch", imports: [], parts: [out.text, load.text])
  }

  private func replayFile() -> GeneratedFile {
    var parts: [String] = []
    var main = SourcePrinter()
    main.line(
      "/// Replays one command; false for a number that is none. `r` stands behind the header.")
    main.block(
      "func replayGL(_ opcode: UInt32, _ c: UnsafeMutablePointer<GLReplayContext>, _ r: inout GLRecord) -> Bool"
    ) { out in
      out.line("switch opcode {")
      for model in models where model.hasRecord {
        out.line("case \(opcode(model)): replay_\(model.name)(c, &r)")
      }
      out.line("default: return false")
      out.line("}")
      out.line("return true")
    }
    parts.append(main.text)
    for model in models where model.hasRecord {
      var out = SourcePrinter()
      out.block(
        "func replay_\(model.name)(_ c: UnsafeMutablePointer<GLReplayContext>, _ r: inout GLRecord)"
      ) { out in replayBody(model, &out) }
      parts.append(out.text)
    }
    return GeneratedFile(
      path: "GLReplay/Generated/GLReplay", imports: ["import GLWire", "import Wire"], parts: parts)
  }

  private func replayBody(_ model: GLModel, _ out: inout SourcePrinter) {
    let fixed = (model.replies ? 8 : 0) + valueBytes(model)
    if model.kind == "gen" || model.kind == "delete" { return madeBody(model, &out) }
    if fixed > 0 { out.line("guard r.need(\(fixed), \"\(model.name)\") else { return }") }
    if model.replies {
      out.line("let ticket = r.take32()")
      out.line("r.skip(4)")
    }
    for p in model.parameters {
      guard let width = p.role.width(p.type) else { continue }
      let read = width == 8 ? "r.take64()" : "r.take32()"
      switch p.role {
      case .name(let kind):
        if kind == "list" {
          out.line("let \(p.name) = r.take32() &+ c.pointee.listBase")
        } else {
          out.line("let \(p.name) = c.pointee.name(.\(kind), r.take32())")
        }
      case .sync: out.line("let \(p.name) = c.pointee.sync(r.take64())")
      case .offset:
        let type = p.base.isConst ? "UnsafeRawPointer" : "UnsafeMutableRawPointer"
        out.line("let \(p.name) = \(type)(bitPattern: UInt(\(read)))")
      default: out.line("let \(p.name) = \(value(read, p.type))")
      }
    }
    for p in model.parameters {
      let field = "\"\(model.name).\(p.base.name)\""
      switch p.role {
      case .array(let bytes, let isOptional):
        out.line(
          "let \(p.name)Bytes = r.array(\(bytes), isOptional: \(isOptional), \(field))")
      case .names(let kind, let count):
        out.line(
          "let \(p.name)Bytes = c.pointee.names(.\(kind), r.array(glProduct(\(count), 4), isOptional: \(model.words.contains("null")), \(field)), \(count))"
        )
      case .string(let isOptional):
        out.line("let \(p.name)Bytes = r.string(isOptional: \(isOptional), \(field))")
      case .text(let length, let isOptional):
        out.line(
          "let \(p.name)Bytes = r.text(\(length), isOptional: \(isOptional), \(field))")
      case .strings(let count):
        out.line("let \(p.name) = c.pointee.strings(&r, \(count), \(field))")
      case .image(let dimensions, let format, let type, let size):
        let parts = size.map { "Int(\($0))" }
        let whole = (parts + Array(repeating: "1", count: 3 - parts.count)).joined(separator: ", ")
        out.line(
          "let \(p.name) = c.pointee.image(&r, \(dimensions), \(format), \(type), \(whole), \(field))"
        )
      default: break
      }
    }
    if model.parameters.contains(where: \.role.isVariable) {
      out.line("guard r.failure == nil else { return }")
    }
    let arguments = model.parameters.map { argument($0) }
    if model.hasDoer {
      let extra = model.replies ? ["c", "ticket"] : ["c"]
      let own = zip(model.parameters, arguments).filter { !$0.0.role.isOutput }.map(\.1)
      out.line("doer_\(model.name)(\((extra + own).joined(separator: ", ")))")
      return
    }
    let missing =
      model.replies
      ? "c.pointee.missing(\(opcode(model)), ticket)" : "c.pointee.missing(\(opcode(model)))"
    out.line("guard let call = c.pointee.gl.\(model.name) else { return \(missing) }")
    guard model.replies else {
      out.line("\(model.returns.isEmpty ? "" : "_ = ")call(\(arguments.joined(separator: ", ")))")
      return
    }
    replyBody(model, arguments, &out)
  }

  private func argument(_ p: GLModel.Parameter) -> String {
    switch p.role {
    case .left: return p.base.pointers == 0 && !p.type.swift.hasSuffix("?") ? "0" : "nil"
    case .array, .names, .string, .text:
      if p.base.base == "void" { return "\(p.name)Bytes" }
      return "\(p.name)Bytes?.assumingMemoryBound(to: \(p.type.swift).self)"
    case .image:
      return p.base.base == "void"
        ? p.name : "\(p.name)?.assumingMemoryBound(to: \(p.type.swift).self)"
    case .output, .probe, .outputString, .outputNames:
      return p.base.base == "void"
        ? "\(p.name)" : "\(p.name)?.assumingMemoryBound(to: \(p.type.swift).self)"
    default: return p.name
    }
  }

  private func replyBody(_ model: GLModel, _ arguments: [String], _ out: inout SourcePrinter) {
    let outputs = model.parameters.filter(\.role.isOutput)
    let probes = outputs.filter { if case .probe = $0.role { true } else { false } }
    for p in outputs {
      switch p.role {
      case .output(let bytes):
        out.line("let \(p.name) = c.pointee.room(\(bytes), \"\(model.name).\(p.base.name)\")")
      case .outputString(let size):
        out.line(
          "let \(p.name) = c.pointee.room(max(\(size), 0), \"\(model.name).\(p.base.name)\")")
      case .outputNames(_, let count):
        out.line(
          "let \(p.name) = c.pointee.room(glProduct(\(count), 4), \"\(model.name).\(p.base.name)\")"
        )
      default: break
      }
    }
    if outputs.count > probes.count {
      out.line("guard !c.pointee.isOver else { return }")
    }
    let call = "call(\(arguments.joined(separator: ", ")))"
    if let probe = probes.first {
      out.line(
        "let \(probe.name)Count = c.pointee.probe(\(probe.type.size)) { \(probe.name) in \(model.returns.isEmpty ? "" : "_ = ")\(call) }"
      )
    } else if model.returns.isEmpty {
      out.line(call)
    } else {
      out.line("let result = \(call)")
    }
    out.line("c.pointee.beginReply(\(opcode(model)))")
    if let type = model.returnType {
      let p = GLModel.Parameter(
        name: "result",
        base: GLRegistry.Parameter(
          name: "result", base: "", isConst: false, pointers: 0, length: nil, kind: nil),
        type: type, role: .value)
      out.line("c.pointee.reply.writer.u\(type.width * 8)(\(stored(p)))")
    }
    for p in outputs {
      switch p.role {
      case .probe:
        let about =
          model.parameters.first {
            $0.base.base == "GLenum" && ($0.name == "pname" || $0.name == "value")
          } ?? model.parameters.first { $0.base.base == "GLenum" }
        out.line(
          "c.pointee.putProbe(\(p.name)Count, as: \(p.type.swift.isEmpty ? "UInt8" : p.type.swift).self, about: \(about?.name ?? "0"))"
        )
      case .output(let bytes): out.line("c.pointee.put(\(p.name), \(bytes))")
      case .outputString(let size):
        out.line("c.pointee.putString(\(p.name), max(\(size), 0))")
      case .outputNames(let kind, let count):
        out.line("c.pointee.putNames(.\(kind), \(p.name), \(count))")
      default: break
      }
    }
    out.line("c.pointee.endReply(ticket)")
  }

  private func madeBody(_ model: GLModel, _ out: inout SourcePrinter) {
    let values = model.parameters.filter { $0.base.pointers == 0 }
    let (count, place) = made(model)
    out.line("guard r.need(\(values.count * 4), \"\(model.name)\") else { return }")
    for v in values { out.line("let \(v.name) = \(value("r.take32()", v.type))") }
    out.line(
      "let \(place)Bytes = r.array(glProduct(Int(\(count)), 4), isOptional: true, \"\(model.name).\(place)\")"
    )
    out.line("guard r.failure == nil else { return }")
    out.line(
      "guard let call = c.pointee.gl.\(model.name) else { return c.pointee.missing(\(opcode(model))) }"
    )
    let kind = GLModel.nameKind((model.object ?? "").replacingOccurrences(of: "_", with: " "))
    let arguments = model.parameters.map { p in
      p.base.pointers == 0 ? (p.name == count ? "$0" : p.name) : "$1"
    }.joined(separator: ", ")
    let head = model.kind == "gen" ? "makeNames" : "deleteNames"
    out.line("c.pointee.\(head)(.\(kind), \(count), \(place)Bytes) { call(\(arguments)) }")
  }
}
