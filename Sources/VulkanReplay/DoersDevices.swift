import CPlatform
import CVulkan
import Ring
import VulkanWire
import Wire

// Doers of chapters "Initialization" and "Devices and Queues".

/// A driver handle as a key of the tables of states.
private func key(_ handle: OpaquePointer?) -> UInt64 { UInt64(UInt(bitPattern: handle)) }

func doer_vkCreateInstance(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkCreateInstance
) {
  let session = c.pointee.session
  var instance: VkInstance?
  var result = session.driver.createInstance(
    application: a.pCreateInfo?.pointee.pApplicationInfo, &instance)
  if result == VK_SUCCESS, let instance, let id = a.ids?[0] {
    do throws(ReplayError) {
      let functions = try InstanceFunctions(session.driver.getInstanceProcAddr, instance)
      session.instances[key(instance)] = InstanceState(handle: instance, functions: functions)
      c.pointee.insert(id, instance)
      // The loader's instance-level functions find their driver by the handle: one table serves
      // every instance, since all enable the same extensions.
      session.dispatch.pointee.loadInstance(session.driver.getInstanceProcAddr, instance)
    } catch {
      session.sink.log(0, "vkCreateInstance: \(error.message)")
      result = VK_ERROR_INITIALIZATION_FAILED
    }
  }
  encodeReply_vkCreateInstance(&c.pointee.reply.writer, result, a)
  c.pointee.sendReply(a.ticket)
}

func doer_vkDestroyInstance(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkDestroyInstance
) {
  let session = c.pointee.session
  guard let state = session.instances.removeValue(forKey: key(a.instance)) else {
    return
  }
  for (handle, owner) in session.owners where owner === state {
    session.owners.removeValue(forKey: handle)
  }
  for id in state.physicalDeviceIDs { session.remove(id) }
  c.pointee.forget(recordOffset: 8)
  // An application that leaves devices behind has left the driver's instance to them.
  if state.deviceCount == 0 { state.functions.destroyInstance(state.handle, nil) }
}

/// The client has made as many ids as it has room for; the first `*pPhysicalDeviceCount` of them
/// come to name devices.
func doer_vkEnumeratePhysicalDevices(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkEnumeratePhysicalDevices
) {
  let session = c.pointee.session
  guard let state = session.instances[key(a.instance)],
    let count = a.pPhysicalDeviceCount
  else {
    return c.pointee.malformed(
      Opcode.vkEnumeratePhysicalDevices, "instance", "names no such object")
  }
  count.pointee = min(count.pointee, UInt32(truncatingIfNeeded: a.idCount))
  let asked = a.idCount > 0 ? a.pPhysicalDevices : nil
  let result = state.functions.enumeratePhysicalDevices(state.handle, count, asked)
  if result == VK_SUCCESS || result == VK_INCOMPLETE, let ids = a.ids, let asked {
    for i in 0..<min(Int(count.pointee), a.idCount) {
      c.pointee.insert(ids[i], asked[i])
      state.physicalDeviceIDs.append(ids[i])
      session.owners[key(asked[i])] = state
    }
  }
  encodeReply_vkEnumeratePhysicalDevices(&c.pointee.reply.writer, result, a)
  c.pointee.sendReply(a.ticket)
}

func doer_vkCreateDevice(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkCreateDevice
) {
  let session = c.pointee.session
  guard let physicalDevice = a.physicalDevice, let info = a.pCreateInfo?.pointee,
    let owner = session.owners[key(physicalDevice)]
  else {
    return c.pointee.malformed(Opcode.vkCreateDevice, "physicalDevice", "names no such object")
  }
  var device: DeviceState?
  let result = DeviceMaker.make(
    session: session, instance: owner, physicalDevice: physicalDevice, info: info, &device)
  if let device, let id = a.ids?[0] {
    device.dispatch.pointee.loadDevice(owner.functions.getDeviceProcAddr, device.handle)
    owner.deviceCount += 1
    c.pointee.insert(id, device.handle)
    session.insertDevice(id, device)
  }
  encodeReply_vkCreateDevice(&c.pointee.reply.writer, result, a)
  c.pointee.sendReply(a.ticket)
}

/// On the device's own channel, as its last command.
func doer_vkDestroyDevice(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkDestroyDevice
) {
  let id = c.pointee.id(recordOffset: 8)
  guard id != 0 else { return }
  guard let device = c.pointee.device, c.pointee.session.device(id) === device else {
    return c.pointee.malformed(Opcode.vkDestroyDevice, "device", "is not this channel's")
  }
  _ = c.pointee.session.removeDevice(id)
  for queue in device.queueIDs { c.pointee.session.remove(queue) }
  c.pointee.forget(recordOffset: 8)
  c.pointee.device = nil
  c.pointee.dispatch = c.pointee.session.dispatch
  device.destroy()
  device.releaseMemory(c.pointee.session)
}

func doer_vkGetDeviceQueue(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkGetDeviceQueue
) {
  guard let device = device(c, Opcode.vkGetDeviceQueue) else { return }
  guard device.hasQueue(family: a.queueFamilyIndex, index: a.queueIndex) else {
    return c.pointee.malformed(Opcode.vkGetDeviceQueue, "queueIndex", "names no such queue")
  }
  device.functions.getDeviceQueue(
    device.handle, a.queueFamilyIndex, a.queueIndex, a.pQueue)
  adoptQueue(c, device, a.pQueue?.pointee, a.ids?[0], a.queueFamilyIndex)
}

func doer_vkGetDeviceQueue2(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkGetDeviceQueue2
) {
  guard let device = device(c, Opcode.vkGetDeviceQueue2) else { return }
  guard let info = a.pQueueInfo,
    device.hasQueue(family: info.pointee.queueFamilyIndex, index: info.pointee.queueIndex),
    let getQueue = device.dispatch.pointee.vkGetDeviceQueue2
  else {
    return c.pointee.malformed(Opcode.vkGetDeviceQueue2, "pQueueInfo", "names no such queue")
  }
  getQueue(device.handle, info, a.pQueue)
  adoptQueue(c, device, a.pQueue?.pointee, a.ids?[0], info.pointee.queueFamilyIndex)
}

private func adoptQueue(
  _ c: UnsafeMutablePointer<ReplayContext>, _ device: DeviceState, _ queue: VkQueue?,
  _ id: UInt64?, _ family: UInt32
) {
  guard let queue, let id else {
    return c.pointee.malformed(Opcode.vkGetDeviceQueue, "queueIndex", "names no such queue")
  }
  do throws(ReplayError) {
    _ = try device.queue(queue, family: family, session: c.pointee.session)
    device.queueIDs.append(id)
    c.pointee.insert(id, queue)
  } catch {
    c.pointee.session.lose(error.reason, error.message)
  }
}

/// The channel's device; a command of a device on a channel without one ends the session.
func device(_ c: UnsafeMutablePointer<ReplayContext>, _ opcode: UInt32) -> DeviceState? {
  guard let device = c.pointee.device else {
    c.pointee.malformed(opcode, "device", "has another channel")
    return nil
  }
  return device
}
