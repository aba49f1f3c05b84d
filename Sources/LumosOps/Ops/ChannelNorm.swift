import LumosTensor

/// The VAE's norm: every position's channel vector scaled to length `√C` and multiplied by γ:
/// `x / max(‖x‖₂, 1e-12) · √C · γ`, then a nonlinearity if one is given. Inputs x `[…, C]` (channels last), gamma `[C]`
/// (MODEL.md section 11).
public struct ChannelNorm: OpDescriptor {
  public static let name = "ChannelNorm"

  /// Nonlinearity that follows, or nil. Models build `Activation`, the fusion pass moves it in here.
  public let activation: Activation.Kind?

  /// Type of the output: f32, or f16 or bf16 as `Convert` makes them. The fusion pass moves it in here.
  public let dtype: DType

  public init(activation: Activation.Kind? = nil, dtype: DType = .f32) {
    self.activation = activation
    self.dtype = dtype
  }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 2...2)
    try requireActivation(inputs[0], "x")
    try require(inputs[0].shape.rank >= 1, "x has no axis")
    try requireWeight(inputs[1], "gamma", [inputs[0].shape[-1]])
    try requireResult(dtype)
    return [TensorType(inputs[0].shape, dtype)]
  }

  public func flops(_ inputs: [TensorType]) -> Int { (activation == nil ? 4 : 12) * inputs[0].shape.count }

  /// 1e-14 was seen on the device; Vulkan lets roots and quotients be wrong by 2 to 3 units in the last place.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { bound(1e-12, roundedTo: self.dtype) }
}
