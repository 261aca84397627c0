import Testing

@testable import Agent

@Suite("Gamepads of viewers")
struct VirtualPadTests {
  /// linux/input-event-codes.h, as xpad and the W3C's standard layout have them.
  @Test(
    "buttons are those that games know",
    arguments: [
      (0, 1, 0x130, 1), (1, 1, 0x131, 1), (2, 1, 0x133, 1), (3, 1, 0x134, 1), (4, 1, 0x136, 1),
      (5, 1, 0x137, 1), (8, 1, 0x13a, 1), (9, 1, 0x13b, 1), (10, 1, 0x13d, 1), (11, 1, 0x13e, 1),
      (12, 3, 0x11, -1), (13, 3, 0x11, 1), (14, 3, 0x10, -1), (15, 3, 0x10, 1), (16, 1, 0x13c, 1),
    ] as [(UInt16, UInt16, UInt16, Int32)])
  func buttons(button: UInt16, type: UInt16, code: UInt16, value: Int32) {
    #expect(
      VirtualPad.change(button: button, isPressed: true)
        == VirtualPad.Change(type: type, code: code, value: value))
    #expect(VirtualPad.change(button: button, isPressed: false)?.value == 0)
  }

  @Test("triggers are axes, which do not go below nothing")
  func axes() {
    #expect(VirtualPad.change(button: 6, isPressed: true) == nil)
    #expect(VirtualPad.change(button: 7, isPressed: true) == nil)
    let codes = (0..<6).map { VirtualPad.change(axis: UInt16($0), value: -5) }
    #expect(codes.map { $0?.code } == [0, 1, 3, 4, 2, 5])
    #expect(codes.map { $0?.value } == [-5, -5, -5, -5, 0, 0])
    #expect(VirtualPad.change(axis: 6, value: 1) == nil)
  }
}
