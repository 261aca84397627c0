import CVulkan
import Testing
import Wire

@testable import VulkanWire

/// The codecs that are written by hand, where the descriptions do not reach.
@Suite("Hand-written codecs")
struct CustomTests {
  private let box = ArenaBox()

  /// Decodes the record that `encode` wrote.
  private func roundTrip<A>(
    _ filler: Filler, _ encode: (inout Writer) -> Void, _ decode: (inout Reader) -> A
  ) -> A {
    var heap = HeapWriter(capacity: 64)
    defer { heap.free() }
    encode(&heap.writer)
    let body = UnsafeRawBufferPointer(rebasing: heap.bytes[8...])
    for end in stride(from: 0, to: body.count, by: 4) {
      var cut = Reader(
        UnsafeRawBufferPointer(rebasing: body[..<end]), arena: box.arena,
        handles: UnsafePointer(filler.handles))
      _ = decode(&cut)
      #expect(cut.failure != nil || end == body.count - 4)
    }
    box.arena.pointee.reset()
    var reader = Reader(body, arena: box.arena, handles: UnsafePointer(filler.handles))
    let a = decode(&reader)
    #expect(reader.failure == nil, "\(reader.failure.map { "\($0)" } ?? "")")
    return a
  }

  @Test("pushed descriptors leave dstSet out, which may be garbage")
  func push() {
    for seed: UInt64 in 0..<50 {
      let filler = Filler(seed: seed)
      let layout = filler.handle(HandleKind.pipelineLayout.rawValue, dispatchable: false)
      let s = Descriptions.shared.structures["VkWriteDescriptorSet"]!
      let raw = filler.room(3 * s.size)
      for i in 0..<3 {
        filler.fill(structure: s, raw + i * s.size)
        (raw + i * s.size).put64(0xDEAD_BEEF, 16)
      }
      let writes = raw.assumingMemoryBound(to: VkWriteDescriptorSet.self)
      let a = roundTrip(
        filler,
        {
          encode_vkCmdPushDescriptorSetKHR(
            &$0, VK_PIPELINE_BIND_POINT_COMPUTE, handlePointer(layout), 2, 3, writes)
        }, { decode_vkCmdPushDescriptorSetKHR(&$0) })
      #expect(a.descriptorWriteCount == 3)
      #expect(a.set == 2 && handleID(a.layout) == layout)
      for i in 0..<3 {
        #expect(a.pDescriptorWrites?[i].dstSet == nil)
        (raw + i * s.size).put64(0, 16)
        var comparison = Comparison(filler)
        comparison.compare(
          structure: s, raw + i * s.size, UnsafeRawPointer(a.pDescriptorWrites! + i), "write")
        #expect(comparison.difference == nil)
      }
    }
  }

