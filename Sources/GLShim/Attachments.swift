import CPlatform
import Client
import GLWire

// OpenGL 4.6, chapter 9: what is attached to framebuffers, so that a question about a framebuffer that looks as
// it did before is answered as before. Toolkits ask for the status in each frame.

/// What one framebuffer object has attached: a number for each attachment point and for the draw buffers, equal
/// when and only when the same commands, none of which can have failed, made them.
private struct FramebufferModel {
  var name: UInt32 = 0
  /// Colors 0 to 7, depth, stencil, draw buffers.
  var points:
    (
      UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64
    ) = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

/// A remembered answer.
private struct Answer {
  var kind: UInt32 = 0
  var name: UInt32 = 0
  var what: UInt32 = 0
  var detail: UInt32 = 0
  /// Of everything that it depends on.
  var state: UInt64 = 0
  var value: Int32 = 0
}

/// Answers about objects that a context was given, and what the framebuffers have attached of which it was asked.
struct ObjectAnswers {
  private var models: UnsafeMutablePointer<FramebufferModel>?
  private var answers: UnsafeMutablePointer<Answer>?
  /// Numbers that stand for what is not known are given out once.
  private var lastUnknown: UInt64 = 0

  static var framebuffer: UInt32 { 1 }
  static var drawable: UInt32 { 2 }
  static var texture: UInt32 { 3 }
  /// The place of the draw buffers.
  static var drawBuffers: Int { 10 }

  private static var modelCount: Int { 64 }
  private static var answerCount: Int { 256 }
  private static var pointCount: Int { 11 }

  func free() {
    platform_free(models)
    platform_free(answers)
  }

  /// A number for two, in this order.
  private static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
    var x = a &* 0x9E37_79B9_7F4A_7C15
    x = (x ^ (x >> 29) ^ b) &* 0xBF58_476D_1CE4_E5B9
    return x ^ (x >> 32)
  }

  private mutating func unknown() -> UInt64 {
    lastUnknown &+= 1
    return lastUnknown | 1 &<< 63
  }

  private func place(_ model: UnsafeMutablePointer<FramebufferModel>) -> UnsafeMutablePointer<
    UInt64
  > {
    UnsafeMutableRawPointer(model).advanced(by: 8).assumingMemoryBound(to: UInt64.self)
  }

  private func find(_ framebuffer: UInt32) -> UnsafeMutablePointer<FramebufferModel>? {
    guard framebuffer != 0, let models else { return nil }
    let model = models + Int(framebuffer) % ObjectAnswers.modelCount
    return model.pointee.name == framebuffer ? model : nil
  }

  /// Nothing is known of any framebuffer's attachments.
  func forgetFramebuffers() {
    guard let models else { return }
    var i = 0
    while i < ObjectAnswers.modelCount {
      models[i].name = 0
      i &+= 1
    }
  }

  func forget(framebuffer: UInt32) { find(framebuffer)?.pointee.name = 0 }

  /// A command has set a point; nil for one of which it is not sure whether it has.
  mutating func attach(_ framebuffer: UInt32, _ point: Int, _ what: (UInt32, UInt32, Int32)?) {
    guard let model = find(framebuffer) else { return }
    place(model)[point] =
      what.map {
        ObjectAnswers.mix(
          UInt64($0.0) &<< 32 | UInt64($0.1), UInt64(UInt32(bitPattern: $0.2)) &+ 1) >> 1
      } ?? unknown()
  }

  /// A number for all that a framebuffer has attached; nil without memory.
  mutating func state(of framebuffer: UInt32) -> UInt64? {
    if models == nil {
      guard
        let raw = platform_calloc(
          ObjectAnswers.modelCount, MemoryLayout<FramebufferModel>.stride)
      else { return nil }
      models = raw.bindMemory(to: FramebufferModel.self, capacity: ObjectAnswers.modelCount)
    }
    guard let models, framebuffer != 0 else { return nil }
    let model = models + Int(framebuffer) % ObjectAnswers.modelCount
    let points = place(model)
    if model.pointee.name != framebuffer {
      model.pointee.name = framebuffer
      var i = 0
      while i < ObjectAnswers.pointCount {
        points[i] = unknown()
        i &+= 1
      }
    }
    var state: UInt64 = 0
    var i = 0
    while i < ObjectAnswers.pointCount {
      state = ObjectAnswers.mix(state, points[i])
      i &+= 1
    }
    return state
  }

  // MARK: Answers

  private static func place(
    _ kind: UInt32, _ name: UInt32, _ what: UInt32, _ detail: UInt32, _ state: UInt64
  )
    -> Int
  {
    let key = mix(
      mix(UInt64(kind) &<< 32 | UInt64(name), UInt64(what) &<< 32 | UInt64(detail)), state)
    return Int(truncatingIfNeeded: key) & (answerCount &- 1)
  }

  /// What was answered when everything was as it is now; nil when it was not asked for.
  func answer(_ kind: UInt32, _ name: UInt32, _ what: UInt32, _ detail: UInt32, state: UInt64)
    -> Int32?
  {
    guard let answers else { return nil }
    let known = answers[ObjectAnswers.place(kind, name, what, detail, state)]
    guard known.kind == kind, known.name == name, known.what == what, known.detail == detail,
      known.state == state
    else { return nil }
    return known.value
  }

  mutating func keep(
    _ kind: UInt32, _ name: UInt32, _ what: UInt32, _ detail: UInt32, state: UInt64, _ value: Int32
  ) {
    if answers == nil {
      guard let raw = platform_calloc(ObjectAnswers.answerCount, MemoryLayout<Answer>.stride) else {
        return
      }
      answers = raw.bindMemory(to: Answer.self, capacity: ObjectAnswers.answerCount)
    }
    answers?[ObjectAnswers.place(kind, name, what, detail, state)] = Answer(
      kind: kind, name: name, what: what, detail: detail, state: state, value: value)
  }

  /// `state` at an age of all images that objects have.
  static func combine(_ state: UInt64, age: UInt64) -> UInt64 { mix(state, age) }
}
