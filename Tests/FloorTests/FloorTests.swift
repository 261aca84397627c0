import Testing

@Suite("Floors")
struct Floors {
  @Test("the house stands: every import goes down, and none is undeclared")
  func houseStands() throws {
    let house = try readHouse()
    #expect(house.rooms.count > 10)
    #expect(house.injected.isSuperset(of: ["VkLayer", "VulkanWire", "Wire", "Ring"]))
    #expect(house.rooms["VulkanWire"]?.sources.isEmpty == false)
    for violation in house.violations { Issue.record("\(violation)") }
  }

  /// A house of three rooms that stands, for the tests below to damage.
  static func smallHouse() -> House {
    var house = House(injectedRoots: ["Layer"])
    house.rooms["Bytes"] = Room(name: "Bytes", place: .floor(1), isEmbedded: true)
    house.rooms["Layer"] = Room(
      name: "Layer", place: .floor(2), dependencies: ["Bytes"], isEmbedded: true,
      sources: ["Layer.swift": facts(of: "internal import Bytes\n")])
    house.rooms["Server"] = Room(
      name: "Server", place: .floor(2), dependencies: ["Bytes"],
      sources: ["Server.swift": facts(of: "import Bytes\nimport Glibc\n")])
    return house
  }

  @Test("a sound house has no violations")
  func soundHouse() {
    #expect(Self.smallHouse().violations == [])
  }

  @Test("a dependency on the same floor or above is caught", arguments: [2, 3])
  func upwardEdge(floor: Int) {
    var house = Self.smallHouse()
    house.rooms["Server"]?.place = .floor(floor)
    house.rooms["Layer"]?.dependencies.insert("Server")
    #expect(
      house.violations.contains("Layer (floor 2) depends on Server, which is not below it"))
  }

  @Test("an import that the manifest does not declare is caught")
  func undeclaredImport() {
    var house = Self.smallHouse()
    house.rooms["Layer"]?.sources["Layer.swift"] = facts(of: "import Bytes\nimport Server\n")
    #expect(house.violations == ["Layer.swift:2: Layer may not import Server"])
  }

  @Test(
    "an injected room may name no part of the toolchain",
    arguments: [
      "Foundation", "FoundationEssentials", "Glibc", "Dispatch", "_Concurrency", "NIOCore",
    ])
  func injectedImport(module: String) {
    var house = Self.smallHouse()
    house.rooms["Bytes"]?.sources["Bytes.swift"] = facts(of: "@preconcurrency import \(module)")
    #expect(house.violations == ["Bytes.swift:1: Bytes may not import \(module)"])
  }

  @Test(
    "an injected room uses no concurrency",
    arguments: ["func f() async {}", "async let x = 1", "  let x = await f()", "actor A {}"])
  func injectedConcurrency(code: String) {
    var house = Self.smallHouse()
    house.rooms["Bytes"]?.sources["Bytes.swift"] = facts(of: "f(.async) // await\n\(code)\n")
    #expect(house.violations == ["Bytes.swift:2: Bytes is injected: no concurrency"])
  }

  @Test("what an injected room links is injected too")
  func injectedClosure() {
    var house = Self.smallHouse()
    house.rooms["Bytes"]?.isEmbedded = false
    #expect(house.violations == ["Bytes is injected but not compiled as Embedded Swift"])
  }

  @Test("a room of the node does without Foundation")
  func serverImport() {
    var house = Self.smallHouse()
    house.rooms["Server"]?.sources["Server.swift"] = facts(of: "import Foundation")
    #expect(house.violations == ["Server.swift:1: Server may not import Foundation"])
  }

  @Test("imports are read as the compiler reads them")
  func importsOfText() {
    let text = """
      // import A
      /* import B
      import C */ import D
      let s = "import E" // \\" import F
      let t = \"\"\"
        import G
        \"\"\"
      @_exported public import struct H.Thing
      """
    #expect(
      facts(of: text).imports == [Import(module: "D", line: 3), Import(module: "H", line: 8)])
  }

  @Test("places are read from the manifest's section comments")
  func placesOfText() {
    let text = """
      // Floor 0
      .systemLibrary(name: "C"),
      // Floor 1
      .target(
        name: "Bytes", dependencies: [.product(name: "Other", package: "other")]),
      // Beside
      .executableTarget(name: "Tool"),
      // Tests
      .testTarget(name: "BytesTests"),
      """
    #expect(
      places(inManifestText: text) == [
        "C": .floor(0), "Bytes": .floor(1), "Tool": .beside, "BytesTests": .tests,
      ])
  }
}
