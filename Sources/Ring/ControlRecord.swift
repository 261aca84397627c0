/// Opcodes of control records, below 0x1000. Layouts: `docs/architecture.md` §6. Every record
/// begins with `u32 opcode, u32 size`; offsets below count from the start of the record.
/// The inline forms (0x100 to 0x13F) are what a reference becomes when it leaves the host.
public enum ControlOpcode {
  /// Nothing; skips to the start of the ring.
  @inlinable public static var pad: UInt32 { 0x001 }
  /// u64 offset (8), u64 byteCount (16): one record that lies in the arena.
  @inlinable public static var indirect: UInt32 { 0x002 }
  /// u64 id (8), u32 chunkCount (16), u32 flags (20), then u64 offset, u64 byteCount each: the
  /// recorded commands of a command buffer, vkBeginCommandBuffer to vkEndCommandBuffer.
  @inlinable public static var commandBuffer: UInt32 { 0x003 }
  /// u64 memory (8), u64 segmentOffset (16), u64 size (24), u32 ticket (32), u32 flags (36):
  /// an allocation is mapped from now on. With `ControlField.noTicket` there is no reply; with a
  /// ticket the node writes the allocation's contents to the segment, then replies.
  @inlinable public static var memoryAttach: UInt32 { 0x004 }
  /// u64 memory (8), u32 runCount (16), u32 flags (20), then u64 offset, u64 byteCount each
  /// (whole pages of the allocation): pages the application has written.
  @inlinable public static var memoryPages: UInt32 { 0x005 }
  /// u64 memory (8): the allocation is not mapped any more, and about to be freed.
  @inlinable public static var memoryDetach: UInt32 { 0x006 }
  /// u64 queue (8), u64 sequence (16), u32 queueSlot (24), u32 signalCount (28), then u32 slot,
  /// u32 reserved, u64 value each: what to complete when the queue operation that follows is done.
  @inlinable public static var announce: UInt32 { 0x007 }
  /// See `SwapchainField`: the images of a virtual swapchain.
  @inlinable public static var createSwapchain: UInt32 { 0x008 }
  /// u64 queue (8), u32 waitCount (16), u32 presentCount (20), then u64 semaphore each, then for
  /// each present u64 swapchain, u32 imageIndex, u32 slot, u64 value.
  @inlinable public static var present: UInt32 { 0x009 }
  /// u64 swapchain (8).
  @inlinable public static var destroySwapchain: UInt32 { 0x00A }
  /// u32 channel (8), u32 reserved, u64 device (16): on channel 0, opens a device's channel, after
  /// the reply to its vkCreateDevice.
  @inlinable public static var openChannel: UInt32 { 0x00B }
  /// On a channel: the last record of it.
  @inlinable public static var closeChannel: UInt32 { 0x00C }
  /// u64 queue (8), u32 semaphoreCount (16), u32 reserved, then u64 each: signals binary
  /// semaphores at once, for an acquire whose wait could not be taken out of its submit.
  @inlinable public static var signalSemaphores: UInt32 { 0x00D }
  /// As `memoryAttach`, of a query pool (8): its results go to the segment from now on. u32 flags is 0.
  @inlinable public static var queryAttach: UInt32 { 0x00E }
  /// u64 query pool (8): its results are not looked at any more, and it is about to be destroyed.
  @inlinable public static var queryDetach: UInt32 { 0x00F }

  /// u64 image (8), u64 swapchain (16), u32 imageIndex (24), u32 reserved (28): an image is bound to
  /// the memory of one of a swapchain's. An id that the node does not know becomes another name of
  /// the swapchain's image; one that it knows is bound to that image's memory.
  @inlinable public static var bindSwapchainImage: UInt32 { 0x140 }
  /// u64 image (8): an image that `bindSwapchainImage` gave another name loses it.
  @inlinable public static var forgetSwapchainImage: UInt32 { 0x141 }

  // 0x150–0x17F: OpenGL, `docs/opengl.md` §3.

