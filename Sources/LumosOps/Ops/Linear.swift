import LumosTensor

/// `y = x Wᵀ + b`: inputs x `[M, K]`, weight `[N, K]`, optionally bias `[N]`; output `[M, N]`.
///
/// Any leading axes of x are rows. Accumulation in float32.
public struct Linear: OpDescriptor {
  public static let name = "Linear"

  public init() {}

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 2...3)
    try requireActivation(inputs[0], "x")
    try require(inputs[0].shape.rank >= 1 && inputs[1].shape.rank == 2, "x \(inputs[0].shape), W \(inputs[1].shape)")
    let width = inputs[0].shape[-1]
    let outputs = inputs[1].shape[0]
    try requireWeight(inputs[1], "weight", [outputs, width])
    if inputs.count == 3 { try requireWeight(inputs[2], "bias", [outputs]) }
    return [TensorType(Shape(inputs[0].shape.dimensions.dropLast() + [outputs]), .f32)]
  }

  public func flops(_ inputs: [TensorType]) -> Int { 2 * inputs[0].shape.count * inputs[1].shape[0] }

  /// Rounding errors of a sum of K terms, added up one after another in float32: their mean square grows with K.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 1e-13 + 1e-15 * Double(inputs[0].shape[-1]) }
}
