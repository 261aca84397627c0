import CPlatform

/// Where each of `glEntryNames` begins; made at the first look-up, and by every thread that is first.
nonisolated(unsafe) private var nameOffsets: UnsafeMutablePointer<UInt32>? = nil

private func makeNameOffsets() -> UnsafeMutablePointer<UInt32>? {
  guard let raw = platform_malloc(glEntryCount &* 4) else { return nil }
  let offsets = raw.bindMemory(to: UInt32.self, capacity: glEntryCount)
  let names = glEntryNames.utf8Start
  var offset = 0
  var index = 0
  while index < glEntryCount {
    offsets[index] = UInt32(offset)
    while names[offset] != 0 { offset &+= 1 }
    offset &+= 1
    index &+= 1
  }
  return offsets
}

/// The address of an OpenGL entry point; nil for a name that is none of ours.
func entryPoint(named name: UnsafePointer<CChar>) -> UnsafeMutableRawPointer? {
  if nameOffsets == nil { nameOffsets = makeNameOffsets() }
  guard let offsets = nameOffsets else { return nil }
  let names = UnsafeRawPointer(glEntryNames.utf8Start).assumingMemoryBound(to: CChar.self)
  var (low, high) = (0, glEntryCount)
  while low < high {
    let middle = (low &+ high) / 2
    let order = platform_string_compare(names + Int(offsets[middle]), name)
    if order == 0 { return glEntryPoint(middle) }
    if order < 0 { low = middle &+ 1 } else { high = middle }
  }
  return nil
}
