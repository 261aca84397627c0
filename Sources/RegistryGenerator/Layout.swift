/// C layout on 64-bit Linux, and what of a structure is plain memory.

/// A scalar inside a structure, at a constant offset.
struct Leaf {
  enum Kind: Equatable {
    /// 4·n bytes that travel as they are.
    case plain
    /// A 1- or 2-byte number, widened to 4 bytes.
    case narrow(signed: Bool)
    case handle(type: String, dispatchable: Bool, optional: Bool)
    /// An enumerant that is checked.
    case checked(type: String)
  }
  var kind: Kind
  var offset: Int
  var size: Int
  /// The member's name, with those of the structures around it.
  var path: String
  /// When only under a condition: the Swift expression.
  var condition: String?

  var wireSize: Int {
    if case .narrow = kind { return 4 }
    return size
  }
}

/// A part of a structure or of a command's parameters that is encoded on its own.
enum Field {
  /// Scalars of known size, in one piece.
  case run([Leaf])
  /// A structure by value that is not only scalars.
  case nested(Member, Structure, offset: Int)
  /// A union with a selector.
  case tagged(Member, Structure, offset: Int)
  /// A pointer.
  case pointer(Member)
}

struct Layout {
  let scope: Scope
  private var registry: Registry { scope.registry }

  init(scope: Scope) { self.scope = scope }

  /// Size and alignment of a type by value.
  func measure(_ base: String) throws -> (size: Int, alignment: Int) {
    let name = registry.canonical(base)
    switch name {
    case "uint8_t", "int8_t", "char": return (1, 1)
    case "uint16_t", "int16_t": return (2, 2)
    case "uint32_t", "int32_t", "float", "int": return (4, 4)
    case "uint64_t", "int64_t", "double", "size_t": return (8, 8)
    default: break
    }
    if let size = registry.flags[name] { return (size, size) }
    if let e = registry.enumerations[name] { return (e.width / 8, e.width / 8) }
    if registry.handles[name] != nil || registry.functionPointers.contains(name) { return (8, 8) }
    if let next = registry.baseTypes[name] { return try measure(next) }
    guard let structure = registry.structures[name] else {
      throw GenerationError("the size of \(name) is not known")
    }
    return try measure(structure)
  }

  func measure(_ structure: Structure) throws -> (size: Int, alignment: Int) {
    var size = 0
    var alignment = 1
    for (offset, member) in try zip(offsets(structure), structure.members) {
      let m = try measure(member.type)
      size = max(size, offset + m.size)
      alignment = max(alignment, m.alignment)
    }
    return ((size + alignment - 1) / alignment * alignment, alignment)
  }

  private func measure(_ type: Declarator) throws -> (size: Int, alignment: Int) {
    if type.pointers > 0 { return (8, 8) }
    let m = try measure(type.base)
    return (m.size * type.elementCount, m.alignment)
  }

  /// Where each member begins. Bit-fields share the word of the first of them.
  func offsets(_ structure: Structure) throws -> [Int] {
    var result: [Int] = []
    var end = 0
    var bits = 0
    for member in structure.members {
      if structure.isUnion {
        result.append(0)
        continue
      }
      let m = try measure(member.type)
      if let width = member.type.bits {
        if bits == 0 || bits + width > 32 {
          end = (end + 3) / 4 * 4 + 4
          bits = 0
        }
        result.append(end - 4)
        bits += width
        continue
      }
      bits = 0
      let start = (end + m.alignment - 1) / m.alignment * m.alignment
      result.append(start)
      end = start + m.size
    }
    return result
  }

  /// Bits of a scalar type that is not a structure.
  private func leafKind(_ member: Member, _ base: String) throws -> Leaf.Kind {
    let name = registry.canonical(base)
    if let handle = registry.handles[name] {
      return .handle(
        type: name, dispatchable: handle.isDispatchable,
        optional: member.isOptional || member.hasNoAutomaticValidity)
    }
    if scope.checkedValues(name) != nil { return .checked(type: name) }
    switch try measure(name).size {
    case 1, 2: return .narrow(signed: name.hasPrefix("int"))
    default: return .plain
    }
  }

  /// The scalars of a structure, when it has nothing else; nil when it has.
  func leaves(_ structure: Structure, at offset: Int, path: String, owner: String) throws
    -> [Leaf]?
  {
    if structure.isUnion {
      let size = try measure(structure).size
      let hasChains = structure.members.contains {
        $0.type.pointers == 0 && scope.structure($0.type.base)?.hasChain == true
      }
      guard size % 4 == 0, !hasChains else { return nil }
      return [Leaf(kind: .plain, offset: offset, size: size, path: path)]
    }
    var result: [Leaf] = []
    for (at, member) in try zip(offsets(structure), structure.members) {
      guard let part = try leaves(member, at: offset + at, path: path, owner: structure.name)
      else { return nil }
      // Bit-fields of one word travel once.
      if member.type.bits != nil, result.last?.offset == offset + at { continue }
      result += part
    }
    return result
  }

