import CVulkan
import Glibc
import LumosTensor
import Synchronization

/// The driver's pipeline cache of one device and driver version, kept on disk between runs.
///
/// A cache is a convenience: no failure to read or write it is an error. Drivers have crashed on damaged caches, so the
/// data are checked against a header of our own before a driver sees them.
struct PipelineCacheFile: Sendable {
  private static let magic: UInt64 = 0x3143_5053_4f4d_554c  // "LUMOSPC1"
  private static let headerBytes = 24
  /// Larger files are not ours.
  private static let maxBytes = 256 << 20

  let directory: String
  let name: String

  /// `lumosx` in `$XDG_CACHE_HOME` (if that is an absolute path) or in `~/.cache`; nil if there is neither.
  static var defaultDirectory: String? {
    if let cache = environment("XDG_CACHE_HOME"), cache.hasPrefix("/") { return cache + "/lumosx" }
    return environment("HOME").map { $0 + "/.cache/lumosx" }
  }

  /// The file of a device: another one for each driver version.
  init(directory: String, device: DeviceDescription) {
    self.directory = directory
    name = "pipelines-\(device.uuid)-\(String(device.driverVersion, radix: 16)).bin"
  }

  var path: String { directory + "/" + name }

  /// The driver's data, or nil if there are none or they are damaged.
  func read() -> [UInt8]? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_size >= Self.headerBytes, status.st_size <= Self.maxBytes else {
      return nil
    }
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    let isComplete = bytes.withUnsafeMutableBytes { buffer in
      var done = 0
      while done < buffer.count {
        let count = Glibc.read(file, buffer.baseAddress! + done, buffer.count - done)
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { return false }
        done += count
      }
      return true
    }
    return isComplete ? Self.decode(bytes) : nil
  }

  /// Writes the driver's data beside the file and renames, so that a reader never sees half of it.
  /// - Returns: whether it could be written.
  @discardableResult
  func write(_ data: [UInt8]) -> Bool {
    guard Self.makeDirectories(directory) else { return false }
    let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max))"
    let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { return false }
    let isComplete = Self.encode(data).withUnsafeBytes { buffer in
      var done = 0
      while done < buffer.count {
        let count = Glibc.write(file, buffer.baseAddress! + done, buffer.count - done)
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { return false }
        done += count
      }
      return fsync(file) == 0
    }
    guard close(file) == 0, isComplete, rename(temporary, path) == 0 else {
      unlink(temporary)
      return false
    }
    return true
  }

  /// Header (magic, length, checksum; little-endian) and data.
  static func encode(_ data: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(headerBytes + data.count)
    for word in [magic, UInt64(data.count), checksum(data)] {
      withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
    }
    return bytes + data
  }

  /// The data of an encoded file, or nil unless header, length and checksum agree.
  static func decode(_ bytes: [UInt8]) -> [UInt8]? {
    guard bytes.count >= headerBytes else { return nil }
    func word(_ index: Int) -> UInt64 {
      bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)) }
    }
    let data = Array(bytes[headerBytes...])
    guard word(0) == magic, word(1) == UInt64(data.count), word(2) == checksum(data) else { return nil }
    return data
  }

  /// FNV-1a, 64 bits: against damage, not against malice.
  private static func checksum(_ data: [UInt8]) -> UInt64 {
    data.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }

  private static func makeDirectories(_ path: String) -> Bool {
    if mkdir(path, 0o700) == 0 || errno == EEXIST { return true }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return false }
    return makeDirectories(String(path[..<slash])) && (mkdir(path, 0o700) == 0 || errno == EEXIST)
  }
}

/// The driver's cache of compiled pipelines, filled from a file at first and written back when it has grown.
final class PipelineCache: @unchecked Sendable {
  private let context: DeviceContext
  private let file: PipelineCacheFile?
  private let newPipelines = Atomic<Int>(0)
  let handle: VkPipelineCache

  init(_ context: DeviceContext, file: PipelineCacheFile?) throws {
    self.context = context
    self.file = file
    let data = file?.read() ?? []
    // A driver may refuse even data that it wrote itself; an empty cache always does.
    guard let created = try Self.make(context, data) ?? Self.make(context, []) else {
      throw LumosError(.internalDefect, "vkCreatePipelineCache gave no cache", at: context.name)
    }
    handle = created
  }

  deinit {
    if context.isAbandoned { return }
    if !context.isLost { save() }
    context.vk.destroyPipelineCache(context.handle, handle, nil)
  }

  /// A pipeline was compiled since the cache was last written.
  func noteNewPipeline() { newPipelines.add(1, ordering: .relaxed) }

  /// Writes the cache to its file if pipelines were added to it.
  func save() {
    guard let file, newPipelines.exchange(0, ordering: .relaxed) > 0 else { return }
    var size = 0
    guard context.vk.getPipelineCacheData(context.handle, handle, &size, nil) == VK_SUCCESS, size > 0 else { return }
    var data = [UInt8](repeating: 0, count: size)
    guard context.vk.getPipelineCacheData(context.handle, handle, &size, &data) == VK_SUCCESS else { return }
    file.write(Array(data.prefix(size)))
  }

  private static func make(_ context: DeviceContext, _ data: [UInt8]) throws -> VkPipelineCache? {
    var cache: VkPipelineCache?
    let result = data.withUnsafeBytes { bytes in
      var create = VkPipelineCacheCreateInfo.make {
        $0.initialDataSize = bytes.count
        $0.pInitialData = bytes.baseAddress
      }
      return context.vk.createPipelineCache(context.handle, &create, nil, &cache)
    }
    if result != VK_SUCCESS && !data.isEmpty { return nil }
    try context.check(result, "vkCreatePipelineCache")
    return cache
  }
}
