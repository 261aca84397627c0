import CPlatform
import Client
import GLWire
import Ring
import Wire

// OpenGL 4.6, 2.3.1: errors. The node has the driver's word. What the client refuses itself takes its place among
// the errors there (`glRaise`), so that the first of all is the one that glGetError returns.

/// The error that the next glGetError returns, as far as the client knows it.
struct PendingError {
  /// 0 for none.
  fileprivate var error: UInt32 = 0
  /// The node has it too, and may have had one before it.
  fileprivate var isOnNode = false
  /// Frames that had been shown when the program last did what errors are expected of.
  fileprivate var unsteadyFrame: UInt64 = 0
  /// Nanoseconds that glGetError has waited for the node, less what has been forgiven until `forgivenAt`.
  fileprivate var time: UInt64 = 0
  fileprivate var forgivenAt: UInt64 = 0
  /// A question to the node that is on its way, and the frame in which the latest was asked.
  fileprivate var question: Call?
  fileprivate var questionFrame: UInt64 = 0
}

/// Questions on their way, of all contexts. Each has one of a connection's few tickets until its context looks again.
nonisolated(unsafe) private var questions: UInt64 = 0
private var mostQuestions: UInt64 { 8 }

/// `OMEGA_GL_ERRORS`.
enum ErrorMode: UInt32 {
  case auto, strict, fast, none

  static func fromEnvironment() -> ErrorMode {
    guard let value = platform_getenv("OMEGA_GL_ERRORS") else { return .auto }
    if platform_string_compare(value, "strict") == 0 { return .strict }
    if platform_string_compare(value, "fast") == 0 { return .fast }
    if platform_string_compare(value, "none") == 0 { return .none }
    return .auto
  }
}

nonisolated(unsafe) private var errorMode = UInt32.max

func currentErrorMode() -> ErrorMode {
  if errorMode == UInt32.max { errorMode = ErrorMode.fromEnvironment().rawValue }
  return ErrorMode(rawValue: errorMode) ?? .auto
}

extension UnsafeMutablePointer<ContextState> {
  /// An error that the client has found.
  @inline(never)
  func raise(_ error: UInt32) {
    let shadow = pointee.shadow
    let isFirst = pointee.errors.error == 0
    if isFirst { pointee.errors.error = error }
    expectErrors()
    var flags = shadow.pointee.debug.isOn ? RaiseFlag.message : 0
    // Between Begin and End the driver cannot be asked what came before.
    if isFirst, asksForErrors, !shadow.pointee.isInBegin {
      flags |= RaiseFlag.error
      pointee.errors.isOnNode = true
    }
    guard flags != 0 else { return }
    writer.pointee.begin(ControlOpcode.glRaise)
    writer.pointee.u32(error)
    writer.pointee.u32(flags)
    writer.pointee.end()
  }

  /// Takes the node's first error: everything up to now has been replayed there, and it has none any more.
  func keep(_ error: UInt32) {
    guard pointee.errors.error == 0 || pointee.errors.isOnNode else { return }
    pointee.errors.isOnNode = false
    guard error != 0 else { return }
    pointee.errors.error = error
    expectErrors()
  }

  private var framesShown: UInt64 {
    platform_load64_relaxed(pointee.connection.segment.counter(Counter.framesPresented))
  }

  /// The program does what it does not do in every frame, or has made an error: in the next frames it may make others
  /// on purpose, and look at them.
  func expectErrors() { pointee.errors.unsteadyFrame = framesShown }

  /// Whether glGetError waits for the node.
  private var asksForErrors: Bool {
    switch currentErrorMode() {
    case .strict: true
    case .fast, .none: false
    case .auto: framesShown &- pointee.errors.unsteadyFrame < 60 && mayWaitForErrors()
    }
  }

  /// Whether the waiting has been less than half a second, and a twentieth of the time that went by.
  private func mayWaitForErrors() -> Bool {
    let now = platform_now()
    let forgiven = (now &- pointee.errors.forgivenAt) / 20
    pointee.errors.forgivenAt = now
    pointee.errors.time = pointee.errors.time > forgiven ? pointee.errors.time &- forgiven : 0
    return pointee.errors.time < 500_000_000
  }

  /// Asks the node once a frame, without waiting, and takes what it has answered: a program that makes errors, and sees
  /// the first of them late, is waited for from then on.
  private func look() {
    if let question = pointee.errors.question {
      if pointee.connection.isAnswered(question) { settleQuestion() }
      return
    }
    let frame = framesShown
    guard frame != pointee.errors.questionFrame, !pointee.shadow.pointee.isInBegin else { return }
    guard platform_add64(&questions, 1) < mostQuestions,
      let question = beginCall(ControlOpcode.glReport)
    else {
      _ = platform_add64(&questions, UInt64.max)
      return
    }
    question.writeReport()
    pointee.errors.questionFrame = frame
    pointee.errors.question = question
    _ = pointee.connection.sendCall(question)
  }

  /// Waits for the answer to a question that is on its way: whoever asks next is told of later errors alone.
  func settleQuestion() {
    guard let question = pointee.errors.question else { return }
    pointee.errors.question = nil
    _ = platform_add64(&questions, UInt64.max)
    guard var reply = pointee.connection.awaitReply(question) else { return }
    let error = reply.u32("glReport.error")
    pointee.connection.finishCall(question)
    keep(error)
  }

  /// The first error since the last question.
  fileprivate func takeError() -> UInt32 {
    if !pointee.errors.isOnNode, !asksForErrors {
      look()
    } else {
      let start = platform_now()
      waitUntilReplayed()
      pointee.errors.time &+= platform_now() &- start
    }
    defer { pointee.errors.error = 0 }
    return pointee.errors.error
  }
}

func hook_glGetError(_ c: Context) -> UInt32 {
  currentErrorMode() == .none ? 0 : c.takeError()
}