  /// u32 channel (8), u32 reserved: on channel 0, opens a channel for an OpenGL context.
  @inlinable public static var openContext: UInt32 { 0x150 }
  /// On a context's channel, its first record; replies.
  @inlinable public static var glCreateContext: UInt32 { 0x151 }
  /// Which drawables are drawn to and read from.
  @inlinable public static var glMakeCurrent: UInt32 { 0x152 }
  /// Brings a drawable's pixels into a frame buffer.
  @inlinable public static var glSwap: UInt32 { 0x153 }
  /// How the frame buffers of a window lie in their memory.
  @inlinable public static var glFrames: UInt32 { 0x154 }
  /// u64 drawable (8).
  @inlinable public static var glDestroyDrawable: UInt32 { 0x155 }
  /// u64 frames (8).
  @inlinable public static var glForgetFrames: UInt32 { 0x156 }
  /// u32 channel (8), u32 reserved, u64 mark (16): what follows comes after what that channel has in
  /// front of this `glMark`, or of a greater one.
  @inlinable public static var glAfter: UInt32 { 0x157 }
  /// u32 ticket (8), u32 reserved: replies, with glGetError's value, when everything before it was
  /// replayed.
  @inlinable public static var glReport: UInt32 { 0x158 }
  /// Replies with the pixels of a drawable.
  @inlinable public static var glReadDrawable: UInt32 { 0x159 }
  /// u64 drawable (8), u32 width (16), u32 height (20).
  @inlinable public static var glResizeDrawable: UInt32 { 0x15A }
  /// u32 byteCount (8), u32 reserved, bytes (16): client memory that the next command reads.
  @inlinable public static var glMemory: UInt32 { 0x15C }
  /// Vertices in client memory for the next draw: u32 arrayCount (8), u32 arrayBuffer (12), u32 first
  /// (16), u32 byteCount (20), then for each array u32 slot, size, type, stride, flags, offset; then
  /// the bytes.
  @inlinable public static var glVertexData: UInt32 { 0x15D }
  /// Maps a buffer: u32 ticket (8), u32 reserved, u32 target (16), u32 buffer (20; 0: what is bound to
  /// the target), u64 offset (24), u64 length (32), u32 access (40), u32 whole (44; 1: glMapBuffer);
  /// replies with u32 isMapped, u64 length, an array of the contents; not with ticket 0xFFFFFFFF.
  @inlinable public static var glMap: UInt32 { 0x15E }
  /// Writes to a mapped buffer or unmaps it: u32 target (8), u32 buffer (12), u32 runCount (16), u32
  /// mode (20, `UnmapMode`), then for each run u64 offset, u64 byteCount, bytes padded to 8.
  @inlinable public static var glUnmap: UInt32 { 0x15F }
  /// u32 ticket (8), u32 reserved, u32 buffer (16), u32 byteCount (20), u64 offset (24): replies with an
  /// array of the buffer's bytes.
  @inlinable public static var glReadBuffer: UInt32 { 0x160 }
  /// u32 ticket (8), u32 reserved, u32 object (16), u32 reserved: replies with what there is to know of
  /// a shader or a program (`docs/opengl.md`).
  @inlinable public static var glReflect: UInt32 { 0x161 }
  /// u32 slot (8), u32 reserved, u64 value (16): the slot reaches the value when the GPU has done
  /// everything before.
  @inlinable public static var glSignal: UInt32 { 0x162 }
  /// u32 query (8), u32 number (12), u32 low (16), u32 high (20): when the result of a query that has
  /// ended is there, slot `high` reaches `number << 32 | result >> 32`, and then slot `low`
  /// `number << 32 | result & 0xFFFFFFFF`. With the number 0 nobody waits for the query any more.
  @inlinable public static var glPushQuery: UInt32 { 0x163 }
  /// u32 ticket (8), u32 reserved, u64 offset (16), u32 byteCount (24), u32 reserved: replies with an
  /// array, a part of the image that was too large for the reply to the last read.
  @inlinable public static var glReadHeld: UInt32 { 0x164 }
  /// u32 ticket (8), u32 reserved, u64 image (16), u32 target (24), u32 name (28), u32 level (32), u32
  /// zoffset (36): an EGLImage of a texture or renderbuffer; replies with EGL's error.
  @inlinable public static var glCreateImage: UInt32 { 0x165 }
  /// u64 image (8).
  @inlinable public static var glDestroyImage: UInt32 { 0x166 }
  /// u64 drawable (8), u32 target (16), u32 reserved, `DrawableRequest` (24): the drawable's picture
  /// becomes the texture's that is bound there.
  @inlinable public static var glBindDrawable: UInt32 { 0x167 }
  /// u32 slot (8; `noSlot`: none), u32 isOn (12), u64 first (16): the node's driver's messages are kept for the
  /// client's callback, or in the log; the slot reaches `first` and the number of messages that were kept for the
  /// callback.
  @inlinable public static var glWatchMessages: UInt32 { 0x168 }
  /// u32 ticket (8), u32 reserved: the messages that were kept for the callback; replies with u32 count, u32
  /// isMore and for each u32 source, type, id, severity and an array with the text and its NUL.
  @inlinable public static var glTakeMessages: UInt32 { 0x169 }
  /// u32 error (8), u32 flags (12, `RaiseFlag`): one that the client has found, in its place among the node's.
  @inlinable public static var glRaise: UInt32 { 0x16A }
  /// u64 mark (8): a place that `glAfter` names. Marks of a channel only grow.
  @inlinable public static var glMark: UInt32 { 0x15B }

