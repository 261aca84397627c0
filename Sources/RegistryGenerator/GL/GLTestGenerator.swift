/// What the tests of GLReplay get: a driver that records how it is called, read from gl.xml for itself, and
/// descriptions of the records as text.
extension GLGenerator {
  func testFiles() -> [GeneratedFile] {
    [
      GeneratedFile(
        path: "GLReplayTests/Generated/DriverStubs",
        imports: ["@testable import GLReplay", "import GLWire"],
        parts: stubs() + stubTable()),
      GeneratedFile(
        path: "GLReplayTests/Generated/RecordDescriptions", imports: [], parts: descriptions()),
    ]
  }

  private var driverCommands: [GLModel] {
    models.filter { $0.hasRecord || $0.words.contains("driver") }
  }

  // MARK: The driver

  /// Commands whose stubs are written by hand, in `Tests/GLReplayTests/Stubs.swift`: they keep state, or read what
  /// gl.xml cannot say.
  private static let handwritten: Set<String> = [
    "glArrayElement", "glBegin", "glBindBuffer", "glBindBuffersRange", "glBindVertexArray",
    "glBindVertexBuffer", "glBindVertexBuffers", "glBufferData", "glBufferStorage",
    "glCheckFramebufferStatus", "glClientActiveTexture", "glClientWaitSync", "glColorPointer",
    "glDeleteBuffers", "glDeleteVertexArrays", "glDrawArrays", "glDrawArraysIndirect",
    "glDrawArraysInstanced", "glDrawArraysInstancedBaseInstance", "glDrawElements",
    "glDrawElementsBaseVertex", "glDrawElementsIndirect", "glDrawElementsInstanced",
    "glDrawElementsInstancedBaseInstance", "glDrawElementsInstancedBaseVertex",
    "glDrawElementsInstancedBaseVertexBaseInstance", "glDrawRangeElements",
    "glDrawRangeElementsBaseVertex", "glEdgeFlagPointer", "glEnd", "glEndList", "glFeedbackBuffer",
    "glFenceSync", "glFlushMappedBufferRange", "glFogCoordPointer", "glGetActiveUniformsiv",
    "glGetBooleanv", "glGetBufferParameteriv", "glGetBufferPointerv", "glGetBufferSubData",
    "glGetCompressedTexImage", "glGetCompressedTextureImage", "glGetCompressedTextureSubImage",
    "glGetDoublev", "glGetFixedv", "glGetFloatv", "glGetInteger64v", "glGetIntegerv",
    "glGetMapdv", "glGetMapfv", "glGetMapiv", "glGetNamedBufferSubData",
    "glGetNamedProgramStringEXT", "glGetNamedProgramivEXT", "glGetPixelMapfv",
    "glGetPixelMapuiv", "glGetPixelMapusv", "glGetPolygonStipple", "glGetProgramStringARB",
    "glGetProgramiv", "glGetProgramivARB", "glGetShaderiv", "glGetTexImage",
    "glGetTexLevelParameteriv", "glGetTextureImage", "glGetTextureLevelParameteriv",
    "glGetTextureParameteriv", "glGetTextureSubImage", "glGetnCompressedTexImage",
    "glGetnTexImage", "glIndexPointer", "glIsProgram", "glIsShader", "glMap1d", "glMap1f",
    "glMap2d", "glMap2f", "glMapBuffer", "glMapBufferRange", "glMapNamedBuffer",
    "glMapNamedBufferRange", "glMultiDrawArrays", "glMultiDrawArraysIndirect",
    "glMultiDrawArraysIndirectCount", "glMultiDrawElements", "glMultiDrawElementsBaseVertex",
    "glMultiDrawElementsIndirect", "glMultiDrawElementsIndirectCount", "glNamedBufferData",
    "glNamedBufferStorage", "glNewList", "glNormalPointer", "glPixelStorei", "glPopClientAttrib",
    "glPushClientAttrib", "glReadPixels", "glRenderMode", "glRenderbufferStorage",
    "glRenderbufferStorageMultisample", "glSecondaryColorPointer", "glSelectBuffer",
    "glShaderSource", "glCompileShaderIncludeARB", "glSpecializeShader", "glTexCoordPointer",
    "glUnmapBuffer",
    "glVertexArrayVertexBuffers", "glVertexAttribIPointer", "glVertexAttribLPointer",
    "glVertexAttribPointer", "glVertexPointer", "glCreateShader", "glCreateProgram",
    "glCreateShaderProgramv", "glGetBufferParameteri64v", "glFlushMappedNamedBufferRange",
    "glGetNamedBufferPointerv", "glUnmapNamedBuffer", "glDrawBuffers",
    "glNamedFramebufferDrawBuffers", "glEnableClientState", "glDisableClientState", "glEnable",
    "glDisable", "glEnableVertexAttribArray", "glDisableVertexAttribArray",
    "glEnableVertexArrayAttrib", "glVertexAttribDivisor", "glVertexArrayVertexBuffer",
    "glGetVertexAttribiv", "glIsEnabled",
  ]

