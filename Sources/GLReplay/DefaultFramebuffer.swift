import GLWire
import Ring

/// What stands for framebuffer 0 in one context: an object of the driver for each drawable that has
/// been current, and how the application has set it.
struct SurfaceState {
  /// The driver's objects behind the draw and the read framebuffer 0.
  var drawObject: UInt32 = 0
  var readObject: UInt32 = 0
  /// The client's framebuffers that are bound; 0 for a drawable's.
  fileprivate var boundDraw: UInt32 = 0
  fileprivate var boundRead: UInt32 = 0
  fileprivate(set) var draw: Drawable?
  fileprivate(set) var read: Drawable?
  /// How this context's objects are given the orientation of a window.
  var flip = FlipMethod.none
  /// An error that the application has not asked for yet, of those that the driver held when this
  /// room had to look at errors of its own.
  fileprivate var savedErrors: [UInt32] = []
  /// What glDrawBuffers and glReadBuffer have said of framebuffer 0; nil while it is the default.
  fileprivate var drawBuffers: [UInt32]?
  fileprivate var readBuffer: UInt32?
  /// Viewport and scissor have been set by the first drawable.
  fileprivate var hasViewport = false
  fileprivate var objects: [UInt64: DefaultObject] = [:]
  /// Stands for no drawable at all: 1 x 1 pixels.
  fileprivate var dummy: Drawable?
}

/// The framebuffer object for one drawable in one context.
private struct DefaultObject {
  let drawable: Drawable
  var name: UInt32
  /// For reads of multisampled drawables; 0 until then.
  var resolveName: UInt32 = 0
  /// Of the buffers that are attached.
  var version: UInt32 = 0
  var front = PixelBuffer.none
}

extension GLReplayContext {
  private static var dummyID: UInt64 { 0 }

  // MARK: Make current

  /// Makes drawables current: nil for none. False when the driver refuses, and the session is over.
  mutating func makeCurrent(draw: Drawable?, read: Drawable?) -> Bool {
    guard let functions else { return false }
    saveErrors()
    beginQuiet()
    defer { endQuiet() }
    forgetObjects(but: [draw, read])
    guard let drawTo = draw ?? dummy(), let readFrom = read ?? dummy() else { return false }
    surface.draw = drawTo
    surface.read = readFrom
    guard refreshDefault() else { return false }
    if let draw, !surface.hasViewport {
      surface.hasViewport = true
      let now = draw.current
      functions.viewport(0, 0, Int32(clamping: now.width), Int32(clamping: now.height))
      functions.scissor(0, 0, Int32(clamping: now.width), Int32(clamping: now.height))
    }
    return true
  }

  /// Brings the objects of the current drawables up to date, and binds them where framebuffer 0 is.
  mutating func refreshDefault() -> Bool {
    guard let draw = surface.draw, let read = surface.read else { return true }
    guard let drawObject = object(for: draw), let readObject = object(for: read) else {
      session.lose(
        LostReason.noMemory,
        "the driver cannot draw to a drawable of \(draw.current.width) x \(draw.current.height) "
          + "pixels")
      return false
    }
    surface.drawObject = drawObject
    surface.readObject = readObject
    bindDefault()
    return true
  }

  /// Binds framebuffer 0 to the targets that have it.
  private mutating func bindDefault() {
    guard let functions else { return }
    if properties.hasOneFramebufferTarget {
      if drawsDefault { functions.bindFramebuffer(GL.FRAMEBUFFER, surface.drawObject) }
      return
    }
    if drawsDefault { functions.bindFramebuffer(GL.DRAW_FRAMEBUFFER, surface.drawObject) }
    if readsDefault { functions.bindFramebuffer(GL.READ_FRAMEBUFFER, surface.readObject) }
  }

  /// glBindFramebuffer.
  mutating func bindFramebuffer(_ target: UInt32, _ client: UInt32) {
    guard let functions else { return }
    let draws = target == GL.FRAMEBUFFER || target == GL.DRAW_FRAMEBUFFER
    let reads = target == GL.FRAMEBUFFER || target == GL.READ_FRAMEBUFFER
    guard client == 0, draws || reads else {
      let name = name(.framebuffer, client)
      functions.bindFramebuffer(target, name)
      // In a core profile an unknown name is an error, and changes nothing.
      guard name != GLReplayContext.neverGenerated else { return }
      if draws { (drawsDefault, surface.boundDraw) = (false, client) }
      if reads { (readsDefault, surface.boundRead) = (false, client) }
      return
    }
    if draws { (drawsDefault, surface.boundDraw) = (true, 0) }
    if reads { (readsDefault, surface.boundRead) = (true, 0) }
    bindDefault()
  }

