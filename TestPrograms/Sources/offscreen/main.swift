// Draws, computes, copies and reads back in every way that core Vulkan has, and writes all results to
// a file. They depend on the driver alone, so a run natively and a run through anything that claims to
// be transparent must give the same file.
//
//   offscreen OUTPUT [SECTION…]

import CVulkan
import Glibc
import Workbench

/// A part of the program: its name and what it computes.
struct Section {
  var name: String
  var body: (Device) -> [UInt8]
}

let sections: [Section] =
  MemoryPath.allCases.flatMap { path in
    [
      Section(name: "compute-\(path)") { computeMix($0, path) },
      Section(name: "scene-\(path)") { drawScene($0, path) },
      Section(name: "transfers-\(path)") { transferBuffers($0, path) },
    ]
  } + [
    Section(name: "requirements", body: askRequirements),
    Section(name: "linear-images", body: mapLinearImages),
    Section(name: "transfers-images", body: transferImages),
    Section(name: "scene-secondary", body: drawSceneFromSecondaries),
    Section(name: "scene-indirect", body: drawSceneIndirectly),
    Section(name: "scene-multisampled", body: drawSceneMultisampled),
    Section(name: "scene-dynamic-rendering", body: drawSceneDynamically),
    Section(name: "frames", body: drawFrames),
    Section(name: "descriptors", body: gatherDescriptors),
    Section(name: "addresses", body: followAddresses),
    Section(name: "shared-page", body: shareAPage),
    Section(name: "remap", body: remap),
    Section(name: "many-maps", body: mapMany),
    Section(name: "mapped-buffers", body: writeMappedBuffers),
    Section(name: "mapped-images", body: writeMappedImages),
    Section(name: "mapped-threads", body: writeMapsInThreads),
    Section(name: "mapped-parts", body: flushParts),
    Section(name: "events", body: useEvents),
    Section(name: "timeline", body: useTimelines),
    Section(name: "host-in-between", body: useHostInBetween),
    Section(name: "flights", body: keepSubmitsInFlight),
    Section(name: "queries", body: runQueries),
    Section(name: "threads", body: recordInThreads),
    Section(name: "churn", body: churn),
  ]

@MainActor func main() {
  let arguments = CommandLine.arguments.dropFirst()
  guard let path = arguments.first else { fail("usage: offscreen OUTPUT [SECTION…]") }
  let wanted = Set(arguments.dropFirst())
  let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
  if file < 0 { fail("cannot write \(path)") }
  let device = Device()
  for section in sections where wanted.isEmpty || wanted.contains(section.name) {
    let result = section.body(device)
    device.discardAll()
    let record = Array("\(section.name) \(result.count)\n".utf8) + result
    if write(file, record, record.count) != record.count { fail("cannot write \(path)") }
    say("\(hexadecimal(hash(result)))  \(section.name)")
  }
  device.destroy()
}

main()
