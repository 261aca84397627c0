import CPlatform
import CX11
import Client
import GLWire

/// An EGLConfig is the address of one of these; they live as long as the process.
struct EGLConfigRecord {
  var id: Int32 = 0
  /// An X11 visual; 0 elsewhere.
  var visual: UInt32 = 0
  /// X11's class of the visual, TrueColor or DirectColor; 0 elsewhere.
  var visualClass: Int32 = 0
  var depthOfVisual: UInt8 = 0
  var red: UInt8 = 0
  var green: UInt8 = 0
  var blue: UInt8 = 0
  var alpha: UInt8 = 0
  var depth: UInt8 = 0
  var stencil: UInt8 = 0
  var samples: UInt8 = 0
  var surfaceTypes: Int32 = 0

  /// Along each side of a pbuffer that EGL_LARGEST_PBUFFER bounds.
  static var mostPbufferPixels: Int32 { 4096 }

  var bufferSize: Int32 { Int32(red) &+ Int32(green) &+ Int32(blue) &+ Int32(alpha) }

  /// A config's attribute (EGL 1.5, 3.4); nil for one that there is not.
  func attribute(_ name: Int32) -> Int32? {
    switch name {
    case EGL.bufferSize: bufferSize
    case EGL.alphaSize: Int32(alpha)
    case EGL.blueSize: Int32(blue)
    case EGL.greenSize: Int32(green)
    case EGL.redSize: Int32(red)
    case EGL.depthSize: Int32(depth)
    case EGL.stencilSize: Int32(stencil)
    case EGL.configCaveat, EGL.transparentType: EGL.none
    case EGL.configID: id
    case EGL.level, EGL.maxPbufferPixels, EGL.transparentBlue, EGL.transparentGreen,
      EGL.transparentRed, EGL.luminanceSize, EGL.alphaMaskSize, EGL.minSwapInterval:
      0
    case EGL.bindToTextureRGB: surfaceTypes & EGL.pbufferBit != 0 ? 1 : 0
    case EGL.bindToTextureRGBA: surfaceTypes & EGL.pbufferBit != 0 && alpha > 0 ? 1 : 0
    case EGL.maxPbufferWidth, EGL.maxPbufferHeight: EGLConfigRecord.mostPbufferPixels
    case EGL.nativeRenderable: 1
    case EGL.nativeVisualID: Int32(bitPattern: visual)
    case EGL.nativeVisualType: visual != 0 ? visualClass : EGL.none
    case EGL.samples: Int32(samples)
    case EGL.sampleBuffers: samples != 0 ? 1 : 0
    case EGL.surfaceType: surfaceTypes
    case EGL.maxSwapInterval: 1000
    case EGL.colorBufferType: EGL.rgbBuffer
    case EGL.renderableType, EGL.conformant: EGL.everyAPI
    case EGL.colorComponentType: EGL.fixedComponents
    default: nil
    }
  }

  var request: DrawableRequest {
    var request = DrawableRequest()
    request.red = UInt32(red)
    request.green = UInt32(green)
    request.blue = UInt32(blue)
    request.alpha = UInt32(alpha)
    request.depth = UInt32(depth)
    request.stencil = UInt32(stencil)
    request.samples = UInt32(samples)
    return request
  }

  /// How the window system has pixels of this config.
  var layout: PixelLayout {
    switch red {
    case 10: .bgra10
    case 5: .bgr565
    default: .bgra8
    }
  }
}

/// Makes the configs of a display: what OpenGL offers, in pixels that its windows can have.
struct EGLConfigMaker {
  /// Ten groups of ten.
  static var most: Int { 100 }

  private let configs: UnsafeMutablePointer<EGLConfigRecord>
  private var count = 0

  static func make(_ record: EGLRecord, _ configs: UnsafeMutablePointer<EGLConfigRecord>) -> Int {
    var maker = EGLConfigMaker(configs: configs)
    switch record.pointee.platform {
    case EGL.platformX11, EGL.platformXCB: maker.addVisuals(record)
    case EGL.platformWayland:
      maker.add(8, 8, 8, EGL.windowBit | EGL.pbufferBit)
      maker.add(8, 8, 0, EGL.windowBit | EGL.pbufferBit)
    default:
      maker.add(10, 10, 2, EGL.pbufferBit)
      maker.add(10, 10, 0, EGL.pbufferBit)
      maker.add(8, 8, 8, EGL.pbufferBit)
      maker.add(8, 8, 0, EGL.pbufferBit)
      maker.add(5, 6, 0, EGL.pbufferBit)
    }
    return maker.count
  }

