import CVulkan
import VulkanWire
import Wire

// Doers of names and tags for debugging. An object travels as its id; what has none on the node (a
// fence, a surface) is decoded as null, and its name is left out. A name that the driver refuses
// hurts nobody.

func doer_vkSetDebugUtilsObjectNameEXT(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkSetDebugUtilsObjectNameEXT
) {
  guard let info = a.pNameInfo, info.pointee.objectHandle != 0 else { return }
  _ = c.pointee.dispatch.pointee.vkSetDebugUtilsObjectNameEXT?(a.device, info)
}

func doer_vkSetDebugUtilsObjectTagEXT(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkSetDebugUtilsObjectTagEXT
) {
  guard let info = a.pTagInfo, info.pointee.objectHandle != 0 else { return }
  _ = c.pointee.dispatch.pointee.vkSetDebugUtilsObjectTagEXT?(a.device, info)
}

func doer_vkDebugMarkerSetObjectNameEXT(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkDebugMarkerSetObjectNameEXT
) {
  guard let info = a.pNameInfo, info.pointee.object != 0 else { return }
  _ = c.pointee.dispatch.pointee.vkDebugMarkerSetObjectNameEXT?(a.device, info)
}

func doer_vkDebugMarkerSetObjectTagEXT(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkDebugMarkerSetObjectTagEXT
) {
  guard let info = a.pTagInfo, info.pointee.object != 0 else { return }
  _ = c.pointee.dispatch.pointee.vkDebugMarkerSetObjectTagEXT?(a.device, info)
}
