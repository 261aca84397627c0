import CPlatform
import CX11

/// The names of the window systems' entry points, sorted, each ended by NUL.
private let windowEntryNames: StaticString = """
  eglBindAPI\0\
  eglBindTexImage\0\
  eglChooseConfig\0\
  eglClientWaitSync\0\
  eglClientWaitSyncKHR\0\
  eglCopyBuffers\0\
  eglCreateContext\0\
  eglCreateImage\0\
  eglCreateImageKHR\0\
  eglCreatePbufferFromClientBuffer\0\
  eglCreatePbufferSurface\0\
  eglCreatePixmapSurface\0\
  eglCreatePlatformPixmapSurface\0\
  eglCreatePlatformPixmapSurfaceEXT\0\
  eglCreatePlatformWindowSurface\0\
  eglCreatePlatformWindowSurfaceEXT\0\
  eglCreateSync\0\
  eglCreateSyncKHR\0\
  eglCreateWindowSurface\0\
  eglDestroyContext\0\
  eglDestroyImage\0\
  eglDestroyImageKHR\0\
  eglDestroySurface\0\
  eglDestroySync\0\
  eglDestroySyncKHR\0\
  eglGetConfigAttrib\0\
  eglGetConfigs\0\
  eglGetCurrentContext\0\
  eglGetCurrentDisplay\0\
  eglGetCurrentSurface\0\
  eglGetDisplay\0\
  eglGetDisplayDriverConfig\0\
  eglGetDisplayDriverName\0\
  eglGetError\0\
  eglGetPlatformDisplay\0\
  eglGetPlatformDisplayEXT\0\
  eglGetProcAddress\0\
  eglGetSyncAttrib\0\
  eglGetSyncAttribKHR\0\
  eglInitialize\0\
  eglMakeCurrent\0\
  eglPostSubBufferNV\0\
  eglQueryAPI\0\
  eglQueryContext\0\
  eglQueryDeviceAttribEXT\0\
  eglQueryDeviceStringEXT\0\
  eglQueryDevicesEXT\0\
  eglQueryDisplayAttribEXT\0\
  eglQueryDisplayAttribKHR\0\
  eglQueryString\0\
  eglQuerySurface\0\
  eglReleaseTexImage\0\
  eglReleaseThread\0\
  eglSignalSyncKHR\0\
  eglSurfaceAttrib\0\
  eglSwapBuffers\0\
  eglSwapBuffersWithDamageEXT\0\
  eglSwapBuffersWithDamageKHR\0\
  eglSwapInterval\0\
  eglTerminate\0\
  eglWaitClient\0\
  eglWaitGL\0\
  eglWaitNative\0\
  eglWaitSync\0\
  eglWaitSyncKHR\0\
  glXBindTexImageEXT\0\
  glXChooseFBConfig\0\
  glXChooseFBConfigSGIX\0\
  glXChooseVisual\0\
  glXCopyContext\0\
  glXCopySubBufferMESA\0\
  glXCreateContext\0\
  glXCreateContextAttribsARB\0\
  glXCreateContextWithConfigSGIX\0\
  glXCreateGLXPbufferSGIX\0\
  glXCreateGLXPixmap\0\
  glXCreateGLXPixmapWithConfigSGIX\0\
  glXCreateNewContext\0\
  glXCreatePbuffer\0\
  glXCreatePixmap\0\
  glXCreateWindow\0\
  glXDestroyContext\0\
  glXDestroyGLXPbufferSGIX\0\
  glXDestroyGLXPixmap\0\
  glXDestroyPbuffer\0\
  glXDestroyPixmap\0\
  glXDestroyWindow\0\
  glXFreeContextEXT\0\
  glXGetClientString\0\
  glXGetConfig\0\
  glXGetContextIDEXT\0\
  glXGetCurrentContext\0\
  glXGetCurrentDisplay\0\
  glXGetCurrentDisplayEXT\0\
  glXGetCurrentDrawable\0\
  glXGetCurrentReadDrawable\0\
  glXGetCurrentReadDrawableSGI\0\
  glXGetFBConfigAttrib\0\
  glXGetFBConfigAttribSGIX\0\
  glXGetFBConfigFromVisualSGIX\0\
  glXGetFBConfigs\0\
  glXGetMscRateOML\0\
  glXGetProcAddress\0\
  glXGetProcAddressARB\0\
  glXGetScreenDriver\0\
  glXGetSelectedEvent\0\
  glXGetSelectedEventSGIX\0\
  glXGetSwapIntervalMESA\0\
  glXGetSyncValuesOML\0\
  glXGetVideoSyncSGI\0\
  glXGetVisualFromFBConfig\0\
  glXGetVisualFromFBConfigSGIX\0\
  glXImportContextEXT\0\
  glXIsDirect\0\
  glXMakeContextCurrent\0\
  glXMakeCurrent\0\
  glXMakeCurrentReadSGI\0\
  glXQueryContext\0\
  glXQueryContextInfoEXT\0\
  glXQueryCurrentRendererIntegerMESA\0\
  glXQueryCurrentRendererStringMESA\0\
  glXQueryDrawable\0\
  glXQueryExtension\0\
  glXQueryExtensionsString\0\
  glXQueryGLXPbufferSGIX\0\
  glXQueryRendererIntegerMESA\0\
  glXQueryRendererStringMESA\0\
  glXQueryServerString\0\
  glXQueryVersion\0\
  glXReleaseTexImageEXT\0\
  glXSelectEvent\0\
  glXSelectEventSGIX\0\
  glXSwapBuffers\0\
  glXSwapBuffersMscOML\0\
  glXSwapIntervalEXT\0\
  glXSwapIntervalMESA\0\
  glXSwapIntervalSGI\0\
  glXUseXFont\0\
  glXWaitForMscOML\0\
  glXWaitForSbcOML\0\
  glXWaitGL\0\
  glXWaitVideoSyncSGI\0\
  glXWaitX\0
  """

