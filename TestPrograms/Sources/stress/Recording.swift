import CVulkan
import Workbench

extension Slot {
  /// What the task's command buffer waits for: an event that it sets itself, or one that the host sets.
  func event(of task: Task) -> VkEvent? {
    switch task.work {
    case .feed: task.feeding == .beforeEvent ? hostEvent : nil
    case .copy, .mix: task.seed % 4 == 0 ? deviceEvent : nil
    default: nil
    }
  }
}

extension Worker {
  /// Records a task: behind all that was submitted before it, what it does to its target, and a part of
  /// the outcome into the slot's output.
  func record(_ task: Task, _ lane: Lane, _ slot: Slot, _ random: inout Random) {
    let commands = slot.commands
    let target = cell(task.target)
    commands.begin(bits(VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT))
    commands.barrier()
    switch task.work {
    case .fill: recordFill(commands, target, &random)
    case .copy:
      let words = 1 + random.below(Site.cellWords / 2)
      let from = random.below(Site.cellWords - words) * 4
      let to = random.below(Site.cellWords - words) * 4
      commands.copy(cell(task.source), target, count: words * 4, from: from, to: to)
    case .mix: recordMix(task, lane, slot, &random)
    case .feed:
      if let event = slot.event(of: task) {
        wait(for: event, setBy: bits(VK_PIPELINE_STAGE_HOST_BIT), commands)
      }
      let to = random.below(Site.cellWords - Slot.words) * 4
      commands.copy(
        lane.site.exchange, target, count: Slot.words * 4, from: slot.inputOffset, to: to)
    case .draw: recordDraw(task, lane, slot, &random)
    case .visit: break
    }
    if task.work != .feed, let event = slot.event(of: task) {
      let everything = bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT)
      vkCmdSetEvent(commands.handle, event, everything)
      wait(for: event, setBy: everything, commands)
    }
    if task.work != .draw {
      let from = random.below(Site.cellWords - Slot.words) * 4
      commands.copy(
        target, lane.site.exchange, count: Slot.words * 4, from: from, to: slot.outputOffset)
    }
    commands.end()
  }

  private func wait(for event: VkEvent, setBy stages: UInt32, _ commands: Commands) {
    var barrier = VkMemoryBarrier()
    barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER
    barrier.srcAccessMask = bits(VK_ACCESS_HOST_WRITE_BIT, VK_ACCESS_MEMORY_WRITE_BIT)
    barrier.dstAccessMask = bits(VK_ACCESS_MEMORY_READ_BIT, VK_ACCESS_MEMORY_WRITE_BIT)
    var event: VkEvent? = event
    vkCmdWaitEvents(
      commands.handle, 1, &event, stages, bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT), 1,
      &barrier, 0, nil, 0, nil)
  }

  private func recordFill(_ commands: Commands, _ target: Buffer, _ random: inout Random) {
    let words = 1 + random.below(Site.cellWords / 2)
    let first = random.below(Site.cellWords - words)
    let value = UInt32(truncatingIfNeeded: random.next())
    vkCmdFillBuffer(
      commands.handle, target.handle, UInt64(first * 4), UInt64(words * 4), value)
    commands.barrier()
    var update = (random.next(), random.next(), random.next(), random.next())
    let place = random.below(Site.cellWords - 8)
    vkCmdUpdateBuffer(commands.handle, target.handle, UInt64(place * 4), 32, &update)
    commands.barrier()
  }

  private func recordMix(_ task: Task, _ lane: Lane, _ slot: Slot, _ random: inout Random) {
    let site = lane.site
    let words = 1 + random.below(Site.cellWords)
    // In place, each word has to go back where it came from.
    let first = task.source == task.target ? 0 : random.below(Site.cellWords - words + 1)
    bind(site.device, slot.set, cell(task.source), cell(task.target))
    var set: VkDescriptorSet? = slot.set
    var push = (UInt32(words), UInt32(truncatingIfNeeded: random.next()), UInt32(first), UInt32(1))
    let commands = slot.commands.handle
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, site.mix)
    vkCmdBindDescriptorSets(
      commands, VK_PIPELINE_BIND_POINT_COMPUTE, site.mixLayout.handle, 0, 1, &set, 0, nil)
    vkCmdPushConstants(
      commands, site.mixLayout.handle, bits(VK_SHADER_STAGE_ALL), 0, 16, &push)
    vkCmdDispatch(commands, UInt32(words + 63) / 64, 1, 1)
    slot.commands.barrier()
  }

  private func bind(_ device: Device, _ set: VkDescriptorSet, _ source: Buffer, _ target: Buffer) {
    let range = UInt64(Site.cellWords * 4)
    let buffers = (
      VkDescriptorBufferInfo(buffer: source.handle, offset: 0, range: range),
      VkDescriptorBufferInfo(buffer: target.handle, offset: 0, range: range)
    )
    withUnsafeBytes(of: buffers) { buffers in
      var write = VkWriteDescriptorSet()
      write.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET
      write.dstSet = set
      write.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER
      // Goes on into the second binding, which is of the same kind.
      write.descriptorCount = 2
      write.pBufferInfo = buffers.bindMemory(to: VkDescriptorBufferInfo.self).baseAddress
      vkUpdateDescriptorSets(device.handle, 1, &write, 0, nil)
    }
  }

  /// Draws triangles, counts what of them is seen into the target, and takes a block of the picture.
  private func recordDraw(_ task: Task, _ lane: Lane, _ slot: Slot, _ random: inout Random) {
    let device = lane.site.device
    let commands = slot.commands.handle
    let pools: [(pool: VkQueryPool?, count: UInt32)] = [
      (slot.occlusion, 1), (slot.statistics, 1), (slot.times, 2),
    ]
    let byHost = device.features12.hostQueryReset != 0 && random.below(2) == 0
    for (pool, count) in pools where pool != nil {
      if byHost {
        vkResetQueryPool(device.handle, pool, 0, count)
      } else {
        vkCmdResetQueryPool(commands, pool, 0, count)
      }
    }
    vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, slot.times, 0)
    lane.pass.begin(slot.commands)
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, lane.draw)
    let precise =
      device.features.occlusionQueryPrecise != 0 ? bits(VK_QUERY_CONTROL_PRECISE_BIT) : 0
    vkCmdBeginQuery(commands, slot.occlusion, 0, precise)
    if let statistics = slot.statistics { vkCmdBeginQuery(commands, statistics, 0, 0) }
    for _ in 0...random.below(4) {
      // Exact in binary: no rounding decides which texels are covered.
      var place = SIMD4<Float>(
        Float(random.below(16)) / 8 - 1, Float(random.below(16)) / 8 - 1,
        Float(1 + random.below(8)) / 8, 0)
      vkCmdPushConstants(
        commands, lane.site.drawLayout.handle, bits(VK_SHADER_STAGE_ALL), 0, 16, &place)
      vkCmdDraw(commands, 3, 1, 0, 0)
    }
    if let statistics = slot.statistics { vkCmdEndQuery(commands, statistics, 0) }
    vkCmdEndQuery(commands, slot.occlusion, 0)
    vkCmdEndRenderPass(commands)
    vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, slot.times, 1)
    vkCmdCopyQueryPoolResults(
      commands, slot.occlusion, 0, 1, cell(task.target).handle,
      UInt64(random.below(Site.cellWords / 2) * 8), 8,
      bits(VK_QUERY_RESULT_64_BIT, VK_QUERY_RESULT_WAIT_BIT))
    var region = VkBufferImageCopy()
    region.bufferOffset = UInt64(slot.outputOffset)
    region.imageSubresource = lane.pass.image.layers()
    region.imageOffset = VkOffset3D(x: Int32(random.below(24)), y: Int32(random.below(24)), z: 0)
    region.imageExtent = VkExtent3D(width: 8, height: 8, depth: 1)
    vkCmdCopyImageToBuffer(
      commands, lane.pass.image.handle, lane.pass.image.layout, lane.site.exchange.handle, 1,
      &region)
    slot.commands.barrier()
  }
}
