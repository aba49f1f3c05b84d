import LumosTensor

/// Two tensors one behind the other along the outermost axis, both f32, f16 or bf16; the other axes are equal.
public struct Concatenate: OpDescriptor {
  public static let name = "Concatenate"

  public init() {}

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 2...2)
    let (a, b) = (inputs[0], inputs[1])
    try requireFactor(a, "first")
    try require(a.dtype == b.dtype, "\(a.dtype.rawValue) and \(b.dtype.rawValue)")
    try require(
      a.shape.rank > 0 && a.shape.dimensions.dropFirst() == b.shape.dimensions.dropFirst(),
      "\(a.shape) and \(b.shape) differ beyond the first axis")
    var dimensions = a.shape.dimensions
    dimensions[0] += b.shape[0]
    return [TensorType(Shape(dimensions), a.dtype)]
  }

  public func flops(_ inputs: [TensorType]) -> Int { 0 }

  /// Nothing is computed, so nothing may differ.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 0 }
}
