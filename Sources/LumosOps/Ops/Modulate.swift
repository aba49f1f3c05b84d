import LumosTensor

/// `x · (1 + table[scaleRow]) + table[shiftRow]`. Inputs x `[…, D]`, table `[R, D]` (MODEL.md section 6: rows of the
/// modulation are shift, scale, gate, shift, scale, gate).
public struct Modulate: OpDescriptor {
  public static let name = "Modulate"
  /// Row of the table that is added.
  public let shiftRow: Int
  /// Row of the table that scales, around one.
  public let scaleRow: Int

  public init(shiftRow: Int, scaleRow: Int) {
    self.shiftRow = shiftRow
    self.scaleRow = scaleRow
  }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 2...2)
    try requireActivation(inputs[0], "x")
    try requireActivation(inputs[1], "table", rank: 2)
    try require(inputs[0].shape.rank >= 1 && inputs[0].shape[-1] == inputs[1].shape[1], "x and table widths differ")
    try require(
      shiftRow >= 0 && scaleRow >= 0 && max(shiftRow, scaleRow) < inputs[1].shape[0], "row outside table")
    return [inputs[0]]
  }

  public func rowInputs(_ inputs: [TensorType]) -> Set<Int>? { inputs[0].shape.rank > 1 ? [0] : nil }

  public func inPlaceInputs(_ inputs: [TensorType]) -> [Int] { [0] }

  public func flops(_ inputs: [TensorType]) -> Int { 3 * inputs[0].shape.count }

  /// Two or three roundings; 7e-15 was seen against float64.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 1e-13 }
}
