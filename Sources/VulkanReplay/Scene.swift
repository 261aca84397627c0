import CVulkan
import VulkanWire
import Wire

// What a frame's draws say of its geometry, for pictures that nobody renders: the depth attachment of the pass
// that drew most, and what its largest draws were given to project themselves by. Noted while command buffers
// are replayed, and only for a client that asks for it.

/// A depth attachment that can be read.
struct DepthImage: Equatable {
  let image: VkImage
  let width: Int
  let height: Int
  let format: VkFormat

  /// Nil when the depth of the format cannot be read as a number for each pixel.
  static func isReadable(_ format: VkFormat) -> Bool { bytesPerSample(format) > 0 }

  /// Bytes of a sample of depth, copied out by itself; 0 when it cannot be.
  static func bytesPerSample(_ format: VkFormat) -> Int {
    switch format {
    case VK_FORMAT_D16_UNORM, VK_FORMAT_D16_UNORM_S8_UINT: 2
    case VK_FORMAT_D32_SFLOAT, VK_FORMAT_D32_SFLOAT_S8_UINT, VK_FORMAT_X8_D24_UNORM_PACK32,
      VK_FORMAT_D24_UNORM_S8_UINT:
      4
    default: 0
    }
  }

  /// How its depth lies where it was copied to.
  var sampleFormat: SceneGeometry.DepthFormat? {
    switch format {
    case VK_FORMAT_D16_UNORM, VK_FORMAT_D16_UNORM_S8_UINT: .unorm16
    case VK_FORMAT_X8_D24_UNORM_PACK32, VK_FORMAT_D24_UNORM_S8_UINT: .unorm24
    case VK_FORMAT_D32_SFLOAT, VK_FORMAT_D32_SFLOAT_S8_UINT: .float32
    default: nil
    }
  }

  var hasStencil: Bool {
    format == VK_FORMAT_D16_UNORM_S8_UINT || format == VK_FORMAT_D24_UNORM_S8_UINT
      || format == VK_FORMAT_D32_SFLOAT_S8_UINT
  }
}

/// A draw of a pass.
struct SceneDraw {
  let identity: UInt64
  let group: UInt64
  /// Vertices times instances: what it is likely to cover.
  let size: UInt64
  let push: [UInt8]
  let uniforms: [UniformPlace]
}

/// Where a uniform block lies.
struct UniformPlace {
  let memory: MemoryState
  let range: ByteRange
}

/// A pass with depth, while it is recorded and afterwards.
struct ScenePass {
  let depth: DepthImage
  /// The layout that the attachment is left in.
  var layout: VkImageLayout
  /// What depth is cleared to.
  let background: Float
  var draws: [SceneDraw] = []

  /// Draws of a pass that are remembered.
  static let mostDraws = 256

  var size: UInt64 { draws.reduce(0) { $0 &+ $1.size } }
}

/// What a queue was given last.
public struct SceneGeometry {
  /// A draw, and the constants that it was given, as they were when the queue was.
  public struct Draw: Sendable {
    public var identity: UInt64
    public var group: UInt64
    public var blocks: [[UInt8]]
  }

  /// How samples of depth lie in memory.
  public enum DepthFormat: Sendable {
    case unorm16
    /// In the lower bits of 32.
    case unorm24
    case float32
  }

  /// Rows without gaps.
  public var depth: UnsafeRawBufferPointer
  public var format: DepthFormat
  public var width: Int
  public var height: Int
  /// What depth was cleared to.
  public var background: Float
  public var draws: [Draw]
}

/// The scene that was submitted last, ready to be copied out.
struct SubmittedScene {
  let depth: DepthImage
  var layout: VkImageLayout
  let background: Float
  let draws: [SceneGeometry.Draw]
}

/// What a command buffer draws. Of its channel's thread alone.
final class CommandScene {
  private(set) var passes: [ScenePass] = []
  /// Layouts that barriers have brought depth images to after all passes of theirs.
  private(set) var layouts: [UInt64: VkImageLayout] = [:]
  /// Draws of a secondary command buffer, whose pass is another one's.
  private(set) var loose: [SceneDraw] = []
  private var isOpen = false
  private var continues = false
  // What is bound.
  private var pipeline: UInt64 = 0
  private var vertices: UInt64 = 0
  private var push: [UInt8] = []
  private var sets: [UInt32: [UniformPlace]] = [:]
  private var ordinals: [UInt64: UInt64] = [:]

  private static let mostPasses = 64
  private static let mostPush = 256
  /// What is wanted of a uniform block, and of how many.
  private static let mostBlockBytes = 4096
  static let mostBlocks = 7
  /// Draws that are told of, the largest.
  static let mostDraws = 16

