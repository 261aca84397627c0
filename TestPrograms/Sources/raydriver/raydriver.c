// A Vulkan driver for tests on machines without ray tracing. Everything is lavapipe's, but for the commands
// of VK_KHR_acceleration_structure and VK_KHR_ray_tracing_pipeline: they trace nothing, and write a hash of
// what they were given where their result would be. What they are given through Omega is right when the hash
// is that of a program which runs on this driver directly.
//
// Features are all there, those that Omega must hide as well. No locks: the program that uses it has one
// thread, and a node calls it from one channel, and from one thread that makes pipelines.

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan.h>

#define EXPORT __attribute__((visibility("default")))
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

// --- lavapipe

typedef PFN_vkVoidFunction (*GetProc)(VkInstance, const char *);

static void *library(void) {
  static void *handle;
  if (!handle) handle = dlopen("libvulkan_lvp.so", RTLD_NOW | RTLD_LOCAL);
  return handle;
}

static PFN_vkVoidFunction below(VkInstance instance, const char *name) {
  GetProc get = (GetProc)dlsym(library(), "vk_icdGetInstanceProcAddr");
  return get ? get(instance, name) : NULL;
}

static VkInstance instance_below;
static PFN_vkGetDeviceProcAddr device_proc;

#define INSTANCE(name) ((PFN_##name)below(instance_below, #name))
#define DEVICE(device, name) ((PFN_##name)device_proc(device, #name))

// --- Hashes

static void mix(uint64_t *hash, uint64_t value) {
  for (int i = 0; i < 8; i++) *hash = (*hash ^ (value >> (8 * i) & 0xFF)) * 0x100000001b3u;
}

static uint64_t seed(uint64_t value) {
  uint64_t hash = 0xcbf29ce484222325u;
  mix(&hash, value);
  return hash;
}

// --- What exists

static const char *const extensions[] = {
    VK_KHR_ACCELERATION_STRUCTURE_EXTENSION_NAME, VK_KHR_RAY_TRACING_PIPELINE_EXTENSION_NAME,
    VK_KHR_RAY_QUERY_EXTENSION_NAME, VK_KHR_DEFERRED_HOST_OPERATIONS_EXTENSION_NAME,
};

typedef struct {
  VkBuffer buffer;
  VkDeviceSize offset;
} Structure;

typedef struct Pipeline {
  struct Pipeline *next;
  uint32_t groups;
  uint64_t hash;
} Pipeline;
static Pipeline *pipelines;

// Buffers that were asked for their addresses: trace commands find theirs by it.
static struct {
  VkDeviceAddress address;
  VkBuffer buffer;
} addresses[256];
static unsigned address_count;

static Pipeline *bound;
static VkDevice the_device;

static Pipeline *own(VkPipeline handle) {
  for (Pipeline *p = pipelines; p; p = p->next)
    if ((uint64_t)(uintptr_t)p == (uint64_t)handle) return p;
  return NULL;
}

static bool is_ours(const char *name) {
  for (unsigned i = 0; i < COUNT(extensions); i++)
    if (!strcmp(extensions[i], name)) return true;
  return false;
}

// --- Physical devices

static VkResult ray_EnumerateDeviceExtensionProperties(
    VkPhysicalDevice device, const char *layer, uint32_t *count, VkExtensionProperties *list) {
  PFN_vkEnumerateDeviceExtensionProperties call = INSTANCE(vkEnumerateDeviceExtensionProperties);
  uint32_t room = *count, there = 0;
  VkResult result = call(device, layer, &there, NULL);
  if (result != VK_SUCCESS || layer) return result;
  uint32_t all = there + COUNT(extensions);
  *count = all;
  if (!list) return VK_SUCCESS;
  *count = there;
  if (room < all) return call(device, layer, count, list);
  result = call(device, layer, count, list);
  for (unsigned i = 0; i < COUNT(extensions); i++) {
    strcpy(list[*count].extensionName, extensions[i]);
    list[(*count)++].specVersion = 4;
  }
  return result;
}

static bool is_feature(VkStructureType type) {
  return type == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ACCELERATION_STRUCTURE_FEATURES_KHR ||
         type == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_RAY_TRACING_PIPELINE_FEATURES_KHR ||
         type == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_RAY_QUERY_FEATURES_KHR;
}

