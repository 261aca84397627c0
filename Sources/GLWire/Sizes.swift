/// Sizes that OpenGL's commands imply: of arrays by parameter names, of pixels by format and type.
/// Both sides use them: the client to know how much to send, the node to know that enough has come.

/// Enumerants of extensions that bring no commands, and are not generated.
private enum Unlisted {
  static var TEXTURE_CROP_RECT_OES: UInt32 { 0x8B9D }
  static var ALPHA_INTEGER_EXT: UInt32 { 0x8D97 }
  static var LUMINANCE_INTEGER_EXT: UInt32 { 0x8D9C }
  static var LUMINANCE_ALPHA_INTEGER_EXT: UInt32 { 0x8D9D }
  static var ABGR_EXT: UInt32 { 0x8000 }
  static var HALF_FLOAT_OES: UInt32 { 0x8D61 }
}

/// Elements × bytes; 0 for a negative count, and `Int.max / 2` when it is more than can be.
@inlinable
public func glProduct(_ a: Int, _ b: Int, _ c: Int = 1, _ d: Int = 1) -> Int {
  guard a > 0, b > 0, c > 0, d > 0 else { return 0 }
  let (ab, first) = a.multipliedReportingOverflow(by: b)
  let (abc, second) = ab.multipliedReportingOverflow(by: c)
  let (all, third) = abc.multipliedReportingOverflow(by: d)
  return first || second || third || all > Int.max / 2 ? Int.max / 2 : all
}

/// The sum of two sizes that `glProduct` gives; `Int.max / 2` when it is more than can be.
@inlinable
public func glSum(_ a: Int, _ b: Int) -> Int {
  a >= Int.max / 2 &- b ? Int.max / 2 : a &+ b
}

/// How many values a parameter has that is set by an array: those of materials, lights, fog, texture
/// environments, texture and sampler parameters, points.
public func glValueCount(_ pname: UInt32) -> Int {
  switch pname {
  case GL.AMBIENT, GL.DIFFUSE, GL.SPECULAR, GL.POSITION, GL.EMISSION, GL.AMBIENT_AND_DIFFUSE,
    GL.FOG_COLOR, GL.LIGHT_MODEL_AMBIENT, GL.TEXTURE_BORDER_COLOR, GL.TEXTURE_ENV_COLOR,
    GL.TEXTURE_SWIZZLE_RGBA, GL.OBJECT_PLANE, GL.EYE_PLANE, Unlisted.TEXTURE_CROP_RECT_OES:
    4
  case GL.SPOT_DIRECTION, GL.COLOR_INDEXES, GL.POINT_DISTANCE_ATTENUATION: 3
  default: 1
  }
}

/// Values of glPatchParameterfv.
public func glPatchValueCount(_ pname: UInt32) -> Int {
  pname == GL.PATCH_DEFAULT_INNER_LEVEL ? 2 : 4
}

/// Values of glClearBuffer*v.
public func glClearValueCount(_ buffer: UInt32) -> Int { buffer == GL.COLOR ? 4 : 1 }

/// Entries of the largest pixel map.
@inlinable public var glPixelMapRoom: Int { 65536 }

/// Length of a text that has one, or ends with NUL when it is negative. NULL has none.
public func glTextLength(_ text: UnsafePointer<CChar>?, _ length: Int32) -> Int {
  guard length < 0 else { return Int(length) }
  guard let text else { return 0 }
  var count = 0
  while text[count] != 0 { count &+= 1 }
  // A decoder sees as many bytes as were sent, with the NUL.
  return count &+ 1
}

/// Bytes of an element of a type; 0 for what is none. GL_2_BYTES and its like are of glCallLists.
public func glTypeSize(_ type: UInt32) -> Int {
  switch type {
  case GL.BYTE, GL.UNSIGNED_BYTE: 1
  case GL.SHORT, GL.UNSIGNED_SHORT, GL.HALF_FLOAT, Unlisted.HALF_FLOAT_OES, GL._2_BYTES: 2
  case GL._3_BYTES: 3
  case GL.INT, GL.UNSIGNED_INT, GL.FLOAT, GL.FIXED, GL._4_BYTES: 4
  case GL.DOUBLE: 8
  default: 0
  }
}

