import CPlatform
import GLWire
import Ring
import Wire

extension GLReplayContext {
  /// `glCreateContext`: the channel's first record.
  mutating func createContext(_ f: inout ControlFields) {
    let ticket = f.u32(8, "ticket")
    var request = ContextRequest()
    request.context = f.id(16, GLID.context, "context")
    request.shareContext = f.id(24, GLID.context, "shareContext")
    request.api = f.u32(32, "api")
    request.major = f.u32(36, "major")
    request.minor = f.u32(40, "minor")
    request.profileMask = f.u32(44, "profileMask")
    request.flags = f.u32(48, "flags")
    request.resetStrategy = f.u32(52, "resetStrategy")
    guard f.wrong == nil else { return }
    guard request.context != 0 else { return f.fail("context") }
    guard request.api <= 1 else { return f.fail("api") }
    guard driver == nil, !wasRefused, session.context(request.context) == nil else {
      return f.fail("context")
    }
    var status = EGL.success
    do throws(GLUnavailable) {
      status = try make(request)
    } catch {
      session.logUnavailable(error.message)
      status = EGL.notInitialized
    }
    reply.writer.begin(ControlOpcode.glCreateContext)
    if status == EGL.success {
      reply.writer.u32(0)
      describe()
    } else {
      wasRefused = true
      reply.writer.u32(UInt32(bitPattern: status))
    }
    reply.writer.end()
    sendReply(ticket)
  }

  /// Makes the driver's context, and everything that belongs to it; EGL's status.
  private mutating func make(_ request: ContextRequest) throws(GLUnavailable) -> Int32 {
    let egl = try session.driver().get()
    // A context that checks nothing trusts the client, which nobody here does.
    let attributes = ContextAttributes(
      isES: request.api == 1, major: request.major, minor: request.minor,
      profileMask: request.profileMask, flags: request.flags,
      resetStrategy: request.resetStrategy)
    var error = EGL.success
    var handle: UnsafeMutableRawPointer?
    let group: ShareGroup
    if request.shareContext != 0 {
      guard let other = session.context(request.shareContext) else { return EGL.badContext }
      group = other.group
      handle = egl.makeContext(attributes, share: group.share.root, error: &error)
    } else {
      var share = try session.share(
        egl, isES: false, resetStrategy: request.resetStrategy)
      handle = egl.makeContext(attributes, share: share.root, error: &error)
      if handle == nil, attributes.isES, error == EGL.badContext || error == EGL.badMatch {
        // This driver keeps OpenGL and OpenGL ES apart.
        share = try session.share(egl, isES: true, resetStrategy: request.resetStrategy)
        handle = egl.makeContext(attributes, share: share.root, error: &error)
      }
      group = session.newGroup(share)
    }
    guard let handle else { return error }
    guard egl.makeCurrent(handle) else {
      error = egl.egl.getError()
      _ = egl.egl.destroyContext(egl.display, handle)
      return error
    }
    let functions = try GLFunctions { egl.function($0) }
    gl.load { egl.function($0) }
    self.functions = functions
    properties = ContextProperties(functions, isES: attributes.isES)
    beginMessages(functions.extensions(properties))
    beginQuiet()
    driver = DriverContext(
      id: request.context, egl: egl, handle: handle, workbench: group.share.workbench)
    guard
      session.insertContext(
        request.context, GLSession.Context(group: group, resetStrategy: request.resetStrategy))
    else {
      destroyContext()
      return EGL.badAlloc
    }
    session.host.countContext()
    useTables(of: group)
    findTableRoom()
    findFlip()
    _ = makeCurrent(draw: nil, read: nil)
    return EGL.success
  }

  /// Ends the context, on its thread; what belongs to it, and to its group when it was the last.
  mutating func destroyContext() {
    guard let driver else { return }
    endSignals()
    endMessages()
    if let functions, let group {
      deleteOwnObjects(functions)
      var buffer = vertexArrays.neutralBuffer
      if buffer != 0 { functions.deleteBuffers(1, &buffer) }
      deleteDefaultObjects()
      if session.removeContext(driver.id) { group.deleteObjects(functions) }
    }
    _ = driver.egl.makeCurrent(nil)
    _ = driver.egl.egl.destroyContext(driver.egl.display, driver.handle)
    _ = driver.egl.egl.releaseThread()
    self.driver = nil
    functions = nil
    group = nil
  }

