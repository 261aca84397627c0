import CPlatform
import CX11
import Client
import GLWire

/// A GLXFBConfig is the address of one of these; they live as long as their display.
struct GLXConfig {
  /// GLX_FBCONFIG_ID.
  var id: UInt32 = 0
  /// 0 for a config that no window can have.
  var visual: UInt32 = 0
  /// Bits of a pixel in the X server; 0 without a visual.
  var depthOfVisual: UInt8 = 0
  var red: UInt8 = 0
  var green: UInt8 = 0
  var blue: UInt8 = 0
  var alpha: UInt8 = 0
  var depth: UInt8 = 0
  var stencil: UInt8 = 0
  /// Bits of each component of an accumulation buffer.
  var accumulation: UInt8 = 0
  var samples: UInt8 = 0
  var isDirectColor = false
  var isDoubleBuffered = false
  var isSRGB = false
  /// GLX_SWAP_COPY_OML: the back buffer stays as it is.
  var swapsByCopy = false
  var drawableTypes: Int32 = 0
  var screen: Int32 = 0

  var bufferSize: Int32 { Int32(red) &+ Int32(green) &+ Int32(blue) &+ Int32(alpha) }

  /// A visual's or config's attribute (GLX 1.4, 3.3.3); nil for one that there is not.
  func attribute(_ name: Int32) -> Int32? {
    switch name {
    case GLX.useGL, GLX.rgba: 1
    case GLX.bufferSize: bufferSize
    case GLX.level, GLX.stereo, GLX.auxBuffers: 0
    case GLX.doubleBuffer: isDoubleBuffered ? 1 : 0
    case GLX.redSize: Int32(red)
    case GLX.greenSize: Int32(green)
    case GLX.blueSize: Int32(blue)
    case GLX.alphaSize: Int32(alpha)
    case GLX.depthSize: Int32(depth)
    case GLX.stencilSize: Int32(stencil)
    case GLX.accumRedSize, GLX.accumGreenSize, GLX.accumBlueSize, GLX.accumAlphaSize:
      Int32(accumulation)
    case GLX.configCaveat: accumulation != 0 ? GLX.slow : GLX.none
    case GLX.visualType: isDirectColor ? GLX.directColor : GLX.trueColor
    case GLX.transparentType: GLX.none
    case GLX.transparentIndexValue, GLX.transparentRedValue, GLX.transparentGreenValue,
      GLX.transparentBlueValue, GLX.transparentAlphaValue:
      GLX.dontCare
    case GLX.visualID: Int32(bitPattern: visual)
    case GLX.drawableType: drawableTypes
    case GLX.renderType: GLX.rgbaBit
    case GLX.xRenderable: drawableTypes & (GLX.windowBit | GLX.pixmapBit) != 0 ? 1 : 0
    case GLX.fbConfigID: Int32(bitPattern: id)
    case GLX.maxPbufferWidth, GLX.maxPbufferHeight: 4096
    case GLX.maxPbufferPixels, GLX.optimalPbufferWidth, GLX.optimalPbufferHeight: 0
    case GLX.swapMethod: swapsByCopy ? GLX.swapCopy : GLX.swapUndefined
    case GLX.sRGBCapable: isSRGB ? 1 : 0
    case GLX.bindToTextureRGB, GLX.bindToTextureRGBA: 1
    case GLX.bindToMipmapTexture: 0
    case GLX.bindToTextureTargets: 7
    case GLX.yInverted: GLX.dontCare
    case GLX.sampleBuffers: samples != 0 ? 1 : 0
    case GLX.samples: Int32(samples)
    default: nil
    }
  }

  /// What a drawable of this config has; its size is still missing.
  var request: DrawableRequest {
    var request = DrawableRequest()
    request.red = UInt32(red)
    request.green = UInt32(green)
    request.blue = UInt32(blue)
    request.alpha = UInt32(alpha)
    request.depth = UInt32(depth)
    request.stencil = UInt32(stencil)
    request.samples = UInt32(samples)
    if isDoubleBuffered { request.flags |= DrawableFlag.doubleBuffered }
    if isSRGB { request.flags |= DrawableFlag.sRGB }
    if accumulation != 0 { request.flags |= DrawableFlag.accumulation }
    return request
  }

