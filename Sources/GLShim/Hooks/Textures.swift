import CPlatform
import Client
import GLWire
import Ring
import Wire

// OpenGL 4.6, 8.22: proxy textures, by which programs find out what fits. GLU asks for every mipmap that it
// makes. What is far below the driver's limits, and in formats that every driver takes, is answered here.

/// The last image of a proxy that is sure to fit.
struct ProxyImage {
  var target: UInt32 = 0
  var level: Int32 = -1
  var width: Int32 = 0
  var height: Int32 = 0
  var depth: Int32 = 0
}

private func isPlain(_ internalformat: Int32, _ format: UInt32, _ type: UInt32) -> Bool {
  guard type == GL.UNSIGNED_BYTE else { return false }
  switch format {
  case GL.RGB, GL.RGBA, GL.BGR, GL.BGRA, GL.ALPHA, GL.LUMINANCE, GL.LUMINANCE_ALPHA: break
  default: return false
  }
  switch UInt32(bitPattern: internalformat) {
  case 1, 2, 3, 4, GL.RGB, GL.RGBA, GL.RGB8, GL.RGBA8, GL.ALPHA, GL.LUMINANCE, GL.LUMINANCE_ALPHA:
    return true
  default: return false
  }
}

private func noteImage(
  _ c: Context, _ target: UInt32, _ level: Int32, _ internalformat: Int32, _ width: Int32,
  _ height: Int32, _ depth: Int32, _ border: Int32, _ format: UInt32, _ type: UInt32
) {
  let shadow = c.pointee.shadow
  guard target == GL.PROXY_TEXTURE_1D || target == GL.PROXY_TEXTURE_2D else { return }
  shadow.pointee.proxy.target = 0
  guard let most = c.limit(GL.MAX_TEXTURE_SIZE),
    c.hasFixedFunction, border == 0, level >= 0, level < 12, width > 0, height > 0,
    Double(max(width, height)) <= most / Double(1 &<< level),
    Int(width) &* Int(height) <= 16 << 20, isPlain(internalformat, format, type)
  else { return }
  shadow.pointee.proxy = ProxyImage(
    target: target, level: level, width: width, height: height, depth: depth)
}

func note_glTexImage1D(
  _ c: Context, _ target: UInt32, _ level: Int32, _ internalformat: Int32, _ width: Int32,
  _ border: Int32, _ format: UInt32, _ type: UInt32, _ pixels: UnsafeRawPointer?
) {
  noteImage(c, target, level, internalformat, width, 1, 1, border, format, type)
}
func note_glTexImage2D(
  _ c: Context, _ target: UInt32, _ level: Int32, _ internalformat: Int32, _ width: Int32,
  _ height: Int32, _ border: Int32, _ format: UInt32, _ type: UInt32,
  _ pixels: UnsafeRawPointer?
) {
  noteImage(c, target, level, internalformat, width, height, 1, border, format, type)
}

func hook_glGetTexLevelParameteriv(
  _ c: Context, _ target: UInt32, _ level: Int32, _ pname: UInt32,
  _ params: UnsafeMutablePointer<Int32>?
) {
  let shadow = c.pointee.shadow
  let proxy = shadow.pointee.proxy
  if target == proxy.target, target != 0, level == proxy.level, !shadow.pointee.isInBegin {
    switch pname {
    case GL.TEXTURE_WIDTH:
      params?.pointee = proxy.width
      return
    case GL.TEXTURE_HEIGHT:
      params?.pointee = proxy.height
      return
    default: break
    }
  }
  func encode(_ call: Call) {
    encode_glGetTexLevelParameteriv(c, call.writer, call.ticket, target, level, pname)
  }
  guard let texture = c.texture(boundTo: target), texture != 0 else {
    askValues(c, GLOpcode.glGetTexLevelParameteriv, params, encode)
    return
  }
  let state = ObjectAnswers.combine(
    UInt64(target) &<< 32 | UInt64(UInt32(bitPattern: level)),
    age: c.pointee.share.pointee.imageAge())
  c.answer(
    ObjectAnswers.texture, texture, pname, 0, state: state, params,
    GLOpcode.glGetTexLevelParameteriv, encode)
}

