/// Reads a command's flags: `--name VALUE`, `--name=VALUE`, `--name`, `-v`. Everything is looked up
/// in one table for each command, so that an unknown flag names the command's help.
struct Arguments {
  /// A flag that a command knows.
  struct Flag {
    let name: String
    let takesValue: Bool

    init(_ name: String, value: Bool = true) {
      self.name = name
      takesValue = value
    }
  }

  private(set) var values: [String: String] = [:]
  /// What follows the flags.
  private(set) var rest: [String] = []

  /// Flags end at `--` or at the first word that is none. Fails with a sentence.
  init(_ words: [String], command: String, known: [Flag]) throws(Failure) {
    var index = 0
    while index < words.count {
      let word = words[index]
      if word == "--" {
        index += 1
        break
      }
      guard word.hasPrefix("-"), word != "-" else { break }
      index += 1
      let equals = word.firstIndex(of: "=")
      let name = equals.map { String(word[..<$0]) } ?? word
      guard let flag = known.first(where: { $0.name == name }) else {
        if name == "-h" || name == "--help" {
          values["--help"] = ""
          continue
        }
        throw Failure("omega \(command): there is no flag \(name); see: omega help \(command)")
      }
      guard flag.takesValue else {
        guard equals == nil else {
          throw Failure("omega \(command): \(name) takes no value; see: omega help \(command)")
        }
        values[name] = ""
        continue
      }
      if let equals {
        values[name] = String(word[word.index(after: equals)...])
      } else {
        guard index < words.count else {
          throw Failure("omega \(command): \(name) needs a value; see: omega help \(command)")
        }
        values[name] = words[index]
        index += 1
      }
    }
    rest = Array(words[min(index, words.count)...])
  }

  /// Reads further flags, for a command whose operand may stand before them.
  mutating func addFlags(
    _ words: [String], command: String, known: [Flag]
  ) throws(Failure) {
    let more = try Arguments(words, command: command, known: known)
    values.merge(more.values) { _, new in new }
    rest = more.rest
  }

  /// The flags as words again, but for some.
  func flags(without names: [String]) -> [String] {
    values.sorted { $0.key < $1.key }.flatMap { name, value in
      names.contains(name) ? [] : value.isEmpty ? [name] : ["\(name)=\(value)"]
    }
  }

  subscript(name: String) -> String? { values[name] }
  func has(_ name: String) -> Bool { values[name] != nil }

  /// A whole number in a range; `standard` when the flag is not there.
  func number(
    _ name: String, in range: ClosedRange<Int>, standard: Int
  ) throws(Failure) -> Int {
    guard let text = values[name] else { return standard }
    guard let value = Int(text), range.contains(value) else {
      throw Failure(
        "\(name) is '\(text)', and a number from \(range.lowerBound) to \(range.upperBound) is "
          + "expected")
    }
    return value
  }
}

/// An error that ends the command; `message` is for a person, `status` for the shell.
struct Failure: Error {
  let message: String
  let status: Int32

  /// 125: omega itself failed.
  init(_ message: String, status: Int32 = 125) {
    self.message = message
    self.status = status
  }
}
