import Glibc
import Interim

/// Milliseconds that a picture takes: on one lane and on two, beside ffmpeg, in turns.
func printCosts(two: Lanes, folder: String) throws {
  for (width, height) in [(1280, 720), (1920, 1080)] {
    let scene = Scene(.flight, seed: 1)
    let sequence = Sequence(kind: .flight, seed: 1, start: 0.5)
    let frames = sequence.render(scene, count: 7, speed: 1, width: width, height: height)
    let given = (0..<4).map { frames[2 * $0] }
    let even = given.enumerated().map { $1.given(at: Double(2 * $0)) }
    let shown = given.enumerated().map { InterimFrame(time: Double(2 * $0), picture: $1.shown) }
    let picture = Picture(width: width, height: height)
    let synthesizer = InterimSynthesizer(width: width, height: height)
    var instant = InterimInstant(time: 5)
    (instant.side, instant.overlay) = (frames[5].side, frames[5].overlay)
    func make(_ method: Method, _ lanes: Lanes) {
      let isPlain = method == .fast || method == .full
      let isAhead = method == .e1 || method == .e2
      let source = isPlain ? shown : even
      var options = method.options!
      // What is measured is the whole way of a tier, whatever its gate says of this scene.
      options.isGated = true
      _ = synthesizer.make(
        history: Array(source[0...2]), next: isAhead ? nil : source[3],
        instant: isPlain ? InterimInstant(time: 5) : instant, options: options, into: picture,
        lanes: lanes)
    }
    // E1 believes itself only after some pictures.
    for k in 1..<4 {
      _ = synthesizer.make(
        history: Array(even[max(0, k - 2)...k]), next: nil,
        instant: InterimInstant(time: Double(2 * k) + 0.5),
        options: InterimOptions(tiers: [.extrapolated]), into: picture)
    }
    let methods: [Method] = [.fast, .full, .e1, .e2, .i1, .i2]
    var wall: [[Double]] = methods.map { _ in [] }
    var work: [[Double]] = methods.map { _ in [] }
    var peer: [Double] = []
    for round in 0..<7 {
      if round % 3 == 0 {
        peer.append(
          try interpolate(given.map(\.shown), by: .minterpolate, in: folder).seconds * 1000)
      }
      for (index, method) in methods.enumerated() {
        for _ in 0..<3 {
          let (m, c) = (seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID))
          make(method, two)
          wall[index].append((seconds(CLOCK_MONOTONIC) - m) * 1000)
          work[index].append((seconds(CLOCK_PROCESS_CPUTIME_ID) - c) * 1000)
        }
      }
    }
    let mci = peer.min()!
    print("mci-\(height)-cpu \(decimal(mci, 1))")
    for (index, method) in methods.enumerated() {
      print("\(method)-\(height)-wall \(decimal(wall[index].min()!, 2))")
      print(
        "\(method)-\(height)-wall-median \(decimal(wall[index].sorted()[wall[index].count / 2], 2))"
      )
      print("\(method)-\(height)-cpu \(decimal(work[index].min()!, 2))")
    }
  }
}
