import ArgumentParser
import Glibc
import LumosFiles
import LumosTensor

/// How commands speak: results on standard output, progress and failures on standard error.
public enum Reporting {
  /// What the program calls itself in messages.
  static let program =
    CommandLine.arguments.first?.split(separator: "/").last.map { String($0) } ?? "lumosx"

  /// A line on standard output, unbuffered, so that a reader at the end of a pipe sees it at once.
  public static func line(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }

  /// A line on standard error.
  public static func note(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

  /// Text as it is. A reader that has gone away is no failure of the work.
  public static func write(_ text: String, to descriptor: Int32) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }

  /// The parts of a failure as machine output names them (code, message, where, advice).
  public static func json(_ error: any Error) -> JSONValue {
    let failure = classify(error)
    return [
      "code": .integer(Int(failure.exitCode)), "message": .string(failure.message),
      "where": failure.place.map { .string($0) } ?? nil, "advice": failure.advice.map { .string($0) } ?? nil,
    ]
  }

  /// Exit code, message, place and advice of any failure.
  public static func classify(_ error: any Error) -> (exitCode: Int32, message: String, place: String?, advice: String?)
  {
    switch error {
    case let error as LumosError:
      let cause = error.cause.map { " (\($0))" } ?? ""
      return (error.kind.exitCode, error.what + cause, error.place, error.advice)
    case let error as Interrupted: return (error.exitCode, error.description, nil, nil)
    case is CancellationError: return (130, "interrupted", nil, nil)
    default: return (LumosError.Kind.internalDefect.exitCode, "\(error)", nil, "report this as a defect")
    }
  }

  /// Runs a command's work; a failure becomes a line on standard error and the exit code that belongs to it.
  public static func run(onFailure: (any Error) -> Void = { _ in }, _ work: () throws -> Void) throws {
    do { try work() } catch let code as ExitCode { throw code } catch {
      onFailure(error)
      let failure = classify(error)
      let place = failure.place.map { "\($0): " } ?? ""
      note("\(program): error: \(place)\(failure.message)")
      if let advice = failure.advice { note("\(program): advice: \(advice)") }
      throw ExitCode(failure.exitCode)
    }
  }
}
