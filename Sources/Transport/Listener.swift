internal import CPlatform
internal import Glibc

/// A listening socket.
public struct Listener: Sendable {
  /// Where it really listens: with port 0, the port that the kernel chose.
  public let address: Address
  public let descriptor: Int32

  /// Listens on `address`. A socket file left by a process that is gone is replaced; one that
  /// answers is an error.
  public init(_ address: Address, backlog: Int32 = 64) throws(LinkError) {
    switch address {
    case .unix(let path):
      self.address = address
      descriptor = try Listener.listenUnix(path, backlog)
    case .tcp(let host, _):
      var failure: Int32 = EADDRNOTAVAIL
      for var one in try address.resolve(passive: true) {
        let descriptor = socket(
          one.family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else {
          failure = errno
          continue
        }
        var yes: Int32 = 1
        _ = setsockopt(
          descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        let length = one.length
        guard one.withPointer({ bind(descriptor, $0, length) }) == 0,
          listen(descriptor, backlog) == 0
        else {
          failure = errno
          _ = platform_close(descriptor)
          continue
        }
        self.descriptor = descriptor
        self.address = .tcp(host: host, port: Listener.port(of: descriptor))
        return
      }
      throw .system("cannot listen on \(address)", failure)
    }
  }

  /// A socket that listens already, on `address`; this process has it from another.
  public init(descriptor: Int32, address: Address) {
    self.descriptor = descriptor
    self.address = address
  }

  /// The next connection, or nil after a passing failure (the peer went away, no descriptors left).
  public func accept() -> Int32? {
    let descriptor = platform_accept(self.descriptor)
    guard descriptor >= 0 else {
      // Without free descriptors the connection stays in the queue: give others time to end.
      if descriptor == -EMFILE || descriptor == -ENFILE { platform_sleep(50_000_000) }
      return nil
    }
    if case .tcp = address { setTCPOptions(descriptor) }
    return descriptor
  }

  /// The next connection and the name of its other end, for messages.
  public func acceptPeer() -> (descriptor: Int32, peer: String)? {
    guard let descriptor = accept() else { return nil }
    guard case .tcp = address else {
      return (descriptor, "process \(platform_peer_pid(descriptor))")
    }
    var peer = SocketAddress()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    guard peer.withPointer({ getpeername(descriptor, $0, &length) }) == 0 else {
      return (descriptor, "a client that is gone")
    }
    peer.length = length
    guard let address = peer.numeric else { return (descriptor, "a client") }
    return (descriptor, address.description)
  }

  /// Stops listening, and removes the socket file.
  public func close() {
    if case .unix(let path) = address { _ = unlink(path) }
    _ = platform_close(descriptor)
  }

  private static func listenUnix(_ path: String, _ backlog: Int32) throws(LinkError) -> Int32 {
    var descriptor = platform_unix_listen(path, backlog)
    if descriptor == -EADDRINUSE {
      let other = platform_unix_connect(path)
      if other >= 0 {
        _ = platform_close(other)
        throw LinkError(
          .system, "cannot listen on unix:\(path): another process listens there; stop it first")
      }
      // Only a socket is ever removed: a path mistyped onto a file must not cost the file.
      var status = stat()
      if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK { _ = unlink(path) }
      descriptor = platform_unix_listen(path, backlog)
    }
    guard descriptor >= 0 else { throw .system("cannot listen on unix:\(path)", -descriptor) }
    return descriptor
  }

  static func port(of descriptor: Int32) -> UInt16 {
    var address = SocketAddress()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    guard address.withPointer({ getsockname(descriptor, $0, &length) }) == 0 else { return 0 }
    // sockaddr_in and sockaddr_in6 have the port at the same place, in network order.
    return withUnsafeBytes(of: address.storage) { UInt16($0[2]) << 8 | UInt16($0[3]) }
  }
}
