import CPlatform
import CSPIRV
import CVulkan
import Ring
internal import Threads
import Wire

/// Runs SPIR-V through the validator of spirv-tools before a driver sees it: shader compilers are
/// large, and trust their input.
///
/// What it must not do is refuse a module that Vulkan allows. So it asks for what is valid on the
/// newest terms that the driver offers, and leaves out what keeps no driver from harm: how blocks
/// are laid out, and which features a device was created with.
///
/// Threads: any.
final class ShaderValidator: @unchecked Sendable {
  /// Off by `OMEGA_PERF=no_spirv_validation` in the node's environment.
  let isOn: Bool
  private let lock = Lock()
  /// Modules that were found valid, by their contents.
  private var valid: Set<Key> = []

  /// Modules are found again by 128 bits of their contents: two independent 64-bit hashes with a
  /// key of this process's own, so that nobody can make an invalid one look like one that is known.
  private struct Key: Hashable {
    let first: Int
    let second: Int
    let byteCount: Int
    let version: UInt32
  }

  private static var mostKnown: Int { 1 << 20 }

  init() {
    isOn = !ShaderValidator.isSwitchedOff
  }

  private static var isSwitchedOff: Bool {
    guard let value = platform_getenv("OMEGA_PERF") else { return false }
    return String(cString: value).split(separator: ",").contains("no_spirv_validation")
  }

  /// What is wrong with a module for a device of `apiVersion`; nil when it is valid.
  func check(_ words: UnsafePointer<UInt32>, byteCount: Int, apiVersion: UInt32) -> String? {
    guard isOn else { return nil }
    guard byteCount > 0, byteCount & 3 == 0 else { return "\(byteCount) bytes are no SPIR-V" }
    let key = key(words, byteCount, apiVersion)
    if lock.withLock({ valid.contains(key) }) { return nil }
    if let wrong = validate(words, byteCount / 4, environment(apiVersion)) { return wrong }
    lock.withLock {
      if valid.count < ShaderValidator.mostKnown { valid.insert(key) }
    }
    return nil
  }

  private func key(_ words: UnsafePointer<UInt32>, _ byteCount: Int, _ version: UInt32) -> Key {
    let bytes = UnsafeRawBufferPointer(start: words, count: byteCount)
    // SipHash, keyed for each process.
    var first = Hasher()
    first.combine(bytes: bytes)
    var second = Hasher()
    second.combine(0x6F6D_6567)
    second.combine(bytes: bytes)
    return Key(
      first: first.finalize(), second: second.finalize(), byteCount: byteCount,
      version: version >> 12)
  }

  private func environment(_ apiVersion: UInt32) -> spv_target_env {
    switch apiVersion >> 12 & 0x3FF {
    case 0: SPV_ENV_VULKAN_1_0
    // VK_KHR_spirv_1_4 may be there.
    case 1: SPV_ENV_VULKAN_1_1_SPIRV_1_4
    case 2: SPV_ENV_VULKAN_1_2
    default: SPV_ENV_VULKAN_1_3
    }
  }

  private func validate(
    _ words: UnsafePointer<UInt32>, _ count: Int, _ environment: spv_target_env
  ) -> String? {
    guard let context = spvContextCreate(environment) else { return nil }
    defer { spvContextDestroy(context) }
    guard let options = spvValidatorOptionsCreate() else { return nil }
    defer { spvValidatorOptionsDestroy(options) }
    spvValidatorOptionsSetRelaxBlockLayout(options, true)
    spvValidatorOptionsSetUniformBufferStandardLayout(options, true)
    spvValidatorOptionsSetScalarBlockLayout(options, true)
    spvValidatorOptionsSetWorkgroupScalarBlockLayout(options, true)
    spvValidatorOptionsSetSkipBlockLayout(options, true)
    spvValidatorOptionsSetAllowLocalSizeId(options, true)
    spvValidatorOptionsSetRelaxStoreStruct(options, true)
    spvValidatorOptionsSetFriendlyNames(options, false)
    var binary = spv_const_binary_t(code: words, wordCount: count)
    var diagnostic: spv_diagnostic?
    let result = spvValidateWithOptions(context, options, &binary, &diagnostic)
    defer { spvDiagnosticDestroy(diagnostic) }
    guard result != SPV_SUCCESS else { return nil }
    guard let diagnostic, let text = diagnostic.pointee.error else {
      return "SPIR-V error \(result.rawValue)"
    }
    return "\(String(cString: text).prefix(512)) (word \(diagnostic.pointee.position.index))"
  }
}

extension ReplayContext {
  /// False, with the session over, when a module is no valid SPIR-V.
  func accepts(_ opcode: UInt32, _ info: UnsafePointer<VkShaderModuleCreateInfo>?) -> Bool {
    guard let info, let code = info.pointee.pCode else { return true }
    let version = device?.apiVersion ?? 1 << 22
    guard
      let wrong = session.shaders.check(
        code, byteCount: info.pointee.codeSize, apiVersion: version)
    else { return true }
    session.lose(
      LostReason.deviceLost,
      "\(commandDescription(opcode)): the shader is no valid SPIR-V: \(wrong)")
    return false
  }

  /// The same for modules that come in the chains of pipeline stages.
  func accepts(
    _ opcode: UInt32, _ stages: UnsafePointer<VkPipelineShaderStageCreateInfo>?, _ count: UInt32
  ) -> Bool {
    guard let stages else { return true }
    for i in 0..<Int(count) {
      for entry in StructureChain(stages[i].pNext) {
        let module = entry.structure(
          VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, as: VkShaderModuleCreateInfo.self)
        if let module, !accepts(opcode, module) { return false }
      }
    }
    return true
  }
}
