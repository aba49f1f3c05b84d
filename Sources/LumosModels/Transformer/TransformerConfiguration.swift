/// Sizes of the diffusion transformer. The defaults are those of Wan2.1-T2V-1.3B as LumosX ships it (MODEL.md
/// section 6).
public struct TransformerConfiguration: Sendable, Hashable {
  /// Width of the residual stream (`dim`).
  public var width: Int
  /// Attention heads; divides `width` into heads of even size.
  public var heads: Int
  /// Number of blocks.
  public var layers: Int
  /// Width of the feed-forward's hidden layer.
  public var feedForwardWidth: Int
  /// Channels of the latent that goes in.
  public var inputChannels: Int
  /// Channels of the velocity that comes out.
  public var outputChannels: Int
  /// Side of a patch in latent pixels; time is not patched.
  public var patch: Int
  /// Length of the timestep's wave.
  public var frequencyWidth: Int
  /// Width of the text encoder's output.
  public var textWidth: Int
  /// Text positions, padding included.
  public var textLength: Int
  /// Added to variances and mean squares in every norm.
  public var epsilon: Float
  /// Strength of the relational text bias (MCAM).
  public var relationRatio: Float
  /// Side of a cell of MCAM's pooled map, in tokens.
  public var relationPool: Int

  /// The published sizes, except those given.
  public init(
    width: Int = 1536, heads: Int = 12, layers: Int = 30, feedForwardWidth: Int = 8960, inputChannels: Int = 16,
    outputChannels: Int = 16, patch: Int = 2, frequencyWidth: Int = 256, textWidth: Int = 4096,
    textLength: Int = 512, epsilon: Float = 1e-6, relationRatio: Float = 0.5, relationPool: Int = 8
  ) {
    self.width = width
    self.heads = heads
    self.layers = layers
    self.feedForwardWidth = feedForwardWidth
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.patch = patch
    self.frequencyWidth = frequencyWidth
    self.textWidth = textWidth
    self.textLength = textLength
    self.epsilon = epsilon
    self.relationRatio = relationRatio
    self.relationPool = relationPool
  }

  /// The sizes of Wan2.1-T2V-14B.
  public static let wan14B = TransformerConfiguration(width: 5120, heads: 40, layers: 40, feedForwardWidth: 13824)

  /// Channels of one head.
  public var headWidth: Int { width / heads }
}
