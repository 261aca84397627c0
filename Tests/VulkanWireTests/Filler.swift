import CVulkan
import VulkanWire
import Wire

/// SplitMix64: the same numbers every time.
struct Numbers {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z: UInt64 = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func below(_ n: Int) -> Int { Int(next() % UInt64(n)) }
}

/// Makes structures with random contents by their descriptions. Everything lies in memory that is
/// given back with the filler; every handle is in `handles`.
final class Filler {
  var numbers: Numbers
  let descriptions = Descriptions.shared
  let handles: UnsafeMutablePointer<HandleTable>
  private var blocks: [UnsafeMutableRawPointer] = []
  private var nextIndex: UInt32 = 1
  private var depth = 0
  /// The count that arrays get; nil for a random one.
  var arrayCount: Int?

  init(seed: UInt64) {
    numbers = Numbers(seed)
    handles = .allocate(capacity: 1)
    handles.initialize(to: HandleTable(indexLimit: 1 << 20))
  }

  deinit {
    handles.pointee.free()
    handles.deallocate()
    for block in blocks { block.deallocate() }
  }

  func room(_ size: Int) -> UnsafeMutableRawPointer {
    let block = UnsafeMutableRawPointer.allocate(byteCount: max(size, 16), alignment: 16)
    block.initializeMemory(as: UInt8.self, repeating: 0, count: max(size, 16))
    blocks.append(block)
    return block
  }

  // MARK: Elements

  func size(_ element: Element) -> Int {
    switch element {
    case .scalar(let size): size
    case .enumerant: 4
    case .handle, .string: 8
    case .structure(let name): descriptions.structures[name]!.size
    }
  }

  func handle(_ kind: UInt8, dispatchable: Bool) -> UInt64 {
    let id = HandleID.make(
      generation: UInt32(numbers.below(1 << 24)), kind: HandleKind(rawValue: kind),
      index: nextIndex)
    nextIndex += 1
    var value = id
    if dispatchable {
      let object = room(16)
      object.put64(id, 8)
      value = UInt64(UInt(bitPattern: object))
    }
    _ = handles.pointee.insert(id, value)
    return value
  }

  /// An id that no table knows yet.
  func newID(_ kind: UInt8) -> UInt64 {
    nextIndex += 1
    return HandleID.make(
      generation: 0, kind: HandleKind(rawValue: kind), index: nextIndex - 1)
  }

  func string() -> UnsafeMutableRawPointer {
    let length = numbers.below(9)
    let text = room(length + 1)
    for i in 0..<length {
      text.storeBytes(of: UInt8(97 + numbers.below(26)), toByteOffset: i, as: UInt8.self)
    }
    return text
  }

  func fill(_ element: Element, _ p: UnsafeMutableRawPointer) {
    switch element {
    case .scalar(let size):
      for i in 0..<size {
        p.storeBytes(of: UInt8(truncatingIfNeeded: numbers.next()), toByteOffset: i, as: UInt8.self)
      }
    case .enumerant(let name):
      let values = descriptions.enumerants[name]!
      p.put32(values[numbers.below(values.count)], 0)
    case .handle(let kind, let dispatchable, let nullable):
      p.put64(nullable && numbers.below(4) == 0 ? 0 : handle(kind, dispatchable: dispatchable), 0)
    case .structure(let name):
      fill(structure: descriptions.structures[name]!, p)
    case .string:
      p.putPointer(string(), 0)
    }
  }

  // MARK: Structures

  func fill(structure s: StructureDescription, _ p: UnsafeMutableRawPointer) {
    depth += 1
    defer { depth -= 1 }
    if let sType = s.sType {
      p.put32(sType, 0)
      var last = p
      for name in s.extensions where numbers.below(s.extensions.count + 2) < 2 && depth < 4 {
        let e = descriptions.structures[name]!
        let entry = room(e.size)
        fill(body: e, entry)
        entry.put32(e.sType!, 0)
        last.putPointer(entry, 8)
        last = entry
      }
    }
    fill(body: s, p)
  }

