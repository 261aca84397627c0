/// Who may hold a page: the application, or one of the nodes that draw for it.
public struct Holder: Equatable, Sendable {
  /// 0: the application; node k is k + 1.
  let index: UInt8

  public static let client = Holder(index: 0)

  /// One of up to 31 nodes, from 0.
  public static func node(_ k: Int) -> Holder { Holder(index: UInt8(truncatingIfNeeded: k &+ 1)) }

  var bit: UInt32 { 1 << UInt32(index) }
}

/// What a holder has of a page. The usual four, with the agent as their home.
public enum PageState: UInt8, Sendable {
  /// It has written what the others do not have yet.
  case modified
  /// It alone has the page as it is.
  case exclusive
  /// It has the page as it is, and so have others.
  case shared
  /// Others have written to the page since it was brought up to date.
  case invalid
}

/// The states of an allocation's pages for all who hold it.
///
/// Kept as what they follow from: for each page who has the newest contents, and whether they were
/// written and not passed on yet. Two invariants cannot be broken, then: where somebody's page is
/// modified everybody else's is invalid, and somebody always has the page.
///
/// A page is no unit of exclusion here. Application and GPU may write different bytes of one page at
/// the same time, so nobody is ever asked to give a page up: the directory says who has to be told
/// what, and `SharedPages` tells it byte by byte. Thread-safety: none.
public struct PageDirectory {
  private struct Entry {
    /// Bit by holder: who has the newest contents. Never 0.
    var current: UInt32
    /// The only one that has them wrote them and has not passed them on.
    var isModified: Bool
  }

  public let pageCount: Int
  public let nodeCount: Int
  private var entries: [Entry]
  private let everybody: UInt32

  public static var largestNodeCount: Int { 31 }

  /// Everybody has every page. Nil when there are too many nodes.
  public init?(pageCount: Int, nodeCount: Int) {
    guard pageCount >= 0, nodeCount >= 0, nodeCount <= PageDirectory.largestNodeCount else {
      return nil
    }
    self.pageCount = pageCount
    self.nodeCount = nodeCount
    everybody = UInt32(truncatingIfNeeded: (UInt64(1) << UInt64(nodeCount &+ 1)) &- 1)
    entries = [Entry](repeating: Entry(current: everybody, isModified: false), count: pageCount)
  }

  /// `.invalid` for a page or a holder that there is not.
  public func state(of page: Int, for holder: Holder) -> PageState {
    guard entries.indices.contains(page), entries[page].current & holder.bit != 0 else {
      return .invalid
    }
    let entry = entries[page]
    if entry.current != holder.bit { return .shared }
    return entry.isModified ? .modified : .exclusive
  }

  /// Notes that a holder has written to a page: it has the newest contents, and nobody else.
  public mutating func wrote(_ page: Int, _ holder: Holder) {
    guard entries.indices.contains(page), holder.bit & everybody != 0 else { return }
    entries[page] = Entry(current: holder.bit, isModified: true)
  }

  /// Notes that a holder was brought up to date.
  public mutating func received(_ page: Int, _ holder: Holder) {
    guard entries.indices.contains(page), holder.bit & everybody != 0 else { return }
    if entries[page].current != holder.bit { entries[page].isModified = false }
    entries[page].current |= holder.bit
  }

  /// Notes that the home has taken over what the writer had: the page could be lost without loss.
  public mutating func writtenBack(_ page: Int) {
    guard entries.indices.contains(page) else { return }
    entries[page].isModified = false
  }

  /// Whether a holder lacks what others have written.
  func isBehind(_ page: Int, _ holder: Holder) -> Bool { entries[page].current & holder.bit == 0 }
}
