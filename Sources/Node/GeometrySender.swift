import CPlatform
import FrameStream
import Ring
internal import Threads
import Transport
import VulkanReplay

/// Tells a client what is known of frames' geometry, behind the frames themselves: on a thread of its own, which
/// codes what the frames' own thread has only sampled, and leaves out what it comes too late with.
///
/// Threads: any.
final class GeometrySender: @unchecked Sendable {
  private let link: Link
  private let bytesPerSecond: @Sendable () -> Double
  private let lock = Lock()
  private let changed: UnsafeMutablePointer<UInt32>
  private var waiting: FrameGeometry?
  private var isOver = false
  private var isRunning = false
  /// Pixels from one sample to the next.
  private var step = 0

  /// The share of the link that geometry may have.
  private static let share = 1.0 / 8
  private static let coarsest = 8
  /// Frames a second that are reckoned with.
  private static let rate = 30.0

  init(link: Link, bytesPerSecond: @escaping @Sendable () -> Double) {
    self.link = link
    self.bytesPerSecond = bytesPerSecond
    changed = .allocate(capacity: 1)
    changed.initialize(to: 0)
  }

  deinit { changed.deallocate() }

  /// Takes a frame's geometry, whose memory is not looked at any more when this returns.
  func send(_ geometry: SceneGeometry, swapchain: UInt64, image: UInt32) {
    let finest = geometry.width * geometry.height > 1 << 18 ? 2 : 1
    let step = lock.withLock { () -> Int in
      if self.step < finest { self.step = finest }
      return self.step
    }
    guard let sampled = geometry.sampled(every: step, swapchain: swapchain, image: image) else {
      return
    }
    let mustStart = lock.withLock { () -> Bool in
      waiting = sampled
      defer { isRunning = true }
      return !isRunning && !isOver
    }
    if mustStart, !startThread("omega-geometry", { [self] in run() }) {
      lock.withLock { isOver = true }
    }
    wake()
  }

  func stop() {
    lock.withLock { isOver = true }
    wake()
  }

  private func wake() {
    _ = platform_add32(changed, 1)
    _ = platform_futex_wake(changed, .max)
  }

  private func run() {
    while true {
      let seen = platform_load32_seq(changed)
      let (next, isLast) = lock.withLock { () -> (FrameGeometry?, Bool) in
        defer { waiting = nil }
        return (waiting, isOver)
      }
      if isLast { return }
      guard let next else {
        _ = platform_futex_wait(changed, seen, 1_000_000_000)
        continue
      }
      guard let bytes = next.bytes else { continue }
      let used = Double(bytes.count) * GeometrySender.rate
      let allowed = bytesPerSecond() * GeometrySender.share
      lock.withLock {
        if used > allowed {
          step = min(GeometrySender.coarsest, step * 2)
        } else if used < allowed / 8, step > 1 {
          step /= 2
        }
      }
      do { try link.send(MessageType.frameGeometry, bytes: bytes) } catch { return }
    }
  }
}

extension SceneGeometry {
  /// Every so many samples of depth, in 65535 steps from the least to the greatest that there is. Nil when nothing was
  /// drawn.
  fileprivate func sampled(every step: Int, swapchain: UInt64, image: UInt32) -> FrameGeometry? {
    let half = step / 2
    let columns = (width - half + step - 1) / step
    let rows = (height - half + step - 1) / step
    let sampleBytes = format == .unorm16 ? 2 : 4
    guard columns > 0, rows > 0, columns * rows <= FrameGeometry.mostSamples,
      let start = depth.baseAddress, depth.count >= width * height * sampleBytes
    else { return nil }
    let found = [Float](unsafeUninitializedCapacity: columns * rows) { room, used in
      for y in 0..<rows {
        let line = start + (y * step + half) * width * sampleBytes
        for x in 0..<columns {
          let at = line + (x * step + half) * sampleBytes
          let value: Float =
            switch format {
            case .unorm16: Float(at.load(as: UInt16.self)) / 65535
            case .unorm24: Float(at.load(as: UInt32.self) & 0xFF_FFFF) / 16_777_215
            case .float32: at.load(as: Float.self)
            }
          room.initializeElement(at: y * columns + x, to: value.isFinite ? value : background)
        }
      }
      used = columns * rows
    }
    var (low, high) = (Float.infinity, -Float.infinity)
    for value in found where value != background {
      low = min(low, value)
      high = max(high, value)
    }
    guard low <= high else { return nil }
    let scale = high > low ? 65534 / (high - low) : 0
    let values = found.map {
      $0 == background
        ? FrameGeometry.nothing : UInt16(min(65534, max(0, ($0 - low) * scale + 0.5)))
    }
    let draws = draws.prefix(FrameGeometry.mostDraws).map { draw in
      FrameGeometry.Draw(
        identity: draw.identity, group: draw.group,
        blocks: draw.blocks.prefix(FrameGeometry.mostBlocks).map {
          Array($0.prefix(FrameGeometry.mostBlockBytes))
        })
    }
    return FrameGeometry(
      swapchain: swapchain, image: image, columns: columns, rows: rows, step: step, low: low,
      high: high, background: background, values: values, draws: draws)
  }
}