static void ray_GetPhysicalDeviceFeatures2(
    VkPhysicalDevice device, VkPhysicalDeviceFeatures2 *features) {
  INSTANCE(vkGetPhysicalDeviceFeatures2)(device, features);
  for (VkBaseOutStructure *s = features->pNext; s; s = s->pNext) {
    VkBool32 *first = (VkBool32 *)(s + 1);
    int count = s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_RAY_QUERY_FEATURES_KHR ? 1 : 5;
    if (is_feature(s->sType))
      for (int i = 0; i < count; i++) first[i] = VK_TRUE;
  }
}

static void ray_GetPhysicalDeviceProperties2(
    VkPhysicalDevice device, VkPhysicalDeviceProperties2 *properties) {
  INSTANCE(vkGetPhysicalDeviceProperties2)(device, properties);
  for (VkBaseOutStructure *s = properties->pNext; s; s = s->pNext)
    if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_RAY_TRACING_PIPELINE_PROPERTIES_KHR) {
      VkPhysicalDeviceRayTracingPipelinePropertiesKHR *p = (void *)s;
      p->shaderGroupHandleSize = p->shaderGroupHandleCaptureReplaySize = 32;
      p->maxRayRecursionDepth = 31;
      p->maxShaderGroupStride = 4096;
      p->shaderGroupBaseAlignment = p->shaderGroupHandleAlignment = 64;
      p->maxRayDispatchInvocationCount = 1 << 30;
      p->maxRayHitAttributeSize = 32;
    }
}

static VkResult ray_CreateDevice(
    VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
    const VkAllocationCallbacks *allocator, VkDevice *device) {
  VkDeviceCreateInfo copy = *info;
  const char *names[256];
  copy.enabledExtensionCount = 0;
  for (uint32_t i = 0; i < info->enabledExtensionCount; i++)
    if (!is_ours(info->ppEnabledExtensionNames[i]))
      names[copy.enabledExtensionCount++] = info->ppEnabledExtensionNames[i];
  copy.ppEnabledExtensionNames = names;
  // Their features are taken out of the chain while lavapipe looks at it.
  VkBaseOutStructure *before = (VkBaseOutStructure *)&copy, *out[8], *followed[8];
  int count = 0;
  while (before->pNext) {
    if (is_feature(before->pNext->sType) && count < 8) {
      out[count] = before;
      followed[count++] = before->pNext;
      before->pNext = before->pNext->pNext;
    } else {
      before = before->pNext;
    }
  }
  VkResult result = INSTANCE(vkCreateDevice)(physical, &copy, allocator, device);
  while (count--) out[count]->pNext = followed[count];
  if (result == VK_SUCCESS) the_device = *device;
  return result;
}

// --- Deferred operations: none is deferred, although it might be.

static VkResult ray_CreateDeferredOperationKHR(
    VkDevice device, const VkAllocationCallbacks *allocator, VkDeferredOperationKHR *operation) {
  *operation = (VkDeferredOperationKHR)(uintptr_t)malloc(1);
  return VK_SUCCESS;
}
static void ray_DestroyDeferredOperationKHR(
    VkDevice device, VkDeferredOperationKHR operation, const VkAllocationCallbacks *allocator) {
  free((void *)(uintptr_t)operation);
}
static uint32_t ray_GetDeferredOperationMaxConcurrencyKHR(
    VkDevice device, VkDeferredOperationKHR operation) {
  return 0;
}
static VkResult ray_DeferredOperationKHR(VkDevice device, VkDeferredOperationKHR operation) {
  return VK_SUCCESS;
}

// --- Acceleration structures

static VkDeviceAddress ray_GetBufferDeviceAddress(
    VkDevice device, const VkBufferDeviceAddressInfo *info) {
  VkDeviceAddress address = DEVICE(device, vkGetBufferDeviceAddress)(device, info);
  unsigned i = 0;
  while (i < address_count && addresses[i].address != address) i++;
  if (i == address_count && i < COUNT(addresses)) address_count++;
  if (i < COUNT(addresses)) {
    addresses[i].address = address;
    addresses[i].buffer = info->buffer;
  }
  return address;
}

static VkResult ray_CreateAccelerationStructureKHR(
    VkDevice device, const VkAccelerationStructureCreateInfoKHR *info,
    const VkAllocationCallbacks *allocator, VkAccelerationStructureKHR *structure) {
  Structure *made = malloc(sizeof *made);
  made->buffer = info->buffer;
  made->offset = info->offset;
  *structure = (VkAccelerationStructureKHR)(uintptr_t)made;
  return VK_SUCCESS;
}
static void ray_DestroyAccelerationStructureKHR(
    VkDevice device, VkAccelerationStructureKHR structure,
    const VkAllocationCallbacks *allocator) {
  free((void *)(uintptr_t)structure);
}

