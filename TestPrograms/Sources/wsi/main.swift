// Presents in every way that the tests ask about: `wsi [--headless] CASE`. What is printed is the same
// on every driver that does what Vulkan says; what a driver may do in several ways is checked here.
// Exit status 77: the driver does not offer what the case is about.

import CVulkan
import Workbench

let isHeadless = CommandLine.arguments.contains("--headless")
let words = CommandLine.arguments.dropFirst().filter { !$0.hasPrefix("--") }

switch words.first {
case "surface": querySurface()
case "acquire": acquireEveryWay()
case "timeouts": acquireInTime()
case "present": presentSeveral()
case "retired": replaceSwapchain()
case "resize": resizeWindow()
case "gone": loseWindow()
case "many": makeMany()
case "together": presentTogether()
case "aliases": bindToSwapchain()
case "devices": makeDevices()
case "allocators": useAllocators()
case "wait": waitForPresents()
case "fences": presentWithFences()
case "modes": changeModes()
case "release": releaseImages()
case "placement": placeFrames()
case "pacing": paceFrames()
case "depth": showDeepColors()
default: fail("usage: wsi [--headless] CASE")
}
device.destroy()
say("done")
