import CVulkan
import VulkanWire
import Wire

// Doers of VK_EXT_debug_utils names and tags: the object travels as its id, and what has no object
// on the node (a fence, a surface) keeps its name to itself.

func doer_vkSetDebugUtilsObjectNameEXT(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkSetDebugUtilsObjectNameEXT
) {
  guard let device = c.pointee.device, let info = a.pNameInfo,
    let setName = device.dispatch.pointee.vkSetDebugUtilsObjectNameEXT,
    let handle = c.pointee.driverHandle(info.pointee.objectHandle)
  else { return }
  var copy = info.pointee
  copy.objectHandle = handle
  _ = setName(device.handle, &copy)
}

func doer_vkSetDebugUtilsObjectTagEXT(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkSetDebugUtilsObjectTagEXT
) {
  guard let device = c.pointee.device, let info = a.pTagInfo,
    let setTag = device.dispatch.pointee.vkSetDebugUtilsObjectTagEXT,
    let handle = c.pointee.driverHandle(info.pointee.objectHandle)
  else { return }
  var copy = info.pointee
  copy.objectHandle = handle
  _ = setTag(device.handle, &copy)
}

extension ReplayContext {
  /// The driver's handle of any object by its id.
  fileprivate func driverHandle(_ id: UInt64) -> UInt64? {
    handles.pointee.lookup(id, HandleID.kind(of: id))
  }
}
