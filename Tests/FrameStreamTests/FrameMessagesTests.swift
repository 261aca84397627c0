import Testing

@testable import FrameStream

@Suite("Messages of frames")
struct FrameMessagesTests {
  private let place = FramePlace(swapchain: 0x1234_5678_9ABC, image: 3, stride: 7680, order: .rgba)

  @Test("are read as they were written")
  func roundTrips() throws {
    for choice in FrameChoice.allCases {
      for (takes, wants) in [(false, false), (true, false), (false, true)] {
        let settings = FrameSettings(
          choice: choice, codings: .all, mostBits: 5_000_000, takesDatagrams: takes,
          wantsGeometry: wants, mayLeaveOut: !takes, takesRefinements: choice == .auto)
        #expect(settings.bytes.withUnsafeBytes { FrameSettings($0) } == settings)
      }
      #expect(FrameChoice(name: "\(choice)") == choice)
    }
    let offer = DatagramOffer(swapchain: 1 << 60, port: 65535, session: 258)
    #expect(offer.bytes.count == DatagramOffer.byteCount)
    #expect(offer.bytes.withUnsafeBytes { DatagramOffer($0) } == offer)
    #expect(offer.bytes.dropLast().withUnsafeBytes { DatagramOffer($0) } == nil)
    var end = FrameEnd(
      place: place, frame: 77, width: 1920, height: 1080, bands: 0b1011, coding: .hevc,
      isLeftOut: true, encodeTime: 5_000_000_000, firstUnitTime: 9)
    #expect(end.bytes.withUnsafeBytes { FrameEnd($0) } == end)
    end.usesDatagrams = true
    end.isRefinement = true
    #expect(end.bytes.count == FrameEnd.byteCount)
    #expect(end.bytes.withUnsafeBytes { FrameEnd($0) } == end)
    let feedback = FrameFeedback(
      swapchain: 9, frame: 8, lostBands: 7, lostSince: 6, decodeTime: 1 << 40, wantsGeometry: true)
    #expect(feedback.bytes.count == FrameFeedback.byteCount)
    #expect(feedback.bytes.withUnsafeBytes { FrameFeedback($0) } == feedback)
  }

  @Test("are none when they are cut off, or say what there is not")
  func damaged() {
    let end = FrameEnd(
      place: place, frame: 1, width: 1, height: 1, bands: 1, coding: .raw, isLeftOut: false,
      encodeTime: 0, firstUnitTime: 0
    ).bytes
    let settings = FrameSettings(choice: .auto).bytes
    let feedback = FrameFeedback(swapchain: 1, frame: 1).bytes
    for count in 0..<FrameEnd.byteCount {
      #expect(end.prefix(count).withUnsafeBytes { FrameEnd($0) } == nil)
      if count < settings.count {
        #expect(settings.prefix(count).withUnsafeBytes { FrameSettings($0) } == nil)
      }
      if count < feedback.count {
        #expect(feedback.prefix(count).withUnsafeBytes { FrameFeedback($0) } == nil)
      }
    }
    var unknown = settings
    unknown[0] = 99
    #expect(unknown.withUnsafeBytes { FrameSettings($0) } == nil)
    var order = end
    order[16] = 2
    #expect(order.withUnsafeBytes { FrameEnd($0) } == nil)
    var coding = end
    coding[40] = 9
    #expect(coding.withUnsafeBytes { FrameEnd($0) } == nil)
  }

  @Test("of a client without decoders leave exact codings")
  func codings() {
    var bytes = FrameSettings(choice: .h264, codings: .exact).bytes
    bytes[4] = 0
    let settings = bytes.withUnsafeBytes { FrameSettings($0) }
    #expect(settings?.codings == .exact)
    #expect(CodingSet.all.has(.hevc) && !CodingSet.exact.has(.h264))
    #expect(CodingSet.decodable.isSuperset(of: .exact))
  }

  @Test("of what became of frames are one when they wait")
  func merging() {
    var first = FrameFeedback(swapchain: 1, frame: 5, lostBands: 1, lostSince: 5)
    first.merge(FrameFeedback(swapchain: 1, frame: 6, decodeTime: 3))
    #expect(
      first == FrameFeedback(swapchain: 1, frame: 6, lostBands: 1, lostSince: 5, decodeTime: 3))
    first.merge(FrameFeedback(swapchain: 1, frame: 7, lostBands: 2, lostSince: 7))
    #expect(first.lostBands == 3 && first.lostSince == 5 && first.frame == 7)
  }
}
