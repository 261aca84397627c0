import CPlatform
import GLWire
import Ring
import Wire

// Doers of what reads images. How they are packed came in front (`glMemory`): `u32 mode`, `u64 offset`,
// the pixel store.

/// How an image that is read is to be packed.
private struct Packing {
  var isBuffer = false
  var offset: UnsafeMutableRawPointer?
  var store = PixelStore.packed

  init(_ block: UnsafeRawBufferPointer?) {
    guard let block, block.count == 12 &+ PixelStore.byteCount, let start = block.baseAddress else {
      return
    }
    isBuffer = start.get32(0) == ImageMode.offset
    offset = UnsafeMutableRawPointer(
      bitPattern: UInt(truncatingIfNeeded: start.loadUnaligned(fromByteOffset: 4, as: UInt64.self)))
    store = PixelStore(start + 12)
    if !isBuffer {
      // Rows one behind the other; only the order of bytes is the client's.
      let (swap, lsb) = (store.swapBytes, store.lsbFirst)
      store = .packed
      (store.swapBytes, store.lsbFirst) = (swap, lsb)
    }
  }
}

extension GLReplayContext {
  /// Makes the driver's pixel store for packing this one.
  private mutating func pack(_ store: PixelStore) {
    guard let set = gl.glPixelStorei else { return }
    beginQuiet()
    defer { endQuiet() }
    set(GL.PACK_ALIGNMENT, store.alignment)
    if !properties.isES || properties.isAtLeast(3, 0) {
      set(GL.PACK_ROW_LENGTH, store.rowLength)
      set(GL.PACK_SKIP_ROWS, store.skipRows)
      set(GL.PACK_SKIP_PIXELS, store.skipPixels)
    }
    if !properties.isES {
      set(GL.PACK_IMAGE_HEIGHT, store.imageHeight)
      set(GL.PACK_SKIP_IMAGES, store.skipImages)
      set(GL.PACK_SWAP_BYTES, Int32(bitPattern: store.swapBytes))
      set(GL.PACK_LSB_FIRST, Int32(bitPattern: store.lsbFirst))
    }
  }

  /// Whether the driver has a buffer bound for packing, which makes an address an offset.
  private mutating func hasPackBuffer() -> Bool {
    guard !properties.isES || properties.isAtLeast(3, 0) else { return false }
    return driverValue(GL.PIXEL_PACK_BUFFER_BINDING) != 0
  }

  /// An image that takes more than this is kept for the client to fetch.
  private static var largestImage: Int { 8 << 20 }

  /// Reads an image of `byteCount` bytes, or into the bound buffer, and replies; `size` first where the
  /// client does not know it. Where the driver has an error there are no bytes. `call` gets the place, and the bytes
  /// that it has: no other context of the client's may have made the image larger meanwhile. `pixels`: how many
  /// there are, of a format that may be unknown here.
  ///
  /// With `isProbed` the driver may write less, and only what it has written is sent.
  fileprivate mutating func read(
    _ opcode: UInt32, _ ticket: UInt32, _ byteCount: Int, size: (UInt32, UInt32, UInt32)?,
    pixels: Int = 0, isProbed: Bool = false,
    _ call: (UnsafeMutableRawPointer?, _ most: Int32) -> Void
  ) {
    var byteCount = byteCount
    let packing = Packing(memory.block)
    let isBuffer = hasPackBuffer()
    let isLarge = byteCount > GLReplayContext.largestImage && size != nil
    var room: UnsafeMutableRawPointer?
    if isBuffer == packing.isBuffer {
      pack(packing.store)
      if isBuffer {
        call(packing.offset, Int32.max)
      } else {
        let most = byteCount > 0 ? byteCount : glProduct(pixels, GLReplayContext.largestPixel)
        room = isLarge ? holdImage(most) : self.room(most, "pixels")
        guard let room else { return }
        saveErrors()
        if isProbed { platform_fill(room, 0x55, most) }
        call(room, Int32(clamping: most))
      }
    }
    let isThere = room != nil && !saveErrors()
    if isProbed, isThere, let room { byteCount = written(room, byteCount, call) }
    beginReply(opcode)
    if let size {
      reply.writer.u32(size.0)
      reply.writer.u32(size.1)
      reply.writer.u32(size.2)
    }
    if isThere, isLarge {
      heldImage?.count = byteCount
      reply.writer.u32(UInt32.max)
      reply.writer.u64(UInt64(byteCount))
    } else {
      put(room, isThere ? byteCount : 0)
    }
    endReply(ticket)
  }

