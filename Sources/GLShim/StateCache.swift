import CPlatform
import Client
import GLWire
import Ring
import Wire

// OpenGL 4.6, chapter 22: values of glGet* that the node has said once, or that a command has set. A
// command says which groups of state it may change (`Rules/gl-state.txt`); what is remembered of those is
// forgotten before the next question.

/// Groups of state, a bit each: those of `Rules/gl-state.txt`.
enum StateGroup {
  static var enable: UInt32 { 1 << 0 }
  static var viewport: UInt32 { 1 << 1 }
  static var blend: UInt32 { 1 << 2 }
  static var depth: UInt32 { 1 << 3 }
  static var polygon: UInt32 { 1 << 4 }
  static var texture: UInt32 { 1 << 5 }
  static var framebuffer: UInt32 { 1 << 6 }
  static var program: UInt32 { 1 << 7 }
  static var vertex: UInt32 { 1 << 8 }
  /// Which texture unit is meant, and what of it is not below.
  static var unit: UInt32 { 1 << 9 }
  /// Texture environments.
  static var environment: UInt32 { 1 << 10 }
  /// Sizes and formats of the images that textures and renderbuffers have, for all of the share group.
  static var storage: UInt32 { 1 << 11 }
  /// What framebuffer objects have attached.
  static var attachments: UInt32 { 1 << 12 }
  /// The current color.
  static var color: UInt32 { 1 << 13 }
  /// How the faces of polygons are drawn, and which are not.
  static var face: UInt32 { 1 << 14 }
  static var all: UInt32 { 0xFFFF_FFFF }