static VkDeviceAddress ray_GetAccelerationStructureDeviceAddressKHR(
    VkDevice device, const VkAccelerationStructureDeviceAddressInfoKHR *info) {
  Structure *s = (Structure *)(uintptr_t)info->accelerationStructure;
  VkBufferDeviceAddressInfo of = {VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO, NULL, s->buffer};
  return DEVICE(device, vkGetBufferDeviceAddress)(device, &of) + s->offset;
}

// Addresses differ from run to run; whether there is one does not.
static uint64_t hash_of(const VkAccelerationStructureBuildGeometryInfoKHR *info) {
  uint64_t hash = seed(info->type);
  mix(&hash, info->flags);
  mix(&hash, info->mode);
  mix(&hash, info->geometryCount);
  mix(&hash, info->scratchData.deviceAddress != 0);
  for (uint32_t i = 0; i < info->geometryCount; i++) {
    const VkAccelerationStructureGeometryKHR *g =
        info->ppGeometries ? info->ppGeometries[i] : info->pGeometries + i;
    mix(&hash, g->geometryType);
    mix(&hash, g->flags);
    switch (g->geometryType) {
      case VK_GEOMETRY_TYPE_TRIANGLES_KHR:
        mix(&hash, g->geometry.triangles.vertexFormat);
        mix(&hash, g->geometry.triangles.vertexStride);
        mix(&hash, g->geometry.triangles.maxVertex);
        mix(&hash, g->geometry.triangles.indexType);
        mix(&hash, g->geometry.triangles.vertexData.deviceAddress != 0);
        mix(&hash, g->geometry.triangles.indexData.deviceAddress != 0);
        mix(&hash, g->geometry.triangles.transformData.deviceAddress != 0);
        break;
      case VK_GEOMETRY_TYPE_AABBS_KHR: mix(&hash, g->geometry.aabbs.stride); break;
      default: mix(&hash, g->geometry.instances.arrayOfPointers); break;
    }
  }
  return hash;
}

static void ray_GetAccelerationStructureBuildSizesKHR(
    VkDevice device, VkAccelerationStructureBuildTypeKHR type,
    const VkAccelerationStructureBuildGeometryInfoKHR *info, const uint32_t *counts,
    VkAccelerationStructureBuildSizesInfoKHR *sizes) {
  uint64_t hash = hash_of(info), primitives = 0;
  for (uint32_t i = 0; i < info->geometryCount; i++) primitives += counts[i];
  sizes->accelerationStructureSize = 256 * (1 + primitives);
  sizes->updateScratchSize = 256 * (1 + hash % 16);
  sizes->buildScratchSize = 256 * (1 + hash / 16 % 16);
}

static void ray_CmdBuildAccelerationStructuresKHR(
    VkCommandBuffer commands, uint32_t count,
    const VkAccelerationStructureBuildGeometryInfoKHR *infos,
    const VkAccelerationStructureBuildRangeInfoKHR *const *ranges) {
  for (uint32_t i = 0; i < count; i++) {
    uint64_t hash = hash_of(infos + i);
    for (uint32_t j = 0; j < infos[i].geometryCount; j++) {
      mix(&hash, ranges[i][j].primitiveCount);
      mix(&hash, ranges[i][j].primitiveOffset);
      mix(&hash, ranges[i][j].firstVertex);
      mix(&hash, ranges[i][j].transformOffset);
    }
    Structure *s = (Structure *)(uintptr_t)infos[i].dstAccelerationStructure;
    DEVICE(the_device, vkCmdUpdateBuffer)(commands, s->buffer, s->offset, sizeof hash, &hash);
  }
}

static void ray_CmdCopyAccelerationStructureKHR(
    VkCommandBuffer commands, const VkCopyAccelerationStructureInfoKHR *info) {
  Structure *from = (Structure *)(uintptr_t)info->src, *to = (Structure *)(uintptr_t)info->dst;
  VkBufferCopy region = {from->offset, to->offset, sizeof(uint64_t)};
  DEVICE(the_device, vkCmdCopyBuffer)(commands, from->buffer, to->buffer, 1, &region);
}

// --- Pipelines

