import CPlatform
import Client

// GLX 1.4, 3.3.2: what there is.

@c(glXQueryExtension)
public func glXQueryExtension(
  _ dpy: OpaquePointer?, _ error: UnsafeMutablePointer<Int32>?,
  _ event: UnsafeMutablePointer<Int32>?
) -> Int32 {
  guard let record = DisplayRecord.of(dpy) else { return 0 }
  error?.pointee = Int32(record.pointee.firstError)
  event?.pointee = record.pointee.firstEvent
  return 1
}

@c(glXQueryVersion)
public func glXQueryVersion(
  _ dpy: OpaquePointer?, _ major: UnsafeMutablePointer<Int32>?,
  _ minor: UnsafeMutablePointer<Int32>?
) -> Int32 {
  guard DisplayRecord.of(dpy) != nil else { return 0 }
  major?.pointee = 1
  minor?.pointee = 4
  return 1
}

/// What is offered, in alphabetical order.
private let glxExtensions: StaticString = """
  GLX_ARB_context_flush_control \
  GLX_ARB_create_context \
  GLX_ARB_create_context_no_error \
  GLX_ARB_create_context_profile \
  GLX_ARB_create_context_robustness \
  GLX_ARB_fbconfig_float \
  GLX_ARB_framebuffer_sRGB \
  GLX_ARB_get_proc_address \
  GLX_ARB_multisample \
  GLX_EXT_buffer_age \
  GLX_EXT_create_context_es2_profile \
  GLX_EXT_create_context_es_profile \
  GLX_EXT_framebuffer_sRGB \
  GLX_EXT_get_drawable_type \
  GLX_EXT_import_context \
  GLX_EXT_no_config_context \
  GLX_EXT_swap_control \
  GLX_EXT_swap_control_tear \
  GLX_EXT_texture_from_pixmap \
  GLX_EXT_visual_info \
  GLX_EXT_visual_rating \
  GLX_MESA_copy_sub_buffer \
  GLX_MESA_query_renderer \
  GLX_MESA_swap_control \
  GLX_OML_swap_method \
  GLX_OML_sync_control \
  GLX_SGIS_multisample \
  GLX_SGIX_fbconfig \
  GLX_SGIX_pbuffer \
  GLX_SGI_make_current_read \
  GLX_SGI_swap_control \
  GLX_SGI_video_sync\0
  """

private let glxVendor: StaticString = "Omega\0"
private let glxVersion: StaticString = "1.4\0"