  /// Runs `body` with framebuffer 0 bound to GL_DRAW_FRAMEBUFFER or GL_READ_FRAMEBUFFER.
  mutating func withDefault(_ target: UInt32, _ body: (inout GLReplayContext) -> Void) {
    let draws = target == GL.DRAW_FRAMEBUFFER
    let bound = draws ? surface.boundDraw : surface.boundRead
    if draws ? drawsDefault : readsDefault { return body(&self) }
    bindFramebuffer(target, 0)
    body(&self)
    bindFramebuffer(target, bound)
  }

  /// Before a framebuffer is deleted: where it is bound, framebuffer 0 is from then on.
  mutating func didDeleteFramebuffer(_ client: UInt32) {
    guard client != 0 else { return }
    if surface.boundDraw == client { (drawsDefault, surface.boundDraw) = (true, 0) }
    if surface.boundRead == client { (readsDefault, surface.boundRead) = (true, 0) }
    bindDefault()
  }

  /// The dummy for no drawable.
  private mutating func dummy() -> Drawable? {
    if let dummy = surface.dummy { return dummy }
    guard let driver else { return nil }
    var request = DrawableRequest()
    (request.width, request.height) = (1, 1)
    request.alpha = 8
    request.depth = 24
    request.stencil = 8
    surface.dummy = Drawable(
      id: GLReplayContext.dummyID, request: request, workbench: driver.workbench,
      isTopFirst: surface.flip != .none, from: driver.handle)
    return surface.dummy
  }

  /// Finds out how this context can turn a framebuffer; when it is new, and holds no errors.
  mutating func findFlip() {
    guard let functions, let driver else { return }
    var name: UInt32 = 0
    functions.genFramebuffers(1, &name)
    functions.bindFramebuffer(GL.FRAMEBUFFER, name)
    surface.flip =
      properties.isES && properties.major < 2 ? .none : functions.findFlip(GL.FRAMEBUFFER)
    functions.bindFramebuffer(GL.FRAMEBUFFER, 0)
    functions.deleteFramebuffers(1, &name)
    functions.drainErrors()
    guard surface.flip == .none, driver.workbench.flip != .none else { return }
    // Framebuffer objects are not shared, says the specification; where they are all the same, the
    // workbench can make this context's.
    let (other, isShared) = probeOtherContext(functions, driver)
    if isShared { surface.flip = .otherContext }
    driver.workbench.discardFramebuffer(other, from: driver.handle)
  }

  private mutating func probeOtherContext(
    _ functions: GLFunctions, _ driver: DriverContext
  ) -> (name: UInt32, isShared: Bool) {
    let name = driver.workbench.makeFramebuffer(from: driver.handle)
    guard name != 0 else { return (0, false) }
    let isShared = functions.isFramebuffer(name) == 1
    functions.drainErrors()
    return (name, isShared)
  }

  // MARK: Objects

