/// What a parameter is for the wire.
enum ParameterRole {
  /// Not sent: pAllocator, and the command buffer of what is recorded.
  case left
  /// By value.
  case scalar
  /// A C array parameter of fixed length: `const float blendConstants[4]`.
  case block(size: Int)
  /// Points to what the command reads.
  case input
  /// Points to the handle, or the handles, that the command makes: travels as ids.
  case created(isArray: Bool)
  /// Points to a count that the caller sets and the command changes.
  case count
  /// Points to one value or structure that the command fills.
  case output
  /// Points to an array that the command fills.
  case outputArray
}

/// A command with the roles of its parameters.
struct CommandModel {
  let command: Command
  let kind: CommandClass
  let parameters: [(member: Member, role: ParameterRole)]

  init(_ command: Command, scope: Scope) throws {
    self.command = command
    kind = scope.commandClass(command)
    let layout = Layout(scope: scope)
    let lengths = Set(command.parameters.flatMap(\.lengths))
    var result: [(Member, ParameterRole)] = []
    for (i, member) in command.parameters.enumerated() {
      let type = member.type
      let role: ParameterRole
      if type.base == "VkAllocationCallbacks" {
        role = .left
      } else if i == 0, type.base == "VkCommandBuffer", kind.isRecorded(command) {
        role = .left
      } else if !type.dimensions.isEmpty {
        role = .block(size: try layout.measure(type.base).size * type.elementCount)
      } else if type.pointers == 0 {
        role = .scalar
      } else if type.isConst {
        role = .input
      } else if scope.registry.handles[scope.registry.canonical(type.base)] != nil {
        role = .created(isArray: !member.lengths.isEmpty)
      } else if lengths.contains(member.name) {
        role = .count
      } else {
        role = member.lengths.isEmpty ? .output : .outputArray
      }
      result.append((member, role))
    }
    parameters = result
  }

  var name: String { command.name }

  /// The parameters that carry results, in order, with the lengths that bound them.
  var results: [(member: Member, role: ParameterRole)] {
    let bounds = Set(outputs.flatMap(\.member.lengths))
    return parameters.filter {
      switch $0.role {
      case .count, .output, .outputArray: true
      case .scalar: bounds.contains($0.member.name)
      default: false
      }
    }
  }

  var outputs: [(member: Member, role: ParameterRole)] {
    parameters.filter {
      switch $0.role {
      case .output, .outputArray: true
      default: false
      }
    }
  }

  var created: (member: Member, isArray: Bool)? {
    for parameter in parameters {
      if case .created(let isArray) = parameter.role { return (parameter.member, isArray) }
    }
    return nil
  }

  /// The handle that the command ends, for vkDestroyX and vkFreeX.
  func destroyed(_ scope: Scope) -> (member: Member, isArray: Bool)? {
    guard name.hasPrefix("vkDestroy") || name.hasPrefix("vkFree") else { return nil }
    let handles = parameters.filter {
      scope.registry.handles[scope.registry.canonical($0.member.type.base)] != nil
    }
    return handles.last.map { ($0.member, $0.member.type.pointers > 0) }
  }
}

extension CommandClass {
  /// Commands that lie in a command buffer's own stream, which says whose they are.
  func isRecorded(_ command: Command) -> Bool {
    kind == "record" || command.name == "vkBeginCommandBuffer"
      || command.name == "vkEndCommandBuffer"
  }
}
