import LumosTensor

/// `(x - mean) / √(variance + ε)` over the last axis (biased variance), then `· weight + bias` if they are given.
/// Inputs x `[…, D]`, optionally weight `[D]` and bias `[D]`.
public struct LayerNorm: OpDescriptor {
  public static let name = "LayerNorm"
  /// Added to the variance.
  public let epsilon: Float

  public init(epsilon: Float) { self.epsilon = epsilon }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs.count == 1 || inputs.count == 3, "takes x, or x, weight and bias")
    try requireActivation(inputs[0], "x")
    try require(inputs[0].shape.rank >= 1, "x has no axis")
    for (input, role) in zip(inputs.dropFirst(), ["weight", "bias"]) {
      try requireWeight(input, role, [inputs[0].shape[-1]])
    }
    return [inputs[0]]
  }

  public func flops(_ inputs: [TensorType]) -> Int { 8 * inputs[0].shape.count }

  /// 1e-14 was seen on the device; Vulkan lets roots and quotients be wrong by 2 to 3 units in the last place.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 1e-12 }
}
