import CPlatform
import Client
import GLWire
import Ring
import Wire

// OpenGL 4.6, chapter 20: debug output. The node has the driver's messages (`GLReplay/DebugMessages.swift`)
// and says in a slot how many there have been; the program's callback is called here, at the end of a command,
// on the thread that the context is current on. With GL_DEBUG_OUTPUT_SYNCHRONOUS each command waits for the
// node, so that the callback is called by the command that caused the message; else whenever messages have come.

/// What the client keeps of debug output.
struct DebugOutput {
  /// The program's callback; nil for none, and then the node keeps the log.
  var callback: UnsafeRawPointer?
  var parameter: UnsafeRawPointer?
  /// GL_DEBUG_OUTPUT.
  var isOn = false
  /// GL_DEBUG_OUTPUT_SYNCHRONOUS.
  var isSynchronous = false
  /// The program is being called: what its calls cause waits until the next command ends.
  fileprivate(set) var isDelivering = false

  /// Reaches the number of messages that the node has had, counted from what it was at first.
  fileprivate(set) var slot = ControlField.noSlot
  /// What it was before the first message.
  fileprivate var first: UInt64 = 0
  /// What it was when messages were taken last.
  fileprivate var seen: UInt64 = 0
}

// MARK: At the end of a command

/// Every entry point ends with it: for a program that has a callback, messages are delivered.
@inline(__always)
func finishCommand(_ c: Context) {
  if _slowPath(c.pointee.isWatched) { c.deliverMessages() }
}
@inline(__always)
func finishCommand(_ writer: UnsafeMutablePointer<Writer>) {
  finishCommand(Context(OpaquePointer(writer)))
}

/// A GLDEBUGPROC.
private typealias DebugCallback =
  @convention(c) (
    UInt32, UInt32, UInt32, UInt32, Int32, UnsafePointer<CChar>?, UnsafeRawPointer?
  ) -> Void

extension UnsafeMutablePointer<ContextState> {
  /// Calls the program with the messages that there are. With synchronous output the node is waited for.
  @inline(never)
  func deliverMessages() {
    let shadow = pointee.shadow
    guard !shadow.pointee.debug.isDelivering, shadow.pointee.debug.callback != nil else { return }
    if shadow.pointee.debug.isOn, shadow.pointee.debug.isSynchronous, !isReplayed {
      takeMessages()
    } else if hasNewMessages {
      takeMessages()
    }
  }

  /// Whether the node has answered behind everything that was recorded.
  private var isReplayed: Bool {
    pointee.writer.cursor == pointee.batch && pointee.answered == pointee.published
  }

  private var hasNewMessages: Bool {
    let debug = pointee.shadow.pointee.debug
    // Without a slot, when the node has answered anyway.
    guard debug.slot != ControlField.noSlot else { return isReplayed }
    return platform_load64(pointee.connection.segment.slot(debug.slot)) > debug.seen
  }

  /// Fetches what the node has, and calls the program with it.
  private func takeMessages() {
    var isMore = true
    while isMore, currentContext() == self {
      let shadow = pointee.shadow
      if shadow.pointee.debug.slot != ControlField.noSlot {
        shadow.pointee.debug.seen = platform_load64(
          pointee.connection.segment.slot(shadow.pointee.debug.slot))
      }
      guard let call = beginCall(ControlOpcode.glTakeMessages) else { return }
      call.writer.pointee.begin(ControlOpcode.glTakeMessages)
      call.writer.pointee.u32(call.ticket)
      call.writer.pointee.u32(0)
      call.writer.pointee.end()
      guard var reply = endCall(call) else { return }
      let count = Int(reply.u32("glTakeMessages.count"))
      isMore = reply.u32("glTakeMessages.isMore") != 0
      guard count > 0 else { return finishCall(call) }
      // The program may make calls that wait too.
      let size = reply.remaining
      let bytes = reply.take(size, "glTakeMessages.messages")
      let copy = platform_malloc(max(size, 1))
      if let copy, let bytes { platform_copy(copy, bytes, size) }
      finishCall(call)
      guard let copy else { return }
      defer { platform_free(copy) }
      var messages = GLRecord(start: copy, count: size)
      deliver(&messages, count)
    }
  }

  private func deliver(_ messages: inout GLRecord, _ count: Int) {
    var i = 0
    while i < count {
      let source = messages.u32("message.source")
      let type = messages.u32("message.type")
      let id = messages.u32("message.id")
      let severity = messages.u32("message.severity")
      let (text, size) = messages.array(minimumBytes: 1, field: "message.text")
      guard messages.failure == nil, let text,
        text.load(fromByteOffset: size &- 1, as: UInt8.self) == 0,
        tell(
          source, type, id, severity, Int32(truncatingIfNeeded: size &- 1),
          text.assumingMemoryBound(to: CChar.self))
      else { return }
      i &+= 1
    }
  }

