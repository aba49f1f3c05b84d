import LumosTensor

/// `x + y · table[gateRow]`: a gated residual. Inputs x `[…, D]`, y of the same shape, table `[R, D]`.
public struct GatedAdd: OpDescriptor {
  public static let name = "GatedAdd"
  /// Row of the table that gates.
  public let gateRow: Int

  public init(gateRow: Int) { self.gateRow = gateRow }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 3...3)
    try requireActivation(inputs[0], "x")
    try require(inputs[1] == inputs[0], "y \(inputs[1]) differs from x \(inputs[0])")
    try requireActivation(inputs[2], "table", rank: 2)
    try require(inputs[0].shape.rank >= 1 && inputs[0].shape[-1] == inputs[2].shape[1], "x and table widths differ")
    try require(gateRow >= 0 && gateRow < inputs[2].shape[0], "row outside table")
    return [inputs[0]]
  }

  public func rowInputs(_ inputs: [TensorType]) -> Set<Int>? { inputs[0].shape.rank > 1 ? [0, 1] : nil }

  public func inPlaceInputs(_ inputs: [TensorType]) -> [Int] { [0, 1] }

  public func flops(_ inputs: [TensorType]) -> Int { 2 * inputs[0].shape.count }

  /// Two or three roundings; 7e-15 was seen against float64.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 1e-13 }
}
