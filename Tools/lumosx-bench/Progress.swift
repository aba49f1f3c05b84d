import Glibc
import LumosCommand

/// How far a command is, and how long the rest will take, in one line on standard error that replaces itself. Says
/// nothing where standard error is no terminal.
final class Progress {
  private let title: String
  private let count: Int
  private let start = ContinuousClock.now
  private let isShown = isatty(STDERR_FILENO) == 1

  /// Progress of `count` pieces of about equal length.
  init(_ title: String, count: Int) {
    self.title = title
    self.count = count
  }

  /// Piece `index` begins.
  func show(_ index: Int, _ what: String) {
    guard isShown else { return }
    var left = ""
    if index > 0 {
      let seconds = start.duration(to: .now) / .seconds(1) * Double(count - index) / Double(index)
      left = seconds < 90 ? ", \(Int(seconds)) s left" : ", \(Int(seconds / 60) + 1) min left"
    }
    Reporting.write("\r\u{1b}[K\(title) \(index + 1) of \(count)\(left): \(what.prefix(70))", to: STDERR_FILENO)
  }

  /// Nothing is left; the line goes away.
  func finish() {
    if isShown { Reporting.write("\r\u{1b}[K", to: STDERR_FILENO) }
  }
}
