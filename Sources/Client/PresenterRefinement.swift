import CPlatform
import Ring

/// A picture that came as video becomes exact while nothing else is presented: the node sends what it lacks, the agent
/// puts it into the frame's buffer and says so, and the frame is shown anew.
extension Presenter {
  /// How long is waited for better pictures, and how often is looked, nanoseconds.
  private static var patience: UInt64 { 5_000_000_000 }
  private static var step: UInt64 { 30_000_000 }

  /// A frame was shown. Those that come from elsewhere may become better, but not one that `isKept`: its image may be
  /// another frame's by then.
  func expectRefinement(_ present: Present, _ stamps: FrameStamps, isKept: Bool) {
    guard !isKept, stamps[FrameMoment.lastBand] != 0 else {
      state.pointee.refined = nil
      return
    }
    state.pointee.refined = (
      present, 0, stamps[FrameMoment.shown] &+ Presenter.patience
    )
  }

  /// Shows the last frame anew when its picture has become better. How long to sleep until it is looked again. Presenter
  /// thread, when nothing is queued.
  func showRefinement() -> UInt64 {
    guard let (present, count, until) = state.pointee.refined, !isRetired,
      status.rawValue < PresentStatus.outOfDate.rawValue, case let now = platform_now(),
      now < until,
      let found = state.pointee.connection.segment.refinements(
        slot: present.slot, value: present.value)
    else {
      state.pointee.refined = nil
      return UInt64.max
    }
    guard found != count else { return Presenter.step }
    switch takeBack(present.image) {
    case .application: break
    case .free:
      _ = show(buffer: Int(present.image))
      if state.pointee.backend.releasesAtOnce || status == .surfaceLost { release(present.image) }
    case .compositor: _ = show(buffer: Int(present.image))
    }
    state.pointee.refined = (present, found, now &+ Presenter.patience)
    return Presenter.step
  }

  private enum Holder { case application, free, compositor }

  /// Takes an image out of those that may be acquired; who has it otherwise.
  private func takeBack(_ image: UInt32) -> Holder {
    state.pointee.lock.lock()
    defer { state.pointee.lock.unlock() }
    guard image < 64, state.pointee.acquired & (1 &<< UInt64(image)) == 0,
      state.pointee.queueCount == 0
    else { return .application }
    let count = frames.imageCount
    var index = 0
    while index < state.pointee.freeCount {
      guard state.pointee.free[(state.pointee.freeHead &+ index) % count] == image else {
        index &+= 1
        continue
      }
      while index &+ 1 < state.pointee.freeCount {
        state.pointee.free[(state.pointee.freeHead &+ index) % count] =
          state.pointee.free[(state.pointee.freeHead &+ index &+ 1) % count]
        index &+= 1
      }
      state.pointee.freeCount &-= 1
      return .free
    }
    return .compositor
  }
}
