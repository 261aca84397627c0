import CPlatform
import GLWire

// OpenGL 4.6 (compatibility), 12.1.1: the matrix stacks, so that glGet* of a matrix is answered here.
// The arithmetic is the specification's, in single precision, in the order in which a column-major
// product is written down.

/// What a display list does to what is kept here, one word each and its operands as bits.
enum MatrixOp {
  static var mode: UInt32 { 0 }
  static var identity: UInt32 { 1 }
  static var load: UInt32 { 2 }
  static var multiply: UInt32 { 3 }
  static var translate: UInt32 { 4 }
  static var scale: UInt32 { 5 }
  static var rotate: UInt32 { 6 }
  static var ortho: UInt32 { 7 }
  static var frustum: UInt32 { 8 }
  static var push: UInt32 { 9 }
  static var pop: UInt32 { 10 }
  static var activeTexture: UInt32 { 11 }
  static var call: UInt32 { 12 }
  static var pushAttributes: UInt32 { 13 }
  static var popAttributes: UInt32 { 14 }
  static var listBase: UInt32 { 15 }
  /// Of a list whose name counts from the list base as it was at the last `takeBase`: lists that are
  /// called together count from the same, whatever they do to it.
  static var callFromBase: UInt32 { 16 }
  static var takeBase: UInt32 { 17 }
  /// What is between Begin and End.
  static var begin: UInt32 { 18 }
  static var end: UInt32 { 19 }
  /// glBindTexture.
  static var bindTexture: UInt32 { 20 }
  /// `StateGroup`s that may have changed.
  static var forget: UInt32 { 21 }
  /// glEnable or glDisable: the capability and whether it is on.
  static var capability: UInt32 { 22 }
  /// A value of glGet* and one number of it, or four.
  static var state: UInt32 { 23 }
  static var state4: UInt32 { 24 }
  /// The current color.
  static var color: UInt32 { 25 }
  /// glPolygonMode.
  static var polygonMode: UInt32 { 26 }
  /// Until `reselect`, operations mean the matrices of a mode, and of a texture unit where the mode is a unit.
  static var select: UInt32 { 27 }
  static var reselect: UInt32 { 28 }
  /// A texture and the target that a command of GL_EXT_direct_state_access names it with.
  static var nameTexture: UInt32 { 29 }

  static func operandCount(_ op: UInt32) -> Int {
    switch op {
    case load, multiply: 16
    case translate, scale: 3
    case rotate, color: 4
    case bindTexture, nameTexture, capability, state, polygonMode: 2
    case state4: 5
    case ortho, frustum: 6
    case mode, select, activeTexture, call, callFromBase, pushAttributes, listBase, forget: 1
    default: 0
    }
  }
}

/// One matrix stack.
struct MatrixStack {
  /// `limit` matrices of 16, column-major.
  fileprivate var matrices: UnsafeMutablePointer<Float>?
  fileprivate(set) var depth = 0
  fileprivate var limit = 0
  /// What is on top is what the driver has there.
  fileprivate(set) var isKnown = true
  /// How many lie below is known too.
  fileprivate(set) var isDepthKnown = true

  /// The topmost matrix; nil without memory.
  var top: UnsafeMutablePointer<Float>? { matrices.map { $0 + depth &* 16 } }
}

/// What glPushAttrib saves of it.
private struct SavedState {
  var mask: UInt32 = 0
  var mode: UInt32 = 0
  var unit: UInt32 = 0
  var listBase: UInt32 = 0
  /// Something was pushed and popped on top of it.
  var hasNested = false
  /// A copy of what was remembered (`StateCache.save`), and whether it is of this push.
  var copy: UnsafeMutableRawPointer?
  var hasCopy = false
}

/// The matrix stacks of a context, and the state that says which of them a command means.
struct Matrices {
  private let stacks: UnsafeMutablePointer<MatrixStack>
  private(set) var mode = GL.MODELVIEW
  private(set) var activeTexture: UInt32 = 0
  private var isModeKnown = true
  private var isUnitKnown = true
  /// Texture matrices are asked for.
  private var areTexturesInDoubt = false
  /// What `select` has put aside.
  private var selected: (mode: UInt32, isModeKnown: Bool, unit: UInt32)?
  private(set) var listBase: UInt32 = 0
  private let saved: UnsafeMutablePointer<SavedState>
  private(set) var savedCount = 0

  static var units: Int { 8 }
  private static var count: Int { 2 &+ units }
  private static var deepest: Int { 64 }
  private static var mostSaved: Int { 16 }

