import Foundation
import Testing

@testable import RegistryGenerator

@Suite("Generator")
struct GenerationTests {
  private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
  private let registry = "/usr/share/vulkan/registry/vk.xml"
  private let glRegistry = "/usr/share/khronos-api/gl.xml"

  @Test("makes exactly the files that are committed")
  func regeneration() throws {
    let generation = try Generation.run(registryPath: registry, glPath: glRegistry, root: root)
    let difference: String? = try generation.firstDifference(root: root)
    #expect(difference == nil, "run `make generate`")
  }

  @Test("keeps every generated file below 3000 lines")
  func lengths() throws {
    for (path, text) in try Generation.run(registryPath: registry, glPath: glRegistry, root: root)
      .files
    {
      #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count < 3000, "\(path)")
    }
  }

  /// Runs the generator with one rules file changed.
  private func failure(_ file: String, _ change: (String) -> String) throws -> String {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "omega-rules-\(UUID().uuidString)")
    let rules = folder.appendingPathComponent("Sources/RegistryGenerator/Rules")
    try FileManager.default.createDirectory(
      at: rules.deletingLastPathComponent(), withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.copyItem(
      atPath: "\(root)/Sources/RegistryGenerator/Rules", toPath: rules.path)
    let path = rules.appendingPathComponent(file)
    try change(String(contentsOf: path, encoding: .utf8)).write(
      to: path, atomically: true, encoding: .utf8)
    do {
      _ = try Generation.run(registryPath: registry, glPath: glRegistry, root: folder.path)
      return ""
    } catch {
      return "\(error)"
    }
  }

  private func without(_ start: String) -> (String) -> String {
    { text in
      text.split(separator: "\n").filter { !$0.hasPrefix(start) }.joined(separator: "\n")
    }
  }

  @Test("refuses commands, extensions and pointers without a rule, and names them")
  func refusals() throws {
    #expect(try failure("commands.txt", without("vkCmdDraw ")).contains("vkCmdDraw"))
    #expect(
      try failure("extensions.txt", without("VK_EXT_robustness2 ")).contains("VK_EXT_robustness2"))
    #expect(
      try failure("conditions.txt", without("VkFramebufferCreateInfo")).contains(
        "VkFramebufferCreateInfo.pAttachments"))
    #expect(
      try failure("pointers.txt", without("VkRayTracingShaderGroup")).contains(
        "pShaderGroupCaptureReplayHandle"))
    #expect(
      try failure("commands.txt") { $0 + "\nvkNoSuchCommand async\n" }.contains("vkNoSuchCommand"))
  }

  @Test("never changes the number of a command or of a kind")
  func numbers() throws {
    let generation = try Generation.run(registryPath: registry, glPath: glRegistry, root: root)
    for file in ["opcodes.txt", "kinds.txt"] {
      let path = "Sources/RegistryGenerator/Rules/\(file)"
      let committed = try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8)
      let made = generation.files.first { $0.path == path }?.text ?? ""
      #expect(made.hasPrefix(committed), "\(file)")
    }
  }
}
