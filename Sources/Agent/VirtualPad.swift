internal import CInput
internal import Glibc

/// A gamepad of a viewer as one of this machine's (uinput): there as long as this is. Every program of the machine
/// sees it, as it sees one that is plugged in.
final class VirtualPad {
  private let descriptor: Int32

  /// Fails where there are no virtual input devices, or this user may make none.
  init(name: String) throws(InputRefusal) {
    descriptor = input_pad_open(name)
    guard descriptor >= 0 else {
      let why = String(cString: strerror(-descriptor))
      throw
        "gamepads need a virtual input device on the application's machine, and /dev/uinput there is not to be had: \(why)"
    }
  }

  deinit { input_pad_close(descriptor) }

  /// What a change is to Linux (linux/input-event-codes.h).
  struct Change: Equatable {
    var type: UInt16
    var code: UInt16
    var value: Int32
  }

  func emit(_ change: Change) {
    _ = input_pad_emit(descriptor, change.type, change.code, change.value)
  }

  /// A button of the W3C's standard layout; nil for the triggers, which are axes.
  static func change(button: UInt16, isPressed: Bool) -> Change? {
    let value: Int32 = isPressed ? 1 : 0
    switch button {
    case 0, 1: return Change(type: UInt16(EV_KEY), code: UInt16(BTN_A) + button, value: value)
    case 2, 3: return Change(type: UInt16(EV_KEY), code: UInt16(BTN_X) + button - 2, value: value)
    case 4, 5: return Change(type: UInt16(EV_KEY), code: UInt16(BTN_TL) + button - 4, value: value)
    case 8, 9:
      return Change(type: UInt16(EV_KEY), code: UInt16(BTN_SELECT) + button - 8, value: value)
    case 10, 11:
      return Change(type: UInt16(EV_KEY), code: UInt16(BTN_THUMBL) + button - 10, value: value)
    case 12: return Change(type: UInt16(EV_ABS), code: UInt16(ABS_HAT0Y), value: -value)
    case 13: return Change(type: UInt16(EV_ABS), code: UInt16(ABS_HAT0Y), value: value)
    case 14: return Change(type: UInt16(EV_ABS), code: UInt16(ABS_HAT0X), value: -value)
    case 15: return Change(type: UInt16(EV_ABS), code: UInt16(ABS_HAT0X), value: value)
    case 16: return Change(type: UInt16(EV_KEY), code: UInt16(BTN_MODE), value: value)
    default: return nil
    }
  }

  /// An axis: the sticks, then the triggers.
  static func change(axis: UInt16, value: Int32) -> Change? {
    let codes = [ABS_X, ABS_Y, ABS_RX, ABS_RY, ABS_Z, ABS_RZ]
    guard Int(axis) < codes.count else { return nil }
    return Change(
      type: UInt16(EV_ABS), code: UInt16(codes[Int(axis)]), value: axis < 4 ? value : max(value, 0))
  }
}
