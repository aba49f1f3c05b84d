import Glibc
import LumosTensor
import Synchronization

/// Ctrl-C and SIGTERM: the first asks the running work to stop at its next safe point, the second ends the process.
public enum Interruption {
  private static let received = Atomic<Int32>(0)

  /// Starts to listen. Call once, before the work.
  public static func listen() {
    // A limit on file sizes is then an error of the write, like a full disk, and not the end of the process.
    signal(SIGXFSZ, SIG_IGN)
    // Likewise a pipe without a reader.
    signal(SIGPIPE, SIG_IGN)
    for number in [SIGINT, SIGTERM] {
      // What the parent ignores stays ignored (nohup, background jobs of a shell).
      var before = sigaction()
      sigaction(number, nil, &before)
      if let handler = before.__sigaction_handler.sa_handler, isIgnored(handler) { continue }
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { number in
        let (exchanged, _) = Interruption.received.compareExchange(
          expected: 0, desired: number, ordering: .sequentiallyConsistent)
        if !exchanged { _exit(128 + number) }
      }
      sigaction(number, &action, nil)
      // A parent that starts programs from a thread with blocked signals hands that mask down.
      var mask = sigset_t()
      sigemptyset(&mask)
      sigaddset(&mask, number)
      pthread_sigmask(SIG_UNBLOCK, &mask, nil)
    }
  }

  private static func isIgnored(_ handler: @convention(c) (Int32) -> Void) -> Bool {
    unsafeBitCast(handler, to: Int.self) == 1  // SIG_IGN, which is a cast and thus not imported
  }

  /// Throws `Interrupted` if a signal has come.
  public static func check() throws {
    let number = received.load(ordering: .sequentiallyConsistent)
    if number != 0 { throw Interrupted(signal: number) }
  }
}

/// The work was stopped by a signal.
public struct Interrupted: Error, CustomStringConvertible {
  /// Number of the signal.
  public let signal: Int32

  /// 130 for SIGINT, 143 for SIGTERM.
  public var exitCode: Int32 { 128 + signal }

  public var description: String { signal == SIGINT ? "interrupted" : "terminated" }
}