  /// u64 id (8), u64 byteCount (16), bytes.
  @inlinable public static var commandBufferInline: UInt32 { 0x103 }
  /// u64 memory (8), u32 runCount (16), u32 reserved, then for each run u64 offset, u64 byteCount,
  /// bytes padded to 8: bytes that differ from what the node last agreed on.
  @inlinable public static var memoryDiff: UInt32 { 0x105 }
  /// u64 memory (8), then blocks of byte runs (`MemoryFabric/RunBlock.swift`): the same, packed. For
  /// nodes that said `NodeAbility.memoryBlocks`.
  @inlinable public static var memoryRuns: UInt32 { 0x120 }

  // 0x110–0x11F: what records become inside `codedRecords` messages, `Sources/CommandStream`. They
  // are records again before anything else sees them.

  // For recordings that begin in the middle; on a device's channel.
  /// u64 number (8): asks for the contents of memory that is not mapped.
  @inlinable public static var takeSnapshot: UInt32 { 0x130 }
  /// u64 object (8): a memory or a swapchain, u32 image (16), u32 reserved, u64 offset (24),
  /// u64 byteCount (32), bytes (40).
  @inlinable public static var restoreMemory: UInt32 { 0x131 }
}

extension ControlOpcode {
  /// For messages; nil for what is no control record.
  public static func name(_ opcode: UInt32) -> StaticString? {
    switch opcode {
    case indirect: "indirect"
    case commandBuffer, commandBufferInline: "commandBuffer"
    case memoryAttach: "memoryAttach"
    case memoryPages: "memoryPages"
    case memoryDiff: "memoryDiff"
    case memoryRuns: "memoryRuns"
    case memoryDetach: "memoryDetach"
    case queryAttach: "queryAttach"
    case queryDetach: "queryDetach"
    case announce: "announce"
    case createSwapchain: "createSwapchain"
    case present: "present"
    case destroySwapchain: "destroySwapchain"
    case openChannel: "openChannel"
    case closeChannel: "closeChannel"
    case signalSemaphores: "signalSemaphores"
    case bindSwapchainImage: "bindSwapchainImage"
    case forgetSwapchainImage: "forgetSwapchainImage"
    case takeSnapshot: "takeSnapshot"
    case restoreMemory: "restoreMemory"
    case openContext: "openContext"
    case glCreateContext: "glCreateContext"
    case glMakeCurrent: "glMakeCurrent"
    case glSwap: "glSwap"
    case glFrames: "glFrames"
    case glDestroyDrawable: "glDestroyDrawable"
    case glForgetFrames: "glForgetFrames"
    case glAfter: "glAfter"
    case glReport: "glReport"
    case glReadDrawable: "glReadDrawable"
    case glResizeDrawable: "glResizeDrawable"
    case glMark: "glMark"
    case glMemory: "glMemory"
    case glVertexData: "glVertexData"
    case glMap: "glMap"
    case glUnmap: "glUnmap"
    case glReadBuffer: "glReadBuffer"
    case glReflect: "glReflect"
    case glSignal: "glSignal"
    case glPushQuery: "glPushQuery"
    case glReadHeld: "glReadHeld"
    case glCreateImage: "glCreateImage"
    case glDestroyImage: "glDestroyImage"
    case glBindDrawable: "glBindDrawable"
    case glWatchMessages: "glWatchMessages"
    case glTakeMessages: "glTakeMessages"
    case glRaise: "glRaise"
    default: nil
    }
  }
}

