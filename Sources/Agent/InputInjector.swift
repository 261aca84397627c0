internal import CPlatform
internal import Synchronization
internal import Threads
internal import ViewStream

/// Lets the viewers of a node operate the windows of an application, and nothing else on its display: a key is
/// pressed when the keyboard belongs to the application's window, and a button when the pointer is over it. Between
/// the look and the event the X server listens to nobody else.
///
/// A thread of its own, from the first event on; any thread may hand events over.
final class InputInjector: @unchecked Sendable {
  private let queue = Guarded<[(input: ViewInput, window: UInt32)]>([])
  private let word = Word()
  private let running: RunningCount
  private let answer: @Sendable (ViewAnswer) -> Void
  private let isEnding = Atomic<Bool>(false)
  private let hasStarted = Atomic<Bool>(false)

  /// What a viewer holds down.
  private struct Held {
    var keys: Set<UInt8> = []
    var buttons: Set<UInt8> = []
    /// By the numbers that the viewer has for them.
    var pads: [UInt8: VirtualPad] = [:]
  }

  // Of the thread.
  private var held: [UInt32: Held] = [:]
  private var server: XTest?
  private var refusal: InputRefusal?

  /// Messages that may wait; a display that takes none has stopped.
  private static let most = 1024

  /// `answer` is told why input has no effect.
  init(running: RunningCount, answer: @escaping @Sendable (ViewAnswer) -> Void) {
    self.running = running
    self.answer = answer
  }

  /// Takes what a viewer has done with a window, by its X11 id; 0: it has none. False when there is no thread.
  func add(_ input: ViewInput, window: UInt32) -> Bool {
    queue.withLock { if $0.count < InputInjector.most { $0.append((input, window)) } }
    word.bump()
    guard !hasStarted.exchange(true, ordering: .acquiringAndReleasing) else { return true }
    running.enter()
    let isStarted = startThread("omega-input") { [self] in
      run()
      running.leave()
    }
    if !isStarted { running.leave() }
    return isStarted
  }

  /// The application has ended, or its node is gone: what viewers hold is let go.
  func end() {
    isEnding.store(true, ordering: .releasing)
    word.bump()
  }

  private func run() {
    while !isEnding.load(ordering: .acquiring) {
      let seen = word.load()
      let due = queue.withLock { queue in
        defer { queue = [] }
        return queue
      }
      for (input, window) in due { take(input, window) }
      if due.isEmpty { word.wait(while: seen, nanoseconds: 1_000_000_000) }
    }
    if let server, !held.isEmpty {
      _ = server.exclusively { for viewer in held.keys { release(viewer, server) } }
    }
    server = nil
  }

  private func take(_ input: ViewInput, _ window: UInt32) {
    do throws(InputRefusal) {
      for event in input.events { try play(event, input.viewer) }
      if input.events.isEmpty { held[input.viewer]?.pads = [:] }
      var rest = input
      rest.events.removeAll { $0.isOfPad }
      // A viewer of which only its gamepad is known leaves nothing behind.
      guard !rest.events.isEmpty || input.events.isEmpty, let server = try opened(rest, window)
      else { return }
      var failure: InputRefusal?
      let isThere = server.exclusively {
        do throws(InputRefusal) { try inject(rest, window, server) } catch { failure = error }
      }
      if !isThere {
        self.server = nil
        for viewer in held.keys { held[viewer]?.keys = [] }
        for viewer in held.keys { held[viewer]?.buttons = [] }
        throw "the X server of the application's machine is gone"
      }
      if let failure { throw failure }
    } catch {
      answer(ViewAnswer(viewer: input.viewer, text: error.text))
    }
  }

  /// Plays what a viewer does with a gamepad; nothing for any other event.
  private func play(_ event: ViewEvent, _ viewer: UInt32) throws(InputRefusal) {
    let (number, change): (UInt8, VirtualPad.Change?)
    switch event {
    case .padButton(let pad, let button, let isPressed):
      (number, change) = (pad, VirtualPad.change(button: button, isPressed: isPressed))
    case .padAxis(let pad, let axis, let value):
      (number, change) = (pad, VirtualPad.change(axis: axis, value: value))
    default: return
    }
    guard let change else { return }
    if let known = held[viewer]?.pads[number] { return known.emit(change) }
    let made = try VirtualPad(name: "Omega gamepad \(number + 1) of viewer \(viewer)")
    held[viewer, default: Held()].pads[number] = made
    made.emit(change)
  }

  /// The server; nil when a viewer that has done nothing has left.
  private func opened(_ input: ViewInput, _ window: UInt32) throws(InputRefusal) -> XTest? {
    if let server { return server }
    guard !input.events.isEmpty else { return nil }
    guard window != 0 else { throw InputInjector.elsewhere }
    if let refusal { throw refusal }
    switch XTest.open() {
    case .success(let made):
      server = made
      return made
    case .failure(let why):
      refusal = why
      throw why
    }
  }

  // MARK: With the server to itself

