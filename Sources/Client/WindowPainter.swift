/// Puts frames into an X11 window when it is told to, without a connection, a queue or a thread: for a program that
/// has its own. One thread at a time.
public struct WindowPainter {
  private let presenter: X11Presenter

  /// Nil when the window is gone. The frame buffers stay the caller's. In a window of another size frames lie in its
  /// upper left corner.
  public init?(window: TargetWindow, frames: FrameBuffers) {
    guard window.system == .x11,
      let presenter = X11Presenter(window, frames, FramePlacement(x: .start, y: .start))
    else { return nil }
    self.presenter = presenter
  }

  /// Shows a frame, and returns once the server has read it.
  public func show(_ image: Int) -> PresentStatus { presenter.show(image) }

  public func finish() { presenter.finish() }
}
