// swift-tools-version: 6.2
//
// Plain Vulkan programs for the tests and benchmarks. They import nothing of Omega: what they compute
// natively is what they have to compute through it.

import PackageDescription

/// A program of top-level code, whose functions share its variables on the one thread it has.
let script: [SwiftSetting] = [.defaultIsolation(MainActor.self)]

let package = Package(
  name: "TestPrograms",
  products: [.library(name: "raydriver", type: .dynamic, targets: ["raydriver"])],
  targets: [
    .systemLibrary(name: "CVulkan"),
    .systemLibrary(name: "CXCB"),
    .target(name: "Shaders"),
    .target(name: "Workbench", dependencies: ["CVulkan"]),
    .executableTarget(name: "offscreen", dependencies: ["CVulkan", "Workbench", "Shaders"]),
    .target(name: "Windowing", dependencies: ["CVulkan", "CXCB", "Workbench"]),
    .target(name: "WindowingGL", dependencies: ["CXCB", "Workbench", "Windowing"]),
    .executableTarget(name: "stress", dependencies: ["CVulkan", "Workbench", "Shaders"]),
    // A driver that writes down the ray tracing it is asked for; all else is lavapipe's.
    .target(name: "raydriver", cSettings: [.unsafeFlags(["-fvisibility=hidden"])]),
    .executableTarget(
      name: "raytracing", dependencies: ["CVulkan", "Workbench", "Shaders"],
      swiftSettings: script),
    .executableTarget(
      name: "budgets", dependencies: ["CVulkan", "Workbench"], swiftSettings: script),
    .executableTarget(
      name: "recordbench", dependencies: ["CVulkan", "Workbench", "Shaders"],
      swiftSettings: script),
    .executableTarget(
      name: "mapbench", dependencies: ["CVulkan", "Workbench", "Shaders"], swiftSettings: script),
    .executableTarget(
      name: "submitbench", dependencies: ["CVulkan", "Workbench"], swiftSettings: script),
    .executableTarget(
      name: "fillbench", dependencies: ["CVulkan", "Workbench", "Windowing", "Shaders"],
      swiftSettings: script),
    // OpenGL, by EGL, which it opens itself.
    .executableTarget(name: "glbench", swiftSettings: script),
    .executableTarget(
      name: "firstframe", dependencies: ["CVulkan", "CXCB", "Workbench", "Windowing"],
      swiftSettings: script),
    .executableTarget(
      name: "flash", dependencies: ["CVulkan", "CXCB", "Workbench", "Windowing", "WindowingGL"],
      swiftSettings: script),
    .executableTarget(
      name: "still", dependencies: ["Workbench", "Windowing", "WindowingGL"],
      swiftSettings: script),
    .executableTarget(
      name: "wsi", dependencies: ["CVulkan", "CXCB", "Workbench"], swiftSettings: script),
  ],
  swiftLanguageModes: [.v6]
)
