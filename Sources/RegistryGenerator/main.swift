// Reads vk.xml, gl.xml and Rules/, writes every Generated/ folder.
//
//   RegistryGenerator [--check] [--registry vk.xml] [--gl-registry gl.xml] [--root PACKAGE]
//
// --check writes nothing and fails, naming the first file, when what is on disk differs.

import Foundation

do {
  var root = FileManager.default.currentDirectoryPath
  var registryPath = "/usr/share/vulkan/registry/vk.xml"
  var glPath = "/usr/share/khronos-api/gl.xml"
  var check = false
  var arguments = CommandLine.arguments.dropFirst()
  while let argument = arguments.popFirst() {
    switch argument {
    case "--check": check = true
    case "--registry": registryPath = arguments.popFirst() ?? registryPath
    case "--gl-registry": glPath = arguments.popFirst() ?? glPath
    case "--root": root = arguments.popFirst() ?? root
    default: throw GenerationError("unknown argument \(argument)")
    }
  }
  let output = try Generation.run(registryPath: registryPath, glPath: glPath, root: root)
  let difference = try check ? output.firstDifference(root: root) : output.write(root: root)
  if let difference {
    throw GenerationError("\(difference) is not what the generator makes: run `make generate`")
  }
} catch {
  FileHandle.standardError.write(Data("omega: error: \(error)\n".utf8))
  exit(1)
}