  /// Arrays for which the specification allows NULL where something would be read, or has an error for it.
  private static let nullable: Set<String> = [
    "glBindBuffersBase", "glBindImageTextures", "glBindSamplers", "glBindTextures",
    "glClearBufferData", "glClearBufferSubData", "glClearNamedBufferData",
    "glClearNamedBufferDataEXT", "glClearNamedBufferSubData", "glClearNamedBufferSubDataEXT",
    "glClearTexImage", "glClearTexSubImage", "glDeleteNamedStringARB", "glGetNamedStringARB",
    "glGetNamedStringivARB", "glIsNamedStringARB", "glNamedBufferDataEXT",
    "glNamedBufferStorageEXT", "glNamedStringARB", "glObjectLabel", "glObjectPtrLabel",
  ]

  private func stubs() -> [String] {
    driverCommands.filter { !Self.handwritten.contains($0.name) }.map { model in
      var out = SourcePrinter()
      let signature = model.parameters.map { "_ \($0.name): \($0.swift)" }.joined(separator: ", ")
      let returns = model.returns.isEmpty ? "" : " -> \(model.returns)"
      out.block("func stub_\(model.name)(\(signature))\(returns)") { out in stub(model, &out) }
      return out.text
    }
  }

  private func stub(_ model: GLModel, _ out: inout SourcePrinter) {
    let d = "recorder"
    out.line("\(d).enter(\"\(model.name)\")")
    for p in model.parameters {
      let isNullable = Self.nullable.contains(model.name)
      if p.base.pointers == 0 {
        out.line("\(d).\(p.type.swift.hasSuffix("?") ? "pointer" : "value")(\(p.name))")
        continue
      }
      switch p.role {
      case .string: out.line("\(d).string(\(p.name))")
      case .text(let length, _):
        out.line("\(d).text(\(p.name), \(length), isNullable: \(isNullable))")
      case .strings(let count): out.line("\(d).strings(\(p.name), \(count))")
      case .image(let dimensions, let format, let type, let size):
        let parts = size.map { "Int(\($0))" }
        let whole = (parts + Array(repeating: "1", count: 3 - parts.count)).joined(separator: ", ")
        out.line("\(d).image(\(p.name), \(dimensions), \(format), \(type), \(whole))")
      case .offset, .sync: out.line("\(d).pointer(\(p.name))")
      case .outputString(let size): out.line("\(d).writeString(\(p.name), \(size))")
      case .outputNames(let kind, let count):
        out.line("\(d).writeNames(\(p.name), .\(kind), \(count))")
      case .probe: out.line("\(d).probe(\(p.name), \(p.type.size))")
      case .left where model.kind == "gen":
        out.line("\(d).makeNames(\(p.name), \(made(model).count))")
      default:
        guard let bytes = bytes(p, model) else {
          out.line("\(d).absent(\(p.name))")
          continue
        }
        if p.base.isConst {
          out.line("\(d).read(\(p.name), \(bytes)\(isNullable ? ", isNullable: true" : ""))")
        } else {
          out.line("\(d).write(\(p.name), \(bytes))")
        }
      }
    }
    guard !model.returns.isEmpty else { return }
    if model.returnsPointer || model.returns.hasSuffix("?") {
      out.line("return nil")
    } else {
      out.line("return \(d).result()")
    }
  }

  /// What a driver may read or write: gl.xml's word where it has one that can be counted.
  private func bytes(_ p: GLModel.Parameter, _ model: GLModel) -> String? {
    let element = p.base.base == "void" ? 1 : p.type.size
    if let command = registry.commands[model.name],
      let count = p.base.length.flatMap({ GLModel.count($0, command) })
    {
      return element == 1 ? count : "glProduct(\(count), \(element))"
    }
    switch p.role {
    case .array(let bytes, _), .output(let bytes): return bytes
    case .names(_, let count): return "glProduct(\(count), 4)"
    default: return nil
    }
  }

