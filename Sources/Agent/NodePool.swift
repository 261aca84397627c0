internal import Ring
internal import Threads
public import Transport

/// Where an agent's nodes are.
public enum NodePlaces: Sendable {
  /// Nodes that run by themselves.
  case addresses([Address], Token?)
  /// So many processes of our own for each application process.
  case embedded(Int, EmbeddedNodes)
}

/// Makes the node connections of application processes. One set can be made ahead of time, while
/// the application starts.
final class NodePool: @unchecked Sendable {
  private let places: NodePlaces
  /// Nodes on this host work from their links alone, too.
  private let streams: Bool
  /// What nodes send is recorded, or compared with a recording.
  private let isPlain: Bool
  /// The times of frames are of interest.
  private let takesFrameTimes: Bool
  /// What a node must know; nil: nothing.
  private let needsCoding: FrameWishes?
  /// Whether viewers of the nodes may operate the application.
  private let takesInput: Bool
  private let lock = Lock()
  private var ready: [NodeConnection]?

  init(
    _ places: NodePlaces, streams: Bool = false, isPlain: Bool = false,
    takesFrameTimes: Bool = false, needsCoding: FrameWishes? = nil, takesInput: Bool = false
  ) {
    self.takesInput = takesInput
    self.places = places
    self.isPlain = isPlain
    self.takesFrameTimes = takesFrameTimes
    self.needsCoding = needsCoding
    self.streams = streams
  }

  /// Connects to every node and says hello, so that nodes load their drivers meanwhile. With
  /// `wait`, also waits for the answers, so that a node that cannot serve is known now.
  func prepare(application: String, wait: Bool) throws(LinkError) {
    let nodes = try connectAll(application: application, process: 0)
    if wait {
      for node in nodes { try greeted(node) }
    }
    lock.withLock { ready = nodes }
  }

  /// The nodes for one application process, all greeted; the first is primary.
  func take(application: String, process: Int32) throws(LinkError) -> [NodeConnection] {
    let prepared = lock.withLock { () -> [NodeConnection]? in
      defer { ready = nil }
      return ready
    }
    let nodes =
      if let prepared { prepared } else {
        try connectAll(application: application, process: process)
      }
    do throws(LinkError) {
      for node in nodes where !node.isGreeted { try greeted(node) }
    } catch {
      for node in nodes { node.end(nanoseconds: 0) }
      throw error
    }
    return nodes
  }

  private func greeted(_ node: NodeConnection) throws(LinkError) {
    try node.greeted()
    guard let needsCoding, node.abilities & NodeAbility.codedFrames == 0 else { return }
    throw LinkError(
      .version,
      "\(node.link.peer) cannot send frames as \(needsCoding.choice); install the same release on "
        + "both machines, or use --codec raw")
  }

  /// Ends what was prepared and not taken.
  func close() {
    let rest = lock.withLock { () -> [NodeConnection] in
      defer { ready = nil }
      return ready ?? []
    }
    for node in rest { node.end(nanoseconds: 200_000_000) }
  }

  private func connectAll(
    application: String, process: Int32
  ) throws(LinkError) -> [NodeConnection] {
    var nodes: [NodeConnection] = []
    do throws(LinkError) {
      switch places {
      case .addresses(let addresses, let token):
        for address in addresses {
          nodes.append(try .connect(address, token: token, streams: streams))
        }
      case .embedded(let count, var settings):
        settings.streams = settings.streams || streams
        for _ in 0..<count { nodes.append(try .embedded(settings)) }
      }
      for (index, node) in nodes.enumerated() {
        // What is recorded, or plays a recording, is read in its plain form.
        try node.sayHello(
          application: application, process: process, stayIdle: index > 0,
          takesMemoryBlocks: !isPlain, takesFrameTimes: takesFrameTimes, takesInput: takesInput)
      }
    } catch {
      for node in nodes { node.end(nanoseconds: 0) }
      throw error
    }
    return nodes
  }
}
