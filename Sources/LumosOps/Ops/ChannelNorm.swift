import LumosTensor

/// The VAE's norm: every position's channel vector scaled to length `√C` and multiplied by γ:
/// `x / max(‖x‖₂, 1e-12) · √C · γ`, then a nonlinearity if one is given. Inputs x `[…, C]` (channels last), gamma `[C]`
/// (MODEL.md section 11).
public struct ChannelNorm: OpDescriptor {
  public static let name = "ChannelNorm"

  /// Nonlinearity that follows, or nil. Models build `Activation`, the fusion pass moves it in here.
  public let activation: Activation.Kind?

  public init(activation: Activation.Kind? = nil) { self.activation = activation }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 2...2)
    try requireActivation(inputs[0], "x")
    try require(inputs[0].shape.rank >= 1, "x has no axis")
    try requireWeight(inputs[1], "gamma", [inputs[0].shape[-1]])
    return [inputs[0]]
  }

  public func flops(_ inputs: [TensorType]) -> Int { (activation == nil ? 4 : 12) * inputs[0].shape.count }

  /// 1e-14 was seen on the device; Vulkan lets roots and quotients be wrong by 2 to 3 units in the last place.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 1e-12 }
}
