import LumosTensor

/// Every pixel becomes a 2 x 2 square. Input `[T, H, W, C]`, output `[T, 2H, 2W, C]`.
public struct UpsampleNearest: OpDescriptor {
  public static let name = "UpsampleNearest"

  public init() {}

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 1...1)
    try requireActivation(inputs[0], "x", rank: 4)
    let x = inputs[0].shape
    return [TensorType([x[0], 2 * x[1], 2 * x[2], x[3]], .f32)]
  }

  public func flops(_ inputs: [TensorType]) -> Int { 0 }

  /// Nothing is computed, so nothing may differ.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 0 }
}