  /// The context's object for a drawable, with the drawable's buffers; nil when the driver
  /// cannot draw to them.
  private mutating func object(for drawable: Drawable) -> UInt32? {
    guard let functions, let driver else { return nil }
    // Another context may have left the drawable the other way up.
    let isTopFirst = surface.flip != .none
    var storage = drawable.current
    if storage.isTopFirst != isTopFirst {
      guard
        drawable.remake(
          width: storage.width, height: storage.height, isTopFirst: isTopFirst,
          from: driver.handle, finishing: functions.finish)
      else { return nil }
      storage = drawable.current
    }
    var object: DefaultObject
    if let known = surface.objects[drawable.id], known.drawable === drawable {
      object = known
    } else {
      object = DefaultObject(drawable: drawable, name: 0)
    }
    if object.version == storage.version { return object.name }
    let attached = Workbench.Attachments(
      color: storage.back, depth: storage.depth, stencil: storage.stencil)
    var name = object.name
    if surface.flip == .otherContext {
      name = driver.workbench.prepareFramebuffer(
        name, attached, from: driver.handle, finishing: functions.finish)
    } else if name == 0 {
      functions.genFramebuffers(1, &name)
    }
    guard name != 0 else { return nil }
    object.name = name
    object.version = storage.version
    object.front = .none
    let bound = boundFramebuffers(functions)
    functions.bindFramebuffer(GL.FRAMEBUFFER, name)
    if surface.flip != .otherContext {
      functions.attach(GL.FRAMEBUFFER, GL.COLOR_ATTACHMENT0, attached.color)
      functions.attach(GL.FRAMEBUFFER, GL.DEPTH_ATTACHMENT, attached.depth)
      functions.attach(GL.FRAMEBUFFER, GL.STENCIL_ATTACHMENT, attached.stencil)
      functions.setFlip(surface.flip, GL.FRAMEBUFFER, true)
    }
    let status = functions.checkFramebufferStatus(GL.FRAMEBUFFER)
    surface.objects[drawable.id] = object
    applyBuffers(drawable)
    restore(bound, functions)
    functions.drainErrors()
    return status == GL.FRAMEBUFFER_COMPLETE ? name : nil
  }

  /// The driver's framebuffers that are bound for drawing and reading.
  private mutating func boundFramebuffers(_ functions: GLFunctions) -> (draw: UInt32, read: UInt32)
  {
    var draw: Int32 = 0
    var read: Int32 = 0
    functions.getIntegerv(GL.DRAW_FRAMEBUFFER_BINDING, &draw)
    if !properties.hasOneFramebufferTarget {
      functions.getIntegerv(GL.READ_FRAMEBUFFER_BINDING, &read)
    }
    return (UInt32(bitPattern: draw), UInt32(bitPattern: read))
  }

  private mutating func restore(_ bound: (draw: UInt32, read: UInt32), _ functions: GLFunctions) {
    if properties.hasOneFramebufferTarget {
      return functions.bindFramebuffer(GL.FRAMEBUFFER, bound.draw)
    }
    functions.bindFramebuffer(GL.DRAW_FRAMEBUFFER, bound.draw)
    functions.bindFramebuffer(GL.READ_FRAMEBUFFER, bound.read)
  }

  /// Deletes the objects of drawables that the client has destroyed and that are not current.
  mutating func forgetObjects(but current: [Drawable?]) {
    guard let functions else { return }
    for (id, object) in surface.objects where id != GLReplayContext.dummyID {
      let isCurrent = current.contains { $0 === object.drawable }
      guard !isCurrent, session.drawable(id, driver?.workbench) !== object.drawable else {
        continue
      }
      surface.objects[id] = nil
      var names = [object.name, object.resolveName].filter { $0 != 0 }
      functions.deleteFramebuffers(Int32(names.count), &names)
    }
  }

  /// Deletes everything of the default framebuffers, at the end of the context.
  mutating func deleteDefaultObjects() {
    guard let functions else { return }
    var names = surface.objects.values.flatMap { [$0.name, $0.resolveName] }.filter { $0 != 0 }
    if !names.isEmpty { functions.deleteFramebuffers(Int32(names.count), &names) }
    surface = SurfaceState()
  }

  // MARK: Buffers of framebuffer 0

  /// What the driver's object calls a buffer of framebuffer 0, for glReadBuffer, glClearBuffer's and
  /// glInvalidateFramebuffer's enumerants. What framebuffer 0 does not have becomes something that
  /// an object does not have either, so that the driver raises the error.
  mutating func attachment(_ buffer: UInt32) -> UInt32 {
    buffers(buffer, of: surface.draw).first ?? GL.NONE
  }

  /// The same for lists of draw buffers, in which what may stand for several is an error (OpenGL 4.6, 17.4.1).
  mutating func listed(_ buffer: UInt32) -> UInt32 {
    switch buffer {
    case GL.FRONT, GL.LEFT, GL.RIGHT, GL.FRONT_AND_BACK: return buffer
    default:
      // Objects have neither, and GL_BACK is another error.
      let attachment = self.attachment(buffer)
      return attachment == GL.BACK ? GL.BACK_LEFT : attachment
    }
  }

