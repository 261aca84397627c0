import CVulkan
import Testing

@testable import VulkanReplay

@Suite("What a queue operation may write")
struct WriteSetTests {
  private func memory(_ number: Int, size: Int = 1 << 20) -> MemoryState {
    MemoryState(
      handle: OpaquePointer(bitPattern: number * 8)!, size: size, type: 0, heap: 0, properties: 0)
  }

  /// A buffer of `size` bytes bound at `offset`.
  private func buffer(_ memory: MemoryState, at offset: Int, size: Int) -> ResourceState {
    let resource = ResourceState(isWritable: true, size: size)
    let range = memory.bind(
      UInt64(offset + 1), ByteRange(start: offset, end: offset + size))
    resource.bindings.append((memory, range))
    return resource
  }

  private func resolved(
    _ commands: CommandWrites, addressable: [ResourceState] = []
  ) -> WriteSet {
    var writes = WriteSet()
    commands.resolve(into: &writes, addressable: addressable)
    writes.finish()
    return writes
  }

  @Test("is what its commands name, where that lies in memory")
  func ranges() {
    let memory = memory(1)
    let one = buffer(memory, at: 4096, size: 8192)
    let commands = CommandWrites()
    commands.add(one, ByteRange(offset: 100, size: 50))
    commands.add(one, ByteRange(offset: 4000, size: .max))
    commands.add(one, ByteRange(offset: 150, size: 10))
    let writes = resolved(commands)
    #expect(!writes.isEverything && writes.entries.count == 1)
    #expect(
      writes.entries[0].ranges == [
        ByteRange(start: 4196, end: 4256), ByteRange(start: 8096, end: 12288),
      ])
  }

  @Test("leaves out what lies in no memory that is mapped, and what begins anew")
  func nothing() {
    let commands = CommandWrites()
    commands.add(ResourceState(isWritable: true, size: 64))
    commands.add(nil)
    #expect(resolved(commands).isEmpty)
    commands.add(buffer(memory(1), at: 0, size: 64))
    commands.addEverything()
    commands.reset()
    #expect(resolved(commands).isEmpty)
  }

  @Test("is everything once anything is")
  func everything() {
    let secondary = CommandWrites()
    secondary.addEverything()
    let commands = CommandWrites()
    commands.add(buffer(memory(1), at: 0, size: 64))
    commands.add(secondary)
    let writes = resolved(commands)
    #expect(writes.isEverything && writes.entries.isEmpty && !writes.isEmpty)
  }

  @Test("takes many ranges of one resource as one")
  func hull() {
    let one = buffer(memory(1), at: 0, size: 1 << 20)
    let commands = CommandWrites()
    for i in 0..<100 { commands.add(one, ByteRange(offset: UInt64(i * 1000), size: 10)) }
    let ranges = resolved(commands).entries[0].ranges
    #expect(ranges.count <= 9)
    for i in 0..<100 {
      #expect(ranges.contains { $0.start <= i * 1000 && $0.end >= i * 1000 + 10 })
    }
  }

  @Test("has the whole of an image, and of a buffer that a shader may find by its address")
  func wholes() {
    let memory = memory(1)
    let image = ResourceState(isWritable: true, size: 0)
    image.bindings.append((memory, memory.bind(9, ByteRange(start: 64, end: 1 << 30))))
    let commands = CommandWrites()
    commands.add(image, ByteRange(offset: 5, size: 6))
    #expect(resolved(commands).entries[0].ranges == [ByteRange(start: 64, end: 1 << 20)])
    let found = buffer(memory, at: 0, size: 32)
    let drawing = CommandWrites()
    #expect(resolved(drawing, addressable: [found]).isEmpty)
    drawing.addShaders()
    #expect(
      resolved(drawing, addressable: [found]).entries[0].ranges == [ByteRange(start: 0, end: 32)])
  }

  @Test("has what the descriptors of a set name now, and those that were copied into it")
  func descriptors() {
    let memory = memory(1)
    let (a, b) = (buffer(memory, at: 0, size: 100), buffer(memory, at: 200, size: 100))
    let set = DescriptorWrites()
    set.set(0, 0, a, .whole)
    set.set(0, 0, b, ByteRange(offset: 10, size: 20))
    let commands = CommandWrites()
    commands.add(set)
    #expect(resolved(commands).entries[0].ranges == [ByteRange(start: 210, end: 230)])
    let other = DescriptorWrites()
    other.set(7, 3, a, .whole)
    set.copy(from: other)
    set.clear(0, 0)
    commands.reset()
    commands.add(set)
    #expect(resolved(commands).entries[0].ranges == [ByteRange(start: 0, end: 100)])
    for i: UInt32 in 0..<5000 { set.set(1, i, a, .whole) }
    #expect(set.isEverything)
    commands.add(set)
    #expect(resolved(commands).isEverything)
  }
}
