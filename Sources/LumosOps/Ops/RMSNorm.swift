import LumosTensor

/// `x · rsqrt(mean(x²) + ε) · weight` over the last axis. Inputs x `[…, D]`, weight `[D]`.
///
/// With `rotary` the result is then turned by it; its cosines and sines are the last two inputs, and x has two axes.
/// Models build `Rotary`, the fusion pass moves it in here.
public struct RMSNorm: OpDescriptor {
  public static let name = "RMSNorm"
  /// Added to the mean square.
  public let epsilon: Float
  /// Rotary positions that follow, or nil.
  public let rotary: Rotary?
  /// Type of the output: f32, or f16 or bf16 as `Convert` makes them. The fusion pass moves it in here.
  public let dtype: DType

  public init(epsilon: Float, rotary: Rotary? = nil, dtype: DType = .f32) {
    self.epsilon = epsilon
    self.rotary = rotary
    self.dtype = dtype
  }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs.count == (rotary == nil ? 2 : 4), "takes x and weight, and cosines and sines with rotary")
    try requireActivation(inputs[0], "x")
    try require(inputs[0].shape.rank >= 1, "x has no axis")
    try requireWeight(inputs[1], "weight", [inputs[0].shape[-1]])
    if let rotary { _ = try rotary.outputTypes([inputs[0], inputs[2], inputs[3]]) }
    try requireResult(dtype)
    return [TensorType(inputs[0].shape, dtype)]
  }

  public func rowInputs(_ inputs: [TensorType]) -> Set<Int>? {
    inputs[0].shape.rank > 1 ? (rotary == nil ? [0] : [0, 2, 3]) : nil
  }

  public func flops(_ inputs: [TensorType]) -> Int { (rotary == nil ? 4 : 7) * inputs[0].shape.count }

  /// 1e-14 was seen on the device; Vulkan lets roots and quotients be wrong by 2 to 3 units in the last place.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { bound(1e-12, roundedTo: self.dtype) }
}