  /// The group of a value that may be remembered; 0 for all others.
  static func of(_ pname: UInt32) -> UInt32 {
    switch pname {
    case GL.BLEND, GL.DEPTH_TEST, GL.CULL_FACE, GL.SCISSOR_TEST, GL.STENCIL_TEST, GL.DITHER,
      GL.ALPHA_TEST, GL.LIGHTING, GL.FOG, GL.NORMALIZE, GL.RESCALE_NORMAL, GL.COLOR_MATERIAL,
      GL.LINE_SMOOTH, GL.POLYGON_SMOOTH, GL.POINT_SMOOTH, GL.POLYGON_OFFSET_FILL,
      GL.POLYGON_OFFSET_LINE, GL.POLYGON_OFFSET_POINT, GL.LINE_STIPPLE, GL.POLYGON_STIPPLE,
      GL.COLOR_LOGIC_OP, GL.INDEX_LOGIC_OP, GL.MULTISAMPLE, GL.SAMPLE_ALPHA_TO_COVERAGE,
      GL.SAMPLE_COVERAGE, GL.SAMPLE_MASK, GL.SAMPLE_SHADING, GL.FRAMEBUFFER_SRGB,
      GL.PROGRAM_POINT_SIZE, GL.DEPTH_CLAMP, GL.RASTERIZER_DISCARD, GL.PRIMITIVE_RESTART,
      GL.TEXTURE_CUBE_MAP_SEAMLESS, GL.POINT_SPRITE, GL.COLOR_SUM, GL.AUTO_NORMAL:
      enable
    case GL.LIGHT0...(GL.LIGHT0 + 7), GL.CLIP_DISTANCE0...(GL.CLIP_DISTANCE0 + 7): enable
    // Of one texture unit.
    case GL.TEXTURE_1D, GL.TEXTURE_2D, GL.TEXTURE_3D, GL.TEXTURE_CUBE_MAP, GL.TEXTURE_RECTANGLE,
      GL.TEXTURE_GEN_S, GL.TEXTURE_GEN_T, GL.TEXTURE_GEN_R, GL.TEXTURE_GEN_Q:
      enable | unit
    case GL.VIEWPORT, GL.SCISSOR_BOX, GL.DEPTH_RANGE: viewport
    case GL.BLEND_SRC, GL.BLEND_DST, GL.BLEND_SRC_RGB, GL.BLEND_DST_RGB, GL.BLEND_SRC_ALPHA,
      GL.BLEND_DST_ALPHA, GL.BLEND_EQUATION_RGB, GL.BLEND_EQUATION_ALPHA, GL.BLEND_COLOR,
      GL.COLOR_WRITEMASK, GL.COLOR_CLEAR_VALUE, GL.ALPHA_TEST_FUNC, GL.ALPHA_TEST_REF,
      GL.LOGIC_OP_MODE:
      blend
    case GL.DEPTH_FUNC, GL.DEPTH_WRITEMASK, GL.DEPTH_CLEAR_VALUE, GL.STENCIL_FUNC,
      GL.STENCIL_REF, GL.STENCIL_VALUE_MASK, GL.STENCIL_WRITEMASK, GL.STENCIL_FAIL,
      GL.STENCIL_PASS_DEPTH_FAIL, GL.STENCIL_PASS_DEPTH_PASS, GL.STENCIL_BACK_FUNC,
      GL.STENCIL_BACK_REF, GL.STENCIL_BACK_VALUE_MASK, GL.STENCIL_BACK_WRITEMASK,
      GL.STENCIL_BACK_FAIL, GL.STENCIL_BACK_PASS_DEPTH_FAIL, GL.STENCIL_BACK_PASS_DEPTH_PASS,
      GL.STENCIL_CLEAR_VALUE:
      depth
    case GL.POLYGON_MODE, GL.CULL_FACE_MODE, GL.FRONT_FACE: face
    case GL.SHADE_MODEL, GL.LINE_WIDTH, GL.POINT_SIZE, GL.POLYGON_OFFSET_FACTOR,
      GL.POLYGON_OFFSET_UNITS:
      polygon
    case GL.SAMPLER_BINDING: unit
    case GL.DRAW_FRAMEBUFFER_BINDING, GL.READ_FRAMEBUFFER_BINDING, GL.RENDERBUFFER_BINDING,
      GL.DRAW_BUFFER, GL.READ_BUFFER:
      framebuffer
    case GL.CURRENT_PROGRAM, GL.PROGRAM_PIPELINE_BINDING: program
    case GL.UNIFORM_BUFFER_BINDING, GL.SHADER_STORAGE_BUFFER_BINDING,
      GL.TRANSFORM_FEEDBACK_BUFFER_BINDING, GL.DRAW_INDIRECT_BUFFER_BINDING,
      GL.COPY_READ_BUFFER_BINDING, GL.COPY_WRITE_BUFFER_BINDING:
      vertex
    default: 0
    }
  }
}

/// What glPopAttrib takes back (OpenGL 4.6, compatibility, table 21.1 ff.).
extension StateGroup {
  /// Groups of which a mask has anything.
  static func popped(_ mask: UInt32) -> UInt32 {
    var groups: UInt32 = 0
    if mask & GL.ENABLE_BIT != 0 { groups |= enable }
    if mask & GL.VIEWPORT_BIT != 0 { groups |= viewport }
    if mask & GL.SCISSOR_BIT != 0 { groups |= viewport | enable }
    if mask & GL.COLOR_BUFFER_BIT != 0 { groups |= blend | enable | framebuffer }
    if mask & (GL.DEPTH_BUFFER_BIT | GL.STENCIL_BUFFER_BIT) != 0 { groups |= depth | enable }
    if mask & (GL.POLYGON_BIT | GL.LINE_BIT | GL.POINT_BIT | GL.LIGHTING_BIT) != 0 {
      groups |= polygon | enable
    }
    if mask & GL.POLYGON_BIT != 0 { groups |= face }
    // Mesa 22.3 does not always take back the current color: it is asked for.
    if mask & GL.CURRENT_BIT != 0 { groups |= color }
    if mask & GL.TEXTURE_BIT != 0 { groups |= texture | unit | environment | enable }
    if mask & (GL.TRANSFORM_BIT | GL.FOG_BIT | GL.EVAL_BIT | GL.MULTISAMPLE_BIT) != 0 {
      groups |= enable
    }
    if mask & GL.PIXEL_MODE_BIT != 0 { groups |= framebuffer }
    return groups
  }

