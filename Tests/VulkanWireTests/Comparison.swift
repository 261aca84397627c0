import VulkanWire
import Wire

/// Compares structures field by field, by their descriptions.
struct Comparison {
  let descriptions = Descriptions.shared
  let filler: Filler
  /// The first field that differs.
  private(set) var difference: String?

  init(_ filler: Filler) { self.filler = filler }

  private mutating func differ(_ path: String) {
    if difference == nil { difference = path }
  }

  mutating func compare(
    _ element: Element, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ path: String
  ) {
    switch element {
    case .scalar(let size):
      for i in 0..<size
      where a.load(fromByteOffset: i, as: UInt8.self)
        != b.load(fromByteOffset: i, as: UInt8.self)
      {
        return differ(path)
      }
    case .enumerant:
      if a.get32(0) != b.get32(0) { differ(path) }
    case .handle:
      if a.get64(0) != b.get64(0) { differ(path) }
    case .structure(let name):
      compare(structure: descriptions.structures[name]!, a, b, path)
    case .string:
      let x = a.load(as: UnsafePointer<CChar>?.self)
      let y = b.load(as: UnsafePointer<CChar>?.self)
      if x.map({ String(cString: $0) }) != y.map({ String(cString: $0) }) { differ(path) }
    }
  }

  mutating func compare(
    structure s: StructureDescription, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ path: String
  ) {
    if s.sType != nil {
      if a.get32(0) != b.get32(0) { differ("\(path).sType") }
      var x = a.load(fromByteOffset: 8, as: UnsafeRawPointer?.self)
      var y = b.load(fromByteOffset: 8, as: UnsafeRawPointer?.self)
      while let left = x, let right = y {
        if left.get32(0) != right.get32(0) { return differ("\(path).pNext") }
        let sType = left.get32(0)
        let entry = descriptions.structures.values.first { $0.sType == sType }!
        compare(members: entry, left, right, "\(path).\(entry.name)")
        x = left.load(fromByteOffset: 8, as: UnsafeRawPointer?.self)
        y = right.load(fromByteOffset: 8, as: UnsafeRawPointer?.self)
      }
      if (x == nil) != (y == nil) { differ("\(path).pNext") }
    }
    compare(members: s, a, b, path)
  }

  mutating func compare(
    members s: StructureDescription, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ path: String
  ) {
    if s.name == "VkWriteDescriptorSet" { return compareWrites(a, b, path) }
    for member in s.members {
      let field = "\(path).\(member.name)"
      let x = a + member.offset
      let y = b + member.offset
      switch member.kind {
      case .value(let element, let count):
        if member.isConditional && y.get32(0) == 0 { continue }
        let stride = filler.size(element)
        for i in 0..<count { compare(element, x + i * stride, y + i * stride, field) }
      case .pointer(let element, let spec):
        if case .string = element, case .one = spec {
          compare(element, x, y, field)
          continue
        }
        comparePointers(member, count(spec, s, a), x, y, field) { c, p, q, i in
          let stride = c.filler.size(element)
          c.compare(element, p + i * stride, q + i * stride, field)
        }
      case .pointers(let element, let spec):
        comparePointers(member, count(spec, s, a), x, y, field) { c, p, q, i in
          c.compare(
            element, p.load(fromByteOffset: i * 8, as: UnsafeRawPointer.self),
            q.load(fromByteOffset: i * 8, as: UnsafeRawPointer.self), field)
        }
      case .tagged(let selector, let choices):
        let at = s.members.first { $0.name == selector }!.offset
        let choice = choices.first { $0.value == a.get32(at) }!
        compare(structure: descriptions.structures[choice.structure]!, x, y, field)
      case .id:
        if x.get64(0) != y.get64(0) { differ(field) }
      case .ids(_, let spec):
        comparePointers(member, count(spec, s, a), x, y, field) { c, p, q, i in
          if p.get64(i * 8) != q.get64(i * 8) { c.differ(field) }
        }
      case .count:
        if filler.countBehind(member, a) != filler.countBehind(member, b) { differ(field) }
      case .output(let element, let spec):
        // Compared by content after the reply; before it, both are zeroed shapes.
        if (x.get64(0) == 0) != (y.get64(0) == 0) { differ(field) }
        comparePointers(member, count(spec, s, a), x, y, field) { c, p, q, i in
          let stride = c.filler.size(element)
          c.compare(element, p + i * stride, q + i * stride, field)
        }
      case .omitted:
        if y.get64(0) != 0 { differ(field) }
      }
    }
  }

  private mutating func comparePointers(
    _ member: MemberDescription, _ count: Int, _ x: UnsafeRawPointer, _ y: UnsafeRawPointer,
    _ field: String,
    _ body: (inout Comparison, UnsafeRawPointer, UnsafeRawPointer, Int) -> Void
  ) {
    let p = x.load(as: UnsafeRawPointer?.self)
    let q = y.load(as: UnsafeRawPointer?.self)
    guard let q else {
      if p != nil && count > 0 && !member.isConditional { differ(field) }
      return
    }
    guard let p else { return differ(field) }
    for i in 0..<count { body(&self, p, q, i) }
  }

  private func count(_ spec: Count, _ s: StructureDescription, _ a: UnsafeRawPointer) -> Int {
    func value(_ name: String) -> Int {
      let m = s.members.first { $0.name == name }!
      guard case .value(let element, _) = m.kind else { return 0 }
      return filler.size(element) == 8 ? Int((a + m.offset).get64(0)) : Int((a + m.offset).get32(0))
    }
    switch spec {
    case .one: return 1
    case .fixed(let n): return n
    case .sibling(let name): return value(name)
    case .quarter(let name): return value(name) / 4
    case .mask(let name): return (value(name) + 31) / 32
    case .behind(let name):
      return filler.countBehind(s.members.first { $0.name == name }!, a)
    case .path(let name, let inner):
      let m = s.members.first { $0.name == name }!
      guard case .pointer(.structure(let type), _) = m.kind,
        let target = (a + m.offset).load(as: UnsafeRawPointer?.self)
      else { return 0 }
      return Int(
        target.get32(descriptions.structures[type]!.members.first { $0.name == inner }!.offset))
    }
  }

  private mutating func compareWrites(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ path: String)
  {
    compare(.scalar(24), a + 16, b + 16, path)
    let type = a.get32(36)
    let at = type == 4 || type == 5 ? 56 : type >= 6 && type <= 9 ? 48 : 40
    for other in [40, 48, 56] where other != at {
      if b.get64(other) != 0 { differ("\(path).garbage") }
    }
    let count = Int(a.get32(32))
    guard count > 0 else { return }
    guard let x = a.load(fromByteOffset: at, as: UnsafeRawPointer?.self),
      let y = b.load(fromByteOffset: at, as: UnsafeRawPointer?.self)
    else { return differ("\(path).descriptors") }
    for i in 0..<count {
      switch type {
      case 4, 5: compare(.scalar(8), x + i * 8, y + i * 8, path)
      case 6, 7, 8, 9: compare(.scalar(24), x + i * 24, y + i * 24, path)
      default:
        if type <= 1 { compare(.scalar(8), x + i * 24, y + i * 24, "\(path).sampler") }
        if type != 0 { compare(.scalar(12), x + i * 24 + 8, y + i * 24 + 8, "\(path).imageView") }
      }
    }
  }
}