static VkResult ray_CreateRayTracingPipelinesKHR(
    VkDevice device, VkDeferredOperationKHR operation, VkPipelineCache cache, uint32_t count,
    const VkRayTracingPipelineCreateInfoKHR *infos, const VkAllocationCallbacks *allocator,
    VkPipeline *out) {
  for (uint32_t i = 0; i < count; i++) {
    const VkRayTracingPipelineCreateInfoKHR *info = infos + i;
    Pipeline *made = malloc(sizeof *made);
    made->groups = info->groupCount;
    made->hash = seed(info->maxPipelineRayRecursionDepth);
    mix(&made->hash, info->flags);
    for (uint32_t j = 0; j < info->stageCount; j++) {
      mix(&made->hash, info->pStages[j].stage);
      for (const char *c = info->pStages[j].pName; *c; c++) mix(&made->hash, (uint64_t)*c);
    }
    for (uint32_t j = 0; j < info->groupCount; j++) {
      mix(&made->hash, info->pGroups[j].type);
      mix(&made->hash, info->pGroups[j].generalShader);
      mix(&made->hash, info->pGroups[j].closestHitShader);
    }
    for (uint32_t j = 0; info->pLibraryInfo && j < info->pLibraryInfo->libraryCount; j++) {
      Pipeline *part = own(info->pLibraryInfo->pLibraries[j]);
      made->groups += part->groups;
      mix(&made->hash, part->hash);
    }
    made->next = pipelines;
    pipelines = made;
    out[i] = (VkPipeline)(uintptr_t)made;
  }
  return operation ? VK_OPERATION_NOT_DEFERRED_KHR : VK_SUCCESS;
}

static void ray_DestroyPipeline(
    VkDevice device, VkPipeline pipeline, const VkAllocationCallbacks *allocator) {
  Pipeline *mine = own(pipeline);
  if (!mine) {
    DEVICE(device, vkDestroyPipeline)(device, pipeline, allocator);
    return;
  }
  for (Pipeline **link = &pipelines; *link; link = &(*link)->next)
    if (*link == mine) {
      *link = mine->next;
      break;
    }
  free(mine);
}

static VkResult ray_GetRayTracingShaderGroupHandlesKHR(
    VkDevice device, VkPipeline pipeline, uint32_t first, uint32_t count, size_t size,
    void *data) {
  uint64_t *words = data;
  for (uint32_t i = 0; i < count; i++)
    for (int j = 0; j < 4; j++) {
      uint64_t hash = own(pipeline)->hash;
      mix(&hash, first + i);
      mix(&hash, (uint64_t)j);
      *words++ = hash;
    }
  return VK_SUCCESS;
}

static VkDeviceSize ray_GetRayTracingShaderGroupStackSizeKHR(
    VkDevice device, VkPipeline pipeline, uint32_t group, VkShaderGroupShaderKHR shader) {
  return (own(pipeline)->hash & 0xFF) + 1000 * group + 10 * shader;
}

static void ray_CmdBindPipeline(
    VkCommandBuffer commands, VkPipelineBindPoint point, VkPipeline pipeline) {
  if (point == VK_PIPELINE_BIND_POINT_RAY_TRACING_KHR)
    bound = own(pipeline);
  else
    DEVICE(the_device, vkCmdBindPipeline)(commands, point, pipeline);
}

// Writes to the start of the callable region.
static void ray_CmdTraceRaysKHR(
    VkCommandBuffer commands, const VkStridedDeviceAddressRegionKHR *generate,
    const VkStridedDeviceAddressRegionKHR *miss, const VkStridedDeviceAddressRegionKHR *hit,
    const VkStridedDeviceAddressRegionKHR *callable, uint32_t width, uint32_t height,
    uint32_t depth) {
  const VkStridedDeviceAddressRegionKHR *all[] = {generate, miss, hit, callable};
  uint64_t hash = bound ? bound->hash : 0;
  for (int i = 0; i < 4; i++) {
    mix(&hash, all[i]->stride);
    mix(&hash, all[i]->size);
    mix(&hash, all[i]->deviceAddress - generate->deviceAddress);
  }
  mix(&hash, width);
  mix(&hash, height);
  mix(&hash, depth);
  for (unsigned i = 0; i < address_count; i++) {
    VkDeviceSize offset = callable->deviceAddress - addresses[i].address;
    if (callable->deviceAddress < addresses[i].address || offset >= 4096) continue;
    DEVICE(the_device, vkCmdUpdateBuffer)(
        commands, addresses[i].buffer, offset, sizeof hash, &hash);
    return;
  }
}