  /// The scalars of a member by value; nil for pointers and for structures with pointers.
  func leaves(_ member: Member, at offset: Int, path: String, owner: String) throws -> [Leaf]? {
    guard member.type.pointers == 0 else { return nil }
    let name = registry.canonical(member.type.base)
    if registry.functionPointers.contains(name) { return nil }
    let inner = path.isEmpty ? member.name : "\(path).\(member.name)"
    let condition = scope.rules.conditions["\(owner).\(member.name)"]
    if let structure = registry.structures[name] {
      if scope.rules.handwritten[name] != nil { return nil }
      let size = try measure(name).size
      var result: [Leaf] = []
      for i in 0..<member.type.elementCount {
        guard
          let part = try leaves(
            structure, at: offset + i * size, path: inner, owner: structure.name)
        else { return nil }
        result += part
      }
      return result
    }
    let size = try measure(name).size
    let kind = try leafKind(member, name)
    if kind == .plain
      || ((name == "char" || name == "uint8_t")
        && member.type.elementCount % 4 == 0)
    {
      return [
        Leaf(
          kind: .plain, offset: offset, size: size * member.type.elementCount, path: inner,
          condition: condition)
      ]
    }
    return (0..<member.type.elementCount).map {
      Leaf(kind: kind, offset: offset + $0 * size, size: size, path: inner, condition: condition)
    }
  }

  /// What is encoded of a structure, in order, without sType and pNext.
  func fields(_ structure: Structure) throws -> [Field] {
    var result: [Field] = []
    var run: [Leaf] = []
    func flush() {
      if !run.isEmpty { result.append(.run(run)) }
      run = []
    }
    for (offset, member) in try zip(offsets(structure), structure.members) {
      let name = registry.canonical(member.type.base)
      if member.name == "sType" || member.name == "pNext" { continue }
      if scope.rules.omitted.contains("\(structure.name).\(member.name)") { continue }
      if member.type.bits != nil, run.last?.offset == offset { continue }
      if let leaves = try leaves(member, at: offset, path: "", owner: structure.name) {
        run += leaves
        continue
      }
      flush()
      if member.type.pointers > 0 {
        result.append(.pointer(member))
      } else if let inner = registry.structures[name] {
        guard member.type.elementCount == 1 else {
          throw GenerationError("\(structure.name).\(member.name): array of structures by value")
        }
        result.append(
          inner.isUnion
            ? .tagged(member, inner, offset: offset) : .nested(member, inner, offset: offset))
      } else {
        throw GenerationError(
          "pointers.txt has no rule for \(structure.name).\(member.name), a function pointer")
      }
    }
    flush()
    return result
  }

  /// Leaves that follow each other in memory without padding, and travel as they are, in one copy.
  /// `decoding`: ids and checked enumerants are no plain memory for the reader.
  static func blocks(_ leaves: [Leaf], decoding: Bool) -> [[Leaf]] {
    var result: [[Leaf]] = []
    for leaf in leaves {
      if let last = result.last?.last, isPlain(last, decoding), isPlain(leaf, decoding),
        last.offset + last.size == leaf.offset
      {
        result[result.count - 1].append(leaf)
      } else {
        result.append([leaf])
      }
    }
    return result
  }

  static func isPlain(_ leaf: Leaf, _ decoding: Bool) -> Bool {
    guard leaf.condition == nil else { return false }
    switch leaf.kind {
    case .plain: return true
    case .narrow: return false
    case .handle(_, let dispatchable, _): return !decoding && !dispatchable
    case .checked: return !decoding
    }
  }

  /// The bytes of a structure without chain whose memory is what travels; nil for all others.
  func plainSize(_ base: String, decoding: Bool) throws -> Int? {
    let name = registry.canonical(base)
    guard let structure = registry.structures[name] else {
      let size = try measure(name).size
      if registry.handles[name] != nil { return nil }
      if decoding && scope.checkedValues(name) != nil { return nil }
      return size
    }
    guard !structure.hasChain,
      let leaves = try leaves(structure, at: 0, path: "", owner: name)
    else { return nil }
    let blocks = Layout.blocks(leaves, decoding: decoding)
    let size = try measure(structure).size
    guard blocks.count == 1, let first = blocks[0].first, let last = blocks[0].last,
      Layout.isPlain(first, decoding), first.offset == 0, last.offset + last.size == size
    else { return nil }
    return size
  }

  /// When everything behind sType and pNext is one plain block: where and how long.
  func plainBody(_ structure: Structure) throws -> Int? {
    guard structure.hasChain, scope.rules.handwritten[structure.name] == nil else { return nil }
    let fields = try fields(structure)
    guard fields.count == 1, case .run(let leaves) = fields[0] else {
      return fields.isEmpty ? 0 : nil
    }
    let blocks = Layout.blocks(leaves, decoding: true)
    guard blocks.count == 1, blocks[0].allSatisfy({ Layout.isPlain($0, true) }),
      leaves[0].offset == 16
    else { return nil }
    return leaves.reduce(0) { $0 + $1.size }
  }

  /// The fewest bytes that a structure takes on the wire.
  func minimumSize(_ base: String) throws -> Int {
    let name = registry.canonical(base)
    guard let structure = registry.structures[name] else { return max(4, try measure(name).size) }
    let chain = structure.hasChain ? 4 : 0
    if let size = scope.rules.handwritten[name] { return chain + size }
    var total = chain
    for field in try fields(structure) {
      switch field {
      case .run(let leaves): total += leaves.reduce(0) { $0 + $1.wireSize }
      case .nested(_, let inner, _): total += try minimumSize(inner.name)
      case .tagged: total += 4
      case .pointer: total += 4
      }
    }
    return total
  }
}