  /// Bytes of a pixel in any format.
  private static var largestPixel: Int { 32 }

  /// How much of `room`, which was full of 0x55, the driver has written: what is the same on another
  /// background.
  private mutating func written(
    _ room: UnsafeMutableRawPointer, _ byteCount: Int,
    _ call: (UnsafeMutableRawPointer?, _ most: Int32) -> Void
  ) -> Int {
    guard byteCount > 0, let other = platform_aligned_alloc(64, byteCount) else { return 0 }
    defer { platform_free(other) }
    platform_fill(other, 0xAA, byteCount)
    beginQuiet()
    call(other, Int32(clamping: byteCount))
    endQuiet()
    // Where nothing was written the two differ in every bit.
    var count = byteCount
    while count >= 8,
      room.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
        ^ other.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self) == UInt64.max
    {
      count &-= 8
    }
    while count > 0,
      room.load(fromByteOffset: count &- 1, as: UInt8.self)
        != other.load(fromByteOffset: count &- 1, as: UInt8.self)
    {
      count &-= 1
    }
    return count
  }

  /// Memory for an image that the client fetches in parts; what was held before is gone.
  private mutating func holdImage(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    platform_free(heldImage?.start)
    heldImage = nil
    guard byteCount <= 2 << 30, let start = platform_aligned_alloc(64, byteCount) else {
      session.lose(LostReason.noMemory, "no memory for an image of \(byteCount) bytes")
      return nil
    }
    platform_zero(start, byteCount)
    heldImage = Blob(start: start, count: byteCount)
    return start
  }

  /// `glReadHeld`: a part of the image; behind the last part it is gone.
  mutating func readHeld(_ f: inout ControlFields) {
    let ticket = f.u32(8, "ticket")
    let offset = f.u64(16, "offset")
    let count = Int(f.u32(24, "byteCount"))
    guard f.wrong == nil else { return }
    guard let held = heldImage, count <= GLReplayContext.largestImage,
      offset <= UInt64(held.count), count <= held.count &- Int(offset)
    else { return f.fail("offset") }
    beginReply(ControlOpcode.glReadHeld)
    put(held.start + Int(offset), count)
    endReply(ticket)
    guard Int(offset) &+ count == held.count else { return }
    platform_free(held.start)
    heldImage = nil
  }

  /// A texture level's size; zeros, and no error, when there is none.
  fileprivate mutating func levelSize(
    _ target: UInt32, _ texture: UInt32?, _ level: Int32
  ) -> (UInt32, UInt32, UInt32) {
    quietly { c in
      func value(_ pname: UInt32) -> UInt32 {
        var result: Int32 = 0
        if let texture {
          c.gl.glGetTextureLevelParameteriv?(texture, level, pname, &result)
        } else {
          c.gl.glGetTexLevelParameteriv?(target, level, pname, &result)
        }
        return UInt32(max(result, 0))
      }
      return (value(GL.TEXTURE_WIDTH), value(GL.TEXTURE_HEIGHT), value(GL.TEXTURE_DEPTH))
    }
  }

  /// The size of a level of a texture that is named, whose faces are as many images.
  fileprivate mutating func wholeSize(_ texture: UInt32, _ level: Int32) -> (UInt32, UInt32, UInt32)
  {
    var size = levelSize(0, texture, level)
    if isCubeMap(texture) { size.2 = 6 }
    return size
  }

  /// Whether a texture that is named is a cube map. Not every driver says so (GL_TEXTURE_TARGET): one that is
  /// something else cannot be bound as one.
  private mutating func isCubeMap(_ texture: UInt32) -> Bool {
    guard texture != 0, gl.glIsTexture?(texture) == 1, let bind = gl.glBindTexture else {
      return false
    }
    return quietly { c in
      let bound = c.driverValue(GL.TEXTURE_BINDING_CUBE_MAP)
      bind(GL.TEXTURE_CUBE_MAP, texture)
      let isCubeMap = c.driverValue(GL.TEXTURE_BINDING_CUBE_MAP) == texture
      bind(GL.TEXTURE_CUBE_MAP, bound)
      return isCubeMap
    }
  }

  fileprivate mutating func compressedSize(_ target: UInt32, _ texture: UInt32?, _ level: Int32)
    -> Int
  {
    quietly { c in
      var result: Int32 = 0
      var isCompressed: Int32 = 0
      if let texture {
        c.gl.glGetTextureLevelParameteriv?(texture, level, GL.TEXTURE_COMPRESSED, &isCompressed)
        if isCompressed != 0 {
          c.gl.glGetTextureLevelParameteriv?(
            texture, level, GL.TEXTURE_COMPRESSED_IMAGE_SIZE, &result)
        }
      } else {
        c.gl.glGetTexLevelParameteriv?(target, level, GL.TEXTURE_COMPRESSED, &isCompressed)
        if isCompressed != 0 {
          c.gl.glGetTexLevelParameteriv?(
            target, level, GL.TEXTURE_COMPRESSED_IMAGE_SIZE, &result)
        }
      }
      return Int(max(result, 0))
    }
  }
}

