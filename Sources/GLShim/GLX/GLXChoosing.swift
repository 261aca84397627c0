import CPlatform
import CX11

// GLX 1.4, 3.3.3 and 3.3.10: which config a list of attributes means.

/// What a list of attributes asks for.
struct GLXWish {
  var id = GLX.dontCare
  var visual = GLX.dontCare
  var minima = GLXMinima()
  var doubleBuffer = GLX.dontCare
  var stereo: Int32 = 0
  var level: Int32 = 0
  var auxBuffers: Int32 = 0
  var caveat = GLX.dontCare
  var visualType = GLX.dontCare
  var transparentType = GLX.none
  var drawableType = GLX.windowBit
  var renderType = GLX.rgbaBit
  var xRenderable = GLX.dontCare
  var sRGB = GLX.dontCare
  var swapMethod = GLX.dontCare
  var bindRGB = GLX.dontCare
  var bindRGBA = GLX.dontCare
  var bindMipmap = GLX.dontCare
  var bindTargets = GLX.dontCare
  var maxPbufferWidth: Int32 = 0
  var maxPbufferHeight: Int32 = 0

  init() {}

  /// Nil when the list has an attribute that there is not. A NULL list asks for nothing.
  init?(configs list: UnsafePointer<Int32>?) {
    guard let list else { return }
    var i = 0
    while list[i] != 0 {
      guard set(list[i], list[i &+ 1]) else { return nil }
      i &+= 2
    }
  }

  /// The list of glXChooseVisual, where booleans stand alone.
  init?(visuals list: UnsafePointer<Int32>?) {
    doubleBuffer = 0
    guard let list else { return nil }
    var i = 0
    while list[i] != 0 {
      switch list[i] {
      // Colour indices, for which GLX_RGBA is left out, exist nowhere any more.
      case GLX.useGL, GLX.rgba: i &+= 1
      case GLX.doubleBuffer:
        doubleBuffer = 1
        i &+= 1
      case GLX.stereo:
        stereo = 1
        i &+= 1
      default:
        guard set(list[i], list[i &+ 1]) else { return nil }
        i &+= 2
      }
    }
  }

  private mutating func set(_ name: Int32, _ value: Int32) -> Bool {
    if minima.set(name, value) { return true }
    switch name {
    case GLX.fbConfigID: id = value
    case GLX.visualID: visual = value
    case GLX.doubleBuffer: doubleBuffer = value
    case GLX.stereo: stereo = value
    case GLX.level: level = value
    case GLX.auxBuffers: auxBuffers = value
    case GLX.configCaveat: caveat = value
    case GLX.visualType: visualType = value
    case GLX.transparentType: transparentType = value
    case GLX.drawableType: drawableType = value
    case GLX.renderType: renderType = value
    case GLX.xRenderable: xRenderable = value
    case GLX.sRGBCapable: sRGB = value
    case GLX.swapMethod: swapMethod = value
    case GLX.bindToTextureRGB: bindRGB = value
    case GLX.bindToTextureRGBA: bindRGBA = value
    case GLX.bindToMipmapTexture: bindMipmap = value
    case GLX.bindToTextureTargets: bindTargets = value
    case GLX.maxPbufferWidth: maxPbufferWidth = value
    case GLX.maxPbufferHeight: maxPbufferHeight = value
    case GLX.yInverted, GLX.visualSelectGroup, GLX.rgba, GLX.useGL, GLX.maxPbufferPixels,
      GLX.optimalPbufferWidth, GLX.optimalPbufferHeight, GLX.screen,
      GLX.transparentIndexValue, GLX.transparentRedValue, GLX.transparentGreenValue,
      GLX.transparentBlueValue, GLX.transparentAlphaValue:
      break
    default: return false
    }
    return true
  }

