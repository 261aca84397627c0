internal import CPlatform
internal import Glibc

/// Where a node listens: `HOST:PORT`, `[IPv6]:PORT`, or `unix:PATH`.
public enum Address: Equatable, Sendable, CustomStringConvertible {
  case tcp(host: String, port: UInt16)
  case unix(path: String)

  /// Reads the text form. Fails with a sentence that says what was expected.
  public init(_ text: String) throws(LinkError) {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst(5))
      guard !path.isEmpty, path.utf8.count < 108 else {
        throw LinkError(
          .address, "address '\(text)': a socket path has 1 to 107 bytes; use unix:/PATH")
      }
      self = .unix(path: path)
      return
    }
    guard let colon = text.lastIndex(of: ":"),
      let port = UInt16(text[text.index(after: colon)...])
    else {
      throw LinkError(
        .address,
        "address '\(text)': the port is missing; use HOST:PORT, [IPv6]:PORT or unix:PATH")
    }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
    } else if host.contains(":") {
      throw LinkError(.address, "address '\(text)': put an IPv6 address in brackets, [::1]:4700")
    }
    guard !host.isEmpty, host.utf8.count < 256 else {
      throw LinkError(.address, "address '\(text)': the host is missing; use HOST:PORT")
    }
    self = .tcp(host: host, port: port)
  }

  public var description: String {
    switch self {
    case .unix(let path): return "unix:\(path)"
    case .tcp(let host, let port):
      return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
  }

  /// True when nothing that is sent there leaves this host: a unix socket, or a name all of whose
  /// addresses are loopback.
  public var isLocal: Bool {
    guard case .tcp = self else { return true }
    guard let all = try? resolve(passive: false), !all.isEmpty else { return false }
    return all.allSatisfy(\.isLoopback)
  }
}

// MARK: Sockets

/// One resolved socket address.
struct SocketAddress {
  var storage = sockaddr_storage()
  var length: socklen_t = 0

  var family: Int32 { Int32(storage.ss_family) }

  var isLoopback: Bool {
    withUnsafeBytes(of: storage) { bytes -> Bool in
      if family == AF_INET {
        // sockaddr_in: family, port, then the address in network order.
        return bytes[4] == 127
      }
      if family == AF_INET6 {
        let address = bytes[8..<24]
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127]
        return address.elementsEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
          || address.prefix(13).elementsEqual(mapped)
      }
      return false
    }
  }

  /// As numbers; nil for an address that is of no IP.
  var numeric: Address? {
    var own = self
    var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    var port = [CChar](repeating: 0, count: 32)
    let result = own.withPointer {
      getnameinfo(
        $0, length, &host, socklen_t(host.count), &port, socklen_t(port.count),
        NI_NUMERICHOST | NI_NUMERICSERV)
    }
    let text = { (bytes: [CChar]) -> String in
      String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    guard result == 0, let number = UInt16(text(port)) else { return nil }
    return .tcp(host: text(host), port: number)
  }

  mutating func withPointer<R>(_ body: (UnsafeMutablePointer<sockaddr>) -> R) -> R {
    withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
    }
  }
}

extension Address {
  func resolve(passive: Bool) throws(LinkError) -> [SocketAddress] {
    guard case .tcp(let host, let port) = self else { return [] }
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)
    var list: UnsafeMutablePointer<addrinfo>?
    let result = getaddrinfo(host, String(port), &hints, &list)
    guard result == 0 else {
      throw LinkError(
        .address,
        "cannot resolve '\(host)': \(String(cString: gai_strerror(result))); "
          + "check the spelling or give an IP address")
    }
    defer { freeaddrinfo(list) }
    var found: [SocketAddress] = []
    var next = list
    while let info = next {
      let length = Int(info.pointee.ai_addrlen)
      if let address = info.pointee.ai_addr, length <= MemoryLayout<sockaddr_storage>.size {
        var one = SocketAddress()
        one.length = info.pointee.ai_addrlen
        withUnsafeMutableBytes(of: &one.storage) {
          $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: length))
        }
        found.append(one)
      }
      next = info.pointee.ai_next
    }
    return found
  }

  private func unreachable(_ code: Int32) -> LinkError {
    LinkError(
      .system,
      "cannot connect to \(self): \(LinkError.text(code)); "
        + "check the address, and that `omega node` runs there")
  }

  /// A connected stream socket, blocking and close-on-exec. Tries each address of a name in turn
  /// until `deadline` (CLOCK_MONOTONIC, nanoseconds).
  public func connectSocket(deadline: UInt64) throws(LinkError) -> Int32 {
    if case .unix(let path) = self {
      let descriptor = platform_unix_connect(path)
      guard descriptor >= 0 else {
        throw unreachable(-descriptor)
      }
      return descriptor
    }
    var failure: Int32 = ECONNREFUSED
    for var address in try resolve(passive: false) {
      let descriptor = socket(
        address.family,
        Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue),
        0)
      guard descriptor >= 0 else {
        failure = errno
        continue
      }
      let length = address.length
      var code = address.withPointer { connect(descriptor, $0, length) == 0 ? 0 : errno }
      if code == EINPROGRESS {
        code = ETIMEDOUT
        while remainingMilliseconds(until: deadline) > 0 {
          guard
            platform_poll(descriptor, Int32(POLLOUT), remainingMilliseconds(until: deadline)) != 0
          else { continue }
          var size = socklen_t(MemoryLayout<Int32>.size)
          if getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) != 0 { code = errno }
          break
        }
      }
      if code == 0 {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
        setTCPOptions(descriptor)
        return descriptor
      }
      failure = code
      _ = platform_close(descriptor)
    }
    throw unreachable(failure)
  }
}

/// Sends at once, and notices a peer that has vanished within about half a minute.
func setTCPOptions(_ descriptor: Int32) {
  func set(_ level: Int32, _ name: Int32, _ value: Int32) {
    var value = value
    _ = setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
  }
  set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
  set(SOL_SOCKET, SO_KEEPALIVE, 1)
  set(Int32(IPPROTO_TCP), TCP_KEEPIDLE, 10)
  set(Int32(IPPROTO_TCP), TCP_KEEPINTVL, 5)
  set(Int32(IPPROTO_TCP), TCP_KEEPCNT, 4)
  set(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 30_000)
}

/// Milliseconds until a CLOCK_MONOTONIC time, rounded up; 0 when it has passed.
func remainingMilliseconds(until deadline: UInt64) -> Int32 {
  let now = platform_now()
  guard deadline > now else { return 0 }
  return Int32(clamping: (deadline &- now) / 1_000_000 &+ 1)
}
