import LumosTensor

/// `x · scale + shift` per channel. Inputs x `[…, C]`, scale `[C]`, shift `[C]`.
public struct ChannelAffine: OpDescriptor {
  public static let name = "ChannelAffine"

  public init() {}

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 3...3)
    try requireActivation(inputs[0], "x")
    try require(inputs[0].shape.rank >= 1, "x has no axis")
    try requireWeight(inputs[1], "scale", [inputs[0].shape[-1]])
    try requireWeight(inputs[2], "shift", [inputs[0].shape[-1]])
    return [inputs[0]]
  }

  public func flops(_ inputs: [TensorType]) -> Int { 2 * inputs[0].shape.count }

  /// Two or three roundings; 7e-15 was seen against float64.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 1e-13 }
}
