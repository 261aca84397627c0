import Testing

@testable import Interim

@Suite("Overlay")
struct OverlayTests {
  @Test("covered samples are the overlay's, others the picture's, and those between a mean")
  func composite() {
    let target = picture(40, 30) { _, _ in 100 }
    let before = picture(40, 30) { _, _ in 100 }
    let overlay = Overlay(width: 40, height: 30)
    overlay.set { x, y in
      (y: 200, cb: 90, cr: 160, alpha: y < 10 ? 0 : x < 20 ? 255 : 128)
    }
    #expect(overlay.rows == 10..<30)
    overlay.composite(onto: target, lanes: threads(2))
    for y in 0..<30 {
      for x in 0..<40 {
        let value = Int(target.luma.row(y)[x])
        let expected = y < 10 ? 100 : x < 20 ? 200 : 150
        #expect(abs(value - expected) <= 1)
      }
    }
    for y in 0..<15 {
      for x in 0..<20 {
        let blue = Int(target.blue.row(y)[x])
        let was = Int(before.blue.row(y)[x])
        let expected = y < 5 ? was : x < 10 ? 90 : (was + 90) / 2
        #expect(abs(blue - expected) <= 1)
      }
    }
  }

  @Test("an overlay without coverage changes nothing", arguments: [ChromaSampling.half, .full])
  func empty(sampling: ChromaSampling) {
    let target = picture(37, 21, sampling: sampling, texture)
    let overlay = Overlay(width: 37, height: 21, sampling: sampling)
    overlay.set { _, _ in (y: 200, cb: 90, cr: 160, alpha: 0) }
    #expect(overlay.rows.isEmpty)
    overlay.composite(onto: target)
    #expect(isSame(target, picture(37, 21, sampling: sampling, texture)))
    overlay.rows = 0..<21
    overlay.composite(onto: target)
    #expect(isSame(target, picture(37, 21, sampling: sampling, texture)))
  }

  @Test("full coverage at an odd size replaces every sample")
  func full() {
    let target = picture(37, 21, texture)
    let overlay = Overlay(width: 37, height: 21)
    overlay.set { x, y in (y: Float(x + y), cb: 30, cr: 220, alpha: 255) }
    overlay.composite(onto: target)
    for y in 0..<21 {
      for x in 0..<37 { #expect(target.luma.row(y)[x] == UInt8(x + y)) }
    }
    for y in 0..<11 {
      for x in 0..<19 {
        #expect(target.blue.row(y)[x] == 30 && target.red.row(y)[x] == 220)
      }
    }
  }
}
