/// Ids of what OpenGL has beside names: `kind << 32 | index`, with an index that counts up and is
/// never used again in a process. Kinds lie above those of Vulkan's handles.
public enum GLID {
  @inlinable public static var context: UInt64 { 0xFE }
  @inlinable public static var drawable: UInt64 { 0xFD }
  @inlinable public static var frames: UInt64 { 0xFC }

  @inlinable public static func make(_ kind: UInt64, _ index: UInt32) -> UInt64 {
    kind << 32 | UInt64(index)
  }
  @inlinable public static func isOf(_ kind: UInt64, _ id: UInt64) -> Bool { id >> 32 == kind }
}

/// What a drawable's default framebuffer has; 40 bytes in a record.
public struct DrawableRequest: Equatable, Sendable {
  /// Pixels, 1 to 32,768.
  public var width: UInt32 = 0
  public var height: UInt32 = 0
  /// Bits of each component.
  public var red: UInt32 = 8
  public var green: UInt32 = 8
  public var blue: UInt32 = 8
  public var alpha: UInt32 = 0
  public var depth: UInt32 = 0
  public var stencil: UInt32 = 0
  /// Samples of each pixel, 0 without multisampling.
  public var samples: UInt32 = 0
  /// `DrawableFlag`s.
  public var flags: UInt32 = 0

  public init() {}

  @inlinable public static var byteCount: Int { 40 }

  /// Writes the ten words at `place`.
  public func store(_ place: UnsafeMutableRawPointer) {
    let words = (width, height, red, green, blue, alpha, depth, stencil, samples, flags)
    place.storeBytes(of: words, as: type(of: words))
  }

  /// Reads the ten words at `place`, which may lie anywhere.
  public init(_ place: UnsafeRawPointer) {
    func word(_ i: Int) -> UInt32 { place.loadUnaligned(fromByteOffset: i &* 4, as: UInt32.self) }
    width = word(0)
    height = word(1)
    red = word(2)
    green = word(3)
    blue = word(4)
    alpha = word(5)
    depth = word(6)
    stencil = word(7)
    samples = word(8)
    flags = word(9)
  }
}

/// What the node does with an error that the client has found.
public enum RaiseFlag {
  /// glGetError returns it, unless there is one before it.
  @inlinable public static var error: UInt32 { 1 }
  /// It is a message of debug output.
  @inlinable public static var message: UInt32 { 2 }
}

/// Flags of `glSwap`.
public enum SwapFlag {
  /// The front buffer is shown.
  @inlinable public static var front: UInt32 { 1 }
  /// The frame need not be sent when a newer one is there.
  @inlinable public static var mayLeaveOut: UInt32 { 2 }
}

public enum DrawableFlag {
  @inlinable public static var doubleBuffered: UInt32 { 1 }
  @inlinable public static var sRGB: UInt32 { 2 }
  @inlinable public static var stereo: UInt32 { 4 }
  @inlinable public static var float: UInt32 { 8 }
  @inlinable public static var accumulation: UInt32 { 16 }
}

/// What `glCreateContext` asks for.
public struct ContextRequest: Sendable {
  public var context: UInt64 = 0
  /// 0 for none.
  public var shareContext: UInt64 = 0
  /// 0: OpenGL, 1: OpenGL ES.
  public var api: UInt32 = 0
  /// 0.0: what the driver gives for no version.
  public var major: UInt32 = 0
  public var minor: UInt32 = 0
  /// EGL_CONTEXT_OPENGL_PROFILE_MASK's bits; 0 for none given.
  public var profileMask: UInt32 = 0
  /// Bit 0: debug, 1: forward compatible, 2: robust access.
  public var flags: UInt32 = 0
  /// EGL's value, 0 for none given.
  public var resetStrategy: UInt32 = 0
  /// EGL's value, 0 for none given.
  public var releaseBehavior: UInt32 = 0
  public var noError: UInt32 = 0

  public init() {}
}
