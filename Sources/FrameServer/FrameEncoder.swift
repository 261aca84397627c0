internal import CPlatform
public import FrameStream
internal import Threads

/// One band's unit of a frame, when it is coded.
public struct CodedUnit {
  public let header: BandHeader
  /// Valid during the call that hands the unit over.
  public let picture: UnsafeRawBufferPointer

  /// Bytes of the whole unit.
  public var byteCount: Int { header.byteCount + picture.count }

  /// Writes the whole unit, `byteCount` bytes.
  public func write(to bytes: UnsafeMutableRawPointer) {
    header.write(to: bytes, pictureBytes: picture.count)
    if let from = picture.baseAddress {
      platform_copy(bytes + header.byteCount, from, picture.count)
    }
  }
}

/// What became of a frame. Times are `platform_now`'s.
public struct CodedFrame: Sendable {
  public var frame: UInt32 = 0
  /// The bands that something was sent of.
  public var bands: UInt32 = 0
  public var byteCount = 0
  /// Tiles that were sent.
  public var tileCount = 0
  public var began: UInt64 = 0
  /// When the first band was handed over; 0 when none was.
  public var firstUnit: UInt64 = 0
  public var lastUnit: UInt64 = 0
  /// Bands that no encoder was left for.
  public var failedBands: UInt32 = 0
}

/// Codes frames band by band, as many bands at a time as there are processors, and hands each over when
/// it is done. Nothing is coded of a band in which nothing has changed.
///
/// `encode` and `refine` belong to one thread; the other calls may come from any.
public final class FrameEncoder {
  private var settings: EncoderSettings
  /// The encoders that are tried for each band; nil: those of the settings.
  private let rungs: [EncoderLadder.Rung]?
  private let processors: Int
  /// Threads beside the caller's, made when a frame has more than one band to code.
  private lazy var pool = WorkerPool(threads: processors)
  private var damage: DamageMap?
  private var bands: [BandState] = []
  private var order = PixelOrder.bgra
  private var frame: UInt32 = 0
  private var shares = RateShares()
  /// What others ask for, taken over when the next frame begins.
  private let requests = Guarded(Requests())

  private struct Requests {
    /// For each band that something was lost of: since which frame, nil for everything.
    var losses: [Int: UInt32?] = [:]
    /// Bands of which the client has missed the repair, too, bits.
    var lostRepairs: UInt32 = 0
    var losesAll = false
    var bitsPerSecond: Int?
    var coding: BandCoding?
  }

  /// `rungs`: the encoders that are tried for each band, by default those of `settings`. `processors`:
  /// bands that are coded at a time.
  public init(
    _ settings: EncoderSettings, rungs: [EncoderLadder.Rung]? = nil, processors: Int? = nil
  ) {
    self.settings = settings
    self.rungs = rungs
    self.processors = WorkerPool.threadCount(processors)
    shares.bitsPerSecond = settings.bitsPerSecond
  }

  /// The layout of the last frame.
  public var layout: BandLayout? { damage?.layout }

  /// What encoders have failed with, for a log.
  public var failures: [String] { bands.flatMap(\.failures) }

  /// Whether a band is not coded as was asked, because all encoders for that have failed.
  public var hasFallen: Bool { bands.contains { $0.hasFallen } }

  /// How frames are coded, but for what was asked since the last one.
  public var coding: BandCoding { settings.coding }

  private var currentRungs: [EncoderLadder.Rung] {
    rungs ?? EncoderLadder.Rung.ladder(settings)
  }

  /// A band of the frames from `first` on did not reach the client (nil: it has nothing): what they had is
  /// sent again, without a reference to them, with the next frame. Bands that there are not are ignored.
  ///
  /// A client that lacks a frame may say so several times before it sees the repair, and is answered once. One that
  /// `knowsRepairs` says so once, and again only when it has missed the repair.
  public func noteLoss(band: Int, since first: UInt32?, knowsRepairs: Bool = false) {
    requests.withLock { requests in
      if knowsRepairs, (0..<BandLayout.mostBands).contains(band) {
        requests.lostRepairs |= 1 << UInt32(band)
      }
      if let known = requests.losses[band] {
        guard let known, let first else {
          requests.losses[band] = .some(nil)
          return
        }
        if Int32(bitPattern: first &- known) >= 0 { return }
      }
      requests.losses[band] = .some(first)
    }
  }

  /// The client has nothing at all.
  public func noteLossOfAll() { requests.withLock { $0.losesAll = true } }

