import CPlatform
import Client
import GLWire
import Ring
import Wire

// What generated encoders write with, and what reads the answers.

/// Bytes of an array that fit a record.
@inline(__always)
var largestArray: Int { SegmentLayout.largestRecord &- 4096 }

/// The current context has an error, and the command is not carried out.
@inline(never)
func refuse(_ error: UInt32) {
  guard let c = currentContext() else { return }
  c.raise(error)
  finishCommand(c)
}

extension Writer {
  /// `u32 byteCount` (0xFFFFFFFF: NULL), bytes, zeros to a multiple of 4.
  mutating func glArray(_ source: UnsafeRawPointer?, _ count: Int) {
    guard let source else { return u32(UInt32.max) }
    guard count <= 0x7FFF_FFF0 else { return fail() }
    u32(UInt32(truncatingIfNeeded: max(count, 0)))
    bytes(source, count)
  }

  /// The same where the command reads the array whatever it is given. Natively NULL there is an error for another reason,
  /// or the program's end: zeros in its place let the driver find the one, and spare the program the other.
  mutating func glNeededArray(_ source: UnsafeRawPointer?, _ count: Int) {
    if source != nil || count <= 0 { return glArray(source, count) }
    guard count <= largestArray else { return fail() }
    u32(UInt32(truncatingIfNeeded: count))
    let padded = (count &+ 3) & ~3
    guard let p = reserve(padded) else { return }
    platform_zero(p, padded)
  }

  /// A string with its NUL. Where the command needs one, NULL is the empty string: no name of
  /// anything.
  mutating func glString(_ source: UnsafePointer<CChar>?, isOptional: Bool) {
    if source == nil, !isOptional {
      u32(1)
      u32(0)
      return
    }
    glArray(
      UnsafeRawPointer(source), source.map { Int(platform_string_length($0)) &+ 1 } ?? 0)
  }

  /// Strings one behind the other, each with its NUL.
  mutating func glStrings(_ source: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int) {
    guard let source, count > 0 else { return u32(UInt32.max) }
    var size = 0
    var i = 0
    while i < count {
      size &+= source[i].map { Int(platform_string_length($0)) &+ 1 } ?? 1
      i &+= 1
    }
    guard size <= 0x7FFF_FFF0 else { return fail() }
    u32(UInt32(truncatingIfNeeded: size))
    let padded = (size &+ 3) & ~3
    guard let place = reserve(padded) else { return }
    place.put32(0, padded &- 4)
    var position = place
    i = 0
    while i < count {
      let length = source[i].map { Int(platform_string_length($0)) } ?? 0
      if let text = source[i] { platform_copy(position, text, length) }
      position.storeBytes(of: 0, toByteOffset: length, as: UInt8.self)
      position += length &+ 1
      i &+= 1
    }
  }

  /// Pixels by the context's pixel store, which does not travel itself.
  mutating func glImage(
    _ c: Context, _ dimensions: Int, _ format: UInt32, _ type: UInt32, _ width: Int,
    _ height: Int, _ depth: Int, _ source: ImageSource
  ) {
    let store = c.pointee.shadow.pointee.unpack
    u32(source.mode)
    switch source.mode {
    case ImageMode.offset:
      u64(UInt64(UInt(bitPattern: source.pixels)))
      guard let p = reserve(PixelStore.byteCount) else { return }
      store.store(p)
    case ImageMode.raw:
      guard let p = reserve(PixelStore.byteCount) else { return }
      store.store(p)
      glArray(source.pixels, source.byteCount)
    case ImageMode.packed:
      u32(UInt32(truncatingIfNeeded: source.byteCount))
      guard let pixels = source.pixels, source.byteCount > 0 else { return }
      if type == GL.NONE { return bytes(pixels, source.byteCount) }
      let padded = (source.byteCount &+ 3) & ~3
      guard let place = reserve(padded) else { return }
      place.put32(0, padded &- 4)
      copyRows(
        from: pixels, store, dimensions, format, type, width, height, depth, to: place)
    default: break
    }
  }
}

/// Where the pixels of a command come from, and how they travel.
struct ImageSource {
  /// Of `ImageMode`.
  var mode = ImageMode.none
  /// An offset into the bound buffer with `ImageMode.offset`.
  var pixels: UnsafeRawPointer?
  /// Bytes that travel.
  var byteCount = 0
}