  /// Fills everything but sType and pNext.
  func fill(body s: StructureDescription, _ p: UnsafeMutableRawPointer) {
    switch s.name {
    case "VkWriteDescriptorSet": return fillWrite(p)
    case "VkDebugUtilsObjectNameInfoEXT", "VkDebugUtilsObjectTagInfoEXT",
      "VkDebugMarkerObjectNameInfoEXT", "VkDebugMarkerObjectTagInfoEXT":
      fillMembers(s, p)
      // VK_OBJECT_TYPE_BUFFER: the same number in both enumerations.
      p.put32(9, 16)
      p.put64(handle(HandleKind.buffer.rawValue, dispatchable: false), 24)
    default: fillMembers(s, p)
    }
  }

  private func fillMembers(_ s: StructureDescription, _ p: UnsafeMutableRawPointer) {
    // Scalars first: counts are written over them.
    for member in s.members {
      if case .value(let element, let count) = member.kind {
        let stride = size(element)
        for i in 0..<count { fill(element, p + member.offset + i * stride) }
      }
      if case .tagged(let selector, let choices) = member.kind {
        let choice = choices[numbers.below(choices.count)]
        let at = s.members.first { $0.name == selector }!.offset
        p.put32(choice.value, at)
        fill(structure: descriptions.structures[choice.structure]!, p + member.offset)
      }
      if case .count(let size) = member.kind {
        let cell = room(8)
        let value = UInt64(chooseCount())
        if size == 8 { cell.put64(value, 0) } else { cell.put32(UInt32(value), 0) }
        p.putPointer(cell, member.offset)
      }
      if case .id(let kind) = member.kind { p.put64(newID(kind), member.offset) }
    }
    var chosen: [String: Int] = [:]
    for member in s.members {
      let spec: Count
      switch member.kind {
      case .pointer(_, let count), .pointers(_, let count), .ids(_, let count),
        .output(_, let count):
        spec = count
      default: continue
      }
      let count = choose(spec, s, p, &chosen)
      switch member.kind {
      case .pointer(let element, _):
        if member.isOptional && numbers.below(3) == 0 { continue }
        if case .string = element, case .one = spec {
          p.putPointer(string(), member.offset)
          continue
        }
        guard count > 0 else { continue }
        let stride = size(element)
        let list = room(count * stride)
        for i in 0..<count { fill(element, list + i * stride) }
        p.putPointer(list, member.offset)
      case .pointers(let element, _):
        // Where the elements may be in one of two lists, they are in one.
        let twin = s.members.first { $0.name == member.name.dropFirst() }
        let isSpare = twin.map { p.load(fromByteOffset: $0.offset, as: UInt.self) != 0 } ?? true
        if member.isOptional && isSpare && numbers.below(3) == 0 || count == 0 { continue }
        let list = room(count * 8)
        for i in 0..<count {
          let one = room(size(element))
          fill(element, one)
          list.putPointer(one, i * 8)
        }
        p.putPointer(list, member.offset)
      case .ids(let kind, _):
        let list = room(count * 8)
        for i in 0..<count { list.put64(newID(kind), i * 8) }
        p.putPointer(list, member.offset)
      case .output(let element, _):
        if case .behind = spec, numbers.below(3) == 0 { continue }
        let stride = size(element)
        let list = room(count * stride)
        if case .structure(let name) = element {
          for i in 0..<count { shape(descriptions.structures[name]!, list + i * stride) }
        }
        p.putPointer(list, member.offset)
      default: break
      }
    }
  }

  /// A zeroed structure whose chain asks for some of what may extend it.
  private func shape(_ s: StructureDescription, _ p: UnsafeMutableRawPointer) {
    guard let sType = s.sType else { return }
    p.put32(sType, 0)
    var last = p
    for name in s.extensions where numbers.below(s.extensions.count + 2) < 2 {
      let e = descriptions.structures[name]!
      let entry = room(e.size)
      entry.put32(e.sType!, 0)
      last.putPointer(entry, 8)
      last = entry
    }
  }

  /// Fills what a driver would: the structures of a shape, without touching sType and pNext.
  func fillOutput(_ element: Element, _ p: UnsafeMutableRawPointer) {
    guard case .structure(let name) = element else { return fill(element, p) }
    let s = descriptions.structures[name]!
    fillMembers(s, p)
    guard s.sType != nil else { return }
    var entry = p.load(fromByteOffset: 8, as: UnsafeMutableRawPointer?.self)
    while let e = entry {
      let sType = UnsafeRawPointer(e).get32(0)
      fillMembers(descriptions.structures.values.first { $0.sType == sType }!, e)
      entry = e.load(fromByteOffset: 8, as: UnsafeMutableRawPointer?.self)
    }
  }

