import CPlatform

/// The driver's functions that hand-written code calls. Those that every context has are there; what
/// a version or a profile may lack is optional.
struct GLFunctions {
  typealias Names = UnsafeMutablePointer<UInt32>
  typealias ConstNames = UnsafePointer<UInt32>
  typealias Generate = @convention(c) (Int32, Names) -> Void
  typealias Delete = @convention(c) (Int32, ConstNames) -> Void
  typealias OneWord = @convention(c) (UInt32) -> Void
  typealias TwoWords = @convention(c) (UInt32, UInt32) -> Void
  typealias IsName = @convention(c) (UInt32) -> UInt8
  typealias FourInts = @convention(c) (Int32, Int32, Int32, Int32) -> Void
  typealias Blit =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Int32, Int32, UInt32, UInt32
    ) -> Void

  let getError: @convention(c) () -> UInt32
  let getString: @convention(c) (UInt32) -> UnsafePointer<UInt8>?
  let getStringi: (@convention(c) (UInt32, UInt32) -> UnsafePointer<UInt8>?)?
  let getIntegerv: @convention(c) (UInt32, UnsafeMutablePointer<Int32>) -> Void
  let getFloatv: @convention(c) (UInt32, UnsafeMutablePointer<Float>) -> Void
  let getInteger64v: (@convention(c) (UInt32, UnsafeMutablePointer<Int64>) -> Void)?
  let finish: @convention(c) () -> Void
  let flush: @convention(c) () -> Void
  let enable: OneWord
  let disable: OneWord
  let viewport: FourInts
  let scissor: FourInts
  let clear: OneWord
  let clearColor: @convention(c) (Float, Float, Float, Float) -> Void
  let clearDepth: (@convention(c) (Double) -> Void)?
  let clearDepthf: (@convention(c) (Float) -> Void)?
  let clearStencil: @convention(c) (Int32) -> Void
  let pixelStorei: @convention(c) (UInt32, Int32) -> Void
  let readPixels:
    @convention(c) (
      Int32, Int32, Int32, Int32, UInt32, UInt32, UnsafeMutableRawPointer?
    ) -> Void
  let genFramebuffers: Generate
  let deleteFramebuffers: Delete
  let bindFramebuffer: TwoWords
  let isFramebuffer: IsName
  let checkFramebufferStatus: @convention(c) (UInt32) -> UInt32
  let framebufferRenderbuffer: @convention(c) (UInt32, UInt32, UInt32, UInt32) -> Void
  let framebufferTexture2D: @convention(c) (UInt32, UInt32, UInt32, UInt32, Int32) -> Void
  let framebufferParameteri: (@convention(c) (UInt32, UInt32, Int32) -> Void)?
  let framebufferParameteriMESA: (@convention(c) (UInt32, UInt32, Int32) -> Void)?
  let genRenderbuffers: Generate
  let deleteRenderbuffers: Delete
  let bindRenderbuffer: TwoWords
  let renderbufferStorage: @convention(c) (UInt32, UInt32, Int32, Int32) -> Void
  let renderbufferStorageMultisample:
    (@convention(c) (UInt32, Int32, UInt32, Int32, Int32) -> Void)?
  let drawBuffer: OneWord?
  let drawBuffers: (@convention(c) (Int32, ConstNames) -> Void)?
  let readBuffer: OneWord?
  let blitFramebuffer: Blit?
  let bindTexture: TwoWords
  let texImage2D:
    @convention(c) (
      UInt32, Int32, Int32, Int32, Int32, Int32, UInt32, UInt32, UnsafeRawPointer?
    ) -> Void
  let getTexLevelParameteriv:
    (@convention(c) (UInt32, Int32, UInt32, UnsafeMutablePointer<Int32>) -> Void)?
  let genTextures: Generate
  let deleteTextures: Delete
  let genBuffers: Generate
  let deleteBuffers: Delete
  let bindBuffer: TwoWords?
  let genQueries: Generate?
  let deleteQueries: Delete?
  let genVertexArrays: Generate?
  let deleteVertexArrays: Delete?
  let genProgramsARB: Generate?
  let deleteProgramsARB: Delete?
  let genSamplers: Generate?
  let deleteSamplers: Delete?
  let deleteTransformFeedbacks: Delete?
  let deleteProgramPipelines: Delete?
  let isProgram: IsName?
  let deleteProgram: OneWord?
  let deleteShader: OneWord?
  let deleteSync: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?
  let fenceSync: (@convention(c) (UInt32, UInt32) -> UnsafeMutableRawPointer?)?
  let clientWaitSync: (@convention(c) (UnsafeMutableRawPointer?, UInt32, UInt64) -> UInt32)?
  let getQueryObjectuiv: (@convention(c) (UInt32, UInt32, UnsafeMutablePointer<UInt32>) -> Void)?
  let getQueryObjectui64v: (@convention(c) (UInt32, UInt32, UnsafeMutablePointer<UInt64>) -> Void)?

  /// The functions of the context that is current. Those of framebuffers have names of their own in
  /// OpenGL ES 1.
  init(
    _ get: (UnsafePointer<CChar>) -> UnsafeMutableRawPointer?
  ) throws(GLUnavailable) {
    func find<T>(_ name: StaticString) -> T? {
      let address = get(UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self))
      return address.map { unsafeBitCast($0, to: T.self) }
    }
    func need<T>(_ name: StaticString, _ other: StaticString? = nil) throws(GLUnavailable) -> T {
      if let found: T = find(name) { return found }
      if let other, let found: T = find(other) { return found }
      throw GLUnavailable(message: "the driver lacks \(name)")
    }
    getError = try need("glGetError")
    getString = try need("glGetString")
    getStringi = find("glGetStringi")
    getIntegerv = try need("glGetIntegerv")
    getFloatv = try need("glGetFloatv")
    getInteger64v = find("glGetInteger64v")
    finish = try need("glFinish")
    flush = try need("glFlush")
    enable = try need("glEnable")
    disable = try need("glDisable")
    viewport = try need("glViewport")
    scissor = try need("glScissor")
    clear = try need("glClear")
    clearColor = try need("glClearColor")
    clearDepth = find("glClearDepth")
    clearDepthf = find("glClearDepthf")
    clearStencil = try need("glClearStencil")
    pixelStorei = try need("glPixelStorei")
    readPixels = try need("glReadPixels")
    genFramebuffers = try need("glGenFramebuffers", "glGenFramebuffersOES")
    deleteFramebuffers = try need("glDeleteFramebuffers", "glDeleteFramebuffersOES")
    bindFramebuffer = try need("glBindFramebuffer", "glBindFramebufferOES")
    isFramebuffer = try need("glIsFramebuffer", "glIsFramebufferOES")
    checkFramebufferStatus = try need("glCheckFramebufferStatus", "glCheckFramebufferStatusOES")
    framebufferRenderbuffer = try need("glFramebufferRenderbuffer", "glFramebufferRenderbufferOES")
    framebufferTexture2D = try need("glFramebufferTexture2D", "glFramebufferTexture2DOES")
    framebufferParameteri = find("glFramebufferParameteri")
    framebufferParameteriMESA = find("glFramebufferParameteriMESA")
    genRenderbuffers = try need("glGenRenderbuffers", "glGenRenderbuffersOES")
    deleteRenderbuffers = try need("glDeleteRenderbuffers", "glDeleteRenderbuffersOES")
    bindRenderbuffer = try need("glBindRenderbuffer", "glBindRenderbufferOES")
    renderbufferStorage = try need("glRenderbufferStorage", "glRenderbufferStorageOES")
    renderbufferStorageMultisample = find("glRenderbufferStorageMultisample")
    drawBuffer = find("glDrawBuffer")
    drawBuffers = find("glDrawBuffers")
    readBuffer = find("glReadBuffer")
    blitFramebuffer = find("glBlitFramebuffer")
    bindTexture = try need("glBindTexture")
    texImage2D = try need("glTexImage2D")
    getTexLevelParameteriv = find("glGetTexLevelParameteriv")
    genTextures = try need("glGenTextures")
    deleteTextures = try need("glDeleteTextures")
    genBuffers = try need("glGenBuffers")
    deleteBuffers = try need("glDeleteBuffers")
    bindBuffer = find("glBindBuffer")
    genQueries = find("glGenQueries")
    deleteQueries = find("glDeleteQueries")
    genVertexArrays = find("glGenVertexArrays")
    deleteVertexArrays = find("glDeleteVertexArrays")
    genProgramsARB = find("glGenProgramsARB")
    deleteProgramsARB = find("glDeleteProgramsARB")
    genSamplers = find("glGenSamplers")
    deleteSamplers = find("glDeleteSamplers")
    deleteTransformFeedbacks = find("glDeleteTransformFeedbacks")
    deleteProgramPipelines = find("glDeleteProgramPipelines")
    isProgram = find("glIsProgram")
    deleteProgram = find("glDeleteProgram")
    deleteShader = find("glDeleteShader")
    deleteSync = find("glDeleteSync")
    fenceSync = find("glFenceSync")
    clientWaitSync = find("glClientWaitSync")
    getQueryObjectuiv = find("glGetQueryObjectuiv")
    getQueryObjectui64v = find("glGetQueryObjectui64v")
  }

  /// What makes a name of a kind where names that nobody generated are allowed; nil where they are
  /// not.
  func generator(_ kind: NameKind, _ context: ContextProperties) -> Generate? {
    if context.isCore { return nil }
    switch kind {
    case .texture: return genTextures
    case .buffer: return genBuffers
    case .renderbuffer: return genRenderbuffers
    case .framebuffer: return genFramebuffers
    case .query: return context.isES ? nil : genQueries
    case .arbProgram: return context.isES ? nil : genProgramsARB
    default: return nil
    }
  }
}
