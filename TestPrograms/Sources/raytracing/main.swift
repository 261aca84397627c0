// Acceleration structures, ray tracing pipelines and deferred operations, for the driver `raydriver`, which
// writes a hash of what it was given where a result would be. Prints what it finds; natively and through
// Omega the same, but for the features that end at the client, which have lines of their own.
//
// raytracing [beyond]     beyond: asks for more shader group handles than there are.

import CVulkan
import Shaders
import Workbench

let names = [
  "VK_KHR_acceleration_structure", "VK_KHR_ray_tracing_pipeline",
  "VK_KHR_deferred_host_operations",
]

func structures<Structure>(_ structure: Structure) -> UnsafeMutablePointer<Structure> {
  UnsafeMutablePointer(mutating: keep(structure))
}

// MARK: Features

let accelerationFeatures = structures(
  {
    var features = VkPhysicalDeviceAccelerationStructureFeaturesKHR()
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ACCELERATION_STRUCTURE_FEATURES_KHR
    return features
  }())
let pipelineFeatures = structures(
  {
    var features = VkPhysicalDeviceRayTracingPipelineFeaturesKHR()
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_RAY_TRACING_PIPELINE_FEATURES_KHR
    features.pNext = UnsafeMutableRawPointer(accelerationFeatures)
    return features
  }())

let device = Device(deviceExtensions: names) { _ in
  accelerationFeatures.pointee.accelerationStructure = 1
  pipelineFeatures.pointee.rayTracingPipeline = 1
  return UnsafeMutableRawPointer(pipelineFeatures)
}
var offered = VkPhysicalDeviceFeatures2()
offered.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2
offered.pNext = UnsafeMutableRawPointer(pipelineFeatures)
vkGetPhysicalDeviceFeatures2(device.physical, &offered)
let acceleration = accelerationFeatures.pointee
let pipelines = pipelineFeatures.pointee
say("features \(acceleration.accelerationStructure) \(pipelines.rayTracingPipeline)")
say("host-commands \(acceleration.accelerationStructureHostCommands)")
say("handle-replay \(pipelines.rayTracingPipelineShaderGroupHandleCaptureReplay)")

// MARK: Functions

let createStructure = device.function(
  "vkCreateAccelerationStructureKHR", as: PFN_vkCreateAccelerationStructureKHR.self)
let destroyStructure = device.function(
  "vkDestroyAccelerationStructureKHR", as: PFN_vkDestroyAccelerationStructureKHR.self)
let buildSizes = device.function(
  "vkGetAccelerationStructureBuildSizesKHR", as: PFN_vkGetAccelerationStructureBuildSizesKHR.self)
let build = device.function(
  "vkCmdBuildAccelerationStructuresKHR", as: PFN_vkCmdBuildAccelerationStructuresKHR.self)
let copy = device.function(
  "vkCmdCopyAccelerationStructureKHR", as: PFN_vkCmdCopyAccelerationStructureKHR.self)
let structureAddress = device.function(
  "vkGetAccelerationStructureDeviceAddressKHR",
  as: PFN_vkGetAccelerationStructureDeviceAddressKHR.self)
let createPipelines = device.function(
  "vkCreateRayTracingPipelinesKHR", as: PFN_vkCreateRayTracingPipelinesKHR.self)
let groupHandles = device.function(
  "vkGetRayTracingShaderGroupHandlesKHR", as: PFN_vkGetRayTracingShaderGroupHandlesKHR.self)
let stackSize = device.function(
  "vkGetRayTracingShaderGroupStackSizeKHR", as: PFN_vkGetRayTracingShaderGroupStackSizeKHR.self)
let trace = device.function("vkCmdTraceRaysKHR", as: PFN_vkCmdTraceRaysKHR.self)
let createOperation = device.function(
  "vkCreateDeferredOperationKHR", as: PFN_vkCreateDeferredOperationKHR.self)
let destroyOperation = device.function(
  "vkDestroyDeferredOperationKHR", as: PFN_vkDestroyDeferredOperationKHR.self)
let concurrency = device.function(
  "vkGetDeferredOperationMaxConcurrencyKHR", as: PFN_vkGetDeferredOperationMaxConcurrencyKHR.self)
