import CVulkan
import VulkanWire
import Wire

// The doer of what brings shaders: they are looked at before the driver sees them.

func doer_vkCreateShaderModule(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkCreateShaderModule
) {
  let opcode = Opcode.vkCreateShaderModule
  guard c.pointee.accepts(opcode, a.pCreateInfo) else { return }
  guard let create = c.pointee.dispatch.pointee.vkCreateShaderModule else {
    return c.pointee.missing(opcode)
  }
  let result = create(a.device, a.pCreateInfo, nil, a.pShaderModule)
  guard result.rawValue >= 0 else { return c.pointee.failed(opcode, result) }
  if let id = a.ids?[0] { c.pointee.insert(id, a.pShaderModule?.pointee ?? nil) }
  note_vkCreateShaderModule(c, a)
}
