/// How C spellings look in Swift: every naming decision of the generator.
struct Namer {
  let scope: Scope
  private var registry: Registry { scope.registry }

  init(scope: Scope) { self.scope = scope }

  /// The Swift type of a C scalar, structure or handle by value.
  func value(_ base: String) -> String {
    switch base {
    case "uint8_t": return "UInt8"
    case "uint16_t": return "UInt16"
    case "uint32_t": return "UInt32"
    case "uint64_t": return "UInt64"
    case "int8_t": return "Int8"
    case "int32_t", "int": return "Int32"
    case "int64_t": return "Int64"
    case "size_t": return "Int"
    case "float": return "Float"
    case "double": return "Double"
    case "char": return "CChar"
    default: return registry.handles[registry.canonical(base)] != nil ? "\(base)?" : base
    }
  }

  /// The Swift type of a parameter, as the importer spells it.
  func parameter(_ type: Declarator) -> String {
    let isConst = type.isConst
    if type.base == "void" {
      switch type.pointers {
      case 1: return isConst ? "UnsafeRawPointer?" : "UnsafeMutableRawPointer?"
      default: return "UnsafeMutablePointer<UnsafeMutableRawPointer?>?"
      }
    }
    let base = value(type.base)
    if !type.dimensions.isEmpty { return "UnsafePointer<\(base)>?" }
    switch type.pointers {
    case 0: return base
    case 1: return isConst ? "UnsafePointer<\(base)>?" : "UnsafeMutablePointer<\(base)>?"
    default: return "UnsafePointer<UnsafePointer<\(base)>?>?"
    }
  }

  /// What a variable of the type starts as.
  func zero(_ type: Declarator) -> String {
    if type.pointers > 0 || !type.dimensions.isEmpty { return "nil" }
    let name = registry.canonical(type.base)
    if registry.handles[name] != nil { return "nil" }
    if let e = registry.enumerations[name], e.width == 32, registry.flags[name] == nil {
      return "\(type.base)(rawValue: 0)"
    }
    return "0"
  }

  /// `VkDescriptorSetLayout` -> `descriptorSetLayout`.
  func kind(_ handle: String) -> String {
    var name = Substring(registry.canonical(handle)).dropFirst(2)
    for suffix in ["KHR", "EXT", "NV"] where name.hasSuffix(suffix) {
      name = name.dropLast(suffix.count)
    }
    return name.prefix(1).lowercased() + name.dropFirst()
  }

  /// A scalar argument as 4 or 8 raw bytes.
  func put(_ member: Member, _ source: String) throws -> (size: Int, code: String) {
    let name = registry.canonical(member.type.base)
    if let handle = registry.handles[name] {
      return (8, handle.isDispatchable ? "wireID(of: \(source))" : "handleID(\(source))")
    }
    if let e = registry.enumerations[name], registry.flags[name] == nil {
      return e.width == 64 ? (8, source) : (4, "\(source).rawValue")
    }
    let size = try Layout(scope: scope).measure(name).size
    switch value(registry.baseTypes[name] ?? name) {
    case "Int32": return (4, "UInt32(bitPattern: \(source))")
    case "Int64": return (8, "UInt64(bitPattern: \(source))")
    case "Int": return (8, "UInt64(UInt(bitPattern: \(source)))")
    case "Float": return (4, "\(source).bitPattern")
    case "Double": return (8, "\(source).bitPattern")
    case "UInt8", "UInt16": return (4, "UInt32(\(source))")
    default: return (size, source)
    }
  }

  /// The value of a scalar from raw bytes `p` at an offset.
  func get(_ member: Member, _ at: Int) throws -> String {
    let name = registry.canonical(member.type.base)
    if let e = registry.enumerations[name], registry.flags[name] == nil {
      return e.width == 64 ? "p.get64(\(at))" : "\(member.type.base)(rawValue: p.get32(\(at)))"
    }
    switch value(registry.baseTypes[name] ?? name) {
    case "Int32": return "Int32(bitPattern: p.get32(\(at)))"
    case "Int64": return "Int64(bitPattern: p.get64(\(at)))"
    case "Int": return "Int(truncatingIfNeeded: p.get64(\(at)))"
    case "Float": return "Float(bitPattern: p.get32(\(at)))"
    case "Double": return "Double(bitPattern: p.get64(\(at)))"
    case "UInt8": return "UInt8(truncatingIfNeeded: p.get32(\(at)))"
    case "UInt16": return "UInt16(truncatingIfNeeded: p.get32(\(at)))"
    default:
      let size = try Layout(scope: scope).measure(name).size
      return size == 8 ? "p.get64(\(at))" : "p.get32(\(at))"
    }
  }
}
