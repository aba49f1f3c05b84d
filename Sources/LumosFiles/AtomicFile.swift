import Glibc
import LumosTensor

/// A file that appears under its name complete, or not at all.
///
/// Bytes go to a hidden file beside the destination; `commit` flushes it to the disk and renames it. Whoever reads the
/// destination sees the old contents or the new ones, never a part. If the object goes away without `commit` (an error
/// was thrown, the run was cancelled), the hidden file is removed and the destination is as it was.
///
/// Used from one task at a time.
public final class AtomicFile {
  /// Where the file will appear.
  public let path: String
  /// Where the bytes are until then: for libraries that want a path to write to instead of calling `write`.
  public let temporaryPath: String
  private var descriptor: Int32
  private var isCommitted = false

  /// Creates the hidden file.
  ///
  /// - Throws: `LumosError(.cannotWrite)` if the destination is a directory, or its folder is missing or refuses files.
  public init(replacing path: String) throws(LumosError) {
    self.path = path
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      throw LumosError(.cannotWrite, "is a directory", at: path)
    }
    // A name of its own length: the destination's may already be as long as the file system allows.
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var name = ""
    var opened: Int32 = -1
    repeat {
      name = folder + ".lumosx-" + String(UInt64.random(in: .min ... .max), radix: 36) + ".part"
      opened = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    } while opened < 0 && (errno == EINTR || errno == EEXIST)
    guard opened >= 0 else {
      let failure = SystemFailure.last
      let advice = failure.code == ENOENT ? "create the folder first" : nil
      throw LumosError(.cannotWrite, "cannot be created", at: path, advice: advice, cause: failure)
    }
    temporaryPath = name
    descriptor = opened
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if !isCommitted { unlink(temporaryPath) }
  }

  /// Appends bytes.
  ///
  /// - Throws: `LumosError(.inputOutput)` if the disk is full or fails.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(LumosError) {
    try Self.write(bytes, to: descriptor, place: path)
  }

  /// Appends a text as UTF-8. Errors as for `write(_:)`.
  public func write(_ text: String) throws(LumosError) {
    let utf8 = Array(text.utf8)
    let result = utf8.withUnsafeBytes { bytes in
      Result { () throws(LumosError) in try write(bytes) }
    }
    try result.get()
  }

  /// Makes the file appear under its name. Nothing can be written afterwards.
  ///
  /// - Throws: `LumosError(.inputOutput)` if the bytes do not reach the disk, `.cannotWrite` if the name cannot be
  ///   taken. The hidden file goes away with the object.
  public func commit() throws(LumosError) {
    precondition(!isCommitted, "\(path) is committed already")
    // A library may have replaced the hidden file by its path, so the path is what gets flushed besides ours.
    guard !FaultPlan.strikesFile(.fileWrite), fsync(descriptor) == 0, Self.flush(temporaryPath, flags: O_RDONLY) else {
      throw LumosError(.inputOutput, "cannot be flushed to the disk", at: path, cause: SystemFailure.last)
    }
    let closed = close(descriptor)
    descriptor = -1
    // EINTR from close: Linux has released the descriptor all the same.
    guard closed == 0 || errno == EINTR else {
      throw LumosError(.inputOutput, "cannot be closed", at: path, cause: SystemFailure.last)
    }
    guard rename(temporaryPath, path) == 0 else {
      throw LumosError(.cannotWrite, "cannot take its name", at: path, cause: SystemFailure.last)
    }
    isCommitted = true
    // The rename itself is durable once the folder is; file systems that cannot flush a folder need not.
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    _ = Self.flush(folder, flags: O_RDONLY | O_DIRECTORY)
  }

  /// Writes a whole file. Errors as for the members.
  public static func write(_ text: String, to path: String) throws(LumosError) {
    let file = try AtomicFile(replacing: path)
    try file.write(text)
    try file.commit()
  }

  /// Writes all of `bytes` to an open descriptor.
  static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, place: String) throws(LumosError) {
    var rest = bytes
    while let base = rest.baseAddress, !rest.isEmpty {
      // Linux transfers at most 2 GiB - 4 KiB per call.
      let written = retryingOnInterrupt {
        FaultPlan.strikesFile(.fileWrite) ? -1 : Glibc.write(descriptor, base, min(rest.count, 1 << 30))
      }
      guard written > 0 else {
        let failure = written == 0 ? SystemFailure(code: EIO) : SystemFailure.last
        let advice = failure.code == ENOSPC || failure.code == EDQUOT ? "free some space on the disk" : nil
        throw LumosError(.inputOutput, "cannot be written", at: place, advice: advice, cause: failure)
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
  }

  private static func flush(_ path: String, flags: Int32) -> Bool {
    let descriptor = open(path, flags | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return fsync(descriptor) == 0
  }
}
