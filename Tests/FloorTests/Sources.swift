/// One `import` of a source file.
struct Import: Equatable {
  var module: String
  var line: Int
}

/// What the floor rules need to know of one Swift file.
struct SourceFacts: Equatable {
  var imports: [Import] = []
  /// Lines that use the language's concurrency: `await`, `async`, `actor`.
  var concurrency: [Int] = []
}

/// Reads imports and concurrency keywords out of Swift text, skipping comments and string literals,
/// so that a generator's templates are not taken for the generator's own imports.
func facts(of text: String) -> SourceFacts {
  var facts = SourceFacts()
  var state = LineState.code
  for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
    let code = code(in: line, &state)
    if let module = importedModule(words(of: code)) {
      facts.imports.append(Import(module: module, line: index + 1))
    } else if usesConcurrency(code) {
      facts.concurrency.append(index + 1)
    }
  }
  return facts
}

/// `await x`, `async let`, `func f() async`, `actor A`; but not `.async`, a name like any other.
private func usesConcurrency(_ code: String) -> Bool {
  code.contains(/(^|[^.\w])await\b|\)\s*async\b|\basync\s+let\b|(^|\s)actor\s+\w/)
}

/// What the start of a line belongs to.
private enum LineState {
  case code
  case blockComment
  case multilineString
}

/// The part of a line that is code; `state` carries what continues on the next line.
private func code(in line: Substring, _ state: inout LineState) -> String {
  var code = ""
  var rest = line
  func skip(past end: String, _ rest: inout Substring) -> Bool {
    guard let range = rest.firstRange(of: end) else { return false }
    rest = rest[range.upperBound...]
    return true
  }
  while !rest.isEmpty {
    switch state {
    case .blockComment:
      guard skip(past: "*/", &rest) else { return code }
      state = .code
    case .multilineString:
      guard skip(past: "\"\"\"", &rest) else { return code }
      state = .code
    case .code:
      if rest.hasPrefix("//") { return code }
      if rest.hasPrefix("/*") {
        state = .blockComment
        rest = rest.dropFirst(2)
      } else if rest.hasPrefix("\"\"\"") {
        state = .multilineString
        rest = rest.dropFirst(3)
      } else if rest.first == "\"" {
        rest = afterString(rest.dropFirst())
      } else {
        code.append(rest.removeFirst())
      }
    }
  }
  return code
}

/// What follows a one-line string literal whose opening quote is behind us.
private func afterString(_ text: Substring) -> Substring {
  var rest = text
  while let character = rest.popFirst(), character != "\"" {
    if character == "\\" { rest = rest.dropFirst() }
  }
  return rest
}

private func words(of code: String) -> [Substring] {
  code.split { !($0.isLetter || $0.isNumber || $0 == "_" || $0 == "@" || $0 == "`") }
}

/// `@preconcurrency internal import struct Wire.Writer` gives `Wire`.
private func importedModule(_ words: [Substring]) -> String? {
  let access: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
  let kinds: Set<Substring> = [
    "struct", "class", "enum", "protocol", "func", "var", "let", "typealias",
  ]
  var rest = words[...]
  while let word = rest.first, word.hasPrefix("@") || access.contains(word) || word == "exported" {
    rest = rest.dropFirst()
  }
  guard rest.popFirst() == "import" else { return nil }
  if let kind = rest.first, kinds.contains(kind) { rest = rest.dropFirst() }
  return rest.first.map(String.init)
}
