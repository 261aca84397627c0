internal import CPlatform
internal import Glibc
internal import Threads
internal import XDisplay

/// Notes when there is input at the display that programs are shown on, so that frames can say which they answer. Only for
/// somebody who wants to know; which keys or buttons it was is not looked at.
final class InputWatch: @unchecked Sendable {
  private let note: @Sendable (UInt64) -> Void

  /// `note` is called with `platform_now`'s time of input, from a thread of its own.
  init(_ note: @escaping @Sendable (UInt64) -> Void) { self.note = note }

  /// Begins, until the process ends or the display goes. Without an X server, or one that does not tell, nothing happens.
  func start() {
    guard getenv("DISPLAY") != nil else { return }
    let started = startThread("omega-input") { [note] in
      guard let display = XDisplay(), display.selectInput() else {
        return Log.debug("the display does not tell of input; frames do not say when it was")
      }
      while !display.isBroken {
        if display.takeInput() { note(platform_now()) }
        _ = platform_poll(display.descriptor, Int32(POLLIN), -1)
      }
    }
    if !started { Log.debug("no thread to see input") }
  }
}
