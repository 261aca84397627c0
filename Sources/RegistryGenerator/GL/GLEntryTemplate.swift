/// What GLShim gets: entry points, encoders of hooked commands, the table of names.
extension GLGenerator {
  /// `_ x: Int32, …`
  private func signature(_ model: GLModel) -> [String] {
    model.parameters.map { "_ \($0.name): \($0.swift)" }
  }

  func entryFile() -> GeneratedFile {
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

  func failure(_ model: GLModel) -> String {
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
      touch(model, &out)
      let all = arguments.isEmpty ? "c" : "c, \(arguments)"
      if model.returns.isEmpty {
        out.line("hook_\(model.name)(\(all))")
        out.line("finishCommand(c)")
      } else {
        out.line("let result = hook_\(model.name)(\(all))")
        out.line("finishCommand(c)")
        out.line("return result")
      }
    case "gen":
      out.line("guard let c = currentContext() else { return }")
      let (count, place) = made(model)
      let kind = GLModel.nameKind((model.object ?? "").replacingOccurrences(of: "_", with: " "))
      out.line(
        "guard c.generateNames(.\(kind), \(count), \(place)) else { return finishCommand(c) }")
      encodeMade(model, &out)
      touch(model, &out)
      notice(model, &out)
      out.line("finishCommand(c)")
    case "delete":
      out.line("guard let c = currentContext() else { return }")
      let (count, place) = made(model)
      let kind = GLModel.nameKind((model.object ?? "").replacingOccurrences(of: "_", with: " "))
      out.line("guard \(count) >= 0 else { return refuse(GL.INVALID_VALUE) }")
      encodeMade(model, &out)
      out.line("c.releaseNames(.\(kind), \(count), \(place))")
      touch(model, &out)
      notice(model, &out)
      out.line("finishCommand(c)")
    case "sync":
      syncBody(model, &out)
    default:
      if model.words.contains("note") || model.words.contains("pixels") || touched(model) != 0
        || model.namesTarget
      {
        out.line("guard let c = currentContext() else { return }")
        takeBlocks(model, &out)
        takeTexture(model, &out)
        touch(model, &out)
        encode(model, writer: "c.writer", &out)
        notice(model, &out)
        out.line("finishCommand(c)")
      } else {
        out.line("guard let writer = contextWriter() else { return }")
        encode(model, writer: "writer", &out)
        out.line("finishCommand(writer)")
      }
    }
  }

  /// What a command may change of the state that the client remembers. Commands that reply, and such as
  /// have no record, change what their hooks say.
  private func touched(_ model: GLModel) -> UInt32 {
    model.replies || !model.hasRecord ? 0 : rules.touchedState(model.name)
  }

  private func touch(_ model: GLModel, _ out: inout SourcePrinter) {
    let bits = touched(model)
    if bits != 0 {
      out.line("c.pointee.touched |= 0x\(String(bits, radix: 16, uppercase: true))")
    }
  }

  /// A texture that is named with its target becomes one of it.
  private func takeTexture(_ model: GLModel, _ out: inout SourcePrinter) {
    guard model.namesTarget else { return }
    let names = model.parameters.prefix(2).map(\.name).joined(separator: ", ")
    let compiled = model.replies ? ", isCompiled: false" : ""
    out.line(
      "guard c.takesTexture(\(names)\(compiled)) else { return refuse(GL.INVALID_OPERATION) }")
  }

  /// A compressed image whose blocks are to be taken out of a larger one comes again with those blocks alone.
  private func takeBlocks(_ model: GLModel, _ out: inout SourcePrinter) {
    for p in model.parameters {
      guard case .image(let dimensions, "GL.NONE", _, let size) = p.role else { continue }
      let target = model.isTextureImage ? "target" : "nil"
      let extent = ["width", "height", "depth"].prefix(dimensions)
      let arguments = model.parameters.map { $0.name == p.name ? "$0" : $0.name }
      out.block("if _slowPath(c.takesBlocks)") { out in
        out.block(
          "c.withBlocks(\(target), \(dimensions), \(sizes(Array(extent))), \(sizes(size, of: 1)), \(p.name))"
        ) { out in
          out.line("gl_\(model.name.dropFirst(2))(\(arguments.joined(separator: ", ")))")
        }
        out.line("return finishCommand(c)")
      }
    }
  }

