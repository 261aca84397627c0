internal import CVulkan
internal import Recording
internal import Ring
internal import VulkanWire
internal import Wire

/// What of a stream must be done again to have what it has made: the records that created what is
/// alive, and those that gave it its state. What a recording begins with that does not begin with
/// the program (`docs/recording.md`).
///
/// Records are kept as they came and in their order, whatever they are; what is known of them is
/// only which ids they name. So a record that nobody thought of here is kept too long rather than
/// not at all.
struct StateJournal {
  private struct Entry {
    let channel: UInt32
    let bytes: [UInt8]
    /// What the record makes and ends.
    let created: [UInt64]
    let ended: [UInt64]
    /// The entry of its answer, when there was one.
    var reply: [UInt8]?
  }

  /// Why the stream cannot be begun in the middle; nil when it can.
  private(set) var obstacle: String?
  private(set) var byteCount = 0

  private var entries: [UInt64: Entry] = [:]
  private var next: UInt64 = 0
  /// The entry that made an object; dead objects too, since the living may be made from them.
  private var creators: [UInt64: UInt64] = [:]
  private var alive: Set<UInt64> = []
  private var children: [UInt64: [UInt64]] = [:]
  /// Entries that gave an object its state.
  private var states: [UInt64: [UInt64]] = [:]
  /// The last recording of each command buffer, and the last descriptor writes of one form.
  private var recordings: [UInt64: UInt64] = [:]
  private var writes: [[UInt64]: UInt64] = [:]
  /// The newest entry that waits for an answer, by ticket.
  private var asking: [UInt32: UInt64] = [:]
  private var semaphores = SemaphoreState()
  /// The devices of channels that are open.
  private(set) var devices: [UInt32: UInt64] = [:]

  private static let limit = 1 << 30

