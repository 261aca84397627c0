import CPlatform

/// Numbers of EGL that this room uses.
enum EGL {
  static var openGLAPI: UInt32 { 0x30A2 }
  static var openGLESAPI: UInt32 { 0x30A0 }
  static var success: Int32 { 0x3000 }
  static var notInitialized: Int32 { 0x3001 }
  static var badAlloc: Int32 { 0x3003 }
  static var badAttribute: Int32 { 0x3004 }
  static var badContext: Int32 { 0x3006 }
  static var badMatch: Int32 { 0x3009 }
  static var none: Int32 { 0x3038 }
  static var badParameter: Int32 { 0x300C }
  static var vendor: Int32 { 0x3053 }
  static var version: Int32 { 0x3054 }
  static var extensions: Int32 { 0x3055 }
  static var majorVersion: Int32 { 0x3098 }
  static var minorVersion: Int32 { 0x30FB }
  static var contextFlags: Int32 { 0x30FC }
  static var profileMask: Int32 { 0x30FD }
  static var resetStrategyKHR: Int32 { 0x31BD }
  static var resetStrategyEXT: Int32 { 0x3138 }
  static var robustAccessEXT: Int32 { 0x30BF }
  static var debug: Int32 { 0x31B0 }
  static var renderableType: Int32 { 0x3040 }
  static var openGLBit: Int32 { 8 }
  static var openGLES2Bit: Int32 { 4 }
  static var surfaceType: Int32 { 0x3033 }
  static var platformSurfaceless: UInt32 { 0x31DD }
  static var platformDevice: UInt32 { 0x313F }

  /// The name of an error.
  static func name(_ error: Int32) -> String {
    let names = [
      "EGL_SUCCESS", "EGL_NOT_INITIALIZED", "EGL_BAD_ACCESS", "EGL_BAD_ALLOC", "EGL_BAD_ATTRIBUTE",
      "EGL_BAD_CONFIG", "EGL_BAD_CONTEXT", "EGL_BAD_CURRENT_SURFACE", "EGL_BAD_DISPLAY",
      "EGL_BAD_MATCH", "EGL_BAD_NATIVE_PIXMAP", "EGL_BAD_NATIVE_WINDOW", "EGL_BAD_PARAMETER",
      "EGL_BAD_SURFACE", "EGL_CONTEXT_LOST",
    ]
    let index = Int(error) - Int(success)
    return names.indices.contains(index) ? names[index] : "EGL error \(error)"
  }
}

/// The functions of libEGL, by their C types. A pointer to a struct of EGL's is an address.
struct EGLFunctions {
  typealias Address = UnsafeMutableRawPointer
  typealias Attributes = UnsafePointer<Int32>

  let getProcAddress: @convention(c) (UnsafePointer<CChar>) -> Address?
  let getDisplay: @convention(c) (Address?) -> Address?
  let initialize:
    @convention(c) (Address?, UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) -> UInt32
  let queryString: @convention(c) (Address?, Int32) -> UnsafePointer<CChar>?
  let getError: @convention(c) () -> Int32
  let bindAPI: @convention(c) (UInt32) -> UInt32
  let chooseConfig:
    @convention(c) (
      Address?, Attributes?, UnsafeMutablePointer<Address?>?, Int32, UnsafeMutablePointer<Int32>
    ) -> UInt32
  let createContext: @convention(c) (Address?, Address?, Address?, Attributes?) -> Address?
  let destroyContext: @convention(c) (Address?, Address?) -> UInt32
  let makeCurrent: @convention(c) (Address?, Address?, Address?, Address?) -> UInt32
  let releaseThread: @convention(c) () -> UInt32
  /// Nil where there are no images.
  let createImage: (@convention(c) (Address?, Address?, UInt32, Address?, Attributes?) -> Address?)?
  let destroyImage: (@convention(c) (Address?, Address?) -> UInt32)?
}

