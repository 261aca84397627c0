import Foundation

/// Everything that one run makes: files by path, in `Sources`, `Tests` or `Rules`.
struct Generation {
  private(set) var files: [(path: String, text: String)] = []
  private static let folders = [
    "Sources/VulkanWire/Generated", "Sources/VkLayer/Generated", "Sources/VulkanReplay/Generated",
    "Tests/VulkanWireTests/Generated", "Sources/GLWire/Generated", "Sources/GLShim/Generated",
    "Sources/GLReplay/Generated", "Tests/GLReplayTests/Generated",
  ]
  private static let rules = "Sources/RegistryGenerator/Rules"

  static func run(registryPath: String, glPath: String, root: String) throws -> Generation {
    let registry = try RegistryParser.parse(registryPath)
    let rules = try Rules(folder: "\(root)/\(Generation.rules)")
    let scope = try Scope(registry: registry, rules: rules)
    var generation = Generation()
    let sources =
      try TableGenerator(scope: scope).files() + StructureGenerator(scope: scope).files()
      + CommandGenerator(scope: scope).files() + ClientFiles(scope: scope).files()
    for file in sources {
      for (path, text) in file.rendered("vk.xml 1.3.\(registry.headerVersion)") {
        generation.files.append(("Sources/\(path)", text))
      }
    }
    for file in try TestGenerator(scope: scope).files() {
      for (path, text) in file.rendered("vk.xml 1.3.\(registry.headerVersion)") {
        generation.files.append(("Tests/\(path)", text))
      }
    }
    generation.files.append(
      ("\(Generation.rules)/opcodes.txt", numbers(scope.opcodes, Generation.opcodeHeader)))
    generation.files.append(
      ("\(Generation.rules)/kinds.txt", numbers(scope.kinds, Generation.kindHeader)))
    let gl = try GLGenerator(
      registry: GLRegistry.parse(glPath), rules: GLRules(folder: "\(root)/\(Generation.rules)"))
    for file in gl.files() {
      for (path, text) in file.rendered("gl.xml") {
        generation.files.append(("Sources/\(path)", text))
      }
    }
    for file in gl.testFiles() {
      for (path, text) in file.rendered("gl.xml") {
        generation.files.append(("Tests/\(path)", text))
      }
    }
    generation.files.append(("\(Generation.rules)/gl-opcodes.txt", gl.opcodeFile))
    return generation
  }

  private static let opcodeHeader =
    "# The number of each command on the wire. Only ever grows: the generator adds at the end.\n"
  private static let kindHeader =
    "# The kind of each handle in its ids. Only ever grows: the generator adds at the end.\n"

  private static func numbers(_ values: [String: Int], _ header: String) -> String {
    header
      + values.sorted { $0.value < $1.value }.map { "\($0.key) \($0.value)\n" }.joined()
  }

  /// Writes what changed and removes generated files that are made no more.
  func write(root: String) throws -> String? {
    let wanted = Set(files.map(\.path))
    for path in try existing(root: root) where !wanted.contains(path) {
      try FileManager.default.removeItem(atPath: "\(root)/\(path)")
    }
    for (path, text) in files {
      let full = "\(root)/\(path)"
      if (try? String(contentsOfFile: full, encoding: .utf8)) == text { continue }
      let folder = URL(fileURLWithPath: full).deletingLastPathComponent().path
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try text.write(toFile: full, atomically: true, encoding: .utf8)
    }
    return nil
  }

  /// The first path whose content on disk is another.
  func firstDifference(root: String) throws -> String? {
    let wanted = Set(files.map(\.path))
    if let extra = try existing(root: root).first(where: { !wanted.contains($0) }) { return extra }
    return files.first {
      (try? String(contentsOfFile: "\(root)/\($0.path)", encoding: .utf8)) != $0.text
    }?.path
  }

  private func existing(root: String) throws -> [String] {
    Generation.folders.flatMap { folder in
      ((try? FileManager.default.contentsOfDirectory(atPath: "\(root)/\(folder)")) ?? []).sorted()
        .map { "\(folder)/\($0)" }
    }
  }
}
