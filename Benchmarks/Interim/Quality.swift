import Glibc
import Interim

/// What a method's pictures are worth, summed.
struct Sum {
  var psnr = 0.0
  var ssim = 0.0
  var bad = 0.0
  var count = 0
  var hud = 0.0
  var hudCount = 0
  /// Pictures that are farther off than the one before would have been.
  var worse = 0
  /// Pictures for which the gate took the one before.
  var held = 0

  var meanPSNR: Double { psnr / Double(max(1, count)) }

  static func += (a: inout Sum, b: Sum) {
    a.psnr += b.psnr
    a.ssim += b.ssim
    a.bad += b.bad
    a.count += b.count
    a.hud += b.hud
    a.hudCount += b.hudCount
    a.worse += b.worse
    a.held += b.held
  }

  mutating func add(_ score: Score, hold: Score, isHeld: Bool) {
    psnr += score.psnr
    ssim += score.ssim
    bad += score.bad
    count += 1
    if let value = score.hud {
      hud += value
      hudCount += 1
    }
    if score.psnr < hold.psnr - 0.01 { worse += 1 }
    if isHeld { held += 1 }
  }
}

/// The table of all sequences at all speeds.
struct Quality {
  static let speeds = [0.5, 1.0, 2.0]
  static let (width, height) = (1280, 720)
  private(set) var sums: [[Sum]] = Method.allCases.map { _ in speeds.map { _ in Sum() } }

  mutating func add(_ sequence: Sequence, lanes: Lanes, folder: String, pictures: String?) throws {
    for (column, speed) in Self.speeds.enumerated() {
      let scene = Scene(sequence.kind, seed: sequence.seed)
      let frames = sequence.render(
        scene, count: 2 * Trial.given - 1, speed: speed, width: Self.width, height: Self.height)
      let given = (0..<Trial.given).map { frames[2 * $0].shown }
      let peer = try interpolate(given, by: .minterpolate, in: folder).pictures
      let trial = Trial(
        scene: scene, frames: frames, peer: peer, width: Self.width, height: Self.height)
      let hold = Trial.scored.map {
        score(frames[2 * $0].shown.luma, trial.truth($0).shown.luma, hud: nil)
      }
      var line = "\(sequence.kind) \(sequence.seed) at \(speed)x:"
      for (row, method) in Method.allCases.enumerated() {
        var sum = Sum()
        trial.run(method, lanes: lanes) { k, picture, report in
          let truth = trial.truth(k)
          let found = score(picture.luma, truth.shown.luma, hud: truth.overlay?.coverage)
          let isHeld = method == .hold || report?.tier == .hold
          sum.add(found, hold: hold[k - Trial.first], isHeld: isHeld)
          if let pictures, speed == 2, k == Trial.first {
            pictureRow(picture, truth.shown, "\(pictures)/\(sequence.kind)-\(row).ppm")
          }
        }
        sums[row][column] += sum
        line += " \(method)=\(decimal(sum.meanPSNR, 2))"
        if sum.worse > 0 { line += "(\(sum.worse) worse)" }
      }
      print(line)
      fflush(nil)
    }
  }

  func mean(_ method: Method, _ column: Int) -> Double { sums[index(method)][column].meanPSNR }

  func mean(_ method: Method) -> Double {
    (0..<Self.speeds.count).reduce(0) { $0 + mean(method, $1) } / Double(Self.speeds.count)
  }

  func total(_ method: Method) -> Sum { sums[index(method)].reduce(into: Sum()) { $0 += $1 } }

  private func index(_ method: Method) -> Int { Method.allCases.firstIndex(of: method)! }

  /// The worst of the speeds.
  func least(_ method: Method, over other: Method) -> Double {
    (0..<Self.speeds.count).map { mean(method, $0) - mean(other, $0) }.min()!
  }

  func hud(_ method: Method) -> Double {
    let sum = total(method)
    return sum.hud / Double(max(1, sum.hudCount))
  }

  func printTable() {
    print("| Method | sees | 0.5x | 1x | 2x | HUD | held | worse than hold |")
    print("|---|---|---|---|---|---|---|---|")
    for method in Method.allCases {
      let cells = sums[index(method)].map { sum in
        let n = Double(max(1, sum.count))
        return
          "\(decimal(sum.psnr / n, 2)) / \(decimal(sum.ssim / n, 3)) / \(decimal(100 * sum.bad / n, 2))"
      }
      let sum = total(method)
      print(
        "| \(method.name) | \(method.sees) | \(cells.joined(separator: " | ")) "
          + "| \(decimal(hud(method), 1)) | \(sum.held) | \(sum.worse) of \(sum.count) |")
    }
  }

  func printFigures(_ half: String) {
    func say(_ name: String, _ value: Double) { print("\(half)-\(name) \(decimal(value, 3))") }
    say("full-over-mci", least(.full, over: .peer))
    say("fast-over-mci", least(.fast, over: .peer))
    say("e2-over-mci", mean(.e2) - mean(.peer))
    say(
      "e2-over-mci-fastest", mean(.e2, Self.speeds.count - 1) - mean(.peer, Self.speeds.count - 1))
    say("i2-over-mci", mean(.i2) - mean(.peer))
    say("replayed-over-mci", mean(.replayed) - mean(.peer))
    say("hud-over-mci", hud(.layered) - hud(.peer))
    say("held-hud-over-mci", hud(.heldLayer) - hud(.peer))
    say("mci", mean(.peer))
    say("full", mean(.full))
    say("fast", mean(.fast))
    say("e1", mean(.e1))
    say("e2", mean(.e2))
    say("i1", mean(.i1))
    say("i2", mean(.i2))
    say("hud-mci", hud(.peer))
    say("hud", hud(.layered))
    let made = Method.allCases.filter { !$0.isPeers }.map(total)
    say("worse", Double(made.reduce(0) { $0 + $1.worse }))
    say("shown", Double(made.reduce(0) { $0 + $1.count - $1.held }))
  }
}

func decimal(_ value: Double, _ digits: Int) -> String {
  var buffer = [CChar](repeating: 0, count: 64)
  withVaList([Int32(digits), value]) { _ = vsnprintf(&buffer, buffer.count, "%.*f", $0) }
  return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Writes a part of a picture, and beside it how far off each sample of luma is, six times.
func pictureRow(_ picture: Picture, _ truth: Picture, _ path: String) {
  let (left, top, width, height) = (picture.width / 2 - 120, picture.height / 2 - 110, 240, 160)
  guard let file = fopen(path, "wb") else { return }
  defer { fclose(file) }
  fputs("P6\n\(2 * width) \(height)\n255\n", file)
  for y in top..<top + height {
    var row: [UInt8] = []
    for x in left..<left + width {
      let l = Float(picture.luma.row(y)[x])
      let b = Float(picture.blue.row(y / 2)[x / 2]) - 128
      let r = Float(picture.red.row(y / 2)[x / 2]) - 128
      for value in [l + 1.5748 * r, l - 0.1873 * b - 0.4681 * r, l + 1.8556 * b] {
        row.append(UInt8(min(255, max(0, value + 0.5))))
      }
    }
    for x in left..<left + width {
      let d = abs(Int(picture.luma.row(y)[x]) - Int(truth.luma.row(y)[x]))
      row += [UInt8](repeating: UInt8(min(255, 6 * d)), count: 3)
    }
    fwrite(row, 1, row.count, file)
  }
}
