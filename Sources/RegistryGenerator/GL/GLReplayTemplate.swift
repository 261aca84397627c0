/// What GLReplay gets: the driver's functions, the handlers, what is not offered.
extension GLGenerator {
  /// Extensions of which not every command is there.
  func extensionFile() -> GeneratedFile {
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

  func dispatchFile() -> GeneratedFile {
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

  func replayFile() -> GeneratedFile {
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
      default:
        // What is read to is the client's: it may have more room than any answer needs.
        let isRoom = model.parameters.contains {
          switch $0.role {
          case .outputString(let size): size == "Int(\(p.name))"
          case .outputNames(_, let count): count == "Int(\(p.name))"
          default: false
          }
        }
        let given = value(read, p.type)
        out.line("let \(p.name) = \(isRoom ? "min(\(given), GLReplayContext.mostRoom)" : given)")
      }
    }
    for p in model.parameters {
      let field = "\"\(model.name).\(p.base.name)\""
      switch p.role {
      case .array(let bytes, let isOptional):
        // What belongs to names is read when there are names.
        let names = model.parameters.first { if case .names = $0.role { true } else { false } }
        let optional =
          model.words.contains("null") && isOptional
          ? "\(names?.name ?? "")Bytes == nil" : "\(isOptional)"
        out.line("let \(p.name)Bytes = r.array(\(bytes), isOptional: \(optional), \(field))")
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
    if model.attaches, let first = model.parameters.first {
      // The record has the client's name, the handler the driver's.
      let framebuffer =
        if case .name = first.role { "toNamed: c.pointee.recordWord(8)" } else {
          "to: \(first.name)"
        }
      out.line("guard c.pointee.mayAttach(\(framebuffer)) else { return }")
    }
    guard model.replies else {
      let reads = model.words.contains("reads")
      if reads { out.line("c.pointee.beginRead(depth: true)") }
      out.line("\(model.returns.isEmpty ? "" : "_ = ")call(\(arguments.joined(separator: ", ")))")
      if reads { out.line("c.pointee.endRead()") }
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
    case .output where p.base.pointers == 2:
      return "\(p.name)?.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)"
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
    // Where the driver has an error nothing is written.
    let canFail = outputs.count > probes.count
    if canFail { out.line("c.pointee.saveErrors()") }
    let call = "call(\(arguments.joined(separator: ", ")))"
    if let probe = probes.first {
      var room = ""
      if case .probe(isTable: true) = probe.role { room = ", room: c.pointee.tableRoom" }
      out.line(
        "let \(probe.name)Count = c.pointee.probe(\(probe.type.size)\(room)) { \(probe.name) in \(model.returns.isEmpty ? "" : "_ = ")\(call) }"
      )
    } else if model.returns.isEmpty {
      out.line(call)
    } else {
      out.line("let result = \(call)")
    }
    if canFail { out.line("let isRight = !c.pointee.saveErrors()") }
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
        // Programs know buffers by the numbers of binding points, of which some pnames are those of names.
        let about =
          model.name.hasPrefix("glGetActive")
          ? nil
          : model.parameters.first {
            $0.base.base == "GLenum" && ($0.name == "pname" || $0.name == "value")
          } ?? model.parameters.first { $0.base.base == "GLenum" }
        out.line(
          "c.pointee.putProbe(\(p.name)Count, as: \(p.type.swift.isEmpty ? "UInt8" : p.type.swift).self, about: \(about?.name ?? "0"))"
        )
      case .output(let bytes):
        out.line("c.pointee.put(\(p.name), isRight ? \(bytes) : 0)")
      case .outputString(let size):
        out.line("c.pointee.putString(\(p.name), isRight ? max(\(size), 0) : 0)")
      case .outputNames(let kind, let count):
        out.line("c.pointee.putNames(.\(kind), \(p.name), isRight ? \(count) : 0)")
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