/// Bytes of an index of a type; 0 for what is none.
public func glIndexSize(_ type: UInt32) -> Int {
  switch type {
  case GL.UNSIGNED_BYTE: 1
  case GL.UNSIGNED_SHORT: 2
  case GL.UNSIGNED_INT: 4
  default: 0
  }
}

/// Components of a pixel format; 0 for what is none.
public func glComponentCount(_ format: UInt32) -> Int {
  switch format {
  case GL.RED, GL.GREEN, GL.BLUE, GL.ALPHA, GL.LUMINANCE, GL.INTENSITY, GL.COLOR_INDEX,
    GL.STENCIL_INDEX, GL.DEPTH_COMPONENT, GL.RED_INTEGER, GL.GREEN_INTEGER, GL.BLUE_INTEGER,
    Unlisted.ALPHA_INTEGER_EXT, Unlisted.LUMINANCE_INTEGER_EXT:
    1
  case GL.RG, GL.LUMINANCE_ALPHA, GL.RG_INTEGER, GL.DEPTH_STENCIL,
    Unlisted.LUMINANCE_ALPHA_INTEGER_EXT:
    2
  case GL.RGB, GL.BGR, GL.RGB_INTEGER, GL.BGR_INTEGER: 3
  case GL.RGBA, GL.BGRA, GL.RGBA_INTEGER, GL.BGRA_INTEGER, Unlisted.ABGR_EXT: 4
  default: 0
  }
}

/// Bytes of a component of a type, and whether a whole pixel lies in one; (0, false) for what is none.
public func glComponentSize(_ type: UInt32) -> (bytes: Int, isPacked: Bool) {
  switch type {
  case GL.BYTE, GL.UNSIGNED_BYTE: (1, false)
  case GL.SHORT, GL.UNSIGNED_SHORT, GL.HALF_FLOAT, Unlisted.HALF_FLOAT_OES: (2, false)
  case GL.INT, GL.UNSIGNED_INT, GL.FLOAT: (4, false)
  case GL.DOUBLE: (8, false)
  case GL.UNSIGNED_BYTE_3_3_2, GL.UNSIGNED_BYTE_2_3_3_REV: (1, true)
  case GL.UNSIGNED_SHORT_5_6_5, GL.UNSIGNED_SHORT_5_6_5_REV, GL.UNSIGNED_SHORT_4_4_4_4,
    GL.UNSIGNED_SHORT_4_4_4_4_REV, GL.UNSIGNED_SHORT_5_5_5_1, GL.UNSIGNED_SHORT_1_5_5_5_REV:
    (2, true)
  case GL.UNSIGNED_INT_8_8_8_8, GL.UNSIGNED_INT_8_8_8_8_REV, GL.UNSIGNED_INT_10_10_10_2,
    GL.UNSIGNED_INT_2_10_10_10_REV, GL.UNSIGNED_INT_24_8, GL.UNSIGNED_INT_10F_11F_11F_REV,
    GL.UNSIGNED_INT_5_9_9_9_REV:
    (4, true)
  case GL.FLOAT_32_UNSIGNED_INT_24_8_REV: (8, true)
  default: (0, false)
  }
}

/// Bytes of a pixel; 0 when format or type is none.
public func glPixelSize(_ format: UInt32, _ type: UInt32) -> Int {
  let (bytes, isPacked) = glComponentSize(type)
  return isPacked ? bytes : bytes &* glComponentCount(format)
}

/// Bytes of an image whose rows lie one behind the other. A row of GL_BITMAP takes whole bytes; with
/// GL_NONE for both, `width` is the size itself. 0 for an image that makes no sense, which the driver
/// refuses without a look at it.
public func glImageBytes(
  _ format: UInt32, _ type: UInt32, _ width: Int, _ height: Int, _ depth: Int
) -> Int {
  if type == GL.NONE, format == GL.NONE { return max(width, 0) }
  if type == GL.BITMAP { return glProduct((max(width, 0) &+ 7) / 8, height, depth) }
  return glProduct(width, glPixelSize(format, type), height, depth)
}

