import Glibc
import LumosTensor

/// A file in memory, read-only, mapped rather than read: pages come from the disk when they are touched and can be
/// dropped again, so a checkpoint of many gigabytes costs no memory until it is used.
///
/// The file must not shrink while it is mapped: touching a page beyond its new end raises `SIGBUS`. Checkpoints are
/// replaced by renaming (see `AtomicFile`), which leaves existing mappings alone.
public final class MappedFile: @unchecked Sendable {
  /// The path as it was given.
  public let path: String
  /// Valid as long as this object lives. Never written, which is what makes the class `Sendable`.
  private let bytes: UnsafeRawBufferPointer
  private let descriptor: Int32

  /// Maps a regular file.
  ///
  /// - Throws: `LumosError(.badInput)` if there is no such file, it is not a regular file or must not be read;
  ///   `.inputOutput` if the system fails otherwise.
  public init(_ path: String) throws(LumosError) {
    self.path = path
    // O_NONBLOCK: opening a named pipe must not wait for somebody who writes into it.
    let descriptor = Int32(retryingOnInterrupt { Int(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) })
    guard descriptor >= 0 else { throw Self.openFailure(path, .last) }
    var isOpened = false
    defer { if !isOpened { close(descriptor) } }
    self.descriptor = descriptor

    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw LumosError(.inputOutput, "cannot be inspected", at: path, cause: SystemFailure.last)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw LumosError(.badInput, "is not a regular file", at: path)
    }
    let count = Int(status.st_size)
    guard count > 0 else {  // mmap refuses empty ranges.
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      isOpened = true
      return
    }
    guard !FaultPlan.strikesFile(.fileRead),
      let base = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED
    else {
      throw LumosError(.inputOutput, "cannot be mapped into memory", at: path, cause: SystemFailure.last)
    }
    bytes = UnsafeRawBufferPointer(start: base, count: count)
    isOpened = true
  }

  deinit {
    close(descriptor)
    if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
  }

  /// Number of bytes.
  public var count: Int { bytes.count }

  /// The contents, for the duration of `body`.
  public func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    // The pointer does not keep the mapping alive by itself.
    try withExtendedLifetime(self) { () throws(E) in try body(bytes) }
  }

  /// A tensor that is a view of the bytes from `byteOffset` on and keeps the mapping alive. The bytes must lie inside
  /// the file.
  public func tensor(_ type: TensorType, at byteOffset: Int) -> Tensor {
    precondition(
      byteOffset >= 0 && type.byteCount <= bytes.count - byteOffset, "\(path): \(type) at \(byteOffset) leaves the file"
    )
    guard let base = bytes.baseAddress else { return Tensor(type.shape, type.dtype) { _ in } }
    return Tensor(type.shape, type.dtype, borrowing: base + byteOffset, owner: self)
  }

  /// Copies bytes `range` of the file to the start of `target`, which is long enough. Reads rather than touching the
  /// mapping: a failing disk, or a file that has become shorter, is an error and not a signal.
  /// - Throws: `LumosError(.inputOutput)` if the bytes cannot be read.
  public func read(_ range: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws(LumosError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "bytes \(range) of \(path)")
    precondition(range.count <= target.count, "\(range.count) bytes into \(target.count)")
    guard let base = target.baseAddress else { return }
    var done = 0
    while done < range.count {
      let isStruck = FaultPlan.strikesFile(.fileRead)
      let result =
        isStruck
        ? -1
        : retryingOnInterrupt { pread(descriptor, base + done, range.count - done, off_t(range.lowerBound + done)) }
      if result < 0 { throw LumosError(.inputOutput, "cannot be read", at: path, cause: SystemFailure.last) }
      if result == 0 {
        throw LumosError(
          .inputOutput, "has become shorter while it was in use: byte \(range.lowerBound + done) is missing", at: path)
      }
      done += result
    }
  }

  private static func openFailure(_ path: String, _ failure: SystemFailure) -> LumosError {
    switch failure.code {
    case ENOENT, ENOTDIR: LumosError(.badInput, "does not exist", at: path)
    case EACCES, EPERM:
      LumosError(.badInput, "cannot be read", at: path, advice: "check the file's permissions", cause: failure)
    case ELOOP, ENAMETOOLONG, ENXIO: LumosError(.badInput, "cannot be opened", at: path, cause: failure)
    default: LumosError(.inputOutput, "cannot be opened", at: path, cause: failure)
    }
  }
}
