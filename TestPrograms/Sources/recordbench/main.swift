// Times the recording of draws: 20,000 pairs of vkCmdPushConstants and vkCmdDraw in one render pass, in
// rounds, and prints nanoseconds per pair. The functions come from vkGetDeviceProcAddr, as an engine has
// them. Each round is submitted, so that what was recorded is also drawn. At the end it prints a number
// that is the same for the same picture.
//
//   recordbench [ROUNDS [changing|same [PAIRS]]]
//
// With `changing` one float of each pair is another in every round; without it all rounds are the same.

import CVulkan
import Glibc
import Shaders
import Workbench

let rounds = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 15
let isChanging = CommandLine.arguments.dropFirst(2).first == "changing"
let pairs = CommandLine.arguments.dropFirst(3).first.flatMap { Int($0) } ?? 20_000
let size = 64

let device = Device()
let layout = device.makeLayout([], pushBytes: 16)
var state = GraphicsState()
state.renderPass = makeRenderPass(device)
let pipeline = device.makeGraphicsPipeline(
  vertex: Shader.flatVertex, fragment: Shader.flatFragment, layout, state)
let target = Image(
  device, width: size, height: size,
  usage: bits(VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT, VK_IMAGE_USAGE_TRANSFER_SRC_BIT))
let framebuffer = makeFramebuffer(device, state.renderPass!, target)

let pushConstants = device.function(
  "vkCmdPushConstants",
  as: (@convention(c) (
    VkCommandBuffer?, VkPipelineLayout?, UInt32, UInt32, UInt32, UnsafeRawPointer?
  ) -> Void).self)
let draw = device.function(
  "vkCmdDraw",
  as: (@convention(c) (VkCommandBuffer?, UInt32, UInt32, UInt32, UInt32) -> Void).self)

var nanoseconds: [Double] = []
let commands = Commands(device)
let fence = device.makeFence()
for round in 0..<rounds + 2 {
  let time = record(commands, round: isChanging ? round : 0)
  // The first rounds warm caches and pages.
  if round >= 2 { nanoseconds.append(Double(time) / Double(pairs)) }
  device.submit(commands, fence: fence)
  device.wait(fence)
  var handle: VkFence? = fence
  check(vkResetFences(device.handle, 1, &handle), "vkResetFences")
  check(vkResetCommandBuffer(commands.handle, 0), "vkResetCommandBuffer")
}
nanoseconds.sort()
say("ns_per_pair_median \(nanoseconds[nanoseconds.count / 2])")
say("ns_per_pair_minimum \(nanoseconds[0])")
target.layout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL
say(
  "picture \(target.read().reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 })"
)
device.destroy()

/// Records one command buffer; the time that the pairs took, in nanoseconds.
func record(_ commands: Commands, round: Int) -> UInt64 {
  commands.begin(bits(VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT))
  let handle = commands.handle
  var area = VkRect2D()
  area.extent = VkExtent2D(width: UInt32(size), height: UInt32(size))
  var viewport = VkViewport(
    x: 0, y: 0, width: Float(size), height: Float(size), minDepth: 0, maxDepth: 1)
  var clear = VkClearValue()
  var begin = VkRenderPassBeginInfo()
  begin.sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO
  begin.renderPass = state.renderPass
  begin.framebuffer = framebuffer
  begin.renderArea = area
  begin.clearValueCount = 1
  withUnsafePointer(to: &clear) { clear in
    begin.pClearValues = clear
    vkCmdBeginRenderPass(handle, &begin, VK_SUBPASS_CONTENTS_INLINE)
  }
  vkCmdBindPipeline(handle, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline)
  vkCmdSetViewport(handle, 0, 1, &viewport)
  vkCmdSetScissor(handle, 0, 1, &area)
  let first = -1 + Float(round) * 0.000_03
  let time = recordPairs(handle, layout.handle, first, pushConstants, draw)
  vkCmdEndRenderPass(handle)
  commands.end()
  return time
}

/// The measured part. Everything it touches is a parameter: no global is loaded in the loop.
@inline(never)
func recordPairs(
  _ handle: VkCommandBuffer, _ layout: VkPipelineLayout, _ first: Float,
  _ pushConstants:
    @convention(c) (
      VkCommandBuffer?, VkPipelineLayout?, UInt32, UInt32, UInt32, UnsafeRawPointer?
    ) -> Void,
  _ draw: @convention(c) (VkCommandBuffer?, UInt32, UInt32, UInt32, UInt32) -> Void
) -> UInt64 {
  var place: SIMD4<Float> = [first, -1, 0.01, 0]
  let stages = bits(VK_SHADER_STAGE_ALL)
  let start = now()
  for _ in 0..<pairs {
    place.x += 0.0001
    pushConstants(handle, layout, stages, 0, 16, &place)
    draw(handle, 3, 1, 0, 0)
  }
  return now() - start
}

func makeRenderPass(_ device: Device) -> VkRenderPass {
  var attachment = VkAttachmentDescription()
  attachment.format = VK_FORMAT_R8G8B8A8_UNORM
  attachment.samples = VK_SAMPLE_COUNT_1_BIT
  attachment.loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR
  attachment.storeOp = VK_ATTACHMENT_STORE_OP_STORE
  attachment.finalLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL
  var subpass = VkSubpassDescription()
  subpass.colorAttachmentCount = 1
  subpass.pColorAttachments = keep(
    VkAttachmentReference(attachment: 0, layout: VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL))
  var info = VkRenderPassCreateInfo()
  info.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO
  info.attachmentCount = 1
  info.pAttachments = keep(attachment)
  info.subpassCount = 1
  info.pSubpasses = keep(subpass)
  var pass: VkRenderPass?
  check(vkCreateRenderPass(device.handle, &info, nil, &pass), "vkCreateRenderPass")
  return device.own(pass, vkDestroyRenderPass)
}

func makeFramebuffer(_ device: Device, _ pass: VkRenderPass, _ image: Image) -> VkFramebuffer {
  var info = VkFramebufferCreateInfo()
  info.sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO
  info.renderPass = pass
  info.attachmentCount = 1
  info.pAttachments = keep(image.view)
  info.width = UInt32(size)
  info.height = UInt32(size)
  info.layers = 1
  var framebuffer: VkFramebuffer?
  check(vkCreateFramebuffer(device.handle, &info, nil, &framebuffer), "vkCreateFramebuffer")
  return device.own(framebuffer, vkDestroyFramebuffer)
}
