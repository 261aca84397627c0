/// GLX's numbers that are spoken of here (GLX 1.4 and its extensions).
enum GLX {
  // Attributes of visuals and configs.
  static var useGL: Int32 { 1 }
  static var bufferSize: Int32 { 2 }
  static var level: Int32 { 3 }
  static var rgba: Int32 { 4 }
  static var doubleBuffer: Int32 { 5 }
  static var stereo: Int32 { 6 }
  static var auxBuffers: Int32 { 7 }
  static var redSize: Int32 { 8 }
  static var greenSize: Int32 { 9 }
  static var blueSize: Int32 { 10 }
  static var alphaSize: Int32 { 11 }
  static var depthSize: Int32 { 12 }
  static var stencilSize: Int32 { 13 }
  static var accumRedSize: Int32 { 14 }
  static var accumGreenSize: Int32 { 15 }
  static var accumBlueSize: Int32 { 16 }
  static var accumAlphaSize: Int32 { 17 }
  static var configCaveat: Int32 { 0x20 }
  static var visualType: Int32 { 0x22 }
  static var transparentType: Int32 { 0x23 }
  static var transparentIndexValue: Int32 { 0x24 }
  static var transparentRedValue: Int32 { 0x25 }
  static var transparentGreenValue: Int32 { 0x26 }
  static var transparentBlueValue: Int32 { 0x27 }
  static var transparentAlphaValue: Int32 { 0x28 }
  static var visualID: Int32 { 0x800B }
  static var screen: Int32 { 0x800C }
  static var drawableType: Int32 { 0x8010 }
  static var renderType: Int32 { 0x8011 }
  static var xRenderable: Int32 { 0x8012 }
  static var fbConfigID: Int32 { 0x8013 }
  static var maxPbufferWidth: Int32 { 0x8016 }
  static var maxPbufferHeight: Int32 { 0x8017 }
  static var maxPbufferPixels: Int32 { 0x8018 }
  static var optimalPbufferWidth: Int32 { 0x8019 }
  static var optimalPbufferHeight: Int32 { 0x801A }
  static var visualSelectGroup: Int32 { 0x8028 }
  static var swapMethod: Int32 { 0x8060 }
  static var sRGBCapable: Int32 { 0x20B2 }
  static var bindToTextureRGB: Int32 { 0x20D0 }
  static var bindToTextureRGBA: Int32 { 0x20D1 }
  static var bindToMipmapTexture: Int32 { 0x20D2 }
  static var bindToTextureTargets: Int32 { 0x20D3 }
  static var yInverted: Int32 { 0x20D4 }
  static var sampleBuffers: Int32 { 100_000 }
  static var samples: Int32 { 100_001 }

  // Their values.
  static var dontCare: Int32 { -1 }
  static var none: Int32 { 0x8000 }
  static var slow: Int32 { 0x8001 }
  static var nonConformant: Int32 { 0x800D }
  static var trueColor: Int32 { 0x8002 }
  static var directColor: Int32 { 0x8003 }
  static var windowBit: Int32 { 1 }
  static var pixmapBit: Int32 { 2 }
  static var pbufferBit: Int32 { 4 }
  static var rgbaBit: Int32 { 1 }
  static var rgbaType: Int32 { 0x8014 }
  static var swapCopy: Int32 { 0x8062 }
  static var swapUndefined: Int32 { 0x8063 }

  // Attributes of drawables.
  static var preservedContents: Int32 { 0x801B }
  static var largestPbuffer: Int32 { 0x801C }
  static var width: Int32 { 0x801D }
  static var height: Int32 { 0x801E }
  static var eventMask: Int32 { 0x801F }
  static var pbufferHeight: Int32 { 0x8040 }
  static var pbufferWidth: Int32 { 0x8041 }
  static var swapInterval: Int32 { 0x20F1 }
  static var maxSwapInterval: Int32 { 0x20F2 }
  static var lateSwapsTear: Int32 { 0x20F3 }
  static var backBufferAge: Int32 { 0x20F4 }
  static var textureFormat: Int32 { 0x20D5 }
  static var textureTarget: Int32 { 0x20D6 }
  static var mipmapTexture: Int32 { 0x20D7 }
  static var textureFormatNone: Int32 { 0x20D8 }
  static var texture2D: Int32 { 0x20DC }

  // Attributes of contexts.
  static var shareContext: Int32 { 0x800A }
  static var majorVersion: Int32 { 0x2091 }
  static var minorVersion: Int32 { 0x2092 }
  static var contextFlags: Int32 { 0x2094 }
  static var releaseBehavior: Int32 { 0x2097 }
  static var releaseFlush: Int32 { 0x2098 }
  static var resetStrategy: Int32 { 0x8256 }
  static var loseContextOnReset: Int32 { 0x8252 }
  static var noResetNotification: Int32 { 0x8261 }
  static var profileMask: Int32 { 0x9126 }
  static var noError: Int32 { 0x31B3 }

  // What glXGetConfig returns.
  static var badScreen: Int32 { 1 }
  static var badAttribute: Int32 { 2 }
  static var noExtension: Int32 { 3 }
  static var badVisual: Int32 { 4 }
  static var badContextResult: Int32 { 5 }
  static var badValueResult: Int32 { 6 }
}

/// Errors of GLX's protocol, and those of the core that GLX speaks of.
enum GLXError {
  static var context: UInt8 { 0 }
  static var contextState: UInt8 { 1 }
  static var drawable: UInt8 { 2 }
  static var pixmap: UInt8 { 3 }
  static var currentWindow: UInt8 { 5 }
  static var fbConfig: UInt8 { 9 }
  static var pbuffer: UInt8 { 10 }
  static var currentDrawable: UInt8 { 11 }
  static var window: UInt8 { 12 }
  static var profile: UInt8 { 13 }
}

enum CoreError {
  static var value: UInt8 { 2 }
  static var window: UInt8 { 3 }
  static var pixmap: UInt8 { 4 }
  static var match: UInt8 { 8 }
  static var drawable: UInt8 { 9 }
  static var access: UInt8 { 10 }
  static var alloc: UInt8 { 11 }
}

/// The requests of GLX's protocol, for error events.
enum GLXRequest {
  static var createContext: UInt8 { 3 }
  static var destroyContext: UInt8 { 4 }
  static var makeCurrent: UInt8 { 5 }
  static var copyContext: UInt8 { 10 }
  static var swapBuffers: UInt8 { 11 }
  static var useXFont: UInt8 { 12 }
  static var createGLXPixmap: UInt8 { 13 }
  static var vendorPrivate: UInt8 { 16 }
  static var createPixmap: UInt8 { 22 }
  static var destroyPixmap: UInt8 { 23 }
  static var createNewContext: UInt8 { 24 }
  static var queryContext: UInt8 { 25 }
  static var makeContextCurrent: UInt8 { 26 }
  static var createPbuffer: UInt8 { 27 }
  static var destroyPbuffer: UInt8 { 28 }
  static var getDrawableAttributes: UInt8 { 29 }
  static var changeDrawableAttributes: UInt8 { 30 }
  static var createWindow: UInt8 { 31 }
  static var destroyWindow: UInt8 { 32 }
  static var createContextAttribs: UInt8 { 34 }
}
