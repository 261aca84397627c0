import CPlatform
import CVulkan
import Client
import VulkanWire
import Wire

// Layer mode: the library stands in the loader's chain above a local driver, and adds the devices
// of the nodes to its. What belongs to the local driver passes through untouched.
//
// The loader knows only the local driver's objects. Ours carry its dispatch word, so that its
// trampolines find the way back into this layer; and behind each VkDevice of ours stands a
// *shadow*, a device of the local driver, because the loader fills in its own record of a device at
// the end of the chain, where ours never arrives.

/// Word 0 of a dispatchable object: the loader's dispatch table, one for an instance and its
/// physical devices, one for a device and what comes of it.
func dispatchWord(_ object: OpaquePointer?) -> UInt {
  guard let object else { return 0 }
  return UnsafeRawPointer(object).load(as: UInt.self)
}

/// An instance of the loader's that this layer is part of.
struct LayerInstance {
  /// Read inside vkCreateInstance: later, older loaders answer with the top of the chain.
  /// First, so that the instance's address is its dispatch's.
  var dispatch: LayerInstanceDispatch
  var handle: VkInstance?
  var word: UInt
  var getInstanceProcAddr: PFN_vkGetInstanceProcAddr
  /// Our devices' instance; nil when our driver is in the chain by itself, or there is no node.
  var own: UnsafeMutablePointer<InstanceObject>?
  var next: UnsafeMutablePointer<LayerInstance>?
}

/// A device that went through this layer: one of ours, or one of the local driver's.
struct LayerDevice {
  var handle: VkDevice?
  var word: UInt
  var isOurs: Bool
  /// For the local driver's devices.
  var getDeviceProcAddr: PFN_vkGetDeviceProcAddr?
  var destroyDevice: PFN_vkDestroyDevice?
  var next: UnsafeMutablePointer<LayerDevice>?
}

/// All of them, newest first. Made with the first instance; read and changed under the lock.
enum LayerRegistry {
  struct Lists {
    var lock: Lock
    var instances: UnsafeMutablePointer<LayerInstance>?
    var devices: UnsafeMutablePointer<LayerDevice>?
  }

  /// The loader serialises vkCreateInstance, where this is called first.
  static func prepare() -> Bool {
    if lists != nil { return true }
    guard let lock = Lock() else { return false }
    lists = makeObject(Lists(lock: lock, instances: nil, devices: nil))
    return lists != nil
  }

  static func add(_ instance: UnsafeMutablePointer<LayerInstance>) {
    guard let lists else { return }
    lists.pointee.lock.lock()
    instance.pointee.next = lists.pointee.instances
    lists.pointee.instances = instance
    lists.pointee.lock.unlock()
  }

  static func add(_ device: UnsafeMutablePointer<LayerDevice>) {
    guard let lists else { return }
    lists.pointee.lock.lock()
    device.pointee.next = lists.pointee.devices
    lists.pointee.devices = device
    lists.pointee.lock.unlock()
  }

  /// The instance of an instance or physical device.
  static func instance(of object: OpaquePointer?) -> UnsafeMutablePointer<LayerInstance>? {
    guard let lists, object != nil else { return nil }
    let word = dispatchWord(object)
    lists.pointee.lock.lock()
    defer { lists.pointee.lock.unlock() }
    var known = lists.pointee.instances
    while let instance = known, instance.pointee.word != word { known = instance.pointee.next }
    return known
  }

  static func device(_ handle: VkDevice?) -> UnsafeMutablePointer<LayerDevice>? {
    guard let lists, handle != nil else { return nil }
    lists.pointee.lock.lock()
    defer { lists.pointee.lock.unlock() }
    var known = lists.pointee.devices
    while let device = known, device.pointee.handle != handle { known = device.pointee.next }
    return known
  }

  static func remove(_ instance: UnsafeMutablePointer<LayerInstance>) {
    guard let lists else { return }
    lists.pointee.lock.lock()
    defer { lists.pointee.lock.unlock() }
    if lists.pointee.instances == instance {
      lists.pointee.instances = instance.pointee.next
      return
    }
    var known = lists.pointee.instances
    while let before = known, before.pointee.next != instance { known = before.pointee.next }
    known?.pointee.next = instance.pointee.next
  }

  static func remove(_ device: UnsafeMutablePointer<LayerDevice>) {
    guard let lists else { return }
    lists.pointee.lock.lock()
    defer { lists.pointee.lock.unlock() }
    if lists.pointee.devices == device {
      lists.pointee.devices = device.pointee.next
      return
    }
    var known = lists.pointee.devices
    while let before = known, before.pointee.next != device { known = before.pointee.next }
    known?.pointee.next = device.pointee.next
  }
}

nonisolated(unsafe) private var lists: UnsafeMutablePointer<LayerRegistry.Lists>? = nil

/// Whether a physical device is one of ours.
func isOmega(_ physicalDevice: VkPhysicalDevice?) -> Bool {
  guard let own = LayerRegistry.instance(of: physicalDevice)?.pointee.own else { return false }
  var i = 0
  while i < own.pointee.physicalDeviceCount, let device = own.pointee.physicalDevices?[i] {
    if OpaquePointer(device) == physicalDevice { return true }
    i &+= 1
  }
  return false
}

/// The next functions for a physical device of the local driver.
func nextDispatch(of physicalDevice: VkPhysicalDevice?)
  -> UnsafeMutablePointer<LayerInstanceDispatch>?
{
  guard let instance = LayerRegistry.instance(of: physicalDevice) else { return nil }
  return UnsafeMutableRawPointer(instance).assumingMemoryBound(to: LayerInstanceDispatch.self)
}
