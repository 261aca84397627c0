// swift-tools-version: 6.2
//
// The house: one table of rooms. A room imports only from floors below it, and this file is the
// only place that says which. `Tests/FloorTests` reads the resolved graph and the sources and
// fails when either breaks the rule, so a new edge is always a deliberate one.
//
//   floor 0  C modules         headers of other people, and a few static inlines
//   floor 1  Wire, Ring        bytes, and the shared memory they travel in;  Threads: locks, words to sleep on
//   floor 2  VulkanWire, GLWire generated vocabularies;  PageTracker: written pages
//            MemoryFabric      who has which page of shared memory, and what goes to whom
//            FrameLink         frames over a path that loses packets: erasure code, pace, repair
//   floor 3  Client            the injected side of the link;  Transport: the sealed links
//            CommandStream     what travels, coded: blobs, differences, compression
//            Recording         the file format;  Interim: frames that nobody rendered
//            FrameStream       frames in bands, coded: tiles, colours, video, and their decoders
//            XDisplay          an X server as one who looks on sees it: input, pixels
//   floor 4  VkLayer, GLShim   the injected libraries
//            ViewStream        what viewers and a node say to each other
//            VulkanReplay, GLReplay  the node's driver side
//            FrameServer       damage, encoders, bands in parallel
//   floor 5  Agent, Node       the hand, and the daemon
//            PageServer        shows a node's windows to browsers and viewers;  NativeViewer: one of these
//   floor 6  omega             the command
//   beside   RegistryGenerator build-time only: vk.xml in, Generated/ folders out
//
// OMEGA_FREESTANDING=1 in the environment compiles the injected rooms as Embedded Swift: no
// runtime, no dependency but libc. Both ways must always compile; give each its own scratch path.

import PackageDescription

let root = Context.packageDirectory
let freestanding = Context.environment["OMEGA_FREESTANDING"] == "1"

/// Settings of every room.
let house: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny")
]

/// For a room that sees both CPlatform, which has the GNU C library whole, and the C modules that
/// Swift itself brings along with swift-crypto: they must see the same.
let gnu: [SwiftSetting] = [.unsafeFlags(["-Xcc", "-D_GNU_SOURCE"])]

/// Settings of the rooms that are linked into other people's processes.
let injected: [SwiftSetting] =
  house
  + (freestanding
    ? [
      .enableExperimentalFeature("Embedded"),
      .unsafeFlags(["-wmo", "-enforce-exclusivity=unchecked"]),
    ] : [])