  /// The same for commands that name attachments of objects too, which framebuffer 0 has not.
  mutating func part(_ attachment: UInt32) -> UInt32 {
    switch attachment {
    case GL.DEPTH_ATTACHMENT, GL.STENCIL_ATTACHMENT, GL.DEPTH_STENCIL_ATTACHMENT: GL.BACK
    default: self.attachment(attachment)
    }
  }

  /// The attachments behind a buffer of framebuffer 0; the front buffer is made when it is named.
  private mutating func buffers(_ buffer: UInt32, of drawable: Drawable?) -> [UInt32] {
    guard let drawable else { return [buffer] }
    let first = GL.COLOR_ATTACHMENT0
    switch buffer {
    case GL.NONE: return [GL.NONE]
    case GL.COLOR: return [first]
    case GL.DEPTH: return [GL.DEPTH_ATTACHMENT]
    case GL.STENCIL: return [GL.STENCIL_ATTACHMENT]
    case GL.BACK, GL.BACK_LEFT:
      // A single buffer goes by this name too: in OpenGL ES by its specification, in OpenGL by what
      // Mesa does, and programs that ask a pbuffer for what they ask a window for rely on.
      return [first]
    case GL.FRONT, GL.FRONT_LEFT:
      return drawable.isDoubleBuffered ? [frontAttachment(drawable)] : [first]
    case GL.LEFT, GL.FRONT_AND_BACK:
      return drawable.isDoubleBuffered ? [frontAttachment(drawable), first] : [first]
    case first..<(first + 32): return [GL.BACK]
    default: return [buffer]
    }
  }

  /// The attachment of the front buffer, which is attached when it is not yet.
  private mutating func frontAttachment(_ drawable: Drawable) -> UInt32 {
    let second = GL.COLOR_ATTACHMENT0 + 1
    guard let functions, let driver, var object = surface.objects[drawable.id],
      object.drawable === drawable
    else { return GL.COLOR_ATTACHMENT0 }
    drawable.needFront(from: driver.handle, finishing: functions.finish)
    let front = drawable.current.front
    guard object.front != front else { return second }
    quietly { c in
      let bound = c.boundFramebuffers(functions)
      functions.bindFramebuffer(GL.FRAMEBUFFER, object.name)
      functions.attach(GL.FRAMEBUFFER, second, front)
      c.restore(bound, functions)
    }
    object.front = front
    surface.objects[drawable.id] = object
    return second
  }

  /// Gives the object of a drawable, which is bound, what has been set for framebuffer 0.
  private mutating func applyBuffers(_ drawable: Drawable) {
    guard let functions, !properties.hasOneFramebufferTarget else { return }
    let initial = drawable.isDoubleBuffered || properties.isES ? GL.BACK : GL.FRONT
    var attachments = (surface.drawBuffers ?? [initial]).flatMap { buffers($0, of: drawable) }
    // A drawable may lack what another had.
    attachments = attachments.map { $0 >= GL.COLOR_ATTACHMENT0 ? $0 : GL.NONE }
    let read = buffers(surface.readBuffer ?? initial, of: drawable).last ?? GL.NONE
    functions.drawBuffers?(Int32(clamping: attachments.count), attachments)
    functions.readBuffer?(read >= GL.COLOR_ATTACHMENT0 ? read : GL.NONE)
  }

  /// glDrawBuffer.
  mutating func drawBuffer(_ buffer: UInt32) {
    guard let functions else { return }
    guard drawsDefault else {
      functions.drawBuffer?(buffer)
      return
    }
    let attachments = buffers(buffer, of: surface.draw)
    if attachments.count == 1 {
      functions.drawBuffer?(attachments[0])
    } else {
      functions.drawBuffers?(Int32(clamping: attachments.count), attachments)
    }
    if isBufferOfDefault(attachments) { surface.drawBuffers = [buffer] }
  }

  /// glClearBuffer*: `clear` gets the number of each draw buffer of the driver's object that a draw buffer of
  /// framebuffer 0 stands for. GL_FRONT_AND_BACK is one, and two there (OpenGL 4.6, 17.4.3.1).
  mutating func clearBuffers(_ buffer: UInt32, _ number: Int32, _ clear: (Int32) -> Void) {
    clear(number)
    guard drawsDefault, buffer == GL.COLOR, number == 0, let given = surface.drawBuffers,
      given.count == 1
    else { return }
    let count = buffers(given[0], of: surface.draw).count
    for other in 1..<max(count, 1) { clear(Int32(other)) }
  }

