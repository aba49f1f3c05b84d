import LumosTensor

/// `x · rsqrt(mean(x²) + ε) · weight` over the last axis. Inputs x `[…, D]`, weight `[D]`.
public struct RMSNorm: OpDescriptor {
  public static let name = "RMSNorm"
  /// Added to the mean square.
  public let epsilon: Float

  public init(epsilon: Float) { self.epsilon = epsilon }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 2...2)
    try requireActivation(inputs[0], "x")
    try require(inputs[0].shape.rank >= 1, "x has no axis")
    try requireWeight(inputs[1], "weight", [inputs[0].shape[-1]])
    return [inputs[0]]
  }

  public func flops(_ inputs: [TensorType]) -> Int { 4 * inputs[0].shape.count }

  /// 1e-14 was seen on the device; Vulkan lets roots and quotients be wrong by 2 to 3 units in the last place.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 1e-12 }
}
