/// What a recording says of itself, at its beginning. `docs/recording.md` has the bytes.
public struct RecordingHeader: Sendable, Equatable {
  /// Of records and messages: `WireVersion`.
  public var wireVersion: UInt32
  /// How many commands the recording side knew: its highest opcode + 1.
  public var opcodeCount: UInt32
  /// VkPhysicalDeviceIDProperties.driverUUID; zeros when it is not known.
  public var driverUUID: [UInt8]
  public var driverVersion: UInt32
  /// Name of the device that was drawn on.
  public var driver: String
  /// The program that was recorded.
  public var application: String
  /// Number of the first frame in it, from 1. Above 1 the recording begins with a snapshot.
  public var firstFrame: UInt64

  public init(
    wireVersion: UInt32, opcodeCount: UInt32, driverUUID: [UInt8] = [], driverVersion: UInt32 = 0,
    driver: String = "", application: String = "", firstFrame: UInt64 = 1
  ) {
    self.wireVersion = wireVersion
    self.opcodeCount = opcodeCount
    self.driverUUID = Array(
      (driverUUID + [UInt8](repeating: 0, count: 16)).prefix(RecordingFormat.uuidSize))
    self.driverVersion = driverVersion
    self.driver = driver
    self.application = application
    self.firstFrame = firstFrame
  }

  /// Whether the driver said who it is.
  public var hasDriverUUID: Bool { driverUUID.contains { $0 != 0 } }
}

/// The numbers of the file format.
public enum RecordingFormat {
  /// "OMEGAREC".
  public static let magic: UInt64 = 0x4345_5241_4745_4D4F
  /// Changes when a reader of the old form would misread the new one. New kinds of entries and
  /// longer headers do not change it: readers skip what they do not know.
  public static let version: UInt32 = 1
  /// "CHNK".
  static let chunkMagic: UInt32 = 0x4B4E_4843
  /// "OMEGAEND".
  static let trailerMagic: UInt64 = 0x444E_4541_4745_4D4F

  static let uuidSize = 16
  /// Fixed part of the header, before its strings.
  static let headerSize = 64
  static let largestHeader = 64 << 10
  static let chunkHeaderSize = 32
  static let trailerSize = 32
  /// Bytes after which a chunk is closed: enough to compress well, little enough to lose.
  public static let chunkSize = 1 << 20
  /// No chunk holds more, unpacked: one entry may be as large as the largest message of records.
  public static let largestChunk = 128 << 20

  /// Kinds of chunks.
  enum ChunkKind {
    static let entries: UInt32 = 0
    static let index: UInt32 = 1
  }
}

/// Kinds of entries: `u32 kind, u32 byteCount` (with these 8, a multiple of 8), body. Numbers are
/// never given twice; a reader skips those that it does not know.
public enum EntryKind {
  /// u32 channel, u32 reserved, whole records in inline form: what the application did.
  public static let records: UInt32 = 1
  /// u32 slot, u32 reserved, u64 value each: what the application was told at this point; whatever
  /// comes later in the file may depend on it.
  public static let completions: UInt32 = 2
  /// u32 ticket, u32 opcode, u32 byteCount of the answer's body, u32 reserved, u64 checksum of the
  /// body, and its beginning, up to `replyBytes`: an answer that the application was given at this
  /// point.
  public static let reply: UInt32 = 3
  /// u64 number, u64 swapchain, u32 imageIndex, u32 format, u32 width, u32 height, u64 checksum of
  /// the pixels, row by row without what is between rows: a frame, as it came to the window.
  public static let frame: UInt32 = 4
  /// u64 memory, u64 byteCount, u64 checksum: contents of mapped memory which the GPU has written,
  /// at a moment when it had nothing more to do.
  public static let memory: UInt32 = 5
  /// u64 frames, u32 `EndReason`, u32 reserved: the last entry of a recording that was finished.
  public static let end: UInt32 = 6
  /// u64 frames before the next one: what stands before made what the program had by then.
  public static let beginning: UInt32 = 7
}

extension EntryKind {
  /// How much of an answer's body is kept: enough for results and addresses.
  public static let replyBytes = 64
}

/// Why a recording ended.
public enum EndReason {
  public static let applicationEnded: UInt32 = 0
  public static let connectionLost: UInt32 = 1
}

/// What is wrong with a recording; `message` is for a person.
public struct RecordingError: Error {
  public enum Kind: Sendable {
    /// The system refused: the file is missing, the disk is full.
    case system
    /// The file is no recording, or one of another version.
    case unreadable
    /// Bytes are not what they were when they were written.
    case damaged
  }

  public let kind: Kind
  public let message: String

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }
}
