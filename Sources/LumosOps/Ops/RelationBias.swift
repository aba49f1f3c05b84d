import LumosTensor

/// MCAM's bias per cell: `ratio · |scale · q̄ · k| · w[image]` (MODEL.md 9.3 and 9.5).
///
/// Inputs pooled queries `[images·cells, heads·d]`, text keys `[keys, heads·d]` (f32, f16 or
/// bf16, which widen exactly), template weights `[images, keys]`;
/// output `[images·cells, heads, keys]`.
public struct RelationBias: OpDescriptor {
  public static let name = "RelationBias"
  /// Number of heads.
  public let heads: Int
  /// Factor on the score (1/√d).
  public let scale: Float
  /// Strength of the bias (0.5).
  public let ratio: Float

  public init(heads: Int, scale: Float, ratio: Float) {
    self.heads = heads
    self.scale = scale
    self.ratio = ratio
  }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 3...3)
    try requireActivation(inputs[0], "pooled queries", rank: 2)
    try requireFactor(inputs[1], "keys", rank: 2)
    try requireActivation(inputs[2], "weights", rank: 2)
    let (q, k, w) = (inputs[0].shape, inputs[1].shape, inputs[2].shape)
    try require(q[1] == k[1] && heads > 0 && q[1] % heads == 0, "pooled queries \(q), keys \(k), \(heads) heads")
    try require(w[1] == k[0] && w[0] > 0 && q[0] % w[0] == 0, "weights \(w) for \(q[0]) cells and \(k[0]) keys")
    return [TensorType([q[0], heads, k[0]], .f32)]
  }

  public func flops(_ inputs: [TensorType]) -> Int { 2 * inputs[0].shape.count * inputs[1].shape[0] }

  /// A sum over the channels of a head; 5e-14 was seen at 128.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 1e-12 }
}
