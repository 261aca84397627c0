import Dispatch
import Glibc
import Interim

/// One rendered sequence: a kind of scene, the seed that it is made from, and where it begins.
struct Sequence {
  var kind: SceneKind
  var seed: UInt64
  /// Seconds into the camera's path.
  var start: Double

  /// Reads a file of parameters: a line for each, of kind, seed and start.
  static func read(_ path: String) throws -> [Sequence] {
    guard let file = fopen(path, "r") else { throw PeerFailure(description: "cannot read \(path)") }
    defer { fclose(file) }
    var result: [Sequence] = []
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    while getline(&line, &capacity, file) > 0, let text = line {
      let words = String(cString: text).split(whereSeparator: \.isWhitespace)
      if words.isEmpty || words[0].hasPrefix("#") { continue }
      guard words.count == 3, let kind = SceneKind.allCases.first(where: { $0.name == words[0] }),
        let seed = UInt64(words[1]), let start = Double(words[2])
      else { throw PeerFailure(description: "\(path) has a line that is no sequence: \(words)") }
      result.append(Sequence(kind: kind, seed: seed, start: start))
    }
    return result
  }

  /// Frames at twice the rate that is given: those with even numbers are given, the others withheld.
  func render(_ scene: Scene, count: Int, speed: Double, width: Int, height: Int) -> [Frame] {
    let memory = UnsafeMutablePointer<Frame?>.allocate(capacity: count)
    memory.initialize(repeating: nil, count: count)
    defer {
      memory.deinitialize(count: count)
      memory.deallocate()
    }
    nonisolated(unsafe) let frames = memory
    DispatchQueue.concurrentPerform(iterations: count) { k in
      frames[k] = scene.frame(at: start + Double(k) * speed / 60, width: width, height: height)
    }
    return (0..<count).map { memory[$0]! }
  }
}

extension Frame {
  func given(at time: Double) -> InterimFrame {
    InterimFrame(time: time, picture: world, overlay: overlay, side: side)
  }
}
