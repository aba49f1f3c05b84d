/// Sizes of the text encoder. The defaults are those of UMT5-XXL (MODEL.md section 5).
public struct UMT5Configuration: Sendable, Hashable {
  /// Rows of the embedding table.
  public var vocabulary: Int
  /// Width of the residual stream.
  public var width: Int
  /// Width of queries, keys and values over all heads.
  public var attentionWidth: Int
  /// Attention heads.
  public var heads: Int
  /// Number of blocks.
  public var layers: Int
  /// Width of the feed-forward's hidden layer.
  public var feedForwardWidth: Int
  /// Buckets of the relative position bias, both directions together.
  public var buckets: Int
  /// Distance from which all positions share the last bucket.
  public var maxDistance: Int
  /// Token positions, padding included.
  public var textLength: Int
  /// Added to mean squares in every norm.
  public var epsilon: Float

  /// The published sizes, except those given.
  public init(
    vocabulary: Int = 256_384, width: Int = 4096, attentionWidth: Int = 4096, heads: Int = 64, layers: Int = 24,
    feedForwardWidth: Int = 10_240, buckets: Int = 32, maxDistance: Int = 128, textLength: Int = 512,
    epsilon: Float = 1e-6
  ) {
    self.vocabulary = vocabulary
    self.width = width
    self.attentionWidth = attentionWidth
    self.heads = heads
    self.layers = layers
    self.feedForwardWidth = feedForwardWidth
    self.buckets = buckets
    self.maxDistance = maxDistance
    self.textLength = textLength
    self.epsilon = epsilon
  }
}