  /// `continues`: a pass that another command buffer has begun.
  func reset(continues: Bool) {
    passes.removeAll(keepingCapacity: true)
    layouts = [:]
    loose = []
    ordinals = [:]
    isOpen = false
    self.continues = continues
    pipeline = 0
    vertices = 0
    push = []
    sets = [:]
  }

  func begin(_ pass: ScenePass?) {
    isOpen = pass != nil && passes.count < CommandScene.mostPasses
    ordinals = [:]
    guard isOpen, let pass else { return }
    layouts.removeValue(forKey: key(pass.depth.image))
    passes.append(pass)
  }

  func bind(pipeline: UInt64) { self.pipeline = pipeline }
  func bind(vertices buffer: UInt64) { vertices = buffer }

  func bind(set number: UInt32, _ places: [UniformPlace]) { sets[number] = places }

  func push(_ offset: Int, _ bytes: UnsafeRawBufferPointer) {
    let end = offset + bytes.count
    guard end <= CommandScene.mostPush else { return }
    if push.count < end { push += [UInt8](repeating: 0, count: end - push.count) }
    push.replaceSubrange(offset..<end, with: bytes)
  }

  func note(_ image: VkImage?, _ layout: VkImageLayout) {
    guard let image, let last = passes.lastIndex(where: { $0.depth.image == image }) else {
      layouts[key(image)] = layout
      return
    }
    passes[last].layout = layout
  }

  /// `first`: what tells it from other draws of the same vertices.
  func draw(count: UInt32, instances: UInt32, first: UInt64) {
    guard isOpen || continues, count > 0, instances > 0 else { return }
    let last = passes.count - 1
    guard (isOpen ? passes[last].draws.count : loose.count) < ScenePass.mostDraws else { return }
    var identity: UInt64 = 0xCBF2_9CE4_8422_2325
    for word in [pipeline, vertices, UInt64(count), UInt64(instances), first] {
      identity = (identity ^ word) &* 0x0000_0100_0000_01B3
      identity ^= identity &>> 29
    }
    // Draws of one mesh are told apart by their order.
    let ordinal = ordinals[identity, default: 0]
    ordinals[identity] = ordinal + 1
    identity = (identity &+ ordinal) &* 0x9E37_79B9_7F4A_7C15
    let uniforms = sets.sorted { $0.key < $1.key }.flatMap(\.value).prefix(CommandScene.mostBlocks)
    let draw = SceneDraw(
      identity: identity, group: pipeline, size: UInt64(count) * UInt64(instances), push: push,
      uniforms: Array(uniforms))
    if isOpen { passes[last].draws.append(draw) } else { loose.append(draw) }
  }

  /// What a secondary command buffer draws in the pass that is open.
  func add(_ other: CommandScene) {
    guard isOpen else { return }
    let last = passes.count - 1
    let room = ScenePass.mostDraws - passes[last].draws.count
    passes[last].draws += other.loose.prefix(max(0, room))
  }

  fileprivate func key(_ image: VkImage?) -> UInt64 { UInt64(UInt(bitPattern: image)) }
}

/// The depth attachment of a render pass.
private struct PassDepth {
  let attachment: Int
  let finalLayout: VkImageLayout
  let isCleared: Bool
}

/// What has to be known of a device's objects to find a frame's geometry. Of its channel's thread alone.
final class SceneObserver {
  private var images: [UInt64: DepthImage] = [:]
  /// Where each of them lies.
  private var memories: [UInt64: UInt64] = [:]
  private var views: [UInt64: DepthImage] = [:]
  private var renderPasses: [UInt64: PassDepth] = [:]
  private var framebuffers: [UInt64: [UInt64]] = [:]
  private var buffers: [UInt64: UniformPlace] = [:]
  private var sets: [UInt64: [UInt64: (place: UniformPlace, isDynamic: Bool)]] = [:]
  private var commands: [UInt64: CommandScene] = [:]
  /// What was submitted last, until it is presented.
  private(set) var latest: SubmittedScene?

  private static let mostUniforms = 64

  private func key(_ handle: OpaquePointer?) -> UInt64 { UInt64(UInt(bitPattern: handle)) }

  // MARK: Objects

  /// Whether an image will be of interest, so that it is to be made as one that can be copied from.
  static func isDepth(_ info: VkImageCreateInfo) -> Bool {
    let usage = info.usage
    return usage & VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT.rawValue != 0
      && usage & VK_IMAGE_USAGE_TRANSIENT_ATTACHMENT_BIT.rawValue == 0
      && info.samples == VK_SAMPLE_COUNT_1_BIT && info.imageType == VK_IMAGE_TYPE_2D
      && info.arrayLayers == 1 && info.mipLevels == 1
      && info.tiling == VK_IMAGE_TILING_OPTIMAL && DepthImage.isReadable(info.format)
  }

