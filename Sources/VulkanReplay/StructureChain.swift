import CVulkan

/// The structures of a pNext chain that was decoded, in order. A client may have put one type into it
/// twice: what must hold whichever of them the driver takes is to be done for each.
struct StructureChain: Sequence, IteratorProtocol {
  private var following: UnsafeMutableRawPointer?

  /// The chain that begins with what a structure's pNext points to. Its structures are the decoder's
  /// own, so they may be changed.
  init(_ next: UnsafeRawPointer?) { following = UnsafeMutableRawPointer(mutating: next) }

  mutating func next() -> Entry? {
    guard let start = following else { return nil }
    let header = start.assumingMemoryBound(to: VkBaseOutStructure.self).pointee
    following = UnsafeMutableRawPointer(header.pNext)
    return Entry(type: header.sType, start: start)
  }

  /// One structure of a chain.
  struct Entry {
    let type: VkStructureType
    fileprivate let start: UnsafeMutableRawPointer

    /// The structure, when `type` says that it is one of these; nil otherwise.
    func structure<Structure>(
      _ type: VkStructureType, as: Structure.Type
    ) -> UnsafeMutablePointer<Structure>? {
      self.type == type ? start.assumingMemoryBound(to: Structure.self) : nil
    }
  }
}

/// The first structure of a type in a chain; nil when there is none.
func chained<Structure>(
  _ type: VkStructureType, in chain: UnsafeRawPointer?, as structure: Structure.Type
) -> UnsafeMutablePointer<Structure>? {
  for entry in StructureChain(chain) {
    if let found = entry.structure(type, as: structure) { return found }
  }
  return nil
}
