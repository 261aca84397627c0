/// Something that was drawn and moves as one.
public struct SceneObject: Sendable, Equatable {
  /// What makes it the same object in another picture: the draw's pipeline, buffers, ranges and
  /// descriptors, hashed by whoever saw them.
  public var identity: UInt64
  /// From the object's own coordinates to clip space; nil when nobody knows.
  public var transform: Matrix4?

  public init(identity: UInt64, transform: Matrix4?) {
    self.identity = identity
    self.transform = transform
  }
}

/// What the command stream says of a picture beyond its samples: how deep each of them lies, which object
/// it shows, and how the objects were projected.
///
/// A node fills it from the depth attachment and an attachment of draw numbers, or by replaying the draws of
/// an instant without their pixels.
public final class InterimSideData: @unchecked Sendable {
  /// Of the picture, in samples of luma.
  public let width: Int
  public let height: Int
  /// Depth as the attachment has it, a row after the other, without gaps. Any convention will do (reversed,
  /// infinite), since the transforms say which one it is.
  public let depth: UnsafeMutablePointer<Float>
  /// Indices into `objects`, laid out as depth is. 0 where no draw has written.
  public let object: UnsafeMutablePointer<UInt16>
  /// At least one, at most 65535. The first stands for the world that does not move: its transform is the
  /// camera's view and projection.
  public var objects: [SceneObject]

  /// - Parameters: width and height in samples, from 1 to 16384.
  public init(width: Int, height: Int, objects: [SceneObject]) {
    precondition((1...16384).contains(width) && (1...16384).contains(height))
    precondition((1...65535).contains(objects.count))
    self.width = width
    self.height = height
    self.objects = objects
    depth = .allocate(capacity: width * height)
    object = .allocate(capacity: width * height)
    depth.initialize(repeating: 1, count: width * height)
    object.initialize(repeating: 0, count: width * height)
  }

  deinit {
    depth.deallocate()
    object.deallocate()
  }

  /// Where in these objects that of another picture with the same identity is; the first of several.
  func indexByIdentity() -> [UInt64: Int] {
    Dictionary(objects.enumerated().map { ($1.identity, $0) }, uniquingKeysWith: min)
  }
}
