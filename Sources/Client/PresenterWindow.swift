import CPlatform
import CX11

/// What happened to a present, or is known of a swapchain: the worse, the greater.
public enum PresentStatus: UInt32, Sendable {
  case optimal = 0
  /// The window has another size by now; frames are still shown, cut at its edges.
  case suboptimal = 1
  /// The swapchain was replaced.
  case outOfDate = 2
  /// The window is gone.
  case surfaceLost = 3
}

/// A window that the application wants to present on, by the handles that it gave. A plain value;
/// the window stays the application's.
public struct TargetWindow: @unchecked Sendable {
  public enum System: UInt8, Sendable { case x11, wayland, headless }

  public let system: System
  /// xcb_connection_t or wl_display.
  public let connection: OpaquePointer?
  /// xcb_window_t.
  public let drawable: UInt32
  /// wl_surface.
  public let surface: OpaquePointer?

  public static func x11(_ connection: OpaquePointer?, _ window: UInt32) -> TargetWindow {
    TargetWindow(system: .x11, connection: connection, drawable: window, surface: nil)
  }
  public static func wayland(_ display: OpaquePointer?, _ surface: OpaquePointer?) -> TargetWindow {
    TargetWindow(system: .wayland, connection: display, drawable: 0, surface: surface)
  }
  public static var headless: TargetWindow {
    TargetWindow(system: .headless, connection: nil, drawable: 0, surface: nil)
  }

  /// Asks the window system; nil when the window is gone. A round trip to the display server; on
  /// Wayland only when it shall also be told which `pixels` it takes.
  public func facts(pixels: Bool = true) -> WindowFacts? {
    switch system {
    case .x11: connection.flatMap { X11Window.facts($0, drawable) }
    case .wayland: connection.flatMap { WaylandWindow.facts($0, pixels: pixels) }
    case .headless: .headless
    }
  }

  /// Whether frames can be shown in windows of an X11 visual.
  public static func canPresent(x11 connection: OpaquePointer, visual: UInt32) -> Bool {
    X11Window.canPresent(connection, visual)
  }

  /// Nanoseconds between two refreshes; 0 when unknown.
  func refreshPeriod() -> UInt64 {
    guard system == .x11, let connection else { return 0 }
    return X11Window.refreshPeriod(connection, drawable)
  }
}

/// What a window is like now.
public struct WindowFacts: Sendable {
  /// Pixels; `undefined` where the swapchain decides.
  public var width: Int
  public var height: Int
  /// Whether what is below shows through transparent pixels.
  public var hasAlpha = false
  private var layouts: UInt32 = 0

  public static var undefined: Int { -1 }

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  static var headless: WindowFacts {
    var facts = WindowFacts(width: undefined, height: undefined)
    facts.add(.bgra8)
    facts.add(.rgba8)
    return facts
  }

  mutating func add(_ layout: PixelLayout) { layouts |= 1 &<< UInt32(layout.rawValue) }

  /// Whether frames of this layout can be shown.
  public func takes(_ layout: PixelLayout) -> Bool {
    layouts & (1 &<< UInt32(layout.rawValue)) != 0
  }
}
