public import Wire

/// `ticket` of a record whose command may be answered, when no answer is wanted.
@inlinable
public var noTicket: UInt32 { UInt32.max }

/// How a command's record travels.
public enum CommandTravel: UInt8 {
  /// In a command buffer's own stream.
  case recorded
  /// On the ring, without a reply.
  case async
  /// With a ticket, and a reply.
  case call
  /// With a ticket, which may be `noTicket`: then there is no reply.
  case either
}

/// What the journal and the dispatcher must know of a command's record.
public struct CommandInfo {
  public let travel: CommandTravel
  /// The kind of what the command makes.
  public let created: HandleKind?
  /// The kind of what the command ends.
  public let destroyed: HandleKind?
  /// Offset from the start of the record to the id that is made or ended; to the `u32 count` that
  /// stands before the ids when `isArray`. 0 when there is none.
  public let idOffset: Int
  /// Whether several ids may be made or ended at once.
  public let isArray: Bool

  init(
    _ travel: CommandTravel, creates: HandleKind? = nil, destroys: HandleKind? = nil,
    idOffset: Int = 0, isArray: Bool = false
  ) {
    self.travel = travel
    self.created = creates
    self.destroyed = destroys
    self.idOffset = idOffset
    self.isArray = isArray
  }
}