/// A window system's entry point by its name; nil for a name that is none.
func windowEntryPoint(named name: UnsafePointer<CChar>) -> UnsafeMutableRawPointer? {
  position(of: name, in: windowEntryNames).flatMap { windowFunction($0) }
}

/// Which of the names of a list, each ended by NUL, a name is; nil when it is none.
func position(of name: UnsafePointer<CChar>, in names: StaticString) -> Int? {
  var place = staticText(names)
  var index = 0
  while place[0] != 0 {
    if platform_string_compare(place, name) == 0 { return index }
    place += platform_string_length(place) &+ 1
    index &+= 1
  }
  return nil
}

/// The address of a C function.
func address<Function>(_ function: Function) -> UnsafeMutableRawPointer? {
  unsafeBitCast(function, to: UnsafeMutableRawPointer?.self)
}

private func windowFunction(_ index: Int) -> UnsafeMutableRawPointer? {
  switch index {
  case 0: return address(eglBindAPI as @convention(c) (UInt32) -> UInt32)
  case 1:
    return address(
      eglBindTexImage as @convention(c) (OpaquePointer?, OpaquePointer?, Int32) -> UInt32)
  case 2:
    return address(
      eglChooseConfig
        as @convention(c) (
          OpaquePointer?, UnsafePointer<Int32>?, UnsafeMutablePointer<OpaquePointer?>?, Int32,
          UnsafeMutablePointer<Int32>?
        ) -> UInt32)
  case 3:
    return address(
      eglClientWaitSync as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, UInt64) -> Int32)
  case 4:
    return address(
      eglClientWaitSyncKHR
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, UInt64) -> Int32)
  case 5:
    return address(
      eglCopyBuffers as @convention(c) (OpaquePointer?, OpaquePointer?, UInt) -> UInt32)
  case 6:
    return address(
      eglCreateContext
        as @convention(c) (OpaquePointer?, OpaquePointer?, OpaquePointer?, UnsafePointer<Int32>?) ->
        OpaquePointer?)
  case 7:
    return address(
      eglCreateImage
        as @convention(c) (
          OpaquePointer?, OpaquePointer?, UInt32, OpaquePointer?, UnsafePointer<Int>?
        ) -> OpaquePointer?)
  case 8:
    return address(
      eglCreateImageKHR
        as @convention(c) (
          OpaquePointer?, OpaquePointer?, UInt32, OpaquePointer?, UnsafePointer<Int32>?
        ) -> OpaquePointer?)
  case 9:
    return address(
      eglCreatePbufferFromClientBuffer
        as @convention(c) (
          OpaquePointer?, UInt32, OpaquePointer?, OpaquePointer?, UnsafePointer<Int32>?
        ) -> OpaquePointer?)
  case 10:
    return address(
      eglCreatePbufferSurface
        as @convention(c) (OpaquePointer?, OpaquePointer?, UnsafePointer<Int32>?) -> OpaquePointer?)
  case 11:
    return address(
      eglCreatePixmapSurface
        as @convention(c) (OpaquePointer?, OpaquePointer?, UInt, UnsafePointer<Int32>?) ->
        OpaquePointer?)
  case 12:
    return address(
      eglCreatePlatformPixmapSurface
        as @convention(c) (
          OpaquePointer?, OpaquePointer?, UnsafeMutableRawPointer?, UnsafePointer<Int>?
        ) -> OpaquePointer?)
  case 13:
    return address(
      eglCreatePlatformPixmapSurfaceEXT
        as @convention(c) (
          OpaquePointer?, OpaquePointer?, UnsafeMutableRawPointer?, UnsafePointer<Int32>?
        ) -> OpaquePointer?)
  case 14:
    return address(
      eglCreatePlatformWindowSurface
        as @convention(c) (
          OpaquePointer?, OpaquePointer?, UnsafeMutableRawPointer?, UnsafePointer<Int>?
        ) -> OpaquePointer?)
  case 15:
    return address(
      eglCreatePlatformWindowSurfaceEXT
        as @convention(c) (
          OpaquePointer?, OpaquePointer?, UnsafeMutableRawPointer?, UnsafePointer<Int32>?
        ) -> OpaquePointer?)
  case 16:
    return address(
      eglCreateSync
        as @convention(c) (OpaquePointer?, UInt32, UnsafePointer<Int>?) -> OpaquePointer?)
  case 17:
    return address(
      eglCreateSyncKHR
        as @convention(c) (OpaquePointer?, UInt32, UnsafePointer<Int32>?) -> OpaquePointer?)
  case 18:
    return address(
      eglCreateWindowSurface
        as @convention(c) (OpaquePointer?, OpaquePointer?, UInt, UnsafePointer<Int32>?) ->
        OpaquePointer?)
  case 19:
    return address(eglDestroyContext as @convention(c) (OpaquePointer?, OpaquePointer?) -> UInt32)
  case 20:
    return address(eglDestroyImage as @convention(c) (OpaquePointer?, OpaquePointer?) -> UInt32)
  case 21:
    return address(eglDestroyImageKHR as @convention(c) (OpaquePointer?, OpaquePointer?) -> UInt32)
  case 22:
    return address(eglDestroySurface as @convention(c) (OpaquePointer?, OpaquePointer?) -> UInt32)
  case 23:
    return address(eglDestroySync as @convention(c) (OpaquePointer?, OpaquePointer?) -> UInt32)
  case 24:
    return address(eglDestroySyncKHR as @convention(c) (OpaquePointer?, OpaquePointer?) -> UInt32)
  case 25:
    return address(
      eglGetConfigAttrib
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        UInt32)
  case 26:
    return address(
      eglGetConfigs
        as @convention(c) (
          OpaquePointer?, UnsafeMutablePointer<OpaquePointer?>?, Int32, UnsafeMutablePointer<Int32>?
        ) -> UInt32)
  case 27: return address(eglGetCurrentContext as @convention(c) () -> OpaquePointer?)
  case 28: return address(eglGetCurrentDisplay as @convention(c) () -> OpaquePointer?)
  case 29: return address(eglGetCurrentSurface as @convention(c) (Int32) -> OpaquePointer?)
  case 30: return address(eglGetDisplay as @convention(c) (OpaquePointer?) -> OpaquePointer?)
  case 31:
    return address(
      eglGetDisplayDriverConfig as @convention(c) (OpaquePointer?) -> UnsafeMutablePointer<CChar>?)
  case 32:
    return address(
      eglGetDisplayDriverName as @convention(c) (OpaquePointer?) -> UnsafePointer<CChar>?)
  case 33: return address(eglGetError as @convention(c) () -> Int32)
  case 34:
    return address(
      eglGetPlatformDisplay
        as @convention(c) (UInt32, OpaquePointer?, UnsafePointer<Int>?) -> OpaquePointer?)
  case 35:
    return address(
      eglGetPlatformDisplayEXT
        as @convention(c) (UInt32, OpaquePointer?, UnsafePointer<Int32>?) -> OpaquePointer?)
  case 36:
    return address(
      eglGetProcAddress as @convention(c) (UnsafePointer<CChar>?) -> UnsafeMutableRawPointer?)
  case 37:
    return address(
      eglGetSyncAttrib
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, UnsafeMutablePointer<Int>?) ->
        UInt32)
  case 38:
    return address(
      eglGetSyncAttribKHR
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        UInt32)
  case 39:
    return address(
      eglInitialize
        as @convention(c) (
          OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?
        ) -> UInt32)
  case 40:
    return address(
      eglMakeCurrent
        as @convention(c) (OpaquePointer?, OpaquePointer?, OpaquePointer?, OpaquePointer?) -> UInt32
    )
  case 41:
    return address(
      eglPostSubBufferNV
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, Int32, Int32, Int32) -> UInt32)
  case 42: return address(eglQueryAPI as @convention(c) () -> UInt32)
  case 43:
    return address(
      eglQueryContext
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        UInt32)
  case 44:
    return address(
      eglQueryDeviceAttribEXT
        as @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<Int>?) -> UInt32)
  case 45:
    return address(
      eglQueryDeviceStringEXT as @convention(c) (OpaquePointer?, Int32) -> UnsafePointer<CChar>?)
  case 46:
    return address(
      eglQueryDevicesEXT
        as @convention(c) (
          Int32, UnsafeMutablePointer<OpaquePointer?>?, UnsafeMutablePointer<Int32>?
        ) -> UInt32)
  case 47:
    return address(
      eglQueryDisplayAttribEXT
        as @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<Int>?) -> UInt32)
  case 48:
    return address(
      eglQueryDisplayAttribKHR
        as @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<Int>?) -> UInt32)
  case 49:
    return address(
      eglQueryString as @convention(c) (OpaquePointer?, Int32) -> UnsafePointer<CChar>?)
  case 50:
    return address(
      eglQuerySurface
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        UInt32)
  case 51:
    return address(
      eglReleaseTexImage as @convention(c) (OpaquePointer?, OpaquePointer?, Int32) -> UInt32)
  case 52: return address(eglReleaseThread as @convention(c) () -> UInt32)
  case 53:
    return address(
      eglSignalSyncKHR as @convention(c) (OpaquePointer?, OpaquePointer?, UInt32) -> UInt32)
  case 54:
    return address(
      eglSurfaceAttrib as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, Int32) -> UInt32)
  case 55:
    return address(eglSwapBuffers as @convention(c) (OpaquePointer?, OpaquePointer?) -> UInt32)
  case 56:
    return address(
      eglSwapBuffersWithDamageEXT
        as @convention(c) (OpaquePointer?, OpaquePointer?, UnsafePointer<Int32>?, Int32) -> UInt32)
  case 57:
    return address(
      eglSwapBuffersWithDamageKHR
        as @convention(c) (OpaquePointer?, OpaquePointer?, UnsafePointer<Int32>?, Int32) -> UInt32)
  case 58: return address(eglSwapInterval as @convention(c) (OpaquePointer?, Int32) -> UInt32)
  case 59: return address(eglTerminate as @convention(c) (OpaquePointer?) -> UInt32)
  case 60: return address(eglWaitClient as @convention(c) () -> UInt32)
  case 61: return address(eglWaitGL as @convention(c) () -> UInt32)
  case 62: return address(eglWaitNative as @convention(c) (Int32) -> UInt32)
  case 63:
    return address(eglWaitSync as @convention(c) (OpaquePointer?, OpaquePointer?, Int32) -> UInt32)
  case 64:
    return address(
      eglWaitSyncKHR as @convention(c) (OpaquePointer?, OpaquePointer?, Int32) -> Int32)
  case 65:
    return address(
      glXBindTexImageEXT
        as @convention(c) (OpaquePointer?, UInt, Int32, UnsafePointer<Int32>?) -> Void)
  case 66:
    return address(
      glXChooseFBConfig
        as @convention(c) (
          OpaquePointer?, Int32, UnsafePointer<Int32>?, UnsafeMutablePointer<Int32>?
        ) -> UnsafeMutablePointer<OpaquePointer?>?)
  case 67:
    return address(
      glXChooseFBConfigSGIX
        as @convention(c) (
          OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?
        ) -> UnsafeMutablePointer<OpaquePointer?>?)
  case 68:
    return address(
      glXChooseVisual
        as @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        UnsafeMutablePointer<XVisualInfo>?)
  case 69:
    return address(
      glXCopyContext
        as @convention(c) (OpaquePointer?, OpaquePointer?, OpaquePointer?, UInt) -> Void)
  case 70:
    return address(
      glXCopySubBufferMESA
        as @convention(c) (OpaquePointer?, UInt, Int32, Int32, Int32, Int32) -> Void)
  case 71:
    return address(
      glXCreateContext
        as @convention(c) (
          OpaquePointer?, UnsafeMutablePointer<XVisualInfo>?, OpaquePointer?, Int32
        ) -> OpaquePointer?)
  case 72:
    return address(
      glXCreateContextAttribsARB
        as @convention(c) (
          OpaquePointer?, OpaquePointer?, OpaquePointer?, Int32, UnsafePointer<Int32>?
        ) -> OpaquePointer?)
  case 73:
    return address(
      glXCreateContextWithConfigSGIX
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, OpaquePointer?, Int32) ->
        OpaquePointer?)
  case 74:
    return address(
      glXCreateGLXPbufferSGIX
        as @convention(c) (
          OpaquePointer?, OpaquePointer?, UInt32, UInt32, UnsafeMutablePointer<Int32>?
        ) -> UInt)
  case 75:
    return address(
      glXCreateGLXPixmap
        as @convention(c) (OpaquePointer?, UnsafeMutablePointer<XVisualInfo>?, UInt) -> UInt)
  case 76:
    return address(
      glXCreateGLXPixmapWithConfigSGIX
        as @convention(c) (OpaquePointer?, OpaquePointer?, UInt) -> UInt)
  case 77:
    return address(
      glXCreateNewContext
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, OpaquePointer?, Int32) ->
        OpaquePointer?)
  case 78:
    return address(
      glXCreatePbuffer
        as @convention(c) (OpaquePointer?, OpaquePointer?, UnsafePointer<Int32>?) -> UInt)
  case 79:
    return address(
      glXCreatePixmap
        as @convention(c) (OpaquePointer?, OpaquePointer?, UInt, UnsafePointer<Int32>?) -> UInt)
  case 80:
    return address(
      glXCreateWindow
        as @convention(c) (OpaquePointer?, OpaquePointer?, UInt, UnsafePointer<Int32>?) -> UInt)
  case 81:
    return address(glXDestroyContext as @convention(c) (OpaquePointer?, OpaquePointer?) -> Void)
  case 82: return address(glXDestroyGLXPbufferSGIX as @convention(c) (OpaquePointer?, UInt) -> Void)
  case 83: return address(glXDestroyGLXPixmap as @convention(c) (OpaquePointer?, UInt) -> Void)
  case 84: return address(glXDestroyPbuffer as @convention(c) (OpaquePointer?, UInt) -> Void)
  case 85: return address(glXDestroyPixmap as @convention(c) (OpaquePointer?, UInt) -> Void)
  case 86: return address(glXDestroyWindow as @convention(c) (OpaquePointer?, UInt) -> Void)
  case 87:
    return address(glXFreeContextEXT as @convention(c) (OpaquePointer?, OpaquePointer?) -> Void)
  case 88:
    return address(
      glXGetClientString as @convention(c) (OpaquePointer?, Int32) -> UnsafePointer<CChar>?)
  case 89:
    return address(
      glXGetConfig
        as @convention(c) (
          OpaquePointer?, UnsafeMutablePointer<XVisualInfo>?, Int32, UnsafeMutablePointer<Int32>?
        ) -> Int32)
  case 90: return address(glXGetContextIDEXT as @convention(c) (OpaquePointer?) -> UInt)
  case 91: return address(glXGetCurrentContext as @convention(c) () -> OpaquePointer?)
  case 92: return address(glXGetCurrentDisplay as @convention(c) () -> OpaquePointer?)
  case 93: return address(glXGetCurrentDisplayEXT as @convention(c) () -> OpaquePointer?)
  case 94: return address(glXGetCurrentDrawable as @convention(c) () -> UInt)
  case 95: return address(glXGetCurrentReadDrawable as @convention(c) () -> UInt)
  case 96: return address(glXGetCurrentReadDrawableSGI as @convention(c) () -> UInt)
  case 97:
    return address(
      glXGetFBConfigAttrib
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        Int32)
  case 98:
    return address(
      glXGetFBConfigAttribSGIX
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        Int32)
  case 99:
    return address(
      glXGetFBConfigFromVisualSGIX
        as @convention(c) (OpaquePointer?, UnsafeMutablePointer<XVisualInfo>?) -> OpaquePointer?)
  case 100:
    return address(
      glXGetFBConfigs
        as @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        UnsafeMutablePointer<OpaquePointer?>?)
  case 101:
    return address(
      glXGetMscRateOML
        as @convention(c) (
          OpaquePointer?, UInt, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?
        ) -> Int32)
  case 102:
    return address(
      glXGetProcAddress as @convention(c) (UnsafePointer<CChar>?) -> UnsafeMutableRawPointer?)
  case 103:
    return address(
      glXGetProcAddressARB as @convention(c) (UnsafePointer<CChar>?) -> UnsafeMutableRawPointer?)
  case 104:
    return address(
      glXGetScreenDriver as @convention(c) (OpaquePointer?, Int32) -> UnsafePointer<CChar>?)
  case 105:
    return address(
      glXGetSelectedEvent
        as @convention(c) (OpaquePointer?, UInt, UnsafeMutablePointer<UInt>?) -> Void)
  case 106:
    return address(
      glXGetSelectedEventSGIX
        as @convention(c) (OpaquePointer?, UInt, UnsafeMutablePointer<UInt>?) -> Void)
  case 107: return address(glXGetSwapIntervalMESA as @convention(c) () -> Int32)
  case 108:
    return address(
      glXGetSyncValuesOML
        as @convention(c) (
          OpaquePointer?, UInt, UnsafeMutablePointer<Int64>?, UnsafeMutablePointer<Int64>?,
          UnsafeMutablePointer<Int64>?
        ) -> Int32)
  case 109:
    return address(glXGetVideoSyncSGI as @convention(c) (UnsafeMutablePointer<UInt32>?) -> Int32)
  case 110:
    return address(
      glXGetVisualFromFBConfig
        as @convention(c) (OpaquePointer?, OpaquePointer?) -> UnsafeMutablePointer<XVisualInfo>?)
  case 111:
    return address(
      glXGetVisualFromFBConfigSGIX
        as @convention(c) (OpaquePointer?, OpaquePointer?) -> UnsafeMutablePointer<XVisualInfo>?)
  case 112:
    return address(glXImportContextEXT as @convention(c) (OpaquePointer?, UInt) -> OpaquePointer?)
  case 113: return address(glXIsDirect as @convention(c) (OpaquePointer?, OpaquePointer?) -> Int32)
  case 114:
    return address(
      glXMakeContextCurrent as @convention(c) (OpaquePointer?, UInt, UInt, OpaquePointer?) -> Int32)
  case 115:
    return address(glXMakeCurrent as @convention(c) (OpaquePointer?, UInt, OpaquePointer?) -> Int32)
  case 116:
    return address(
      glXMakeCurrentReadSGI as @convention(c) (OpaquePointer?, UInt, UInt, OpaquePointer?) -> Int32)
  case 117:
    return address(
      glXQueryContext
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        Int32)
  case 118:
    return address(
      glXQueryContextInfoEXT
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        Int32)
  case 119:
    return address(
      glXQueryCurrentRendererIntegerMESA
        as @convention(c) (Int32, UnsafeMutablePointer<UInt32>?) -> Int32)
  case 120:
    return address(
      glXQueryCurrentRendererStringMESA as @convention(c) (Int32) -> UnsafePointer<CChar>?)
  case 121:
    return address(
      glXQueryDrawable
        as @convention(c) (OpaquePointer?, UInt, Int32, UnsafeMutablePointer<UInt32>?) -> Void)
  case 122:
    return address(
      glXQueryExtension
        as @convention(c) (
          OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?
        ) -> Int32)
  case 123:
    return address(
      glXQueryExtensionsString as @convention(c) (OpaquePointer?, Int32) -> UnsafePointer<CChar>?)
  case 124:
    return address(
      glXQueryGLXPbufferSGIX
        as @convention(c) (OpaquePointer?, UInt, Int32, UnsafeMutablePointer<UInt32>?) -> Void)
  case 125:
    return address(
      glXQueryRendererIntegerMESA
        as @convention(c) (OpaquePointer?, Int32, Int32, Int32, UnsafeMutablePointer<UInt32>?) ->
        Int32)
  case 126:
    return address(
      glXQueryRendererStringMESA
        as @convention(c) (OpaquePointer?, Int32, Int32, Int32) -> UnsafePointer<CChar>?)
  case 127:
    return address(
      glXQueryServerString as @convention(c) (OpaquePointer?, Int32, Int32) -> UnsafePointer<CChar>?
    )
  case 128:
    return address(
      glXQueryVersion
        as @convention(c) (
          OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?
        ) -> Int32)
  case 129:
    return address(glXReleaseTexImageEXT as @convention(c) (OpaquePointer?, UInt, Int32) -> Void)
  case 130: return address(glXSelectEvent as @convention(c) (OpaquePointer?, UInt, UInt) -> Void)
  case 131:
    return address(glXSelectEventSGIX as @convention(c) (OpaquePointer?, UInt, UInt) -> Void)
  case 132: return address(glXSwapBuffers as @convention(c) (OpaquePointer?, UInt) -> Void)
  case 133:
    return address(
      glXSwapBuffersMscOML as @convention(c) (OpaquePointer?, UInt, Int64, Int64, Int64) -> Int64)
  case 134:
    return address(glXSwapIntervalEXT as @convention(c) (OpaquePointer?, UInt, Int32) -> Void)
  case 135: return address(glXSwapIntervalMESA as @convention(c) (UInt32) -> Int32)
  case 136: return address(glXSwapIntervalSGI as @convention(c) (Int32) -> Int32)
  case 137: return address(glXUseXFont as @convention(c) (UInt, Int32, Int32, Int32) -> Void)
  case 138:
    return address(
      glXWaitForMscOML
        as @convention(c) (
          OpaquePointer?, UInt, Int64, Int64, Int64, UnsafeMutablePointer<Int64>?,
          UnsafeMutablePointer<Int64>?, UnsafeMutablePointer<Int64>?
        ) -> Int32)
  case 139:
    return address(
      glXWaitForSbcOML
        as @convention(c) (
          OpaquePointer?, UInt, Int64, UnsafeMutablePointer<Int64>?, UnsafeMutablePointer<Int64>?,
          UnsafeMutablePointer<Int64>?
        ) -> Int32)
  case 140: return address(glXWaitGL as @convention(c) () -> Void)
  case 141:
    return address(
      glXWaitVideoSyncSGI as @convention(c) (Int32, Int32, UnsafeMutablePointer<UInt32>?) -> Int32)
  case 142: return address(glXWaitX as @convention(c) () -> Void)
  default: return nil
  }
}