  /// Groups of which a mask has everything, so that they are as they were when it was pushed.
  static func poppedWhole(_ mask: UInt32) -> UInt32 {
    func has(_ bits: UInt32) -> Bool { mask & bits == bits }
    var groups: UInt32 = 0
    if has(GL.ENABLE_BIT) { groups |= enable }
    if has(GL.VIEWPORT_BIT | GL.SCISSOR_BIT) { groups |= viewport }
    if has(GL.COLOR_BUFFER_BIT) { groups |= blend }
    if has(GL.DEPTH_BUFFER_BIT | GL.STENCIL_BUFFER_BIT) { groups |= depth }
    if has(GL.POLYGON_BIT) { groups |= face }
    if has(GL.POLYGON_BIT | GL.LINE_BIT | GL.POINT_BIT | GL.LIGHTING_BIT) { groups |= polygon }
    return groups
  }
}

/// How a remembered value was asked for.
enum StateType: UInt32 {
  case boolean = 1
  case integer, integer64, float, double, fixed

  var size: Int {
    switch self {
    case .boolean: 1
    case .integer, .float, .fixed: 4
    case .integer64, .double: 8
    }
  }
}

/// A remembered value.
private struct StateEntry {
  var pname: UInt32 = 0
  var type: UInt32 = 0
  /// Numbers of it; 0 for an entry that is free.
  var count: UInt32 = 0
  /// Whole numbers of which every other type can be made.
  var isWhole = false
  var group: UInt32 = 0
  /// `StateCache.age` of its groups when it was remembered.
  var age: UInt64 = 0
  var numbers: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  static var most: Int { 4 }
}

/// What is remembered, in as many places as there are: a few for all values of which names say the same set.
struct StateCache {
  private let entries: UnsafeMutablePointer<StateEntry>
  /// How often each group was forgotten.
  private let ages: UnsafeMutablePointer<UInt64>
  /// Nothing is remembered for programs that never ask.
  var isAsked = false
  private static var size: Int { 256 }
  /// Places of a set.
  private static var ways: Int { 4 }
  private static var groups: Int { 15 }

  init?() {
    guard let entries = platform_calloc(StateCache.size, MemoryLayout<StateEntry>.stride),
      let ages = platform_calloc(StateCache.groups, 8)
    else { return nil }
    self.entries = entries.bindMemory(to: StateEntry.self, capacity: StateCache.size)
    self.ages = ages.bindMemory(to: UInt64.self, capacity: StateCache.groups)
  }

  func free() {
    platform_free(entries)
    platform_free(ages)
  }

  /// The set of a value, of whichever type.
  private func set(_ pname: UInt32) -> UnsafeMutablePointer<StateEntry> {
    entries + Int((pname &* 0x9E37_79B1) >> 26) &* StateCache.ways
  }

  /// The place for a new value: its own, one that is free, or the one that came first.
  private func place(_ pname: UInt32, _ type: UInt32) -> UnsafeMutablePointer<StateEntry> {
    let set = set(pname)
    var free: Int?
    var i = 0
    while i < StateCache.ways {
      let entry = set + i
      if entry.pointee.pname == pname, entry.pointee.type == type { return entry }
      if free == nil,
        entry.pointee.count == 0 || entry.pointee.age != age(entry.pointee.group)
      {
        free = i
      }
      i &+= 1
    }
    if let free { return set + free }
    i = StateCache.ways &- 1
    while i > 0 {
      set[i] = set[i &- 1]
      i &-= 1
    }
    return set
  }

  private func age(_ groups: UInt32) -> UInt64 {
    var sum: UInt64 = 0
    var left = groups & ((1 &<< UInt32(StateCache.groups)) &- 1)
    while left != 0 {
      sum &+= ages[left.trailingZeroBitCount]
      left &= left &- 1
    }
    return sum
  }