let operationResult = device.function(
  "vkGetDeferredOperationResultKHR", as: PFN_vkGetDeferredOperationResultKHR.self)
let join = device.function(
  "vkDeferredOperationJoinKHR", as: PFN_vkDeferredOperationJoinKHR.self)

// MARK: Acceleration structures

let usage = bits(
  VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT)
let storage = Buffer(device, size: 1 << 16, path: .staged, usage: usage)
let input = Buffer(device, size: 4096, usage: usage)
let scratch = Buffer(device, size: 8192, path: .staged, usage: usage)

func structure(at offset: UInt64, _ type: VkAccelerationStructureTypeKHR)
  -> VkAccelerationStructureKHR
{
  var info = VkAccelerationStructureCreateInfoKHR()
  info.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_CREATE_INFO_KHR
  info.buffer = storage.handle
  info.offset = offset
  info.size = 4096
  info.type = type
  var made: VkAccelerationStructureKHR?
  check(
    createStructure(device.handle, &info, nil, &made), "vkCreateAccelerationStructureKHR")
  var address = VkAccelerationStructureDeviceAddressInfoKHR()
  address.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_DEVICE_ADDRESS_INFO_KHR
  address.accelerationStructure = made
  say("address +\(structureAddress(device.handle, &address) - storage.address)")
  return made!
}

let bottom = structure(at: 0, VK_ACCELERATION_STRUCTURE_TYPE_BOTTOM_LEVEL_KHR)
let top = structure(at: 4096, VK_ACCELERATION_STRUCTURE_TYPE_TOP_LEVEL_KHR)
let twin = structure(at: 8192, VK_ACCELERATION_STRUCTURE_TYPE_BOTTOM_LEVEL_KHR)

var triangles = VkAccelerationStructureGeometryKHR()
triangles.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_KHR
triangles.geometryType = VK_GEOMETRY_TYPE_TRIANGLES_KHR
triangles.flags = bits(VK_GEOMETRY_OPAQUE_BIT_KHR)
triangles.geometry.triangles.sType =
  VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_TRIANGLES_DATA_KHR
triangles.geometry.triangles.pNext = nil
triangles.geometry.triangles.vertexFormat = VK_FORMAT_R32G32B32_SFLOAT
triangles.geometry.triangles.vertexData.deviceAddress = input.address
triangles.geometry.triangles.vertexStride = 12
triangles.geometry.triangles.maxVertex = 8
triangles.geometry.triangles.indexType = VK_INDEX_TYPE_UINT16
triangles.geometry.triangles.indexData.deviceAddress = input.address + 1024
triangles.geometry.triangles.transformData.deviceAddress = 0
var boxes = VkAccelerationStructureGeometryKHR()
boxes.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_KHR
boxes.geometryType = VK_GEOMETRY_TYPE_AABBS_KHR
boxes.geometry.aabbs.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_AABBS_DATA_KHR
boxes.geometry.aabbs.pNext = nil
boxes.geometry.aabbs.data.deviceAddress = input.address + 2048
boxes.geometry.aabbs.stride = 32
var instances = VkAccelerationStructureGeometryKHR()
instances.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_KHR
instances.geometryType = VK_GEOMETRY_TYPE_INSTANCES_KHR
instances.geometry.instances.sType =
  VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_INSTANCES_DATA_KHR
instances.geometry.instances.pNext = nil
instances.geometry.instances.arrayOfPointers = 0
instances.geometry.instances.data.deviceAddress = input.address + 3072

func buildInfo(
  _ type: VkAccelerationStructureTypeKHR, _ target: VkAccelerationStructureKHR,
  _ geometries: [VkAccelerationStructureGeometryKHR], byPointer: Bool
) -> VkAccelerationStructureBuildGeometryInfoKHR {
  var info = VkAccelerationStructureBuildGeometryInfoKHR()
  info.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_BUILD_GEOMETRY_INFO_KHR
  info.type = type
  info.flags = bits(VK_BUILD_ACCELERATION_STRUCTURE_PREFER_FAST_TRACE_BIT_KHR)
  info.mode = VK_BUILD_ACCELERATION_STRUCTURE_MODE_BUILD_KHR
  info.dstAccelerationStructure = target
  info.geometryCount = UInt32(geometries.count)
  if byPointer {
    info.ppGeometries = keep(geometries.map { Optional(keep($0)) })
  } else {
    info.pGeometries = keep(geometries)
  }
  info.scratchData.deviceAddress = scratch.address
  return info
}

