@testable import Interim

/// Two textured planes across the view, of which the nearer is a board that moves by itself, before a camera
/// that moves sideways: all that a node would know, by formulas.
struct World {
  var width = 144
  var height = 96
  /// Metres that the camera and the board move in a second.
  var cameraSpeed = 20.0
  var boardSpeed = 30.0
  static let (wall, board) = (20.0, 8.0)

  var projection: Matrix4 {
    let (near, far, f) = (0.5, 100.0, 1.2)
    let aspect = Double(width) / Double(height)
    return Matrix4(
      rows: [f / aspect, 0, 0, 0], [0, -f, 0, 0],
      [0, 0, far / (near - far), near * far / (near - far)], [0, 0, -1, 0])
  }

  static func moved(_ x: Double, _ z: Double = 0) -> Matrix4 {
    var m = Matrix4.identity
    m.columns.3 = SIMD4(x, 0, z, 1)
    return m
  }

  func view(_ t: Double) -> Matrix4 { Self.moved(-cameraSpeed * t) }
  func model(_ t: Double) -> Matrix4 { Self.moved(boardSpeed * t - 2.5, -Self.board) }

  func objects(_ t: Double) -> [SceneObject] {
    let camera = projection * view(t)
    return [
      SceneObject(identity: 0, transform: camera), SceneObject(identity: 77, transform: camera),
      SceneObject(identity: 99, transform: camera * model(t)),
    ]
  }

  func frame(_ t: Double, knows: Bool = true) -> InterimFrame {
    let side = InterimSideData(width: width, height: height, objects: objects(t))
    let p = projection
    func depth(_ distance: Double) -> Float {
      let clip = p * SIMD4(0, 0, -distance, 1)
      return Float(clip.z / clip.w)
    }
    let picture = picture(width, height) { x, y in
      let nx = (2 * x + 1) / Double(width) - 1
      let ny = (2 * y + 1) / Double(height) - 1
      func place(_ distance: Double) -> (Double, Double) {
        (
          nx * distance / p.columns.0.x + cameraSpeed * t, ny * distance / p.columns.1.y
        )
      }
      let (bx, by) = place(Self.board)
      let u = bx - (boardSpeed * t - 2.5)
      let isBoard = abs(u) < 1.5 && abs(by) < 1.5
      // Luma is asked for at whole places, chroma between them.
      if x == x.rounded(), y == y.rounded() {
        let at = Int(y) * width + Int(x)
        side.depth[at] = depth(isBoard ? Self.board : Self.wall)
        side.object[at] = isBoard ? 2 : 1
      }
      if isBoard { return texture(u * 20 + 400, by * 20 + 400) }
      let (wx, wy) = place(Self.wall)
      return texture(wx * 9, wy * 9)
    }
    return InterimFrame(time: t, picture: picture, side: knows ? side : nil)
  }
}
