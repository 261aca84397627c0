import CPlatform
import GLWire
import Ring
internal import Threads
import Wire

// OpenGL 4.6, chapter 20. The driver has one callback, which is the node's for as long as the context lives: what
// it says is kept for the client's callback, or is the log. So what this room's own calls cause is nobody's
// business, and lengths of the log are counted here.

/// A message of debug output.
struct DebugMessage: Equatable {
  var source: UInt32
  var type: UInt32
  var id: UInt32
  var severity: UInt32
  /// Without a NUL.
  var text: [UInt8]
}

/// The messages of one context. The driver may have some on threads of its own.
final class DebugMessages: @unchecked Sendable {
  private let host: any GLSessionHost
  private let lock = Lock()
  private var kept: [DebugMessage] = []
  private var keptBytes = 0
  private var log: [DebugMessage] = []
  /// Kept for the client's callback, and not in the log.
  private var isWatched = false
  private var slot: UInt32?
  /// What the slot reaches with the next message.
  private var next: UInt64 = 0
  /// Not 0 while this room calls the driver for itself.
  private let quiet: UnsafeMutablePointer<UInt32>
  /// GL_MAX_DEBUG_LOGGED_MESSAGES.
  private let longestLog: Int
  /// `hearsErrors` of each debug group, of the default one first. The context's thread's.
  private var errorsPass = [true]

  /// Bytes that wait for the client at most.
  private static var mostBytes: Int { 1 << 20 }
  /// Bytes of one reply with messages.
  private static var replyBytes: Int { 256 << 10 }

  /// `quiet`: the depth of calls that are this room's own; it lives as long as the driver may have messages.
  init(_ host: any GLSessionHost, quiet: UnsafeMutablePointer<UInt32>, longestLog: Int) {
    self.host = host
    self.quiet = quiet
    self.longestLog = longestLog
  }

  /// What the driver calls, with this object as the parameter.
  static var callback: Callback {
    { source, type, id, severity, length, text, parameter in
      guard let parameter, let text else { return }
      let bytes = UnsafeRawPointer(text)
      let count = length < 0 ? Int(platform_string_length(text)) : Int(length)
      Unmanaged<DebugMessages>.fromOpaque(parameter).takeUnretainedValue().add(
        DebugMessage(
          source: source, type: type, id: id, severity: severity,
          text: Array(UnsafeRawBufferPointer(start: bytes, count: count))))
    }
  }

  typealias Callback =
    @convention(c) (
      UInt32, UInt32, UInt32, UInt32, Int32, UnsafePointer<CChar>?, UnsafeRawPointer?
    ) -> Void

  /// Keeps a message. Any thread.
  func add(_ message: DebugMessage) {
    guard platform_load32_relaxed(quiet) == 0 else { return }
    let reached = lock.withLock { () -> (UInt32, UInt64)? in
      guard isWatched else {
        if log.count < longestLog { log.append(message) }
        return nil
      }
      // A client that takes none must not fill the node.
      guard keptBytes + message.text.count + 64 <= DebugMessages.mostBytes else { return nil }
      keptBytes += message.text.count + 64
      kept.append(message)
      next &+= 1
      return slot.map { ($0, next) }
    }
    if let (slot, value) = reached { host.complete(slot: slot, value: value) }
  }

  /// Keeps messages for the client's callback from now on, or the log.
  func watch(_ isOn: Bool, slot: UInt32?, first: UInt64) {
    lock.withLock {
      isWatched = isOn
      if self.slot == nil, let slot { (self.slot, next) = (slot, first) }
    }
  }

  /// The oldest messages that fit a reply, and whether there are more.
  func take() -> (messages: [DebugMessage], isMore: Bool) {
    lock.withLock {
      var (count, bytes) = (0, 0)
      while count < kept.count {
        bytes += kept[count].text.count + 64
        // One always fits.
        if count > 0, bytes > DebugMessages.replyBytes { break }
        count += 1
      }
      let taken = Array(kept.prefix(count))
      kept.removeFirst(count)
      keptBytes -= taken.reduce(0) { $0 + $1.text.count + 64 }
      return (taken, !kept.isEmpty)
    }
  }

