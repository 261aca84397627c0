internal import CPlatform
internal import Glibc

/// Datagrams that lie behind each other in memory, to be sent together.
public struct DatagramBatch: ~Copyable {
  /// Datagrams that one call of the kernel takes.
  public static let capacity = 64

  private let bytes: UnsafeMutableRawBufferPointer
  private var sizes = [UInt32](repeating: 0, count: capacity)
  public private(set) var count = 0
  private var used = 0
  private let largest: Int

  /// For datagrams of at most `largest` bytes.
  public init(largest: Int) {
    self.largest = max(largest, 1)
    bytes = .allocate(byteCount: self.largest * DatagramBatch.capacity, alignment: 64)
  }

  deinit { bytes.deallocate() }

  public var isFull: Bool { count == DatagramBatch.capacity }
  public var isEmpty: Bool { count == 0 }

  /// Adds the datagram that `write` fills in: its bytes, or 0 for none. Nothing is added to a full batch.
  public mutating func add(_ write: (UnsafeMutableRawBufferPointer) -> Int) {
    guard !isFull else { return }
    let room = UnsafeMutableRawBufferPointer(rebasing: bytes[used..<used + largest])
    let size = write(room)
    guard (1...largest).contains(size) else { return }
    sizes[count] = UInt32(size)
    count += 1
    used += size
  }

  fileprivate func withContents<R>(
    _ body: (UnsafePointer<UInt8>, UnsafePointer<UInt32>, UInt32) -> R
  ) -> R? {
    guard let start = bytes.baseAddress, count > 0 else { return nil }
    return sizes.withUnsafeBufferPointer { sizes in
      guard let first = sizes.baseAddress else { return nil }
      return body(UnsafeRawPointer(start).assumingMemoryBound(to: UInt8.self), first, UInt32(count))
    }
  }

  /// Takes the first `sent` datagrams away.
  fileprivate mutating func remove(_ sent: Int) {
    let sent = min(max(sent, 0), count)
    let gone = sizes[..<sent].reduce(0) { $0 + Int($1) }
    if sent < count, let start = bytes.baseAddress {
      platform_move(start, start + gone, used - gone)
      for i in sent..<count { sizes[i - sent] = sizes[i] }
    }
    count -= sent
    used -= gone
  }

  public mutating func removeAll() {
    count = 0
    used = 0
  }
}

/// A UDP socket that never waits and takes many datagrams a call.
///
/// It has one peer at a time: whom it was told to send to, or who has last sent what was authentic
/// (`answer`), so that a peer whose address changes is not lost. One thread at a time sends, one
/// receives.
public final class DatagramSocket {
  /// For `poll`.
  public let descriptor: Int32
  /// Where it is bound: the port that the kernel chose, if none was wanted.
  public let port: UInt16

  private var peer: SocketAddress?
  /// Whether the kernel takes neighbours as one; false once it has refused.
  private var isSegmenting = true
  /// Datagrams that the kernel would not take: no route, no buffers.
  public private(set) var refusedCount = 0

  private let largest: Int
  private let room: UnsafeMutableRawPointer
  private var sizes = [UInt32](repeating: 0, count: DatagramBatch.capacity)
  private var senders = [sockaddr_storage](
    repeating: sockaddr_storage(), count: DatagramBatch.capacity)
  private var senderLengths = [socklen_t](repeating: 0, count: DatagramBatch.capacity)

  /// Binds to `address`, of which the port may be 0, for datagrams of at most `largest` bytes.
  public init(bound address: Address, largest: Int) throws(LinkError) {
    var failure: Int32 = EADDRNOTAVAIL
    for var one in try address.resolve(passive: true) {
      let descriptor = DatagramSocket.make(one.family)
      guard descriptor >= 0 else {
        failure = errno
        continue
      }
      let length = one.length
      guard one.withPointer({ bind(descriptor, $0, length) }) == 0 else {
        failure = errno
        _ = platform_close(descriptor)
        continue
      }
      self.descriptor = descriptor
      self.largest = max(largest, 1)
      port = Listener.port(of: descriptor)
      room = .allocate(byteCount: self.largest * DatagramBatch.capacity, alignment: 64)
      return
    }
    throw .system("cannot receive datagrams on \(address)", failure)
  }

