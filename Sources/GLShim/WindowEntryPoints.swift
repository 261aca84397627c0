import CPlatform
import CX11

/// The names of the window systems' entry points, sorted, each ended by NUL.
private let windowEntryNames: StaticString = """
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
  glXSelectEvent\0\
  glXSelectEventSGIX\0\
  glXSwapBuffers\0\
  glXSwapBuffersMscOML\0\
  glXSwapIntervalEXT\0\
  glXSwapIntervalMESA\0\
  glXSwapIntervalSGI\0\
  glXWaitForMscOML\0\
  glXWaitForSbcOML\0\
  glXWaitGL\0\
  glXWaitVideoSyncSGI\0\
  glXWaitX\0
  """

/// A window system's entry point by its name; nil for a name that is none.
func windowEntryPoint(named name: UnsafePointer<CChar>) -> UnsafeMutableRawPointer? {
  var place = UnsafeRawPointer(windowEntryNames.utf8Start).assumingMemoryBound(to: CChar.self)
  var index = 0
  while place[0] != 0 {
    if platform_string_compare(place, name) == 0 { return windowFunction(index) }
    place += platform_string_length(place) &+ 1
    index &+= 1
  }
  return nil
}

private func address<Function>(_ function: Function) -> UnsafeMutableRawPointer? {
  unsafeBitCast(function, to: UnsafeMutableRawPointer?.self)
}

