import CPlatform
import Client
import GLWire

// OpenGL 4.6, 8.1 and 11.1.3.5: what is bound to the texture units, so that glGet* of a binding is answered
// here. A binding is known when the command that made it cannot have failed.

/// Targets whose bindings are kept, a place each in a unit.
enum TexturePlace {
  static var environment: Int { 15 }
  static var count: Int { 16 }

  /// The place of a target of glBindTexture; nil for all others.
  static func of(target: UInt32) -> Int? {
    switch target {
    case GL.TEXTURE_2D: 0
    case GL.TEXTURE_1D: 1
    case GL.TEXTURE_3D: 2
    case GL.TEXTURE_CUBE_MAP: 3
    case GL.TEXTURE_RECTANGLE: 4
    case GL.TEXTURE_1D_ARRAY: 5
    case GL.TEXTURE_2D_ARRAY: 6
    case GL.TEXTURE_2D_MULTISAMPLE: 7
    case GL.TEXTURE_2D_MULTISAMPLE_ARRAY: 8
    case GL.TEXTURE_BUFFER: 9
    default: nil
    }
  }

  /// The place whose name a value of glGet* is; nil for all others.
  static func of(binding: UInt32) -> Int? {
    switch binding {
    case GL.TEXTURE_BINDING_2D: 0
    case GL.TEXTURE_BINDING_1D: 1
    case GL.TEXTURE_BINDING_3D: 2
    case GL.TEXTURE_BINDING_CUBE_MAP: 3
    case GL.TEXTURE_BINDING_RECTANGLE: 4
    case GL.TEXTURE_BINDING_1D_ARRAY: 5
    case GL.TEXTURE_BINDING_2D_ARRAY: 6
    case GL.TEXTURE_BINDING_2D_MULTISAMPLE: 7
    case GL.TEXTURE_BINDING_2D_MULTISAMPLE_ARRAY: 8
    case GL.TEXTURE_BINDING_BUFFER: 9
    default: nil
    }
  }
}

/// What a context has bound, and the mode of each unit's texture environment.
struct TextureUnits {
  /// `units` times `TexturePlace.count`.
  private let values: UnsafeMutablePointer<UInt32>
  /// Which of a unit's values are known, a bit each.
  private let known: UnsafeMutablePointer<UInt32>

  /// Units beyond are asked for.
  private static var units: Int { 32 }

  /// Those of a new context.
  init?() {
    let count = TextureUnits.units &* TexturePlace.count
    guard let values = platform_calloc(count, 4), let known = platform_calloc(TextureUnits.units, 4)
    else { return nil }
    self.values = values.bindMemory(to: UInt32.self, capacity: count)
    self.known = known.bindMemory(to: UInt32.self, capacity: TextureUnits.units)
    var i = 0
    while i < TextureUnits.units {
      self.known[i] = UInt32.max
      self.values[i &* TexturePlace.count &+ TexturePlace.environment] = GL.MODULATE
      i &+= 1
    }
  }

  func free() {
    platform_free(values)
    platform_free(known)
  }

  func value(_ unit: UInt32, _ place: Int) -> UInt32? {
    guard unit < UInt32(TextureUnits.units), known[Int(unit)] & (1 &<< UInt32(place)) != 0 else {
      return nil
    }
    return values[Int(unit) &* TexturePlace.count &+ place]
  }

  func set(_ unit: UInt32, _ place: Int, _ value: UInt32) {
    guard unit < UInt32(TextureUnits.units) else { return }
    values[Int(unit) &* TexturePlace.count &+ place] = value
    known[Int(unit)] |= 1 &<< UInt32(place)
  }

  /// Forgets a place of one unit; without one, of all.
  func forget(_ unit: UInt32?, _ place: Int) {
    forget(unit, places: 1 &<< UInt32(place))
  }

  func forgetBindings() { forget(nil, places: ~(1 &<< UInt32(TexturePlace.environment))) }

  private func forget(_ unit: UInt32?, places: UInt32) {
    var i = 0
    while i < TextureUnits.units {
      if unit.map({ Int($0) == i }) ?? true { known[i] &= ~places }
      i &+= 1
    }
  }

  /// A texture is deleted: where the context has it bound, nothing is (OpenGL 4.6, 5.1.2).
  func unbind(_ texture: UInt32) {
    guard texture != 0 else { return }
    var i = 0
    while i < TextureUnits.units &* TexturePlace.count {
      if values[i] == texture, i % TexturePlace.count != TexturePlace.environment { values[i] = 0 }
      i &+= 1
    }
  }
}

/// For each name of a kind of objects, what it was first bound to: a byte that is not 0, by which one knows
/// too that the object is there. Shared by the contexts of a group: read without a lock, written under the
/// group's.
struct BoundNames {
  private let chunks: UnsafeMutablePointer<UInt64>

  private static var chunkSize: Int { 4096 }
  private static var chunkCount: Int { 1024 }

  init?() {
    guard let raw = platform_calloc(BoundNames.chunkCount, 8) else { return nil }
    chunks = raw.bindMemory(to: UInt64.self, capacity: BoundNames.chunkCount)
  }

  func free() {
    var i = 0
    while i < BoundNames.chunkCount {
      platform_free(UnsafeMutableRawPointer(bitPattern: UInt(chunks[i])))
      i &+= 1
    }
    platform_free(chunks)
  }

  private func place(_ name: UInt32) -> UnsafeMutableRawPointer? {
    let index = Int(name) / BoundNames.chunkSize
    guard index < BoundNames.chunkCount else { return nil }
    return UnsafeMutableRawPointer(bitPattern: UInt(platform_load64(chunks + index))).map {
      $0 + Int(name) % BoundNames.chunkSize
    }
  }

  /// 0 for a name that was not bound yet, or is not kept.
  subscript(_ name: UInt32) -> UInt8 { place(name)?.load(as: UInt8.self) ?? 0 }

  /// Says what a name is from now on, unless it is something already, and gives what it is. 0 without
  /// memory. Under the lock.
  func claim(_ name: UInt32, _ what: UInt8) -> UInt8 {
    let index = Int(name) / BoundNames.chunkSize
    guard index < BoundNames.chunkCount else { return 0 }
    if chunks[index] == 0 {
      guard let chunk = platform_calloc(BoundNames.chunkSize, 1) else { return 0 }
      platform_store64(chunks + index, UInt64(UInt(bitPattern: chunk)))
    }
    guard let place = place(name) else { return 0 }
    if place.load(as: UInt8.self) == 0 { place.storeBytes(of: what, as: UInt8.self) }
    return place.load(as: UInt8.self)
  }

  /// The name's object is deleted. Under the lock.
  func release(_ name: UInt32) {
    place(name)?.storeBytes(of: 0, as: UInt8.self)
  }
}
