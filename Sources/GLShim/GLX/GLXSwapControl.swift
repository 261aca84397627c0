import CPlatform
import Client

// The extensions that speak of when frames are shown: GLX_EXT_swap_control(_tear),
// GLX_SGI_swap_control, GLX_MESA_swap_control, GLX_SGI_video_sync and GLX_OML_sync_control.

enum GLXSwapControl {
  /// What the environment says as for Mesa (`vblank_mode`) or NVIDIA (`__GL_SYNC_TO_VBLANK`).
  private static func mode() -> Int32 {
    if let text = platform_getenv("vblank_mode"), text[0] >= 0x30, text[0] <= 0x33, text[1] == 0 {
      return Int32(text[0]) &- 0x30
    }
    if let text = platform_getenv("__GL_SYNC_TO_VBLANK"), text[0] == 0x30, text[1] == 0 { return 1 }
    return 2
  }

  static func initialInterval() -> Int32 { mode() >= 2 ? 1 : 0 }

  /// The interval that the environment allows instead of one that was asked for.
  static func allowed(_ interval: Int32) -> Int32 {
    switch mode() {
    case 0: 0
    case 3: interval == 0 ? 1 : interval
    default: interval
    }
  }

  /// A counter of refreshes that every drawable shares: 60 a second.
  static func refreshCount() -> UInt64 { platform_now() / 16_666_667 }

  /// Sleeps until the counter has `target`, or later a value that leaves `remainder` when it is
  /// divided.
  static func waitForRefresh(_ target: UInt64, _ divisor: UInt64, _ remainder: UInt64) -> UInt64 {
    var count = refreshCount()
    if count < target {
      count = target
    } else if divisor > 0 {
      let now = count % divisor
      count &+= (remainder % divisor &+ divisor &- now) % divisor
    }
    // A minute is long enough to wait for anything.
    let due = count &* 16_666_667
    let now = platform_now()
    if due > now { platform_sleep(min(due &- now, 60_000_000_000)) }
    return refreshCount()
  }
}

private func currentDrawable() -> Drawable? { currentGLXContext()?.pointee.binding.draw }

@c(glXSwapIntervalEXT)
public func glXSwapIntervalEXT(_ dpy: OpaquePointer?, _ name: UInt, _ interval: Int32) {
  guard let record = DisplayRecord.of(dpy) else { return }
  guard let drawable = Drawable.find(.glx, dpy, name) else {
    record.sendCoreError(CoreError.window, GLXRequest.vendorPrivate, resource: name)
    return
  }
  drawable.pointee.interval = GLXSwapControl.allowed(interval)
}

@c(glXSwapIntervalSGI)
public func glXSwapIntervalSGI(_ interval: Int32) -> Int32 {
  guard let context = currentGLXContext() else { return GLX.badContextResult }
  guard interval > 0 else { return GLX.badValueResult }
  context.pointee.binding.draw?.pointee.interval = GLXSwapControl.allowed(interval)
  return 0
}

@c(glXSwapIntervalMESA)
public func glXSwapIntervalMESA(_ interval: UInt32) -> Int32 {
  guard interval <= 0x7FFF_FFFF else { return GLX.badValueResult }
  guard let context = currentGLXContext() else { return GLX.badContextResult }
  context.pointee.binding.draw?.pointee.interval = GLXSwapControl.allowed(Int32(interval))
  return 0
}

@c(glXGetSwapIntervalMESA)
public func glXGetSwapIntervalMESA() -> Int32 { currentDrawable()?.pointee.interval ?? 0 }

@c(glXGetVideoSyncSGI)
public func glXGetVideoSyncSGI(_ count: UnsafeMutablePointer<UInt32>?) -> Int32 {
  guard currentGLXContext() != nil else { return GLX.badContextResult }
  count?.pointee = UInt32(truncatingIfNeeded: GLXSwapControl.refreshCount())
  return 0
}

