internal import CVulkan
internal import Client

/// The pixel formats that windows have, by their VkFormat.
enum FrameFormat {
  /// 0 for a format that no window has.
  static func bytesPerPixel(_ format: UInt32) -> Int {
    switch VkFormat(rawValue: format) {
    case VK_FORMAT_R5G6B5_UNORM_PACK16, VK_FORMAT_B5G6R5_UNORM_PACK16,
      VK_FORMAT_A1R5G5B5_UNORM_PACK16, VK_FORMAT_R5G5B5A1_UNORM_PACK16,
      VK_FORMAT_B5G5R5A1_UNORM_PACK16, VK_FORMAT_R4G4B4A4_UNORM_PACK16,
      VK_FORMAT_B4G4R4A4_UNORM_PACK16:
      2
    case VK_FORMAT_R8G8B8A8_UNORM, VK_FORMAT_R8G8B8A8_SRGB, VK_FORMAT_B8G8R8A8_UNORM,
      VK_FORMAT_B8G8R8A8_SRGB, VK_FORMAT_A8B8G8R8_UNORM_PACK32, VK_FORMAT_A8B8G8R8_SRGB_PACK32,
      VK_FORMAT_A2R10G10B10_UNORM_PACK32, VK_FORMAT_A2B10G10R10_UNORM_PACK32,
      VK_FORMAT_B10G11R11_UFLOAT_PACK32:
      4
    case VK_FORMAT_R16G16B16A16_SFLOAT, VK_FORMAT_R16G16B16A16_UNORM: 8
    default: 0
    }
  }

  /// How the pixels are turned into 8 bits of red, green and blue; nil when they cannot be.
  static func layout(_ format: UInt32) -> PixelLayout? {
    switch VkFormat(rawValue: format) {
    case VK_FORMAT_B8G8R8A8_UNORM, VK_FORMAT_B8G8R8A8_SRGB: .bgra8
    case VK_FORMAT_R8G8B8A8_UNORM, VK_FORMAT_R8G8B8A8_SRGB, VK_FORMAT_A8B8G8R8_UNORM_PACK32,
      VK_FORMAT_A8B8G8R8_SRGB_PACK32:
      .rgba8
    case VK_FORMAT_A2R10G10B10_UNORM_PACK32: .bgra10
    case VK_FORMAT_A2B10G10R10_UNORM_PACK32: .rgba10
    case VK_FORMAT_R5G6B5_UNORM_PACK16: .bgr565
    default: nil
    }
  }
}
