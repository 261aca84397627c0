import CPlatform
import CX11
import GLWire

// GLX 1.4, 3.3.9: glXUseXFont makes display lists of a server font's glyphs, each a glBitmap. A glyph
// is drawn by the X server into a pixmap of one bit and fetched from there.

/// The functions of Xlib that it takes, found when a program uses them: hardly one does.
private struct XlibFonts {
  typealias Display = OpaquePointer

  let queryFont: @convention(c) (Display?, UInt) -> UnsafeMutablePointer<XFontStruct>?
  let freeFontInfo:
    @convention(c) (
      UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, UnsafeMutablePointer<XFontStruct>?, Int32
    ) -> Int32
  let createPixmap: @convention(c) (Display?, UInt, UInt32, UInt32, UInt32) -> UInt
  let freePixmap: @convention(c) (Display?, UInt) -> Int32
  let createGC: @convention(c) (Display?, UInt, UInt, UnsafeMutablePointer<XGCValues>?) -> GC?
  let freeGC: @convention(c) (Display?, GC?) -> Int32
  let setForeground: @convention(c) (Display?, GC?, UInt) -> Int32
  let fillRectangle: @convention(c) (Display?, UInt, GC?, Int32, Int32, UInt32, UInt32) -> Int32
  let drawString:
    @convention(c) (Display?, UInt, GC?, Int32, Int32, UnsafePointer<XChar2b>?, Int32) -> Int32
  let getImage:
    @convention(c) (Display?, UInt, Int32, Int32, UInt32, UInt32, UInt, Int32) ->
      UnsafeMutablePointer<XImage>?

  init?() {
    guard let queryFont = XlibLibrary.symbol("XQueryFont"),
      let freeFontInfo = XlibLibrary.symbol("XFreeFontInfo"),
      let createPixmap = XlibLibrary.symbol("XCreatePixmap"),
      let freePixmap = XlibLibrary.symbol("XFreePixmap"),
      let createGC = XlibLibrary.symbol("XCreateGC"), let freeGC = XlibLibrary.symbol("XFreeGC"),
      let setForeground = XlibLibrary.symbol("XSetForeground"),
      let fillRectangle = XlibLibrary.symbol("XFillRectangle"),
      let drawString = XlibLibrary.symbol("XDrawString16"),
      let getImage = XlibLibrary.symbol("XGetImage")
    else { return nil }
    self.queryFont = function(queryFont)
    self.freeFontInfo = function(freeFontInfo)
    self.createPixmap = function(createPixmap)
    self.freePixmap = function(freePixmap)
    self.createGC = function(createGC)
    self.freeGC = function(freeGC)
    self.setForeground = function(setForeground)
    self.fillRectangle = function(fillRectangle)
    self.drawString = function(drawString)
    self.getImage = function(getImage)
  }
}

/// The metrics of a glyph: a font may have them for all of its glyphs at once.
private func metrics(_ font: UnsafePointer<XFontStruct>, _ glyph: UInt32) -> XCharStruct {
  let font = font.pointee
  guard let each = font.per_char else { return font.max_bounds }
  let (row, column) = (glyph >> 8, glyph & 0xFF)
  let columns = font.max_char_or_byte2 &- font.min_char_or_byte2 &+ 1
  let isSingle = font.min_byte1 == 0 && font.max_byte1 == 0
  let index: UInt32
  if isSingle {
    guard glyph >= font.min_char_or_byte2, glyph <= font.max_char_or_byte2 else {
      return XCharStruct()
    }
    index = glyph &- font.min_char_or_byte2
  } else {
    guard row >= font.min_byte1, row <= font.max_byte1, column >= font.min_char_or_byte2,
      column <= font.max_char_or_byte2
    else { return XCharStruct() }
    index = (row &- font.min_byte1) &* columns &+ column &- font.min_char_or_byte2
  }
  return each[Int(index)]
}

