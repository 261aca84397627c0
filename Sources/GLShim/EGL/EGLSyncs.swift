import CPlatform
import Client
import Ring

// EGL 1.5, 3.8: sync objects. An EGLSync is the address of one of these.

/// A reusable sync, or a fence in a context's commands.
private struct EGLSyncState {
  let display: OpaquePointer
  let type: UInt32
  /// Of a fence: the context whose commands it stands behind, its connection, and what the node reaches
  /// when the GPU has done them; without one, what was recorded must have been replayed.
  let context: UInt64
  let connection: Connection?
  let target: WaitTarget?
  /// 1 once it is signalled.
  var isSignaled: UInt32 = 0
  /// Threads that look at it. Guarded.
  var uses = 1
  var isDestroyed = false
  var next: UnsafeMutablePointer<EGLSyncState>? = nil
}

private typealias EGLSync = UnsafeMutablePointer<EGLSyncState>

nonisolated(unsafe) private var syncs: EGLSync? = nil

extension UnsafeMutablePointer<EGLSyncState> {
  /// The sync at an address that the application gave, held; nil with EGL_BAD_PARAMETER.
  fileprivate static func hold(_ dpy: OpaquePointer?, _ address: OpaquePointer?) -> EGLSync? {
    guard EGLRecord.ready(dpy) != nil else { return nil }
    let found = WindowLock.locked { () -> EGLSync? in
      var known = syncs
      while let sync = known {
        if OpaquePointer(sync) == address, sync.pointee.display == dpy, !sync.pointee.isDestroyed {
          sync.pointee.uses &+= 1
          return sync
        }
        known = sync.pointee.next
      }
      return nil
    }
    return found ?? eglNothing(EGL.badParameter)
  }

  fileprivate func letGo() {
    let isLast = WindowLock.locked { () -> Bool in
      pointee.uses &-= 1
      return pointee.uses == 0
    }
    if isLast { platform_free(self) }
  }

  /// Takes it out of the list; who waits for it goes on.
  fileprivate func destroy() {
    WindowLock.locked {
      pointee.isDestroyed = true
      if syncs == self {
        syncs = pointee.next
      } else {
        var known = syncs
        while let sync = known, sync.pointee.next != self { known = sync.pointee.next }
        known?.pointee.next = pointee.next
      }
    }
    signal()
    letGo()
  }

  fileprivate func signal() {
    platform_store32_seq(&pointee.isSignaled, 1)
    _ = platform_futex_wake(&pointee.isSignaled, Int32.max)
  }

  fileprivate var isSignaled: Bool { platform_load32_seq(&pointee.isSignaled) != 0 }

  /// Waits at most `timeout` nanoseconds; whether it is signalled.
  fileprivate func wait(_ timeout: UInt64) -> Bool {
    if isSignaled { return true }
    if let connection = pointee.connection, let target = pointee.target {
      switch connection.wait(slot: target.slot, value: target.value, nanoseconds: timeout) {
      case .timeout: return false
      case .done, .lost: break
      }
      signal()
      return true
    }
    if pointee.type == EGL.syncFence {
      // A report is a round trip, and shorter than any time that a program would rather not wait.
      guard timeout > 0 else { return false }
      Context.waitUntilReplayed(id: pointee.context)
      signal()
      return true
    }
    let now = platform_now()
    let deadline = timeout > UInt64.max &- now ? UInt64.max : now &+ timeout
    while !isSignaled {
      let time = platform_now()
      guard time < deadline else { return false }
      _ = platform_futex_wait(&pointee.isSignaled, 0, min(deadline &- time, 100_000_000))
    }
    return true
  }
}

/// `wrongType`: the error for a type that there is not. EGL 1.5 (3.8.1) and the extension differ in it.
private func createSync(
  _ dpy: OpaquePointer?, _ type: UInt32, hasAttributes: Bool, wrongType: Int32
) -> OpaquePointer? {
  guard EGLRecord.ready(dpy) != nil, let dpy else { return nil }
  guard type == EGL.syncReusable || type == EGL.syncFence else { return eglNothing(wrongType) }
  guard !hasAttributes else { return eglNothing(EGL.badAttribute) }
  var fenced: UInt64 = 0
  var connection: Connection?
  var target: WaitTarget?
  if type == EGL.syncFence {
    guard let context = currentEGLContext(), context.pointee.binding.display == dpy else {
      return eglNothing(EGL.badMatch)
    }
    target = context.signal()
    context.flush()
    fenced = context.pointee.id
    connection = context.pointee.connection
  }
  guard let raw = platform_malloc(MemoryLayout<EGLSyncState>.stride) else {
    return eglNothing(EGL.badAlloc)
  }
  let sync = raw.bindMemory(to: EGLSyncState.self, capacity: 1)
  sync.initialize(
    to: EGLSyncState(
      display: dpy, type: type, context: fenced, connection: connection, target: target))
  WindowLock.locked {
    sync.pointee.next = syncs
    syncs = sync
  }
  EGLThread.note(EGL.success)
  return OpaquePointer(sync)
}