  /// Forgets what belongs to any of `groups`.
  func forget(_ groups: UInt32) {
    var left = groups & ((1 &<< UInt32(StateCache.groups)) &- 1)
    while left != 0 {
      ages[left.trailingZeroBitCount] &+= 1
      left &= left &- 1
    }
  }

  private func find(_ pname: UInt32, _ type: StateType) -> UnsafeMutablePointer<StateEntry>? {
    let set = set(pname)
    var i = 0
    while i < StateCache.ways {
      let known = set + i
      i &+= 1
      guard known.pointee.pname == pname, known.pointee.type == type.rawValue else { continue }
      return known.pointee.count > 0 && known.pointee.age == age(known.pointee.group) ? known : nil
    }
    return nil
  }

  /// Gives a value's numbers as the application wants them; false when they are not known.
  func copy(_ pname: UInt32, _ type: StateType, _ data: UnsafeMutableRawPointer) -> Bool {
    if let known = find(pname, type) {
      platform_copy(data, &known.pointee.numbers, Int(known.pointee.count) &* type.size)
      return true
    }
    guard type != .integer, let known = find(pname, .integer), known.pointee.isWhole else {
      return false
    }
    withUnsafeBytes(of: &known.pointee.numbers) { numbers in
      var i = 0
      while i < Int(known.pointee.count) {
        let value = numbers.load(fromByteOffset: i &* 4, as: Int32.self)
        let place = data + i &* type.size
        switch type {
        case .boolean: place.storeBytes(of: value == 0 ? 0 : 1, as: UInt8.self)
        case .integer: break
        case .fixed: place.storeBytes(of: value &<< 16, as: Int32.self)
        case .integer64: place.storeBytes(of: Int64(value), as: Int64.self)
        case .float: place.storeBytes(of: Float(value), as: Float.self)
        case .double: place.storeBytes(of: Double(value), as: Double.self)
        }
        i &+= 1
      }
    }
    return true
  }

  /// Forgets one value.
  func drop(_ pname: UInt32) {
    let set = set(pname)
    var i = 0
    while i < StateCache.ways {
      if set[i].pname == pname { set[i].count = 0 }
      i &+= 1
    }
  }

  /// Remembers a value as it was asked for, or, whole, as it is now.
  func keep(
    _ pname: UInt32, _ type: StateType, _ numbers: UnsafeRawPointer, _ count: Int, isWhole: Bool
  ) {
    let group = StateGroup.of(pname)
    guard group != 0, count > 0, count <= StateEntry.most else { return }
    if isWhole { drop(pname) }
    let known = place(pname, type.rawValue)
    known.pointee.pname = pname
    known.pointee.type = type.rawValue
    known.pointee.count = UInt32(count)
    known.pointee.isWhole = isWhole
    known.pointee.group = group
    known.pointee.age = age(group)
    platform_copy(&known.pointee.numbers, numbers, count &* type.size)
  }
}

extension StateCache {
  private static var entryBytes: Int { size &* MemoryLayout<StateEntry>.stride }
  /// Bytes of a copy of what is remembered.
  static var copyBytes: Int { entryBytes &+ groups &* 8 }

  func save(_ place: UnsafeMutableRawPointer) {
    platform_copy(place, entries, StateCache.entryBytes)
    platform_copy(place + StateCache.entryBytes, ages, StateCache.groups &* 8)
  }

  /// Remembers again what a copy has of `groups`.
  func restore(_ copy: UnsafeRawPointer, _ groups: UInt32) {
    let old = (copy + StateCache.entryBytes).assumingMemoryBound(to: UInt64.self)
    let saved = copy.assumingMemoryBound(to: StateEntry.self)
    var i = 0
    while i < StateCache.size {
      let entry = saved[i]
      i &+= 1
      guard entry.count > 0, entry.group & ~groups == 0 else { continue }
      var age: UInt64 = 0
      var left = entry.group
      while left != 0 {
        age &+= old[left.trailingZeroBitCount]
        left &= left &- 1
      }
      guard age == entry.age else { continue }
      let place = place(entry.pname, entry.type)
      place.pointee = entry
      place.pointee.age = self.age(entry.group)
    }
  }
}

