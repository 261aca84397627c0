import Agent

/// `--datagram-ports`: where a node's datagrams leave from, for those between which and it a firewall lets some
/// ports through.
enum DatagramPorts {
  static let flag = "--datagram-ports"

  /// 0 alone: any port that is free.
  static func read(_ arguments: Arguments) throws(Failure) -> ClosedRange<UInt16> {
    guard let text = arguments[flag] else { return 0...0 }
    let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
    guard (1...2).contains(parts.count), let first = parts[0], let last = parts[parts.count - 1],
      first > 0, first <= last
    else {
      throw Failure("\(flag) '\(text)': give a port or a range of them, 4800-4863")
    }
    return first...last
  }
}
