import LumosOps
import LumosTensor

/// A size at which the published model runs: that of the video and how many reference images there are.
public struct ModelSize: Sendable, Hashable {
  /// Rows of a frame in pixels.
  public let height: Int
  /// Columns of a frame in pixels.
  public let width: Int
  /// Reference images that stand alone: background and objects.
  public let plainConditions: Int
  /// Reference images of each person.
  public let humanGroups: [Int]

  /// A size; height and width are multiples of 16.
  public init(height: Int, width: Int, plainConditions: Int, humanGroups: [Int]) {
    precondition(height >= 16 && width >= 16 && height % 16 == 0 && width % 16 == 0, "\(height) x \(width)")
    self.height = height
    self.width = width
    self.plainConditions = plainConditions
    self.humanGroups = humanGroups
  }

  /// 480 x 832 and 720 x 1280, each with 7, 0, 3 and 10 reference images: the size of the published samples first.
  public static let all: [ModelSize] = [(480, 832), (720, 1280)].flatMap { height, width in
    [(1, [3, 3]), (0, []), (1, [2]), (2, [4, 4])].map { (plain: Int, groups: [Int]) in
      ModelSize(height: height, width: width, plainConditions: plain, humanGroups: groups)
    }
  }

  /// The same with frames of about `scale` times as many pixels, at least one token.
  public func scaled(by scale: Double) -> ModelSize {
    func extent(_ pixels: Int) -> Int { max(1, Int((Double(pixels / 16) * scale.squareRoot()).rounded())) * 16 }
    return ModelSize(
      height: extent(height), width: extent(width), plainConditions: plainConditions, humanGroups: humanGroups)
  }

  /// Latent frames of 81 frames.
  public var latentFrames: Int { 21 }
  /// Reference images.
  public var conditions: Int { plainConditions + humanGroups.reduce(0, +) }
  /// Tokens of a frame.
  public var area: Int { height / 16 * (width / 16) }
  /// Tokens of the video.
  public var videoTokens: Int { latentFrames * area }
  /// Tokens in all.
  public var tokens: Int { (latentFrames + conditions) * area }
  /// `"480x832x81, 7 conditions"`.
  public var name: String { "\(height)x\(width)x81, \(conditions) conditions" }

  /// Spans of relational self-attention: video tokens see all, each group of images sees itself.
  public var spans: [Attention.Span] {
    var spans = [Attention.Span(queries: 0..<videoTokens, keys: 0..<tokens)]
    var first = videoTokens
    for images in Array(repeating: 1, count: plainConditions) + humanGroups {
      spans.append(
        Attention.Span(queries: first..<first + images * area, keys: first..<first + images * area))
      first += images * area
    }
    return spans
  }
}