  func accepts(_ config: UnsafePointer<GLXConfig>) -> Bool {
    // An id alone decides.
    if id != GLX.dontCare { return Int32(bitPattern: config.pointee.id) == id }
    func equals(_ wanted: Int32, _ name: Int32) -> Bool {
      wanted == GLX.dontCare || config.pointee.attribute(name) == wanted
    }
    func covers(_ wanted: Int32, _ has: Int32) -> Bool {
      wanted == GLX.dontCare || wanted & ~has == 0
    }
    guard equals(visual, GLX.visualID), equals(doubleBuffer, GLX.doubleBuffer),
      equals(stereo, GLX.stereo), equals(level, GLX.level), equals(caveat, GLX.configCaveat),
      equals(visualType, GLX.visualType), equals(transparentType, GLX.transparentType),
      equals(xRenderable, GLX.xRenderable), equals(sRGB, GLX.sRGBCapable),
      equals(swapMethod, GLX.swapMethod), equals(bindRGB, GLX.bindToTextureRGB),
      equals(bindRGBA, GLX.bindToTextureRGBA)
    else { return false }
    // A type of visual that matters only to what has one.
    guard auxBuffers <= 0, bindMipmap <= 0, covers(bindTargets, 7),
      covers(drawableType, config.pointee.drawableTypes), covers(renderType, GLX.rgbaBit),
      maxPbufferWidth <= 4096, maxPbufferHeight <= 4096
    else { return false }
    return minima.accepts(config)
  }
}

/// Sizes that a config must have at least.
struct GLXMinima {
  var buffer: Int32 = 0
  var red: Int32 = 0
  var green: Int32 = 0
  var blue: Int32 = 0
  var alpha: Int32 = 0
  var depth: Int32 = 0
  var stencil: Int32 = 0
  var accumRed: Int32 = 0
  var accumGreen: Int32 = 0
  var accumBlue: Int32 = 0
  var accumAlpha: Int32 = 0
  var sampleBuffers: Int32 = 0
  var samples: Int32 = 0

  /// False for a name that is no size.
  mutating func set(_ name: Int32, _ value: Int32) -> Bool {
    switch name {
    case GLX.bufferSize: buffer = value
    case GLX.redSize: red = value
    case GLX.greenSize: green = value
    case GLX.blueSize: blue = value
    case GLX.alphaSize: alpha = value
    case GLX.depthSize: depth = value
    case GLX.stencilSize: stencil = value
    case GLX.accumRedSize: accumRed = value
    case GLX.accumGreenSize: accumGreen = value
    case GLX.accumBlueSize: accumBlue = value
    case GLX.accumAlphaSize: accumAlpha = value
    case GLX.sampleBuffers: sampleBuffers = value
    case GLX.samples: samples = value
    default: return false
    }
    return true
  }

  func accepts(_ config: UnsafePointer<GLXConfig>) -> Bool {
    let has = config.pointee
    let accum = Int32(has.accumulation)
    return buffer <= has.bufferSize && red <= Int32(has.red) && green <= Int32(has.green)
      && blue <= Int32(has.blue) && alpha <= Int32(has.alpha) && depth <= Int32(has.depth)
      && stencil <= Int32(has.stencil) && accumRed <= accum && accumGreen <= accum
      && accumBlue <= accum && accumAlpha <= accum && sampleBuffers <= (has.samples != 0 ? 1 : 0)
      && samples <= Int32(has.samples)
  }

  /// Bits of the color components that were asked for.
  private func colorBits(_ config: GLXConfig) -> Int32 {
    var bits: Int32 = 0
    if red > 0 { bits &+= Int32(config.red) }
    if green > 0 { bits &+= Int32(config.green) }
    if blue > 0 { bits &+= Int32(config.blue) }
    if alpha > 0 { bits &+= Int32(config.alpha) }
    return bits
  }

