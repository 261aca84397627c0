import CPlatform
internal import Threads

/// What the contexts of one share group of the client have together: the names of their objects. The
/// driver knows no such groups, all contexts of a session share there; the names keep them apart.
final class ShareGroup: @unchecked Sendable {
  /// Tables of the kinds that are shared.
  let tables: [NameTable] = NameKind.allCases.filter { $0.isShared }.map { _ in NameTable() }
  /// What is added to a client's display list for the driver's.
  let listBase: UInt32
  let share: DriverShare

  private let lock = Lock()
  private var syncs: [UInt64: UnsafeMutableRawPointer] = [:]
  private var contextCount = 0

  init(number: UInt32, share: DriverShare) {
    // 16 Mi lists each; the first group has the client's own numbers.
    listBase = number &<< 24
    self.share = share
  }

  func join() { lock.withLock { contextCount += 1 } }

  /// True when it was the last context.
  func leave() -> Bool {
    lock.withLock {
      contextCount -= 1
      return contextCount == 0
    }
  }

  func sync(_ id: UInt64) -> UnsafeMutableRawPointer? { lock.withLock { syncs[id] } }

  func insertSync(_ id: UInt64, _ sync: UnsafeMutableRawPointer) {
    lock.withLock { syncs[id] = sync }
  }

  func removeSync(_ id: UInt64) -> UnsafeMutableRawPointer? {
    lock.withLock { syncs.removeValue(forKey: id) }
  }

  /// Deletes every object of the group; a context of it is current.
  func deleteObjects(_ gl: GLFunctions) {
    func delete(_ kind: NameKind, _ function: GLFunctions.Delete?) {
      let names = tables[Int(kind.rawValue)].all()
      if let function, !names.isEmpty { function(Int32(clamping: names.count), names) }
    }
    delete(.texture, gl.deleteTextures)
    delete(.buffer, gl.deleteBuffers)
    delete(.renderbuffer, gl.deleteRenderbuffers)
    delete(.sampler, gl.deleteSamplers)
    delete(.arbProgram, gl.deleteProgramsARB)
    for name in tables[Int(NameKind.program.rawValue)].all() {
      if gl.isProgram?(name) == 1 { gl.deleteProgram?(name) } else { gl.deleteShader?(name) }
    }
    let all = lock.withLock { () -> [UnsafeMutableRawPointer] in
      defer { syncs = [:] }
      return Array(syncs.values)
    }
    for sync in all { gl.deleteSync?(sync) }
  }
}

/// Contexts of the driver that share with each other: a root, which is never current, and a
/// workbench. All of a session's do, but for those that the driver keeps apart.
final class DriverShare: @unchecked Sendable {
  let egl: EGLDriver
  let root: UnsafeMutableRawPointer
  let workbench: Workbench

  init(
    _ egl: EGLDriver, isES: Bool, resetStrategy: UInt32
  ) throws(GLUnavailable) {
    var attributes = ContextAttributes()
    attributes.isES = isES
    attributes.resetStrategy = resetStrategy
    if isES { attributes.major = 3 }
    var error = EGL.success
    let made =
      egl.makeContext(attributes, share: nil, error: &error)
      ?? DriverShare.simplest(egl, attributes, &error)
    guard let made else {
      throw GLUnavailable(
        message: "\(egl.description) makes no context: \(EGL.name(error))")
    }
    self.egl = egl
    root = made
    workbench = try Workbench(egl, root: made, isES: isES, resetStrategy: resetStrategy)
  }

  deinit { _ = egl.egl.destroyContext(egl.display, root) }

  private static func simplest(
    _ egl: EGLDriver, _ attributes: ContextAttributes, _ error: inout Int32
  ) -> UnsafeMutableRawPointer? {
    var simple = attributes
    simple.major = simple.isES ? 2 : 0
    return egl.makeContext(simple, share: nil, error: &error)
  }
}

/// A driver's context that is current on a channel's thread.
struct DriverContext {
  let id: UInt64
  let egl: EGLDriver
  let handle: UnsafeMutableRawPointer
  let workbench: Workbench
}
