import LumosOps
import LumosTensor

/// Who is in a sequence: the single source of truth for positions, visibility and text bias.
///
/// A sequence is `latentFrames` video frames, then `plainConditions` stand-alone condition images (background first,
/// then objects), then one group of images per human. Every frame and every image is `rows · columns` tokens,
/// row-major. From this follow the rotary positions (R2PE), the spans of self-attention (CSAM) and the templates and
/// cells of the text bias (MCAM); MODEL.md sections 7, 8 and 9.
public struct Layout: Sendable, Hashable {
  /// Latent frames of the video, at least one.
  public let latentFrames: Int
  /// Token rows of a frame.
  public let rows: Int
  /// Token columns of a frame.
  public let columns: Int
  /// Condition images that stand alone: background and objects.
  public let plainConditions: Int
  /// Images of each human, none empty.
  public let humanGroups: [Int]
  /// Which relations are switched off.
  public let ablation: Ablation

  /// A sequence; sizes are positive, and who has no images is left out of `humanGroups`.
  public init(
    latentFrames: Int, rows: Int, columns: Int, plainConditions: Int = 0, humanGroups: [Int] = [],
    ablation: Ablation = []
  ) {
    precondition(latentFrames > 0 && rows > 0 && columns > 0 && plainConditions >= 0, "empty layout")
    precondition(humanGroups.allSatisfy { $0 > 0 }, "a human without images")
    self.latentFrames = latentFrames
    self.rows = rows
    self.columns = columns
    self.plainConditions = plainConditions
    self.humanGroups = humanGroups
    self.ablation = ablation
  }

  /// Tokens of a frame or image.
  public var area: Int { rows * columns }
  /// Condition images.
  public var conditions: Int { plainConditions + humanGroups.reduce(0, +) }
  /// Video frames and condition images.
  public var frames: Int { latentFrames + conditions }
  /// Tokens of the video, which come first.
  public var videoTokens: Int { latentFrames * area }
  /// Tokens of the whole sequence.
  public var tokens: Int { frames * area }

  /// Condition indices of each human's images.
  public var humanRanges: [Range<Int>] {
    var first = plainConditions
    return humanGroups.map { size in
      defer { first += size }
      return first..<first + size
    }
  }
}

/// Relations that are switched off, to see what each contributes.
public struct Ablation: OptionSet, Sendable, Hashable {
  /// One bit per relation.
  public let rawValue: Int

  /// A set from its bits.
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// No shared time index and no diagonal offsets: every condition image takes the next time index.
  public static let r2pe = Ablation(rawValue: 1)
  /// No self-attention mask: every token sees every token.
  public static let csam = Ablation(rawValue: 2)
  /// No bias of the cross-attention.
  public static let mcam = Ablation(rawValue: 4)

  /// The ablation of this name (`"r2pe"`, `"csam"`, `"mcam"`), or nil.
  public init?(name: String) {
    switch name {
    case "r2pe": self = .r2pe
    case "csam": self = .csam
    case "mcam": self = .mcam
    default: return nil
    }
  }
}