extension EGLFunctions {
  init(library: Address) throws(GLUnavailable) {
    func need<T>(_ name: StaticString) throws(GLUnavailable) -> T {
      let symbol = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
      guard let address = platform_symbol(library, symbol) else {
        throw GLUnavailable(message: "libEGL.so.1 lacks \(name)")
      }
      return unsafeBitCast(address, to: T.self)
    }
    getProcAddress = try need("eglGetProcAddress")
    getDisplay = try need("eglGetDisplay")
    initialize = try need("eglInitialize")
    queryString = try need("eglQueryString")
    getError = try need("eglGetError")
    bindAPI = try need("eglBindAPI")
    chooseConfig = try need("eglChooseConfig")
    createContext = try need("eglCreateContext")
    destroyContext = try need("eglDestroyContext")
    makeCurrent = try need("eglMakeCurrent")
    releaseThread = try need("eglReleaseThread")
    createImage = unsafeBitCast(
      getProcAddress("eglCreateImageKHR"),
      to: (@convention(c) (Address?, Address?, UInt32, Address?, Attributes?) -> Address?)?.self)
    destroyImage = unsafeBitCast(
      getProcAddress("eglDestroyImageKHR"),
      to: (@convention(c) (Address?, Address?) -> UInt32)?.self)
  }
}

/// Why there is no OpenGL on this machine, as a sentence.
struct GLUnavailable: Error {
  let message: String
}

/// The machine's EGL: one for the process, opened when the first context is asked for.
final class EGLDriver: @unchecked Sendable {
  let egl: EGLFunctions
  let display: UnsafeMutableRawPointer?
  /// Name of the platform, vendor and version, for messages.
  let description: String
  /// Extensions of the display.
  private let extensions: Set<String>

  /// The one EGL of this process, or why there is none.
  static let shared: Result<EGLDriver, GLUnavailable> = {
    do throws(GLUnavailable) {
      return .success(try EGLDriver(EGLDriver.openLibrary()))
    } catch { return .failure(error) }
  }()

  func has(_ name: String) -> Bool { extensions.contains(name) }

  /// The first display of `egl` that can be used.
  init(_ egl: EGLFunctions) throws(GLUnavailable) {
    self.egl = egl
    let client = EGLDriver.words(egl.queryString(nil, EGL.extensions))
    var failures: [String] = []
    for platform in Platform.allCases {
      guard let display = platform.display(egl, client) else { continue }
      var major: Int32 = 0
      var minor: Int32 = 0
      guard egl.initialize(display, &major, &minor) != 0 else {
        failures.append("\(platform.name): \(EGL.name(egl.getError()))")
        continue
      }
      let extensions = EGLDriver.words(egl.queryString(display, EGL.extensions))
      guard extensions.contains("EGL_KHR_surfaceless_context") else {
        failures.append("\(platform.name): no EGL_KHR_surfaceless_context")
        continue
      }
      self.display = display
      self.extensions = extensions
      let vendor = EGLDriver.text(egl.queryString(display, EGL.vendor))
      description = "\(vendor), EGL \(major).\(minor) on the \(platform.name) platform"
      return
    }
    throw GLUnavailable(
      message: "no display of libEGL.so.1 can be used"
        + (failures.isEmpty ? "" : " (\(failures.joined(separator: "; ")))"))
  }

  /// Opens the driver's libEGL. A node that a client's process has started may inherit a search path
  /// on which the client's own replacement comes first: that is not a driver.
  private static func openLibrary() throws(GLUnavailable) -> EGLFunctions {
    var refused = ""
    for name in ["libEGL.so.1"] + systemFolders.map({ "\($0)/libEGL.so.1" }) {
      guard let library = platform_open_library(name) else { continue }
      if isReplacement(library) {
        refused = ", but the one that applications are given"
        continue
      }
      return try EGLFunctions(library: library)
    }
    throw GLUnavailable(
      message: "there is no libEGL.so.1\(refused); install a driver for OpenGL (libegl1, "
        + "libgl1-mesa-dri)")
  }

  /// Whether what a library's name has led to is what applications are given for it.
  private static func isReplacement(_ library: UnsafeMutableRawPointer) -> Bool {
    guard let symbol = platform_symbol(library, "eglGetProcAddress"),
      let path = platform_path_of(symbol)
    else { return false }
    return platform_contains(path, "GLShim_omega")
  }

  private static let systemFolders = [
    "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib",
    "/usr/local/lib",
  ]

  static func text(_ string: UnsafePointer<CChar>?) -> String {
    string.map { String(cString: $0) } ?? ""
  }

  static func words(_ string: UnsafePointer<CChar>?) -> Set<String> {
    Set(text(string).split(separator: " ").map(String.init))
  }

  /// A function of the driver by its name.
  func function(_ name: UnsafePointer<CChar>) -> UnsafeMutableRawPointer? {
    egl.getProcAddress(name)
  }

  // MARK: Contexts