  /// Calls the program with one message. False when the context is not current any more, or not there: then
  /// nothing of it may be looked at.
  private func tell(
    _ source: UInt32, _ type: UInt32, _ id: UInt32, _ severity: UInt32, _ length: Int32,
    _ text: UnsafePointer<CChar>
  ) -> Bool {
    let shadow = pointee.shadow
    guard let address = shadow.pointee.debug.callback else { return false }
    let parameter = shadow.pointee.debug.parameter
    shadow.pointee.debug.isDelivering = true
    unsafeBitCast(address, to: DebugCallback.self)(
      source, type, id, severity, length, text, parameter)
    guard currentContext() == self else { return false }
    shadow.pointee.debug.isDelivering = false
    return true
  }

  /// A context that becomes current is in nobody's callback.
  func forgetDelivery() { pointee.shadow.pointee.debug.isDelivering = false }

  /// Before the context ends: the node says nothing more in the slot, which is given back.
  func endMessages() {
    let slot = pointee.shadow.pointee.debug.slot
    guard slot != ControlField.noSlot else { return }
    sendWatch(isOn: false)
    if waitUntilReplayed() { pointee.connection.releaseSlot(slot) }
    pointee.shadow.pointee.debug.slot = ControlField.noSlot
  }

  /// Has the node collect messages for the callback, or keep the log.
  fileprivate func sendWatch(isOn: Bool) {
    writer.pointee.begin(ControlOpcode.glWatchMessages)
    writer.pointee.u32(pointee.shadow.pointee.debug.slot)
    writer.pointee.u32(isOn ? 1 : 0)
    writer.pointee.u64(pointee.shadow.pointee.debug.first)
    writer.pointee.end()
  }
}

// MARK: Commands

func hook_glDebugMessageCallback(
  _ c: Context, _ callback: UnsafeRawPointer?, _ userParam: UnsafeRawPointer?
) {
  // What has been said so far is for the callback that there was.
  let debug = c.pointee.shadow.pointee.debug
  if debug.callback != nil, !debug.isDelivering {
    if c.waitUntilReplayed() { c.deliverMessages() }
    guard currentContext() == c else { return }
  }
  let shadow = c.pointee.shadow
  if callback != nil, shadow.pointee.debug.slot == ControlField.noSlot {
    let slot = c.pointee.connection.allocateSlot()
    shadow.pointee.debug.slot = slot
    if slot != ControlField.noSlot {
      shadow.pointee.debug.first = platform_load64(c.pointee.connection.segment.slot(slot))
      shadow.pointee.debug.seen = shadow.pointee.debug.first
    }
  }
  shadow.pointee.debug.callback = callback
  shadow.pointee.debug.parameter = userParam
  c.pointee.isWatched = callback != nil
  c.sendWatch(isOn: callback != nil)
}

/// GL_DEBUG_OUTPUT and GL_DEBUG_OUTPUT_SYNCHRONOUS; not in a list that is being compiled.
func noteDebugCapability(_ c: Context, _ cap: UInt32, _ isOn: Bool) {
  let shadow = c.pointee.shadow
  guard cap == GL.DEBUG_OUTPUT || cap == GL.DEBUG_OUTPUT_SYNCHRONOUS,
    shadow.pointee.listMode != GL.COMPILE, !shadow.pointee.isInBegin
  else { return }
  if cap == GL.DEBUG_OUTPUT {
    shadow.pointee.debug.isOn = isOn
  } else {
    shadow.pointee.debug.isSynchronous = isOn
  }
}

/// The log, which the node keeps while there is no callback. Without a place for texts there is room for all
/// of them.
func hook_glGetDebugMessageLog(
  _ c: Context, _ count: UInt32, _ bufSize: Int32, _ sources: UnsafeMutablePointer<UInt32>?,
  _ types: UnsafeMutablePointer<UInt32>?, _ ids: UnsafeMutablePointer<UInt32>?,
  _ severities: UnsafeMutablePointer<UInt32>?, _ lengths: UnsafeMutablePointer<Int32>?,
  _ messageLog: UnsafeMutablePointer<CChar>?
) -> UInt32 {
  guard let call = c.beginCall(GLOpcode.glGetDebugMessageLog) else { return 0 }
  encode_glGetDebugMessageLog(
    c, call.writer, call.ticket, count, messageLog == nil ? Int32.max : bufSize)
  guard var reply = c.endCall(call) else { return 0 }
  let taken = min(reply.u32("result"), count)
  let words = Int(taken) &* 4
  reply.copyOut(sources, words)
  reply.copyOut(types, words)
  reply.copyOut(ids, words)
  reply.copyOut(severities, words)
  reply.copyOut(lengths, words)
  reply.copyOut(messageLog, Int(max(bufSize, 0)))
  c.finishCall(call)
  return taken
}