  private func stubTable() -> [String] {
    let commands = driverCommands
    var parts: [String] = []
    var main = SourcePrinter()
    main.line("/// The stubs by the names of their commands, and the other names that those have.")
    main.block("func addStubs(_ table: inout [String: UnsafeMutableRawPointer])") { out in
      for i in 0...(commands.count - 1) / 400 { out.line("addStubs\(i)(&table)") }
    }
    parts.append(main.text)
    for start in stride(from: 0, to: commands.count, by: 400) {
      var out = SourcePrinter()
      out.block(
        "func addStubs\(start / 400)(_ table: inout [String: UnsafeMutableRawPointer])"
      ) { out in
        for model in commands[start..<min(start + 400, commands.count)] {
          let types = model.parameters.map(\.swift).joined(separator: ", ")
          let result = model.returns.isEmpty ? "Void" : model.returns
          out.line(
            "table[\"\(model.name)\"] = unsafeBitCast(stub_\(model.name) as @convention(c) (\(types)) -> \(result), to: UnsafeMutableRawPointer.self)"
          )
        }
      }
      parts.append(out.text)
    }
    return parts
  }

  // MARK: The records

  /// Lines for `Tests/GLReplayTests/RecordDescription.swift`: `C name opcode class object replies doer result` and for
  /// each parameter `P name role …`. `own`: there is no doer, but the stub is written by hand.
  private func descriptions() -> [String] {
    let commands = models.filter(\.hasRecord)
    let lines = commands.flatMap { model -> [String] in
      let replies = model.replies ? "replies" : "-"
      let doer =
        model.hasDoer || model.attaches
        ? "doer" : Self.handwritten.contains(model.name) ? "own" : "-"
      let object = model.object.map {
        GLModel.nameKind($0.replacingOccurrences(of: "_", with: " "))
      }
      let head =
        "C \(model.name) \(opcode(model).dropFirst(2)) \(model.kind) \(object ?? "-") \(replies) "
        + "\(doer) \(model.returnType.map { "\($0.width)" } ?? "-")"
      return [head] + model.parameters.map { "P \(describe($0, model))" }
    }
    let chunks = stride(from: 0, to: lines.count, by: 1500).map {
      lines[$0..<min($0 + 1500, lines.count)]
    }
    var parts = chunks.enumerated().map { i, chunk in
      "let recordDescriptions\(i): String = \"\"\"\n" + chunk.map { "  \($0)\n" }.joined()
        + "  \"\"\"\n"
    }
    let all = chunks.indices.map { "recordDescriptions\($0)" }.joined(separator: ", ")
    parts[parts.count - 1] += "\nlet recordDescriptions: [String] = [\(all)]\n"
    return parts
  }

  private func describe(_ p: GLModel.Parameter, _ model: GLModel) -> String {
    let element = p.base.base == "void" ? 1 : p.type.size
    let name = p.base.name
    var rule = rules.commands[model.name]?.parameters[name] ?? p.base.length ?? "-"
    if rule.hasSuffix("?") { rule.removeLast() }
    // `names(kind,count)` and its like: what stands in the brackets.
    let inner = rule.firstIndex(of: "(").map { rule[rule.index(after: $0)...].dropLast() }
    let last = inner.flatMap { $0.split(separator: ",").last }.map(String.init)
    let isNamed = rule.hasPrefix("names(") || rule.hasPrefix("outnames(")
    switch p.role {
    case .value: return "\(name) value \(p.type.swift)"
    case .name(let kind): return "\(name) name \(kind)"
    case .sync: return "\(name) sync"
    case .offset: return "\(name) offset"
    case .left:
      return model.kind == "gen" || model.kind == "delete" && p.base.pointers > 0
        ? "\(name) made" : "\(name) left"
    case .array: return "\(name) array \(element) \(rule)"
    case .names(let kind, _): return "\(name) names \(kind) \(isNamed ? last ?? rule : rule)"
    case .string: return "\(name) string"
    case .strings: return "\(name) strings \(last ?? rule)"
    case .text(let length, _): return "\(name) text \(length)"
    case .image(let dimensions, let format, let type, let size):
      return "\(name) image \(dimensions) \(format) \(type) \(size.joined(separator: " "))"
    case .output:
      let count = rule.hasPrefix("out(") ? String(inner ?? "") : rule
      return "\(name) output \(element) \(count)"
    case .probe: return "\(name) probe \(element)"
    case .outputString:
      return "\(name) outstring \(rule.hasPrefix("outstring(") ? last ?? rule : rule)"
    case .outputNames(let kind, _):
      return "\(name) outnames \(kind) \(isNamed ? last ?? rule : rule)"
    }
  }
}