  /// Takes messages out of the log: at most `count`, and such as have room for their texts and NULs.
  func takeLog(_ count: Int, room: Int) -> [DebugMessage] {
    lock.withLock {
      var (taken, left) = (0, room)
      while taken < min(count, log.count), log[taken].text.count < left {
        left -= log[taken].text.count + 1
        taken += 1
      }
      defer { log.removeFirst(taken) }
      return Array(log.prefix(taken))
    }
  }

  /// Whether errors that are not the driver's pass the filters.
  var hearsErrors: Bool { errorsPass.last ?? true }

  /// What glDebugMessageControl without ids says of errors: their source is the API, their severity high.
  func filterErrors(_ source: UInt32, _ type: UInt32, _ severity: UInt32, _ isEnabled: Bool) {
    guard source == GL.DONT_CARE || source == GL.DEBUG_SOURCE_API,
      type == GL.DONT_CARE || type == GL.DEBUG_TYPE_ERROR,
      severity == GL.DONT_CARE || severity == GL.DEBUG_SEVERITY_HIGH
    else { return }
    errorsPass[errorsPass.count - 1] = isEnabled
  }

  /// Has as many debug groups as the driver has; one that is new has the filters of the one around it.
  func setGroups(_ count: Int) {
    guard count > 0 else { return }
    while errorsPass.count > count { errorsPass.removeLast() }
    while errorsPass.count < count { errorsPass.append(hearsErrors) }
  }

  /// GL_DEBUG_LOGGED_MESSAGES, and GL_DEBUG_NEXT_LOGGED_MESSAGE_LENGTH.
  var logCount: UInt32 { lock.withLock { UInt32(log.count) } }
  var nextLength: UInt32 { lock.withLock { log.first.map { UInt32($0.text.count + 1) } ?? 0 } }
}

extension GLReplayContext {
  /// Has the driver say its messages to this room, when it has debug output.
  mutating func beginMessages(_ extensions: [String]) {
    let isThere =
      extensions.contains("GL_KHR_debug") || extensions.contains("GL_ARB_debug_output")
      || (properties.isES ? properties.isAtLeast(3, 2) : properties.isAtLeast(4, 3))
    guard isThere, let call = gl.glDebugMessageCallback else { return }
    let longest = driverValue(GL.MAX_DEBUG_LOGGED_MESSAGES, otherwise: 0)
    let messages = DebugMessages(
      session.host, quiet: quiet, longestLog: Int(min(max(longest, 1), 256)))
    self.messages = messages
    call(
      unsafeBitCast(DebugMessages.callback, to: UnsafeRawPointer?.self),
      Unmanaged.passUnretained(messages).toOpaque())
  }

  /// Before the context ends.
  mutating func endMessages() {
    if messages != nil { gl.glDebugMessageCallback?(nil, nil) }
  }

  /// After a debug group has begun or ended.
  mutating func followGroups() {
    guard let messages else { return }
    // GL_MAX_DEBUG_GROUP_STACK_DEPTH is 64 everywhere.
    messages.setGroups(Int(min(driverValue(GL.DEBUG_GROUP_STACK_DEPTH, otherwise: 0), 1024)))
  }

  /// Until `endQuiet`, what the driver is called for is not the application's.
  @inline(__always)
  mutating func beginQuiet() { platform_store32(quiet, platform_load32_relaxed(quiet) &+ 1) }
  @inline(__always)
  mutating func endQuiet() { platform_store32(quiet, platform_load32_relaxed(quiet) &- 1) }

  /// Calls the driver for this room's own sake: no message and no error comes of it, and errors that were there
  /// stay.
  mutating func quietly<R>(_ body: (inout GLReplayContext) -> R) -> R {
    saveErrors()
    beginQuiet()
    let result = body(&self)
    functions?.drainErrors()
    endQuiet()
    return result
  }

  /// `glWatchMessages`.
  mutating func watchMessages(_ f: inout ControlFields) {
    let slot = f.u32(8, "slot")
    let isOn = f.u32(12, "isOn") != 0
    let first = f.u64(16, "first")
    guard f.wrong == nil else { return }
    messages?.watch(isOn, slot: slot == ControlField.noSlot ? nil : slot, first: first)
  }

