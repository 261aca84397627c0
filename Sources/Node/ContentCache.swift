import CPlatform
import CommandStream
import Glibc
internal import Threads
import VulkanReplay

/// Where and how much a node keeps of what its clients sent.
public struct CacheConfiguration: Sendable {
  /// The folder of all clients' caches.
  public var folder: String
  /// Which cache: clients that share a token share one, and nobody learns what another has sent.
  public var space: String
  /// Bytes on the disk for each space.
  public var limit: UInt64

  public init(folder: String, space: String, limit: UInt64) {
    self.folder = folder
    self.space = space
    self.limit = limit
  }
}

/// Shaders, pipeline caches and uploads of earlier runs, in files named by their digests.
///
/// A thread of its own reads the files, and believes one when its contents has the digest that is its
/// name; what it announces stays mapped for the session, so that nothing that happens to the folder
/// afterwards can take it back. The same thread writes what is new: beside its place first and then
/// renamed, so that a file is whole or not there. A folder that cannot be written, or a disk that is
/// full, ends the writing and nothing else.
///
/// Several processes use one folder. Files that have not been used for the longest time go when the
/// limit is exceeded; a file in use by another session may go too, which its mapping survives.
final class ContentCache: ContentKeeper, @unchecked Sendable {
  /// One file.
  private struct File {
    var name: String
    var size: UInt64
    var used: Int
  }

  /// Bytes that may wait to be written; more is left out.
  private static let mostWaiting = 64 << 20
  /// Files are announced in so many messages as it takes, of so many each.
  private static let batch = 256
  private static let largest = 64 << 20

  private let folder: String
  private let limit: UInt64
  private let announce: ([KnownContent.Entry]) -> Void
  private let complain: (String) -> Void
  private let lock = Lock()
  private var held: [Digest: UnsafeRawBufferPointer] = [:]
  /// What this session has asked for: young again when it ends.
  private var used: Set<Digest> = []
  private var waiting: [UnsafeMutableRawBufferPointer] = []
  private var waitingBytes = 0
  /// Bytes that this session may still write: a fraction of the limit, so that one program does not
  /// drive out all others.
  private var budget: UInt64
  private var isWriting = false
  private let changed = Word()
  private let ending = Word()
  private let ended = Word()
  private var temporaryCount = 0

  /// Nil when the folder cannot be made, which is said once.
  init?(
    _ configuration: CacheConfiguration, announce: @escaping ([KnownContent.Entry]) -> Void,
    complain: @escaping (String) -> Void
  ) {
    folder = "\(configuration.folder)/content/\(configuration.space)"
    limit = configuration.limit
    budget = configuration.limit / 4
    self.announce = announce
    self.complain = complain
    guard ContentCache.makeFolders(folder) else {
      complain(
        "cannot make the cache '\(folder)': \(String(cString: strerror(errno))); "
          + "name another with --cache DIR, or --cache off")
      return nil
    }
  }

  deinit {
    for bytes in held.values {
      munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    }
    for bytes in waiting { bytes.deallocate() }
  }

  func start() {
    let started = startThread("omega-cache") { [self] in
      load()
      write()
      ended.store(1)
      ended.wakeAll()
    }
    if !started { ended.store(1) }
  }

  /// Writes what still waits, at most so long.
  func finish(nanoseconds: UInt64) {
    ending.store(1)
    changed.bump()
    let deadline = platform_now() &+ nanoseconds
    while ended.load() == 0, platform_now() < deadline {
      ended.wait(while: 0, nanoseconds: 50_000_000)
    }
  }

  // MARK: ContentKeeper

  func bytes(_ digest: Digest) -> UnsafeRawBufferPointer? {
    lock.withLock {
      guard let bytes = held[digest] else { return nil }
      used.insert(digest)
      return bytes
    }
  }

  func keep(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 0, bytes.count <= ContentCache.largest else { return }
    let mayWait = lock.withLock {
      guard isWriting, UInt64(bytes.count) <= budget, held.count < KnownContent.mostEntries,
        waitingBytes + bytes.count <= ContentCache.mostWaiting
      else { return false }
      budget -= UInt64(bytes.count)
      waitingBytes += bytes.count
      return true
    }
    guard mayWait else { return }
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
    copy.copyMemory(from: bytes)
    lock.withLock { waiting.append(copy) }
    changed.bump()
  }

  // MARK: Reading

  private func load() {
    lock.withLock { isWriting = true }
    var entries: [KnownContent.Entry] = []
    var total: UInt64 = 0
    for file in trimmed() where ending.load() == 0 {
      guard total + file.size <= limit, count < KnownContent.mostEntries else { break }
      guard let bytes = map("\(folder)/\(file.name)") else { continue }
      let entry = KnownContent.entry(bytes)
      guard entry.digest.text == file.name else {
        // Cut off, damaged, or somebody else's: nothing to keep.
        munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
        unlink("\(folder)/\(file.name)")
        continue
      }
      guard hold(entry.digest, bytes) else { continue }
      total += file.size
      entries.append(entry)
      if entries.count == ContentCache.batch {
        announce(entries)
        entries = []
      }
    }
    if !entries.isEmpty { announce(entries) }
  }

