import Glibc
import LumosTensor
import Synchronization

/// A file that is written under a temporary name beside its final one and renamed when complete.
///
/// Whoever looks at the final name sees the old file or the whole new one. Without `commit` the temporary file is
/// removed when this object goes.
final class PartialFile {
  /// The name that the file gets in the end.
  let path: String
  /// The name that it is written under, in the same folder because a rename cannot leave the file system.
  let partialPath: String
  private var isCommitted = false

  private static let serial = Atomic<Int>(0)

  /// Creates the empty temporary file. Throws `LumosError.cannotWrite` if the folder does not let it.
  init(for path: String) throws {
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      throw LumosError(.cannotWrite, "cannot be written: it is a folder", at: path, advice: "name a file in it")
    }
    let number = Self.serial.wrappingAdd(1, ordering: .relaxed).newValue
    self.path = path
    partialPath = "\(path).partial-\(getpid())-\(number)"
    let descriptor =
      FaultPlan.strikesFile(.fileWrite) ? -1 : open(partialPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      let reason = errno
      // Nothing of ours to remove; a file of this name would be somebody else's.
      isCommitted = true
      throw Self.creationFailure(reason, path)
    }
    close(descriptor)
  }

  deinit { if !isCommitted { unlink(partialPath) } }

  /// Makes the data durable and gives the file its final name. Everything must have been written and closed before.
  func commit() throws {
    let descriptor = open(partialPath, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw writeFailure(errno) }
    let synced = !FaultPlan.strikesFile(.fileWrite) && fsync(descriptor) == 0
    let reason = errno
    close(descriptor)
    guard synced else { throw writeFailure(reason) }
    guard rename(partialPath, path) == 0 else {
      throw LumosError(.cannotWrite, "cannot be renamed from \(partialPath): \(systemMessage(errno))", at: path)
    }
    isCommitted = true
  }

  /// What to throw when writing failed with this `errno`.
  func writeFailure(_ code: Int32) -> LumosError {
    let (what, advice): (String, String?) =
      switch code {
      case ENOSPC, EDQUOT: ("the disk is full", "free some space or write elsewhere")
      case EFBIG: ("the file is larger than the system allows", "raise the limit (ulimit -f) or write elsewhere")
      default: ("writing failed: \(systemMessage(code))", nil)
      }
    return LumosError(.inputOutput, what, at: path, advice: advice)
  }

  private static func creationFailure(_ code: Int32, _ path: String) -> LumosError {
    let advice =
      switch code {
      case ENOENT, ENOTDIR: "create the folder first"
      case EACCES, EPERM, EROFS: "choose a folder that you may write to"
      case ENAMETOOLONG: "choose a shorter name"
      default: nil as String?
      }
    let kind: LumosError.Kind = code == ENOSPC || code == EDQUOT || code == EIO ? .inputOutput : .cannotWrite
    return LumosError(kind, "cannot be created: \(systemMessage(code))", at: path, advice: advice)
  }
}