func staticText(_ text: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

private func glxString(_ name: Int32) -> UnsafePointer<CChar>? {
  switch name {
  case 1: staticText(glxVendor)
  case 2: staticText(glxVersion)
  case 3: staticText(glxExtensions)
  default: nil
  }
}

@c(glXQueryExtensionsString)
public func glXQueryExtensionsString(_ dpy: OpaquePointer?, _ screen: Int32)
  -> UnsafePointer<CChar>?
{
  guard DisplayRecord.of(dpy)?.screen(screen) != nil else { return nil }
  return staticText(glxExtensions)
}

@c(glXQueryServerString)
public func glXQueryServerString(_ dpy: OpaquePointer?, _ screen: Int32, _ name: Int32)
  -> UnsafePointer<CChar>?
{
  guard DisplayRecord.of(dpy)?.screen(screen) != nil else { return nil }
  return glxString(name)
}

@c(glXGetClientString)
public func glXGetClientString(_ dpy: OpaquePointer?, _ name: Int32) -> UnsafePointer<CChar>? {
  glxString(name)
}

@c(glXGetScreenDriver)
public func glXGetScreenDriver(_ dpy: OpaquePointer?, _ screen: Int32) -> UnsafePointer<CChar>? {
  guard DisplayRecord.of(dpy)?.screen(screen) != nil else { return nil }
  return staticText("omega\0")
}

@c(glXGetProcAddress)
public func glXGetProcAddress(_ name: UnsafePointer<CChar>?) -> UnsafeMutableRawPointer? {
  procAddress(name)
}

@c(glXGetProcAddressARB)
public func glXGetProcAddressARB(_ name: UnsafePointer<CChar>?) -> UnsafeMutableRawPointer? {
  procAddress(name)
}

/// The address of any entry point of OpenGL, GLX or EGL; nil for a name that is none.
func procAddress(_ name: UnsafePointer<CChar>?) -> UnsafeMutableRawPointer? {
  guard let name else { return nil }
  return entryPoint(named: name) ?? windowEntryPoint(named: name)
}

// MARK: GLX_MESA_query_renderer

extension UnsafePointer<ContextFacts> {
  /// A number of GLX_MESA_query_renderer; false for an attribute that there is not.
  fileprivate func query(_ attribute: Int32, _ value: UnsafeMutablePointer<UInt32>) -> Bool {
    switch attribute {
    // Vendor and device: no numbers of PCI's.
    case 0x8183, 0x8184: value[0] = 0xFFFF_FFFF
    case 0x8185: version(pointee.version, value)
    case 0x8186: value[0] = pointee.isSoftware ? 0 : 1
    case 0x8187: value[0] = 4096
    case 0x8188: value[0] = pointee.isSoftware ? 1 : 0
    case 0x8189: value[0] = 1
    case 0x818A, 0x818B:
      value[0] = 4
      value[1] = 5
    case 0x818C:
      value[0] = 1
      value[1] = 1
    case 0x818D:
      value[0] = 3
      value[1] = 2
    default: return false
    }
    return true
  }

  /// The numbers behind "Mesa " in a version string, or zeros.
  private func version(_ text: UnsafePointer<CChar>, _ value: UnsafeMutablePointer<UInt32>) {
    (value[0], value[1], value[2]) = (0, 0, 0)
    var i = 0
    while text[i] != 0 {
      if platform_compare(text + i, "Mesa ", 5) == 0 { break }
      i &+= 1
      if text[i] == 0 || text[i &+ 1] == 0 || text[i &+ 2] == 0 || text[i &+ 3] == 0
        || text[i &+ 4] == 0
      {
        return
      }
    }
    i &+= 5
    var part = 0
    while part < 3 {
      let digit = Int32(text[i]) &- 0x30
      if digit >= 0, digit <= 9 {
        value[part] = value[part] &* 10 &+ UInt32(digit)
      } else if text[i] == 0x2E {
        part &+= 1
      } else {
        return
      }
      i &+= 1
    }
  }
}

extension ContextFacts {
  fileprivate var isSoftware: Bool {
    platform_contains(renderer, "llvmpipe") || platform_contains(renderer, "softpipe")
  }
}

@c(glXQueryCurrentRendererIntegerMESA)
public func glXQueryCurrentRendererIntegerMESA(
  _ attribute: Int32, _ value: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  guard let facts = currentGLXContext()?.pointee.binding.facts, let value else { return 0 }
  return UnsafePointer(facts).query(attribute, value) ? 1 : 0
}

@c(glXQueryCurrentRendererStringMESA)
public func glXQueryCurrentRendererStringMESA(_ attribute: Int32) -> UnsafePointer<CChar>? {
  guard let facts = currentGLXContext()?.pointee.binding.facts else { return nil }
  switch attribute {
  case 0x8183: return facts.pointee.vendor
  case 0x8184: return facts.pointee.renderer
  default: return nil
  }
}

@c(glXQueryRendererIntegerMESA)
public func glXQueryRendererIntegerMESA(
  _ dpy: OpaquePointer?, _ screen: Int32, _ renderer: Int32, _ attribute: Int32,
  _ value: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  guard renderer == 0, DisplayRecord.of(dpy)?.screen(screen) != nil else { return 0 }
  // Before there is a context nothing is known of the node's driver.
  return glXQueryCurrentRendererIntegerMESA(attribute, value)
}

@c(glXQueryRendererStringMESA)
public func glXQueryRendererStringMESA(
  _ dpy: OpaquePointer?, _ screen: Int32, _ renderer: Int32, _ attribute: Int32
) -> UnsafePointer<CChar>? {
  guard renderer == 0, DisplayRecord.of(dpy)?.screen(screen) != nil else { return nil }
  return glXQueryCurrentRendererStringMESA(attribute)
}