@c(eglCreateSync)
public func eglCreateSync(_ dpy: OpaquePointer?, _ type: UInt32, _ list: UnsafePointer<Int>?)
  -> OpaquePointer?
{
  createSync(
    dpy, type, hasAttributes: list.map { $0[0] != Int(EGL.none) } ?? false,
    wrongType: EGL.badParameter)
}

@c(eglCreateSyncKHR)
public func eglCreateSyncKHR(_ dpy: OpaquePointer?, _ type: UInt32, _ list: UnsafePointer<Int32>?)
  -> OpaquePointer?
{
  createSync(
    dpy, type, hasAttributes: list.map { $0[0] != EGL.none } ?? false, wrongType: EGL.badAttribute)
}

@c(eglDestroySync)
public func eglDestroySync(_ dpy: OpaquePointer?, _ sync: OpaquePointer?) -> UInt32 {
  guard let sync = EGLSync.hold(dpy, sync) else { return 0 }
  sync.destroy()
  sync.letGo()
  return eglSuccess()
}

@c(eglDestroySyncKHR)
public func eglDestroySyncKHR(_ dpy: OpaquePointer?, _ sync: OpaquePointer?) -> UInt32 {
  eglDestroySync(dpy, sync)
}

@c(eglClientWaitSync)
public func eglClientWaitSync(
  _ dpy: OpaquePointer?, _ sync: OpaquePointer?, _ flags: Int32, _ timeout: UInt64
) -> Int32 {
  guard let sync = EGLSync.hold(dpy, sync) else { return 0 }
  defer { sync.letGo() }
  EGLThread.note(EGL.success)
  guard sync.wait(timeout) else { return EGL.timeoutExpired }
  // What the GPU has written to maps is to be seen from now on.
  if sync.pointee.type == EGL.syncFence, let context = currentEGLContext() { refreshMaps(context) }
  return EGL.conditionSatisfied
}

@c(eglClientWaitSyncKHR)
public func eglClientWaitSyncKHR(
  _ dpy: OpaquePointer?, _ sync: OpaquePointer?, _ flags: Int32, _ timeout: UInt64
) -> Int32 { eglClientWaitSync(dpy, sync, flags, timeout) }

@c(eglWaitSync)
public func eglWaitSync(_ dpy: OpaquePointer?, _ sync: OpaquePointer?, _ flags: Int32) -> UInt32 {
  guard let sync = EGLSync.hold(dpy, sync) else { return 0 }
  defer { sync.letGo() }
  guard currentEGLContext() != nil else { return eglFailure(EGL.badMatch) }
  guard flags == 0 else { return eglFailure(EGL.badParameter) }
  // What comes after is recorded after: the node has it in this order.
  _ = sync.wait(UInt64.max)
  return eglSuccess()
}

@c(eglWaitSyncKHR)
public func eglWaitSyncKHR(_ dpy: OpaquePointer?, _ sync: OpaquePointer?, _ flags: Int32) -> Int32 {
  Int32(bitPattern: eglWaitSync(dpy, sync, flags))
}

@c(eglSignalSyncKHR)
public func eglSignalSyncKHR(_ dpy: OpaquePointer?, _ sync: OpaquePointer?, _ mode: UInt32)
  -> UInt32
{
  guard let sync = EGLSync.hold(dpy, sync) else { return 0 }
  defer { sync.letGo() }
  guard sync.pointee.type == EGL.syncReusable else { return eglFailure(EGL.badMatch) }
  switch mode {
  case UInt32(EGL.signaled): sync.signal()
  case UInt32(EGL.unsignaled): platform_store32_seq(&sync.pointee.isSignaled, 0)
  default: return eglFailure(EGL.badParameter)
  }
  return eglSuccess()
}

private func attribute(_ sync: EGLSync, _ name: Int32) -> Int32? {
  switch name {
  case EGL.syncType: Int32(bitPattern: sync.pointee.type)
  case EGL.syncStatus:
    // A program that looks again and again shall see it some time.
    sync.pointee.type == EGL.syncFence && sync.wait(sync.pointee.target == nil ? 1 : 0)
      || sync.isSignaled
      ? EGL.signaled : EGL.unsignaled
  case EGL.syncCondition:
    sync.pointee.type == EGL.syncFence ? EGL.priorCommandsComplete : nil
  default: nil
  }
}

@c(eglGetSyncAttrib)
public func eglGetSyncAttrib(
  _ dpy: OpaquePointer?, _ sync: OpaquePointer?, _ name: Int32, _ value: UnsafeMutablePointer<Int>?
) -> UInt32 {
  guard let sync = EGLSync.hold(dpy, sync) else { return 0 }
  defer { sync.letGo() }
  guard let value else { return eglFailure(EGL.badParameter) }
  guard let found = attribute(sync, name) else { return eglFailure(EGL.badAttribute) }
  value.pointee = Int(found)
  return eglSuccess()
}

@c(eglGetSyncAttribKHR)
public func eglGetSyncAttribKHR(
  _ dpy: OpaquePointer?, _ sync: OpaquePointer?, _ name: Int32,
  _ value: UnsafeMutablePointer<Int32>?
) -> UInt32 {
  var wide = 0
  guard eglGetSyncAttrib(dpy, sync, name, &wide) != 0 else { return 0 }
  value?.pointee = Int32(truncatingIfNeeded: wide)
  return 1
}