  /// Takes note of whole records in inline form.
  mutating func note(channel: UInt32, _ records: UnsafeRawBufferPointer) {
    guard obstacle == nil else { return }
    var offset = 0
    while records.count - offset >= 8 {
      let opcode = records.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
      let size = Int(records.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
      guard size >= 8, size <= records.count - offset else { return }
      let record = UnsafeRawBufferPointer(rebasing: records[offset..<(offset + size)])
      if opcode < 0x1000 {
        noteControl(channel, opcode, record)
      } else {
        noteCommand(channel, opcode, record)
      }
      offset += size
    }
    if byteCount > StateJournal.limit {
      obstacle = "the objects of the program need more than \(StateJournal.limit >> 20) MiB"
      entries = [:]
    }
  }

  /// Takes note of the entry of an answer.
  mutating func note(reply: [UInt8], ticket: UInt32) {
    guard let order = asking.removeValue(forKey: ticket) else { return }
    entries[order]?.reply = reply
    byteCount += reply.count
  }

  // MARK: Records

  private mutating func noteControl(
    _ channel: UInt32, _ opcode: UInt32, _ record: UnsafeRawBufferPointer
  ) {
    let fields = Fields(bytes: record)
    let id = fields.u64(8)
    switch opcode {
    case ControlOpcode.commandBufferInline:
      if let old = recordings[id] { remove(old) }
      recordings[id] = add(channel, record)
    case ControlOpcode.memoryAttach, ControlOpcode.queryAttach:
      let order = add(channel, record)
      states[id, default: []].append(order)
      if fields.u32(32) != ControlField.noTicket { asking[fields.u32(32)] = order }
    case ControlOpcode.memoryDetach, ControlOpcode.queryDetach:
      // Nothing is left of the attaching, which may be done again.
      for order in states[id] ?? [] where isAttach(order) { remove(order) }
      states[id]?.removeAll { entries[$0] == nil }
    case ControlOpcode.createSwapchain:
      let count = Int(min(fields.u32(SwapchainField.imageCount), 64))
      let images = (0..<count).map { fields.u64(SwapchainField.arrays + $0 * 8) }
      let swapchain = fields.u64(SwapchainField.swapchain)
      create([swapchain] + images, add(channel, record, created: [swapchain] + images))
      children[swapchain] = images
    case ControlOpcode.destroySwapchain:
      end([id] + (children[id] ?? []), add(channel, record, ended: [id]))
    case ControlOpcode.bindSwapchainImage:
      let order = add(channel, record)
      // Another name of the swapchain's image, or memory for an image that is known.
      if creators[id] == nil { create([id], order) } else { states[id, default: []].append(order) }
    case ControlOpcode.forgetSwapchainImage: end([id], add(channel, record, ended: [id]))
    case ControlOpcode.openChannel:
      devices[fields.u32(8)] = fields.u64(16)
      states[fields.u64(16), default: []].append(add(channel, record))
    case ControlOpcode.closeChannel:
      guard let device = devices.removeValue(forKey: channel) else { return }
      states[device, default: []].append(add(channel, record))
    case ControlOpcode.present: semaphores.present(fields)
    case ControlOpcode.signalSemaphores: semaphores.signal(fields)
    default: break
    }
  }

  private func isAttach(_ order: UInt64) -> Bool {
    guard let entry = entries[order], entry.bytes.count >= 4 else { return false }
    let opcode = entry.bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
    return opcode == ControlOpcode.memoryAttach || opcode == ControlOpcode.queryAttach
  }

  private mutating func noteCommand(
    _ channel: UInt32, _ opcode: UInt32, _ record: UnsafeRawBufferPointer
  ) {
    guard let info = commandInfo(opcode) else { return }
    switch opcode {
    case Opcode.vkQueueSubmit, Opcode.vkQueueSubmit2, Opcode.vkSignalSemaphore:
      return semaphores.note(opcode, record)
    case Opcode.vkCreateSemaphore: semaphores.noteCreation(record)
    case Opcode.vkQueueBindSparse: obstacle = "the program binds sparse resources"
    // What comes of them lies in the contents of memory, or in what is alive.
    case Opcode.vkResetCommandPool, Opcode.vkResetCommandBuffer, Opcode.vkTrimCommandPool,
      Opcode.vkSetDebugUtilsObjectNameEXT, Opcode.vkSetDebugUtilsObjectTagEXT,
      Opcode.vkDebugMarkerSetObjectNameEXT, Opcode.vkDebugMarkerSetObjectTagEXT:
      return
    case Opcode.vkResetDescriptorPool:
      // device (8), pool (16).
      return endChildren(of: Fields(bytes: record).u64(16))
    default: break
    }
    let ids = StateJournal.ids(info, record)
    if info.created != nil {
      let order = add(channel, record, created: ids)
      create(ids, order)
      if info.travel != .async { asking[Fields(bytes: record).u32(8)] = order }
      noteParent(opcode, record, ids)
      return
    }
    if info.destroyed != nil {
      for id in ids { endChildren(of: id) }
      return end(ids, add(channel, record, ended: ids))
    }
    // Questions change nothing.
    guard info.travel == .async else { return }
    if opcode == Opcode.vkUpdateDescriptorSets { return noteWrites(channel, record) }
    let subjects = subjects(opcode, record)
    guard !subjects.isEmpty else { return }
    let order = add(channel, record)
    for subject in subjects { states[subject, default: []].append(order) }
  }

  /// Descriptor writes of one form replace one another: the same sets, bindings and elements.
  private mutating func noteWrites(_ channel: UInt32, _ record: UnsafeRawBufferPointer) {
    var arena = Arena(limit: 64 << 20)
    defer { arena.free() }
    var form: [UInt64] = []
    var sets: Set<UInt64> = []
    var hasCopies = false
    withUnsafeMutablePointer(to: &arena) { arena in
      var reader = Reader(
        UnsafeRawBufferPointer(rebasing: record[8...]), arena: arena, handles: nil)
      let a = decode_vkUpdateDescriptorSets(&reader)
      guard reader.failure == nil else { return }
      for i in 0..<Int(a.descriptorWriteCount) {
        guard let write = a.pDescriptorWrites?[i] else { break }
        let set = UInt64(UInt(bitPattern: write.dstSet))
        sets.insert(set)
        form.append(set)
        form.append(UInt64(write.dstBinding) << 32 | UInt64(write.dstArrayElement))
        form.append(UInt64(write.descriptorCount) << 32 | UInt64(write.descriptorType.rawValue))
      }
      for i in 0..<Int(a.descriptorCopyCount) {
        guard let copy = a.pDescriptorCopies?[i] else { break }
        sets.insert(UInt64(UInt(bitPattern: copy.dstSet)))
        hasCopies = true
      }
    }
    let order = add(channel, record)
    for set in sets { states[set, default: []].append(order) }
    guard !hasCopies else { return }
    if let old = writes[form] {
      remove(old)
      for set in sets { states[set]?.removeAll { $0 == old } }
    }
    writes[form] = order
  }

  private mutating func noteParent(
    _ opcode: UInt32, _ record: UnsafeRawBufferPointer, _ ids: [UInt64]
  ) {
    guard opcode == Opcode.vkAllocateDescriptorSets || opcode == Opcode.vkAllocateCommandBuffers
    else { return }
    let kind: HandleKind =
      opcode == Opcode.vkAllocateDescriptorSets ? .descriptorPool : .commandPool
    StateJournal.forEachWord(record) { word in
      if HandleID.kind(of: word) == kind, creators[word] != nil {
        children[word, default: []] += ids
      }
    }
  }

  // MARK: Entries

  private mutating func add(
    _ channel: UInt32, _ record: UnsafeRawBufferPointer, created: [UInt64] = [],
    ended: [UInt64] = []
  ) -> UInt64 {
    next += 1
    entries[next] = Entry(
      channel: channel, bytes: Array(record), created: created, ended: ended, reply: nil)
    byteCount += record.count + 64
    return next
  }

  private mutating func remove(_ order: UInt64) {
    guard let old = entries.removeValue(forKey: order) else { return }
    byteCount -= old.bytes.count + 64
  }

  private mutating func create(_ ids: [UInt64], _ order: UInt64) {
    for id in ids {
      creators[id] = order
      alive.insert(id)
    }
  }

  private mutating func end(_ ids: [UInt64], _ order: UInt64) {
    for id in ids {
      alive.remove(id)
      states[id, default: []].append(order)
    }
  }

  private mutating func endChildren(of id: UInt64) {
    for child in children.removeValue(forKey: id) ?? [] { alive.remove(child) }
  }
}

// MARK: What is kept

extension StateJournal {
  /// The entries of a recording that begins here, in order: kind and body's parts.
  func forEachKept(
    _ body: (_ channel: UInt32, _ record: UnsafeRawBufferPointer, _ reply: [UInt8]?) -> Void
  ) {
    let kept = kept()
    for order in kept.sorted() {
      guard let entry = entries[order] else { continue }
      entry.bytes.withUnsafeBytes { body(entry.channel, $0, entry.reply) }
    }
  }

