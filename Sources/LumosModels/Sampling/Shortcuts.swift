/// Work that the structure of the model makes unnecessary. Each leaves the result as it is, up to rounding, and each can
/// be switched off, which is how its parity is tested (Docs/Decisions/0006-exact-shortcuts.md).
public struct Shortcuts: OptionSet, Sendable, Hashable {
  /// One bit per shortcut.
  public let rawValue: Int

  /// A set from its bits.
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// What depends neither on the timestep nor on the latent (embedded text, text keys and values, embedded condition
  /// images) is computed once per run instead of in every step.
  public static let hoistInvariants = Shortcuts(rawValue: 1 << 0)
  /// The timestep's embedding is computed for all steps at once, before the first.
  public static let tabulateTime = Shortcuts(rawValue: 1 << 1)
  /// All text padding is one key that counts as often as it occurs.
  public static let foldPadding = Shortcuts(rawValue: 1 << 2)
  /// Condition images, which never read the video, go through the blocks by themselves: once for all videos of a run,
  /// and in the last block no further than their keys and values.
  public static let shareConditions = Shortcuts(rawValue: 1 << 3)

  /// What repeats is computed once: up to the first cross-attention both guidance branches are alike, and all streams
  /// read the same text keys and values.
  public static let mergeRepeats = Shortcuts(rawValue: 1 << 4)

  /// Every shortcut.
  public static let all: Shortcuts = [.hoistInvariants, .tabulateTime, .foldPadding, .shareConditions, .mergeRepeats]

  /// Each shortcut with its name, for switches and tests.
  public static let named: [(name: String, shortcut: Shortcuts)] = [
    ("hoistInvariants", .hoistInvariants), ("tabulateTime", .tabulateTime), ("foldPadding", .foldPadding),
    ("shareConditions", .shareConditions), ("mergeRepeats", .mergeRepeats),
  ]
}
