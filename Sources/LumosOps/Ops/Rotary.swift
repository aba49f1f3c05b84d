import LumosTensor

/// Rotary positions: in every head, channels (2p, 2p+1) turn by the token's angle p. Inputs x `[L, heads·d]`,
/// cosines `[L, d/2]`, sines `[L, d/2]` (MODEL.md section 7; the tables hold the relational positions).
public struct Rotary: OpDescriptor {
  public static let name = "Rotary"
  /// Number of heads that x is split into.
  public let heads: Int

  public init(heads: Int) { self.heads = heads }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 3...3)
    try requireActivation(inputs[0], "x", rank: 2)
    let (length, width) = (inputs[0].shape[0], inputs[0].shape[1])
    try require(heads > 0 && width % (2 * heads) == 0, "width \(width) is not \(heads) heads of even size")
    for (input, role) in zip(inputs.dropFirst(), ["cosines", "sines"]) {
      try requireActivation(input, role, rank: 2)
      try require(input.shape == [length, width / heads / 2], "\(role) \(input.shape) for x \(inputs[0].shape)")
    }
    return [inputs[0]]
  }

  public func rowInputs(_ inputs: [TensorType]) -> Set<Int>? { [0, 1, 2] }

  /// An invocation reads both channels of a pair before it writes them.
  public func inPlaceInputs(_ inputs: [TensorType]) -> [Int] { [0] }

  public func flops(_ inputs: [TensorType]) -> Int { 3 * inputs[0].shape.count }

  /// Two products and a sum; 2e-15 was seen against float64.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 1e-13 }
}