  /// Binary semaphores that are signalled, and the values that timelines have been raised to.
  var signalled: [UInt64] {
    semaphores.signalled.filter { alive.contains($0) && semaphores.timelines[$0] == nil }.sorted()
  }
  var timelines: [(semaphore: UInt64, value: UInt64)] {
    semaphores.timelines.filter { alive.contains($0.key) && $0.value > 0 }
      .sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// Every memory and swapchain that is alive.
  func alive(_ kind: HandleKind) -> [UInt64] {
    alive.filter { HandleID.kind(of: $0) == kind }.sorted()
  }

  /// The channel that an object's creating record came on.
  func channel(of id: UInt64) -> UInt32? {
    creators[id].flatMap { entries[$0]?.channel }
  }

  /// Whatever is alive, what gave it its state, and what either names; again for those.
  private func kept() -> Set<UInt64> {
    var kept: Set<UInt64> = []
    var needed: Set<UInt64> = []
    var open = Array(alive)
    func keep(_ order: UInt64) {
      guard kept.insert(order).inserted, let entry = entries[order] else { return }
      open += entry.created + entry.ended
      entry.bytes.withUnsafeBytes { bytes in
        StateJournal.forEachWord(bytes) { if creators[$0] != nil { open.append($0) } }
      }
    }
    while let id = open.popLast() {
      guard needed.insert(id).inserted else { continue }
      if let order = creators[id] { keep(order) }
      for order in states[id] ?? [] { keep(order) }
    }
    for (commands, order) in recordings where alive.contains(commands) {
      guard let entry = entries[order], namesOnlyTheLiving(entry) else { continue }
      kept.insert(order)
    }
    return kept
  }

  /// A recording that names what is gone is of no use any more; the program has to make it again.
  private func namesOnlyTheLiving(_ entry: Entry) -> Bool {
    var isLiving = true
    entry.bytes.withUnsafeBytes { bytes in
      StateJournal.forEachWord(bytes) { word in
        if creators[word] != nil, !alive.contains(word) { isLiving = false }
      }
    }
    return isLiving
  }

  /// Every 8 bytes of a record's body that could be an id.
  private static func forEachWord(
    _ record: UnsafeRawBufferPointer, _ body: (UInt64) -> Void
  ) {
    var offset = 8
    while offset + 8 <= record.count {
      let word = record.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      if HandleID.index(of: word) != 0, HandleID.kind(of: word).rawValue != 0 { body(word) }
      offset += 4
    }
  }

  /// The objects that a command is about: the first one that is no device, or all resources that
  /// are bound at once.
  private func subjects(_ opcode: UInt32, _ record: UnsafeRawBufferPointer) -> [UInt64] {
    let bindsMany =
      opcode == Opcode.vkBindBufferMemory2 || opcode == Opcode.vkBindImageMemory2
    var found: [UInt64] = []
    StateJournal.forEachWord(record) { word in
      guard creators[word] != nil else { return }
      switch HandleID.kind(of: word) {
      case .device, .queue, .instance: break
      case .buffer, .image: if bindsMany || found.isEmpty { found.append(word) }
      default: if !bindsMany && found.isEmpty { found.append(word) }
      }
    }
    return found
  }

  /// What a command makes or ends.
  private static func ids(_ info: CommandInfo, _ record: UnsafeRawBufferPointer) -> [UInt64] {
    guard info.idOffset > 0 else { return [] }
    let fields = Fields(bytes: record)
    let count = info.isArray ? Int(fields.u32(info.idOffset)) : 1
    let start = info.idOffset + (info.isArray ? 4 : 0)
    guard start <= record.count, count <= (record.count - start) / 8 else { return [] }
    return (0..<count).map { fields.u64(start + $0 * 8) }.filter { $0 != 0 }
  }
}

/// What semaphores hold when everything that was submitted has finished.
private struct SemaphoreState {
  /// Binary ones that were signalled and not waited for.
  private(set) var signalled: Set<UInt64> = []
  /// Timelines, and what they have been raised to; 0: nothing beyond their first value.
  private(set) var timelines: [UInt64: UInt64] = [:]