let package = Package(
  name: "omega",
  products: [
    .executable(name: "omega", targets: ["omega"]),
    .library(name: "VkLayer_omega", type: .dynamic, targets: ["VkLayer"]),
    .library(name: "GLShim_omega", type: .dynamic, targets: ["GLShim"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2")
  ],
  targets: [
    // Floor 0
    .systemLibrary(name: "CPlatform"),
    .systemLibrary(name: "CVulkan"),
    .systemLibrary(name: "CX11"),
    .systemLibrary(name: "CInput"),
    .systemLibrary(name: "CWayland"),
    .systemLibrary(name: "CLZ4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(name: "CZstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CSPIRV", providers: [.apt(["spirv-tools"])]),
    .systemLibrary(name: "CLibAV", providers: [.apt(["libavcodec-dev", "libavutil-dev"])]),
    // Floor 1
    .target(name: "Wire", dependencies: ["CPlatform"], swiftSettings: injected),
    .target(name: "Ring", dependencies: ["CPlatform"], swiftSettings: injected),
    .target(name: "Threads", dependencies: ["CPlatform"], swiftSettings: house + gnu),
    // Floor 2
    .target(name: "VulkanWire", dependencies: ["CVulkan", "Wire"], swiftSettings: injected),
    .target(name: "GLWire", dependencies: ["CPlatform", "Wire"], swiftSettings: injected),
    .target(name: "PageTracker", dependencies: ["CPlatform"], swiftSettings: injected),
    .target(
      name: "MemoryFabric", dependencies: ["CPlatform", "CLZ4", "CZstd"],
      swiftSettings: house + gnu),
    .target(name: "FrameLink", dependencies: ["CPlatform", "Wire"], swiftSettings: house),
    // Floor 3
    .target(
      name: "Client",
      dependencies: ["CPlatform", "CX11", "CWayland", "Wire", "Ring", "PageTracker"],
      swiftSettings: injected),
    .target(
      name: "Transport",
      dependencies: [
        "CPlatform", "Wire", "Ring", .product(name: "Crypto", package: "swift-crypto"),
      ],
      swiftSettings: house),
    .target(
      name: "CommandStream",
      dependencies: [
        "CPlatform", "CZstd", "Wire", "Ring", "VulkanWire",
        .product(name: "Crypto", package: "swift-crypto"),
      ],
      swiftSettings: house + gnu),
    .target(
      name: "Recording", dependencies: ["CPlatform", "CZstd", "Wire"],
      swiftSettings: house + gnu),
    .target(
      name: "FrameStream", dependencies: ["CPlatform", "CLibAV", "CZstd", "Threads", "Wire"],
      swiftSettings: house + gnu),
    .target(name: "Interim", dependencies: ["CPlatform"], swiftSettings: house + gnu),
    .target(name: "XDisplay", dependencies: ["CPlatform", "CX11"], swiftSettings: house + gnu),
    // Floor 4
    .target(
      name: "VkLayer",
      dependencies: [
        "CPlatform", "CVulkan", "CX11", "CWayland", "Wire", "Ring", "VulkanWire", "PageTracker",
        "Client",
      ],
      exclude: ["VkLayer.map"],
      swiftSettings: injected,
      linkerSettings: [
        .unsafeFlags([
          "-Xlinker", "--version-script=\(root)/Sources/VkLayer/VkLayer.map",
          "-Xlinker", "-z", "-Xlinker", "nodelete",
          "-Xlinker", "-Bsymbolic",
          "-Xlinker", "--gc-sections",
        ]),
        .unsafeFlags(
          freestanding ? ["-enable-experimental-feature", "Embedded"] : ["-static-stdlib"]),
      ]),
    .target(
      name: "VulkanReplay",
      dependencies: [
        "CPlatform", "CVulkan", "CSPIRV", "Threads", "Wire", "Ring", "VulkanWire",
        "MemoryFabric",
      ],
      swiftSettings: house + gnu),
    .target(
      name: "GLShim",
      dependencies: [
        "CPlatform", "CX11", "CWayland", "Wire", "Ring", "GLWire", "PageTracker", "Client",
      ],
      exclude: ["GLShim.map"],
      swiftSettings: injected,
      linkerSettings: [
        .linkedLibrary("m"),
        .unsafeFlags([
          "-Xlinker", "--version-script=\(root)/Sources/GLShim/GLShim.map",
          "-Xlinker", "-z", "-Xlinker", "nodelete",
          "-Xlinker", "-Bsymbolic",
          "-Xlinker", "--gc-sections",
        ]),
        // A sanitizer's functions are the program's, not the library's: only what is shipped must have all its own.
        .unsafeFlags(
          freestanding
            ? ["-enable-experimental-feature", "Embedded", "-Xlinker", "-z", "-Xlinker", "defs"]
            : ["-static-stdlib"]),
      ]),
    .target(
      name: "GLReplay", dependencies: ["CPlatform", "Threads", "Wire", "Ring", "GLWire"],
      swiftSettings: house + gnu),
    .target(
      name: "FrameServer", dependencies: ["CPlatform", "CLibAV", "Threads", "FrameStream", "Wire"],
      swiftSettings: house + gnu),
    .target(name: "ViewStream", dependencies: ["FrameStream"], swiftSettings: house + gnu),
    // Floor 5
    .target(
      name: "PageServer",
      dependencies: [
        "CPlatform", "Threads", "Transport", "FrameStream", "ViewStream",
      ],
      resources: [
        .embedInCode("Page/index.html"), .embedInCode("Page/viewer.css"),
        .embedInCode("Page/viewer.js"), .embedInCode("Page/picture.js"),
        .embedInCode("Page/tiles.js"), .embedInCode("Page/zstd.js"),
        .embedInCode("Page/proof.js"),
      ],
      swiftSettings: house + gnu),
    .target(
      name: "NativeViewer",
      dependencies: [
        "CPlatform", "CX11", "Client", "Transport", "FrameStream", "ViewStream",
      ],
      swiftSettings: house + gnu),
    .target(
      name: "Agent",
      dependencies: [
        "CPlatform", "CVulkan", "CX11", "CInput", "Threads", "Wire", "Ring", "VulkanWire", "GLWire",
        "Client", "MemoryFabric", "Transport", "CommandStream", "Recording", "FrameStream",
        "FrameLink",
        "Interim", "XDisplay", "ViewStream",
      ],
      swiftSettings: house + gnu),
    .target(
      name: "Node",
      dependencies: [
        "CPlatform", "Threads", "Wire", "Ring", "MemoryFabric", "Transport", "CommandStream",
        "VulkanReplay",
        "GLReplay", "FrameServer", "FrameStream", "FrameLink", "ViewStream",
      ],
      swiftSettings: house + gnu),
    // Floor 6
    .executableTarget(
      name: "omega",
      dependencies: [
        "CPlatform", "PageTracker", "Ring", "Transport", "Recording", "VulkanReplay", "Agent",
        "Node", "FrameStream", "XDisplay", "PageServer", "NativeViewer",
      ],
      swiftSettings: house),
    // Beside
    .executableTarget(name: "RegistryGenerator", exclude: ["Rules"], swiftSettings: house),
    // Tests
    .testTarget(name: "WireTests", dependencies: ["Wire"]),
    .testTarget(name: "RingTests", dependencies: ["Ring", "CPlatform"]),
    .testTarget(name: "VulkanWireTests", dependencies: ["VulkanWire", "Wire", "CVulkan"]),
    .testTarget(name: "RegistryGeneratorTests", dependencies: ["RegistryGenerator"]),
    .testTarget(name: "ClientTests", dependencies: ["Client", "CPlatform", "Ring", "Wire"]),
    .testTarget(name: "PageTrackerTests", dependencies: ["PageTracker", "CPlatform"]),
    .testTarget(name: "MemoryFabricTests", dependencies: ["MemoryFabric"], swiftSettings: gnu),
    .testTarget(name: "TransportTests", dependencies: ["Transport", "FrameLink", "CPlatform"]),
    .testTarget(
      name: "CommandStreamTests",
      dependencies: ["CommandStream", "VulkanWire", "Wire", "Ring", "CVulkan", "CPlatform"]),
    .testTarget(
      name: "RecordingTests", dependencies: ["Recording", "CPlatform"], swiftSettings: gnu),
    .target(
      name: "FrameSamples", dependencies: ["Threads", "FrameStream", "FrameLink"],
      path: "Tests/FrameSamples",
      swiftSettings: house + gnu),
    .testTarget(
      name: "FrameStreamTests",
      dependencies: ["Threads", "FrameStream", "FrameSamples", "CPlatform", "Wire"],
      swiftSettings: gnu),
    .testTarget(
      name: "FrameServerTests",
      dependencies: ["Threads", "FrameServer", "FrameStream", "FrameSamples", "CPlatform"],
      swiftSettings: gnu),
    .testTarget(name: "FrameLinkTests", dependencies: ["FrameLink", "FrameSamples"]),
    .testTarget(
      name: "ViewStreamTests", dependencies: ["ViewStream", "FrameStream"], swiftSettings: gnu),
    .testTarget(
      name: "InterimTests", dependencies: ["Threads", "Interim", "CPlatform"], swiftSettings: gnu),
    .testTarget(
      name: "AgentTests",
      dependencies: [
        "Agent", "CommandStream", "Threads", "FrameServer", "FrameStream", "FrameSamples", "Ring",
        "CPlatform",
      ],
      swiftSettings: gnu),
    .testTarget(
      name: "VulkanReplayTests", dependencies: ["VulkanReplay", "CVulkan", "CPlatform"],
      swiftSettings: gnu),
    .testTarget(
      name: "GLReplayTests",
      dependencies: ["GLReplay", "GLWire", "Ring", "Threads", "Wire", "CPlatform"],
      swiftSettings: gnu),
    .testTarget(
      name: "NodeTests",
      dependencies: [
        "Node", "Transport", "Ring", "Wire", "MemoryFabric", "VulkanWire", "VulkanReplay",
        "GLReplay", "GLWire", "CVulkan", "CPlatform",
      ],
      swiftSettings: gnu),
    .testTarget(name: "PresenterTests", dependencies: ["Client", "Ring", "CPlatform"]),
    .testTarget(name: "FloorTests"),
  ],
  swiftLanguageModes: [.v6]
)