public enum ControlField {
  @inlinable public static var noTicket: UInt32 { 0xFFFF_FFFF }
  @inlinable public static var noSlot: UInt32 { 0xFFFF_FFFF }
  /// commandBuffer flags, bit 0: a secondary command buffer.
  @inlinable public static var secondary: UInt32 { 1 }
  /// Flags of the answer to queryAttach, bit 0: a query that is not available in the mirror may be so
  /// on the node.
  @inlinable public static var mirrorMayBeBehind: UInt32 { 1 }
}

/// Byte offsets in a `createSwapchain` record.
public enum SwapchainField {
  @inlinable public static var swapchain: Int { 8 }  // u64 id
  @inlinable public static var flags: Int { 16 }  // u32 VkSwapchainCreateFlagsKHR
  @inlinable public static var format: Int { 20 }  // u32 VkFormat
  @inlinable public static var width: Int { 24 }  // u32
  @inlinable public static var height: Int { 28 }  // u32
  @inlinable public static var arrayLayers: Int { 32 }  // u32
  @inlinable public static var usage: Int { 36 }  // u32 VkImageUsageFlags
  @inlinable public static var sharingMode: Int { 40 }  // u32
  @inlinable public static var imageCount: Int { 44 }  // u32
  @inlinable public static var queueFamilyCount: Int { 48 }  // u32
  @inlinable public static var formatCount: Int { 52 }  // u32, VkImageFormatListCreateInfo
  /// u32: bytes from row to row in a frame buffer.
  @inlinable public static var stride: Int { 56 }
  /// u32: bit 0: the window shows what is behind it where pixels have little alpha. Bit 1: a frame need not be sent when
  /// a newer one is there.
  @inlinable public static var showing: Int { 60 }
  @inlinable public static var showsAlpha: UInt32 { 1 }
  @inlinable public static var mayLeaveOut: UInt32 { 2 }
  /// u64: bytes from frame buffer to frame buffer in the swapchain's frame memfd.
  @inlinable public static var frameBytes: Int { 64 }
  /// Then u64 image id each, u32 queue family each, u32 view format each, padded to 8.
  @inlinable public static var arrays: Int { 72 }
}

