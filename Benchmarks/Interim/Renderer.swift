import Glibc
import Interim

func cosine(_ angle: Float) -> Float { cosf(angle) }
func sine(_ angle: Float) -> Float { sinf(angle) }

struct Vertex {
  var position: SIMD3<Float>
  var normal: SIMD3<Float>
  var uv: SIMD2<Float>
}

/// Triangles that share a coordinate system.
struct Mesh {
  var vertices: [Vertex] = []
  var indices: [Int] = []

  mutating func quad(
    _ a: SIMD3<Float>, _ b: SIMD3<Float>, _ c: SIMD3<Float>, _ d: SIMD3<Float>,
    normal: SIMD3<Float>, uv size: SIMD2<Float>, at origin: SIMD2<Float> = .zero
  ) {
    let first = vertices.count
    let corners = [SIMD2<Float>(0, 0), SIMD2(size.x, 0), size, SIMD2(0, size.y)]
    for (position, uv) in zip([a, b, c, d], corners) {
      vertices.append(Vertex(position: position, normal: normal, uv: origin + uv))
    }
    indices += [0, 1, 2, 0, 2, 3].map { first + $0 }
  }

  /// The six faces of a box around the origin, with a repeat of the texture every `repeats` metres.
  static func box(_ half: SIMD3<Float>, repeats: Float) -> Mesh {
    var mesh = Mesh()
    let (x, y, z) = (half.x, half.y, half.z)
    func uv(_ a: Float, _ b: Float) -> SIMD2<Float> { SIMD2(2 * a / repeats, 2 * b / repeats) }
    mesh.quad(
      [-x, y, z], [x, y, z], [x, -y, z], [-x, -y, z], normal: [0, 0, 1], uv: uv(x, y))
    mesh.quad(
      [x, y, -z], [-x, y, -z], [-x, -y, -z], [x, -y, -z], normal: [0, 0, -1], uv: uv(x, y))
    mesh.quad(
      [x, y, z], [x, y, -z], [x, -y, -z], [x, -y, z], normal: [1, 0, 0], uv: uv(z, y))
    mesh.quad(
      [-x, y, -z], [-x, y, z], [-x, -y, z], [-x, -y, -z], normal: [-1, 0, 0], uv: uv(z, y))
    mesh.quad(
      [-x, y, -z], [x, y, -z], [x, y, z], [-x, y, z], normal: [0, 1, 0], uv: uv(x, z))
    mesh.quad(
      [-x, -y, z], [x, -y, z], [x, -y, -z], [-x, -y, -z], normal: [0, -1, 0], uv: uv(x, z))
    return mesh
  }

  static func sphere(_ radius: Float, repeats: Float) -> Mesh {
    var mesh = Mesh()
    let (across, down) = (32, 20)
    for j in 0...down {
      for i in 0...across {
        let theta = Float(j) / Float(down) * Float.pi
        let phi = Float(i) / Float(across) * 2 * Float.pi
        let n = SIMD3<Float>(sine(theta) * cosine(phi), cosine(theta), sine(theta) * sine(phi))
        mesh.vertices.append(
          Vertex(
            position: n * radius, normal: n,
            uv: [Float(i) / Float(across) * repeats, Float(j) / Float(down) * repeats / 2]))
      }
    }
    for j in 0..<down {
      for i in 0..<across {
        let a = j * (across + 1) + i
        mesh.indices += [a, a + 1, a + across + 1, a + 1, a + across + 2, a + across + 1]
      }
    }
    return mesh
  }
}

struct Material {
  var texture: Texture
  /// Strength of highlights and of the sky's reflection, from 0 to 1.
  var shine: Float = 0
  /// Shown as it is: no light, no haze.
  var isSky = false
}