  private func inject(
    _ input: ViewInput, _ window: UInt32, _ server: XTest
  ) throws(InputRefusal) {
    guard !input.events.isEmpty else { return release(input.viewer, server) }
    guard window != 0 else { throw InputInjector.elsewhere }
    guard let (root, width, height) = server.geometry(window) else {
      throw "the application's window is gone"
    }
    let target = Target(window: window, root: root, width: width, height: height)
    for event in input.events { try inject(event, input.viewer, target, server) }
  }

  private struct Target {
    let window: UInt32
    let root: UInt32
    let width: Int
    let height: Int
  }

  private func inject(
    _ event: ViewEvent, _ viewer: UInt32, _ target: Target, _ server: XTest
  ) throws(InputRefusal) {
    switch event {
    case .key(let code, let isPressed):
      let keycode = UInt8(clamping: Int(code) + 8)
      guard server.keycodes.contains(keycode) else { return }
      guard isPressed else {
        guard held[viewer]?.keys.remove(keycode) != nil else { return }
        return server.fake(.keyRelease, keycode)
      }
      try takeFocus(target, server)
      held[viewer, default: Held()].keys.insert(keycode)
      server.fake(.keyPress, keycode)
    case .motion(let x, let y):
      try move(Int(x), Int(y), target, server)
    case .button(let number, let isPressed, let x, let y):
      let button = UInt8(number)
      guard isPressed else {
        guard held[viewer]?.buttons.remove(button) != nil else { return }
        // Where it was let go matters, but not as much as that it was.
        try? move(Int(x), Int(y), target, server)
        return server.fake(.buttonRelease, button)
      }
      try move(Int(x), Int(y), target, server)
      held[viewer, default: Held()].buttons.insert(button)
      server.fake(.buttonPress, button)
    case .wheel(let x, let y):
      guard let place = server.pointer(target.root), isOver(place.x, place.y, target, server) else {
        throw InputInjector.covered
      }
      for (count, up, down) in [(Int(y), UInt8(4), UInt8(5)), (Int(x), UInt8(6), UInt8(7))] {
        for _ in 0..<abs(count) {
          server.fake(.buttonPress, count < 0 ? up : down)
          server.fake(.buttonRelease, count < 0 ? up : down)
        }
      }
    case .relative(let x, let y):
      guard let place = server.pointer(target.root),
        isOver(place.x + Int(x), place.y + Int(y), target, server)
      else { return }
      server.fake(.motion, 1, x: Int(x), y: Int(y))
    case .padButton, .padAxis: return
    }
  }

  private static let elsewhere: InputRefusal =
    "the application's window is not one of an X server, and takes no input from viewers there"
  private static let covered: InputRefusal =
    "another window covers the application's there, on its own machine"

  /// Brings the pointer to a place of the window that nothing else covers.
  private func move(
    _ x: Int, _ y: Int, _ target: Target, _ server: XTest
  ) throws(InputRefusal) {
    let (x, y) = (min(max(x, 0), target.width - 1), min(max(y, 0), target.height - 1))
    guard let place = server.translate(x, y, from: target.window, to: target.root) else {
      throw "the application's window is gone"
    }
    guard isOver(place.x, place.y, target, server) else { throw InputInjector.covered }
    server.fake(.motion, 0, root: target.root, x: place.x, y: place.y)
  }

  /// Whether the window, or one within it, is what is seen at a place of the root.
  private func isOver(_ x: Int, _ y: Int, _ target: Target, _ server: XTest) -> Bool {
    var parent = target.root
    // Windows are not nested deeper by anybody.
    for _ in 0..<32 {
      guard let found = server.translate(x, y, from: target.root, to: parent), found.child != 0
      else { return false }
      if found.child == target.window { return true }
      parent = found.child
    }
    return false
  }

  /// Sees to it that keys go to the window, to one within it, or to one that it is in.
  private func takeFocus(_ target: Target, _ server: XTest) throws(InputRefusal) {
    let ancestors = ancestors(of: target.window, target.root, server)
    guard let focus = server.focus else { throw "the X server does not say where keys go" }
    if focus > 1, focus != target.root {
      if focus == target.window || ancestors.contains(focus) { return }
      if self.ancestors(of: focus, target.root, server).contains(target.window) { return }
    }
    // The one that a window manager knows, else the outermost.
    let all = [target.window] + ancestors
    let wanted = all.last { server.isManaged($0) } ?? all.last ?? target.window
    server.setFocus(wanted)
    guard server.focus == wanted else {
      throw "the application's window cannot be given the keyboard"
    }
  }

  /// The windows that a window is in, the innermost first, without the root.
  private func ancestors(of window: UInt32, _ root: UInt32, _ server: XTest) -> [UInt32] {
    var found: [UInt32] = []
    var next = window
    while found.count < 32, let parent = server.parent(next), parent != 0, parent != root {
      found.append(parent)
      next = parent
    }
    return found
  }

  private func release(_ viewer: UInt32, _ server: XTest) {
    guard let all = held.removeValue(forKey: viewer) else { return }
    for key in all.keys { server.fake(.keyRelease, key) }
    for button in all.buttons { server.fake(.buttonRelease, button) }
  }
}

extension ViewEvent {
  fileprivate var isOfPad: Bool {
    switch self {
    case .padButton, .padAxis: true
    default: false
    }
  }
}