  private init(configs: UnsafeMutablePointer<EGLConfigRecord>) { self.configs = configs }

  private mutating func add(
    _ red: UInt8, _ green: UInt8, _ alpha: UInt8, _ surfaces: Int32,
    _ visual: xcb_visualtype_t? = nil, _ depthOfVisual: UInt8 = 0
  ) {
    var config = EGLConfigRecord()
    (config.red, config.green, config.blue, config.alpha) = (red, green, red, alpha)
    config.surfaceTypes = surfaces
    if let visual {
      config.visual = visual.visual_id
      config.visualClass = Int32(visual._class)
      config.depthOfVisual = depthOfVisual
    }
    for multiple in 0..<2 {
      config.samples = multiple == 0 ? 0 : 4
      for index in 0..<5 {
        switch index {
        case 1: (config.depth, config.stencil) = (16, 0)
        case 2: (config.depth, config.stencil) = (24, 0)
        case 3: (config.depth, config.stencil) = (24, 8)
        case 4: (config.depth, config.stencil) = (32, 0)
        default: (config.depth, config.stencil) = (0, 0)
        }
        guard count < EGLConfigMaker.most else { return }
        config.id = Int32(count &+ 1)
        (configs + count).initialize(to: config)
        count &+= 1
      }
    }
  }

  /// The first visual of each class and depth of the screen.
  private mutating func addVisuals(_ record: EGLRecord) {
    guard let functions = X11Server.functions(), let connection = record.pointee.connection,
      let setup = functions.pointee.getSetup(connection)
    else { return }
    var screens = functions.pointee.rootsIterator(setup)
    var skipped: Int32 = 0
    while screens.rem > 1, skipped < record.pointee.screen {
      functions.pointee.screenNext(&screens)
      skipped &+= 1
    }
    guard screens.rem > 0, let screen = screens.data else { return }
    let root = screen.pointee.root_depth
    addVisual(functions, screen, root, 4)
    addVisual(functions, screen, root, 5)
    // Windows that are seen through.
    if root != 32 { addVisual(functions, screen, 32, 4) }
  }

  private mutating func addVisual(
    _ functions: UnsafePointer<X11Server.Functions>, _ screen: UnsafeMutablePointer<xcb_screen_t>,
    _ depth: UInt8, _ visualClass: UInt8
  ) {
    let surfaces = EGL.windowBit | EGL.pixmapBit | EGL.pbufferBit | EGL.preservedBit
    guard let visual = first(functions, screen, depth, visualClass) else { return }
    switch (depth, visual.red_mask, visual.blue_mask) {
    case (24, 0xFF0000, 0xFF):
      add(8, 8, 8, surfaces, visual, depth)
      add(8, 8, 0, surfaces, visual, depth)
    case (32, 0xFF0000, 0xFF): add(8, 8, 8, surfaces, visual, depth)
    case (30, 0x3FF0_0000, 0x3FF):
      add(10, 10, 2, surfaces, visual, depth)
      add(10, 10, 0, surfaces, visual, depth)
    case (16, 0xF800, 0x1F): add(5, 6, 0, surfaces, visual, depth)
    default: break
    }
  }

  /// The screen's default visual when it is of the kind, or else the first that is.
  private func first(
    _ functions: UnsafePointer<X11Server.Functions>, _ screen: UnsafeMutablePointer<xcb_screen_t>,
    _ depth: UInt8, _ visualClass: UInt8
  ) -> xcb_visualtype_t? {
    var found: xcb_visualtype_t? = nil
    var depths = functions.pointee.depthsIterator(screen)
    while depths.rem > 0 {
      if depths.data.pointee.depth == depth {
        var visuals = functions.pointee.visualsIterator(depths.data)
        while visuals.rem > 0 {
          let visual = visuals.data.pointee
          if visual._class == visualClass {
            if visual.visual_id == screen.pointee.root_visual { return visual }
            found = found ?? visual
          }
          functions.pointee.visualNext(&visuals)
        }
      }
      functions.pointee.depthNext(&depths)
    }
    return found
  }
}

// MARK: Choosing