/// A picture of three floats per pixel with depth and the object that each pixel shows.
final class Canvas {
  let width: Int
  let height: Int
  let colour: UnsafeMutablePointer<SIMD4<Float>>
  let depth: UnsafeMutablePointer<Float>
  let object: UnsafeMutablePointer<UInt16>

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
    colour = .allocate(capacity: width * height)
    depth = .allocate(capacity: width * height)
    object = .allocate(capacity: width * height)
    colour.initialize(repeating: .zero, count: width * height)
    depth.initialize(repeating: 1, count: width * height)
    object.initialize(repeating: 0, count: width * height)
  }

  deinit {
    colour.deallocate()
    depth.deallocate()
    object.deallocate()
  }
}

/// What of the world lights a pixel.
struct Light {
  var sun: SIMD3<Float>
  var eye: SIMD3<Float>
  var haze: SIMD4<Float>
  /// Metres after which haze hides two thirds.
  var sight: Float
  var sky: Texture
}

private func dot(_ a: SIMD3<Float>, _ b: SIMD3<Float>) -> Float { (a * b).sum() }
private func unit(_ v: SIMD3<Float>) -> SIMD3<Float> { v / dot(v, v).squareRoot() }

/// Four values that are linear over the screen.
private struct Slope {
  var origin: SIMD4<Double>
  var dx: SIMD4<Double>
  var dy: SIMD4<Double>

  /// The values at the middle of a pixel, and what a step to the right adds.
  func row(_ x: Double, _ y: Double) -> (start: SIMD4<Float>, step: SIMD4<Float>) {
    let down: SIMD4<Double> = dy * y
    let across: SIMD4<Double> = dx * x
    return (SIMD4<Float>(origin + down + across), SIMD4<Float>(dx))
  }
}

private struct Corner {
  var clip: SIMD4<Double>
  var world: SIMD3<Float>
  var normal: SIMD3<Float>
  var uv: SIMD2<Float>

  static func between(_ a: Corner, _ b: Corner, _ t: Double) -> Corner {
    let f = Float(t)
    return Corner(
      clip: a.clip + (b.clip - a.clip) * t, world: a.world + (b.world - a.world) * f,
      normal: a.normal + (b.normal - a.normal) * f, uv: a.uv + (b.uv - a.uv) * f)
  }
}

extension Canvas {
  /// What a node would hand on with the picture.
  func sideData(_ objects: [SceneObject]) -> InterimSideData {
    let side = InterimSideData(width: width, height: height, objects: objects)
    side.depth.update(from: depth, count: width * height)
    side.object.update(from: object, count: width * height)
    return side
  }

  /// Draws a mesh as a GPU would: clipped at the near plane, nearest wins, texels covered by less than
  /// a half left out.
  func draw(
    _ mesh: Mesh, model: Matrix4, viewProjection: Matrix4, material: Material?, object id: UInt16,
    light: Light
  ) {
    let transform = viewProjection * model
    var corners: [Corner] = []
    corners.reserveCapacity(mesh.vertices.count)
    for vertex in mesh.vertices {
      let p = SIMD4<Double>(SIMD4(vertex.position, 1))
      let n = model * SIMD4<Double>(SIMD4(vertex.normal, 0))
      let w = model * p
      corners.append(
        Corner(
          clip: transform * p, world: SIMD3(Float(w.x), Float(w.y), Float(w.z)),
          normal: SIMD3(Float(n.x), Float(n.y), Float(n.z)), uv: vertex.uv))
    }
    var polygon: [Corner] = []
    for first in stride(from: 0, to: mesh.indices.count, by: 3) {
      let triangle = (0..<3).map { corners[mesh.indices[first + $0]] }
      if outside(triangle) { continue }
      polygon.removeAll(keepingCapacity: true)
      for k in 0..<3 {
        let a = triangle[k]
        let b = triangle[(k + 1) % 3]
        if a.clip.z >= 0 { polygon.append(a) }
        if (a.clip.z >= 0) != (b.clip.z >= 0) {
          let t = a.clip.z / (a.clip.z - b.clip.z)
          polygon.append(.between(a, b, t))
        }
      }
      guard polygon.count >= 3 else { continue }
      for k in 1..<polygon.count - 1 {
        fill(polygon[0], polygon[k], polygon[k + 1], material, id, light)
      }
    }
  }

