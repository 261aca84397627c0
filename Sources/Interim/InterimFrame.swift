/// A real picture, and what else is known of it.
public struct InterimFrame: Sendable {
  /// When it is to be shown, in seconds of any clock that all frames share.
  public var time: Double
  /// Its samples, with borders extended; without what is drawn over the world when there is an overlay.
  public var picture: Picture
  /// What is drawn over the world; nil when it is in the picture, or when there is nothing of it.
  public var overlay: Overlay?
  /// What its command stream says; nil when nobody saw it.
  public var side: InterimSideData?

  public init(
    time: Double, picture: Picture, overlay: Overlay? = nil, side: InterimSideData? = nil
  ) {
    self.time = time
    self.picture = picture
    self.overlay = overlay
    self.side = side
  }
}

/// An instant that has no picture.
public struct InterimInstant: Sendable {
  /// When the interim picture is to be shown, on the frames' clock.
  public var time: Double
  /// What its command stream says: of a frame that the application has submitted and whose pixels do not
  /// come in time, or of draws replayed with matrices between those of two frames. nil when there is none.
  public var side: InterimSideData?
  /// Whether that is what the application drew, not draws replayed with matrices between two frames.
  public var isExact: Bool
  /// What is drawn over the world at that instant; nil for that of the frame before.
  public var overlay: Overlay?

  public init(
    time: Double, side: InterimSideData? = nil, isExact: Bool = true, overlay: Overlay? = nil
  ) {
    self.time = time
    self.side = side
    self.isExact = isExact
    self.overlay = overlay
  }
}

/// How an interim picture comes about, the least first.
public enum InterimTier: Int, Sendable, CaseIterable, Comparable {
  /// The picture before, again.
  case hold
  /// Motion between two pictures, from these alone.
  case compensated
  /// E1: the picture before, its objects moved on as they moved until then.
  case extrapolated
  /// E2: the pictures before, on the geometry of the instant itself.
  case extrapolatedToGeometry
  /// I1: two pictures, their objects half-way between.
  case interpolated
  /// I2: two pictures, on the geometry of the instant itself.
  case interpolatedToGeometry

  public static func < (a: InterimTier, b: InterimTier) -> Bool { a.rawValue < b.rawValue }

  /// Whether the real picture after must be there already, which delays all of them.
  public var needsNext: Bool {
    self == .compensated || self == .interpolated || self == .interpolatedToGeometry
  }
}

/// What was shown in place of a picture that nobody rendered, and how sure that is.
public struct InterimReport: Sendable, Equatable {
  public var tier: InterimTier
  /// From 0, no better than the picture before, to 1.
  public var confidence: Double
  /// The share of the picture that is as the tier made it; the rest is of a lower one.
  public var share: Double

  public init(tier: InterimTier, confidence: Double, share: Double) {
    self.tier = tier
    self.confidence = confidence
    self.share = share
  }
}