/// The pixel store. What travels of it is nine words.
public struct PixelStore: Equatable, Sendable {
  public var swapBytes: UInt32 = 0
  public var lsbFirst: UInt32 = 0
  public var rowLength: Int32 = 0
  public var imageHeight: Int32 = 0
  public var skipRows: Int32 = 0
  public var skipPixels: Int32 = 0
  public var skipImages: Int32 = 0
  public var alignment: Int32 = 4
  /// What the client does itself, and does not travel: blocks are taken out of a larger compressed image, or put
  /// into one, and rows are turned (GL_MESA_pack_invert).
  public var blocks = CompressedBlocks()
  public var isInverted = false

  public init() {}

  /// Rows one behind the other.
  public static var packed: PixelStore {
    var store = PixelStore()
    store.alignment = 1
    return store
  }

  @inlinable public static var byteCount: Int { 36 }

  /// Bytes from row to row of an image of `width` pixels, without the pixel size of a bitmap.
  public func rowBytes(_ format: UInt32, _ type: UInt32, _ width: Int) -> Int {
    let pixels = rowLength > 0 ? Int(rowLength) : width
    let align = Int(max(alignment, 1))
    if type == GL.BITMAP { return glProduct((pixels &+ 8 &* align &- 1) / (8 &* align), align) }
    let size = glPixelSize(format, type)
    let bytes = glProduct(pixels, size)
    let component = glComponentSize(type).bytes
    // Elements that are as large as the alignment, or larger, are not padded.
    return component >= align ? bytes : (bytes &+ align &- 1) / align &* align
  }

  /// Where an image begins behind its pointer, and where its last byte ends.
  public func span(
    _ dimensions: Int, _ format: UInt32, _ type: UInt32, _ width: Int, _ height: Int, _ depth: Int
  ) -> (first: Int, end: Int) {
    guard width > 0, height > 0, depth > 0 else { return (0, 0) }
    let row = rowBytes(format, type, width)
    let rows = dimensions > 2 && imageHeight > 0 ? Int(imageHeight) : height
    let image = glProduct(row, rows)
    let isBitmap = type == GL.BITMAP
    let size = glPixelSize(format, type)
    var first = isBitmap ? Int(max(skipPixels, 0)) / 8 : glProduct(Int(skipPixels), size)
    first = glSum(first, glProduct(Int(skipRows), row))
    if dimensions > 2 { first = glSum(first, glProduct(Int(skipImages), image)) }
    let bits = Int(max(skipPixels, 0)) % 8
    let last = isBitmap ? (width &+ bits &+ 7) / 8 : glProduct(width, size)
    let rest = glSum(glProduct(depth &- 1, image), glProduct(height &- 1, row))
    return (first, glSum(glSum(first, rest), last))
  }

  /// How the blocks of a compressed image of `byteCount` bytes lie in a larger one; nil when they are not as many
  /// as the image has.
  public func blockLayout(
    _ dimensions: Int, _ width: Int, _ height: Int, _ depth: Int, _ byteCount: Int
  ) -> BlockLayout? {
    func blocks(_ texels: Int, _ size: Int32) -> Int {
      (max(texels, 0) &+ Int(size) &- 1) / Int(size)
    }
    let (across, size) = (Int(self.blocks.width), Int(self.blocks.size))
    guard across > 0, size > 0, byteCount > 0 else { return nil }
    let row = glProduct(blocks(width, self.blocks.width), size)
    let stride =
      rowLength > 0 ? glProduct(blocks(Int(rowLength), self.blocks.width), size) : row
    var layout = BlockLayout(
      first: glProduct(Int(skipPixels) / across, size), row: row, stride: stride,
      rows: row > 0 ? byteCount / row : 0)
    if dimensions > 1, self.blocks.height > 0 {
      layout.rows = blocks(height, self.blocks.height)
      layout.images = max(byteCount / max(glProduct(row, layout.rows), 1), 1)
      layout.imageRows =
        imageHeight > 0 ? blocks(Int(imageHeight), self.blocks.height) : layout.rows
      layout.first = glSum(
        layout.first, glProduct(Int(skipRows) / Int(self.blocks.height), stride))
      if dimensions > 2, self.blocks.depth > 0 {
        layout.images = blocks(depth, self.blocks.depth)
        layout.first = glSum(
          layout.first,
          glProduct(Int(skipImages) / Int(self.blocks.depth), layout.imageRows, stride))
      }
    }
    return glProduct(row, layout.rows, layout.images) == byteCount ? layout : nil
  }

