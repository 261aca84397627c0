/// The window system interface that a context was made with.
enum WindowInterface: UInt8 { case none, glx, egl }

/// What the window system side keeps of a context: what is current, and how it came to be. What is
/// said to be guarded is guarded by `WindowLock`.
struct WindowBinding {
  var interface = WindowInterface.none
  /// Display, or the EGLDisplay's own record: what the interface's calls name it by.
  var display: OpaquePointer? = nil
  /// The interface's config that the context was made with; nil without one.
  var config: UnsafeRawPointer? = nil
  var screen: Int32 = 0
  /// GLX_RENDER_TYPE, or EGL_CONTEXT_CLIENT_TYPE.
  var type: UInt32 = 0
  /// What the interface knows the context by on other sides: glXGetContextIDEXT.
  var name: UInt = 0

  /// What is drawn to and read from. The thread that the context is current on.
  var draw: Drawable? = nil
  var read: Drawable? = nil
  /// Whether it is current on a thread. Guarded.
  var isCurrent = false
  /// Whether it was ever current with a drawable, whose size its viewport then has.
  var hadDrawable = false
  /// Destroyed, and freed as soon as it is not current any more. Guarded.
  var isDestroyed = false
  /// What is drawn into a front buffer must be shown when the context is flushed.
  var drawsToFront = false

  /// What the node said of the context.
  var facts: UnsafeMutablePointer<ContextFacts>? = nil
  /// All contexts of the process. Guarded.
  var next: Context? = nil
}
