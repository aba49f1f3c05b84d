import LumosTensor

/// Every element in another type: the nearest number of f16 or bf16, ties to even. Input float32 of any shape.
///
/// Numbers beyond the largest finite one become that, so that a large activation cannot turn into infinity. Infinities
/// and NaN stay what they are: they come of a defect, which must show.
public struct Convert: OpDescriptor {
  public static let name = "Convert"

  /// Type of the result: f16 or bf16.
  public let dtype: DType

  public init(to dtype: DType) { self.dtype = dtype }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 1...1)
    try requireActivation(inputs[0], "x")
    try require(dtype == .f16 || dtype == .bf16, "converts to f16 or bf16, not to \(dtype.rawValue)")
    return [TensorType(inputs[0].shape, dtype)]
  }

  public func rowInputs(_ inputs: [TensorType]) -> Set<Int>? { inputs[0].shape.rank > 0 ? [0] : nil }

  public func flops(_ inputs: [TensorType]) -> Int { 0 }

  /// Rounding is defined to the bit.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 0 }
}
