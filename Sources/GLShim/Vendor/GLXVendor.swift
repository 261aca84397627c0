import CPlatform
import Client

// The second way in: libglvnd's libGLX.so.0 loads libGLX_omega.so.0, a name that leads to this library,
// and calls __glx_Main. From then on it is libGLX whom the application calls, and it calls us: GLX 1.4
// and OpenGL by the addresses that `getProcAddress` gives, GLX's extensions through stubs that find out
// whose a display, config, context or drawable is (`GLXDispatch`), since a stub may serve other
// vendors' objects too.
//
// The structs are those of glvnd/libglxabi.h, version 1.0; nothing but pointers, in C's layout.

/// `__GLXapiExports`: what libGLX does for a vendor. To be called by stubs only: while it calls anything
/// else of ours, libGLX may hold locks of its own. A vendor is `__GLXvendorInfo *`.
struct GLXVendorExports {
  typealias Display = OpaquePointer
  typealias Vendor = OpaquePointer

  let vendorOfScreen: @convention(c) (Display?, Int32) -> Vendor?
  let vendorOfCurrentContext: @convention(c) () -> Vendor?
  let fetchDispatchEntry: @convention(c) (Vendor?, Int32) -> UnsafeMutableRawPointer?
  let currentContext: @convention(c) () -> OpaquePointer?
  /// 0: done.
  let addContext: @convention(c) (Display?, OpaquePointer?, Vendor?) -> Int32
  let removeContext: @convention(c) (Display?, OpaquePointer?) -> Void
  let vendorOfContext: @convention(c) (OpaquePointer?) -> Vendor?
  let addConfig: @convention(c) (Display?, OpaquePointer?, Vendor?) -> Int32
  let removeConfig: @convention(c) (Display?, OpaquePointer?) -> Void
  let vendorOfConfig: @convention(c) (Display?, OpaquePointer?) -> Vendor?
  let addDrawable: @convention(c) (Display?, UInt, Vendor?) -> Int32
  let removeDrawable: @convention(c) (Display?, UInt) -> Void
  let vendorOfDrawable: @convention(c) (Display?, UInt) -> Vendor?

  /// The version whose structs these are; minor ones add to their ends.
  static var major: UInt32 { 1 }
}

/// `__GLXapiImports`: what a vendor does for libGLX. What is optional is left out: errors are reported
/// by whoever finds them, and the entry points of libGL stay as they are.
struct GLXVendorImports {
  typealias Name = UnsafePointer<CChar>
  typealias Unused = @convention(c) () -> Void

  let isScreenSupported: @convention(c) (OpaquePointer?, Int32) -> Int32
  let getProcAddress: @convention(c) (Name?) -> UnsafeMutableRawPointer?
  let getDispatchAddress: @convention(c) (Name?) -> UnsafeMutableRawPointer?
  let setDispatchIndex: @convention(c) (Name?, Int32) -> Void
  let notifyError: Unused? = nil
  let isPatchSupported: Unused? = nil
  let initiatePatch: Unused? = nil
  let releasePatch: Unused? = nil
  let patchThreadAttach: Unused? = nil
}

/// Whether this process may be given Omega by libglvnd: not a node, whose own driver this would be, and
/// not where OMEGA_DISABLE says no.
func isWantedAsVendor() -> Bool {
  !Invitation.isNodeProcess && !Invitation.isRefused
}

/// Called by libGLX once, when it has loaded the library (libglxabi.h). False: it looks for another one.
@c(__glx_Main)
public func glxVendorMain(
  _ version: UInt32, _ exports: UnsafeRawPointer?, _ vendor: OpaquePointer?,
  _ imports: UnsafeMutableRawPointer?
) -> Int32 {
  guard version >> 16 == GLXVendorExports.major, let exports, let imports, isWantedAsVendor() else {
    return 0
  }
  GLXDispatch.exports = exports.assumingMemoryBound(to: GLXVendorExports.self)
  imports.initializeMemory(
    as: GLXVendorImports.self,
    to: GLXVendorImports(
      isScreenSupported: { display, screen in
        DisplayRecord.of(display)?.screen(screen) == nil ? 0 : 1
      },
      getProcAddress: { procAddress($0) },
      getDispatchAddress: { name in GLXDispatch(named: name)?.stub },
      setDispatchIndex: { name, index in GLXDispatch(named: name)?.setIndex(index) }))
  return 1
}
