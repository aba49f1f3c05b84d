import LumosTensor

/// A nonlinearity applied to every element of one float32 tensor of any shape.
public struct Activation: OpDescriptor {
  public static let name = "Activation"

  /// Which function.
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    /// `x / (1 + e^-x)`.
    case silu
    /// `0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    case geluTanh
  }

  /// The function applied.
  public let kind: Kind

  public init(_ kind: Kind) { self.kind = kind }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 1...1)
    try requireActivation(inputs[0], "x")
    return inputs
  }

  public func rowInputs(_ inputs: [TensorType]) -> Set<Int>? { inputs[0].shape.rank > 0 ? [0] : nil }

  public func inPlaceInputs(_ inputs: [TensorType]) -> [Int] { [0] }

  public func flops(_ inputs: [TensorType]) -> Int { 8 * inputs[0].shape.count }

  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 1e-12 }
}