/// Messages between application and agent, and between agent and node: `u32 type, u32 byteCount`,
/// payload. Layouts: `docs/architecture.md` §7.
public enum MessageType {
  // application -> agent
  @inlinable public static var appHello: UInt32 { 1 }
  @inlinable public static var appFrameBuffers: UInt32 { 2 }
  @inlinable public static var appSwapchainGone: UInt32 { 3 }
  // agent -> application
  @inlinable public static var appWelcome: UInt32 { 16 }
  // agent -> node
  @inlinable public static var hello: UInt32 { 32 }
  @inlinable public static var attachSegment: UInt32 { 33 }
  @inlinable public static var records: UInt32 { 34 }
  @inlinable public static var frameBuffers: UInt32 { 35 }
  @inlinable public static var swapchainGone: UInt32 { 36 }
  @inlinable public static var goodbye: UInt32 { 37 }
  /// How frames shall travel; for nodes that said `NodeAbility.codedFrames`. Layouts of this one and the
  /// next, and of `frameUnit` and `frameEnd`: `Sources/FrameStream/FrameMessages.swift`.
  @inlinable public static var frameSettings: UInt32 { 38 }
  /// What became of coded frames.
  @inlinable public static var frameFeedback: UInt32 { 39 }
  /// Why the input of a node's viewers has no effect (`Sources/ViewStream/FeedMessages.swift`, `ViewAnswer`).
  @inlinable public static var viewerAnswer: UInt32 { 40 }
  /// As `records`, coded by `Sources/CommandStream`; for a node that knows it (`HelloFlag`).
  @inlinable public static var codedRecords: UInt32 { 72 }
  /// node -> agent: large parts of records that the node has, for an agent to name instead of sending.
  @inlinable public static var contentHeld: UInt32 { 73 }
  /// node -> agent: one band's unit of a frame, and the end of a frame.
  @inlinable public static var frameUnit: UInt32 { 74 }
  @inlinable public static var frameEnd: UInt32 { 75 }
  /// node -> agent: units may come as datagrams, for agents whose `frameSettings` say so.
  @inlinable public static var frameDatagrams: UInt32 { 76 }
  /// node -> agent: what the draws of a frame say of its geometry, for agents whose `frameSettings` want it.
  @inlinable public static var frameGeometry: UInt32 { 77 }
  // node -> agent
  @inlinable public static var helloReply: UInt32 { 64 }
  @inlinable public static var completions: UInt32 { 65 }
  @inlinable public static var reply: UInt32 { 66 }
  @inlinable public static var readback: UInt32 { 67 }
  @inlinable public static var frame: UInt32 { 68 }
  @inlinable public static var lost: UInt32 { 69 }
  @inlinable public static var statistics: UInt32 { 70 }
  @inlinable public static var log: UInt32 { 71 }
  @inlinable public static var heartbeat: UInt32 { 88 }
  @inlinable public static var snapshotBytes: UInt32 { 89 }
  @inlinable public static var snapshotDone: UInt32 { 90 }
  /// What a node has noted of a frame (`NodeFrameTimes`), for agents that said `HelloFlag.frameTimes`: before the
  /// completion that announces the frame.
  @inlinable public static var frameTimes: UInt32 { 91 }
  /// `readback` in blocks, for agents that said `HelloFlag.memoryBlocks`.
  @inlinable public static var readbackRuns: UInt32 { 80 }
  /// node -> agent: what a viewer of the node has done with a window, for agents that said `HelloFlag.viewerInput`
  /// (`Sources/ViewStream/ViewInput.swift`).
  @inlinable public static var viewerInput: UInt32 { 81 }
}

/// Bits of `appWelcome`'s flags.
public enum WelcomeFlag {
  /// Windows are to have buffers for interim pictures, and `appFrameBuffers` is to say so.
  @inlinable public static var interim: UInt32 { 1 }
}

/// Bits of `hello`'s flags.
public enum HelloFlag {
  /// The node is on the same host: `attachSegment` follows.
  @inlinable public static var sameHost: UInt32 { 1 }
  /// Another node draws; this one is kept ready.
  @inlinable public static var stayIdle: UInt32 { 2 }
  /// The client takes `readbackRuns`.
  @inlinable public static var memoryBlocks: UInt32 { 0x100 }
  /// The client takes `viewerInput`.
  @inlinable public static var viewerInput: UInt32 { 0x200 }
  /// The client takes `frameTimes`.
  @inlinable public static var frameTimes: UInt32 { 0x400 }
}

/// Bits of what a node says that it can do, at the end of `helloReply`; older nodes say nothing.
public enum NodeAbility {
  /// Takes `codedRecords`.
  @inlinable public static var codedRecords: UInt32 { 1 }
  /// Keeps large parts of records from run to run, and says which.
  @inlinable public static var content: UInt32 { 2 }
  /// Keeps 8 MiB of each channel's compressed stream to refer to, and not 1 MiB.
  @inlinable public static var largeWindow: UInt32 { 4 }
  /// Keeps records of OpenGL to be referred to.
  @inlinable public static var repeats: UInt32 { 8 }
  /// Takes `memoryRuns`.
  @inlinable public static var memoryBlocks: UInt32 { 0x100 }
  /// Takes `frameSettings`, and sends frames as they say.
  @inlinable public static var codedFrames: UInt32 { 0x200 }
}

/// The version of records and messages; peers must agree on it. See `docs/wire-format.md`.
public enum WireVersion {
  @inlinable public static var current: UInt32 { 1 }
}