private func windowFunction(_ index: Int) -> UnsafeMutableRawPointer? {
  switch index {
  case 0:
    return address(
      glXChooseFBConfig
        as @convention(c) (
          OpaquePointer?, Int32, UnsafePointer<Int32>?, UnsafeMutablePointer<Int32>?
        ) -> UnsafeMutablePointer<OpaquePointer?>?)
  case 1:
    return address(
      glXChooseFBConfigSGIX
        as @convention(c) (
          OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?
        ) -> UnsafeMutablePointer<OpaquePointer?>?)
  case 2:
    return address(
      glXChooseVisual
        as @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        UnsafeMutablePointer<XVisualInfo>?)
  case 3:
    return address(
      glXCopyContext
        as @convention(c) (OpaquePointer?, OpaquePointer?, OpaquePointer?, UInt) -> Void)
  case 4:
    return address(
      glXCopySubBufferMESA
        as @convention(c) (OpaquePointer?, UInt, Int32, Int32, Int32, Int32) -> Void)
  case 5:
    return address(
      glXCreateContext
        as @convention(c) (
          OpaquePointer?, UnsafeMutablePointer<XVisualInfo>?, OpaquePointer?, Int32
        ) -> OpaquePointer?)
  case 6:
    return address(
      glXCreateContextAttribsARB
        as @convention(c) (
          OpaquePointer?, OpaquePointer?, OpaquePointer?, Int32, UnsafePointer<Int32>?
        ) -> OpaquePointer?)
  case 7:
    return address(
      glXCreateContextWithConfigSGIX
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, OpaquePointer?, Int32) ->
        OpaquePointer?)
  case 8:
    return address(
      glXCreateGLXPbufferSGIX
        as @convention(c) (
          OpaquePointer?, OpaquePointer?, UInt32, UInt32, UnsafeMutablePointer<Int32>?
        ) -> UInt)
  case 9:
    return address(
      glXCreateGLXPixmap
        as @convention(c) (OpaquePointer?, UnsafeMutablePointer<XVisualInfo>?, UInt) -> UInt)
  case 10:
    return address(
      glXCreateGLXPixmapWithConfigSGIX
        as @convention(c) (OpaquePointer?, OpaquePointer?, UInt) -> UInt)
  case 11:
    return address(
      glXCreateNewContext
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, OpaquePointer?, Int32) ->
        OpaquePointer?)
  case 12:
    return address(
      glXCreatePbuffer
        as @convention(c) (OpaquePointer?, OpaquePointer?, UnsafePointer<Int32>?) -> UInt)
  case 13:
    return address(
      glXCreatePixmap
        as @convention(c) (OpaquePointer?, OpaquePointer?, UInt, UnsafePointer<Int32>?) -> UInt)
  case 14:
    return address(
      glXCreateWindow
        as @convention(c) (OpaquePointer?, OpaquePointer?, UInt, UnsafePointer<Int32>?) -> UInt)
  case 15:
    return address(glXDestroyContext as @convention(c) (OpaquePointer?, OpaquePointer?) -> Void)
  case 16: return address(glXDestroyGLXPbufferSGIX as @convention(c) (OpaquePointer?, UInt) -> Void)
  case 17: return address(glXDestroyGLXPixmap as @convention(c) (OpaquePointer?, UInt) -> Void)
  case 18: return address(glXDestroyPbuffer as @convention(c) (OpaquePointer?, UInt) -> Void)
  case 19: return address(glXDestroyPixmap as @convention(c) (OpaquePointer?, UInt) -> Void)
  case 20: return address(glXDestroyWindow as @convention(c) (OpaquePointer?, UInt) -> Void)
  case 21:
    return address(glXFreeContextEXT as @convention(c) (OpaquePointer?, OpaquePointer?) -> Void)
  case 22:
    return address(
      glXGetClientString as @convention(c) (OpaquePointer?, Int32) -> UnsafePointer<CChar>?)
  case 23:
    return address(
      glXGetConfig
        as @convention(c) (
          OpaquePointer?, UnsafeMutablePointer<XVisualInfo>?, Int32, UnsafeMutablePointer<Int32>?
        ) -> Int32)
  case 24: return address(glXGetContextIDEXT as @convention(c) (OpaquePointer?) -> UInt)
  case 25: return address(glXGetCurrentContext as @convention(c) () -> OpaquePointer?)
  case 26: return address(glXGetCurrentDisplay as @convention(c) () -> OpaquePointer?)
  case 27: return address(glXGetCurrentDisplayEXT as @convention(c) () -> OpaquePointer?)
  case 28: return address(glXGetCurrentDrawable as @convention(c) () -> UInt)
  case 29: return address(glXGetCurrentReadDrawable as @convention(c) () -> UInt)
  case 30: return address(glXGetCurrentReadDrawableSGI as @convention(c) () -> UInt)
  case 31:
    return address(
      glXGetFBConfigAttrib
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        Int32)
  case 32:
    return address(
      glXGetFBConfigAttribSGIX
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        Int32)
  case 33:
    return address(
      glXGetFBConfigFromVisualSGIX
        as @convention(c) (OpaquePointer?, UnsafeMutablePointer<XVisualInfo>?) -> OpaquePointer?)
  case 34:
    return address(
      glXGetFBConfigs
        as @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        UnsafeMutablePointer<OpaquePointer?>?)
  case 35:
    return address(
      glXGetMscRateOML
        as @convention(c) (
          OpaquePointer?, UInt, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?
        ) -> Int32)
  case 36:
    return address(
      glXGetProcAddress as @convention(c) (UnsafePointer<CChar>?) -> UnsafeMutableRawPointer?)
  case 37:
    return address(
      glXGetProcAddressARB as @convention(c) (UnsafePointer<CChar>?) -> UnsafeMutableRawPointer?)
  case 38:
    return address(
      glXGetScreenDriver as @convention(c) (OpaquePointer?, Int32) -> UnsafePointer<CChar>?)
  case 39:
    return address(
      glXGetSelectedEvent
        as @convention(c) (OpaquePointer?, UInt, UnsafeMutablePointer<UInt>?) -> Void)
  case 40:
    return address(
      glXGetSelectedEventSGIX
        as @convention(c) (OpaquePointer?, UInt, UnsafeMutablePointer<UInt>?) -> Void)
  case 41: return address(glXGetSwapIntervalMESA as @convention(c) () -> Int32)
  case 42:
    return address(
      glXGetSyncValuesOML
        as @convention(c) (
          OpaquePointer?, UInt, UnsafeMutablePointer<Int64>?, UnsafeMutablePointer<Int64>?,
          UnsafeMutablePointer<Int64>?
        ) -> Int32)
  case 43:
    return address(glXGetVideoSyncSGI as @convention(c) (UnsafeMutablePointer<UInt32>?) -> Int32)
  case 44:
    return address(
      glXGetVisualFromFBConfig
        as @convention(c) (OpaquePointer?, OpaquePointer?) -> UnsafeMutablePointer<XVisualInfo>?)
  case 45:
    return address(
      glXGetVisualFromFBConfigSGIX
        as @convention(c) (OpaquePointer?, OpaquePointer?) -> UnsafeMutablePointer<XVisualInfo>?)
  case 46:
    return address(glXImportContextEXT as @convention(c) (OpaquePointer?, UInt) -> OpaquePointer?)
  case 47: return address(glXIsDirect as @convention(c) (OpaquePointer?, OpaquePointer?) -> Int32)
  case 48:
    return address(
      glXMakeContextCurrent as @convention(c) (OpaquePointer?, UInt, UInt, OpaquePointer?) -> Int32)
  case 49:
    return address(glXMakeCurrent as @convention(c) (OpaquePointer?, UInt, OpaquePointer?) -> Int32)
  case 50:
    return address(
      glXMakeCurrentReadSGI as @convention(c) (OpaquePointer?, UInt, UInt, OpaquePointer?) -> Int32)
  case 51:
    return address(
      glXQueryContext
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        Int32)
  case 52:
    return address(
      glXQueryContextInfoEXT
        as @convention(c) (OpaquePointer?, OpaquePointer?, Int32, UnsafeMutablePointer<Int32>?) ->
        Int32)
  case 53:
    return address(
      glXQueryCurrentRendererIntegerMESA
        as @convention(c) (Int32, UnsafeMutablePointer<UInt32>?) -> Int32)
  case 54:
    return address(
      glXQueryCurrentRendererStringMESA as @convention(c) (Int32) -> UnsafePointer<CChar>?)
  case 55:
    return address(
      glXQueryDrawable
        as @convention(c) (OpaquePointer?, UInt, Int32, UnsafeMutablePointer<UInt32>?) -> Void)
  case 56:
    return address(
      glXQueryExtension
        as @convention(c) (
          OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?
        ) -> Int32)
  case 57:
    return address(
      glXQueryExtensionsString as @convention(c) (OpaquePointer?, Int32) -> UnsafePointer<CChar>?)
  case 58:
    return address(
      glXQueryGLXPbufferSGIX
        as @convention(c) (OpaquePointer?, UInt, Int32, UnsafeMutablePointer<UInt32>?) -> Void)
  case 59:
    return address(
      glXQueryRendererIntegerMESA
        as @convention(c) (OpaquePointer?, Int32, Int32, Int32, UnsafeMutablePointer<UInt32>?) ->
        Int32)
  case 60:
    return address(
      glXQueryRendererStringMESA
        as @convention(c) (OpaquePointer?, Int32, Int32, Int32) -> UnsafePointer<CChar>?)
  case 61:
    return address(
      glXQueryServerString as @convention(c) (OpaquePointer?, Int32, Int32) -> UnsafePointer<CChar>?
    )
  case 62:
    return address(
      glXQueryVersion
        as @convention(c) (
          OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?
        ) -> Int32)
  case 63: return address(glXSelectEvent as @convention(c) (OpaquePointer?, UInt, UInt) -> Void)
  case 64: return address(glXSelectEventSGIX as @convention(c) (OpaquePointer?, UInt, UInt) -> Void)
  case 65: return address(glXSwapBuffers as @convention(c) (OpaquePointer?, UInt) -> Void)
  case 66:
    return address(
      glXSwapBuffersMscOML as @convention(c) (OpaquePointer?, UInt, Int64, Int64, Int64) -> Int64)
  case 67:
    return address(glXSwapIntervalEXT as @convention(c) (OpaquePointer?, UInt, Int32) -> Void)
  case 68: return address(glXSwapIntervalMESA as @convention(c) (UInt32) -> Int32)
  case 69: return address(glXSwapIntervalSGI as @convention(c) (Int32) -> Int32)
  case 70:
    return address(
      glXWaitForMscOML
        as @convention(c) (
          OpaquePointer?, UInt, Int64, Int64, Int64, UnsafeMutablePointer<Int64>?,
          UnsafeMutablePointer<Int64>?, UnsafeMutablePointer<Int64>?
        ) -> Int32)
  case 71:
    return address(
      glXWaitForSbcOML
        as @convention(c) (
          OpaquePointer?, UInt, Int64, UnsafeMutablePointer<Int64>?, UnsafeMutablePointer<Int64>?,
          UnsafeMutablePointer<Int64>?
        ) -> Int32)
  case 72: return address(glXWaitGL as @convention(c) () -> Void)
  case 73:
    return address(
      glXWaitVideoSyncSGI as @convention(c) (Int32, Int32, UnsafeMutablePointer<UInt32>?) -> Int32)
  case 74: return address(glXWaitX as @convention(c) () -> Void)
  default: return nil
  }
}