extension UnsafeMutablePointer<ContextState> {
  /// Forgets what commands may have changed since the last time; a list that is being compiled
  /// remembers what it changes.
  func settle() {
    let touched = pointee.touched
    guard touched != 0 else { return }
    pointee.touched = 0
    let shadow = pointee.shadow
    // Some commands are carried out although a list is being compiled.
    if shadow.pointee.listMode != 0 { shadow.pointee.listEffect.addForget(touched) }
    forget(touched)
  }

  /// Forgets what belongs to any of `groups`.
  func forget(_ groups: UInt32) {
    let shadow = pointee.shadow
    shadow.pointee.state.forget(groups)
    if groups & StateGroup.texture != 0 { shadow.pointee.units.forgetBindings() }
    if groups & StateGroup.environment != 0 {
      shadow.pointee.units.forget(nil, TexturePlace.environment)
    }
    if groups & StateGroup.attachments != 0 { shadow.pointee.answers.forgetFramebuffers() }
    if groups & StateGroup.storage != 0 { pointee.share.pointee.noteStorage() }
    if groups & StateGroup.color != 0 { shadow.pointee.color = nil }
  }

  /// Says to the other contexts of the share group that images may have changed; with what is published.
  func settleStorage() {
    guard pointee.touched & StateGroup.storage != 0 else { return }
    pointee.touched &= ~StateGroup.storage
    let shadow = pointee.shadow
    if shadow.pointee.listMode != 0 { shadow.pointee.listEffect.addForget(StateGroup.storage) }
    pointee.share.pointee.noteStorage()
  }

  /// Puts a command that is not refused into the list that is being compiled. Whether it is carried out
  /// now, too.
  func records<Operands>(_ op: UInt32, of operands: Operands) -> Bool {
    let shadow = pointee.shadow
    guard !shadow.pointee.isInBegin else { return false }
    guard shadow.pointee.listMode != 0 else { return true }
    settle()
    shadow.pointee.listEffect.add(op, of: operands)
    return shadow.pointee.listMode != GL.COMPILE
  }

  /// Remembers what a command has set, now or when the list that is being compiled is called.
  func remember(_ pname: UInt32, _ a: Int32) {
    if records(MatrixOp.state, of: (pname, a)) { keep(pname, a) }
  }

  func remember(_ pname: UInt32, _ a: Int32, _ b: Int32, _ c: Int32, _ d: Int32) {
    if records(MatrixOp.state4, of: (pname, a, b, c, d)) { keep(pname, a, b, c, d) }
  }

  /// Remembers what a command has set that was carried out, if somebody asks.
  func keep(_ pname: UInt32, _ a: Int32) {
    let shadow = pointee.shadow
    guard shadow.pointee.state.isAsked else { return }
    settle()
    var value = a
    shadow.pointee.state.keep(pname, .integer, &value, 1, isWhole: true)
  }

  func keep(_ pname: UInt32, _ a: Int32, _ b: Int32, _ c: Int32, _ d: Int32) {
    let shadow = pointee.shadow
    guard shadow.pointee.state.isAsked else { return }
    settle()
    var values = (a, b, c, d)
    shadow.pointee.state.keep(pname, .integer, &values, 4, isWhole: true)
  }

  /// The first number of an implementation constant; nil when the context has none of that name.
  func limit(_ pname: UInt32) -> Double? {
    pointee.binding.facts?.pointee.numbers(of: pname)?.first
  }

  /// Whether the context has fixed function (OpenGL's compatibility profile, OpenGL ES 1).
  var hasFixedFunction: Bool {
    let request = pointee.request
    if request.api != 0 { return request.major == 1 }
    guard (request.major, request.minor) >= (3, 1) else { return true }
    // GL_CONTEXT_COMPATIBILITY_PROFILE_BIT.
    return (request.major, request.minor) >= (3, 2) && request.profileMask & 2 != 0
  }
}
