import Glibc
import LumosTensor

/// Where the project keeps what can be made again.
public enum CacheFolder {
  /// `lumosx` in `$XDG_CACHE_HOME` (if that is an absolute path) or in `~/.cache`; nil if there is neither.
  public static var standard: String? {
    if let cache = environment("XDG_CACHE_HOME"), cache.hasPrefix("/") { return cache + "/lumosx" }
    return environment("HOME").map { $0 + "/.cache/lumosx" }
  }
}

/// What is kept on disk between runs of one device and driver version: compiled pipelines, measurements.
///
/// A cache is a convenience: no failure to read it is an error. Drivers have crashed on damaged caches, so the data are
/// checked against a header of our own before anybody sees them.
struct DeviceCacheFile: Sendable {
  /// What the file holds; the beginning of its name.
  enum Kind: String { case pipelines, tuning }

  private static let magic: UInt64 = 0x3143_5053_4f4d_554c  // "LUMOSPC1"
  private static let headerBytes = 24
  /// Larger files are not ours.
  private static let maxBytes = 256 << 20

  let directory: String
  let name: String

  /// The file of a device: another one for each driver version.
  init(directory: String, device: DeviceDescription, kind: Kind) {
    self.directory = directory
    name = "\(kind.rawValue)-\(device.uuid)-\(String(device.driverVersion, radix: 16)).bin"
  }

  var path: String { directory + "/" + name }

  /// The data, or nil if there are none or they are damaged.
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

  /// Writes data beside the file and renames, so that a reader never sees half of it.
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