  @Test("an update through a template is the writes that it means")
  func templates() {
    let filler = Filler(seed: 1)
    let device = filler.handle(HandleKind.device.rawValue, dispatchable: true)
    let set = filler.handle(HandleKind.descriptorSet.rawValue, dispatchable: false)
    let buffers = (0..<3).map { _ in
      filler.handle(HandleKind.buffer.rawValue, dispatchable: false)
    }
    let view = filler.handle(HandleKind.bufferView.rawValue, dispatchable: false)
    // Three buffers 40 bytes apart, a texel buffer view, 12 bytes of an inline block.
    let data = filler.room(256)
    for i in 0..<3 {
      data.put64(buffers[i], 8 + i * 40)
      data.put64(UInt64(i), 16 + i * 40)
      data.put64(100, 24 + i * 40)
    }
    data.put64(view, 160)
    data.put32(0x1234_5678, 200)
    let entries = [
      VkDescriptorUpdateTemplateEntry(
        dstBinding: 1, dstArrayElement: 0, descriptorCount: 3,
        descriptorType: VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, offset: 8, stride: 40),
      VkDescriptorUpdateTemplateEntry(
        dstBinding: 2, dstArrayElement: 5, descriptorCount: 1,
        descriptorType: VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, offset: 160, stride: 0),
      VkDescriptorUpdateTemplateEntry(
        dstBinding: 3, dstArrayElement: 4, descriptorCount: 12,
        descriptorType: VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK, offset: 200, stride: 0),
    ]
    let a = roundTrip(
      filler,
      {
        encodeTemplateUpdate(
          &$0, handlePointer(device), handlePointer(set), entries, 3, UnsafeRawPointer(data))
      }, { decode_vkUpdateDescriptorSets(&$0) })
    #expect(handleID(a.device) == device)
    #expect(a.descriptorWriteCount == 3 && a.descriptorCopyCount == 0)
    guard let writes = a.pDescriptorWrites else { return }
    for i in 0..<3 {
      #expect(handleID(writes[0].pBufferInfo[i].buffer) == buffers[i])
      #expect(writes[0].pBufferInfo[i].offset == UInt64(i))
      #expect(writes[0].pBufferInfo[i].range == 100)
      #expect(handleID(writes[i].dstSet) == set)
      #expect(writes[i].dstBinding == UInt32(i + 1))
    }
    #expect(handleID(writes[1].pTexelBufferView[0]) == view)
    #expect(writes[1].dstArrayElement == 5)
    let block = writes[2].pNext?.assumingMemoryBound(
      to: VkWriteDescriptorSetInlineUniformBlock.self)
    #expect(block?.pointee.dataSize == 12)
    #expect(block?.pointee.pData.loadUnaligned(as: UInt32.self) == 0x1234_5678)
    let push = roundTrip(
      filler,
      {
        encodeTemplatePush(
          &$0, VK_PIPELINE_BIND_POINT_GRAPHICS,
          handlePointer(filler.handle(HandleKind.pipelineLayout.rawValue, dispatchable: false)), 1,
          entries, 2, UnsafeRawPointer(data))
      }, { decode_vkCmdPushDescriptorSetKHR(&$0) })
    #expect(push.descriptorWriteCount == 2)
  }