extension UnsafeMutablePointer<ContextState> {
  /// The pixels of a command; nil when they are more than a record holds. `target`: that of a command which
  /// gives a texture an image.
  func imageSource(
    _ target: UInt32?, _ dimensions: Int, _ format: UInt32, _ type: UInt32, _ width: Int,
    _ height: Int, _ depth: Int, _ pixels: UnsafeRawPointer?
  ) -> ImageSource? {
    let shadow = pointee.shadow
    if shadow.pointee.buffers.pixelUnpack != 0 {
      return ImageSource(mode: ImageMode.offset, pixels: pixels)
    }
    guard let pixels else { return ImageSource() }
    if let target, !isRead(target, dimensions, type, width, height, depth) { return ImageSource() }
    let store = shadow.pointee.unpack
    var source = ImageSource(mode: ImageMode.packed, pixels: pixels)
    if type == GL.BITMAP && (store.skipPixels % 8 != 0 || store.lsbFirst != 0)
      || store.swapBytes != 0
    {
      source.mode = ImageMode.raw
      source.byteCount = store.span(dimensions, format, type, width, height, depth).end
    } else {
      source.byteCount = glImageBytes(format, type, width, height, depth)
    }
    return source.byteCount <= largestArray ? source : nil
  }

  /// Whether the blocks of compressed images are to be taken out of larger ones.
  @inline(__always)
  var takesBlocks: Bool { pointee.shadow.pointee.unpack.blocks.isUsed }

  /// Has `body` carry a command out with the blocks of its image one behind the other in memory, and with nothing to
  /// be taken out of anything. `target`, `byteCount`: as the command has them.
  func withBlocks(
    _ target: UInt32?, _ dimensions: Int, _ width: Int, _ height: Int, _ depth: Int,
    _ byteCount: Int, _ pixels: UnsafeRawPointer?, _ body: (UnsafeRawPointer?) -> Void
  ) {
    let shadow = pointee.shadow
    let store = shadow.pointee.unpack
    let buffer = shadow.pointee.buffers.pixelUnpack
    guard store.skipsBlocks(dimensions) else { return raise(GL.INVALID_OPERATION) }
    shadow.pointee.unpack.blocks = CompressedBlocks()
    defer { shadow.pointee.unpack.blocks = store.blocks }
    let isNeeded = target.map { isRead($0, dimensions, GL.NONE, width, height, depth) } ?? true
    guard isNeeded, buffer != 0 || pixels != nil, byteCount > 0 else { return body(pixels) }
    guard let layout = store.blockLayout(dimensions, width, height, depth, byteCount) else {
      return raise(GL.INVALID_VALUE)
    }
    guard byteCount <= largestArray, let packed = platform_malloc(byteCount) else {
      return raise(GL.OUT_OF_MEMORY)
    }
    defer { platform_free(packed) }
    func pack(_ source: UnsafeRawPointer) {
      layout.forEachRow { platform_copy(packed + $1, source + $0, layout.row) }
      body(packed)
    }
    guard buffer != 0 else {
      if let pixels { pack(pixels) }
      return
    }
    withBuffer(GL.PIXEL_UNPACK_BUFFER, buffer, pixels, writes: false) { memory, count in
      layout.end <= count ? pack(memory) : raise(GL.INVALID_OPERATION)
    }
  }

  /// Gives `body` what a buffer has from an offset on, in memory, and how much that is; with `writes` the buffer
  /// gets what it is then. Meanwhile nothing is bound to the buffer's target.
  func withBuffer(
    _ target: UInt32, _ buffer: UInt32, _ offset: UnsafeRawPointer?, writes: Bool,
    _ body: (UnsafeMutableRawPointer, Int) -> Void
  ) {
    var size: Int32 = 0
    gl_GetBufferParameteriv(target, GL.BUFFER_SIZE, &size)
    guard let first = Int(exactly: UInt(bitPattern: offset)), first < Int(size) else {
      return raise(GL.INVALID_OPERATION)
    }
    let count = Int(size) &- first
    guard count <= largestArray, let memory = platform_calloc(1, count) else {
      return raise(GL.OUT_OF_MEMORY)
    }
    gl_GetBufferSubData(target, first, count, memory)
    gl_BindBuffer(target, 0)
    body(memory, count)
    gl_BindBuffer(target, buffer)
    if writes { gl_BufferSubData(target, first, count, memory) }
    platform_free(memory)
  }

  /// Whether drivers look at the pixels of a command that gives a texture an image. They do not for a proxy
  /// (OpenGL 4.6, 8.22), a target that the command does not have, or an image larger than any texture: the
  /// pointer of such a command may lead nowhere.
  private func isRead(
    _ target: UInt32, _ dimensions: Int, _ type: UInt32, _ width: Int, _ height: Int, _ depth: Int
  ) -> Bool {
    switch (dimensions, target) {
    case (1, GL.TEXTURE_1D): break
    case (2, GL.TEXTURE_2D), (2, GL.TEXTURE_RECTANGLE), (2, GL.TEXTURE_1D_ARRAY),
      (2, GL.TEXTURE_CUBE_MAP_POSITIVE_X...GL.TEXTURE_CUBE_MAP_NEGATIVE_Z):
      break
    case (3, GL.TEXTURE_3D), (3, GL.TEXTURE_2D_ARRAY), (3, GL.TEXTURE_CUBE_MAP_ARRAY): break
    default: return false
    }
    let most = max(width, height, depth)
    // Of compressed images the sizes are not here. Most images are not worth a look at the limits.
    guard type != GL.NONE, most > 2048 else { return true }
    let limits = max(
      limit(GL.MAX_TEXTURE_SIZE) ?? 0, limit(GL.MAX_3D_TEXTURE_SIZE) ?? 0,
      limit(GL.MAX_ARRAY_TEXTURE_LAYERS) ?? 0, limit(GL.MAX_RECTANGLE_TEXTURE_SIZE) ?? 0,
      limit(GL.MAX_CUBE_MAP_TEXTURE_SIZE) ?? 0)
    // Borders are a texel on each side.
    return Double(most) <= limits + 2
  }
}