  /// How the X server has pixels of this config.
  var layout: PixelLayout {
    switch red {
    case 10: .bgra10
    case 5: .bgr565
    default: .bgra8
    }
  }
}

// MARK: The configs of a screen

/// Makes the configs of a screen: what OpenGL offers, in pixels of the visuals that the X server has.
/// A server with many visuals alike gives each config its own, as its GLX would; where there are
/// fewer, they stand for several.
struct GLXConfigMaker {
  /// Configs that differ in nothing but depth, stencil, buffers and samples.
  private struct Group {
    var isDirectColor: Bool
    var depthOfVisual: UInt8
    var red: UInt8
    var green: UInt8
    var blue: UInt8
    var alpha: UInt8
    var isSRGB: Bool
    /// Configs with accumulation buffers or samples as well.
    var isWhole: Bool
  }

  private static func group(_ index: Int) -> Group? {
    func make(
      _ direct: Bool, _ visual: UInt8, _ red: UInt8, _ green: UInt8, _ alpha: UInt8, _ sRGB: Bool,
      _ whole: Bool = true
    ) -> Group {
      Group(
        isDirectColor: direct, depthOfVisual: visual, red: red, green: green, blue: red,
        alpha: alpha, isSRGB: sRGB, isWhole: whole)
    }
    let direct = index >= 9
    return switch index {
    case 0, 9, 2, 11: make(direct, 30, 10, 10, 2, false)
    case 1, 10, 3, 12: make(direct, 30, 10, 10, 0, false)
    case 4, 13: make(direct, 24, 8, 8, 8, false)
    case 5, 14: make(direct, 24, 8, 8, 0, false)
    case 6, 15: make(direct, 24, 8, 8, 8, true)
    case 7, 16: make(direct, 24, 8, 8, 0, true)
    case 8, 17: make(direct, 16, 5, 6, 0, false)
    case 18: make(false, 32, 8, 8, 8, false, false)
    case 19: make(false, 32, 8, 8, 8, true, false)
    default: nil
    }
  }

  private static func depthAndStencil(_ index: Int) -> (UInt8, UInt8) {
    switch index {
    case 1: (16, 0)
    case 2: (24, 0)
    case 3: (24, 8)
    case 4: (32, 0)
    default: (0, 0)
    }
  }

  /// 18 groups of 45 and two of 15.
  static var most: Int { 18 &* 45 &+ 2 &* 15 }

  private let visuals: UnsafePointer<XVisualInfo>
  private let visualCount: Int
  private let configs: UnsafeMutablePointer<GLXConfig>
  private let screen: Int32
  private let root: UInt
  private var count = 0
  /// For each kind of visual, how many have a config of their own: true and direct color of 16, 24,
  /// 30 and 32 bits.
  private var taken = InlineArray<8, Int>(repeating: 0)

  /// Writes the configs of a screen, whose default visual is `root`, to `configs`, which has room for
  /// `most`. Their number.
  static func make(
    _ configs: UnsafeMutablePointer<GLXConfig>, screen: Int32, root: UInt,
    _ visuals: UnsafePointer<XVisualInfo>, _ visualCount: Int
  ) -> Int {
    var maker = GLXConfigMaker(
      visuals: visuals, visualCount: visualCount, configs: configs, screen: screen, root: root)
    var index = 0
    while let group = group(index) {
      maker.add(group)
      index &+= 1
    }
    return maker.count
  }

  private init(
    visuals: UnsafePointer<XVisualInfo>, visualCount: Int,
    configs: UnsafeMutablePointer<GLXConfig>, screen: Int32, root: UInt
  ) {
    self.visuals = visuals
    self.visualCount = visualCount
    self.configs = configs
    self.screen = screen
    self.root = root
  }

