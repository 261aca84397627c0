// Commands that build acceleration structures: each geometry info brings an array whose length is
// the info's own geometryCount. Body: array of infos, then one array for each info.

public import CVulkan
public import Wire

private func encodeInfos(
  _ w: inout Writer, _ count: UInt32,
  _ infos: UnsafePointer<VkAccelerationStructureBuildGeometryInfoKHR>?
) {
  guard let infos else { return w.u32(0) }
  w.u32(count)
  for i: Int in 0..<Int(count) {
    encode_VkAccelerationStructureBuildGeometryInfoKHR(&w, infos + i)
  }
}

private func decodeInfos(
  _ r: inout Reader, _ count: inout UInt32, _ field: StaticString
) -> UnsafePointer<VkAccelerationStructureBuildGeometryInfoKHR>? {
  typealias Info = VkAccelerationStructureBuildGeometryInfoKHR
  let n: Int = r.count(40, field)
  guard let room = r.room(n, MemoryLayout<Info>.stride, field) else { return nil }
  let infos: UnsafeMutablePointer<Info> = room.bindMemory(to: Info.self, capacity: n)
  for i: Int in 0..<n { decode_VkAccelerationStructureBuildGeometryInfoKHR(&r, infos + i) }
  count = UInt32(truncatingIfNeeded: n)
  return UnsafePointer(infos)
}

/// One array of `stride`-byte elements for each info, each as long as the info's geometryCount.
private func encodeArrays<T>(
  _ w: inout Writer, _ count: UInt32,
  _ infos: UnsafePointer<VkAccelerationStructureBuildGeometryInfoKHR>?,
  _ arrays: UnsafePointer<UnsafePointer<T>?>?
) {
  guard let infos, let arrays else { return }
  for i: Int in 0..<Int(count) {
    w.array(arrays[i], Int(infos[i].geometryCount), stride: MemoryLayout<T>.stride)
  }
}

private func decodeArrays<T>(
  _ r: inout Reader, _ count: UInt32,
  _ infos: UnsafePointer<VkAccelerationStructureBuildGeometryInfoKHR>?, _ field: StaticString
) -> UnsafePointer<UnsafePointer<T>?>? {
  let n = Int(count)
  guard let infos, let room = r.room(n, 8, field) else { return nil }
  for i: Int in 0..<n {
    var found: Int = 0
    room.putPointer(r.array(MemoryLayout<T>.stride, field, &found), i &* 8)
    if found != Int(infos[i].geometryCount) { r.fail(.count, field) }
  }
  return typed(room)
}

/// Encodes `vkCmdBuildAccelerationStructuresKHR`, header included.
public func encode_vkCmdBuildAccelerationStructuresKHR(
  _ w: inout Writer, _ infoCount: UInt32,
  _ pInfos: UnsafePointer<VkAccelerationStructureBuildGeometryInfoKHR>?,
  _ ppBuildRangeInfos: UnsafePointer<UnsafePointer<VkAccelerationStructureBuildRangeInfoKHR>?>?
) {
  w.begin(Opcode.vkCmdBuildAccelerationStructuresKHR)
  encodeInfos(&w, infoCount, pInfos)
  encodeArrays(&w, infoCount, pInfos, ppBuildRangeInfos)
  w.end()
}

/// The arguments of `vkCmdBuildAccelerationStructuresKHR`, ready for a driver.
public struct Args_vkCmdBuildAccelerationStructuresKHR {
  public var infoCount: UInt32 = 0
  public var pInfos: UnsafePointer<VkAccelerationStructureBuildGeometryInfoKHR>? = nil
  public var ppBuildRangeInfos:
    UnsafePointer<UnsafePointer<VkAccelerationStructureBuildRangeInfoKHR>?>? = nil
  public init() {}
}

/// Decodes the body of `vkCmdBuildAccelerationStructuresKHR`.
public func decode_vkCmdBuildAccelerationStructuresKHR(
  _ r: inout Reader
) -> Args_vkCmdBuildAccelerationStructuresKHR {
  var a = Args_vkCmdBuildAccelerationStructuresKHR()
  a.pInfos = decodeInfos(&r, &a.infoCount, "vkCmdBuildAccelerationStructuresKHR.pInfos")
  a.ppBuildRangeInfos = decodeArrays(
    &r, a.infoCount, a.pInfos, "vkCmdBuildAccelerationStructuresKHR.ppBuildRangeInfos")
  return a
}

/// Encodes `vkCmdBuildAccelerationStructuresIndirectKHR`, header included.
public func encode_vkCmdBuildAccelerationStructuresIndirectKHR(
  _ w: inout Writer, _ infoCount: UInt32,
  _ pInfos: UnsafePointer<VkAccelerationStructureBuildGeometryInfoKHR>?,
  _ pIndirectDeviceAddresses: UnsafePointer<VkDeviceAddress>?,
  _ pIndirectStrides: UnsafePointer<UInt32>?,
  _ ppMaxPrimitiveCounts: UnsafePointer<UnsafePointer<UInt32>?>?
) {
  w.begin(Opcode.vkCmdBuildAccelerationStructuresIndirectKHR)
  encodeInfos(&w, infoCount, pInfos)
  w.array(pIndirectDeviceAddresses, Int(infoCount), stride: 8)
  w.array(pIndirectStrides, Int(infoCount), stride: 4)
  encodeArrays(&w, infoCount, pInfos, ppMaxPrimitiveCounts)
  w.end()
}

/// The arguments of `vkCmdBuildAccelerationStructuresIndirectKHR`, ready for a driver.
public struct Args_vkCmdBuildAccelerationStructuresIndirectKHR {
  public var infoCount: UInt32 = 0
  public var pInfos: UnsafePointer<VkAccelerationStructureBuildGeometryInfoKHR>? = nil
  public var pIndirectDeviceAddresses: UnsafePointer<VkDeviceAddress>? = nil
  public var pIndirectStrides: UnsafePointer<UInt32>? = nil
  public var ppMaxPrimitiveCounts: UnsafePointer<UnsafePointer<UInt32>?>? = nil
  public init() {}
}

/// Decodes the body of `vkCmdBuildAccelerationStructuresIndirectKHR`.
public func decode_vkCmdBuildAccelerationStructuresIndirectKHR(
  _ r: inout Reader
) -> Args_vkCmdBuildAccelerationStructuresIndirectKHR {
  var a = Args_vkCmdBuildAccelerationStructuresIndirectKHR()
  a.pInfos = decodeInfos(&r, &a.infoCount, "vkCmdBuildAccelerationStructuresIndirectKHR.pInfos")
  var found: Int = 0
  let addresses: StaticString =
    "vkCmdBuildAccelerationStructuresIndirectKHR.pIndirectDeviceAddresses"
  a.pIndirectDeviceAddresses = typed(r.array(8, addresses, &found))
  if found != Int(a.infoCount) { r.fail(.count, addresses) }
  let strides: StaticString = "vkCmdBuildAccelerationStructuresIndirectKHR.pIndirectStrides"
  a.pIndirectStrides = typed(r.array(4, strides, &found))
  if found != Int(a.infoCount) { r.fail(.count, strides) }
  a.ppMaxPrimitiveCounts = decodeArrays(
    &r, a.infoCount, a.pInfos, "vkCmdBuildAccelerationStructuresIndirectKHR.ppMaxPrimitiveCounts")
  return a
}
