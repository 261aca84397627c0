// The generator replaces this folder. Until then no command is known.
import Wire

public struct DriverDispatch {
  public init() {}
}

extension HandleKind {
  static var commandBuffer: HandleKind { HandleKind(rawValue: 1) }
  static var queue: HandleKind { HandleKind(rawValue: 2) }
  static var deviceMemory: HandleKind { HandleKind(rawValue: 3) }
  static var semaphore: HandleKind { HandleKind(rawValue: 4) }
}

enum Opcode {
  static var first: UInt32 { 0x1000 }
}

func commandName(_ opcode: UInt32) -> StaticString? { nil }
func isRecorded(_ opcode: UInt32) -> Bool { false }
func replayHandler(
  _ opcode: UInt32
) -> ((UnsafeMutablePointer<ReplayContext>, inout Reader) -> Void)? { nil }