// --- The driver

static PFN_vkVoidFunction ray_GetDeviceProcAddr(VkDevice device, const char *name);

static const struct {
  const char *name;
  void *function;
} table[] = {
    {"vkEnumerateDeviceExtensionProperties", ray_EnumerateDeviceExtensionProperties},
    {"vkGetPhysicalDeviceFeatures2", ray_GetPhysicalDeviceFeatures2},
    {"vkGetPhysicalDeviceFeatures2KHR", ray_GetPhysicalDeviceFeatures2},
    {"vkGetPhysicalDeviceProperties2", ray_GetPhysicalDeviceProperties2},
    {"vkGetPhysicalDeviceProperties2KHR", ray_GetPhysicalDeviceProperties2},
    {"vkCreateDevice", ray_CreateDevice},
    {"vkGetDeviceProcAddr", ray_GetDeviceProcAddr},
    {"vkCreateDeferredOperationKHR", ray_CreateDeferredOperationKHR},
    {"vkDestroyDeferredOperationKHR", ray_DestroyDeferredOperationKHR},
    {"vkGetDeferredOperationMaxConcurrencyKHR", ray_GetDeferredOperationMaxConcurrencyKHR},
    {"vkGetDeferredOperationResultKHR", ray_DeferredOperationKHR},
    {"vkDeferredOperationJoinKHR", ray_DeferredOperationKHR},
    {"vkGetBufferDeviceAddress", ray_GetBufferDeviceAddress},
    {"vkCreateAccelerationStructureKHR", ray_CreateAccelerationStructureKHR},
    {"vkDestroyAccelerationStructureKHR", ray_DestroyAccelerationStructureKHR},
    {"vkGetAccelerationStructureDeviceAddressKHR", ray_GetAccelerationStructureDeviceAddressKHR},
    {"vkGetAccelerationStructureBuildSizesKHR", ray_GetAccelerationStructureBuildSizesKHR},
    {"vkCmdBuildAccelerationStructuresKHR", ray_CmdBuildAccelerationStructuresKHR},
    {"vkCmdCopyAccelerationStructureKHR", ray_CmdCopyAccelerationStructureKHR},
    {"vkCreateRayTracingPipelinesKHR", ray_CreateRayTracingPipelinesKHR},
    {"vkDestroyPipeline", ray_DestroyPipeline},
    {"vkGetRayTracingShaderGroupHandlesKHR", ray_GetRayTracingShaderGroupHandlesKHR},
    {"vkGetRayTracingShaderGroupStackSizeKHR", ray_GetRayTracingShaderGroupStackSizeKHR},
    {"vkCmdBindPipeline", ray_CmdBindPipeline},
    {"vkCmdTraceRaysKHR", ray_CmdTraceRaysKHR},
};

static PFN_vkVoidFunction own_function(const char *name) {
  for (unsigned i = 0; i < COUNT(table); i++)
    if (!strcmp(table[i].name, name)) return (PFN_vkVoidFunction)table[i].function;
  return NULL;
}

static PFN_vkVoidFunction ray_GetDeviceProcAddr(VkDevice device, const char *name) {
  PFN_vkVoidFunction mine = own_function(name);
  return mine ? mine : device_proc(device, name);
}

EXPORT PFN_vkVoidFunction vk_icdGetInstanceProcAddr(VkInstance instance, const char *name) {
  if (instance) {
    instance_below = instance;
    device_proc = (PFN_vkGetDeviceProcAddr)below(instance, "vkGetDeviceProcAddr");
  }
  PFN_vkVoidFunction mine = instance ? own_function(name) : NULL;
  return mine ? mine : below(instance, name);
}

EXPORT PFN_vkVoidFunction vk_icdGetPhysicalDeviceProcAddr(VkInstance instance, const char *name) {
  GetProc get = (GetProc)dlsym(library(), "vk_icdGetPhysicalDeviceProcAddr");
  if (!get || !get(instance, name)) return NULL;
  return vk_icdGetInstanceProcAddr(instance, name);
}

EXPORT VkResult vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
  typedef VkResult (*Negotiate)(uint32_t *);
  Negotiate negotiate = (Negotiate)dlsym(library(), "vk_icdNegotiateLoaderICDInterfaceVersion");
  return negotiate ? negotiate(version) : VK_ERROR_INCOMPATIBLE_DRIVER;
}
