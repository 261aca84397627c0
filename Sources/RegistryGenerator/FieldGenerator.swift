/// Encoding and decoding of pointers: the same for members of structures and for parameters.
struct FieldGenerator {
  let scope: Scope
  let layout: Layout
  let namer: Namer

  init(scope: Scope) {
    self.scope = scope
    layout = Layout(scope: scope)
    namer = Namer(scope: scope)
  }

  /// Where the fields are while code is printed.
  struct Place {
    /// Name of the structure or command.
    var owner: String
    /// What stands before a sibling's name: "s.pointee.", "a.", or nothing.
    var prefix: String
    var siblings: [Member]
  }

  func field(_ member: Member, _ place: Place) -> String { "\(place.owner).\(member.name)" }

  func condition(_ member: Member, _ place: Place) -> String? {
    scope.rules.conditions[field(member, place)].flatMap {
      $0 == "always" ? nil : $0.replacingOccurrences("$", with: place.prefix)
    }
  }

  /// The Swift expression of an array's element count, as Int; nil for a single structure.
  func count(_ member: Member, _ place: Place) throws -> String? {
    if let rule = scope.rules.counts[field(member, place)] {
      return rule.replacingOccurrences("$", with: place.prefix)
    }
    guard let length = member.lengths.first, length != "null-terminated", length != "1" else {
      return nil
    }
    if let sibling = place.siblings.first(where: { $0.name == length }) {
      let pointee = sibling.type.pointers > 0 ? "?.pointee ?? 0" : ""
      return "Int(truncatingIfNeeded: \(place.prefix)\(length)\(pointee))"
    }
    let parts = length.components("->")
    guard parts.count == 2, place.siblings.contains(where: { $0.name == parts[0] }) else {
      throw GenerationError("pointers.txt has no count for \(field(member, place)): \(length)")
    }
    return "Int(\(place.prefix)\(parts[0])?.pointee.\(parts[1]) ?? 0)"
  }

  func isString(_ member: Member) -> Bool {
    member.type.base == "char" && member.type.pointers == 1
      && member.lengths == ["null-terminated"]
  }

  private func isStringArray(_ member: Member) -> Bool {
    member.type.base == "char" && member.type.pointers == 2
  }

  /// Bytes of an array's element when its memory is what travels; nil when not.
  func stride(_ member: Member, decoding: Bool) throws -> Int? {
    if member.type.base == "void" { return 1 }
    return try layout.plainSize(member.type.base, decoding: decoding)
  }

  private func handle(_ member: Member) -> Handle? {
    scope.registry.handles[scope.registry.canonical(member.type.base)]
  }

  // MARK: Encoding

  func encode(_ member: Member, _ place: Place, _ out: inout SourcePrinter) throws {
    if let condition = condition(member, place) {
      try out.block("if \(condition)") { try encodeUsed(member, place, &$0, optional: true) }
      out.block("else") { $0.line("w.u32(0)") }
      return
    }
    let ruled = scope.rules.conditions[field(member, place)] != nil
    if member.hasNoAutomaticValidity && !member.isOptional && !ruled
      && scope.rules.counts[field(member, place)] == nil
    {
      throw GenerationError("conditions.txt says nothing about \(field(member, place))")
    }
    try encodeUsed(member, place, &out, optional: member.isOptional)
  }

  private func encodeUsed(
    _ member: Member, _ place: Place, _ out: inout SourcePrinter, optional: Bool
  ) throws {
    let source = place.prefix + member.name
    if isString(member) { return out.line("w.string(\(source))") }
    guard let count = try count(member, place) else {
      return try encodeSingle(member, place, &out, optional: optional)
    }
    if isStringArray(member) { return out.line("w.stringArray(\(source), \(count))") }
    if member.type.pointers == 2 {
      out.line("w.u32(\(source) == nil ? 0 : UInt32(truncatingIfNeeded: \(count)))")
      out.block("if let list = \(source)") {
        $0.block("for i: Int in 0..<\(count)") {
          $0.block("if let e = list[i]") {
            $0.line("w.u32(1)")
            $0.line("encode_\(member.type.base)(&w, e)")
          }
          $0.block("else") { $0.line("w.u32(0)") }
        }
      }
      return
    }
    if let handle = handle(member) {
      return out.line(
        handle.isDispatchable
          ? "w.dispatchableArray(\(source), \(count))" : "w.array(\(source), \(count), stride: 8)")
    }
    if let stride = try stride(member, decoding: false) {
      return out.line("w.array(\(source), \(count), stride: \(stride))")
    }
    guard scope.structure(member.type.base) != nil else {
      throw GenerationError("\(field(member, place)): elements of unknown form")
    }
    out.block("if let e = \(source)") {
      $0.line("let n: Int = \(count)")
      $0.line("w.u32(UInt32(truncatingIfNeeded: n))")
      $0.line("for i: Int in 0..<n { encode_\(member.type.base)(&w, e + i) }")
    }
    out.block("else") { $0.line("w.u32(0)") }
  }

  private func encodeSingle(
    _ member: Member, _ place: Place, _ out: inout SourcePrinter, optional: Bool
  ) throws {
    let source = place.prefix + member.name
    if member.type.base == "void" {
      throw GenerationError("pointers.txt has no rule for \(field(member, place)), a void *")
    }
    let size = try layout.plainSize(member.type.base, decoding: false)
    let body =
      try size.map { "w.bytes(e, \(try $0 * member.type.elementCount))" }
      ?? "encode_\(member.type.base)(&w, e)"
    if optional {
      out.block("if let e = \(source)") {
        $0.line("w.u32(1)")
        $0.line(body)
      }
      out.block("else") { $0.line("w.u32(0)") }
    } else {
      out.line("guard let e_\(member.name) = \(source) else { return w.fail() }")
      out.line(
        body.replacingOccurrences("(e,", with: "(e_\(member.name),")
          .replacingOccurrences(", e)", with: ", e_\(member.name))"))
    }
  }

