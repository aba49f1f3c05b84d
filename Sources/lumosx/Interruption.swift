import Glibc
import LumosTensor
import Synchronization

/// Ctrl-C and SIGTERM: the first asks the running work to stop at its next safe point, the second ends the process.
enum Interruption {
  private static let received = Atomic<Int32>(0)

  /// Starts to listen. Call once, before the work.
  static func listen() {
    // A limit on file sizes is then an error of the write, like a full disk, and not the end of the process.
    signal(SIGXFSZ, SIG_IGN)
    // Likewise a pipe without a reader.
    signal(SIGPIPE, SIG_IGN)
    for number in [SIGINT, SIGTERM] {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { number in
        let (exchanged, _) = Interruption.received.compareExchange(
          expected: 0, desired: number, ordering: .sequentiallyConsistent)
        if !exchanged { _exit(128 + number) }
      }
      sigaction(number, &action, nil)
    }
  }

  /// Throws `Interrupted` if a signal has come.
  static func check() throws {
    let number = received.load(ordering: .sequentiallyConsistent)
    if number != 0 { throw Interrupted(signal: number) }
  }
}

/// The work was stopped by a signal.
struct Interrupted: Error, CustomStringConvertible {
  /// Number of the signal.
  let signal: Int32

  /// 130 for SIGINT, 143 for SIGTERM.
  var exitCode: Int32 { 128 + signal }

  var description: String { signal == SIGINT ? "interrupted" : "terminated" }
}
