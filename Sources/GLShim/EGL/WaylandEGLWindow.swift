import CPlatform

/// A wl_egl_window of libwayland-egl, whose layout is an ABI between that library and EGL
/// (wayland-egl-backend.h, versions 1 to 3):
///
/// ```
///  0 version | 8 width | 12 height | 16 dx | 20 dy | 24 attached width | 28 attached height
/// 32 private | 40 resize callback | 48 destroy callback | 56 surface
/// ```
///
/// Before it had versions the surface was its first word.
struct WaylandEGLWindow {
  private let memory: UnsafeMutableRawPointer

  init?(_ window: UnsafeMutableRawPointer?) {
    guard let window else { return nil }
    memory = window
  }

  private var isVersioned: Bool {
    let version = memory.load(as: Int.self)
    return version >= 1 && version <= 3
  }

  /// wl_surface.
  var surface: OpaquePointer? {
    isVersioned
      ? memory.load(fromByteOffset: 56, as: OpaquePointer?.self)
      : memory.load(as: OpaquePointer?.self)
  }

  /// What the application has it to be, also while it draws.
  var size: (width: UInt32, height: UInt32) {
    let width = memory.load(fromByteOffset: 8, as: Int32.self)
    let height = memory.load(fromByteOffset: 12, as: Int32.self)
    return (UInt32(max(width, 1)), UInt32(max(height, 1)))
  }

  /// Whether another EGLSurface has it.
  var isTaken: Bool {
    isVersioned && memory.load(fromByteOffset: 32, as: UnsafeMutableRawPointer?.self) != nil
  }

  typealias Resized =
    @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Void
  typealias Destroyed = @convention(c) (UnsafeMutableRawPointer?) -> Void

  /// Notes whose it is, and has it told when the application resizes the window (the window, the
  /// owner) and when it destroys it (the owner): in the application's call, on its thread.
  func take(
    _ owner: UnsafeMutableRawPointer, resized: @escaping Resized, destroyed: @escaping Destroyed
  ) {
    setOwner(owner, resized, destroyed)
  }

  /// Its owner is gone.
  func letGo() { setOwner(nil, nil, nil) }

  private func setOwner(
    _ owner: UnsafeMutableRawPointer?, _ resized: Resized?, _ destroyed: Destroyed?
  ) {
    guard isVersioned else { return }
    memory.storeBytes(of: owner, toByteOffset: 32, as: UnsafeMutableRawPointer?.self)
    memory.storeBytes(of: resized, toByteOffset: 40, as: Resized?.self)
    memory.storeBytes(of: destroyed, toByteOffset: 48, as: Destroyed?.self)
  }

  /// What is attached now: wl_egl_window_get_attached_size.
  func noteAttached(_ width: UInt32, _ height: UInt32) {
    memory.storeBytes(of: Int32(clamping: width), toByteOffset: 24, as: Int32.self)
    memory.storeBytes(of: Int32(clamping: height), toByteOffset: 28, as: Int32.self)
  }
}