  init?() {
    guard let raw = platform_calloc(Matrices.count, MemoryLayout<MatrixStack>.stride),
      let list = platform_calloc(Matrices.mostSaved, MemoryLayout<SavedState>.stride)
    else { return nil }
    stacks = raw.bindMemory(to: MatrixStack.self, capacity: Matrices.count)
    stacks.initialize(repeating: MatrixStack(), count: Matrices.count)
    saved = list.bindMemory(to: SavedState.self, capacity: Matrices.mostSaved)
  }

  func free() {
    var i = 0
    while i < Matrices.count {
      platform_free(stacks[i].matrices)
      i &+= 1
    }
    platform_free(stacks)
    i = 0
    while i < Matrices.mostSaved {
      platform_free(saved[i].copy)
      i &+= 1
    }
    platform_free(saved)
  }

  /// GL_MATRIX_MODE; nil when a list has been called of which nothing is known.
  var knownMode: UInt32? { isModeKnown ? mode : nil }
  /// GL_ACTIVE_TEXTURE's unit; nil as above.
  var knownUnit: UInt32? { isUnitKnown ? activeTexture : nil }

  /// The stack of a mode; nil for one that is not kept.
  private func stack(_ mode: UInt32) -> UnsafeMutablePointer<MatrixStack>? {
    guard isModeKnown else { return nil }
    switch mode {
    case GL.MODELVIEW: return stacks
    case GL.PROJECTION: return stacks + 1
    case GL.TEXTURE:
      return Int(activeTexture) < Matrices.units ? stacks + 2 + Int(activeTexture) : nil
    default: return nil
    }
  }

  /// The top of a mode's stack, when it is known.
  func top(_ mode: UInt32) -> UnsafePointer<Float>? {
    guard mode != GL.TEXTURE || !areTexturesInDoubt else { return nil }
    guard let stack = stack(mode), stack.pointee.isKnown, Matrices.prepare(stack) else {
      return nil
    }
    return UnsafePointer(stack.pointee.top)
  }

  /// How many matrices are on a mode's stack, when it is known.
  func depth(_ mode: UInt32) -> Int? {
    guard let stack = stack(mode), stack.pointee.isDepthKnown else { return nil }
    return stack.pointee.depth &+ 1
  }

  /// Says how many matrices fit on a mode's stacks.
  mutating func setLimit(_ mode: UInt32, _ limit: Int) {
    let limit = max(min(limit, Matrices.deepest), 1)
    switch mode {
    case GL.MODELVIEW: stacks[0].limit = limit
    case GL.PROJECTION: stacks[1].limit = limit
    default:
      var i = 2
      while i < Matrices.count {
        stacks[i].limit = limit
        i &+= 1
      }
    }
  }

  private static func prepare(_ stack: UnsafeMutablePointer<MatrixStack>) -> Bool {
    if stack.pointee.matrices != nil { return true }
    if stack.pointee.limit == 0 { stack.pointee.limit = 2 }
    guard let raw = platform_calloc(stack.pointee.limit &* 16, 4) else { return false }
    let matrices = raw.bindMemory(to: Float.self, capacity: stack.pointee.limit &* 16)
    stack.pointee.matrices = matrices
    setIdentity(matrices)
    return true
  }

  /// Nothing is known any more, until matrices are loaded.
  mutating func forget() {
    forgetMode()
    isUnitKnown = false
    areTexturesInDoubt = true
    savedCount = 0
  }

  /// Until the mode is set, any stack may be the current one.
  private mutating func forgetMode() {
    var i = 0
    while i < Matrices.count {
      stacks[i].isKnown = false
      stacks[i].isDepthKnown = false
      i &+= 1
    }
    isModeKnown = false
  }

  /// Room for a copy of what is remembered, for the push that came last; nil without one, or memory.
  func roomForCopy(_ size: Int) -> UnsafeMutableRawPointer? {
    guard savedCount > 0 else { return nil }
    let top = saved + (savedCount &- 1)
    if top.pointee.copy == nil { top.pointee.copy = platform_malloc(size) }
    top.pointee.hasCopy = top.pointee.copy != nil
    return top.pointee.copy
  }

  /// What the next pop takes back, and the copy of what was remembered then; nil when nothing is known
  /// of it.
  var nextPop: (mask: UInt32, copy: UnsafeRawPointer?)? {
    guard savedCount > 0 else { return nil }
    let top = saved[savedCount &- 1]
    // See popAttributes.
    let isSure = top.hasCopy && !top.hasNested
    return (top.mask, isSure ? top.copy.map { UnsafeRawPointer($0) } : nil)
  }