extension GLReplayContext {
  /// An image of the texture that is bound to a target.
  fileprivate mutating func readTexture(
    _ opcode: UInt32, _ ticket: UInt32, _ target: UInt32, _ level: Int32, _ format: UInt32,
    _ type: UInt32
  ) {
    guard let call = gl.glGetTexImage else { return missing(opcode, ticket) }
    let size = levelSize(target, nil, level)
    let bytes = glImageBytes(format, type, Int(size.0), Int(size.1), Int(size.2))
    let bounded = properties.hasRobustness ? gl.glGetnTexImageARB : nil
    read(opcode, ticket, bytes, size: size, pixels: GLReplay.pixels(size)) {
      if let bounded {
        bounded(target, level, format, type, $1, $0)
      } else {
        call(target, level, format, type, $0)
      }
    }
  }

  /// The same of a compressed one, as it is.
  fileprivate mutating func readCompressed(
    _ opcode: UInt32, _ ticket: UInt32, _ target: UInt32, _ level: Int32
  ) {
    guard let call = gl.glGetCompressedTexImage else { return missing(opcode, ticket) }
    let bytes = compressedSize(target, nil, level)
    let size = levelSize(target, nil, level)
    let bounded = properties.hasRobustness ? gl.glGetnCompressedTexImageARB : nil
    read(opcode, ticket, bytes, size: size) {
      if let bounded { bounded(target, level, $1, $0) } else { call(target, level, $0) }
    }
  }

  /// GL_EXT_direct_state_access has no commands that are told how much they may write, and drivers have their own
  /// mind about faces of cube maps: `read` is called with the texture bound to its target, or with the unit active,
  /// whose texture it is to be.
  fileprivate mutating func withTexture(
    _ opcode: UInt32, _ ticket: UInt32, unit: UInt32?, _ target: UInt32, texture: UInt32?,
    read: (inout GLReplayContext) -> Void
  ) {
    guard let activate = gl.glActiveTexture, let bind = gl.glBindTexture else {
      return missing(opcode, ticket)
    }
    // Between glBegin and glEnd nothing can be asked.
    let active = driverValue(GL.ACTIVE_TEXTURE)
    guard active != 0, let (binding, pname) = textureBinding(target) else {
      raise(active == 0 ? GL.INVALID_OPERATION : GL.INVALID_ENUM)
      return self.read(opcode, ticket, 0, size: (0, 0, 0)) { _, _ in }
    }
    var bound: UInt32 = 0
    let error: UInt32 = quietly { c in
      if let unit { activate(unit) }
      bound = c.driverValue(pname)
      if let texture { bind(binding, texture) }
      if let unit, c.driverValue(GL.ACTIVE_TEXTURE) != unit { return GL.INVALID_ENUM }
      if let texture, c.driverValue(pname) != texture { return GL.INVALID_OPERATION }
      return 0
    }
    if error == 0 {
      read(&self)
    } else {
      raise(error)
      self.read(opcode, ticket, 0, size: (0, 0, 0)) { _, _ in }
    }
    quietly { c in
      if texture != nil { bind(binding, bound) }
      activate(active)
    }
  }
}