  /// `glTakeMessages`.
  mutating func takeMessages(_ f: inout ControlFields) {
    let ticket = f.u32(8, "ticket")
    guard f.wrong == nil else { return }
    let (taken, isMore) = messages?.take() ?? ([], false)
    beginReply(ControlOpcode.glTakeMessages)
    reply.writer.u32(UInt32(taken.count))
    reply.writer.u32(isMore ? 1 : 0)
    for message in taken {
      for word in [message.source, message.type, message.id, message.severity] {
        reply.writer.u32(word)
      }
      put(message.text + [0], message.text.count + 1)
    }
    endReply(ticket)
  }

  /// `glRaise`.
  mutating func raise(_ f: inout ControlFields) {
    let error = f.u32(8, "error")
    let flags = f.u32(12, "flags")
    guard f.wrong == nil else { return }
    if flags & RaiseFlag.error != 0 { keepError(error) }
    if flags & RaiseFlag.message != 0 { noteError(error) }
  }

  /// The message of an error that is not the driver's, unless the program wants none such.
  mutating func noteError(_ error: UInt32) {
    guard let messages, messages.hearsErrors, gl.glIsEnabled?(GL.DEBUG_OUTPUT) == 1 else { return }
    messages.add(
      DebugMessage(
        source: GL.DEBUG_SOURCE_API, type: GL.DEBUG_TYPE_ERROR, id: error,
        severity: GL.DEBUG_SEVERITY_HIGH,
        text: Array(glErrorMessage(error).description.utf8)))
  }
}

func doer_glDebugMessageControl(
  _ c: GLContextPointer, _ source: UInt32, _ type: UInt32, _ severity: UInt32, _ count: Int32,
  _ ids: UnsafePointer<UInt32>?, _ enabled: UInt8
) {
  c.pointee.gl.glDebugMessageControl?(source, type, severity, count, ids, enabled)
  guard count == 0 else { return }
  c.pointee.messages?.filterErrors(source, type, severity, enabled != 0)
}
func doer_glPushDebugGroup(
  _ c: GLContextPointer, _ source: UInt32, _ id: UInt32, _ length: Int32,
  _ message: UnsafePointer<CChar>?
) {
  c.pointee.gl.glPushDebugGroup?(source, id, length, message)
  c.pointee.followGroups()
}
func doer_glPopDebugGroup(_ c: GLContextPointer) {
  c.pointee.gl.glPopDebugGroup?()
  c.pointee.followGroups()
}

/// Replies with the number of messages, the five arrays of what they are, and their texts, each with its NUL.
func doer_glGetDebugMessageLog(
  _ c: GLContextPointer, _ ticket: UInt32, _ count: UInt32, _ bufSize: Int32,
  _ sources: UnsafeMutablePointer<UInt32>?, _ types: UnsafeMutablePointer<UInt32>?,
  _ ids: UnsafeMutablePointer<UInt32>?, _ severities: UnsafeMutablePointer<UInt32>?,
  _ lengths: UnsafeMutablePointer<Int32>?, _ messageLog: UnsafeMutablePointer<CChar>?
) {
  if bufSize < 0 { c.pointee.raise(GL.INVALID_VALUE) }
  let taken =
    c.pointee.messages?.takeLog(Int(count), room: Int(max(bufSize, 0))) ?? []
  c.pointee.beginReply(GLOpcode.glGetDebugMessageLog)
  c.pointee.reply.writer.u32(UInt32(taken.count))
  c.pointee.put(taken.map(\.source), taken.count * 4)
  c.pointee.put(taken.map(\.type), taken.count * 4)
  c.pointee.put(taken.map(\.id), taken.count * 4)
  c.pointee.put(taken.map(\.severity), taken.count * 4)
  c.pointee.put(taken.map { UInt32($0.text.count + 1) }, taken.count * 4)
  var texts: [UInt8] = []
  for message in taken { texts += message.text + [0] }
  c.pointee.put(texts, texts.count)
  c.pointee.endReply(ticket)
}