@c(glXUseXFont)
public func glXUseXFont(_ font: UInt, _ first: Int32, _ count: Int32, _ listBase: Int32) {
  guard let context = currentGLXContext(), let dpy = context.pointee.binding.display,
    let record = DisplayRecord.of(dpy)
  else { return }
  guard count >= 0, first >= 0 else {
    record.sendCoreError(CoreError.value, GLXRequest.useXFont)
    return
  }
  guard let fonts = XlibFonts(), let info = fonts.queryFont(dpy, font) else {
    record.sendCoreError(7, GLXRequest.useXFont, resource: font)
    return
  }
  defer { _ = fonts.freeFontInfo(nil, info, 1) }
  let root = record.pointee.xlib.pointee.rootWindow(dpy, context.pointee.binding.screen)
  let bounds = info.pointee.max_bounds
  let width = UInt32(max(Int(bounds.rbearing) &- Int(info.pointee.min_bounds.lbearing), 1))
  let height = UInt32(max(Int(bounds.ascent) &+ Int(bounds.descent), 1))
  let pixmap = fonts.createPixmap(dpy, root, width, height, 1)
  var values = XGCValues()
  values.foreground = 1
  values.font = font
  let gc = fonts.createGC(dpy, pixmap, UInt(GCForeground | GCFont), &values)
  let room = Int((width &+ 7) / 8) &* Int(height)
  guard let gc, let bits = platform_malloc(max(room, 1)) else { return }
  defer {
    platform_free(bits)
    _ = fonts.freeGC(dpy, gc)
    _ = fonts.freePixmap(dpy, pixmap)
  }
  context.withPlainPixels {
    var i: Int32 = 0
    while i < count {
      let glyph = UInt32(bitPattern: first &+ i)
      let shape = metrics(info, glyph)
      gl_NewList(UInt32(bitPattern: listBase &+ i), GL.COMPILE)
      let glyphWidth = min(Int(width), max(0, Int(shape.rbearing) &- Int(shape.lbearing)))
      let glyphHeight = min(Int(height), max(0, Int(shape.ascent) &+ Int(shape.descent)))
      if glyphWidth > 0, glyphHeight > 0 {
        _ = fonts.setForeground(dpy, gc, 0)
        _ = fonts.fillRectangle(dpy, pixmap, gc, 0, 0, width, height)
        _ = fonts.setForeground(dpy, gc, 1)
        var character = XChar2b(
          byte1: UInt8(truncatingIfNeeded: glyph >> 8), byte2: UInt8(truncatingIfNeeded: glyph))
        _ = fonts.drawString(
          dpy, pixmap, gc, -Int32(shape.lbearing), Int32(shape.ascent), &character, 1)
        fetch(fonts, dpy, pixmap, glyphWidth, glyphHeight, bits)
      }
      gl_Bitmap(
        Int32(glyphWidth), Int32(glyphHeight), -Float(shape.lbearing), Float(shape.descent),
        Float(shape.width), 0,
        UnsafeRawPointer(bits).assumingMemoryBound(to: UInt8.self))
      gl_EndList()
      i &+= 1
    }
  }
}

/// The pixmap's first pixels as glBitmap has them: the lowest row first, the leftmost pixel in the
/// highest bit.
private func fetch(
  _ fonts: XlibFonts, _ dpy: OpaquePointer, _ pixmap: UInt, _ width: Int, _ height: Int,
  _ bits: UnsafeMutableRawPointer
) {
  let stride = (width &+ 7) / 8
  platform_zero(bits, stride &* height)
  guard
    let image = fonts.getImage(dpy, pixmap, 0, 0, UInt32(width), UInt32(height), 1, 2)
  else { return }
  var y = 0
  while y < height {
    var x = 0
    while x < width {
      if let pixel = image.pointee.f.get_pixel, pixel(image, Int32(x), Int32(y)) & 1 != 0 {
        let offset: Int = (height &- 1 &- y) &* stride &+ x / 8
        let place = bits + offset
        let old = place.load(as: UInt8.self)
        let bit: UInt8 = 0x80 &>> UInt8(x & 7)
        place.storeBytes(of: old | bit, as: UInt8.self)
      }
      x &+= 1
    }
    y &+= 1
  }
  if let destroy = image.pointee.f.destroy_image { _ = destroy(image) }
}