// MARK: Texture units

extension UnsafeMutablePointer<ContextState> {
  /// What the active texture unit has in a `TexturePlace`; nil when it is not known.
  func unitValue(_ place: Int) -> UInt32? {
    settle()
    guard let unit = pointee.shadow.pointee.matrices.knownUnit else { return nil }
    return pointee.shadow.pointee.units.value(unit, place)
  }

  /// What is bound to a target of the active texture unit, or to one that has it as a face; nil when it is not
  /// known. Buffers' data are changed by other commands than textures': they are not looked at.
  fileprivate func texture(boundTo target: UInt32) -> UInt32? {
    let isFace =
      target >= GL.TEXTURE_CUBE_MAP_POSITIVE_X && target <= GL.TEXTURE_CUBE_MAP_NEGATIVE_Z
    guard target != GL.TEXTURE_BUFFER, !pointee.shadow.pointee.isInBegin,
      let place = TexturePlace.of(target: isFace ? GL.TEXTURE_CUBE_MAP : target)
    else { return nil }
    return unitValue(place)
  }

  /// Whether every context like this one has a target.
  private func has(target: UInt32) -> Bool {
    func has(_ pname: UInt32) -> Bool { (limit(pname) ?? 0) > 0 }
    let request = pointee.request
    switch target {
    case GL.TEXTURE_2D: return true
    case GL.TEXTURE_CUBE_MAP: return request.api == 0 || request.major > 1
    case GL.TEXTURE_3D: return request.api == 0 || request.major > 2
    case GL.TEXTURE_2D_ARRAY:
      return request.api == 0 ? has(GL.MAX_ARRAY_TEXTURE_LAYERS) : request.major > 2
    case GL.TEXTURE_1D: return request.api == 0
    case GL.TEXTURE_1D_ARRAY: return request.api == 0 && has(GL.MAX_ARRAY_TEXTURE_LAYERS)
    case GL.TEXTURE_RECTANGLE: return request.api == 0 && has(GL.MAX_RECTANGLE_TEXTURE_SIZE)
    default: return false
    }
  }

  /// Whether a name may become a texture by being bound; with the group's lock held.
  private func mayBecomeTexture(_ name: UInt32) -> Bool {
    let request = pointee.request
    return request.api != 0 || hasFixedFunction
      || pointee.share.pointee.names[.texture].pointee.isUsed(Int(name))
  }

  /// What a texture is, as of now; 0 when nothing is known of it.
  fileprivate func claim(_ texture: UInt32, _ place: Int, isLocked: Bool) -> UInt8 {
    let share = pointee.share
    let known = share.pointee.textures[texture]
    guard known == 0 else { return known }
    if !isLocked { share.pointee.lock.lock() }
    defer { if !isLocked { share.pointee.lock.unlock() } }
    guard mayBecomeTexture(texture) else { return 0 }
    // A name that is used again is another texture, without images.
    share.pointee.noteStorage()
    share.pointee.names[.texture].pointee.use(texture)
    return share.pointee.textures.claim(texture, UInt8(place &+ 1))
  }

  /// Whether a texture is there, and a target of framebuffer attachments one of its images.
  func has(texture: UInt32, imageTarget: UInt32) -> Bool {
    switch imageTarget {
    case GL.TEXTURE_2D, GL.TEXTURE_RECTANGLE:
      TexturePlace.of(target: imageTarget).map {
        Int(pointee.share.pointee.textures[texture]) == $0 &+ 1
      } ?? false
    default: false
    }
  }