/// What a list of attributes asks for (EGL 1.5, 3.4.1).
struct EGLWish {
  private var id = EGL.dontCare
  private var bufferSize: Int32 = 0
  private var red: Int32 = 0
  private var green: Int32 = 0
  private var blue: Int32 = 0
  private var alpha: Int32 = 0
  private var depth: Int32 = 0
  private var stencil: Int32 = 0
  private var samples: Int32 = 0
  private var sampleBuffers: Int32 = 0
  private var caveat = EGL.dontCare
  private var level: Int32 = 0
  private var nativeRenderable = EGL.dontCare
  private var visualType = EGL.dontCare
  private var surfaceType = EGL.windowBit
  private var transparentType = EGL.none
  private var bindRGB = EGL.dontCare
  private var bindRGBA = EGL.dontCare
  private var minSwapInterval = EGL.dontCare
  private var maxSwapInterval = EGL.dontCare
  private var luminance: Int32 = 0
  private var alphaMask: Int32 = 0
  private var bufferType = EGL.rgbBuffer
  private var renderable: Int32 = 1
  private var conformant: Int32 = 0
  private var componentType = EGL.fixedComponents

  /// Nil when the list has an attribute or a value that there is not.
  init?(_ list: UnsafePointer<Int32>?) {
    var i = 0
    while let list, list[i] != EGL.none {
      guard set(list[i], list[i &+ 1]) else { return nil }
      i &+= 2
    }
  }

  private mutating func set(_ name: Int32, _ value: Int32) -> Bool {
    switch name {
    case EGL.configID: id = value
    case EGL.bufferSize: return take(&bufferSize, value)
    case EGL.redSize: return take(&red, value)
    case EGL.greenSize: return take(&green, value)
    case EGL.blueSize: return take(&blue, value)
    case EGL.alphaSize: return take(&alpha, value)
    case EGL.depthSize: return take(&depth, value)
    case EGL.stencilSize: return take(&stencil, value)
    case EGL.samples: return take(&samples, value)
    case EGL.sampleBuffers: return take(&sampleBuffers, value)
    case EGL.luminanceSize: return take(&luminance, value)
    case EGL.alphaMaskSize: return take(&alphaMask, value)
    case EGL.configCaveat:
      caveat = value
      return value == EGL.dontCare || value == EGL.none || value == EGL.slowConfig
        || value == 0x3051
    case EGL.level:
      level = value
      return value != EGL.dontCare
    case EGL.nativeRenderable:
      nativeRenderable = value
      return value == EGL.dontCare || value == 0 || value == 1
    case EGL.nativeVisualType: visualType = value
    case EGL.surfaceType: surfaceType = value
    case EGL.transparentType:
      transparentType = value
      return value == EGL.dontCare || value == EGL.none || value == 0x3052
    case EGL.bindToTextureRGB:
      bindRGB = value
      return value == EGL.dontCare || value == 0 || value == 1
    case EGL.bindToTextureRGBA:
      bindRGBA = value
      return value == EGL.dontCare || value == 0 || value == 1
    case EGL.minSwapInterval: minSwapInterval = value
    case EGL.maxSwapInterval: maxSwapInterval = value
    case EGL.colorBufferType:
      bufferType = value
      return value == EGL.dontCare || value == EGL.rgbBuffer || value == 0x308F
    case EGL.renderableType: renderable = value
    case EGL.conformant: conformant = value
    case EGL.colorComponentType:
      componentType = value
      return value == EGL.dontCare || value == EGL.fixedComponents || value == 0x333B
    // What is ignored, or said of all pixmaps.
    case EGL.transparentRed, EGL.transparentGreen, EGL.transparentBlue, EGL.maxPbufferWidth,
      EGL.maxPbufferHeight, EGL.maxPbufferPixels, EGL.nativeVisualID, EGL.matchNativePixmap:
      break
    default: return false
    }
    return true
  }

  private func take(_ place: inout Int32, _ value: Int32) -> Bool {
    guard value >= 0 || value == EGL.dontCare else { return false }
    place = max(value, 0)
    return true
  }

  func accepts(_ config: UnsafePointer<EGLConfigRecord>) -> Bool {
    let has = config.pointee
    // An id alone decides.
    if id != EGL.dontCare { return has.id == id }
    func equals(_ wanted: Int32, _ name: Int32) -> Bool {
      wanted == EGL.dontCare || has.attribute(name) == wanted
    }
    func covers(_ wanted: Int32, _ bits: Int32) -> Bool {
      wanted == EGL.dontCare || wanted & ~bits == 0
    }
    guard equals(caveat, EGL.configCaveat), equals(level, EGL.level),
      equals(nativeRenderable, EGL.nativeRenderable), equals(visualType, EGL.nativeVisualType),
      equals(transparentType, EGL.transparentType), equals(bindRGB, EGL.bindToTextureRGB),
      equals(bindRGBA, EGL.bindToTextureRGBA), equals(minSwapInterval, EGL.minSwapInterval),
      equals(maxSwapInterval, EGL.maxSwapInterval), equals(bufferType, EGL.colorBufferType),
      equals(componentType, EGL.colorComponentType)
    else { return false }
    guard covers(surfaceType, has.surfaceTypes), covers(renderable, EGL.everyAPI),
      covers(conformant, EGL.everyAPI), luminance == 0, alphaMask == 0
    else { return false }
    return bufferSize <= has.bufferSize && red <= Int32(has.red) && green <= Int32(has.green)
      && blue <= Int32(has.blue) && alpha <= Int32(has.alpha) && depth <= Int32(has.depth)
      && stencil <= Int32(has.stencil) && samples <= Int32(has.samples)
      && sampleBuffers <= (has.samples != 0 ? 1 : 0)
  }

