import Foundation

/// How a command travels, one line of `Rules/commands.txt`.
struct CommandClass {
  /// The word that says what the client does: record, async, sync, cached, local, custom, absent.
  var kind: String
  /// For custom: what the wire and the node do: async, sync, doer.
  var parts: Set<String>

  /// Whether the command ever leaves the client.
  var travels: Bool { kind != "local" && kind != "absent" }
  /// Whether a record carries a ticket.
  var replies: Bool { kind == "sync" || kind == "cached" || parts.contains("sync") }
  /// Whether the reply is left out when the ticket says so.
  var mayReply: Bool { parts.contains("sync") && parts.contains("async") }
}

/// What vk.xml does not say: the files in `Rules/`, kept by hand, each line with its reason.
///
/// A line is `name word … # reason`. Names that the registry no longer has are errors.
struct Rules {
  var classes: [String: CommandClass] = [:]
  /// Extensions that are in; those that are out only have to be listed.
  var extensions: Set<String> = []
  var knownExtensions: Set<String> = []
  /// Extensions whose records are there, but which are not offered to applications.
  var codecOnly: Set<String> = []
  /// "Owner.member" -> Swift expression that is true when the member is used. `$x` is sibling x.
  var conditions: [String: String] = [:]
  /// "Owner.member" -> Swift expression of the element count.
  var counts: [String: String] = [:]
  /// "Owner.member" of pointers that never travel.
  var omitted: Set<String> = []
  /// Structures that are left out of chains.
  var dropped: Set<String> = []
  /// Structures whose body is written by hand in VulkanWire/Custom, with the least size in bytes.
  var handwritten: [String: Int] = [:]
  /// Commands whose encoder and decoder are written by hand.
  var handwrittenCommands: Set<String> = []
  /// "Owner.member" of checked enumerants of which an unknown value reads as 0.
  var lenient: Set<String> = []
  /// Enumerations that are checked against the registry.
  var checked: Set<String> = []
  /// What a command may write in mapped memory: nothing, shaders, noted, image and which one; absent:
  /// everything.
  var writes: [String: String] = [:]
  var opcodes: [(name: String, value: Int)] = []
  var kinds: [(name: String, value: Int)] = []

  init(folder: String) throws {
    for (words, _) in try Rules.lines(folder + "/commands.txt") {
      let parts = words.dropFirst().first?.split(separator: "+").map(String.init) ?? []
      guard let kind = parts.first,
        ["record", "async", "sync", "cached", "local", "custom", "absent"].contains(kind)
      else { throw GenerationError("commands.txt: \(words[0]) has no class") }
      classes[words[0]] = CommandClass(kind: kind, parts: Set(parts.dropFirst()))
    }
    for (words, _) in try Rules.lines(folder + "/extensions.txt") {
      guard words.count > 1, ["in", "out", "codec"].contains(words[1]) else {
        throw GenerationError("extensions.txt: \(words[0]) is neither in, out nor codec")
      }
      knownExtensions.insert(words[0])
      if words[1] != "out" { extensions.insert(words[0]) }
      if words[1] == "codec" { codecOnly.insert(words[0]) }
    }
    for (words, rest) in try Rules.lines(folder + "/conditions.txt") { conditions[words[0]] = rest }
    for (words, rest) in try Rules.lines(folder + "/pointers.txt") {
      switch words.count > 1 ? words[1] : "" {
      case "omit": omitted.insert(words[0])
      case "count":
        counts[words[0]] = rest.drop { $0 != " " }.trimmingCharacters(in: .whitespaces)
      default: throw GenerationError("pointers.txt: \(words[0]) has no rule")
      }
    }
    for (words, _) in try Rules.lines(folder + "/structures.txt") {
      switch words.count > 1 ? words[1] : "" {
      case "drop": dropped.insert(words[0])
      case "hand": handwritten[words[0]] = words.count > 2 ? Int(words[2]) ?? 4 : 4
      case "hand-command": handwrittenCommands.insert(words[0])
      case "lenient": lenient.insert(words[0])
      case "checked": checked.insert(words[0])
      default: throw GenerationError("structures.txt: \(words[0]) has no rule")
      }
    }
    for (words, rest) in try Rules.lines(folder + "/writes.txt") {
      guard ["nothing", "shaders", "noted"].contains(rest) || rest.hasPrefix("image $") else {
        throw GenerationError("writes.txt: \(words[0]) has no rule")
      }
      writes[words[0]] = rest
    }
    opcodes = try Rules.numbers(folder + "/opcodes.txt")
    kinds = try Rules.numbers(folder + "/kinds.txt")
  }

  /// The words of each line, and what follows the first word, without the reason.
  static func lines(_ path: String) throws -> [(words: [String], rest: String)] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw GenerationError("\(path) cannot be read")
    }
    return text.split(separator: "\n").compactMap { line in
      let content = line.prefix { $0 != "#" }.trimmingCharacters(in: .whitespaces)
      guard !content.isEmpty else { return nil }
      let words = content.split(whereSeparator: \.isWhitespace).map(String.init)
      let rest = content.dropFirst(words[0].count).trimmingCharacters(in: .whitespaces)
      return (words, rest)
    }
  }

  private static func numbers(_ path: String) throws -> [(name: String, value: Int)] {
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    return try lines(path).map { words, rest in
      guard let value = Int(rest) else { throw GenerationError("\(path): \(words[0])") }
      return (words[0], value)
    }
  }
}
