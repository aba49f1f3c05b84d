import Glibc
import LumosTensor

/// What the operating system answered, in words.
struct SystemFailure: Error, CustomStringConvertible {
  /// The error number (`ENOENT`, ...).
  let code: Int32

  /// The last error of this thread.
  static var last: SystemFailure { SystemFailure(code: errno) }

  /// `"No such file or directory"`.
  var description: String { String(cString: strerror(code)) }
}

/// Calls `body` again as long as a signal interrupts it.
func retryingOnInterrupt(_ body: () -> Int) -> Int {
  while true {
    let result = body()
    if result != -1 || errno != EINTR { return result }
  }
}
