/// The types of hooks: what `Namer` says, and the window systems' types beside it.
struct SwiftTypes {
  let namer: Namer

  init(scope: Scope) { namer = Namer(scope: scope) }

  func parameter(_ member: Member) -> String {
    switch member.type.base {
    case "Display", "wl_display", "wl_surface", "xcb_connection_t": return "OpaquePointer?"
    case "xcb_visualid_t": return "UInt32"
    case "VisualID", "Window": return "UInt"
    default: return namer.parameter(member.type)
    }
  }

  func result(_ command: Command) -> String {
    command.returns == "void" ? "Void" : namer.value(command.returns)
  }
}