  private var count: Int { lock.withLock { held.count } }

  /// False when it is held already, or one more than may be announced.
  private func hold(_ digest: Digest, _ bytes: UnsafeRawBufferPointer) -> Bool {
    let isNew = lock.withLock {
      guard held[digest] == nil, held.count < KnownContent.mostEntries else { return false }
      held[digest] = bytes
      return true
    }
    if !isNew { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }
    return isNew
  }

  private func map(_ path: String) -> UnsafeRawBufferPointer? {
    let descriptor = platform_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0)
    guard descriptor >= 0 else { return nil }
    defer { _ = platform_close(descriptor) }
    var status = stat()
    // A file of somebody else's could be cut while it is mapped.
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      status.st_uid == geteuid(), status.st_size > 0, status.st_size <= ContentCache.largest
    else { return nil }
    let size = Int(status.st_size)
    guard let place = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), place != MAP_FAILED
    else { return nil }
    return UnsafeRawBufferPointer(start: place, count: size)
  }

  /// The files, those used last first, without those that exceed the limit: these are removed.
  private func trimmed() -> [File] {
    var files: [File] = []
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      var status = stat()
      guard lstat("\(folder)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
        continue
      }
      let used = Int(status.st_mtim.tv_sec)
      if name.utf8.count != 2 * Digest.size {
        // A process that died while it wrote has left it; one that writes is never so slow.
        if name.hasPrefix("."), used < time(nil) - 3600 { unlink("\(folder)/\(name)") }
        continue
      }
      files.append(File(name: name, size: UInt64(max(status.st_size, 0)), used: used))
    }
    files.sort { $0.used > $1.used }
    var total: UInt64 = 0
    let kept = files.prefix {
      total += $0.size
      return total <= limit
    }
    for file in files.dropFirst(kept.count) { unlink("\(folder)/\(file.name)") }
    return Array(kept)
  }

  // MARK: Writing

  private func write() {
    var written: UInt64 = 0
    while true {
      let seen = changed.load()
      let next: UnsafeMutableRawBufferPointer? = lock.withLock {
        guard !waiting.isEmpty else { return nil }
        let first = waiting.removeFirst()
        waitingBytes -= first.count
        return first
      }
      guard let next else {
        if ending.load() != 0 { break }
        changed.wait(while: seen, nanoseconds: 1_000_000_000)
        continue
      }
      defer { next.deallocate() }
      let bytes = UnsafeRawBufferPointer(next)
      let entry = KnownContent.entry(bytes)
      guard self.bytes(entry.digest) == nil else { continue }
      guard store(bytes, entry.digest.text) else {
        complain(
          "cannot write to the cache '\(folder)': \(String(cString: strerror(errno))); "
            + "what is new is not kept")
        stopWriting()
        continue
      }
      written += UInt64(bytes.count)
      if let mapped = map("\(folder)/\(entry.digest.text)"), mapped.count == bytes.count,
        memcmp(mapped.baseAddress!, bytes.baseAddress!, bytes.count) == 0,
        hold(entry.digest, mapped)
      {
        announce([entry])
      }
    }
    for digest in lock.withLock({ used }) {
      utimensat(AT_FDCWD, "\(folder)/\(digest.text)", nil, AT_SYMLINK_NOFOLLOW)
    }
    if written > 0 { _ = trimmed() }
  }

  private func stopWriting() {
    let rest = lock.withLock {
      isWriting = false
      waitingBytes = 0
      defer { waiting = [] }
      return waiting
    }
    for bytes in rest { bytes.deallocate() }
  }

  /// Leaves `errno` when it fails.
  private func store(_ bytes: UnsafeRawBufferPointer, _ name: String) -> Bool {
    temporaryCount += 1
    let temporary = "\(folder)/.\(platform_pid())-\(temporaryCount)"
    let descriptor = platform_open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      errno = -descriptor
      return false
    }
    var done = 0
    while done < bytes.count {
      let count = platform_write(descriptor, bytes.baseAddress! + done, bytes.count - done)
      guard count > 0 else {
        _ = platform_close(descriptor)
        unlink(temporary)
        errno = count < 0 ? Int32(-count) : ENOSPC
        return false
      }
      done += Int(count)
    }
    _ = platform_close(descriptor)
    guard rename(temporary, "\(folder)/\(name)") == 0 else {
      let why = errno
      unlink(temporary)
      errno = why
      return false
    }
    return true
  }

  /// Makes a folder and those above it, for this user alone.
  private static func makeFolders(_ path: String) -> Bool {
    var part = ""
    for name in path.split(separator: "/", omittingEmptySubsequences: false) {
      part += name
      if !part.isEmpty, mkdir(part, 0o700) != 0, errno != EEXIST {
        // A folder above may be one that nobody makes folders in, and still lead to one of ours.
        var status = stat()
        guard stat(part, &status) == 0 else { return false }
      }
      part += "/"
    }
    return access(path, R_OK | X_OK) == 0
  }
}