  // MARK: Commands

  /// Does what a command does; `operands` are as many as `MatrixOp` says.
  mutating func apply(_ op: UInt32, _ operands: UnsafePointer<Float>) {
    switch op {
    case MatrixOp.mode: setMode(operands[0].bitPattern)
    case MatrixOp.activeTexture: setUnit(operands[0].bitPattern)
    case MatrixOp.select: select(operands[0].bitPattern)
    case MatrixOp.reselect: reselect()
    case MatrixOp.listBase: listBase = operands[0].bitPattern
    case MatrixOp.pushAttributes: push(operands[0].bitPattern)
    case MatrixOp.popAttributes: popAttributes()
    default:
      guard let stack = stack(mode), Matrices.prepare(stack), let top = stack.pointee.top else {
        return
      }
      Matrices.apply(op, operands, stack, top)
    }
  }

  private mutating func setMode(_ mode: UInt32) {
    switch mode {
    case GL.MODELVIEW, GL.PROJECTION, GL.TEXTURE, GL.COLOR, GL.MATRIX0_ARB...GL.MATRIX31_ARB:
      self.mode = mode
      isModeKnown = true
    default: break
    }
  }

  private mutating func setUnit(_ unit: UInt32) {
    guard unit &- GL.TEXTURE0 < 192 else { return }
    activeTexture = unit &- GL.TEXTURE0
    isUnitKnown = true
  }

  /// GL_EXT_direct_state_access: a matrix mode, or a texture unit for its matrices.
  private mutating func select(_ mode: UInt32) {
    selected = (self.mode, isModeKnown, activeTexture)
    isModeKnown = true
    if mode &- GL.TEXTURE0 < 192 {
      self.mode = GL.TEXTURE
      activeTexture = mode &- GL.TEXTURE0
    } else {
      self.mode = mode
    }
  }

  private mutating func reselect() {
    guard let selected else { return }
    (mode, isModeKnown, activeTexture) = selected
    self.selected = nil
  }

  private mutating func push(_ mask: UInt32) {
    guard savedCount < Matrices.mostSaved else { return }
    saved[savedCount] = SavedState(
      mask: mask, mode: mode, unit: activeTexture, listBase: listBase,
      copy: saved[savedCount].copy)
    savedCount &+= 1
  }

  private mutating func popAttributes() {
    guard savedCount > 0 else { return }
    savedCount &-= 1
    let entry = saved[savedCount]
    if savedCount > 0 { saved[savedCount &- 1].hasNested = true }
    if entry.mask & GL.TRANSFORM_BIT != 0, mode != entry.mode {
      // Mesa 22.3 forgets what has changed when an inner pair ends, and takes nothing back then.
      if entry.hasNested { forgetMode() } else { mode = entry.mode }
    }
    if entry.mask & GL.TEXTURE_BIT != 0 {
      // Drivers do not agree on whose matrix commands change after this.
      areTexturesInDoubt = true
      activeTexture = entry.unit
    }
    if entry.mask & GL.LIST_BIT != 0 { listBase = entry.listBase }
  }

  private static func apply(
    _ op: UInt32, _ v: UnsafePointer<Float>, _ stack: UnsafeMutablePointer<MatrixStack>,
    _ m: UnsafeMutablePointer<Float>
  ) {
    switch op {
    case MatrixOp.identity:
      setIdentity(m)
      stack.pointee.isKnown = true
    case MatrixOp.load:
      platform_copy(m, v, 64)
      stack.pointee.isKnown = true
    case MatrixOp.multiply: multiply(m, v)
    case MatrixOp.translate:
      var i = 0
      while i < 4 {
        m[12 &+ i] = m[i] * v[0] + m[4 &+ i] * v[1] + m[8 &+ i] * v[2] + m[12 &+ i]
        i &+= 1
      }
    case MatrixOp.scale:
      var i = 0
      while i < 4 {
        m[i] *= v[0]
        m[4 &+ i] *= v[1]
        m[8 &+ i] *= v[2]
        i &+= 1
      }
    case MatrixOp.rotate: rotate(m, v)
    case MatrixOp.ortho: ortho(m, v)
    case MatrixOp.frustum: frustum(m, v)
    case MatrixOp.push:
      guard stack.pointee.depth &+ 1 < stack.pointee.limit else {
        // The driver may have room where we have none.
        if !stack.pointee.isDepthKnown { stack.pointee.isKnown = false }
        return
      }
      platform_copy(m + 16, m, 64)
      stack.pointee.depth &+= 1
    case MatrixOp.pop:
      if stack.pointee.depth > 0 {
        stack.pointee.depth &-= 1
      } else if !stack.pointee.isDepthKnown {
        stack.pointee.isKnown = false
      }
    default: break
    }
  }

