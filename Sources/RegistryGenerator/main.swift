// Reads vk.xml and Rules/, writes every Generated/ folder of the Vulkan rooms.
//
//   RegistryGenerator [--check] [--registry vk.xml] [--root PACKAGE]
//
// --check writes nothing and fails, naming the first file, when what is on disk differs.

import Foundation

do {
  var root = FileManager.default.currentDirectoryPath
  var registryPath = "/usr/share/vulkan/registry/vk.xml"
  var check = false
  var arguments = CommandLine.arguments.dropFirst()
  while let argument = arguments.popFirst() {
    switch argument {
    case "--check": check = true
    case "--registry": registryPath = arguments.popFirst() ?? registryPath
    case "--root": root = arguments.popFirst() ?? root
    default: throw GenerationError("unknown argument \(argument)")
    }
  }
  let output = try Generation.run(registryPath: registryPath, root: root)
  let difference = try check ? output.firstDifference(root: root) : output.write(root: root)
  if let difference {
    throw GenerationError("\(difference) is not what the generator makes: run `make generate`")
  }
} catch {
  FileHandle.standardError.write(Data("omega: error: \(error)\n".utf8))
  exit(1)
}