  private mutating func deleteOwnObjects(_ gl: GLFunctions) {
    func delete(_ kind: NameKind, _ function: GLFunctions.Delete?) {
      guard Int(kind.rawValue) < tables.count else { return }
      let names = tables[Int(kind.rawValue)].all()
      if let function, !names.isEmpty { function(Int32(clamping: names.count), names) }
      for _ in names { session.uncountObject() }
    }
    delete(.framebuffer, gl.deleteFramebuffers)
    delete(.query, gl.deleteQueries)
    delete(.vertexArray, gl.deleteVertexArrays)
    delete(.transformFeedback, gl.deleteTransformFeedbacks)
    delete(.programPipeline, gl.deleteProgramPipelines)
  }

  /// The driver says how long its tables may be; only compatibility profiles have any.
  private mutating func findTableRoom() {
    guard !properties.isES, !properties.isCore else { return }
    let entries = Int(driverValue(GL.MAX_PIXEL_MAP_TABLE))
    let order = Int(driverValue(GL.MAX_EVAL_ORDER))
    let largest = max(glProduct(entries, 4), glProduct(order, order, 4, 8))
    tableRoom = min(max(largest, GLReplayContext.probeRoom), 4 << 20)
  }

  // MARK: What the context is

  /// The rest of the reply: strings, extensions, implementation constants.
  private mutating func describe() {
    guard let functions else { return }
    for name in [
      GL.VENDOR, GL.RENDERER, GL.VERSION, GL.SHADING_LANGUAGE_VERSION,
    ] {
      // OpenGL ES 1 has no shading language.
      guard let text = functions.getString(name) else {
        "".withCString { reply.writer.string($0) }
        continue
      }
      reply.writer.string(UnsafeRawPointer(text).assumingMemoryBound(to: CChar.self))
    }
    let all = functions.extensions(properties)
    properties.hasWideQueries =
      properties.isES
      ? all.contains("GL_EXT_disjoint_timer_query")
      : properties.isAtLeast(3, 3) || all.contains("GL_ARB_timer_query")
    properties.hasQueryBuffers =
      !properties.isES
      && (properties.isAtLeast(4, 4) || all.contains("GL_ARB_query_buffer_object"))
    properties.hasSync =
      properties.isES
      ? properties.isAtLeast(3, 0)
      : properties.isAtLeast(3, 2) || all.contains("GL_ARB_sync")
    let extensions = all.filter { !hiddenExtensions.contains($0) }
    reply.writer.u32(UInt32(clamping: extensions.count))
    for name in extensions { name.withCString { reply.writer.string($0) } }
    functions.drainErrors()
    let values = constants(functions)
    endQuiet()
    reply.writer.u32(UInt32(clamping: values.count))
    for value in values {
      reply.writer.u32(value.name)
      reply.writer.u32(UInt32(clamping: value.numbers.count))
      for number in value.numbers { reply.writer.u64(number.bitPattern) }
    }
  }

  /// Every implementation constant that the context knows.
  private mutating func constants(_ gl: GLFunctions) -> [(name: UInt32, numbers: [Double])] {
    var found: [(name: UInt32, numbers: [Double])] = []
    for constant in implementationConstants {
      var integers = [Int32](repeating: 0, count: 16)
      var floats = [Float](repeating: 0, count: 16)
      var large = [Int64](repeating: 0, count: 16)
      let numbers: [Double]
      switch constant.kind {
      case .float:
        gl.getFloatv(constant.name, &floats)
        numbers = floats.prefix(constant.count).map { Double($0) }
      case .large where gl.getInteger64v != nil && properties.has64BitGets:
        gl.getInteger64v?(constant.name, &large)
        numbers = large.prefix(constant.count).map { Double($0) }
      default:
        gl.getIntegerv(constant.name, &integers)
        numbers = integers.prefix(constant.count).map { Double($0) }
      }
      // The driver knows best which of its extensions bring which constants.
      if gl.getError() == 0 { found.append((constant.name, numbers)) } else { gl.drainErrors() }
    }
    for list in implementationLists {
      var count: Int32 = 0
      gl.getIntegerv(list.count, &count)
      // The driver writes as many as it has said.
      var integers = [Int32](repeating: 0, count: max(Int(count), 0) + 16)
      if count > 0, count < 4096 { gl.getIntegerv(list.name, &integers) }
      guard gl.getError() == 0, count >= 0, count < 4096 else {
        gl.drainErrors()
        continue
      }
      found.append((list.name, integers.prefix(Int(count)).map { Double($0) }))
    }
    return found
  }
}
