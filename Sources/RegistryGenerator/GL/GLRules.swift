import Foundation

/// What gl.xml does not say of commands: `Rules/gl-commands.txt`, kept by hand.
///
/// A line is `name class[+word…] parameter=rule … # reason`, with the class left out where the default is
/// right. See the head of the file for the words.
struct GLRules {
  struct Command {
    var kind: String?
    var words: Set<String> = []
    /// By parameter's name.
    var parameters: [String: String] = [:]
    /// For `gen`, `delete`: the kind of object.
    var object: String?
  }

  var commands: [String: Command] = [:]
  /// Extensions whose commands are there.
  var extensions: [String] = []
  /// Those of them whose commands are the core's by another name.
  var core: Set<String> = []
  /// Extensions without commands, or with commands of others, that are not offered.
  var hidden: [String] = []
  /// Groups of state that the client remembers, in the order of their bits.
  static let stateGroups = [
    "enable", "viewport", "blend", "depth", "polygon", "texture", "framebuffer", "program",
    "vertex", "unit", "environment", "storage", "attachments", "color", "face",
  ]
  /// Which group commands of a name may change; nil: none that is remembered.
  private var states: [(group: String?, pattern: Substring, isPrefix: Bool)] = []
  /// Opcodes as they were given before.
  var opcodes: [String: Int] = [:]

  static let kinds: Set<String> = [
    "async", "sync", "hook", "local", "absent", "gen", "delete",
  ]

  init(folder: String) throws {
    for (words, _) in try Rules.lines(folder + "/gl-commands.txt") {
      var command = Command()
      for word in words.dropFirst() {
        if let equals = word.firstIndex(of: "=") {
          command.parameters[String(word[..<equals])] =
            String(word[word.index(after: equals)...])
          continue
        }
        let parts = word.split(separator: "+").map(String.init)
        if command.kind == nil, let first = parts.first, GLRules.kinds.contains(first) {
          command.kind = first
          command.words = Set(parts.dropFirst())
        } else {
          command.object = word
        }
      }
      guard commands.updateValue(command, forKey: words[0]) == nil else {
        throw GenerationError("gl-commands.txt: \(words[0]) stands there twice")
      }
    }
    for (words, _) in try Rules.lines(folder + "/gl-extensions.txt") {
      if words.count > 1, words[1] == "hidden" {
        hidden.append(words[0])
      } else {
        extensions.append(words[0])
        if words.count > 1, words[1] == "core" { core.insert(words[0]) }
      }
    }
    for (words, _) in try Rules.lines(folder + "/gl-state.txt") {
      guard words[0] == "none" || GLRules.stateGroups.contains(words[0]) else {
        throw GenerationError("gl-state.txt: there is no group \(words[0])")
      }
      for word in words.dropFirst() {
        let isPrefix = word.hasSuffix("*")
        states.append(
          (words[0] == "none" ? nil : words[0], word.dropLast(isPrefix ? 1 : 0), isPrefix))
      }
    }
    for (words, _) in try Rules.lines(folder + "/gl-opcodes.txt") where words.count > 1 {
      opcodes[words[0]] = Int(words[1])
    }
  }

  /// The bits of the groups that a command may change.
  func touchedState(_ name: String) -> UInt32 {
    let matching = states.filter { $0.isPrefix ? name.hasPrefix($0.pattern) : name == $0.pattern }
    guard !matching.isEmpty else { return UInt32.max }
    return matching.reduce(0) { bits, state in
      bits
        | (state.group.flatMap { GLRules.stateGroups.firstIndex(of: $0) }.map { 1 << UInt32($0) }
          ?? 0)
    }
  }
}
