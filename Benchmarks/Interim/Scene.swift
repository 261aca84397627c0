import Interim

/// What is rendered for the benchmark: seven kinds of motion, each in as many variants as there are
/// seeds.
enum SceneKind: Int, CaseIterable {
  /// Forward on a curve over textured ground between boxes.
  case flight
  /// Standing, turning fast.
  case turn
  /// Sideways past a fence and leaves, near and far.
  case strafe
  /// Smoke and sparks, and panes of coloured glass.
  case particles
  /// Shining bodies that move, each on its own path.
  case movers
  /// A flight with text, a bar, a cross-hair and a translucent map over it.
  case hud
  /// On foot: steps that shake the view, and jolts.
  case walk

  var name: String { "\(self)" }
}

private struct Body {
  var mesh: Mesh
  var material: Material
  /// Each body is a draw of its own; 0 is what none covers.
  var object: UInt16 = 0
  var model: (Double) -> Matrix4
}

private struct Puff {
  var start: SIMD3<Float>
  var velocity: SIMD3<Float>
  var phase: Float
  var life: Float
  var radius: Float
  var colour: SIMD4<Float>
  var adds: Bool
}

/// All that a renderer knows of an instant.
final class Frame: @unchecked Sendable {
  /// What the application shows.
  let shown: Picture
  /// The same before what is drawn over the world.
  let world: Picture
  let overlay: Overlay?
  let side: InterimSideData

  init(shown: Picture, world: Picture, overlay: Overlay?, side: InterimSideData) {
    self.shown = shown
    self.world = world
    self.overlay = overlay
    self.side = side
  }
}

func translation(_ v: SIMD3<Float>) -> Matrix4 {
  var m = Matrix4.identity
  m.columns.3 = SIMD4<Double>(SIMD4<Float>(v, 1))
  return m
}

func rotation(axis: Int, _ angle: Float) -> Matrix4 {
  let (c, s) = (Double(cosine(angle)), Double(sine(angle)))
  switch axis {
  case 0: return Matrix4(columns: [1, 0, 0, 0], [0, c, s, 0], [0, -s, c, 0], [0, 0, 0, 1])
  case 1: return Matrix4(columns: [c, 0, -s, 0], [0, 1, 0, 0], [s, 0, c, 0], [0, 0, 0, 1])
  default: return Matrix4(columns: [c, s, 0, 0], [-s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1])
  }
}

/// A world of one kind, made from a seed, that can be rendered at any time and size.
final class Scene: @unchecked Sendable {
  let kind: SceneKind
  private var bodies: [Body] = []
  private var puffs: [Puff] = []
  private let sky: Texture
  private let grain: Texture
  private let sun: SIMD3<Float>
  private let haze: SIMD4<Float>
  /// Numbers of the camera's path.
  private let path: [Float]
  private let names: [String]