  private func notice(_ model: GLModel, _ out: inout SourcePrinter) {
    guard model.words.contains("note") else { return }
    let all = (["c"] + model.parameters.map(\.name)).joined(separator: ", ")
    out.line("note_\(model.name)(\(all))")
  }

  /// The count and the place of names of a gen or delete command.
  func made(_ model: GLModel) -> (count: String, place: String) {
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

  func stored(_ p: GLModel.Parameter) -> String {
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

  func valueBytes(_ model: GLModel) -> Int {
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
    if !model.replies {
      for p in variable {
        guard case .array(let bytes, _) = p.role,
          bytes.contains("glProduct") || bytes.hasPrefix("max(")
        else { continue }
        // A program that says so many is wrong, or wants more than a node takes.
        let error = model.name.contains("Uniform") ? "INVALID_OPERATION" : "OUT_OF_MEMORY"
        let exception = isNeeded(p, model) ? "" : "\(p.name) == nil || "
        out.line("guard \(exception)\(bytes) <= largestArray else { return refuse(GL.\(error)) }")
      }
    }
    for p in variable {
      guard case .image(let dimensions, let format, let type, let size) = p.role else { continue }
      let target = model.isTextureImage ? "target" : "nil"
      out.line(
        "guard let source = c.imageSource(\(target), \(dimensions), \(format), \(type), \(sizes(size)), \(p.name))"
      )
      out.line("else { return refuse(GL.OUT_OF_MEMORY) }")
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
      case .array(let bytes, _):
        out.line("\(writer).pointee.\(arrayWriter(p, model))(\(p.name), \(bytes))")
      case .names(_, let count):
        out.line("\(writer).pointee.\(arrayWriter(p, model))(\(p.name), glProduct(\(count), 4))")
      case .string(let isOptional):
        out.line("\(writer).pointee.glString(\(p.name), isOptional: \(isOptional))")
      case .text(let length, _):
        out.line("\(writer).pointee.glArray(\(p.name), glTextLength(\(p.name), \(length)))")
      case .strings(let count): out.line("\(writer).pointee.glStrings(\(p.name), \(count))")
      case .image(let dimensions, let format, let type, let size):
        out.line(
          "\(writer).pointee.glImage(c, \(dimensions), \(format), \(type), \(sizes(size)), source)")
      default: break
      }
    }
    out.line("\(writer).pointee.end()")
  }

  /// Whether the command reads an array whatever it is given, so that NULL is no way to say that there is none.
  private func isNeeded(_ p: GLModel.Parameter, _ model: GLModel) -> Bool {
    switch p.role {
    case .array(_, let isOptional): !isOptional && !model.words.contains("null")
    case .names: !model.words.contains("null")
    default: false
    }
  }

  private func arrayWriter(_ p: GLModel.Parameter, _ model: GLModel) -> String {
    isNeeded(p, model) ? "glNeededArray" : "glArray"
  }

  /// Width, height and depth of an image of as many sizes.
  private func sizes(_ size: [String], of count: Int = 3) -> String {
    (size.map { "Int(\($0))" } + Array(repeating: "1", count: count - size.count))
      .joined(separator: ", ")
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
    if model.namesTarget {
      out.line("guard let c = currentContext() else { \(failure(model)) }")
      takeTexture(model, &out)
      out.line("guard let call = c.beginCall(\(opcode(model))) else { \(failure(model)) }")
    } else {
      out.line(
        "guard let c = currentContext(), let call = c.beginCall(\(opcode(model))) else { \(failure(model)) }"
      )
    }
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
      out.line("finishCommand(c)")
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
    out.line("finishCommand(c)")
    if !model.returns.isEmpty { out.line("return result") }
  }

  /// A Swift expression of `type` from the 4 or 8 bytes that were read.
  func value(_ read: String, _ type: GLType) -> String {
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

  func tableFile() -> GeneratedFile {
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
}