  /// Remembers a binding, if it cannot have failed. `isLocked`: the group's lock is held.
  fileprivate func bind(_ target: UInt32, _ texture: UInt32, isLocked: Bool) {
    settle()
    let units = pointee.shadow.pointee.units
    if pointee.share.pointee.textures[texture] == 0 {
      useMadeUpName(.texture, texture, isLocked: isLocked)
    }
    guard let place = TexturePlace.of(target: target) else { return }
    guard let unit = pointee.shadow.pointee.matrices.knownUnit else {
      return units.forget(nil, place)
    }
    let isSure = has(target: target)
    if isSure, texture == 0 || Int(claim(texture, place, isLocked: isLocked)) == place &+ 1 {
      units.set(unit, place, texture)
    } else {
      units.forget(unit, place)
    }
  }
}

func note_glBindTexture(_ c: Context, _ target: UInt32, _ texture: UInt32) {
  if c.records(MatrixOp.bindTexture, of: (target, texture)) {
    c.bind(target, texture, isLocked: false)
  }
}

/// What glBindTexture does in a list that is called; with the group's lock held.
func bindTexture(_ c: Context, target: UInt32, _ texture: UInt32) {
  c.bind(target, texture, isLocked: true)
}

extension UnsafeMutablePointer<ContextState> {
  /// A texture that a command of GL_EXT_direct_state_access names with its target becomes one of it, now or when
  /// the list that is being compiled is called. False when it is one of another already, which is an error:
  /// nothing may be read for such a command. `isCompiled`: unless it is one that no list has.
  func takesTexture(_ texture: UInt32, _ target: UInt32, isCompiled: Bool = true) -> Bool {
    guard texture != 0,
      !isCompiled || records(MatrixOp.nameTexture, of: (texture, target))
    else { return true }
    let isRight = name(texture, target, isLocked: false)
    // What is being compiled is read as it is, right or wrong.
    return isRight || isCompiled && pointee.shadow.pointee.listMode != 0
  }

  /// What such a command does that is carried out. Whether it can.
  fileprivate func name(_ texture: UInt32, _ target: UInt32, isLocked: Bool) -> Bool {
    let isFace =
      target >= GL.TEXTURE_CUBE_MAP_POSITIVE_X && target <= GL.TEXTURE_CUBE_MAP_NEGATIVE_Z
    let bound = isFace ? GL.TEXTURE_CUBE_MAP : target
    guard let place = TexturePlace.of(target: bound), has(target: bound) else {
      // Whether the driver has the target is not known here; if it has, the texture is there from now on.
      if TexturePlace.of(target: bound) != nil || target == GL.TEXTURE_CUBE_MAP_ARRAY {
        _ = claim(texture, TexturePlace.count, isLocked: isLocked)
      }
      return true
    }
    // Drivers do not agree on whether a face makes a cube map of a new name.
    let known = Int(claim(texture, isFace ? TexturePlace.count : place, isLocked: isLocked))
    return known == 0 || known == place &+ 1 || known == TexturePlace.count &+ 1
  }
}

/// What a command does in a list that is called that names a texture with its target; with the group's lock held.
func nameTexture(_ c: Context, _ texture: UInt32, _ target: UInt32) {
  if !c.pointee.shadow.pointee.isInBegin { _ = c.name(texture, target, isLocked: true) }
}

func note_glBindMultiTextureEXT(
  _ c: Context, _ texunit: UInt32, _ target: UInt32, _ texture: UInt32
) {
  _ = c.takesTexture(texture, target)
}

/// OpenGL 4.6, 8.1: these textures have their targets from the start.
func note_glCreateTextures(
  _ c: Context, _ target: UInt32, _ n: Int32, _ textures: UnsafePointer<UInt32>?
) {
  guard let textures else { return }
  let place = TexturePlace.of(target: target) ?? TexturePlace.count
  let share = c.pointee.share
  share.pointee.noteStorage()
  share.pointee.lock.lock()
  var i = 0
  while i < Int(n) {
    _ = share.pointee.textures.claim(textures[i], UInt8(place &+ 1))
    i &+= 1
  }
  share.pointee.lock.unlock()
}

