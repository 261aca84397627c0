/// EGL's numbers that are spoken of here (EGL 1.5 and its extensions).
enum EGL {
  // Errors.
  static var success: Int32 { 0x3000 }
  static var notInitialized: Int32 { 0x3001 }
  static var badAccess: Int32 { 0x3002 }
  static var badAlloc: Int32 { 0x3003 }
  static var badAttribute: Int32 { 0x3004 }
  static var badConfig: Int32 { 0x3005 }
  static var badContext: Int32 { 0x3006 }
  static var badCurrentSurface: Int32 { 0x3007 }
  static var badDisplay: Int32 { 0x3008 }
  static var badMatch: Int32 { 0x3009 }
  static var badNativePixmap: Int32 { 0x300A }
  static var badNativeWindow: Int32 { 0x300B }
  static var badParameter: Int32 { 0x300C }
  static var badSurface: Int32 { 0x300D }
  static var badDevice: Int32 { 0x322B }

  static var none: Int32 { 0x3038 }
  static var dontCare: Int32 { -1 }

  // Attributes of configs.
  static var bufferSize: Int32 { 0x3020 }
  static var alphaSize: Int32 { 0x3021 }
  static var blueSize: Int32 { 0x3022 }
  static var greenSize: Int32 { 0x3023 }
  static var redSize: Int32 { 0x3024 }
  static var depthSize: Int32 { 0x3025 }
  static var stencilSize: Int32 { 0x3026 }
  static var configCaveat: Int32 { 0x3027 }
  static var configID: Int32 { 0x3028 }
  static var level: Int32 { 0x3029 }
  static var maxPbufferHeight: Int32 { 0x302A }
  static var maxPbufferPixels: Int32 { 0x302B }
  static var maxPbufferWidth: Int32 { 0x302C }
  static var nativeRenderable: Int32 { 0x302D }
  static var nativeVisualID: Int32 { 0x302E }
  static var nativeVisualType: Int32 { 0x302F }
  static var samples: Int32 { 0x3031 }
  static var sampleBuffers: Int32 { 0x3032 }
  static var surfaceType: Int32 { 0x3033 }
  static var transparentType: Int32 { 0x3034 }
  static var transparentBlue: Int32 { 0x3035 }
  static var transparentGreen: Int32 { 0x3036 }
  static var transparentRed: Int32 { 0x3037 }
  static var bindToTextureRGB: Int32 { 0x3039 }
  static var bindToTextureRGBA: Int32 { 0x303A }
  static var minSwapInterval: Int32 { 0x303B }
  static var maxSwapInterval: Int32 { 0x303C }
  static var luminanceSize: Int32 { 0x303D }
  static var alphaMaskSize: Int32 { 0x303E }
  static var colorBufferType: Int32 { 0x303F }
  static var renderableType: Int32 { 0x3040 }
  static var matchNativePixmap: Int32 { 0x3041 }
  static var conformant: Int32 { 0x3042 }
  static var colorComponentType: Int32 { 0x3339 }

  // Their values.
  static var slowConfig: Int32 { 0x3050 }
  static var rgbBuffer: Int32 { 0x308E }
  static var fixedComponents: Int32 { 0x333A }
  static var pbufferBit: Int32 { 1 }
  static var pixmapBit: Int32 { 2 }
  static var windowBit: Int32 { 4 }
  static var preservedBit: Int32 { 0x400 }
  /// OpenGL ES 1, 2 and 3, and OpenGL.
  static var everyAPI: Int32 { 0x4D }