  init(_ kind: SceneKind, seed: UInt64) {
    self.kind = kind
    var random = Random(seed &* 31 &+ UInt64(kind.rawValue) &* 0x1234_5678_9ABC)
    sky = .sky(&random)
    let grainNoise = Noise(period: 32, &random)
    grain = Texture(size: 64) { x, y in
      SIMD4(repeating: grainNoise(Float(x) / 2, Float(y) / 2) * 255)
    }
    path = (0..<24).map { _ in random.between(-1, 1) }
    names = (0..<4).map { _ in
      String((0..<7).map { _ in Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ")[random.below(26)] })
    }
    let turn = random.between(0, 6.28)
    let s = SIMD3<Float>(cosine(turn) * 0.6, 0.7, sine(turn) * 0.6)
    sun = s / (s * s).sum().squareRoot()
    haze = SIMD4(random.between(150, 200), random.between(170, 205), 220, 1)
    build(&random)
  }

  // MARK: - Making the world

  private func colour(_ random: inout Random) -> SIMD4<Float> {
    SIMD4(random.between(60, 220), random.between(60, 200), random.between(50, 200), 1)
  }

  private func still(_ mesh: Mesh, _ texture: Texture, at place: Matrix4 = .identity) {
    bodies.append(
      Body(mesh: mesh, material: Material(texture: texture), model: { _ in place }))
  }

  private func build(_ random: inout Random) {
    ground(&random)
    let textures = (0..<5).map { k -> Texture in
      switch k {
      case 0, 1:
        return .bricks(colour(&random), colour(&random) * 0.5, across: 4 + 4 * k, &random)
      case 2, 3: return .panels(colour(&random), &random)
      default:
        return .ground(colour(&random), colour(&random), specks: 0.03, &random)
      }
    }
    let isAround = kind == .turn || kind == .movers
    let count = kind == .turn ? 40 : 24
    for k in 0..<count {
      let half = SIMD3<Float>(
        random.between(0.5, 2.2), random.between(0.6, 3.2), random.between(0.5, 2.2))
      var place: SIMD3<Float>
      if isAround {
        let angle = (Float(k) + random.unit()) / Float(count) * 6.283
        let reach = kind == .turn ? random.between(5, 26) : random.between(9, 24)
        place = [cosine(angle) * reach, half.y, sine(angle) * reach]
      } else {
        let side: Float = k % 2 == 0 ? 1 : -1
        place = [
          side * random.between(2.8, 15), half.y, 8 - Float(k) * 3.4 + random.between(-1.5, 1.5),
        ]
        if kind == .strafe { place = [Float(k) * 2.6 - 26, half.y, random.between(-26, -9)] }
      }
      let model = translation(place) * rotation(axis: 1, random.between(0, 6.28))
      still(.box(half, repeats: 2), textures[k % 5], at: model)
    }
    if kind == .strafe { nearThings(&random) }
    if kind == .movers || kind == .flight { movers(&random, textures) }
    if kind == .particles { particles(&random) }
    var dome = Mesh.sphere(300, repeats: 4)
    for k in dome.vertices.indices { dome.vertices[k].uv.y *= 2 }
    bodies.append(
      Body(
        mesh: dome, material: Material(texture: sky, isSky: true),
        model: { [unowned self] time in translation(self.eye(at: time)) }))
    for k in bodies.indices { bodies[k].object = UInt16(k + 1) }
  }

  private func ground(_ random: inout Random) {
    let a = SIMD4<Float>(random.between(80, 150), random.between(80, 130), 60, 1)
    let b = SIMD4<Float>(random.between(130, 200), random.between(120, 180), 110, 1)
    let texture = Texture.ground(a, b, specks: 0.04, &random)
    var mesh = Mesh()
    let size: Float = 8
    for j in -16..<16 {
      for i in -16..<16 {
        let (x, z) = (Float(i) * size, Float(j) * size - 20)
        mesh.quad(
          [x, 0, z], [x + size, 0, z], [x + size, 0, z + size], [x, 0, z + size],
          normal: [0, 1, 0], uv: [2, 2])
      }
    }
    still(mesh, texture)
  }

  private func nearThings(_ random: inout Random) {
    let fence = Texture.fence(colour(&random), bars: 8)
    var mesh = Mesh()
    for k in -12..<12 {
      let x = Float(k) * 2
      mesh.quad(
        [x, 1.5, -3.2], [x + 2, 1.5, -3.2], [x + 2, 0, -3.2], [x, 0, -3.2], normal: [0, 0, 1],
        uv: [1, 1])
    }
    still(mesh, fence)
    let leaves = (0..<3).map { _ in
      Texture.foliage(SIMD4(random.between(50, 120), random.between(110, 180), 50, 1), &random)
    }
    for k in 0..<26 {
      let x = Float(k) * 1.9 - 24 + random.between(-0.5, 0.5)
      let z = random.between(-7.5, -4)
      let size = random.between(0.8, 1.7)
      var card = Mesh()
      card.quad(
        [-size, 2 * size, 0], [size, 2 * size, 0], [size, 0, 0], [-size, 0, 0],
        normal: [0, 0, 1], uv: [1, 1])
      still(
        card, leaves[k % 3],
        at: translation([x, 0, z]) * rotation(axis: 1, random.between(-0.6, 0.6)))
    }
  }

  private func movers(_ random: inout Random, _ textures: [Texture]) {
    let count = kind == .movers ? 9 : 5
    for k in 0..<count {
      let isBall = k % 2 == 0
      let size = random.between(0.5, 1.1)
      let mesh =
        isBall ? Mesh.sphere(size, repeats: 3) : Mesh.box(SIMD3(repeating: size * 0.8), repeats: 2)
      let centre =
        kind == .movers
        ? SIMD3<Float>(random.between(-5, 5), random.between(1, 3.5), random.between(-6, 2))
        : SIMD3<Float>(random.between(-6, 6), random.between(1, 3), -6 - Float(k) * 6)
      let reach = SIMD3<Float>(
        random.between(0.8, 3), random.between(0.1, 0.8), random.between(0.8, 2.5))
      let (rate, phase) = (random.between(0.7, 2.2), random.between(0, 6.28))
      let spin = random.between(-2.5, 2.5)
      bodies.append(
        Body(
          mesh: mesh,
          material: Material(texture: textures[k % 5], shine: isBall ? 0.8 : 0.35),
          model: { time in
            let t = Float(time)
            let at =
              centre
              + reach
              * SIMD3(
                cosine(rate * t + phase), sine(1.7 * rate * t + phase), sine(rate * t + phase))
            return translation(at) * rotation(axis: 1, spin * t) * rotation(axis: 0, 0.6 * spin * t)
          }))
    }
  }

  private func particles(_ random: inout Random) {
    for k in 0..<150 {
      let isSpark = k % 3 != 0
      let source = SIMD3<Float>(k % 2 == 0 ? -2.5 : 2.2, 0.3, -7 - Float(k % 4))
      puffs.append(
        Puff(
          start: source,
          velocity: isSpark
            ? [random.between(-2.5, 2.5), random.between(3, 7), random.between(-2, 2)]
            : [random.between(-0.5, 0.5), random.between(0.7, 1.5), random.between(-0.5, 0.5)],
          phase: random.unit(), life: isSpark ? 1.2 : 3,
          radius: isSpark ? random.between(0.03, 0.08) : random.between(0.4, 0.9),
          colour: isSpark
            ? [255, random.between(120, 220), 60, 0.9]
            : SIMD4(repeating: random.between(90, 150)) * [1, 1, 1, 0]
              + [0, 0, 0, random.between(0.25, 0.5)],
          adds: isSpark))
    }
    for _ in 0..<3 {
      // Glass: a large disc that tints.
      puffs.append(
        Puff(
          start: [random.between(-4, 4), 1.4, random.between(-9, -5)], velocity: .zero, phase: 0.3,
          life: 0, radius: random.between(1, 1.8),
          colour: SIMD4(random.between(40, 200), random.between(80, 220), 200, 0.4), adds: false))
    }
  }

  // MARK: - The camera

  private func eye(at time: Double) -> SIMD3<Float> {
    let t = Float(time)
    switch kind {
    case .flight, .hud:
      return [
        1.4 * path[0] * sine(0.9 * t + path[1] * 3), 1.9 + 0.5 * sine(0.7 * t + path[2]),
        10 - 8.5 * t,
      ]
    case .turn: return [0.3 * sine(t), 1.8, 0.3 * cosine(t)]
    case .strafe: return [-9 * path[3].magnitude + (path[4] > 0 ? 1 : -1) * 3.2 * t, 1.6, 0.2]
    case .particles: return [1.5 * sine(0.5 * t + path[5] * 3), 1.7, 2 - 1.1 * t]
    case .movers:
      let angle = 0.25 * t + path[6] * 3
      return [8 * sine(angle), 2.6, 8 * cosine(angle) - 2]
    case .walk:
      let step = 2.1 * Float.pi * t
      return [
        0.06 * sine(step + path[7] * 3) + 0.5 * sine(0.5 * t),
        1.7 + 0.07 * (sine(2 * step)).magnitude + jolt(t, 0) * 0.05, 8 - 2.6 * t,
      ]
    }
  }

  /// A shake that neighbouring frames do not foretell: smooth noise at 14 cells a second.
  private func jolt(_ t: Float, _ channel: Int) -> Float {
    func value(_ k: Int) -> Float {
      var r = Random(UInt64(bitPattern: Int64(k &* 7919 &+ channel &* 104729)))
      return r.between(-1, 1)
    }
    let x = t * 14
    let k = Int(x.rounded(.down))
    let f = x - Float(k)
    let w = f * f * (3 - 2 * f)
    return value(k) * (1 - w) + value(k + 1) * w
  }

  private func view(at time: Double) -> Matrix4 {
    let t = Float(time)
    var yaw: Float = 0
    var pitch: Float = 0.08
    var roll: Float = 0
    switch kind {
    case .flight, .hud:
      yaw = 0.28 * sine(0.8 * t + path[8] * 3)
      roll = 0.05 * sine(1.1 * t + path[9])
    case .turn:
      yaw = path[10] * 3 + (path[11] > 0 ? 1 : -1) * (1.05 * t + 0.2 * sine(3 * t))
      pitch += 0.1 * sine(1.3 * t)
    case .strafe: yaw = 0.1 * sine(0.6 * t)
    case .particles: yaw = 0.12 * sine(0.7 * t + path[12])
    case .movers: yaw = -(0.25 * t + path[6] * 3)
    case .walk:
      yaw = 0.3 * sine(0.6 * t + path[13] * 3) + 0.008 * jolt(t, 1)
      pitch += 0.01 * jolt(t, 2) + 0.006 * sine(4.2 * Float.pi * t)
      roll = 0.004 * jolt(t, 3)
    }
    return rotation(axis: 2, roll) * rotation(axis: 0, pitch) * rotation(axis: 1, yaw)
      * translation(-eye(at: time))
  }

  static func projection(aspect: Double) -> Matrix4 {
    let (near, far, f) = (0.1, 400.0, 1.7)
    return Matrix4(
      rows: [f / aspect, 0, 0, 0], [0, -f, 0, 0],
      [0, 0, far / (near - far), near * far / (near - far)], [0, 0, -1, 0])
  }

  // MARK: - Rendering

  /// Clip-space matrices of all objects at a time, in seconds.
  func transforms(at time: Double, aspect: Double) -> [Matrix4] {
    let viewProjection = Self.projection(aspect: aspect) * view(at: time)
    let count = Int(bodies.map(\.object).max() ?? 0) + 1
    var result = [Matrix4](repeating: viewProjection, count: count)
    for body in bodies where body.object > 0 {
      result[Int(body.object)] = viewProjection * body.model(time)
    }
    return result
  }

  /// Depth and objects alone, drawn with any matrices: what a node replays for an instant whose pixels
  /// nobody has.
  func geometry(_ objects: [SceneObject], width: Int, height: Int) -> InterimSideData {
    let canvas = Canvas(width: width, height: height)
    let light = Light(sun: sun, eye: .zero, haze: haze, sight: 120, sky: sky)
    for body in bodies {
      guard let transform = objects[Int(body.object)].transform else { continue }
      canvas.draw(
        body.mesh, model: .identity, viewProjection: transform,
        material: hasHoles(body) ? body.material : nil, object: body.object, light: light)
    }
    return canvas.sideData(objects)
  }

  /// Whether a body's texture leaves parts of it out, for which depth alone needs the texture too.
  private func hasHoles(_ body: Body) -> Bool { kind == .strafe }

  func frame(at time: Double, width: Int, height: Int) -> Frame {
    let aspect = Double(width) / Double(height)
    let viewProjection = Self.projection(aspect: aspect) * view(at: time)
    let canvas = Canvas(width: width, height: height)
    let light = Light(sun: sun, eye: eye(at: time), haze: haze, sight: 90, sky: sky)
    for body in bodies {
      canvas.draw(
        body.mesh, model: body.model(time), viewProjection: viewProjection,
        material: body.material, object: body.object, light: light)
    }
    drawPuffs(on: canvas, at: Float(time), viewProjection)
    let world = canvas.picture()
    let hud = heads(at: time, width: width, height: height)
    let shown = canvas.picture()
    hud?.composite(onto: shown)
    shown.extendBorders()
    let objects = transforms(at: time, aspect: aspect).enumerated().map {
      SceneObject(identity: UInt64($0.offset), transform: $0.element)
    }
    return Frame(shown: shown, world: world, overlay: hud, side: canvas.sideData(objects))
  }

  private func drawPuffs(on canvas: Canvas, at t: Float, _ viewProjection: Matrix4) {
    var living: [(depth: Double, draw: () -> Void)] = []
    for puff in puffs {
      let age = puff.life == 0 ? 0 : (t / puff.life + puff.phase).truncatingRemainder(dividingBy: 1)
      let seconds = age * puff.life
      var p = puff.start + puff.velocity * seconds
      if puff.adds { p.y -= 4.9 * seconds * seconds }
      var colour = puff.colour
      colour.w *= puff.life == 0 ? 1 : min(1, 4 * age) * (1 - age)
      let radius = puff.radius * (puff.adds || puff.life == 0 ? 1 : 0.6 + age)
      let depth = (viewProjection * SIMD4<Double>(SIMD4(p, 1))).w
      living.append(
        (
          depth,
          { [grain] in
            canvas.blend(
              at: p, radius: radius, colour: colour, adds: puff.adds, grain: grain,
              viewProjection: viewProjection, size: 1.7 * Float(canvas.height) / 2)
          }
        ))
    }
    for puff in living.sorted(by: { $0.depth > $1.depth }) { puff.draw() }
  }

  private func heads(at time: Double, width: Int, height: Int) -> Overlay? {
    guard kind == .hud || kind == .flight else { return nil }
    let hud = HeadsUp(width: width, height: height)
    let t = Float(time)
    hud.crossHair()
    hud.text("\(names[0]) \(Int(4000 + time * 137))", x: 0.03, y: 0.04)
    if kind == .hud {
      hud.text("AMMO \(99 - Int(time * 11) % 90) / 240", x: 0.74, y: 0.90)
      hud.text("\(names[1]) IS AT \(names[2])", x: 0.03, y: 0.10)
      hud.text("\(names[3]) \(Int(time * 10) % 100) M", x: 0.43, y: 0.06)
      hud.bar(0.5 + 0.4 * sine(t), x: 0.03, y: 0.92)
      hud.map(
        dots: (0..<6).map { [sine(t + Float($0)) * 0.7, cosine(0.7 * t + Float(2 * $0)) * 0.7] })
    }
    return hud.overlay()
  }
}