  /// glDrawBuffers; `count` buffers lie at `list`.
  mutating func drawBuffers(_ count: Int32, _ list: UnsafeRawPointer?, available: Int) {
    guard let functions else { return }
    let wanted = Int(max(count, 0))
    if drawsDefault, properties.isES, count >= 0, isWrongForES(list, available / 4, wanted) {
      // One buffer, GL_BACK or none, which an object of the application's may not have at all.
      var wrong = GL.BACK
      functions.drawBuffers?(1, &wrong)
      return
    }
    guard wanted <= available / 4, let list, wanted > 0 else {
      var nothing: UInt32 = 0
      functions.drawBuffers?(min(count, 0), &nothing)
      return
    }
    var given = (0..<wanted).map { list.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self) }
    guard drawsDefault else {
      functions.drawBuffers?(count, &given)
      return
    }
    let attachments = given.map { listed($0) }
    functions.drawBuffers?(count, attachments)
    if isBufferOfDefault(attachments) { surface.drawBuffers = given }
  }

  /// Whether buffers, not more than there may be, cannot be those of framebuffer 0 in OpenGL ES.
  private mutating func isWrongForES(_ list: UnsafeRawPointer?, _ known: Int, _ count: Int) -> Bool
  {
    guard count == 1, known >= 1, let list else {
      return count <= Int(driverValue(GL.MAX_DRAW_BUFFERS))
    }
    let buffer = list.loadUnaligned(as: UInt32.self)
    return buffer != GL.BACK && buffer != GL.NONE
  }

  /// glReadBuffer.
  mutating func readBuffer(_ buffer: UInt32) {
    guard let functions else { return }
    guard readsDefault else {
      functions.readBuffer?(buffer)
      return
    }
    // GL_LEFT and GL_FRONT_AND_BACK read the front buffer, which is the first of them.
    let attachments = buffers(buffer, of: surface.read)
    functions.readBuffer?(attachments.first ?? GL.NONE)
    if isBufferOfDefault(attachments) { surface.readBuffer = buffer }
  }

  private mutating func isBufferOfDefault(_ attachments: [UInt32]) -> Bool {
    attachments.allSatisfy { $0 == 0 || $0 >= GL.COLOR_ATTACHMENT0 }
  }

  /// Which buffers of framebuffer 0 are read and drawn to.
  var accumulationSides: AccumulationSides {
    mutating get {
      let second = GL.COLOR_ATTACHMENT0 + 1
      let initial = initialBuffer(surface.draw)
      let drawn = (surface.drawBuffers ?? [initial]).flatMap { buffers($0, of: surface.draw) }
      let read = buffers(surface.readBuffer ?? initial, of: surface.read).first
      return AccumulationSides(
        readsFront: read == second, drawsFront: drawn.contains(second),
        drawsBack: drawn.contains(GL.COLOR_ATTACHMENT0))
    }
  }

  /// What glGet says of the draw and the read buffer of framebuffer 0.
  var defaultDrawBuffer: UInt32 {
    mutating get { surface.drawBuffers?.first ?? initialBuffer(surface.draw) }
  }
  var defaultReadBuffer: UInt32 {
    mutating get { surface.readBuffer ?? initialBuffer(surface.read) }
  }

  private mutating func initialBuffer(_ drawable: Drawable?) -> UInt32 {
    drawable?.isDoubleBuffered != false || properties.isES ? GL.BACK : GL.FRONT
  }

  // MARK: Reads

  /// Before a command that reads pixels of the read framebuffer (glReadPixels, glCopyTexImage2D and
  /// their like): an object may not be read while it is multisampled, a window may. Pairs with
  /// `endRead`.
  mutating func beginRead(depth: Bool) {
    guard readsDefault, let functions, let driver, let drawable = surface.read,
      drawable.request.samples > 0, var object = surface.objects[drawable.id]
    else { return }
    saveErrors()
    beginQuiet()
    defer { endQuiet() }
    let isFront =
      drawable.isDoubleBuffered && !object.front.isNone
      && buffers(surface.readBuffer ?? GL.BACK, of: drawable).first
        == GL.COLOR_ATTACHMENT0 + 1
    let pictures = drawable.resolved(
      front: isFront, depth: depth, from: driver.handle, finishing: functions.finish)
    let target =
      properties.hasOneFramebufferTarget ? GL.FRAMEBUFFER : GL.READ_FRAMEBUFFER
    if surface.flip == .otherContext {
      object.resolveName = driver.workbench.prepareFramebuffer(
        object.resolveName, pictures, from: driver.handle,
        finishing: functions.finish)
      functions.bindFramebuffer(target, object.resolveName)
    } else {
      if object.resolveName == 0 { functions.genFramebuffers(1, &object.resolveName) }
      functions.bindFramebuffer(target, object.resolveName)
      functions.attach(target, GL.COLOR_ATTACHMENT0, pictures.color)
      functions.attach(target, GL.DEPTH_ATTACHMENT, pictures.depth)
      functions.attach(target, GL.STENCIL_ATTACHMENT, pictures.stencil)
      functions.setFlip(surface.flip, target, true)
    }
    surface.objects[drawable.id] = object
    functions.drainErrors()
  }

  /// Behind what `beginRead` stood in front of.
  mutating func endRead() {
    guard readsDefault, let read = surface.read, read.request.samples > 0 else { return }
    bindDefault()
  }

  // MARK: Errors

  /// Takes what the driver holds, so that errors of this room's own can be told from it.
  /// Whether it held any.
  @discardableResult
  mutating func saveErrors() -> Bool {
    guard let functions else { return false }
    beginQuiet()
    defer { endQuiet() }
    for count in 0..<16 {
      let error = functions.getError()
      if error == 0 { return count > 0 }
      if !surface.savedErrors.contains(error) { surface.savedErrors.append(error) }
    }
    return true
  }

  /// An error that the driver would have with a window of its own.
  mutating func raise(_ error: UInt32) {
    keepError(error)
    noteError(error)
  }

  /// The same without a message of it.
  mutating func keepError(_ error: UInt32) {
    saveErrors()
    if surface.savedErrors.isEmpty { surface.savedErrors.append(error) }
  }

  /// glGetError.
  mutating func takeError() -> UInt32 {
    if !surface.savedErrors.isEmpty { return surface.savedErrors.removeFirst() }
    return functions?.getError() ?? 0
  }

  /// The first error since the last question; there is none afterwards.
  mutating func takeAllErrors() -> UInt32 {
    let first = takeError()
    surface.savedErrors = []
    if first != 0 { functions?.drainErrors() }
    return first
  }
}