  // Attributes of surfaces.
  static var height: Int32 { 0x3056 }
  static var width: Int32 { 0x3057 }
  static var largestPbuffer: Int32 { 0x3058 }
  static var textureFormat: Int32 { 0x3080 }
  static var textureTarget: Int32 { 0x3081 }
  static var mipmapTexture: Int32 { 0x3082 }
  static var mipmapLevel: Int32 { 0x3083 }
  static var backBuffer: Int32 { 0x3084 }
  static var singleBuffer: Int32 { 0x3085 }
  static var renderBuffer: Int32 { 0x3086 }
  static var vgColorspace: Int32 { 0x3087 }
  static var vgAlphaFormat: Int32 { 0x3088 }
  static var sRGB: Int32 { 0x3089 }
  static var linear: Int32 { 0x308A }
  static var alphaNonpre: Int32 { 0x308B }
  static var horizontalResolution: Int32 { 0x3090 }
  static var verticalResolution: Int32 { 0x3091 }
  static var pixelAspectRatio: Int32 { 0x3092 }
  static var swapBehavior: Int32 { 0x3093 }
  static var bufferPreserved: Int32 { 0x3094 }
  static var bufferDestroyed: Int32 { 0x3095 }
  static var multisampleResolve: Int32 { 0x3099 }
  static var resolveDefault: Int32 { 0x309A }
  static var glColorspace: Int32 { 0x309D }
  static var postSubBufferSupported: Int32 { 0x30BE }
  static var bufferAge: Int32 { 0x313D }
  static var presentOpaque: Int32 { 0x31DF }
  static var noTexture: Int32 { 0x305C }
  static var textureRGBA: Int32 { 0x305E }
  static var texture2D: Int32 { 0x305F }

  // Contexts.
  static var majorVersion: Int32 { 0x3098 }
  static var minorVersion: Int32 { 0x30FB }
  static var contextFlags: Int32 { 0x30FC }
  static var profileMask: Int32 { 0x30FD }
  static var debug: Int32 { 0x31B0 }
  static var forwardCompatible: Int32 { 0x31B1 }
  static var robustAccess: Int32 { 0x31B2 }
  static var robustAccessEXT: Int32 { 0x30BF }
  static var resetStrategy: Int32 { 0x31BD }
  static var resetStrategyEXT: Int32 { 0x3138 }
  static var noResetNotification: Int32 { 0x31BE }
  static var loseContextOnReset: Int32 { 0x31BF }
  static var noError: Int32 { 0x31B3 }
  static var releaseBehavior: Int32 { 0x2097 }
  static var releaseFlush: Int32 { 0x2098 }
  static var contextClientType: Int32 { 0x3097 }
  static var openGLESAPI: UInt32 { 0x30A0 }
  static var openGLAPI: UInt32 { 0x30A2 }

  // Strings.
  static var vendor: Int32 { 0x3053 }
  static var version: Int32 { 0x3054 }
  static var extensions: Int32 { 0x3055 }
  static var clientAPIs: Int32 { 0x308D }

  static var draw: Int32 { 0x3059 }
  static var read: Int32 { 0x305A }
  static var coreNativeEngine: Int32 { 0x305B }

  // Platforms.
  static var platformX11: UInt32 { 0x31D5 }
  static var platformX11Screen: Int { 0x31D6 }
  static var platformGBM: UInt32 { 0x31D7 }
  static var platformWayland: UInt32 { 0x31D8 }
  static var platformXCB: UInt32 { 0x31DC }
  static var platformSurfaceless: UInt32 { 0x31DD }
  static var platformXCBScreen: Int { 0x31DE }
  static var platformDevice: UInt32 { 0x313F }
  static var deviceEXT: Int32 { 0x322C }

  // Syncs.
  static var syncReusable: UInt32 { 0x30FA }
  static var syncFence: UInt32 { 0x30F9 }
  static var syncType: Int32 { 0x30F7 }
  static var syncStatus: Int32 { 0x30F1 }
  static var syncCondition: Int32 { 0x30F8 }
  static var signaled: Int32 { 0x30F2 }
  static var unsignaled: Int32 { 0x30F3 }
  static var timeoutExpired: Int32 { 0x30F5 }
  static var conditionSatisfied: Int32 { 0x30F6 }
  static var priorCommandsComplete: Int32 { 0x30F0 }
  static var flushCommands: Int32 { 1 }
}
