internal import CPlatform
internal import CX11

/// The functions of libxcb that a connection of ours needs; libxcb is opened with the first one.
struct XLibrary: @unchecked Sendable {
  typealias Connection = OpaquePointer
  typealias Error = UnsafeMutablePointer<xcb_generic_error_t>

  let connect: @convention(c) (UnsafePointer<CChar>?, UnsafeMutablePointer<Int32>?) -> Connection?
  let disconnect: @convention(c) (Connection?) -> Void
  let hasError: @convention(c) (Connection?) -> Int32
  let fileDescriptor: @convention(c) (Connection?) -> Int32
  let flush: @convention(c) (Connection?) -> Int32
  let getSetup: @convention(c) (Connection?) -> UnsafePointer<xcb_setup_t>?
  let rootsIterator: @convention(c) (UnsafePointer<xcb_setup_t>?) -> xcb_screen_iterator_t
  let extensionData:
    @convention(c) (Connection?, UnsafeMutablePointer<xcb_extension_t>?) -> UnsafePointer<
      xcb_query_extension_reply_t
    >?
  let pollForEvent: @convention(c) (Connection?) -> UnsafeMutablePointer<xcb_generic_event_t>?
  let sendRequest:
    @convention(c) (
      Connection?, Int32, UnsafeMutablePointer<iovec>?, UnsafePointer<xcb_protocol_request_t>?
    ) -> UInt32
  let waitForReply:
    @convention(c) (Connection?, UInt32, UnsafeMutablePointer<Error?>?) -> UnsafeMutableRawPointer?

  static let shared: XLibrary? = XLibrary()

  private init?() {
    guard let xcb = platform_open_library("libxcb.so.1") else { return nil }
    func find<Function>(_ name: String) -> Function? {
      platform_symbol(xcb, name).map { unsafeBitCast($0, to: Function.self) }
    }
    guard
      let connect:
        @convention(c) (UnsafePointer<CChar>?, UnsafeMutablePointer<Int32>?) ->
          Connection? = find("xcb_connect"),
      let disconnect: @convention(c) (Connection?) -> Void = find("xcb_disconnect"),
      let hasError: @convention(c) (Connection?) -> Int32 = find("xcb_connection_has_error"),
      let fileDescriptor: @convention(c) (Connection?) -> Int32 = find("xcb_get_file_descriptor"),
      let flush: @convention(c) (Connection?) -> Int32 = find("xcb_flush"),
      let getSetup: @convention(c) (Connection?) -> UnsafePointer<xcb_setup_t>? = find(
        "xcb_get_setup"),
      let rootsIterator: @convention(c) (UnsafePointer<xcb_setup_t>?) -> xcb_screen_iterator_t =
        find("xcb_setup_roots_iterator"),
      let extensionData:
        @convention(c) (Connection?, UnsafeMutablePointer<xcb_extension_t>?) -> UnsafePointer<
          xcb_query_extension_reply_t
        >? = find("xcb_get_extension_data"),
      let pollForEvent: @convention(c) (Connection?) -> UnsafeMutablePointer<xcb_generic_event_t>? =
        find(
          "xcb_poll_for_event"),
      let sendRequest:
        @convention(c) (
          Connection?, Int32, UnsafeMutablePointer<iovec>?, UnsafePointer<xcb_protocol_request_t>?
        ) -> UInt32 = find("xcb_send_request"),
      let waitForReply:
        @convention(c) (Connection?, UInt32, UnsafeMutablePointer<Error?>?) ->
          UnsafeMutableRawPointer? = find("xcb_wait_for_reply")
    else { return nil }
    self.connect = connect
    self.disconnect = disconnect
    self.hasError = hasError
    self.fileDescriptor = fileDescriptor
    self.flush = flush
    self.getSetup = getSetup
    self.rootsIterator = rootsIterator
    self.extensionData = extensionData
    self.pollForEvent = pollForEvent
    self.sendRequest = sendRequest
    self.waitForReply = waitForReply
  }
}

/// An extension of X as xcb knows it: this memory is asked for by its address, and never goes.
struct XExtension: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<xcb_extension_t>

  static let testing = XExtension("XTEST")
  static let input = XExtension("XInputExtension")

  private init(_ name: StaticString) {
    pointer = .allocate(capacity: 1)
    pointer.initialize(
      to: xcb_extension_t(
        name: UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), global_id: 0))
  }
}