  private func outside(_ corners: [Corner]) -> Bool {
    func all(_ test: (SIMD4<Double>) -> Bool) -> Bool { corners.allSatisfy { test($0.clip) } }
    return all { $0.x < -$0.w } || all { $0.x > $0.w } || all { $0.y < -$0.w }
      || all { $0.y > $0.w } || all { $0.z < 0 }
  }

  private func fill(
    _ a: Corner, _ b: Corner, _ c: Corner, _ material: Material?, _ id: UInt16, _ light: Light
  ) {
    func screen(_ p: Corner) -> SIMD2<Double> {
      let x: Double = (p.clip.x / p.clip.w + 1) * 0.5 * Double(width)
      let y: Double = (p.clip.y / p.clip.w + 1) * 0.5 * Double(height)
      return SIMD2(x, y)
    }
    let (pa, pb, pc) = (screen(a), screen(b), screen(c))
    let area = (pb.x - pa.x) * (pc.y - pa.y) - (pc.x - pa.x) * (pb.y - pa.y)
    guard area != 0, area.isFinite else { return }

    let (ab, ac) = (pb - pa, pc - pa)
    func slope(_ va: SIMD4<Double>, _ vb: SIMD4<Double>, _ vc: SIMD4<Double>) -> Slope {
      let u: SIMD4<Double> = vb - va
      let v: SIMD4<Double> = vc - va
      let dx: SIMD4<Double> = (u * ac.y - v * ab.y) / area
      let dy: SIMD4<Double> = (v * ab.x - u * ac.x) / area
      let origin: SIMD4<Double> = va - dx * pa.x - dy * pa.y
      return Slope(origin: origin, dx: dx, dy: dy)
    }
    let (ia, ib, ic) = (1 / a.clip.w, 1 / b.clip.w, 1 / c.clip.w)
    func geometry(_ p: Corner, _ i: Double) -> SIMD4<Double> {
      SIMD4(i, p.clip.z * i, Double(p.uv.x) * i, Double(p.uv.y) * i)
    }
    func world(_ p: Corner, _ i: Double) -> SIMD4<Double> {
      SIMD4<Double>(SIMD4(p.world, 0)) * i
    }
    func normal(_ p: Corner, _ i: Double) -> SIMD4<Double> {
      SIMD4<Double>(SIMD4(p.normal, 0)) * i
    }
    let g = slope(geometry(a, ia), geometry(b, ib), geometry(c, ic))
    let w = slope(world(a, ia), world(b, ib), world(c, ic))
    let n = slope(normal(a, ia), normal(b, ib), normal(c, ic))

    // Rows whose centre is inside, and in each the span between the two edges that it crosses.
    func isAbove(_ p: SIMD2<Double>, _ q: SIMD2<Double>) -> Bool {
      p.y == q.y ? p.x < q.x : p.y < q.y
    }
    let points: [SIMD2<Double>] = [pa, pb, pc]
    let sorted: [SIMD2<Double>] = points.sorted(by: isAbove)
    let top = max(0, Int((sorted[0].y - 0.5).rounded(.up)))
    let bottom = min(height, Int((sorted[2].y - 0.5).rounded(.up)))
    guard top < bottom else { return }
    func crossing(_ p: SIMD2<Double>, _ q: SIMD2<Double>, _ y: Double) -> Double {
      p.x + (q.x - p.x) * (y - p.y) / (q.y - p.y)
    }
    for row in top..<bottom {
      let y = Double(row) + 0.5
      let long = crossing(sorted[0], sorted[2], y)
      let short =
        y < sorted[1].y ? crossing(sorted[0], sorted[1], y) : crossing(sorted[1], sorted[2], y)
      let left = max(0, Int((min(long, short) - 0.5).rounded(.up)))
      let right = min(width, Int((max(long, short) - 0.5).rounded(.up)))
      guard left < right else { continue }
      let (gRow, gStep) = g.row(Double(left) + 0.5, y)
      let (wRow, wStep) = w.row(Double(left) + 0.5, y)
      let (nRow, nStep) = n.row(Double(left) + 0.5, y)
      let gDown = SIMD4<Float>(g.dy)
      for x in left..<right {
        let k = Float(x - left)
        let values = gRow + gStep * k
        let at = row * width + x
        guard values.y < depth[at] else { continue }
        let scale = 1 / values.x
        let uv = SIMD2<Float>(values.z, values.w) * scale
        var colour = SIMD4<Float>.zero
        if let material {
          // How far the texture moves in a step to the right and in one down.
          let ux: SIMD2<Float> = (SIMD2(gStep.z, gStep.w) - uv * gStep.x) * scale
          let uy: SIMD2<Float> = (SIMD2(gDown.z, gDown.w) - uv * gDown.x) * scale
          colour = material.texture.sample(uv, across: ux, down: uy)
          if colour.w < 0.5 { continue }
          if !material.isSky {
            let p = (wRow + wStep * k) * scale
            let m = (nRow + nStep * k) * scale
            colour = shade(
              colour, at: SIMD3(p.x, p.y, p.z), normal: unit(SIMD3(m.x, m.y, m.z)),
              material.shine, light)
          }
        }
        depth[at] = values.y
        object[at] = id
        self.colour[at] = colour
      }
    }
  }

