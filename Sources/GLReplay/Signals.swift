import CPlatform
import GLWire
import Ring
import Wire

/// What the client is told when the GPU is so far: a fence, or the result of a query.
struct Signal {
  enum Cause {
    case fence(UnsafeMutableRawPointer)
    /// The driver's name, the slot of the upper half and the number of the result.
    case query(UInt32, high: UInt32, number: UInt32)
  }
  let cause: Cause
  let slot: UInt32
  /// Of a fence.
  let value: UInt64
}

extension GLReplayContext {
  /// Signals that may wait for the GPU; a client that wants more waits for it here.
  private static var mostSignals: Int { 4096 }

  mutating func signal(_ f: inout ControlFields) {
    let slot = f.u32(8, "slot")
    let value = f.u64(16, "value")
    guard f.wrong == nil, let functions else { return f.fail("slot") }
    makeRoomForSignal()
    if properties.hasSync, functions.clientWaitSync != nil,
      let fence = functions.fenceSync?(GL.SYNC_GPU_COMMANDS_COMPLETE, 0)
    {
      signals.append(Signal(cause: .fence(fence), slot: slot, value: value))
    } else {
      functions.finish()
      session.host.complete(slot: slot, value: value)
    }
  }

  mutating func pushQuery(_ f: inout ControlFields) {
    let query = f.u32(8, "query")
    let number = f.u32(12, "number")
    let low = f.u32(16, "low")
    let high = f.u32(20, "high")
    guard f.wrong == nil else { return }
    let name = knownName(.query, query)
    guard number != 0 else { return cancelPush(name) }
    guard name != 0, functions?.getQueryObjectuiv != nil else {
      return complete(low: low, high: high, number: number, result: 0)
    }
    makeRoomForSignal()
    signals.append(
      Signal(cause: .query(name, high: high, number: number), slot: low, value: 0))
  }

  /// Nobody waits for a query of the driver's any more, and it may not be asked for.
  mutating func cancelPush(_ name: UInt32) {
    guard !signals.isEmpty else { return }
    var i = 0
    while i < signals.count {
      if case .query(name, let high, let number) = signals[i].cause {
        complete(low: signals[i].slot, high: high, number: number, result: 0)
        signals.remove(at: i)
      } else {
        i &+= 1
      }
    }
  }

  private mutating func makeRoomForSignal() {
    guard signals.count >= GLReplayContext.mostSignals else { return }
    functions?.finish()
    sendSignals(patience: 0)
  }

  private mutating func complete(low: UInt32, high: UInt32, number: UInt32, result: UInt64) {
    let number = UInt64(number) << 32
    session.host.complete(slot: high, value: number | result >> 32)
    session.host.complete(slot: low, value: number | result & 0xFFFF_FFFF)
  }

  /// Sends what has come. Waits at most `patience` nanoseconds for the first fence; when it is not 0,
  /// sees to it that the GPU gets what it needs for it. Whether it has waited in vain.
  @discardableResult
  mutating func sendSignals(patience: UInt64) -> Bool {
    guard let functions else {
      signals.removeAll()
      return false
    }
    // Where a buffer is bound for them, results would go there.
    var queryBuffer: UInt32?
    defer {
      if let queryBuffer, queryBuffer != 0 { functions.bindBuffer?(GL.QUERY_BUFFER, queryBuffer) }
    }
    var isWaiting = false
    var needsFlush = false
    var kept = 0
    var i = 0
    while i < signals.count {
      let signal = signals[i]
      i &+= 1
      switch signal.cause {
      case .fence(let fence):
        // All comes in the order in which it was asked for: a fence says that results before it are
        // there.
        if !isWaiting, isSignaled(fence, functions, patience) {
          functions.deleteSync?(fence)
          session.host.complete(slot: signal.slot, value: signal.value)
          isGPUIdle = i == signals.count
          continue
        }
        isWaiting = true
      case .query(let name, let high, let number):
        if queryBuffer == nil, properties.hasQueryBuffers {
          queryBuffer = driverValue(GL.QUERY_BUFFER_BINDING)
          if queryBuffer != 0 { functions.bindBuffer?(GL.QUERY_BUFFER, 0) }
        }
        // Between two questions the GPU may have done both: when a later one is told, so are those
        // before it.
        if !needsFlush, let result = result(of: name, functions) {
          complete(low: signal.slot, high: high, number: number, result: result)
          continue
        }
        isWaiting = true
        needsFlush = true
      }
      signals[kept] = signal
      kept &+= 1
    }
    signals.removeLast(signals.count &- kept)
    // What results wait for has to be on its way; there is nothing to wait on.
    if patience > 0, needsFlush { functions.flush() }
    return patience > 0 && isWaiting && !needsFlush
  }

  private mutating func isSignaled(
    _ fence: UnsafeMutableRawPointer, _ functions: GLFunctions, _ patience: UInt64
  ) -> Bool {
    let flags = patience > 0 ? GL.SYNC_FLUSH_COMMANDS_BIT : 0
    let result = functions.clientWaitSync?(fence, flags, patience) ?? GL.ALREADY_SIGNALED
    // What fails will not be better later.
    return result != GL.TIMEOUT_EXPIRED
  }

  private mutating func result(of name: UInt32, _ functions: GLFunctions) -> UInt64? {
    var isThere: UInt32 = 1
    functions.getQueryObjectuiv?(name, GL.QUERY_RESULT_AVAILABLE, &isThere)
    guard isThere != 0 else { return nil }
    var result: UInt64 = 0
    if properties.hasWideQueries, let get = functions.getQueryObjectui64v {
      get(name, GL.QUERY_RESULT, &result)
    } else {
      var narrow: UInt32 = 0
      functions.getQueryObjectuiv?(name, GL.QUERY_RESULT, &narrow)
      result = UInt64(narrow)
    }
    return result
  }

  /// Before the context ends: whoever still waits is let go.
  mutating func endSignals() {
    guard !signals.isEmpty else { return }
    functions?.finish()
    sendSignals(patience: 1)
    for signal in signals {
      switch signal.cause {
      case .fence: session.host.complete(slot: signal.slot, value: signal.value)
      case .query(_, let high, let number):
        complete(low: signal.slot, high: high, number: number, result: 0)
      }
    }
    signals.removeAll()
  }
}