  @Test("multi draws are packed, whatever their stride was")
  func multiDraws() {
    let filler = Filler(seed: 2)
    let raw = filler.room(64)
    for i in 0..<3 {
      raw.put32(UInt32(i), i * 20)
      raw.put32(UInt32(10 + i), i * 20 + 4)
      raw.put32(UInt32(20 + i), i * 20 + 8)
    }
    let a = roundTrip(
      filler,
      {
        encode_vkCmdDrawMultiEXT(
          &$0, 3, UnsafePointer(raw.assumingMemoryBound(to: VkMultiDrawInfoEXT.self)), 7, 8, 20)
      }, { decode_vkCmdDrawMultiEXT(&$0) })
    #expect(a.drawCount == 3 && a.instanceCount == 7 && a.firstInstance == 8 && a.stride == 8)
    for i in 0..<3 { #expect(a.pVertexInfo?[i].vertexCount == UInt32(10 + i)) }
    var offset: Int32 = -5
    let b = roundTrip(
      filler,
      {
        encode_vkCmdDrawMultiIndexedEXT(
          &$0, 3, UnsafePointer(raw.assumingMemoryBound(to: VkMultiDrawIndexedInfoEXT.self)), 7, 8,
          20, &offset)
      }, { decode_vkCmdDrawMultiIndexedEXT(&$0) })
    #expect(b.drawCount == 3 && b.pVertexOffset?.pointee == -5 && b.stride == 12)
    for i in 0..<3 { #expect(b.pIndexInfo?[i].vertexOffset == Int32(20 + i)) }
  }

  @Test("builds of acceleration structures keep an array for each info")
  func builds() {
    let filler = Filler(seed: 3)
    filler.arrayCount = 2
    let s = Descriptions.shared.structures["VkAccelerationStructureBuildGeometryInfoKHR"]!
    let raw = filler.room(2 * s.size)
    for i in 0..<2 { filler.fill(structure: s, raw + i * s.size) }
    typealias Range = VkAccelerationStructureBuildRangeInfoKHR
    let lists = filler.room(16)
    for i in 0..<2 {
      let list = filler.room(2 * MemoryLayout<Range>.stride)
      list.put32(UInt32(40 + i), 0)
      lists.putPointer(list, i * 8)
    }
    let infos = UnsafePointer(
      raw.assumingMemoryBound(to: VkAccelerationStructureBuildGeometryInfoKHR.self))
    let a = roundTrip(
      filler,
      {
        encode_vkCmdBuildAccelerationStructuresKHR(
          &$0, 2, infos, UnsafePointer(lists.assumingMemoryBound(to: UnsafePointer<Range>?.self)))
      }, { decode_vkCmdBuildAccelerationStructuresKHR(&$0) })
    #expect(a.infoCount == 2)
    for i in 0..<2 {
      #expect(a.ppBuildRangeInfos?[i]?[0].primitiveCount == UInt32(40 + i))
      var comparison = Comparison(filler)
      comparison.compare(
        structure: s, raw + i * s.size, UnsafeRawPointer(a.pInfos! + i), "info")
      #expect(comparison.difference == nil)
    }
    let addresses: [VkDeviceAddress] = [1, 2]
    let strides: [UInt32] = [3, 4]
    let b = roundTrip(
      filler,
      {
        encode_vkCmdBuildAccelerationStructuresIndirectKHR(
          &$0, 2, infos, addresses, strides,
          UnsafePointer(lists.assumingMemoryBound(to: UnsafePointer<UInt32>?.self)))
      }, { decode_vkCmdBuildAccelerationStructuresIndirectKHR(&$0) })
    #expect(b.pIndirectDeviceAddresses?[1] == 2 && b.pIndirectStrides?[1] == 4)
    #expect(b.ppMaxPrimitiveCounts?[1]?[0] == 41)
  }

  @Test("a build whose geometries are in neither list is refused")
  func missingGeometries() {
    var info = VkAccelerationStructureBuildGeometryInfoKHR()
    info.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_BUILD_GEOMETRY_INFO_KHR
    for count: UInt32 in [0, 2] {
      info.geometryCount = count
      var heap = HeapWriter(capacity: 64)
      defer { heap.free() }
      encode_VkAccelerationStructureBuildGeometryInfoKHR(&heap.writer, &info)
      var reader = Reader(heap.bytes, arena: box.arena, handles: nil)
      decode_VkAccelerationStructureBuildGeometryInfoKHR(&reader, &info)
      #expect((reader.failure == nil) == (count == 0))
    }
  }

  @Test("garbage that a graphics pipeline ignores is not read")
  func ignoredPipelineStates() {
    let filler = Filler(seed: 4)
    let garbage = UInt(0xDEAD_0000)
    var dynamicStates = [
      VK_DYNAMIC_STATE_VIEWPORT, VK_DYNAMIC_STATE_SCISSOR, VK_DYNAMIC_STATE_VERTEX_INPUT_EXT,
    ]
    var dynamic = VkPipelineDynamicStateCreateInfo()
    dynamic.sType = VK_STRUCTURE_TYPE_PIPELINE_DYNAMIC_STATE_CREATE_INFO
    dynamic.dynamicStateCount = 3
    var viewports = VkPipelineViewportStateCreateInfo()
    viewports.sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO
    viewports.viewportCount = 1
    viewports.scissorCount = 1
    viewports.pViewports = UnsafePointer(bitPattern: garbage)
    viewports.pScissors = UnsafePointer(bitPattern: garbage)
    var rasterization = VkPipelineRasterizationStateCreateInfo()
    rasterization.sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO
    var info = VkGraphicsPipelineCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO
    info.pVertexInputState = UnsafePointer(bitPattern: garbage)
    info.pTessellationState = UnsafePointer(bitPattern: garbage)
    info.basePipelineHandle = OpaquePointer(bitPattern: garbage)
    dynamicStates.withUnsafeMutableBufferPointer { states in
      dynamic.pDynamicStates = UnsafePointer(states.baseAddress)
      withUnsafePointer(to: &dynamic) { dynamic in
        withUnsafePointer(to: &viewports) { viewports in
          withUnsafeMutablePointer(to: &rasterization) { rasterization in
            info.pDynamicState = dynamic
            info.pViewportState = viewports
            info.pRasterizationState = UnsafePointer(rasterization)
            for discards in [VK_FALSE, VK_TRUE] {
              rasterization.pointee.rasterizerDiscardEnable = VkBool32(discards)
              if discards == VK_TRUE {
                info.pViewportState = UnsafePointer(bitPattern: garbage)
                info.pMultisampleState = UnsafePointer(bitPattern: garbage)
                info.pDepthStencilState = UnsafePointer(bitPattern: garbage)
                info.pColorBlendState = UnsafePointer(bitPattern: garbage)
              }
              let copy = filler.room(MemoryLayout<VkGraphicsPipelineCreateInfo>.stride)
                .assumingMemoryBound(to: VkGraphicsPipelineCreateInfo.self)
              var heap = HeapWriter(capacity: 64)
              defer { heap.free() }
              encode_VkGraphicsPipelineCreateInfo(&heap.writer, &info)
              var reader = Reader(heap.bytes, arena: box.arena, handles: nil)
              decode_VkGraphicsPipelineCreateInfo(&reader, copy)
              #expect(reader.failure == nil)
              #expect(copy.pointee.pVertexInputState == nil)
              #expect(copy.pointee.pTessellationState == nil)
              #expect(copy.pointee.basePipelineHandle == nil)
              #expect((copy.pointee.pViewportState == nil) == (discards == VK_TRUE))
              #expect(copy.pointee.pMultisampleState == nil)
            }
          }
        }
      }
    }
  }

  @Test("an unknown format is refused, but read as none where a program only asks")
  func unknownFormats() {
    let filler = Filler(seed: 5)
    let device = handlePointer(
      filler.handle(HandleKind.physicalDevice.rawValue, dispatchable: true))
    let format = VkFormat(rawValue: 0x7ABC_DEF0)
    var properties = VkFormatProperties()
    let a = roundTrip(
      filler, { encode_vkGetPhysicalDeviceFormatProperties(&$0, 1, device, format, &properties) },
      { decode_vkGetPhysicalDeviceFormatProperties(&$0) })
    #expect(a.format == VK_FORMAT_UNDEFINED)
    var view = VkImageViewCreateInfo()
    view.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO
    view.image = handlePointer(filler.handle(HandleKind.image.rawValue, dispatchable: false))
    view.format = format
    var heap = HeapWriter(capacity: 64)
    defer { heap.free() }
    encode_VkImageViewCreateInfo(&heap.writer, &view)
    var reader = Reader(
      heap.bytes, arena: box.arena, handles: UnsafePointer(filler.handles))
    decode_VkImageViewCreateInfo(&reader, &view)
    #expect(reader.failure.map { "\($0)" } == "VkImageViewCreateInfo.format")
    #expect(reader.failureReason == .enumerant)
  }

  @Test("chains skip what is not known, and refuse what is malformed")
  func chains() {
    let filler = Filler(seed: 6)
    func failure(_ words: [UInt32]) -> DecodeFailure {
      words.withUnsafeBytes { bytes in
        var reader = Reader(bytes, arena: box.arena, handles: UnsafePointer(filler.handles))
        var info = VkFenceCreateInfo()
        var device = VkPhysicalDeviceFeatures2()
        _ = info
        info.flags = 0
        decode_VkPhysicalDeviceFeatures2(&reader, &device)
        return reader.failureReason
      }
    }
    let features = [UInt32](repeating: 0, count: 55)
    // Unknown sType of 8 bytes: skipped.
    #expect(failure([1, 0x7FFF_0000, 8, 1, 2] + features) == .none)
    // Known structure (VkPhysicalDevice16BitStorageFeatures) with a wrong size.
    #expect(failure([1, 1_000_083_000, 12, 1, 2, 3] + features) != .none)
    #expect(failure([1, 1_000_083_000, 20, 1, 2, 3, 4, 5] + features) == .chain)
    #expect(failure([1, 1_000_083_000, 16, 1, 2, 3, 4] + features) == .none)
    // More entries than bytes.
    #expect(failure([0xFFFF_FFFF] + features) == .count)
  }
}