  /// Changes the rate of all bands together from the next frame on.
  public func setRate(bitsPerSecond: Int) {
    requests.withLock { $0.bitsPerSecond = bitsPerSecond }
  }

  /// Changes how frames are coded from the next one on. What the client has stays with it: exact codings
  /// send again what it has as video, and video begins with a picture that needs none before it.
  public func setCoding(_ coding: BandCoding) { requests.withLock { $0.coding = coding } }

  /// Codes a frame. `deliver` is called for each band that has something, by the threads that code, so
  /// that two calls may come at once; `pixels` stays as it is until `encode` returns. A frame without
  /// pixels, or with a side beyond `BandLayout.largestSide`, has no band.
  public func encode(
    _ pixels: PixelRows, width: Int, height: Int, deliver: (CodedUnit) -> Void
  ) -> CodedFrame {
    let began = platform_now()
    guard prepare(width, height, pixels.order), let damage else {
      return CodedFrame(frame: frame, began: began)
    }
    takeRequests()
    let candidates = bands.filter {
      $0.hasMissing || $0.hasInexact || damage.differs($0.band, pixels)
    }
    return code(candidates, began, deliver) { state in
      (pixels.from(row: damage.layout.edges[state.band]), damage.changes(state.band, pixels))
    } keep: { state, changed in
      damage.take(state.band, pixels, changed)
    }
  }

  /// Sends again what was lost, and exactly what has been still, when the application presents nothing:
  /// to be called as often as frames would come. Nothing happens before the first frame.
  public func refine(deliver: (CodedUnit) -> Void) -> CodedFrame {
    let began = platform_now()
    guard let damage else { return CodedFrame(frame: frame, began: began) }
    takeRequests()
    let candidates = bands.filter { $0.hasMissing || $0.hasInexact }
    return code(candidates, began, deliver) { state in
      (damage.known(state.band, order: order), TileMask(tileCount: state.tiles.count))
    } keep: { _, _ in
    }
  }

  /// Whether `refine` would have something to do now or later.
  public var needsRefinement: Bool {
    let isAsked = requests.withLock { !$0.losses.isEmpty || $0.losesAll }
    return isAsked
      || bands.contains { $0.hasMissing || (settings.refinesAfter > 0 && $0.hasInexact) }
  }

  // MARK: One frame

  private typealias Source = (rows: PixelRows, changed: TileMask)

  private func code(
    _ candidates: [BandState], _ began: UInt64, _ deliver: (CodedUnit) -> Void,
    _ source: (BandState) -> Source, keep: (BandState, TileMask) -> Void
  ) -> CodedFrame {
    guard !candidates.isEmpty else { return CodedFrame(frame: frame, began: began) }
    let number = frame &+ 1
    let budget = shares.frameBytes(settings.framesPerSecond) / Double(candidates.count)
    let result = Guarded(CodedFrame(frame: number, began: began))
    let changes = Guarded([TileMask?](repeating: nil, count: candidates.count))
    pool.run(candidates.count) { index in
      let state = candidates[index]
      let (rows, changed) = source(state)
      let plan = state.plan(changed: changed, byteBudget: budget)
      do {
        guard let coded = try state.code(rows, plan, frame: number) else { return }
        let unit = CodedUnit(
          header: header(state, number, plan, coded), picture: coded.picture.bytes)
        let now = platform_now()
        deliver(unit)
        result.withLock {
          $0.bands |= 1 << UInt32(state.band)
          $0.byteCount += unit.byteCount
          $0.tileCount += coded.mask.count
          if $0.firstUnit == 0 || now < $0.firstUnit { $0.firstUnit = now }
          $0.lastUnit = max($0.lastUnit, now)
        }
      } catch {
        result.withLock { $0.failedBands |= 1 << UInt32(state.band) }
      }
      changes.withLock { $0[index] = changed }
    }
    // Behind all units, since it is in no hurry.
    let kept = changes.withLock { $0 }
    pool.run(kept.count) { index in
      if let changed = kept[index] { keep(candidates[index], changed) }
    }
    let coded = result.withLock { $0 }
    if coded.bands != 0 {
      frame = number
      rebalance()
    }
    return coded
  }