extension Workbench {
  /// A framebuffer object made here.
  fileprivate func makeFramebuffer(from context: UnsafeMutableRawPointer?) -> UInt32 {
    use(from: context, finishing: nil) {
      var name: UInt32 = 0
      gl.genFramebuffers(1, &name)
      gl.bindFramebuffer(GL.FRAMEBUFFER, name)
      gl.bindFramebuffer(GL.FRAMEBUFFER, 0)
      return name
    } ?? 0
  }

  fileprivate func discardFramebuffer(_ name: UInt32, from context: UnsafeMutableRawPointer?) {
    guard name != 0 else { return }
    _ = use(from: context, finishing: nil) {
      var name = name
      gl.deleteFramebuffers(1, &name)
    }
  }

  /// A turned framebuffer object for a context that cannot turn one itself.
  fileprivate func prepareFramebuffer(
    _ known: UInt32, _ what: Attachments, from context: UnsafeMutableRawPointer?,
    finishing finish: @escaping @convention(c) () -> Void
  ) -> UInt32 {
    use(from: context, finishing: finish) {
      var name = known
      if name == 0 { gl.genFramebuffers(1, &name) }
      gl.bindFramebuffer(GL.FRAMEBUFFER, name)
      gl.attach(GL.FRAMEBUFFER, GL.COLOR_ATTACHMENT0, what.color)
      gl.attach(GL.FRAMEBUFFER, GL.DEPTH_ATTACHMENT, what.depth)
      gl.attach(GL.FRAMEBUFFER, GL.STENCIL_ATTACHMENT, what.stencil)
      gl.setFlip(flip, GL.FRAMEBUFFER, true)
      gl.bindFramebuffer(GL.FRAMEBUFFER, 0)
      return name
    } ?? 0
  }
}