  // MARK: Decoding

  /// Prints code that decodes a pointer; `assign` gives the statement that stores an
  /// UnsafeMutableRawPointer? expression. Returns the check to print when all siblings are there.
  func decode(
    _ member: Member, _ place: Place, _ out: inout SourcePrinter,
    assign: (String) -> String
  ) throws -> String? {
    let name = "\"\(field(member, place))\""
    let condition = condition(member, place)
    let optional = member.isOptional || condition != nil
    if isString(member) {
      out.line(assign("r.string(optional: \(optional), \(name))"))
      return nil
    }
    guard let count = try count(member, place) else {
      return try decodeSingle(member, place, &out, optional: optional, assign: assign)
    }
    let found = "\(member.name)Found"
    out.line("var \(found): Int = 0")
    if isStringArray(member) {
      out.line(assign("r.stringArray(\(name), &\(found))"))
    } else if member.type.pointers == 2 {
      let element = member.type.base
      let size = try layout.measure(element).size
      out.line("\(found) = r.count(4, \(name))")
      out.line("let \(member.name)List = r.room(\(found), 8, \(name))")
      out.block("if let list = \(member.name)List") {
        $0.block("for i: Int in 0..<\(found)") {
          $0.line("guard r.presence(\(name)), let e = r.room(1, \(size), \(name)) else {")
          $0.line("  r.fail(.missing, \(name))")
          $0.line("  break")
          $0.line("}")
          $0.line("decode_\(element)(&r, e.assumingMemoryBound(to: \(element).self))")
          $0.line("list.putPointer(e, i &* 8)")
        }
      }
      out.line(assign("\(member.name)List"))
    } else if handle(member) != nil {
      let nullable = member.elementsAreOptional || member.hasNoAutomaticValidity
      out.line(
        assign(
          "r.handleArray(.\(namer.kind(member.type.base)), optional: \(nullable), \(name), "
            + "&\(found))"))
    } else if let stride = try stride(member, decoding: true) {
      out.line(assign("r.array(\(stride), \(name), &\(found))"))
    } else if scope.checkedValues(member.type.base) != nil {
      out.line(
        assign(
          "r.checkedArray(isKnown_\(scope.registry.canonical(member.type.base)), \(name), "
            + "&\(found))"))
    } else {
      let element = member.type.base
      out.line("\(found) = r.count(\(try layout.minimumSize(element)), \(name))")
      out.line(
        "let \(member.name)List = r.room(\(found), \(try layout.measure(element).size), \(name))")
      out.block("if let list = \(member.name)List?.assumingMemoryBound(to: \(element).self)") {
        $0.line("for i: Int in 0..<\(found) { decode_\(element)(&r, list + i) }")
      }
      out.line(assign("\(member.name)List"))
    }
    let wrong: String
    if let twin = twin(member, place) {
      // One of the two lists has the elements.
      wrong = "\(found) != \(count) && (\(found) != 0 || \(twin.name)Found != \(count))"
    } else if member.isOptional {
      wrong = "\(found) != 0 && \(found) != \(count)"
    } else if let condition {
      wrong = "\(found) != \(count) && (\(found) != 0 || (\(condition)))"
    } else {
      wrong = "\(found) != \(count)"
    }
    return "if \(wrong) { r.fail(.count, \(name)) }"
  }

  /// For a list of pointers, ppX, the list of structures, pX, that a caller may use in its place.
  private func twin(_ member: Member, _ place: Place) -> Member? {
    guard member.type.pointers == 2, member.isOptional else { return nil }
    return place.siblings.first {
      $0.name == member.name.dropFirst() && $0.lengths.first == member.lengths.first
    }
  }

  private func decodeSingle(
    _ member: Member, _ place: Place, _ out: inout SourcePrinter, optional: Bool,
    assign: (String) -> String
  ) throws -> String? {
    let name = "\"\(field(member, place))\""
    let element = member.type.base
    let size = try layout.measure(element).size * member.type.elementCount
    let plain = try layout.plainSize(element, decoding: true) != nil
    let found = "\(member.name)Room"
    let read =
      plain
      ? "r.copy(to: e, \(size), \(name))"
      : "decode_\(element)(&r, e.assumingMemoryBound(to: \(element).self))"
    let present = optional ? "r.presence(\(name)) ? 1 : 0" : "1"
    out.line("let \(found) = r.room(\(present), \(size), \(name))")
    out.line("if let e = \(found) { \(read) }")
    out.line(assign(found))
    guard let condition = condition(member, place), !member.isOptional else { return nil }
    return "if \(found) == nil && (\(condition)) { r.fail(.missing, \(name)) }"
  }
}

extension StringProtocol {
  func replacingOccurrences(_ target: Character, with text: String) -> String {
    reduce(into: "") { $0 += $1 == target ? text : String($1) }
  }

  func replacingOccurrences(_ target: String, with text: String) -> String {
    components(target).joined(separator: text)
  }

  /// The parts between occurrences of `separator`.
  func components(_ separator: String) -> [String] {
    var parts: [String] = []
    var rest = self[...]
    while let range = rest.firstRange(of: separator) {
      parts.append(String(rest[..<range.lowerBound]))
      rest = rest[range.upperBound...]
    }
    return parts + [String(rest)]
  }
}
