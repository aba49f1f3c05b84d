/// Work that the structure of the model makes unnecessary. Each leaves the result as it is, up to rounding, and each can
/// be switched off, which is how its parity is tested (Docs/Decisions/0006-exact-shortcuts.md).
public struct Shortcuts: OptionSet, Sendable, Hashable {
  /// One bit per shortcut.
  public let rawValue: Int

  /// A set from its bits.
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// Embedded texts and their keys and values, which depend neither on the timestep nor on the latent, are computed once
  /// per run instead of in every step.
  public static let hoistInvariants = Shortcuts(rawValue: 1 << 0)
  /// The timestep's embedding is computed for all steps at once, before the first.
  public static let tabulateTime = Shortcuts(rawValue: 1 << 1)
  /// All text padding is one key that counts as often as it occurs.
  public static let foldPadding = Shortcuts(rawValue: 1 << 2)
  /// Where several videos are sampled, the condition images, which never read a video, go through the blocks by
  /// themselves: once for all videos, and in the last block no further than their keys and values.
  public static let shareConditions = Shortcuts(rawValue: 1 << 3)
  /// What repeats is computed once: up to the first cross-attention both guidance branches are alike. Their common
  /// values, a residual stream for each video, stay in memory over the whole first branch.
  public static let mergeRepeats = Shortcuts(rawValue: 1 << 4)

  /// Every shortcut.
  public static let all: Shortcuts = [.hoistInvariants, .tabulateTime, .foldPadding, .shareConditions, .mergeRepeats]
  /// Those that cost no memory to speak of: what samplers do unless told otherwise.
  public static let standard: Shortcuts = all.subtracting(.mergeRepeats)

  /// Each shortcut with its name, for switches and tests.
  public static let named: [(name: String, shortcut: Shortcuts)] = [
    ("hoistInvariants", .hoistInvariants), ("tabulateTime", .tabulateTime), ("foldPadding", .foldPadding),
    ("shareConditions", .shareConditions), ("mergeRepeats", .mergeRepeats),
  ]
}