  private static func setIdentity(_ m: UnsafeMutablePointer<Float>) {
    platform_zero(m, 64)
    m[0] = 1
    m[5] = 1
    m[10] = 1
    m[15] = 1
  }

  /// m = m · b.
  private static func multiply(_ m: UnsafeMutablePointer<Float>, _ b: UnsafePointer<Float>) {
    var row = 0
    while row < 4 {
      let (a0, a1, a2, a3) = (m[row], m[4 &+ row], m[8 &+ row], m[12 &+ row])
      var column = 0
      while column < 16 {
        m[column &+ row] =
          a0 * b[column] + a1 * b[column &+ 1] + a2 * b[column &+ 2] + a3 * b[column &+ 3]
        column &+= 4
      }
      row &+= 1
    }
  }

  private static func withMatrix(_ body: (UnsafeMutablePointer<Float>) -> Void) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 16) {
      guard let m = $0.baseAddress else { return }
      setIdentity(m)
      body(m)
    }
  }

  /// v: angle in degrees, x, y, z.
  private static func rotate(_ m: UnsafeMutablePointer<Float>, _ v: UnsafePointer<Float>) {
    let angle = Float(Double(v[0]) * Double.pi / 180)
    let (s, c) = (platform_sin(angle), platform_cos(angle))
    var (x, y, z) = (v[1], v[2], v[3])
    withMatrix { r in
      // About an axis of the coordinate system nothing but the sine and the cosine comes in.
      if x == 0, y == 0, z != 0 {
        r[0] = c
        r[5] = c
        r[1] = z < 0 ? -s : s
        r[4] = z < 0 ? s : -s
      } else if x == 0, z == 0, y != 0 {
        r[0] = c
        r[10] = c
        r[2] = y < 0 ? s : -s
        r[8] = y < 0 ? -s : s
      } else if y == 0, z == 0, x != 0 {
        r[5] = c
        r[10] = c
        r[6] = x < 0 ? -s : s
        r[9] = x < 0 ? s : -s
      } else {
        let length = (x * x + y * y + z * z).squareRoot()
        // Such a vector has no direction; the driver lets it be.
        guard length > 1.0e-4 else { return }
        x /= length
        y /= length
        z /= length
        let (xs, ys, zs) = (x * s, y * s, z * s)
        let (xy, yz, zx) = (x * y, y * z, z * x)
        let rest = 1 - c
        r[0] = rest * (x * x) + c
        r[4] = rest * xy - zs
        r[8] = rest * zx + ys
        r[1] = rest * xy + zs
        r[5] = rest * (y * y) + c
        r[9] = rest * yz - xs
        r[2] = rest * zx - ys
        r[6] = rest * yz + xs
        r[10] = rest * (z * z) + c
      }
      multiply(m, r)
    }
  }

  /// v: left, right, bottom, top, near, far.
  private static func ortho(_ m: UnsafeMutablePointer<Float>, _ v: UnsafePointer<Float>) {
    guard v[0] != v[1], v[2] != v[3], v[4] != v[5] else { return }
    withMatrix { r in
      r[0] = 2 / (v[1] - v[0])
      r[12] = -(v[1] + v[0]) / (v[1] - v[0])
      r[5] = 2 / (v[3] - v[2])
      r[13] = -(v[3] + v[2]) / (v[3] - v[2])
      r[10] = -2 / (v[5] - v[4])
      r[14] = -(v[5] + v[4]) / (v[5] - v[4])
      multiply(m, r)
    }
  }

  private static func frustum(_ m: UnsafeMutablePointer<Float>, _ v: UnsafePointer<Float>) {
    guard v[4] > 0, v[5] > 0, v[0] != v[1], v[2] != v[3], v[4] != v[5] else { return }
    withMatrix { r in
      r[0] = 2 * v[4] / (v[1] - v[0])
      r[8] = (v[1] + v[0]) / (v[1] - v[0])
      r[5] = 2 * v[4] / (v[3] - v[2])
      r[9] = (v[3] + v[2]) / (v[3] - v[2])
      r[10] = -(v[5] + v[4]) / (v[5] - v[4])
      r[11] = -1
      r[14] = -(2 * v[5] * v[4]) / (v[5] - v[4])
      r[15] = 0
      multiply(m, r)
    }
  }
}