/// Where a texture is bound for an image of it: the target, and the question for what is bound there.
private func textureBinding(_ target: UInt32) -> (target: UInt32, pname: UInt32)? {
  switch target {
  case GL.TEXTURE_1D: (target, GL.TEXTURE_BINDING_1D)
  case GL.TEXTURE_2D: (target, GL.TEXTURE_BINDING_2D)
  case GL.TEXTURE_3D: (target, GL.TEXTURE_BINDING_3D)
  case GL.TEXTURE_1D_ARRAY: (target, GL.TEXTURE_BINDING_1D_ARRAY)
  case GL.TEXTURE_2D_ARRAY: (target, GL.TEXTURE_BINDING_2D_ARRAY)
  case GL.TEXTURE_RECTANGLE: (target, GL.TEXTURE_BINDING_RECTANGLE)
  case GL.TEXTURE_CUBE_MAP_ARRAY: (target, GL.TEXTURE_BINDING_CUBE_MAP_ARRAY)
  case GL.TEXTURE_CUBE_MAP_POSITIVE_X...GL.TEXTURE_CUBE_MAP_NEGATIVE_Z:
    (GL.TEXTURE_CUBE_MAP, GL.TEXTURE_BINDING_CUBE_MAP)
  default: nil
  }
}

private func pixels(_ size: (UInt32, UInt32, UInt32)) -> Int {
  glProduct(Int(size.0), Int(size.1), Int(size.2))
}

func doer_glReadPixels(
  _ c: GLContextPointer, _ ticket: UInt32, _ x: Int32, _ y: Int32, _ width: Int32,
  _ height: Int32, _ format: UInt32, _ type: UInt32, _ nothing: UnsafeMutableRawPointer?
) {
  guard let call = c.pointee.gl.glReadPixels else {
    return c.pointee.missing(GLOpcode.glReadPixels, ticket)
  }
  let bytes = glImageBytes(format, type, Int(width), Int(height), 1)
  let isDepth =
    format == GL.DEPTH_COMPONENT || format == GL.DEPTH_STENCIL || format == GL.STENCIL_INDEX
  c.pointee.beginRead(depth: isDepth)
  let pixels = glProduct(Int(width), Int(height))
  c.pointee.read(GLOpcode.glReadPixels, ticket, bytes, size: nil, pixels: pixels) { place, _ in
    call(x, y, width, height, format, type, place)
  }
  c.pointee.endRead()
}

