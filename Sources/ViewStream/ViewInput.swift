/// One thing that a viewer's user did.
///
/// ```
///  0  u8 kind      u8 state: 1 pressed, 0 released
///  2  u16 code     of a key, a button or an axis
///  4  i32 x        i32 y
/// 12  u32 reserved
/// ```
///
/// Places are pixels of the picture from its upper left corner.
public enum ViewEvent: Equatable, Sendable {
  /// A key of a keyboard by its place, as Linux numbers them (`KEY_A` is 30): what it means is the business of
  /// the application's own keyboard layout.
  case key(code: UInt16, isPressed: Bool)
  /// The pointer is at a place of the picture.
  case motion(x: Int32, y: Int32)
  /// A button of the pointer, as X11 numbers them: 1 left, 2 middle, 3 right, 8 back, 9 forward.
  case button(number: UInt16, isPressed: Bool, x: Int32, y: Int32)
  /// Notches of a wheel: to the right, and down.
  case wheel(x: Int32, y: Int32)
  /// The pointer was moved by so many pixels, where the viewer holds it.
  case relative(x: Int32, y: Int32)
  /// A button of a gamepad in the order of the W3C's standard layout.
  case padButton(pad: UInt8, number: UInt16, isPressed: Bool)
  /// An axis of a gamepad: 0 and 1 the left stick, 2 and 3 the right one, 4 and 5 the triggers; -32767 to 32767.
  case padAxis(pad: UInt8, number: UInt16, value: Int32)

  public static let byteCount = 16

  /// Keys that an X server can name: its codes are 8 more, and of 8 bits.
  public static let keyCodes: ClosedRange<UInt16> = 1...247
  /// Pixels from an edge of a picture that a place may be.
  static let places: ClosedRange<Int32> = 0...16383
  static let steps: ClosedRange<Int32> = -16...16
  static let moves: ClosedRange<Int32> = -4096...4096
  static let mostPads: UInt8 = 4
  static let padButtons: Range<UInt16> = 0..<17
  static let padAxes: Range<UInt16> = 0..<6
  static let axisValues: ClosedRange<Int32> = -32767...32767

  init(_ reader: inout FieldReader) throws(ViewError) {
    let (kind, state) = (reader.integer(UInt8.self), reader.integer(UInt8.self))
    let code = reader.integer(UInt16.self)
    let (x, y) = (reader.integer(Int32.self), reader.integer(Int32.self))
    _ = reader.integer(UInt32.self)
    guard reader.isSound else { throw ViewError("an event is cut off") }
    guard state <= 1 else { throw ViewError("an event's state (\(state)) is neither 0 nor 1") }
    let isPressed = state == 1
    func check(_ isAllowed: Bool, _ what: String) throws(ViewError) {
      guard isAllowed else { throw ViewError("\(what) of an event is out of range") }
    }
    let isPlace = ViewEvent.places.contains(x) && ViewEvent.places.contains(y)
    let pad = UInt8(truncatingIfNeeded: y)
    switch kind {
    case 1:
      try check(ViewEvent.keyCodes.contains(code), "the key (\(code))")
      self = .key(code: code, isPressed: isPressed)
    case 2:
      try check(isPlace, "the place (\(x), \(y))")
      self = .motion(x: x, y: y)
    case 3:
      try check(isPlace, "the place (\(x), \(y))")
      try check((1...3).contains(code) || code == 8 || code == 9, "the button (\(code))")
      self = .button(number: code, isPressed: isPressed, x: x, y: y)
    case 4:
      try check(ViewEvent.steps.contains(x) && ViewEvent.steps.contains(y), "the wheel")
      self = .wheel(x: x, y: y)
    case 5:
      try check(ViewEvent.moves.contains(x) && ViewEvent.moves.contains(y), "the movement")
      self = .relative(x: x, y: y)
    case 6:
      try check(y >= 0 && y < ViewEvent.mostPads, "the gamepad (\(y))")
      try check(ViewEvent.padButtons.contains(code), "the gamepad's button (\(code))")
      self = .padButton(pad: pad, number: code, isPressed: isPressed)
    case 7:
      try check(y >= 0 && y < ViewEvent.mostPads, "the gamepad (\(y))")
      try check(ViewEvent.padAxes.contains(code), "the gamepad's axis (\(code))")
      try check(ViewEvent.axisValues.contains(x), "the axis's value (\(x))")
      self = .padAxis(pad: pad, number: code, value: x)
    default: throw ViewError("an event is of no known kind (\(kind))")
    }
  }

  func write(to bytes: inout [UInt8]) {
    func add(_ kind: UInt8, _ isPressed: Bool, _ code: UInt16, _ x: Int32, _ y: Int32) {
      bytes.add(kind, UInt8(isPressed ? 1 : 0), code, x, y, UInt32(0))
    }
    switch self {
    case .key(let code, let isPressed): add(1, isPressed, code, 0, 0)
    case .motion(let x, let y): add(2, false, 0, x, y)
    case .button(let number, let isPressed, let x, let y): add(3, isPressed, number, x, y)
    case .wheel(let x, let y): add(4, false, 0, x, y)
    case .relative(let x, let y): add(5, false, 0, x, y)
    case .padButton(let pad, let number, let isPressed):
      add(6, isPressed, number, 0, Int32(pad))
    case .padAxis(let pad, let number, let value): add(7, false, number, value, Int32(pad))
    }
  }
}

/// What a viewer's user did with a window of an application, on its way to the application's machine
/// (`viewerInput`).
///
/// ```
///  0  u64 swapchain        8  u32 viewer     12  u32 count
/// 16  count events
/// ```
///
/// Without events: the viewer has gone, or looks elsewhere. What it held is let go.
public struct ViewInput: Equatable, Sendable {
  public static let mostEvents = 64

  public var swapchain: UInt64
  public var viewer: UInt32
  public var events: [ViewEvent]

  public init(swapchain: UInt64, viewer: UInt32, events: [ViewEvent]) {
    self.swapchain = swapchain
    self.viewer = viewer
    self.events = events
  }

  /// Reads what a node has sent, which is not trusted more than the viewer.
  public init(_ bytes: UnsafeRawBufferPointer) throws(ViewError) {
    var reader = FieldReader(bytes)
    swapchain = reader.integer()
    viewer = reader.integer()
    let count = Int(reader.integer(UInt32.self))
    events = try ViewInput.events(&reader, count)
  }

  static func events(_ reader: inout FieldReader, _ count: Int) throws(ViewError) -> [ViewEvent] {
    guard reader.isSound, count <= mostEvents, reader.remaining == count * ViewEvent.byteCount
    else {
      throw ViewError("input of \(count) events does not fit its message")
    }
    var events: [ViewEvent] = []
    for _ in 0..<count { events.append(try ViewEvent(&reader)) }
    return events
  }

  public var bytes: [UInt8] {
    var out: [UInt8] = []
    out.add(swapchain, viewer, UInt32(events.count))
    for event in events { event.write(to: &out) }
    return out
  }
}

/// Why bytes from a viewer, or from whoever passes them on, are not taken.
public struct ViewError: Error, Equatable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}