  /// A config for contexts; none where the display does not ask for one.
  private func config(isES: Bool) -> UnsafeMutableRawPointer? {
    if has("EGL_KHR_no_config_context") || has("EGL_MESA_configless_context") { return nil }
    let attributes = [
      EGL.renderableType, isES ? EGL.openGLES2Bit : EGL.openGLBit, EGL.surfaceType, 0, EGL.none,
    ]
    var config: UnsafeMutableRawPointer?
    var count: Int32 = 0
    return egl.chooseConfig(display, attributes, &config, 1, &count) != 0 && count > 0
      ? config : nil
  }

  /// Makes a context that shares with `share`; nil and the driver's error.
  func makeContext(
    _ attributes: ContextAttributes, share: UnsafeMutableRawPointer?, error: inout Int32
  ) -> UnsafeMutableRawPointer? {
    guard egl.bindAPI(attributes.isES ? EGL.openGLESAPI : EGL.openGLAPI) != 0 else {
      error = egl.getError()
      return nil
    }
    let context = egl.createContext(
      display, config(isES: attributes.isES), share, attributes.words(self))
    error = context == nil ? egl.getError() : EGL.success
    return context
  }

  /// Makes a context, or none, current on the calling thread.
  func makeCurrent(_ context: UnsafeMutableRawPointer?) -> Bool {
    egl.makeCurrent(display, nil, nil, context) != 0
  }
}

/// Where a display without a window system comes from, in the order in which they are tried.
private enum Platform: CaseIterable {
  case surfaceless
  case device
  case standard

  var name: String {
    switch self {
    case .surfaceless: "surfaceless"
    case .device: "device"
    case .standard: "default"
    }
  }

  typealias Address = UnsafeMutableRawPointer
  private typealias GetPlatformDisplay =
    @convention(c) (UInt32, Address?, UnsafePointer<Int32>?) -> Address?
  private typealias QueryDevices =
    @convention(c) (Int32, UnsafeMutablePointer<Address?>, UnsafeMutablePointer<Int32>) -> UInt32

  func display(_ egl: EGLFunctions, _ extensions: Set<String>) -> Address? {
    let get = egl.getProcAddress("eglGetPlatformDisplayEXT").map {
      unsafeBitCast($0, to: GetPlatformDisplay.self)
    }
    switch self {
    case .surfaceless:
      guard extensions.contains("EGL_MESA_platform_surfaceless"), let get else { return nil }
      return get(EGL.platformSurfaceless, nil, nil)
    case .device:
      guard extensions.contains("EGL_EXT_platform_device"), let get,
        let query = egl.getProcAddress("eglQueryDevicesEXT")
      else { return nil }
      var devices = [Address?](repeating: nil, count: 16)
      var count: Int32 = 0
      guard unsafeBitCast(query, to: QueryDevices.self)(16, &devices, &count) != 0, count > 0
      else { return nil }
      return get(EGL.platformDevice, devices[0], nil)
    case .standard: return egl.getDisplay(nil)
    }
  }
}

/// What a driver's context is made with.
struct ContextAttributes {
  var isES = false
  /// 0: what the driver gives for none.
  var major: UInt32 = 0
  var minor: UInt32 = 0
  /// EGL_CONTEXT_OPENGL_PROFILE_MASK; 0 for none.
  var profileMask: UInt32 = 0
  /// Bit 0: debug, 1: forward compatible, 2: robust access.
  var flags: UInt32 = 0
  /// EGL's value, or 0.
  var resetStrategy: UInt32 = 0

  /// The attribute list of eglCreateContext.
  func words(_ driver: EGLDriver) -> [Int32] {
    var words: [Int32] = []
    func add(_ name: Int32, _ value: UInt32) {
      words += [name, Int32(truncatingIfNeeded: value)]
    }
    if major > 0 {
      add(EGL.majorVersion, major)
      if minor > 0 || driver.has("EGL_KHR_create_context") { add(EGL.minorVersion, minor) }
    }
    if profileMask != 0 { add(EGL.profileMask, profileMask) }
    if isES {
      // OpenGL ES knows no forward compatibility, and robustness by names of its own.
      if flags & 1 != 0 { add(EGL.contextFlags, 1) }
      if flags & 4 != 0 { add(EGL.robustAccessEXT, 1) }
      if resetStrategy != 0 { add(EGL.resetStrategyEXT, resetStrategy) }
    } else {
      if flags & 7 != 0 { add(EGL.contextFlags, flags & 7) }
      if resetStrategy != 0 { add(EGL.resetStrategyKHR, resetStrategy) }
    }
    return words + [EGL.none]
  }
}