func doer_glGetTexImage(
  _ c: GLContextPointer, _ ticket: UInt32, _ target: UInt32, _ level: Int32, _ format: UInt32,
  _ type: UInt32, _ nothing: UnsafeMutableRawPointer?
) {
  c.pointee.readTexture(GLOpcode.glGetTexImage, ticket, target, level, format, type)
}
func doer_glGetTextureImage(
  _ c: GLContextPointer, _ ticket: UInt32, _ texture: UInt32, _ level: Int32, _ format: UInt32,
  _ type: UInt32, _ bufSize: Int32, _ nothing: UnsafeMutableRawPointer?
) {
  guard let call = c.pointee.gl.glGetTextureImage else {
    return c.pointee.missing(GLOpcode.glGetTextureImage, ticket)
  }
  let size = c.pointee.wholeSize(texture, level)
  let bytes = glImageBytes(format, type, Int(size.0), Int(size.1), Int(size.2))
  c.pointee.read(GLOpcode.glGetTextureImage, ticket, bytes, size: size, pixels: pixels(size)) {
    call(texture, level, format, type, min(bufSize, $1), $0)
  }
}
func doer_glGetTextureSubImage(
  _ c: GLContextPointer, _ ticket: UInt32, _ texture: UInt32, _ level: Int32, _ x: Int32,
  _ y: Int32, _ z: Int32, _ width: Int32, _ height: Int32, _ depth: Int32, _ format: UInt32,
  _ type: UInt32, _ bufSize: Int32, _ nothing: UnsafeMutableRawPointer?
) {
  guard let call = c.pointee.gl.glGetTextureSubImage else {
    return c.pointee.missing(GLOpcode.glGetTextureSubImage, ticket)
  }
  let bytes = glImageBytes(format, type, Int(width), Int(height), Int(depth))
  let size = (UInt32(max(width, 0)), UInt32(max(height, 0)), UInt32(max(depth, 0)))
  c.pointee.read(GLOpcode.glGetTextureSubImage, ticket, bytes, size: size, pixels: pixels(size)) {
    call(texture, level, x, y, z, width, height, depth, format, type, min(bufSize, $1), $0)
  }
}

func doer_glGetCompressedTexImage(
  _ c: GLContextPointer, _ ticket: UInt32, _ target: UInt32, _ level: Int32,
  _ nothing: UnsafeMutableRawPointer?
) {
  c.pointee.readCompressed(GLOpcode.glGetCompressedTexImage, ticket, target, level)
}
func doer_glGetCompressedTextureImage(
  _ c: GLContextPointer, _ ticket: UInt32, _ texture: UInt32, _ level: Int32, _ bufSize: Int32,
  _ nothing: UnsafeMutableRawPointer?
) {
  guard let call = c.pointee.gl.glGetCompressedTextureImage else {
    return c.pointee.missing(GLOpcode.glGetCompressedTextureImage, ticket)
  }
  let size = c.pointee.wholeSize(texture, level)
  // A cube has six of them.
  let bytes = min(Int(max(bufSize, 0)), c.pointee.compressedSize(0, texture, level) &* 6)
  c.pointee.read(GLOpcode.glGetCompressedTextureImage, ticket, bytes, size: size, isProbed: true) {
    call(texture, level, min(bufSize, $1), $0)
  }
}
func doer_glGetCompressedTextureSubImage(
  _ c: GLContextPointer, _ ticket: UInt32, _ texture: UInt32, _ level: Int32, _ x: Int32,
  _ y: Int32, _ z: Int32, _ width: Int32, _ height: Int32, _ depth: Int32, _ bufSize: Int32,
  _ nothing: UnsafeMutableRawPointer?
) {
  guard let call = c.pointee.gl.glGetCompressedTextureSubImage else {
    return c.pointee.missing(GLOpcode.glGetCompressedTextureSubImage, ticket)
  }
  // All that a part can be of, whatever the client says of its size; a cube map says how large a face is.
  let bytes = min(Int(max(bufSize, 0)), c.pointee.compressedSize(0, texture, level) &* 6)
  let size = (UInt32(max(width, 0)), UInt32(max(height, 0)), UInt32(max(depth, 0)))
  c.pointee.read(
    GLOpcode.glGetCompressedTextureSubImage, ticket, bytes, size: size, isProbed: true
  ) {
    call(
      texture, level, x, y, z, width, height, depth, min(bufSize, $1), $0)
  }
}

func doer_glGetPolygonStipple(
  _ c: GLContextPointer, _ ticket: UInt32, _ nothing: UnsafeMutablePointer<UInt8>?
) {
  guard let call = c.pointee.gl.glGetPolygonStipple else {
    return c.pointee.missing(GLOpcode.glGetPolygonStipple, ticket)
  }
  c.pointee.read(GLOpcode.glGetPolygonStipple, ticket, 128, size: (32, 32, 1)) { place, _ in
    call(place?.assumingMemoryBound(to: UInt8.self))
  }
}