  mutating func noteCreation(_ record: UnsafeRawBufferPointer) {
    var arena = Arena(limit: 1 << 20)
    defer { arena.free() }
    withUnsafeMutablePointer(to: &arena) { arena in
      var reader = Reader(
        UnsafeRawBufferPointer(rebasing: record[8...]), arena: arena, handles: nil)
      let a = decode_vkCreateSemaphore(&reader)
      guard reader.failure == nil, let id = a.ids?[0] else { return }
      signalled.remove(id)
      timelines[id] = nil
      var next = a.pCreateInfo?.pointee.pNext
      while let entry = next {
        let header = entry.assumingMemoryBound(to: VkBaseInStructure.self)
        if header.pointee.sType == VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO {
          let type = entry.assumingMemoryBound(to: VkSemaphoreTypeCreateInfo.self)
          if type.pointee.semaphoreType == VK_SEMAPHORE_TYPE_TIMELINE { timelines[id] = 0 }
        }
        next = UnsafeRawPointer(header.pointee.pNext)
      }
    }
  }

  mutating func present(_ record: Fields) {
    let waits = Int(record.u32(16))
    guard waits <= (record.bytes.count - 24) / 8 else { return }
    for i in 0..<waits { signalled.remove(record.u64(24 + i * 8)) }
  }