@c(glXWaitVideoSyncSGI)
public func glXWaitVideoSyncSGI(
  _ divisor: Int32, _ remainder: Int32, _ count: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  guard divisor > 0, remainder >= 0 else { return GLX.badValueResult }
  guard currentGLXContext() != nil else { return GLX.badContextResult }
  // The next refresh at the earliest.
  let next = GLXSwapControl.refreshCount() &+ 1
  let late = (UInt64(remainder) % UInt64(divisor) &+ UInt64(divisor) &- next % UInt64(divisor))
  let reached = GLXSwapControl.waitForRefresh(next &+ late % UInt64(divisor), 0, 0)
  count?.pointee = UInt32(truncatingIfNeeded: reached)
  return 0
}

@c(glXGetSyncValuesOML)
public func glXGetSyncValuesOML(
  _ dpy: OpaquePointer?, _ name: UInt, _ ust: UnsafeMutablePointer<Int64>?,
  _ msc: UnsafeMutablePointer<Int64>?, _ sbc: UnsafeMutablePointer<Int64>?
) -> Int32 {
  guard let drawable = Drawable.find(.glx, dpy, name) else { return 0 }
  ust?.pointee = Int64(bitPattern: platform_now() / 1000)
  msc?.pointee = Int64(bitPattern: GLXSwapControl.refreshCount())
  sbc?.pointee = Int64(bitPattern: drawable.pointee.swapCount)
  return 1
}

@c(glXGetMscRateOML)
public func glXGetMscRateOML(
  _ dpy: OpaquePointer?, _ name: UInt, _ numerator: UnsafeMutablePointer<Int32>?,
  _ denominator: UnsafeMutablePointer<Int32>?
) -> Int32 {
  guard Drawable.find(.glx, dpy, name) != nil else { return 0 }
  numerator?.pointee = 60
  denominator?.pointee = 1
  return 1
}

@c(glXSwapBuffersMscOML)
public func glXSwapBuffersMscOML(
  _ dpy: OpaquePointer?, _ name: UInt, _ target: Int64, _ divisor: Int64, _ remainder: Int64
) -> Int64 {
  guard target >= 0, divisor >= 0, remainder >= 0, divisor == 0 || remainder < divisor,
    let drawable = Drawable.find(.glx, dpy, name)
  else { return -1 }
  if target > 0 || divisor > 0 {
    _ = GLXSwapControl.waitForRefresh(UInt64(target), UInt64(divisor), UInt64(remainder))
  }
  glXSwapBuffers(dpy, name)
  return Int64(bitPattern: drawable.pointee.swapCount)
}

@c(glXWaitForMscOML)
public func glXWaitForMscOML(
  _ dpy: OpaquePointer?, _ name: UInt, _ target: Int64, _ divisor: Int64, _ remainder: Int64,
  _ ust: UnsafeMutablePointer<Int64>?, _ msc: UnsafeMutablePointer<Int64>?,
  _ sbc: UnsafeMutablePointer<Int64>?
) -> Int32 {
  guard target >= 0, divisor >= 0, remainder >= 0, divisor == 0 || remainder < divisor else {
    return 0
  }
  _ = GLXSwapControl.waitForRefresh(UInt64(target), UInt64(divisor), UInt64(remainder))
  return glXGetSyncValuesOML(dpy, name, ust, msc, sbc)
}

@c(glXWaitForSbcOML)
public func glXWaitForSbcOML(
  _ dpy: OpaquePointer?, _ name: UInt, _ target: Int64, _ ust: UnsafeMutablePointer<Int64>?,
  _ msc: UnsafeMutablePointer<Int64>?, _ sbc: UnsafeMutablePointer<Int64>?
) -> Int32 {
  guard target >= 0, let drawable = Drawable.find(.glx, dpy, name) else { return 0 }
  drawable.waitUntilShown()
  return glXGetSyncValuesOML(dpy, name, ust, msc, sbc)
}