/// OpenGL 4.6, 8.18: a name becomes a texture here too.
func note_glTextureView(
  _ c: Context, _ texture: UInt32, _ target: UInt32, _ origtexture: UInt32,
  _ internalformat: UInt32, _ minlevel: UInt32, _ numlevels: UInt32, _ minlayer: UInt32,
  _ numlayers: UInt32
) {
  var name = texture
  note_glCreateTextures(c, target, 1, &name)
}

func note_glDeleteTextures(_ c: Context, _ n: Int32, _ textures: UnsafePointer<UInt32>?) {
  guard let textures else { return }
  let shadow = c.pointee.shadow
  let share = c.pointee.share
  share.pointee.lock.lock()
  var i = 0
  while i < Int(n) {
    share.pointee.textures.release(textures[i])
    shadow.pointee.units.unbind(textures[i])
    i &+= 1
  }
  share.pointee.lock.unlock()
  c.forgetBoundFramebuffers()
}

/// Which levels a texture has says whether it can be attached (OpenGL 4.6, 9.4.1).
func note_glTexParameteri(_ c: Context, _ target: UInt32, _ pname: UInt32, _ param: Int32) {
  if pname == GL.TEXTURE_BASE_LEVEL || pname == GL.TEXTURE_MAX_LEVEL {
    c.pointee.touched |= StateGroup.storage
  }
}
func note_glTexParameterf(_ c: Context, _ target: UInt32, _ pname: UInt32, _ param: Float) {
  note_glTexParameteri(c, target, pname, 0)
}

// MARK: Texture environments (OpenGL 4.6 compatibility, 16.1)

/// The texture environment's mode, when it cannot be refused; everything else of it is asked for.
private func noteEnvironment(_ c: Context, _ target: UInt32, _ pname: UInt32, _ param: UInt32) {
  let shadow = c.pointee.shadow
  guard target == GL.TEXTURE_ENV, pname == GL.TEXTURE_ENV_MODE, !shadow.pointee.isInBegin else {
    return
  }
  guard shadow.pointee.listMode == 0 else {
    c.pointee.touched |= StateGroup.environment
    return
  }
  c.settle()
  let unit = shadow.pointee.matrices.knownUnit
  let units = c.limit(GL.MAX_TEXTURE_UNITS) ?? 1
  switch param {
  case GL.MODULATE, GL.DECAL, GL.BLEND, GL.REPLACE, GL.ADD, GL.COMBINE:
    guard let unit, c.hasFixedFunction, Double(unit) < units else { fallthrough }
    shadow.pointee.units.set(unit, TexturePlace.environment, param)
  default: shadow.pointee.units.forget(unit, TexturePlace.environment)
  }
}
func note_glTexEnvi(_ c: Context, _ target: UInt32, _ pname: UInt32, _ param: Int32) {
  noteEnvironment(c, target, pname, UInt32(bitPattern: param))
}
func note_glTexEnvf(_ c: Context, _ target: UInt32, _ pname: UInt32, _ param: Float) {
  noteEnvironment(c, target, pname, param >= 0 && param < 65536 ? UInt32(param) : 0)
}

func hook_glGetTexEnviv(
  _ c: Context, _ target: UInt32, _ pname: UInt32, _ params: UnsafeMutablePointer<Int32>?
) {
  let isMode =
    target == GL.TEXTURE_ENV && pname == GL.TEXTURE_ENV_MODE && !c.pointee.shadow.pointee.isInBegin
  if isMode, let params, let mode = c.unitValue(TexturePlace.environment) {
    params.pointee = Int32(bitPattern: mode)
    return
  }
  askValues(c, GLOpcode.glGetTexEnviv, params) {
    encode_glGetTexEnviv(c, $0.writer, $0.ticket, target, pname)
  }
}
