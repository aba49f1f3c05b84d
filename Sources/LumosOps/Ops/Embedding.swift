import LumosTensor

/// Rows of a table. Inputs ids `[n]` (i32, each in `0 ..< V`), table `[V, D]`; output `[n, D]`.
public struct Embedding: OpDescriptor {
  public static let name = "Embedding"

  public init() {}

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 2...2)
    try require(inputs[0].dtype == .i32 && inputs[0].shape.rank == 1, "ids must be i32 [n], are \(inputs[0])")
    try require(inputs[1].shape.rank == 2, "table must have 2 axes, is \(inputs[1].shape)")
    try requireWeight(inputs[1], "table", inputs[1].shape)
    return [TensorType([inputs[0].shape[0], inputs[1].shape[1]], .f32)]
  }

  public func flops(_ inputs: [TensorType]) -> Int { 0 }

  public func bytesMoved(_ inputs: [TensorType]) -> Int {
    inputs[0].shape[0] * (4 + inputs[1].shape[1] * (inputs[1].dtype.byteCount + 4))
  }

  /// Nothing is computed, so nothing may differ; but a device may take f16 numbers below 6e-5 for zero.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { dtype == .f16 ? 1e-12 : 0 }
}
