import CPlatform

/// What EGL keeps of a thread beside its context: the last error, and the API that is bound.
struct EGLThread {
  var error = EGL.success
  var api = EGL.openGLESAPI
}

nonisolated(unsafe) private var threadKey = UInt32.max

extension EGLThread {
  /// The calling thread's, made when it first has something to keep; nil without memory.
  private static func current() -> UnsafeMutablePointer<EGLThread>? {
    if let known = platform_thread_value(threadKey) {
      return known.assumingMemoryBound(to: EGLThread.self)
    }
    if threadKey == UInt32.max {
      let key = platform_thread_key { platform_free($0) }
      guard key != UInt32.max else { return nil }
      WindowLock.locked { if threadKey == UInt32.max { threadKey = key } }
    }
    guard let raw = platform_malloc(MemoryLayout<EGLThread>.stride) else { return nil }
    let thread = raw.bindMemory(to: EGLThread.self, capacity: 1)
    thread.initialize(to: EGLThread())
    guard platform_set_thread_value(threadKey, thread) else {
      platform_free(raw)
      return nil
    }
    return thread
  }

  static var api: UInt32 {
    get { current()?.pointee.api ?? EGL.openGLESAPI }
    set { current()?.pointee.api = newValue }
  }

  /// Forgets the thread: eglReleaseThread.
  static func forget() {
    guard let known = platform_thread_value(threadKey) else { return }
    _ = platform_set_thread_value(threadKey, nil)
    platform_free(known)
  }

  /// How the last call went, for eglGetError.
  static func note(_ error: Int32) { current()?.pointee.error = error }

  static func takeError() -> Int32 {
    guard let thread = current() else { return EGL.badAlloc }
    let error = thread.pointee.error
    thread.pointee.error = EGL.success
    return error
  }
}

/// EGL_FALSE, with an error.
func eglFailure(_ error: Int32) -> UInt32 {
  EGLThread.note(error)
  return 0
}

/// EGL_TRUE, and no error.
func eglSuccess() -> UInt32 {
  EGLThread.note(EGL.success)
  return 1
}

/// NULL, with an error.
func eglNothing<Result>(_ error: Int32) -> Result? {
  EGLThread.note(error)
  return nil
}