  private func shade(
    _ base: SIMD4<Float>, at p: SIMD3<Float>, normal: SIMD3<Float>, _ shine: Float, _ light: Light
  ) -> SIMD4<Float> {
    var n = normal
    let toEye = light.eye - p
    let distance = dot(toEye, toEye).squareRoot()
    let view = toEye / distance
    if dot(n, view) < 0 { n = -n }
    let lit = max(0, dot(n, light.sun))
    var colour = base * (0.42 + 0.62 * lit)
    if shine > 0 {
      let half = unit(light.sun + view)
      var s = max(0, dot(n, half))
      s *= s
      s *= s
      s *= s
      s *= s
      s *= s
      let r = n * (2 * dot(n, view)) - view
      let mirrored = light.sky.sample(
        0.5 + r.x * 0.35, 0.5 - r.y * 0.45 + r.z * 0.2, footprint: 0.004)
      colour = colour * (1 - 0.5 * shine) + mirrored * (0.5 * shine)
      colour += SIMD4<Float>(repeating: 255 * s * shine)
    }
    let haze = distance / light.sight
    let clear = 1 / (1 + haze * haze)
    return colour * clear + light.haze * (1 - clear)
  }

  /// A soft disc that faces the eye, over or added to what is there, hidden by what is nearer. It
  /// leaves depth alone, as blended draws do.
  func blend(
    at centre: SIMD3<Float>, radius: Float, colour: SIMD4<Float>, adds: Bool, grain: Texture,
    viewProjection: Matrix4, size: Float
  ) {
    let clip = viewProjection * SIMD4<Double>(SIMD4(centre, 1))
    guard clip.w > 0.2, clip.z > 0 else { return }
    let x = Float((clip.x / clip.w * 0.5 + 0.5)) * Float(width)
    let y = Float((clip.y / clip.w * 0.5 + 0.5)) * Float(height)
    let r = radius * size / Float(clip.w)
    let z = Float(clip.z / clip.w)
    guard r > 0.3, x + r > 0, y + r > 0, x - r < Float(width), y - r < Float(height) else { return }
    for py in max(0, Int(y - r))..<max(0, min(height, Int(y + r) + 1)) {
      for px in max(0, Int(x - r))..<max(0, min(width, Int(x + r) + 1)) {
        let dx = (Float(px) + 0.5 - x) / r
        let dy = (Float(py) + 0.5 - y) / r
        let d = dx * dx + dy * dy
        guard d < 1, z < depth[py * width + px] else { continue }
        let texture = grain.sample(dx * 0.2 + 0.5, dy * 0.2 + 0.5, footprint: 0.4 / r)
        let alpha = colour.w * (1 - d) * (0.5 + texture.x / 255)
        let at = py * width + px
        self.colour[at] =
          adds
          ? self.colour[at] + colour * alpha
          : self.colour[at] * (1 - min(1, alpha)) + colour * min(1, alpha)
      }
    }
  }
}
