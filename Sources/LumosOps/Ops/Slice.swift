import LumosTensor

/// `count` indices of the outermost axis from `start` on. Input float32 of any rank above zero.
public struct Slice: OpDescriptor {
  public static let name = "Slice"
  /// First index kept.
  public let start: Int
  /// Number of indices kept.
  public let count: Int

  public init(start: Int, count: Int) {
    self.start = start
    self.count = count
  }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 1...1)
    try requireActivation(inputs[0], "x")
    try require(
      inputs[0].shape.rank > 0 && start >= 0 && count >= 0 && start + count <= inputs[0].shape[0],
      "\(start) ..< \(start + count) of \(inputs[0].shape)")
    return [TensorType(Shape([count] + inputs[0].shape.dimensions.dropFirst()), .f32)]
  }

  public func flops(_ inputs: [TensorType]) -> Int { 0 }

  public func bytesMoved(_ inputs: [TensorType]) -> Int { 8 * count * inputs[0].shape.rowCount }

  /// Nothing is computed, so nothing may differ.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 0 }
}
