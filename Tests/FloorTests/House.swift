/// A target of the package, as the floor rules see it.
struct Room {
  var name: String
  var place: Place
  /// Names of the targets and products that the manifest lets it import.
  var dependencies: Set<String> = []
  /// Compiled as Embedded Swift when OMEGA_FREESTANDING=1.
  var isEmbedded = false
  var isSystemModule = false
  /// Facts of its Swift files, by path.
  var sources: [String: SourceFacts] = [:]
}

/// Where a room stands.
enum Place: Equatable {
  case floor(Int)
  /// Build-time tools: linked into nothing.
  case beside
  case tests
}

/// The rooms and what may be imported from where.
struct House {
  var rooms: [String: Room] = [:]
  /// The targets that other people's processes load.
  var injectedRoots: [String] = []

  /// Toolchain modules that a room of the node or the agent may use. Foundation is not among them:
  /// it costs start-up time.
  static let serverModules: Set<String> = ["Swift", "Glibc", "Synchronization"]
  /// An injected room may name nothing of the toolchain; libc is reached through CPlatform.
  static let injectedModules: Set<String> = ["Swift"]

  /// Everything that the injected roots link, themselves included.
  var injected: Set<String> {
    var found: Set<String> = []
    var open = injectedRoots
    while let name = open.popLast() {
      guard let room = rooms[name], found.insert(name).inserted else { continue }
      open += room.dependencies
    }
    return found
  }

  /// Each broken rule as a sentence; empty when the house stands.
  var violations: [String] {
    let injected = injected
    return rooms.values.sorted { $0.name < $1.name }.flatMap { room in
      edgeViolations(of: room)
        + importViolations(of: room, isInjected: injected.contains(room.name))
    }
  }

  private func edgeViolations(of room: Room) -> [String] {
    guard case .floor(let floor) = room.place else { return [] }
    return room.dependencies.sorted().compactMap { name in
      guard let other = rooms[name] else { return nil }
      guard case .floor(let below) = other.place, below < floor else {
        return "\(room.name) (floor \(floor)) depends on \(name), which is not below it"
      }
      return nil
    }
  }

  private func importViolations(of room: Room, isInjected: Bool) -> [String] {
    var found: [String] = []
    if isInjected, !room.isEmbedded, !room.isSystemModule {
      found.append("\(room.name) is injected but not compiled as Embedded Swift")
    }
    for (path, facts) in room.sources.sorted(by: { $0.key < $1.key }) {
      for entry in facts.imports where !mayImport(entry.module, room, isInjected: isInjected) {
        found.append("\(path):\(entry.line): \(room.name) may not import \(entry.module)")
      }
      guard isInjected else { continue }
      found += facts.concurrency.map { "\(path):\($0): \(room.name) is injected: no concurrency" }
    }
    return found
  }

  private func mayImport(_ module: String, _ room: Room, isInjected: Bool) -> Bool {
    if room.dependencies.contains(module) { return true }
    if rooms[module] != nil { return false }
    guard case .floor = room.place else { return true }
    return (isInjected ? Self.injectedModules : Self.serverModules).contains(module)
  }
}