// MARK: Lists

/// Red, green, blue and alpha.
typealias CurrentColor = (Float, Float, Float, Float)

/// What a display list does to the state that the client keeps, in its order.
struct ListEffect {
  /// `MatrixOp`s.
  var ops: UnsafeMutablePointer<UInt32>?
  var count = 0
  fileprivate var capacity = 0
  /// It does more than is kept.
  var isTooLong = false

  private static var most: Int { 64 << 10 }

  /// The place of the last operation; -1 for none.
  private var last = -1
  /// The color that is current at the end, unless what comes first was said already: colors are many.
  var color: CurrentColor?

  /// Begin or End: pairs of them are one end, however many there are.
  mutating func addBeginOrEnd(_ op: UInt32) {
    if op == MatrixOp.end, last >= 0, let ops {
      if ops[last] == MatrixOp.begin { ops[last] = MatrixOp.end }
      if ops[last] == MatrixOp.end { return }
    }
    var nothing: Float = 0
    add(op, &nothing)
  }

  /// Groups that commands without an operation of their own may have changed.
  mutating func addForget(_ groups: UInt32) {
    if groups & StateGroup.color != 0 { color = nil }
    if last >= 0, let ops, ops[last] == MatrixOp.forget {
      ops[last &+ 1] |= groups
      return
    }
    add(MatrixOp.forget, of: groups)
  }

  /// The same with operands that are words, one after the other.
  mutating func add<Operands>(_ op: UInt32, of operands: Operands) {
    withUnsafeBytes(of: operands) {
      guard let start = $0.baseAddress else { return }
      add(op, start.assumingMemoryBound(to: Float.self))
    }
  }

  /// The color that is kept back becomes an operation.
  mutating func addColor() {
    guard let color else { return }
    self.color = nil
    add(MatrixOp.color, of: color)
  }

  mutating func add(_ op: UInt32, _ operands: UnsafePointer<Float>) {
    switch op {
    case MatrixOp.call, MatrixOp.callFromBase, MatrixOp.pushAttributes, MatrixOp.popAttributes:
      addColor()
    default: break
    }
    let wanted = count &+ 1 &+ MatrixOp.operandCount(op)
    if wanted > capacity {
      guard wanted <= ListEffect.most, !isTooLong else {
        isTooLong = true
        return
      }
      let size = max(capacity &* 2, 64)
      guard let raw = platform_realloc(ops, size &* 4) else {
        isTooLong = true
        return
      }
      ops = raw.bindMemory(to: UInt32.self, capacity: size)
      capacity = size
    }
    ops?[count] = op
    last = count
    var i = 0
    while i < MatrixOp.operandCount(op) {
      ops?[count &+ 1 &+ i] = operands[i].bitPattern
      i &+= 1
    }
    count = wanted
  }
}

/// The effects of a share group's lists by name. Guarded by the group's lock.
struct ListEffects {
  private var effects: UnsafeMutablePointer<ListEffect>?
  private var capacity = 0

  static var most: Int { 1 << 20 }

  func effect(_ list: UInt32) -> ListEffect {
    guard Int(list) < capacity, let effects else { return ListEffect() }
    return effects[Int(list)]
  }

  mutating func keep(_ list: UInt32, _ effect: ListEffect) {
    guard Int(list) < ListEffects.most else { return platform_free(effect.ops) }
    if Int(list) >= capacity {
      var wanted = max(capacity &* 2, 64)
      while wanted <= Int(list) { wanted &*= 2 }
      guard let raw = platform_calloc(wanted, MemoryLayout<ListEffect>.stride) else {
        return platform_free(effect.ops)
      }
      let grown = raw.bindMemory(to: ListEffect.self, capacity: wanted)
      if let effects {
        platform_copy(grown, effects, capacity &* MemoryLayout<ListEffect>.stride)
        platform_free(effects)
      }
      effects = grown
      capacity = wanted
    }
    platform_free(effects?[Int(list)].ops)
    effects?[Int(list)] = effect
  }

  mutating func forget(_ list: UInt32) {
    guard Int(list) < capacity, let effects else { return }
    platform_free(effects[Int(list)].ops)
    effects[Int(list)] = ListEffect()
  }

  func free() {
    var i = 0
    while i < capacity {
      platform_free(effects?[i].ops)
      i &+= 1
    }
    platform_free(effects)
  }
}