  /// Whether `a` comes before `b` in the list of matching configs.
  func prefers(_ a: UnsafePointer<GLXConfig>, _ b: UnsafePointer<GLXConfig>) -> Bool {
    let (x, y) = (a.pointee, b.pointee)
    func none(_ value: UInt8) -> Int32 { value == 0 ? 0 : 256 &- Int32(value) }
    let order: InlineArray<9, (Int32, Int32)> = [
      (x.accumulation == 0 ? 0 : 1, y.accumulation == 0 ? 0 : 1),
      (-colorBits(x), -colorBits(y)),
      (x.bufferSize, y.bufferSize),
      (x.isDoubleBuffered ? 1 : 0, y.isDoubleBuffered ? 1 : 0),
      (Int32(x.samples), Int32(y.samples)),
      // None where none was asked for, and otherwise the largest.
      (none(x.depth), none(y.depth)),
      (Int32(x.stencil), Int32(y.stencil)),
      (none(x.accumulation), none(y.accumulation)),
      (x.isDirectColor ? 1 : 0, y.isDirectColor ? 1 : 0),
    ]
    for i in order.indices where order[i].0 != order[i].1 { return order[i].0 < order[i].1 }
    return false
  }
}

extension UnsafeMutablePointer<GLXScreen> {
  /// The configs that a wish accepts, the best first, in memory of malloc; nil without any.
  func choose(_ wish: GLXWish, _ found: inout Int)
    -> UnsafeMutablePointer<UnsafePointer<GLXConfig>>?
  {
    found = 0
    guard let raw = platform_malloc(max(pointee.count, 1) &* 8) else { return nil }
    let list = raw.bindMemory(to: UnsafePointer<GLXConfig>.self, capacity: max(pointee.count, 1))
    var i = 0
    while i < pointee.count {
      let config = UnsafePointer(pointee.configs + i)
      if wish.accepts(config) {
        // By insertion behind equals: few lists are long.
        var place = found
        while place > 0, wish.minima.prefers(config, list[place &- 1]) {
          list[place] = list[place &- 1]
          place &-= 1
        }
        (list + place).initialize(to: config)
        found &+= 1
      }
      i &+= 1
    }
    guard found > 0 else {
      platform_free(raw)
      return nil
    }
    return list
  }
}

// MARK: Entry points

@c(glXChooseVisual)
public func glXChooseVisual(
  _ dpy: OpaquePointer?, _ screen: Int32, _ attributes: UnsafeMutablePointer<Int32>?
) -> UnsafeMutablePointer<XVisualInfo>? {
  guard let record = DisplayRecord.of(dpy), let place = record.screen(screen),
    let wish = GLXWish(visuals: attributes)
  else { return nil }
  var count = 0
  guard let list = place.choose(wish, &count) else { return nil }
  defer { platform_free(list) }
  place.pointee.chosen = list[0]
  return record.visualInfo(UInt(list[0].pointee.visual), screen)
}

@c(glXGetConfig)
public func glXGetConfig(
  _ dpy: OpaquePointer?, _ visual: UnsafeMutablePointer<XVisualInfo>?, _ attribute: Int32,
  _ value: UnsafeMutablePointer<Int32>?
) -> Int32 {
  guard let record = DisplayRecord.of(dpy) else { return GLX.noExtension }
  guard let visual, record.screen(visual.pointee.screen) != nil else { return GLX.badScreen }
  guard let config = record.config(visual: visual.pointee.visualid, screen: visual.pointee.screen)
  else {
    // Any visual may be asked whether OpenGL can use it.
    guard attribute == GLX.useGL else { return GLX.badVisual }
    value?.pointee = 0
    return 0
  }
  let found: Int32? =
    switch attribute {
    case GLX.fbConfigID, GLX.drawableType, GLX.renderType, GLX.xRenderable: nil
    case GLX.visualID: Int32(truncatingIfNeeded: visual.pointee.visualid)
    default: config.pointee.attribute(attribute)
    }
  guard let found else { return GLX.badAttribute }
  value?.pointee = found
  return 0
}

