/// A failure that a person can meet: what went wrong, where, and what to do about it.
///
/// Modules throw this wherever the cause is outside the program: a user, a file, a driver, a disk. The command line
/// prints it and exits with `kind.exitCode` (DESIGN: exit codes as in sysexits.h).
public struct LumosError: Error, Sendable, CustomStringConvertible {
  /// Classes of failures, by what the caller can do.
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    /// The command or request is malformed.
    case usage
    /// A scene, image, checkpoint or configuration is wrong.
    case badInput
    /// No usable device or driver.
    case noDevice
    /// A defect of this program.
    case internalDefect
    /// The output cannot be created.
    case cannotWrite
    /// Reading or writing failed.
    case inputOutput
    /// Try again: device lost, out of memory.
    case tryAgain

    /// Exit code of a command that ends with this failure.
    public var exitCode: Int32 {
      switch self {
      case .usage: 64
      case .badInput: 65
      case .noDevice: 69
      case .internalDefect: 70
      case .cannotWrite: 73
      case .inputOutput: 74
      case .tryAgain: 75
      }
    }
  }

  /// Class of the failure.
  public let kind: Kind
  /// What is wrong, as a clause without a full stop: `"image is truncated"`.
  public let what: String
  /// File, tensor, byte offset, device: `"scene/subjects/1/face_man.png, row 17"`. Nil if there is no such place.
  public let place: String?
  /// What to do: `"save it again as PNG"`. Nil if there is nothing sensible to say.
  public let advice: String?
  /// What lies behind it.
  public let cause: (any Error)?

  public init(
    _ kind: Kind, _ what: String, at place: String? = nil, advice: String? = nil, cause: (any Error)? = nil
  ) {
    self.kind = kind
    self.what = what
    self.place = place
    self.advice = advice
    self.cause = cause
  }

  /// `"place: what (cause); advice"`, the parts that exist.
  public var description: String {
    var text = place.map { "\($0): " } ?? ""
    text += what
    if let cause { text += " (\(cause))" }
    if let advice { text += "; \(advice)" }
    return text
  }
}
