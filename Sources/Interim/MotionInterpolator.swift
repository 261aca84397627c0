/// How much work compensation does.
public enum Effort: Sendable, CaseIterable {
  /// What lies between samples is interpolated linearly.
  case fast
  /// Luma is interpolated with a cubic filter, which keeps more of its detail.
  case full
}

/// Makes pictures between two others from these alone: motion is searched in both at once, and what
/// it carries from either side is blended.
///
/// One interpolator serves one size; its memory is made once and used again. It must not be used by
/// two threads at a time, while the lanes that it is given may have as many as they like.
public final class MotionInterpolator: @unchecked Sendable {
  private let width: Int
  private let height: Int
  private let search: MotionSearch

  /// - Parameters: width and height of luma in samples, from 1 to 16384.
  public init(width: Int, height: Int) {
    precondition((1...16384).contains(width) && (1...16384).contains(height))
    self.width = width
    self.height = height
    search = MotionSearch(width: width, height: height)
  }

  /// Motion from the last search.
  var field: MotionField { search.field }

  /// Writes the picture that lies between two.
  ///
  /// - Parameters:
  ///   - first, second: the pictures before and after, with their borders extended, of the
  ///     interpolator's size.
  ///   - phase: where between them, at most at the second.
  ///   - target: of the same size and sampling as both. Its borders are left as they are.
  public func interpolate(
    from first: Picture, to second: Picture, phase: Phase, effort: Effort, into target: Picture,
    lanes: Lanes = .serial
  ) {
    precondition(first.matches(second) && first.matches(target))
    precondition(first.width == width && first.height == height && phase.fraction <= 256)
    search.run(from: first.luma, to: second.luma, phase: phase, lanes: lanes)
    let overlap = Overlap(field: search.field, phase: phase)
    for k in 0..<3 {
      let (a, b, out) = (first.planes[k], second.planes[k], target.planes[k])
      if k > 0 && first.sampling == .half {
        overlap.runHalf(a, b, into: out, lanes: lanes)
      } else {
        overlap.run(a, b, isCubic: effort == .full && k == 0, into: out, lanes: lanes)
      }
    }
  }
}
