import LumosTensor

/// `(x - mean) / √(variance + ε)` over the last axis (biased variance), then `· weight + bias` if they are given.
/// Inputs x `[…, D]`, optionally weight `[D]` and bias `[D]`. With `modulation` the result y becomes
/// `y · (1 + table[scaleRow]) + table[shiftRow]`, table `[R, D]` being the last input; models build `Modulate`, the
/// fusion pass moves it in here.
public struct LayerNorm: OpDescriptor {
  public static let name = "LayerNorm"
  /// Added to the variance.
  public let epsilon: Float
  /// Scale and shift that follow, or nil.
  public let modulation: Modulate?
  /// Type of the output: f32, or f16 or bf16 as `Convert` makes them. The fusion pass moves it in here.
  public let dtype: DType

  public init(epsilon: Float, modulation: Modulate? = nil, dtype: DType = .f32) {
    self.epsilon = epsilon
    self.modulation = modulation
    self.dtype = dtype
  }

  /// Whether there are weight and bias among this many inputs.
  public func isAffine(inputCount: Int) -> Bool { inputCount - (modulation == nil ? 0 : 1) == 3 }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    let own = inputs.dropLast(modulation == nil ? 0 : 1)
    try require(own.count == 1 || own.count == 3, "takes x, or x, weight and bias")
    try requireActivation(inputs[0], "x")
    try require(inputs[0].shape.rank >= 1, "x has no axis")
    for (input, role) in zip(own.dropFirst(), ["weight", "bias"]) {
      try requireWeight(input, role, [inputs[0].shape[-1]])
    }
    if let modulation { _ = try modulation.outputTypes([inputs[0], inputs[inputs.count - 1]]) }
    try requireResult(dtype)
    return [TensorType(inputs[0].shape, dtype)]
  }

  public func rowInputs(_ inputs: [TensorType]) -> Set<Int>? { inputs[0].shape.rank > 1 ? [0] : nil }

  public func flops(_ inputs: [TensorType]) -> Int { (modulation == nil ? 8 : 11) * inputs[0].shape.count }

  /// 1e-14 was seen on the device; Vulkan lets roots and quotients be wrong by 2 to 3 units in the last place.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { bound(1e-12, roundedTo: self.dtype) }
}
