import CPlatform
import CX11

extension UnsafeMutablePointer<GLXDisplay> {
  /// Gives the application an error as if the X server had sent it, through the handler that its Xlib
  /// has. Called without locks, since the handler may do anything, or never return.
  func sendError(_ code: UInt8, _ request: UInt8, resource: UInt = 0, isCore: Bool = false) {
    guard let display = pointee.display else { return }
    var event = XErrorEvent()
    event.type = 0
    event.display = display
    event.resourceid = resource
    event.serial = pointee.xlib.pointee.nextRequest(display) &- 1
    event.error_code = isCore ? code : pointee.firstError &+ code
    event.request_code = pointee.majorOpcode
    event.minor_code = request
    if let handler = handler() { _ = handler(display, &event) }
  }

  func sendCoreError(_ code: UInt8, _ request: UInt8, resource: UInt = 0) {
    sendError(code, request, resource: resource, isCore: true)
  }

  /// The handler in force. Xlib's own one is named by setting none; that must not be seen by other
  /// threads, so it is done only when there is no other way to read it.
  private func handler() -> XlibLibrary.ErrorHandler? {
    let xlib = pointee.xlib
    if let handler = xlib.pointee.errorHandler?.pointee { return handler }
    let handler = xlib.pointee.setErrorHandler(nil)
    _ = xlib.pointee.setErrorHandler(handler)
    return handler
  }
}

/// What XGetErrorText says of GLX's errors.
enum GLXErrorText {
  private static func text(_ code: Int32) -> StaticString? {
    switch code {
    case 0: "GLXBadContext"
    case 1: "GLXBadContextState"
    case 2: "GLXBadDrawable"
    case 3: "GLXBadPixmap"
    case 4: "GLXBadContextTag"
    case 5: "GLXBadCurrentWindow"
    case 6: "GLXBadRenderRequest"
    case 7: "GLXBadLargeRequest"
    case 8: "GLXUnsupportedPrivateRequest"
    case 9: "GLXBadFBConfig"
    case 10: "GLXBadPbuffer"
    case 11: "GLXBadCurrentDrawable"
    case 12: "GLXBadWindow"
    case 13: "GLXBadProfileARB"
    default: nil
    }
  }

  static func write(_ code: Int32, _ buffer: UnsafeMutablePointer<CChar>, _ room: Int) {
    guard let text = text(code), room > 0 else { return }
    let count = min(text.utf8CodeUnitCount, room &- 1)
    platform_copy(buffer, text.utf8Start, count)
    buffer[count] = 0
  }
}