  /// Whether what is skipped are whole blocks (OpenGL 4.6, 8.7).
  public func skipsBlocks(_ dimensions: Int) -> Bool {
    func isWhole(_ skipped: Int32, _ size: Int32) -> Bool { size <= 0 || skipped % size == 0 }
    return isWhole(skipPixels, blocks.width)
      && (dimensions < 2 || isWhole(skipRows, blocks.height))
      && (dimensions < 3 || isWhole(skipImages, blocks.depth))
  }

  /// Whether a driver takes these values: others are errors, which leave what was before.
  public var isPossible: Bool {
    (alignment == 1 || alignment == 2 || alignment == 4 || alignment == 8)
      && rowLength | imageHeight | skipRows | skipPixels | skipImages >= 0
  }

  public func store(_ p: UnsafeMutableRawPointer) {
    let words = (
      swapBytes, lsbFirst, rowLength, imageHeight, skipRows, skipPixels, skipImages, alignment,
      UInt32(0)
    )
    p.storeBytes(of: words, as: type(of: words))
  }

  public init(_ p: UnsafeRawPointer) {
    func word(_ i: Int) -> Int32 { p.loadUnaligned(fromByteOffset: i &* 4, as: Int32.self) }
    swapBytes = UInt32(bitPattern: word(0))
    lsbFirst = UInt32(bitPattern: word(1))
    rowLength = word(2)
    imageHeight = word(3)
    skipRows = word(4)
    skipPixels = word(5)
    skipImages = word(6)
    alignment = word(7)
  }
}

/// The blocks of compressed images as the pixel store has them (OpenGL 4.6, 8.7): width, height and depth in texels,
/// the size in bytes.
public struct CompressedBlocks: Equatable, Sendable {
  public var width: Int32 = 0
  public var height: Int32 = 0
  public var depth: Int32 = 0
  public var size: Int32 = 0

  public init() {}

  /// Whether the pixel store has a say in where compressed images lie.
  public var isUsed: Bool { width > 0 && size > 0 }
}

/// Where blocks lie in memory, by rows of them; in bytes.
public struct BlockLayout {
  /// Where the first block lies.
  public var first: Int
  /// Bytes of a row that belong to the image.
  public let row: Int
  /// From row to row.
  public let stride: Int
  /// Rows of each image.
  public var rows: Int
  /// How many images lie behind each other, and rows from one to the next.
  public var images = 1
  public var imageRows = 0

  /// Where the last block ends.
  public var end: Int {
    let before = glProduct(glSum(glProduct(images &- 1, imageRows), rows &- 1), stride)
    return glSum(glSum(first, before), row)
  }

  /// Calls `body` with each row's place in the larger image, and among rows that lie one behind the other.
  @inlinable
  public func forEachRow(_ body: (_ place: Int, _ packed: Int) -> Void) {
    var packed = 0
    var image = 0
    while image < images {
      var y = 0
      while y < rows {
        body(first &+ (image &* imageRows &+ y) &* stride, packed)
        packed &+= row
        y &+= 1
      }
      image &+= 1
    }
  }
}

/// What `glUnmap` does with the bytes that it brings.
public enum UnmapMode {
  /// Writes and flushes them (glFlushMappedBufferRange).
  @inlinable public static var flush: UInt32 { 0 }
  /// Writes them and ends the map.
  @inlinable public static var end: UInt32 { 1 }
  /// Writes them.
  @inlinable public static var write: UInt32 { 2 }
}

/// What a reply to `glReflect` is about.
public enum ReflectedKind {
  @inlinable public static var none: UInt32 { 0 }
  @inlinable public static var shader: UInt32 { 1 }
  @inlinable public static var program: UInt32 { 2 }
}

/// How the pixels of an image travel.
public enum ImageMode {
  @inlinable public static var none: UInt32 { 0 }
  @inlinable public static var packed: UInt32 { 1 }
  @inlinable public static var offset: UInt32 { 2 }
  @inlinable public static var raw: UInt32 { 3 }
}