  /// An image that `isDepth` and can be copied from.
  func add(_ image: VkImage, _ info: VkImageCreateInfo) {
    images[key(image)] = DepthImage(
      image: image, width: Int(info.extent.width), height: Int(info.extent.height),
      format: info.format)
  }

  func bind(image: VkImage?, to memory: VkDeviceMemory?) {
    if images[key(image)] != nil { memories[key(image)] = key(memory) }
  }

  /// Whether an image that may be copied from lies there.
  func reads(_ memory: VkDeviceMemory?) -> Bool { memories.values.contains(key(memory)) }

  /// Whether the image was known.
  func remove(image: VkImage?) -> Bool {
    memories.removeValue(forKey: key(image))
    guard let gone = images.removeValue(forKey: key(image)) else { return false }
    if latest?.depth == gone { latest = nil }
    return true
  }

  func add(view: VkImageView, of image: VkImage?) { views[key(view)] = images[key(image)] }
  func remove(view: VkImageView?) { views.removeValue(forKey: key(view)) }

  func add(buffer: VkBuffer?, _ memory: MemoryState, _ range: ByteRange) {
    buffers[key(buffer)] = UniformPlace(memory: memory, range: range)
  }
  func remove(buffer: VkBuffer?) { buffers.removeValue(forKey: key(buffer)) }

  func add(framebuffer: VkFramebuffer, _ info: VkFramebufferCreateInfo) {
    guard info.flags & VK_FRAMEBUFFER_CREATE_IMAGELESS_BIT.rawValue == 0 else { return }
    framebuffers[key(framebuffer)] = (0..<Int(info.attachmentCount)).map {
      key(info.pAttachments?[$0])
    }
  }
  func remove(framebuffer: VkFramebuffer?) { framebuffers.removeValue(forKey: key(framebuffer)) }

  func add(renderPass: VkRenderPass, _ info: VkRenderPassCreateInfo) {
    let depths = (0..<Int(info.subpassCount)).map {
      info.pSubpasses?[$0].pDepthStencilAttachment?.pointee.attachment
    }
    add(renderPass, depths, of: info.attachmentCount) { number in
      info.pAttachments.map { ($0[number].finalLayout, $0[number].loadOp) }
    }
  }

  func add(renderPass: VkRenderPass, _ info: VkRenderPassCreateInfo2) {
    let depths = (0..<Int(info.subpassCount)).map {
      info.pSubpasses?[$0].pDepthStencilAttachment?.pointee.attachment
    }
    add(renderPass, depths, of: info.attachmentCount) { number in
      info.pAttachments.map { ($0[number].finalLayout, $0[number].loadOp) }
    }
  }

  /// - Parameters:
  ///   - depths: the depth attachment of each subpass; of several the last counts.
  ///   - attachment: final layout and load operation of an attachment below `count`.
  private func add(
    _ renderPass: VkRenderPass, _ depths: [UInt32?], of count: UInt32,
    _ attachment: (Int) -> (VkImageLayout, VkAttachmentLoadOp)?
  ) {
    renderPasses[key(renderPass)] = nil
    for case let depth? in depths where depth < count {
      guard let (layout, load) = attachment(Int(depth)) else { continue }
      renderPasses[key(renderPass)] = PassDepth(
        attachment: Int(depth), finalLayout: layout, isCleared: load == VK_ATTACHMENT_LOAD_OP_CLEAR)
    }
  }

  func remove(renderPass: VkRenderPass?) { renderPasses.removeValue(forKey: key(renderPass)) }

  // MARK: Descriptor sets

  private static func isUniform(_ type: VkDescriptorType) -> Bool {
    type == VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER || type == VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC
  }

  func update(_ write: VkWriteDescriptorSet) {
    guard SceneObserver.isUniform(write.descriptorType) else { return }
    var known = sets[key(write.dstSet)] ?? [:]
    for i in 0..<write.descriptorCount {
      let number = UInt64(write.dstBinding) << 32 | UInt64(write.dstArrayElement &+ i)
      known[number] = place(write, Int(i)).map {
        ($0, write.descriptorType == VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC)
      }
    }
    sets[key(write.dstSet)] = known.count <= SceneObserver.mostUniforms ? known : nil
  }

  private func place(_ write: VkWriteDescriptorSet, _ i: Int) -> UniformPlace? {
    guard let info = write.pBufferInfo?[i], let buffer = buffers[key(info.buffer)] else {
      return nil
    }
    return part(buffer, ByteRange(offset: info.offset, size: info.range))
  }

  private func part(_ place: UniformPlace, _ range: ByteRange) -> UniformPlace {
    let start = min(place.range.end, place.range.start &+ range.start)
    let end = min(place.range.end, place.range.start &+ range.end)
    return UniformPlace(memory: place.memory, range: ByteRange(start: start, end: end))
  }

  func forget(set: UInt64) { sets.removeValue(forKey: set) }