  private mutating func add(_ group: Group) {
    // DirectColor is offered where the screen has it.
    guard !group.isDirectColor || visual(24, true, 0) != nil else { return }
    guard group.depthOfVisual != 32 || visual(32, false, 0) != nil else { return }
    var plain = GLXConfig()
    plain.red = group.red
    plain.green = group.green
    plain.blue = group.blue
    plain.alpha = group.alpha
    plain.isDirectColor = group.isDirectColor
    plain.isSRGB = group.isSRGB
    plain.screen = screen
    for multiple in 0..<(group.isWhole ? 2 : 1) {
      let samples: UInt8 = multiple == 0 ? 0 : 4
      plain.samples = samples
      for index in 0..<5 {
        (plain.depth, plain.stencil) = GLXConfigMaker.depthAndStencil(index)
        for swap in 0..<3 {
          plain.isDoubleBuffered = swap > 0
          plain.swapsByCopy = swap == 2
          plain.accumulation = 0
          put(plain, group)
          guard samples == 0, group.isWhole else { continue }
          plain.accumulation = 16
          put(plain, group)
        }
      }
    }
  }

  private mutating func put(_ config: GLXConfig, _ group: Group) {
    var config = config
    config.id = 0x41 &+ UInt32(count) &+ UInt32(bitPattern: screen) &* 0x1000
    if let visual = takeVisual(config, group) {
      config.visual = visual
      config.depthOfVisual = group.depthOfVisual
      config.drawableTypes = GLX.windowBit | GLX.pixmapBit | GLX.pbufferBit
    } else if group.red == 10 && group.alpha == 0 {
      config.drawableTypes = 0
    } else {
      config.drawableTypes = GLX.pixmapBit | GLX.pbufferBit
    }
    (configs + count).initialize(to: config)
    count &+= 1
  }

  /// A visual of the config's own while there are any; the first one goes to the config that most
  /// programs want, and to all when there are no more.
  private mutating func takeVisual(_ config: GLXConfig, _ group: Group) -> UInt32? {
    guard let first = visual(group.depthOfVisual, group.isDirectColor, 0) else { return nil }
    let isFavourite =
      config.isDoubleBuffered && !config.swapsByCopy && config.depth == 24 && config.stencil == 8
      && config.samples == 0 && config.accumulation == 0 && !config.isSRGB
      && (config.alpha == 8 || config.red != 8)
    guard !isFavourite else { return first }
    let kind = GLXConfigMaker.kind(group.depthOfVisual, group.isDirectColor)
    guard let own = visual(group.depthOfVisual, group.isDirectColor, taken[kind] &+ 1) else {
      return first
    }
    taken[kind] &+= 1
    return own
  }

  private static func kind(_ depth: UInt8, _ direct: Bool) -> Int {
    let size =
      switch depth {
      case 16: 0
      case 24: 1
      case 30: 2
      default: 3
      }
    return size &* 2 &+ (direct ? 1 : 0)
  }

  /// The n-th visual of a kind: the screen's default visual first, the others in the server's order.
  private func visual(_ depth: UInt8, _ direct: Bool, _ n: Int) -> UInt32? {
    let wanted: Int32 = direct ? 5 : 4
    var isRootOfKind = false
    var i = 0
    while i < visualCount {
      if visuals[i].visualid == root {
        isRootOfKind = visuals[i].depth == Int32(depth) && visuals[i].`class` == wanted
      }
      i &+= 1
    }
    if isRootOfKind, n == 0 { return UInt32(truncatingIfNeeded: root) }
    var left = isRootOfKind ? n &- 1 : n
    i = 0
    while i < visualCount {
      let visual = visuals[i]
      if visual.depth == Int32(depth), visual.`class` == wanted, visual.visualid != root,
        hasOrder(visual, depth)
      {
        if left == 0 { return UInt32(truncatingIfNeeded: visual.visualid) }
        left &-= 1
      }
      i &+= 1
    }
    return nil
  }

  /// Whether frames can be shown with the visual as they are.
  private func hasOrder(_ visual: XVisualInfo, _ depth: UInt8) -> Bool {
    switch depth {
    case 16: visual.red_mask == 0xF800 && visual.blue_mask == 0x1F
    case 30: visual.red_mask == 0x3FF0_0000 && visual.blue_mask == 0x3FF
    default: visual.red_mask == 0xFF0000 && visual.blue_mask == 0xFF
    }
  }
}