  mutating func signal(_ record: Fields) {
    let count = Int(record.u32(16))
    guard count <= (record.bytes.count - 24) / 8 else { return }
    for i in 0..<count { signalled.insert(record.u64(24 + i * 8)) }
  }

  mutating func note(_ opcode: UInt32, _ record: UnsafeRawBufferPointer) {
    var arena = Arena(limit: 64 << 20)
    defer { arena.free() }
    withUnsafeMutablePointer(to: &arena) { arena in
      var reader = Reader(
        UnsafeRawBufferPointer(rebasing: record[8...]), arena: arena, handles: nil)
      switch opcode {
      case Opcode.vkQueueSubmit:
        let a = decode_vkQueueSubmit(&reader)
        guard reader.failure == nil else { return }
        for i in 0..<Int(a.submitCount) {
          if let submit = a.pSubmits?[i] { note(submit) }
        }
      case Opcode.vkQueueSubmit2:
        let a = decode_vkQueueSubmit2(&reader)
        guard reader.failure == nil else { return }
        for i in 0..<Int(a.submitCount) {
          if let submit = a.pSubmits?[i] { note(submit) }
        }
      default:
        let a = decode_vkSignalSemaphore(&reader)
        guard reader.failure == nil, let info = a.pSignalInfo else { return }
        raise(info.pointee.semaphore, info.pointee.value)
      }
    }
  }

  private mutating func note(_ submit: VkSubmitInfo) {
    for i in 0..<Int(submit.waitSemaphoreCount) {
      signalled.remove(id(submit.pWaitSemaphores?[i]))
    }
    var timeline: UnsafePointer<VkTimelineSemaphoreSubmitInfo>?
    var next = submit.pNext
    while let entry = next {
      let header = entry.assumingMemoryBound(to: VkBaseInStructure.self)
      if header.pointee.sType == VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO {
        timeline = entry.assumingMemoryBound(to: VkTimelineSemaphoreSubmitInfo.self)
      }
      next = UnsafeRawPointer(header.pointee.pNext)
    }
    for i in 0..<Int(submit.signalSemaphoreCount) {
      let value =
        timeline.flatMap {
          i < Int($0.pointee.signalSemaphoreValueCount)
            ? $0.pointee.pSignalSemaphoreValues?[i] : nil
        } ?? 0
      raise(submit.pSignalSemaphores?[i], value)
    }
  }

  private mutating func note(_ submit: VkSubmitInfo2) {
    for i in 0..<Int(submit.waitSemaphoreInfoCount) {
      signalled.remove(id(submit.pWaitSemaphoreInfos?[i].semaphore))
    }
    for i in 0..<Int(submit.signalSemaphoreInfoCount) {
      guard let info = submit.pSignalSemaphoreInfos?[i] else { break }
      raise(info.semaphore, info.value)
    }
  }

  private mutating func raise(_ semaphore: VkSemaphore?, _ value: UInt64) {
    let id = id(semaphore)
    guard id != 0 else { return }
    if let known = timelines[id] {
      timelines[id] = max(known, value)
    } else {
      signalled.insert(id)
    }
  }

  private func id(_ semaphore: VkSemaphore?) -> UInt64 { UInt64(UInt(bitPattern: semaphore)) }
}