// MARK: Pixel maps

extension GLReplayContext {
  /// Replies with a pixel map, or writes it to the bound buffer.
  fileprivate mutating func answerPixelMap<Number>(
    _ opcode: UInt32, _ ticket: UInt32, _ map: UInt32,
    _ call: ((UInt32, UnsafeMutablePointer<Number>?) -> Void)?
  ) {
    guard let call else { return missing(opcode, ticket) }
    let packing = Packing(memory.block)
    var count = 0
    if hasPackBuffer() {
      if packing.isBuffer { call(map, packing.offset?.assumingMemoryBound(to: Number.self)) }
    } else if !packing.isBuffer {
      count = probe(MemoryLayout<Number>.size, room: tableRoom) {
        call(map, $0?.assumingMemoryBound(to: Number.self))
      }
    }
    beginReply(opcode)
    put(count > 0 ? probed : nil, count)
    endReply(ticket)
  }
}

func doer_glGetPixelMapfv(_ c: GLContextPointer, _ ticket: UInt32, _ map: UInt32) {
  c.pointee.answerPixelMap(
    GLOpcode.glGetPixelMapfv, ticket, map, c.pointee.gl.glGetPixelMapfv.map { f in { f($0, $1) } })
}
func doer_glGetPixelMapuiv(_ c: GLContextPointer, _ ticket: UInt32, _ map: UInt32) {
  c.pointee.answerPixelMap(
    GLOpcode.glGetPixelMapuiv, ticket, map, c.pointee.gl.glGetPixelMapuiv.map { f in { f($0, $1) } }
  )
}
func doer_glGetPixelMapusv(_ c: GLContextPointer, _ ticket: UInt32, _ map: UInt32) {
  c.pointee.answerPixelMap(
    GLOpcode.glGetPixelMapusv, ticket, map, c.pointee.gl.glGetPixelMapusv.map { f in { f($0, $1) } }
  )
}

// MARK: GL_EXT_direct_state_access

func doer_glGetTextureImageEXT(
  _ c: GLContextPointer, _ ticket: UInt32, _ texture: UInt32, _ target: UInt32, _ level: Int32,
  _ format: UInt32, _ type: UInt32, _ nothing: UnsafeMutableRawPointer?
) {
  let opcode = GLOpcode.glGetTextureImageEXT
  c.pointee.withTexture(opcode, ticket, unit: nil, target, texture: texture) {
    $0.readTexture(opcode, ticket, target, level, format, type)
  }
}
func doer_glGetMultiTexImageEXT(
  _ c: GLContextPointer, _ ticket: UInt32, _ unit: UInt32, _ target: UInt32, _ level: Int32,
  _ format: UInt32, _ type: UInt32, _ nothing: UnsafeMutableRawPointer?
) {
  let opcode = GLOpcode.glGetMultiTexImageEXT
  c.pointee.withTexture(opcode, ticket, unit: unit, target, texture: nil) {
    $0.readTexture(opcode, ticket, target, level, format, type)
  }
}
func doer_glGetCompressedTextureImageEXT(
  _ c: GLContextPointer, _ ticket: UInt32, _ texture: UInt32, _ target: UInt32, _ level: Int32,
  _ nothing: UnsafeMutableRawPointer?
) {
  let opcode = GLOpcode.glGetCompressedTextureImageEXT
  c.pointee.withTexture(opcode, ticket, unit: nil, target, texture: texture) {
    $0.readCompressed(opcode, ticket, target, level)
  }
}
func doer_glGetCompressedMultiTexImageEXT(
  _ c: GLContextPointer, _ ticket: UInt32, _ unit: UInt32, _ target: UInt32, _ level: Int32,
  _ nothing: UnsafeMutableRawPointer?
) {
  let opcode = GLOpcode.glGetCompressedMultiTexImageEXT
  c.pointee.withTexture(opcode, ticket, unit: unit, target, texture: nil) {
    $0.readCompressed(opcode, ticket, target, level)
  }
}