  private func header(
    _ state: BandState, _ frame: UInt32, _ plan: BandState.Plan,
    _ coded: (coding: BandCoding, picture: CodedPicture, mask: TileMask)
  ) -> BandHeader {
    let layout = damage?.layout
    var flags: BandHeader.Flags = []
    if coded.picture.isIntra { flags.insert(.intra) }
    if settings.range == .full, !coded.coding.isExact { flags.insert(.fullRange) }
    if order == .rgba, coded.coding.isExact { flags.insert(.rgba) }
    if case .exact(_, true) = plan { flags.insert(.refinement) }
    return BandHeader(
      frame: frame, band: state.band, coding: coded.coding, flags: flags,
      frameWidth: layout?.width ?? 0, frameHeight: layout?.height ?? 0,
      top: layout?.edges[state.band] ?? 0, rows: state.tiles.height, mask: coded.mask)
  }

  /// Begins anew with a frame of another size or order; false when it has no pixels or there is no memory.
  private func prepare(_ width: Int, _ height: Int, _ order: PixelOrder) -> Bool {
    if let damage, damage.layout.width == width, damage.layout.height == height,
      order == self.order
    {
      return true
    }
    bands = []
    damage = nil
    let rungs = currentRungs
    let count =
      settings.bands > 0
      ? settings.bands
      : BandLayout.suitableCount(
        width: width, height: height, processors: processors,
        inHardware: settings.usesHardware && rungs.count > 2 && VideoEngine.hasHardware)
    guard let layout = BandLayout(width: width, height: height, bands: count), layout.count > 0,
      let damage = DamageMap(layout)
    else { return false }
    self.damage = damage
    self.order = order
    shares.begin(layout)
    bands = (0..<layout.count).map { band in
      var own = settings
      own.bitsPerSecond = shares.rate(band)
      return BandState(band, layout.tiles(band), rungs, own)
    }
    return true
  }

  private func takeRequests() {
    let asked = requests.withLock { requests in
      defer { requests = Requests() }
      return requests
    }
    if let coding = asked.coding, coding != settings.coding {
      settings.coding = coding
      for state in bands { state.setCoding(coding, currentRungs) }
    }
    if asked.losesAll { for state in bands { state.noteLoss(since: nil) } }
    for (band, first) in asked.losses where bands.indices.contains(band) {
      bands[band].noteLoss(
        since: first, knowsRepairs: asked.lostRepairs >> UInt32(band) & 1 != 0)
    }
    if let rate = asked.bitsPerSecond {
      shares.bitsPerSecond = max(rate, 0)
      settings.bitsPerSecond = max(rate, 0)
      for state in bands { state.setRate(bitsPerSecond: shares.rate(state.band)) }
    }
  }

  private func rebalance() {
    for (band, rate) in shares.update(bands.map(\.bytesSent)) {
      bands[band].setRate(bitsPerSecond: rate)
    }
  }
}

/// How a stream's rate is shared between its bands: half by their rows, half by what they have used
/// lately, so that a band in which nothing moves leaves its part to the others, and has enough to begin.
struct RateShares {
  var bitsPerSecond = 0
  private var area: [Double] = []
  private var usage: [Double] = []
  private var counted: [Int] = []
  private var given: [Double] = []
  private var frames = 0

  /// Frames between two looks, each of which may change the encoders' rates.
  private static let period = 15

  mutating func begin(_ layout: BandLayout) {
    area = (0..<layout.count).map { Double(layout.rows($0).count) / Double(layout.height) }
    usage = area
    given = area
    counted = area.map { _ in 0 }
    frames = 0
  }

  /// Bits a second of a band.
  func rate(_ band: Int) -> Int { Int(Double(bitsPerSecond) * given[band]) }

  /// Bytes of one frame.
  func frameBytes(_ framesPerSecond: Int) -> Double {
    Double(bitsPerSecond) / 8 / Double(max(framesPerSecond, 1))
  }

  /// Takes the bytes that each band has sent so far; the bands whose rates change, with them.
  mutating func update(_ sent: [Int]) -> [(band: Int, rate: Int)] {
    frames += 1
    guard frames % RateShares.period == 0 else { return [] }
    let used = zip(sent, counted).map { Double($0 - $1) }
    counted = sent
    let sum = used.reduce(0, +)
    guard sum > 0 else { return [] }
    var changed: [(Int, Int)] = []
    for band in usage.indices {
      usage[band] += 0.3 * (used[band] / sum - usage[band])
      let share = 0.5 * area[band] + 0.5 * usage[band]
      guard abs(share - given[band]) > 0.1 * given[band] else { continue }
      given[band] = share
      changed.append((band, rate(band)))
    }
    return changed
  }
}
