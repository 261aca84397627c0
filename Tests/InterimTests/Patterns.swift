import Glibc
import Synchronization
import Threads

@testable import Interim

/// A smooth texture without a period, at any place: from 16 to 239.
func texture(_ x: Double, _ y: Double) -> Double {
  func lattice(_ i: Int, _ j: Int) -> Double {
    var z = UInt64(bitPattern: Int64(i &* 0x1F12_3BB5 &+ j &* 0x5F35_6495))
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((z ^ (z >> 31)) >> 40) / 16_777_216
  }
  func noise(_ x: Double, _ y: Double) -> Double {
    let (i, j) = (x.rounded(.down), y.rounded(.down))
    let (u, v) = (x - i, y - j)
    let (a, b) = (u * u * (3 - 2 * u), v * v * (3 - 2 * v))
    let (p, q) = (Int(i), Int(j))
    let top = lattice(p, q) * (1 - a) + lattice(p + 1, q) * a
    let bottom = lattice(p, q + 1) * (1 - a) + lattice(p + 1, q + 1) * a
    return top * (1 - b) + bottom * b
  }
  return 16 + 140 * noise(x / 11, y / 11) + 83 * noise(x / 4.7 + 31, y / 4.7 + 17)
}

/// A picture whose luma is given by place, and whose chroma is that of every second place, weaker.
func picture(
  _ width: Int, _ height: Int, sampling: ChromaSampling = .half,
  _ luma: (Double, Double) -> Double
) -> Picture {
  let result = Picture(width: width, height: height, sampling: sampling)
  for (k, plane) in result.planes.enumerated() {
    let step = k == 0 ? 1 : 1 << sampling.shift
    for y in 0..<plane.height {
      for x in 0..<plane.width {
        // The middle of what a sample of chroma covers.
        let offset = Double(step - 1) / 2
        let value = luma(Double(x * step) + offset, Double(y * step) + offset)
        plane.row(y)[x] = UInt8(k == 0 ? value : 64 + value / 2 * (k == 1 ? 1 : 0.8))
      }
    }
  }
  result.extendBorders()
  return result
}

/// The mean square error of samples that are at least `margin` from the edges.
func meanSquare(_ a: Plane, _ b: Plane, margin: Int = 0) -> Double {
  var sum = 0
  var count = 0
  for y in margin..<a.height - margin {
    for x in margin..<a.width - margin {
      let d = Int(a.row(y)[x]) - Int(b.row(y)[x])
      sum += d * d
      count += 1
    }
  }
  return Double(sum) / Double(count)
}

/// Decibels of a plane beside another.
func decibels(_ a: Plane, _ b: Plane, margin: Int = 0) -> Double {
  let error = meanSquare(a, b, margin: margin)
  return error == 0 ? 100 : 10 * log10(255 * 255 / error)
}

func isSame(_ a: Picture, _ b: Picture) -> Bool {
  zip(a.planes, b.planes).allSatisfy { meanSquare($0, $1) == 0 }
}

/// Lanes on threads of their own.
func threads(_ count: Int) -> Lanes {
  Lanes(count: count) { parts, body in
    withoutActuallyEscaping(body) { body in
      let work = Work(parts: parts, body: body)
      var running: [pthread_t] = []
      for _ in 0..<count {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(work).toOpaque()
        let error = pthread_create(
          &thread, nil,
          { context in
            Unmanaged<Work>.fromOpaque(context!).takeRetainedValue().run()
            return nil
          }, context)
        precondition(error == 0)
        running.append(thread)
      }
      for thread in running { pthread_join(thread, nil) }
    }
  }
}

private final class Work: @unchecked Sendable {
  private let parts: Int
  private let body: (Int) -> Void
  private let next = Atomic(0)

  init(parts: Int, body: @escaping (Int) -> Void) {
    self.parts = parts
    self.body = body
  }

  func run() {
    while true {
      let part = next.add(1, ordering: .relaxed).oldValue
      if part >= parts { return }
      body(part)
    }
  }
}
