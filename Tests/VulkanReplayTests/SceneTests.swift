import CVulkan
import Testing

@testable import VulkanReplay

@Suite("Scenes of command buffers")
struct SceneTests {
  private let image = VkImage(bitPattern: 16)

  private func pass(_ width: Int = 64) throws -> ScenePass {
    ScenePass(
      depth: DepthImage(
        image: try #require(image), width: width, height: 48, format: VK_FORMAT_D32_SFLOAT),
      layout: VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL, background: 1)
  }

  private func push(_ scene: CommandScene, _ offset: Int, _ bytes: [UInt8]) {
    bytes.withUnsafeBytes { scene.push(offset, $0) }
  }

  @Test("Draws are the same in each recording, and each is another one")
  func identities() throws {
    func record() throws -> [SceneDraw] {
      let scene = CommandScene()
      scene.reset(continues: false)
      scene.begin(try pass())
      scene.bind(pipeline: 5)
      for mesh in [7, 7, 9] as [UInt64] {
        scene.bind(vertices: mesh)
        scene.draw(count: 36, instances: 1, first: 0)
      }
      scene.bind(pipeline: 6)
      scene.draw(count: 36, instances: 1, first: 0)
      scene.draw(count: 36, instances: 1, first: 36)
      return scene.passes[0].draws
    }
    let (draws, again) = (try record(), try record())
    #expect(draws.count == 5)
    #expect(Set(draws.map(\.identity)).count == 5)
    #expect(draws.map(\.identity) == again.map(\.identity))
    #expect(draws.map(\.group) == [5, 5, 5, 6, 6])
  }

  @Test("Draws have the constants that were pushed before them")
  func constants() throws {
    let scene = CommandScene()
    scene.reset(continues: false)
    scene.begin(try pass())
    push(scene, 4, [1, 2, 3, 4])
    scene.draw(count: 3, instances: 2, first: 0)
    push(scene, 0, [9])
    // Beyond what there can be: not remembered.
    push(scene, 255, [1, 2])
    scene.draw(count: 3, instances: 1, first: 0)
    let draws = scene.passes[0].draws
    #expect(draws[0].push == [0, 0, 0, 0, 1, 2, 3, 4] && draws[0].size == 6)
    #expect(draws[1].push == [9, 0, 0, 0, 1, 2, 3, 4] && draws[1].size == 3)
  }

  @Test("What draws nothing, or outside of a pass with depth, is none")
  func nothing() throws {
    let scene = CommandScene()
    scene.reset(continues: false)
    scene.draw(count: 3, instances: 1, first: 0)
    scene.begin(nil)
    scene.draw(count: 3, instances: 1, first: 0)
    #expect(scene.passes.isEmpty)
    scene.begin(try pass())
    scene.draw(count: 0, instances: 1, first: 0)
    scene.draw(count: 3, instances: 0, first: 0)
    #expect(scene.passes[0].draws.isEmpty)
    scene.begin(nil)
    scene.draw(count: 3, instances: 1, first: 0)
    #expect(scene.passes[0].draws.isEmpty)
    for _ in 0..<1000 { scene.begin(try pass()) }
    #expect(scene.passes.count == 64)
    for _ in 0..<1000 { scene.draw(count: 3, instances: 1, first: 0) }
    #expect(scene.passes.allSatisfy { $0.draws.count <= ScenePass.mostDraws })
  }

  @Test("A secondary command buffer's draws are in the pass that it is executed in")
  func secondary() throws {
    let (scene, other) = (CommandScene(), CommandScene())
    other.reset(continues: true)
    other.draw(count: 3, instances: 1, first: 0)
    scene.reset(continues: false)
    scene.add(other)
    #expect(scene.passes.isEmpty)
    scene.begin(try pass())
    scene.add(other)
    #expect(scene.passes[0].draws.count == 1)
    other.reset(continues: false)
    other.draw(count: 3, instances: 1, first: 0)
    scene.add(other)
    #expect(scene.passes[0].draws.count == 1)
  }

  @Test("Barriers say which layout an attachment is left in")
  func layouts() throws {
    let scene = CommandScene()
    scene.reset(continues: false)
    scene.note(image, VK_IMAGE_LAYOUT_GENERAL)
    #expect(scene.layouts.count == 1)
    scene.begin(try pass())
    #expect(scene.layouts.isEmpty)
    scene.note(image, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL)
    #expect(scene.passes[0].layout == VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL)
    #expect(scene.layouts.isEmpty)
  }
}
