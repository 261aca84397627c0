// Stands for what the generator writes, until it does.

import GLWire

/// The driver's functions, by name.
struct GLDispatch {
  mutating func load(_ get: (UnsafePointer<CChar>) -> UnsafeMutableRawPointer?) {}
}

/// Replays one command; false when the opcode is unknown.
func replayGL(
  _ opcode: UInt32, _ c: UnsafeMutablePointer<GLReplayContext>, _ r: inout GLRecord
) -> Bool {
  false
}

/// The registry's name of a command; nil for what is none.
func glCommandName(_ opcode: UInt32) -> StaticString? { nil }