let bottomInfo = buildInfo(
  VK_ACCELERATION_STRUCTURE_TYPE_BOTTOM_LEVEL_KHR, bottom, [triangles, boxes], byPointer: true)
let topInfo = buildInfo(
  VK_ACCELERATION_STRUCTURE_TYPE_TOP_LEVEL_KHR, top, [instances], byPointer: false)
for (info, counts) in [(bottomInfo, [UInt32(3), 7]), (topInfo, [UInt32(2)])] {
  var sizes = VkAccelerationStructureBuildSizesInfoKHR()
  sizes.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_BUILD_SIZES_INFO_KHR
  buildSizes(
    device.handle, VK_ACCELERATION_STRUCTURE_BUILD_TYPE_DEVICE_KHR, keep(info), counts, &sizes)
  say(
    "sizes \(sizes.accelerationStructureSize) \(sizes.updateScratchSize) \(sizes.buildScratchSize)"
  )
}

func range(_ count: UInt32, _ first: UInt32) -> VkAccelerationStructureBuildRangeInfoKHR {
  VkAccelerationStructureBuildRangeInfoKHR(
    primitiveCount: count, primitiveOffset: 12 * first, firstVertex: first, transformOffset: 0)
}

let ranges: [UnsafePointer<VkAccelerationStructureBuildRangeInfoKHR>?] = [
  keep([range(3, 1), range(7, 0)]), keep([range(2, 0)]),
]
device.run { commands in
  build(commands.handle, 2, keep([bottomInfo, topInfo]), ranges)
  commands.barrier()
  var info = VkCopyAccelerationStructureInfoKHR()
  info.sType = VK_STRUCTURE_TYPE_COPY_ACCELERATION_STRUCTURE_INFO_KHR
  info.src = bottom
  info.dst = twin
  info.mode = VK_COPY_ACCELERATION_STRUCTURE_MODE_CLONE_KHR
  copy(commands.handle, &info)
  commands.barrier()
}
for offset in [0, 4096, 8192] {
  say("structure \(hexadecimal(values(of: storage.read(at: offset, count: 8))[0]))")
}

// MARK: Pipelines

let layout = device.makeLayout([], pushBytes: 8)

func module(_ words: [UInt32]) -> VkShaderModule {
  var info = VkShaderModuleCreateInfo()
  info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO
  info.codeSize = words.count * 4
  info.pCode = keep(words)
  var module: VkShaderModule?
  check(vkCreateShaderModule(device.handle, &info, nil, &module), "vkCreateShaderModule")
  return device.own(module, vkDestroyShaderModule)
}

func stage(_ stage: VkShaderStageFlagBits, _ words: [UInt32]) -> VkPipelineShaderStageCreateInfo {
  var info = VkPipelineShaderStageCreateInfo()
  info.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO
  info.stage = stage
  info.module = module(words)
  info.pName = keep("main")
  return info
}

func group(general: UInt32 = .max, hit: UInt32 = .max) -> VkRayTracingShaderGroupCreateInfoKHR {
  var info = VkRayTracingShaderGroupCreateInfoKHR()
  info.sType = VK_STRUCTURE_TYPE_RAY_TRACING_SHADER_GROUP_CREATE_INFO_KHR
  info.type =
    general != .max
    ? VK_RAY_TRACING_SHADER_GROUP_TYPE_GENERAL_KHR
    : VK_RAY_TRACING_SHADER_GROUP_TYPE_TRIANGLES_HIT_GROUP_KHR
  info.generalShader = general
  info.closestHitShader = hit
  info.anyHitShader = .max
  info.intersectionShader = .max
  return info
}

