import Glibc
import LumosTensor

/// Reading whole files that a user named.
enum InputFile {
  /// The bytes of the regular file `path`, at most `limit` of them.
  ///
  /// Throws `LumosError`: `.badInput` for a path that cannot be such a file (missing, no permission, a folder, too
  /// large), `.inputOutput` where reading fails half-way.
  static func read(_ path: String, limit: Int) throws -> [UInt8] {
    // Without O_NONBLOCK, opening a FIFO would wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let reason = errno
      let advice =
        switch reason {
        case ENOENT, ENOTDIR: "check the path"
        case EACCES: "make the file readable"
        default: nil as String?
        }
      throw LumosError(.badInput, "cannot be opened: \(systemMessage(reason))", at: path, advice: advice)
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw LumosError(.inputOutput, "cannot be examined: \(systemMessage(errno))", at: path)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let kind = status.st_mode & S_IFMT == S_IFDIR ? "a folder" : "not a regular file"
      throw LumosError(.badInput, "is \(kind)", at: path, advice: "name a file")
    }
    guard status.st_size <= limit else {
      throw LumosError(
        .badInput, "has \(status.st_size) bytes, more than the \(limit) that are allowed", at: path,
        advice: "make the image smaller")
    }
    let size = Int(status.st_size)
    var failure: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
      while initialized < size {
        let count =
          FaultPlan.strikesFile(.fileRead)
          ? -1 : Glibc.read(descriptor, buffer.baseAddress! + initialized, size - initialized)
        if count < 0 && errno == EINTR { continue }
        if count < 0 { failure = errno }
        // The file may have become shorter meanwhile: the decoder sees that it is truncated.
        if count <= 0 { break }
        initialized += count
      }
    }
    if failure != 0 {
      throw LumosError(.inputOutput, "reading failed: \(systemMessage(failure))", at: "\(path), byte \(bytes.count)")
    }
    return bytes
  }
}

/// The system's words for an `errno`.
func systemMessage(_ code: Int32) -> String { String(cString: strerror(code)) }
