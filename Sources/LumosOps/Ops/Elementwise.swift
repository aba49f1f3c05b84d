import LumosTensor

/// `a + b` or `a · b`, element by element. b may be smaller: its element count divides that of a and it repeats
/// (which is broadcasting along leading axes). Output has the shape of a.
public struct Elementwise: OpDescriptor {
  public static let name = "Elementwise"

  /// Which operation.
  public enum Kind: String, Sendable, Hashable, CaseIterable { case add, multiply }

  /// The operation applied.
  public let kind: Kind
  /// Type of the output: f32, or f16 or bf16 as `Convert` makes them. The fusion pass moves it in here.
  public let dtype: DType

  public init(_ kind: Kind, dtype: DType = .f32) {
    self.kind = kind
    self.dtype = dtype
  }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 2...2)
    try requireActivation(inputs[0], "a")
    try requireWeight(inputs[1], "b", inputs[1].shape)
    try require(
      inputs[1].shape.count == 0
        ? inputs[0].shape.count == 0 : inputs[0].shape.count.isMultiple(of: inputs[1].shape.count),
      "b \(inputs[1].shape) does not repeat into a \(inputs[0].shape)")
    try requireResult(dtype)
    return [TensorType(inputs[0].shape, dtype)]
  }

  /// b goes along with a row by row, or repeats within a row.
  public func rowInputs(_ inputs: [TensorType]) -> Set<Int>? {
    let (a, b) = (inputs[0].shape, inputs[1].shape)
    if a.rank == 0 || b.count == 0 { return nil }
    if a == b { return [0, 1] }
    return a.rowCount.isMultiple(of: b.count) ? [0] : nil
  }

  /// An invocation reads the elements of a and b in the place that it writes.
  public func inPlaceInputs(_ inputs: [TensorType]) -> [Int] { inputs[1] == inputs[0] ? [0, 1] : [0] }

  public func flops(_ inputs: [TensorType]) -> Int { inputs[0].shape.count }

  /// One rounding.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { bound(1e-13, roundedTo: self.dtype) }
}