/// Copies an image from where the pixel store has it to rows that lie one behind the other.
private func copyRows(
  from pixels: UnsafeRawPointer, _ store: PixelStore, _ dimensions: Int, _ format: UInt32,
  _ type: UInt32, _ width: Int, _ height: Int, _ depth: Int, to place: UnsafeMutableRawPointer
) {
  let row = store.rowBytes(format, type, width)
  let packed = glImageBytes(format, type, width, 1, 1)
  let rows = dimensions > 2 && store.imageHeight > 0 ? Int(store.imageHeight) : height
  let start = pixels + store.span(dimensions, format, type, width, height, depth).first
  if row == packed, depth == 1 || rows == height {
    return platform_copy(place, start, packed &* height &* depth)
  }
  var to = place
  var image = 0
  while image < depth {
    var y = 0
    while y < height {
      platform_copy(to, start + (image &* rows &+ y) &* row, packed)
      to += packed
      y &+= 1
    }
    image &+= 1
  }
}

/// Copies rows that lie one behind the other to where the pixel store wants them.
func spreadRows(
  _ bytes: UnsafeRawPointer, _ store: PixelStore, _ dimensions: Int, _ format: UInt32,
  _ type: UInt32, _ width: Int, _ height: Int, _ depth: Int, to pixels: UnsafeMutableRawPointer
) {
  let row = store.rowBytes(format, type, width)
  let packed = glImageBytes(format, type, width, 1, 1)
  let rows = dimensions > 2 && store.imageHeight > 0 ? Int(store.imageHeight) : height
  let start = pixels + store.span(dimensions, format, type, width, height, depth).first
  var from = bytes
  var image = 0
  while image < depth {
    var y = 0
    while y < height {
      let line = store.isInverted ? height &- 1 &- y : y
      platform_copy(start + (image &* rows &+ line) &* row, from, packed)
      from += packed
      y &+= 1
    }
    image &+= 1
  }
}

// MARK: Client memory in front of a command

extension UnsafeMutablePointer<ContextState> {
  /// Begins a `glMemory` record of `count` bytes, which the caller writes, padded to 4, and ends.
  func beginMemory(_ count: Int) {
    writer.pointee.begin(ControlOpcode.glMemory)
    writer.pointee.u32(UInt32(clamping: count))
    writer.pointee.u32(0)
  }

  /// Sends bytes that the next command reads.
  func sendMemory(_ bytes: UnsafeRawPointer?, _ count: Int) {
    beginMemory(count)
    writer.pointee.bytes(bytes, count)
    writer.pointee.end()
  }

  /// Says which name the next command that makes an object gives it.
  func sendName(_ name: UInt32) {
    beginMemory(4)
    writer.pointee.u32(name)
    writer.pointee.end()
  }

  /// Says which sync object the next command makes or ends.
  func sendSync(_ id: UInt64) {
    beginMemory(8)
    writer.pointee.u64(id)
    writer.pointee.end()
  }
}

// MARK: Answers

extension UnsafeMutablePointer<ContextState> {
  /// The writer of the context.
  @inline(__always)
  var writer: UnsafeMutablePointer<Writer> {
    UnsafeMutableRawPointer(self).assumingMemoryBound(to: Writer.self)
  }

  /// Publishes the request and waits for the answer; nil, with the ticket gone, when the connection is
  /// lost.
  func endCall(_ call: Call) -> GLRecord? {
    guard var reader = pointee.connection.endCall(call) else { return nil }
    pointee.answered = pointee.published
    let count = reader.remaining
    guard let bytes = reader.take(count, "reply") else { return nil }
    return GLRecord(start: bytes, count: count)
  }

  func finishCall(_ call: Call) { pointee.connection.finishCall(call) }
}

extension GLRecord {
  /// Copies the next array to the application's memory, at most `most` bytes of it.
  @discardableResult
  mutating func copyOut(_ place: UnsafeMutableRawPointer?, _ most: Int) -> Int {
    let (pointer, count) = array(minimumBytes: 0, field: "reply")
    guard let pointer, let place, count > 0, most > 0 else { return 0 }
    platform_copy(place, pointer, min(count, most))
    return min(count, most)
  }
}

/// The id behind a GLsync of ours: the address is the id.
func syncID(_ sync: UnsafeRawPointer?) -> UInt64 { UInt64(UInt(bitPattern: sync)) }