  func chooseCount() -> Int { arrayCount ?? numbers.below(4) }

  private func choose(
    _ count: Count, _ s: StructureDescription, _ p: UnsafeMutableRawPointer,
    _ chosen: inout [String: Int]
  ) -> Int {
    func member(_ name: String) -> MemberDescription { s.members.first { $0.name == name }! }
    func put(_ value: Int, _ name: String) {
      let m = member(name)
      guard case .value(let element, _) = m.kind else { return }
      if size(element) == 8 {
        p.put64(UInt64(value), m.offset)
      } else {
        p.put32(UInt32(value), m.offset)
      }
    }
    switch count {
    case .one: return 1
    case .fixed(let n): return n
    case .sibling(let name), .quarter(let name):
      if let n = chosen[name] { return n }
      let n = depth > 3 ? min(chooseCount(), 1) : chooseCount()
      chosen[name] = n
      if case .quarter = count { put(n * 4, name) } else { put(n, name) }
      return n
    case .mask(let name):
      let samples = [1, 2, 4, 32, 64][numbers.below(5)]
      put(samples, name)
      return (samples + 31) / 32
    case .behind(let name):
      return countBehind(member(name), p)
    case .path(let name, let inner):
      let m = member(name)
      guard case .pointer(.structure(let type), _) = m.kind,
        let target = p.load(fromByteOffset: m.offset, as: UnsafeMutableRawPointer?.self)
      else { return 0 }
      let at = descriptions.structures[type]!.members.first { $0.name == inner }!.offset
      // A count that bounds no array of its own structure was filled with anything.
      if UnsafeRawPointer(target).get32(at) > 3 { target.put32(UInt32(chooseCount()), at) }
      return Int(UnsafeRawPointer(target).get32(at))
    }
  }

  func countBehind(_ m: MemberDescription, _ p: UnsafeRawPointer) -> Int {
    guard case .count(let size) = m.kind,
      let cell = p.load(fromByteOffset: m.offset, as: UnsafeRawPointer?.self)
    else { return 0 }
    return size == 8 ? Int(cell.get64(0)) : Int(cell.get32(0))
  }

  /// One of the forms of a descriptor write, with garbage where Vulkan ignores a member.
  private func fillWrite(_ p: UnsafeMutableRawPointer) {
    let type = UInt32([0, 1, 2, 3, 4, 6, 7, 10][numbers.below(8)])
    let count = chooseCount()
    p.put64(handle(HandleKind.descriptorSet.rawValue, dispatchable: false), 16)
    p.put32(UInt32(numbers.below(100)), 24)
    p.put32(UInt32(numbers.below(100)), 28)
    p.put32(UInt32(count), 32)
    p.put32(type, 36)
    let garbage = UnsafeMutableRawPointer(bitPattern: 0xDEAD_0000)
    p.putPointer(garbage, 40)
    p.putPointer(garbage, 48)
    p.putPointer(garbage, 56)
    guard count > 0 else { return }
    let list = room(count * 24)
    for i in 0..<count {
      let e = list + i * 24
      switch type {
      case 4, 5:
        list.put64(handle(HandleKind.bufferView.rawValue, dispatchable: false), i * 8)
      case 6, 7, 8, 9:
        e.put64(handle(HandleKind.buffer.rawValue, dispatchable: false), 0)
        e.put64(numbers.next(), 8)
        e.put64(numbers.next(), 16)
      default:
        let usesSampler = type <= 1
        e.put64(
          usesSampler ? handle(HandleKind.sampler.rawValue, dispatchable: false) : 0xDEAD, 0)
        e.put64(
          type != 0 ? handle(HandleKind.imageView.rawValue, dispatchable: false) : 0xDEAD, 8)
        e.put32(type != 0 ? UInt32(numbers.below(9)) : 0xDEAD, 16)
      }
    }
    p.putPointer(list, type == 4 || type == 5 ? 56 : type >= 6 && type <= 9 ? 48 : 40)
  }
}
