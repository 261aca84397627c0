import FrameStream
import Testing
import Threads

@Suite("WorkerPool")
struct WorkerPoolTests {
  @Test("does every part once, whatever the threads", arguments: [1, 2, 5], [0, 1, 2, 33])
  func once(threads: Int, parts: Int) {
    let pool = WorkerPool(threads: threads)
    for _ in 0..<200 {
      let done = Guarded([Int](repeating: 0, count: parts))
      pool.run(parts) { index in done.withLock { $0[index] += 1 } }
      #expect(done.withLock { $0 } == [Int](repeating: 1, count: parts))
    }
  }

  @Test("of one thread does them in order")
  func order() {
    let begun = Guarded([Int]())
    WorkerPool(threads: 1).run(8) { index in begun.withLock { $0.append(index) } }
    #expect(begun.withLock { $0 } == Array(0..<8))
  }
}
