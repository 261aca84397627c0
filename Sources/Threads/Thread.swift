internal import CPlatform

private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Starts a detached thread that runs `body`; false when the system has none left. `name`: 15 bytes at most.
///
/// Its stack has room for drivers and for coders of video (8 MiB); what of that is not used is never there.
public func startThread(_ name: StaticString, _ body: @escaping @Sendable () -> Void) -> Bool {
  let context = Unmanaged.passRetained(ThreadBody(body))
  let result = platform_thread_start(
    { context in
      if let context { Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run() }
      return nil
    }, context.toOpaque(), 8 << 20,
    UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self))
  if result != 0 { context.release() }
  return result == 0
}
