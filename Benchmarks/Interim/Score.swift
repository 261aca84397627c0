import Glibc
import Interim

/// Squared error of luma, as decibels of 255; 100 for equal pictures.
func decibels(_ meanSquare: Double) -> Double {
  meanSquare <= 6.5025e-6 ? 100 : 10 * log10(255 * 255 / meanSquare)
}

/// What a picture is worth beside the one that was withheld.
struct Score {
  /// Decibels of luma.
  var psnr: Double
  /// Structural similarity of luma, from 0 to 1.
  var ssim: Double
  /// Share of luma samples that are off by more than 24 levels.
  var bad: Double
  /// Decibels of luma where something is drawn over the world; nil where nothing is.
  var hud: Double?
}

func score(_ picture: Plane, _ truth: Plane, hud: Plane?) -> Score {
  let (width, height) = (truth.width, truth.height)
  var total: UInt64 = 0
  var bad = 0
  var covered: UInt64 = 0
  var count = 0
  for y in 0..<height {
    let (a, b) = (picture.row(y), truth.row(y))
    for x in 0..<width {
      let d = abs(Int(a[x]) - Int(b[x]))
      total += UInt64(d * d)
      if d > 24 { bad += 1 }
    }
    guard let mask = hud?.row(y) else { continue }
    for x in 0..<width where mask[x] > 0 {
      let d = Int(a[x]) - Int(b[x])
      covered += UInt64(d * d)
      count += 1
    }
  }
  let samples = Double(width * height)
  return Score(
    psnr: decibels(Double(total) / samples), ssim: similarity(picture, truth),
    bad: Double(bad) / samples, hud: count > 0 ? decibels(Double(covered) / Double(count)) : nil)
}

/// Mean of SSIM over windows of 8×8 samples, one every 4 samples each way.
private func similarity(_ a: Plane, _ b: Plane) -> Double {
  let (c1, c2) = (6.5025 * 64, 58.5225 * 64 * 63)
  var sum = 0.0
  var count = 0
  for top in stride(from: 0, through: a.height - 8, by: 4) {
    for left in stride(from: 0, through: a.width - 8, by: 4) {
      var (s1, s2, ss, s12) = (Int32(0), Int32(0), Int32(0), Int32(0))
      for y in 0..<8 {
        let (p, q) = (a.row(top + y) + left, b.row(top + y) + left)
        for x in 0..<8 {
          let (u, v) = (Int32(p[x]), Int32(q[x]))
          s1 &+= u
          s2 &+= v
          ss &+= u &* u &+ v &* v
          s12 &+= u &* v
        }
      }
      let (f1, f2) = (Double(s1), Double(s2))
      let variance = Double(ss) * 64 - f1 * f1 - f2 * f2
      let covariance = Double(s12) * 64 - f1 * f2
      sum +=
        (2 * f1 * f2 + c1 * 64) * (2 * covariance + c2)
        / ((f1 * f1 + f2 * f2 + c1 * 64) * (variance + c2))
      count += 1
    }
  }
  return sum / Double(max(1, count))
}

/// Seconds of a clock.
func seconds(_ clock: clockid_t) -> Double {
  var time = timespec()
  clock_gettime(clock, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