  /// A socket that sends to `peer`, from any port.
  public init(to peer: Address, largest: Int) throws(LinkError) {
    var failure: Int32 = EADDRNOTAVAIL
    for one in try peer.resolve(passive: false) {
      let descriptor = DatagramSocket.make(one.family)
      guard descriptor >= 0 else {
        failure = errno
        continue
      }
      var own = SocketAddress()
      own.storage.ss_family = sa_family_t(one.family)
      own.length = one.length
      guard own.withPointer({ bind(descriptor, $0, one.length) }) == 0 else {
        failure = errno
        _ = platform_close(descriptor)
        continue
      }
      self.descriptor = descriptor
      self.largest = max(largest, 1)
      self.peer = one
      port = Listener.port(of: descriptor)
      room = .allocate(byteCount: self.largest * DatagramBatch.capacity, alignment: 64)
      return
    }
    throw .system("cannot send datagrams to \(peer)", failure)
  }

  deinit {
    _ = platform_close(descriptor)
    room.deallocate()
  }

  private static func make(_ family: Int32) -> Int32 {
    let kind = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let descriptor = socket(family, kind, 0)
    guard descriptor >= 0 else { return descriptor }
    func set(_ level: Int32, _ name: Int32, _ value: Int32) {
      var value = value
      // Each is a help where it is to be had, and none is needed.
      _ = setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }
    // A frame of 4K at once, both ways.
    set(SOL_SOCKET, SO_RCVBUF, 4 << 20)
    set(SOL_SOCKET, SO_SNDBUF, 4 << 20)
    // Video by RFC 8325: class selector 5, which access points take for their video queue.
    if family == AF_INET6 {
      set(Int32(IPPROTO_IPV6), IPV6_TCLASS, 40 << 2)
    } else {
      set(Int32(IPPROTO_IP), IP_TOS, 40 << 2)
    }
    return descriptor
  }

  // MARK: Sending

  /// Sends what is in the batch and takes it out, as far as the kernel has room now; false when something
  /// is left: then the descriptor is waited for. Datagrams that cannot be sent at all
  /// are counted and dropped, as the network would drop them. Without a peer all are.
  public func send(_ batch: inout DatagramBatch) -> Bool {
    guard var peer else {
      refusedCount += batch.count
      batch.removeAll()
      return true
    }
    let length = peer.length
    while !batch.isEmpty {
      let segments = isSegmenting
      let result =
        peer.withPointer { address in
          batch.withContents {
            platform_send_datagrams(descriptor, $0, $1, $2, address, length, segments)
          }
        } ?? -EINVAL
      if result > 0 {
        batch.remove(Int(result))
        continue
      }
      switch -result {
      case EAGAIN: return false
      case ECONNREFUSED:
        // Told of an earlier datagram; this one has not been tried.
        continue
      default:
        if segments {
          // A kernel, or a device, that does not take neighbours as one.
          isSegmenting = false
        } else {
          refusedCount += 1
          batch.remove(1)
        }
      }
    }
    return true
  }

  // MARK: Receiving

  /// Receives what is there, at most a batch; `use` gets each datagram and says whether it is authentic, so
  /// that its sender is the peer from now on. How many came; when it is a whole batch there may be more.
  public func receive(_ use: (UnsafeRawBufferPointer) -> Bool) -> Int {
    let count = platform_receive_datagrams(
      descriptor, room.assumingMemoryBound(to: UInt8.self), largest, &sizes, &senders,
      &senderLengths, UInt32(DatagramBatch.capacity))
    guard count > 0 else { return 0 }
    for i in 0..<Int(count) where sizes[i] > 0 {
      let datagram = UnsafeRawBufferPointer(start: room + i * largest, count: Int(sizes[i]))
      if use(datagram) {
        var sender = SocketAddress()
        sender.storage = senders[i]
        sender.length = senderLengths[i]
        peer = sender
      }
    }
    return Int(count)
  }

  /// Whether there is somebody to send to.
  public var hasPeer: Bool { peer != nil }
}