func pipelineInfo(
  _ stages: [VkPipelineShaderStageCreateInfo], _ groups: [VkRayTracingShaderGroupCreateInfoKHR]
) -> VkRayTracingPipelineCreateInfoKHR {
  var info = VkRayTracingPipelineCreateInfoKHR()
  info.sType = VK_STRUCTURE_TYPE_RAY_TRACING_PIPELINE_CREATE_INFO_KHR
  info.stageCount = UInt32(stages.count)
  info.pStages = keep(stages)
  info.groupCount = UInt32(groups.count)
  info.pGroups = keep(groups)
  info.maxPipelineRayRecursionDepth = 2
  info.layout = layout.handle
  return info
}

func create(
  _ info: VkRayTracingPipelineCreateInfoKHR, _ operation: VkDeferredOperationKHR?
) -> VkPipeline {
  var pipeline: VkPipeline?
  let result = createPipelines(device.handle, operation, nil, 1, keep(info), nil, &pipeline)
  say("created \(result.rawValue)")
  return device.own(pipeline, vkDestroyPipeline)
}

// What a library brings counts among the groups of whoever links it.
let interface = structures(
  {
    var interface = VkRayTracingPipelineInterfaceCreateInfoKHR()
    interface.sType = VK_STRUCTURE_TYPE_RAY_TRACING_PIPELINE_INTERFACE_CREATE_INFO_KHR
    interface.maxPipelineRayPayloadSize = 16
    interface.maxPipelineRayHitAttributeSize = 8
    return interface
  }())
var libraryInfo = pipelineInfo(
  [stage(VK_SHADER_STAGE_CLOSEST_HIT_BIT_KHR, Shader.raysClosestHit)], [group(hit: 0)])
libraryInfo.flags = bits(VK_PIPELINE_CREATE_LIBRARY_BIT_KHR)
libraryInfo.pLibraryInterface = UnsafePointer(interface)
let library = create(libraryInfo, nil)

var linked = VkPipelineLibraryCreateInfoKHR()
linked.sType = VK_STRUCTURE_TYPE_PIPELINE_LIBRARY_CREATE_INFO_KHR
linked.libraryCount = 1
linked.pLibraries = keep([Optional(library)])
var info = pipelineInfo(
  [
    stage(VK_SHADER_STAGE_RAYGEN_BIT_KHR, Shader.raysRayGeneration),
    stage(VK_SHADER_STAGE_MISS_BIT_KHR, Shader.raysMiss),
  ], [group(general: 0), group(general: 1)])
info.pLibraryInfo = keep(linked)
info.pLibraryInterface = UnsafePointer(interface)

var operation: VkDeferredOperationKHR?
check(createOperation(device.handle, nil, &operation), "vkCreateDeferredOperationKHR")
let pipeline = create(info, operation)
say(
  "operation \(operationResult(device.handle, operation).rawValue)"
    + " \(join(device.handle, operation).rawValue) \(concurrency(device.handle, operation))")
destroyOperation(device.handle, operation, nil)

let count: UInt32 = CommandLine.arguments.dropFirst().first == "beyond" ? 4 : 3
var handles = [UInt8](repeating: 0, count: 32 * Int(count))
let result = groupHandles(device.handle, pipeline, 0, count, handles.count, &handles)
say("handles \(result.rawValue) \(hexadecimal(hash(handles)))")
say("stack \(stackSize(device.handle, pipeline, 2, VK_SHADER_GROUP_SHADER_CLOSEST_HIT_KHR))")

// MARK: Tracing

let table = Buffer(device, size: 4096, path: .staged, usage: usage)
table.write(handles)
func region(_ offset: UInt64, _ stride: UInt64, _ size: UInt64) -> VkStridedDeviceAddressRegionKHR {
  VkStridedDeviceAddressRegionKHR(
    deviceAddress: table.address + offset, stride: stride, size: size)
}
device.run { commands in
  vkCmdBindPipeline(commands.handle, VK_PIPELINE_BIND_POINT_RAY_TRACING_KHR, pipeline)
  var (generate, miss) = (region(0, 64, 64), region(64, 64, 128))
  var (hit, callable) = (region(192, 128, 256), region(1024, 0, 0))
  trace(commands.handle, &generate, &miss, &hit, &callable, 640, 480, 2)
  commands.barrier()
}
say("traced \(hexadecimal(values(of: table.read(at: 1024, count: 8))[0]))")

for structure in [bottom, top, twin] { destroyStructure(device.handle, structure, nil) }
device.destroy()