  // MARK: Commands

  func commands(recording commandBuffer: VkCommandBuffer?) -> CommandScene {
    if let known = commands[key(commandBuffer)] { return known }
    let new = CommandScene()
    commands[key(commandBuffer)] = new
    return new
  }

  func forget(commands commandBuffer: UInt64) { commands.removeValue(forKey: commandBuffer) }

  func bind(_ scene: CommandScene, _ a: Args_vkCmdBindDescriptorSets) {
    guard a.pipelineBindPoint == VK_PIPELINE_BIND_POINT_GRAPHICS else { return }
    var offset = 0
    for i in 0..<a.descriptorSetCount {
      let known = sets[key(a.pDescriptorSets?[Int(i)])] ?? [:]
      var places: [UniformPlace] = []
      for (_, uniform) in known.sorted(by: { $0.key < $1.key }) {
        guard uniform.isDynamic, offset < Int(a.dynamicOffsetCount) else {
          places.append(uniform.place)
          continue
        }
        let more = Int(a.pDynamicOffsets?[offset] ?? 0)
        offset += 1
        let range = uniform.place.range
        places.append(
          UniformPlace(
            memory: uniform.place.memory,
            range: ByteRange(start: range.start &+ more, end: range.end &+ more)))
      }
      scene.bind(set: a.firstSet &+ i, places)
    }
  }

  func push(_ scene: CommandScene, _ write: VkWriteDescriptorSet, set: UInt32) {
    guard SceneObserver.isUniform(write.descriptorType) else { return }
    scene.bind(set: set, (0..<Int(write.descriptorCount)).compactMap { place(write, $0) })
  }

  func begin(_ scene: CommandScene, _ begin: VkRenderPassBeginInfo) {
    guard let pass = renderPasses[key(begin.renderPass)] else { return scene.begin(nil) }
    var view = framebuffers[key(begin.framebuffer)].flatMap {
      pass.attachment < $0.count ? $0[pass.attachment] : nil
    }
    if let attachments = chained(
      VK_STRUCTURE_TYPE_RENDER_PASS_ATTACHMENT_BEGIN_INFO, in: begin.pNext,
      as: VkRenderPassAttachmentBeginInfo.self
    )?.pointee, pass.attachment < Int(attachments.attachmentCount) {
      view = key(attachments.pAttachments?[pass.attachment])
    }
    guard let view, let depth = views[view] else { return scene.begin(nil) }
    var background: Float = 1
    if pass.isCleared, pass.attachment < Int(begin.clearValueCount) {
      background = begin.pClearValues?[pass.attachment].depthStencil.depth ?? 1
    }
    scene.begin(ScenePass(depth: depth, layout: pass.finalLayout, background: background))
  }

  func begin(_ scene: CommandScene, _ info: VkRenderingInfo) {
    guard let attachment = info.pDepthAttachment?.pointee,
      let depth = views[key(attachment.imageView)]
    else { return scene.begin(nil) }
    let isCleared = attachment.loadOp == VK_ATTACHMENT_LOAD_OP_CLEAR
    scene.begin(
      ScenePass(
        depth: depth, layout: attachment.imageLayout,
        background: isCleared ? attachment.clearValue.depthStencil.depth : 1))
  }

  // MARK: Submits

  /// Command buffers go to a queue: what their passes drew is remembered, with the constants as they are now.
  func submit(_ commandBuffers: [VkCommandBuffer?]) {
    for commandBuffer in commandBuffers {
      guard let scene = commands[key(commandBuffer)] else { continue }
      if let image = latest?.depth.image, let layout = scene.layouts[key(image)] {
        latest?.layout = layout
      }
      // Of several passes that of which most was drawn: shadows and reflections are smaller pictures mostly.
      guard
        let pass = scene.passes.filter({ !$0.draws.isEmpty }).max(by: {
          ($0.depth.width * $0.depth.height, $0.size) < ($1.depth.width * $1.depth.height, $1.size)
        })
      else { continue }
      let draws = pass.draws.sorted { $0.size > $1.size }.prefix(CommandScene.mostDraws)
      latest = SubmittedScene(
        depth: pass.depth, layout: pass.layout, background: pass.background,
        draws: draws.map { draw in
          SceneGeometry.Draw(
            identity: draw.identity, group: draw.group,
            blocks: [draw.push] + draw.uniforms.map { $0.memory.bytes(in: $0.range) })
        })
    }
  }

  /// Takes what a picture of this size was drawn with; nil when nothing is known of it.
  func take(width: Int, height: Int) -> SubmittedScene? {
    defer { latest = nil }
    guard let latest, latest.depth.width == width, latest.depth.height == height,
      latest.layout != VK_IMAGE_LAYOUT_UNDEFINED
    else { return nil }
    return latest
  }
}