@c(glXChooseFBConfig)
public func glXChooseFBConfig(
  _ dpy: OpaquePointer?, _ screen: Int32, _ attributes: UnsafePointer<Int32>?,
  _ count: UnsafeMutablePointer<Int32>?
) -> UnsafeMutablePointer<OpaquePointer?>? {
  count?.pointee = 0
  guard let record = DisplayRecord.of(dpy), let place = record.screen(screen),
    let wish = GLXWish(configs: attributes)
  else { return nil }
  var found = 0
  guard let list = place.choose(wish, &found) else { return nil }
  count?.pointee = Int32(truncatingIfNeeded: found)
  return UnsafeMutableRawPointer(list).assumingMemoryBound(to: OpaquePointer?.self)
}

@c(glXChooseFBConfigSGIX)
public func glXChooseFBConfigSGIX(
  _ dpy: OpaquePointer?, _ screen: Int32, _ attributes: UnsafeMutablePointer<Int32>?,
  _ count: UnsafeMutablePointer<Int32>?
) -> UnsafeMutablePointer<OpaquePointer?>? {
  glXChooseFBConfig(dpy, screen, attributes, count)
}

@c(glXGetFBConfigs)
public func glXGetFBConfigs(
  _ dpy: OpaquePointer?, _ screen: Int32, _ count: UnsafeMutablePointer<Int32>?
) -> UnsafeMutablePointer<OpaquePointer?>? {
  count?.pointee = 0
  guard let place = DisplayRecord.of(dpy)?.screen(screen), place.pointee.count > 0,
    let raw = platform_malloc(place.pointee.count &* 8)
  else { return nil }
  let list = raw.bindMemory(to: OpaquePointer?.self, capacity: place.pointee.count)
  var i = 0
  while i < place.pointee.count {
    (list + i).initialize(to: OpaquePointer(place.pointee.configs + i))
    i &+= 1
  }
  count?.pointee = Int32(truncatingIfNeeded: place.pointee.count)
  return list
}

@c(glXGetFBConfigAttrib)
public func glXGetFBConfigAttrib(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ attribute: Int32,
  _ value: UnsafeMutablePointer<Int32>?
) -> Int32 {
  guard let record = DisplayRecord.of(dpy) else { return GLX.noExtension }
  guard let config = record.config(config) else { return GLX.badVisual }
  guard let found = config.pointee.attribute(attribute) else { return GLX.badAttribute }
  value?.pointee = found
  return 0
}

@c(glXGetFBConfigAttribSGIX)
public func glXGetFBConfigAttribSGIX(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ attribute: Int32,
  _ value: UnsafeMutablePointer<Int32>?
) -> Int32 { glXGetFBConfigAttrib(dpy, config, attribute, value) }

@c(glXGetVisualFromFBConfig)
public func glXGetVisualFromFBConfig(_ dpy: OpaquePointer?, _ config: OpaquePointer?)
  -> UnsafeMutablePointer<XVisualInfo>?
{
  guard let record = DisplayRecord.of(dpy), let config = record.config(config),
    config.pointee.visual != 0, let place = record.screen(config.pointee.screen)
  else { return nil }
  place.pointee.chosen = config
  return record.visualInfo(UInt(config.pointee.visual), config.pointee.screen)
}

@c(glXGetVisualFromFBConfigSGIX)
public func glXGetVisualFromFBConfigSGIX(_ dpy: OpaquePointer?, _ config: OpaquePointer?)
  -> UnsafeMutablePointer<XVisualInfo>?
{ glXGetVisualFromFBConfig(dpy, config) }

@c(glXGetFBConfigFromVisualSGIX)
public func glXGetFBConfigFromVisualSGIX(
  _ dpy: OpaquePointer?, _ visual: UnsafeMutablePointer<XVisualInfo>?
) -> OpaquePointer? {
  guard let record = DisplayRecord.of(dpy), let visual else { return nil }
  return record.config(visual: visual.pointee.visualid, screen: visual.pointee.screen)
    .map { OpaquePointer($0) }
}
