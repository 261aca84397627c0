/// How packets are lost on a path, as a chain of two states (Gilbert, 1960): in the good one all arrive, in
/// the bad one none does. Fitted to counts of packets, of losses and of runs of losses, of which old ones
/// fade; the parity that it asks for is the least that leaves a group's failure rarer than wanted.
struct LossModel {
  /// Counts fade by half over this many packets.
  static let halfLife = 8192.0
  /// What is assumed before anything is known, as counts: one loss in a hundred, in pairs.
  private var packets = 400.0
  private var losses = 4.0
  private var runs = 2.0

  private var known: [Request: Int] = [:]
  private var knownFor = (share: 0.0, burst: 0.0)

  private struct Request: Hashable {
    var dataCount: Int
    var spacing: Int
    var residual: Double
  }

  /// The share of packets that are lost.
  var share: Double { min(losses / packets, 0.5) }
  /// The mean length of a run of losses in packets, at least 1.
  var burst: Double { runs > 0 ? min(max(losses / runs, 1), 64) : 1 }

  /// Adds what has been seen.
  mutating func add(received: Int, lost: Int, runs newRuns: Int) {
    let more = Double(max(received, 0) + max(lost, 0))
    guard more > 0 else { return }
    let fading = 1 / (1 + more / LossModel.halfLife * 0.6931)
    packets = packets * fading + more
    losses = losses * fading + Double(max(lost, 0))
    // A run that goes on over two reports is counted in the first alone.
    runs = min(runs * fading + Double(max(newRuns, 0)), losses)
  }

  /// Parity shards for `dataCount` data shards, `spacing` packets apart on the link, so that the group
  /// fails in at most `residual` of all cases; at most `most`.
  mutating func parity(dataCount: Int, spacing: Int, residual: Double, most: Int) -> Int {
    let (share, burst) = (share, burst)
    if abs(share - knownFor.share) > 0.05 * knownFor.share
      || abs(burst - knownFor.burst) > 0.05 * knownFor.burst
    {
      known = [:]
      knownFor = (share, burst)
    }
    let request = Request(dataCount: dataCount, spacing: spacing, residual: residual)
    let needed =
      known[request]
      ?? LossModel.parity(
        share: share, burst: burst, dataCount: dataCount, spacing: spacing, residual: residual,
        most: ReedSolomon.mostShards - dataCount)
    known[request] = needed
    return min(needed, most)
  }

  /// The least m for which more than m of `dataCount` + m shards are lost in at most `residual` of all
  /// cases; `most` when none is enough.
  static func parity(
    share: Double, burst: Double, dataCount: Int, spacing: Int, residual: Double, most: Int
  ) -> Int {
    guard share > 0, most > 0 else { return 0 }
    // The chain seen at every `spacing`-th packet: what is left of its memory falls as a power.
    let leave = 1 / max(burst, 1)
    let enter = min(share * leave / max(1 - share, 1e-9), 1)
    var memory = 1.0
    // Losses that avoid each other are taken for independent ones.
    for _ in 0..<max(spacing, 1) { memory *= max(1 - leave - enter, 0) }
    let toBad = share * (1 - memory)
    let stayBad = 1 - (1 - share) * (1 - memory)
    // good[j], bad[j]: the chance that j shards so far are lost, and of the last one's state.
    let size = most + 1
    var good = [Double](repeating: 0, count: size)
    var bad = good
    (good[0], bad[0]) = (1 - share, share)
    // Before the first shard the states are as they are in the long run; `bad[0]` has lost nothing yet.
    var isFirst = true
    for shard in 1...dataCount + most {
      let top = min(shard, size - 1)
      for j in stride(from: top, through: 0, by: -1) {
        let (g, b) = (good[j], bad[j])
        let (gLess, bLess) = j > 0 ? (good[j - 1], bad[j - 1]) : (0, 0)
        if isFirst {
          good[j] = j == 0 ? 1 - share : 0
          bad[j] = j == 1 ? share : 0
        } else {
          good[j] = g * (1 - toBad) + b * (1 - stayBad)
          bad[j] = gLess * toBad + bLess * stayBad
        }
      }
      isFirst = false
      let m = shard - dataCount
      guard m >= 0 else { continue }
      var kept = 0.0
      for j in 0...min(m, size - 1) { kept += good[j] + bad[j] }
      if 1 - kept <= residual { return m }
    }
    return most
  }
}
