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
    search.run(from: first.luma, to: second.luma, phase: phase, effort: effort, lanes: lanes)
    for k in 0..<3 {
      let shift = k == 0 ? 0 : first.sampling.shift
      Compensation(
        first: first.planes[k], second: second.planes[k], field: search.field, phase: phase,
        effort: effort, shift: shift
      ).run(into: target.planes[k], lanes: lanes)
    }
  }
}
