import Foundation

/// The package's manifest as SwiftPM understands it (`swift package dump-package`): the part that
/// the floor rules need.
struct Manifest: Decodable {
  struct Product: Decodable {
    var name: String
    var targets: [String]
  }

  struct Target: Decodable {
    var name: String
    var type: String
    var dependencies: [Dependency]
    var settings: [Setting]
  }

  struct Dependency: Decodable {
    var name: String

    private enum Key: String, CodingKey { case byName, target, product }

    /// `{"byName": ["Wire", null]}`: the kind of the dependency, its name, and what else it has.
    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Key.self)
      let key = container.allKeys.first ?? .byName
      var values = try container.nestedUnkeyedContainer(forKey: key)
      name = try values.decode(String.self)
    }
  }

  struct Setting: Decodable {
    struct Kind: Decodable {
      struct Feature: Decodable { var _0: String }
      var enableExperimentalFeature: Feature?
    }
    var kind: Kind
  }

  var products: [Product]
  var targets: [Target]
}

/// The checkout that this test was compiled from.
let packageDirectory = URL(filePath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// Asks SwiftPM for the manifest, with the injected rooms as Embedded Swift. A scratch folder of its
/// own keeps it from waiting for the SwiftPM that runs this test.
func dumpManifest() throws -> Manifest {
  let scratch = FileManager.default.temporaryDirectory
    .appending(path: "omega-floors-\(ProcessInfo.processInfo.processIdentifier)")
  defer { try? FileManager.default.removeItem(at: scratch) }
  let process = Process()
  process.executableURL = URL(filePath: "/usr/bin/env")
  process.arguments = [
    "swift", "package", "--package-path", packageDirectory.path, "--scratch-path", scratch.path,
    "dump-package",
  ]
  process.environment = ProcessInfo.processInfo.environment
    .merging(["OMEGA_FREESTANDING": "1"]) { _, new in new }
  let output = Pipe()
  process.standardOutput = output
  try process.run()
  let json = try output.fileHandleForReading.readToEnd() ?? Data()
  process.waitUntilExit()
  return try JSONDecoder().decode(Manifest.self, from: json)
}

/// Reads each room's place from the manifest's section comments: `// Floor 2`, `// Beside`,
/// `// Tests`, each followed by the targets that stand there.
func places(inManifestText text: String) -> [String: Place] {
  var places: [String: Place] = [:]
  var place: Place?
  var awaitsName = false
  for line in text.split(separator: "\n") {
    let line = line.trimmingCharacters(in: .whitespaces)
    if let match = line.wholeMatch(of: /\/\/ Floor (\d+)/), let floor = Int(match.1) {
      place = .floor(floor)
    } else if line == "// Beside" {
      place = .beside
    } else if line == "// Tests" {
      place = .tests
    }
    if line.contains(/^\.(target|executableTarget|testTarget|systemLibrary)\(/) {
      awaitsName = true
    }
    if awaitsName, let place, let match = line.firstMatch(of: /name: "([^"]+)"/) {
      places[String(match.1)] = place
      awaitsName = false
    }
  }
  return places
}

/// The house as it stands in the checkout.
func readHouse() throws -> House {
  let manifest = try dumpManifest()
  let text = try String(
    contentsOf: packageDirectory.appending(path: "Package.swift"), encoding: .utf8)
  let places = places(inManifestText: text)
  var house = House()
  house.injectedRoots =
    manifest.products.filter { $0.name.hasPrefix("VkLayer") || $0.name.hasPrefix("GL") }
    .flatMap(\.targets)
  for target in manifest.targets {
    guard let place = places[target.name] else { throw Unplaced(target: target.name) }
    house.rooms[target.name] = Room(
      name: target.name, place: place, dependencies: Set(target.dependencies.map(\.name)),
      isEmbedded: target.settings.contains { $0.kind.enableExperimentalFeature?._0 == "Embedded" },
      isSystemModule: target.type == "system",
      sources: try sources(of: target.name, isTest: place == .tests))
  }
  return house
}

/// A target that stands under no section comment of the manifest.
struct Unplaced: Error {
  var target: String
}

private func sources(of target: String, isTest: Bool) throws -> [String: SourceFacts] {
  let folder = packageDirectory.appending(path: "\(isTest ? "Tests" : "Sources")/\(target)")
  guard let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
  else { return [:] }
  var facts: [String: SourceFacts] = [:]
  for case let file as URL in files where file.pathExtension == "swift" {
    let path = String(file.path.dropFirst(packageDirectory.path.count + 1))
    facts[path] = FloorTests.facts(of: try String(contentsOf: file, encoding: .utf8))
  }
  return facts
}