  private func colorBits(_ config: EGLConfigRecord) -> Int32 {
    var bits: Int32 = 0
    if red > 0 { bits &+= Int32(config.red) }
    if green > 0 { bits &+= Int32(config.green) }
    if blue > 0 { bits &+= Int32(config.blue) }
    if alpha > 0 { bits &+= Int32(config.alpha) }
    return bits
  }

  /// Whether `a` comes before `b` in the list of matching configs.
  func prefers(_ a: UnsafePointer<EGLConfigRecord>, _ b: UnsafePointer<EGLConfigRecord>) -> Bool {
    let (x, y) = (a.pointee, b.pointee)
    let order: InlineArray<6, (Int32, Int32)> = [
      (-colorBits(x), -colorBits(y)),
      (x.bufferSize, y.bufferSize),
      (Int32(x.samples), Int32(y.samples)),
      (Int32(x.depth), Int32(y.depth)),
      (Int32(x.stencil), Int32(y.stencil)),
      (x.id, y.id),
    ]
    for i in order.indices where order[i].0 != order[i].1 { return order[i].0 < order[i].1 }
    return false
  }
}

@c(eglGetConfigs)
public func eglGetConfigs(
  _ dpy: OpaquePointer?, _ configs: UnsafeMutablePointer<OpaquePointer?>?, _ size: Int32,
  _ count: UnsafeMutablePointer<Int32>?
) -> UInt32 {
  guard let record = EGLRecord.ready(dpy) else { return 0 }
  guard let count else { return eglFailure(EGL.badParameter) }
  count.pointee = Int32(truncatingIfNeeded: record.pointee.configCount)
  if let configs, let all = record.pointee.configs {
    count.pointee = min(count.pointee, max(size, 0))
    var i = 0
    while i < Int(count.pointee) {
      configs[i] = OpaquePointer(all + i)
      i &+= 1
    }
  }
  return eglSuccess()
}

@c(eglChooseConfig)
public func eglChooseConfig(
  _ dpy: OpaquePointer?, _ attributes: UnsafePointer<Int32>?,
  _ configs: UnsafeMutablePointer<OpaquePointer?>?, _ size: Int32,
  _ count: UnsafeMutablePointer<Int32>?
) -> UInt32 {
  guard let record = EGLRecord.ready(dpy) else { return 0 }
  guard let count else { return eglFailure(EGL.badParameter) }
  guard let wish = EGLWish(attributes) else { return eglFailure(EGL.badAttribute) }
  guard let all = record.pointee.configs,
    let raw = platform_malloc(EGLConfigMaker.most &* 8)
  else { return eglFailure(EGL.badAlloc) }
  defer { platform_free(raw) }
  let list = raw.bindMemory(
    to: UnsafePointer<EGLConfigRecord>.self, capacity: EGLConfigMaker.most)
  var found = 0
  var i = 0
  while i < record.pointee.configCount {
    let config = UnsafePointer(all + i)
    if wish.accepts(config) {
      var place = found
      while place > 0, wish.prefers(config, list[place &- 1]) {
        list[place] = list[place &- 1]
        place &-= 1
      }
      (list + place).initialize(to: config)
      found &+= 1
    }
    i &+= 1
  }
  if let configs {
    found = min(found, Int(max(size, 0)))
    i = 0
    while i < found {
      configs[i] = OpaquePointer(list[i])
      i &+= 1
    }
  }
  count.pointee = Int32(truncatingIfNeeded: found)
  return eglSuccess()
}

@c(eglGetConfigAttrib)
public func eglGetConfigAttrib(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ attribute: Int32,
  _ value: UnsafeMutablePointer<Int32>?
) -> UInt32 {
  guard let record = EGLRecord.ready(dpy) else { return 0 }
  guard let config = record.config(config) else { return eglFailure(EGL.badConfig) }
  guard let value else { return eglFailure(EGL.badParameter) }
  guard let found = config.pointee.attribute(attribute) else {
    return eglFailure(EGL.badAttribute)
  }
  value.pointee = found
  return eglSuccess()
}
