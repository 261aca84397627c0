import CPlatform
import Client

// The same for EGL: libglvnd's libEGL.so.1 finds libEGL_omega.so.0 by a manifest (05_omega.json) and
// calls __egl_Main. The structs are those of glvnd/libeglabi.h, version 0.2.

/// `__EGLapiExports`: what libEGL does for a vendor, for stubs only. A vendor is `__EGLvendorInfo *`.
struct EGLVendorExports {
  typealias Vendor = OpaquePointer

  /// Begins every stub.
  let startThread: @convention(c) () -> Void
  let currentAPI: @convention(c) () -> UInt32
  let vendorOfCurrentContext: @convention(c) () -> Vendor?
  let currentContext: @convention(c) () -> OpaquePointer?
  let currentDisplay: @convention(c) () -> OpaquePointer?
  let currentSurface: @convention(c) (Int32) -> OpaquePointer?
  let fetchDispatchEntry: @convention(c) (Vendor?, Int32) -> UnsafeMutableRawPointer?
  let setError: @convention(c) (Int32) -> Void
  /// Whom eglGetError asks from now on.
  let setLastVendor: @convention(c) (Vendor?) -> UInt32
  let vendorOfDisplay: @convention(c) (OpaquePointer?) -> Vendor?
  let vendorOfDevice: @convention(c) (OpaquePointer?) -> Vendor?

  /// The version whose structs these are; minor ones add to their ends.
  static var major: UInt32 { 0 }
}

/// `__EGLapiImports`: what a vendor does for libEGL. What is optional is left out, as for GLX; which
/// platform a native display is of, libEGL tells by itself.
struct EGLVendorImports {
  typealias Name = UnsafePointer<CChar>
  typealias Unused = @convention(c) () -> Void

  let getPlatformDisplay:
    @convention(c) (UInt32, OpaquePointer?, UnsafePointer<Int>?) -> OpaquePointer?
  let getSupportsAPI: @convention(c) (UInt32) -> UInt32
  let getVendorString: @convention(c) (Int32) -> Name?
  let getProcAddress: @convention(c) (Name?) -> UnsafeMutableRawPointer?
  let getDispatchAddress: @convention(c) (Name?) -> UnsafeMutableRawPointer?
  let setDispatchIndex: @convention(c) (Name?, Int32) -> Void
  let isPatchSupported: Unused? = nil
  let initiatePatch: Unused? = nil
  let releasePatch: Unused? = nil
  let patchThreadAttach: Unused? = nil
  let findNativeDisplayPlatform: Unused? = nil
}

/// Whether somebody asked for Omega. libEGL gives displays to the first vendor that takes them, and loads
/// everyone whose manifest is installed: a program that did not ask must not find us there.
private func isAskedForAsVendor() -> Bool {
  isWantedAsVendor() && (Invitation.isThere || Invitation.isIn("__EGL_VENDOR_LIBRARY_FILENAMES"))
}

/// Called by libEGL once, when it has loaded the library (libeglabi.h). 0: it goes on without.
@c(__egl_Main)
public func eglVendorMain(
  _ version: UInt32, _ exports: UnsafeRawPointer?, _ vendor: OpaquePointer?,
  _ imports: UnsafeMutableRawPointer?
) -> UInt32 {
  guard version >> 16 == EGLVendorExports.major, let exports, let imports, isAskedForAsVendor()
  else { return 0 }
  EGLDispatch.exports = exports.assumingMemoryBound(to: EGLVendorExports.self)
  imports.initializeMemory(
    as: EGLVendorImports.self,
    to: EGLVendorImports(
      getPlatformDisplay: { platform, native, attributes in
        platform == UInt32(EGL.none)
          ? eglGetDisplay(native) : eglGetPlatformDisplay(platform, native, attributes)
      },
      getSupportsAPI: { $0 == EGL.openGLAPI || $0 == EGL.openGLESAPI ? 1 : 0 },
      // The extensions of platforms, which are among those that eglQueryString has without a display.
      getVendorString: { $0 == 0 ? eglQueryString(nil, EGL.extensions) : nil },
      getProcAddress: { procAddress($0) },
      getDispatchAddress: { name in EGLDispatch(named: name)?.stub },
      setDispatchIndex: { name, index in EGLDispatch(named: name)?.setIndex(index) }))
  return 1
}
