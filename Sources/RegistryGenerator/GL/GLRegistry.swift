import Foundation
import FoundationXML

/// What gl.xml says, as far as encoding needs it.
struct GLRegistry {
  struct Parameter {
    var name: String
    /// The C type without const and pointers: `GLuint`, `void`.
    var base: String
    var isConst: Bool
    var pointers: Int
    /// `len`, as it stands there.
    var length: String?
    /// The kind of object that it names: "texture", "vertex array".
    var kind: String?
  }

  struct Command {
    var name: String
    var returns: String
    var parameters: [Parameter]
    var alias: String?
  }

  /// A version of OpenGL or OpenGL ES, or an extension.
  struct Feature {
    var name: String
    var apis: Set<String>
    var commands: [String]
    var enumerants: [String]
  }

  var commands: [String: Command] = [:]
  var enumerants: [String: UInt64] = [:]
  var versions: [Feature] = []
  var extensions: [Feature] = []

  /// Reads gl.xml.
  static func parse(_ path: String) throws -> GLRegistry {
    let document = try XMLDocument(contentsOf: URL(fileURLWithPath: path), options: [])
    guard let root = document.rootElement() else {
      throw GenerationError("\(path) has no root element")
    }
    var registry = GLRegistry()
    for block in root.elements(forName: "enums") {
      for e in block.elements(forName: "enum") { registry.read(enumerant: e) }
    }
    for block in root.elements(forName: "commands") {
      for command in block.elements(forName: "command") { try registry.read(command: command) }
    }
    for feature in root.elements(forName: "feature") {
      registry.versions.append(read(feature: feature, [feature.value("api") ?? ""]))
    }
    for block in root.elements(forName: "extensions") {
      for element in block.elements(forName: "extension") {
        let apis = element.value("supported")?.split(separator: "|").map(String.init) ?? []
        registry.extensions.append(read(feature: element, Set(apis)))
      }
    }
    return registry
  }

  /// The command that another version of the API has for one of an extension, taking the same; nil for
  /// none.
  func coreName(of name: String) -> String? {
    guard name.hasSuffix("OES"), let command = commands[name],
      let core = commands[String(name.dropLast(3))]
    else { return nil }
    func shape(_ command: Command) -> [String] {
      command.parameters.map { "\(GLType.all[$0.base]?.swift ?? "") \($0.pointers) \($0.isConst)" }
    }
    return shape(command) == shape(core) ? core.name : nil
  }

  private mutating func read(enumerant e: XMLElement) {
    guard let name = e.value("name"), let text = e.value("value") else { return }
    // Some have another value in another API; the desktop's is the one that is meant.
    if enumerants[name] != nil, e.value("api") != "gl" { return }
    if text.hasPrefix("0x") {
      enumerants[name] = UInt64(text.dropFirst(2), radix: 16)
    } else if let value = Int64(text) {
      enumerants[name] = UInt64(bitPattern: value)
    }
  }

  private mutating func read(command element: XMLElement) throws {
    guard let proto = element.elements(forName: "proto").first,
      let name = proto.elements(forName: "name").first?.stringValue
    else { return }
    let returns = (proto.stringValue ?? "").replacingOccurrences(of: name, with: "")
    let parameters = try element.elements(forName: "param").map { param -> Parameter in
      guard let own = param.elements(forName: "name").first?.stringValue,
        let text = param.stringValue
      else { throw GenerationError("gl.xml: \(name) has a parameter without a name") }
      let base =
        param.elements(forName: "ptype").first?.stringValue
        ?? (text.contains("void") ? "void" : "")
      guard !base.isEmpty else {
        throw GenerationError("gl.xml: \(name).\(own) has no type: \(text)")
      }
      return Parameter(
        name: own, base: base, isConst: text.contains("const"),
        pointers: text.filter { $0 == "*" }.count, length: param.value("len"),
        kind: param.value("class"))
    }
    commands[name] = Command(
      name: name, returns: returns.trimmingCharacters(in: .whitespaces), parameters: parameters,
      alias: element.elements(forName: "alias").first?.value("name"))
  }

  private static func read(feature element: XMLElement, _ apis: Set<String>) -> Feature {
    var feature = Feature(
      name: element.value("name") ?? "", apis: apis, commands: [], enumerants: [])
    for require in element.elements(forName: "require") {
      feature.commands += require.elements(forName: "command").compactMap { $0.value("name") }
      feature.enumerants += require.elements(forName: "enum").compactMap { $0.value("name") }
    }
    return feature
  }
}

extension XMLElement {
  fileprivate func value(_ name: String) -> String? { attribute(forName: name)?.stringValue }
}
