import LumosTensor

/// `y = x Wᵀ + b`: inputs x `[M, K]`, weight `[N, K]`, optionally bias `[N]`; output `[M, N]`.
///
/// Any leading axes of x are rows. x may be f32, f16 or bf16 and gives the product its type: with a half type the weights
/// are rounded to it where they are stored in another (`OpDescriptor`). Bias and sums are float32. An epilogue applies to y before it is stored; its operands
/// come behind the others. Models build plain linear layers; the fusion pass adds epilogues.
public struct Linear: OpDescriptor {
  public static let name = "Linear"

  /// What happens to y on its way out.
  public enum Epilogue: Sendable, Hashable {
    /// Nothing.
    case none
    /// A nonlinearity.
    case activation(Activation.Kind)
    /// `residual + y`; one more input, residual, shaped like the output.
    case add
    /// `residual + y · table[gateRow]`; two more inputs, residual shaped like the output and table `[R, N]`.
    case gatedAdd(gateRow: Int)

    /// Number of operands of its own.
    public var operandCount: Int {
      switch self {
      case .none, .activation: 0
      case .add: 1
      case .gatedAdd: 2
      }
    }
  }

  /// What happens to y on its way out.
  public let epilogue: Epilogue
  /// Type of the output: f32, or f16 or bf16 as `Convert` makes them where there is no residual. The fusion pass moves it
  /// in here.
  public let dtype: DType

  public init(epilogue: Epilogue = .none, dtype: DType = .f32) {
    self.epilogue = epilogue
    self.dtype = dtype
  }

  /// Whether there is a bias among this many inputs.
  public func hasBias(inputCount: Int) -> Bool { inputCount - epilogue.operandCount == 3 }

  /// Position of the residual among this many inputs, or nil.
  public func residualInput(inputCount: Int) -> Int? {
    switch epilogue {
    case .none, .activation: nil
    case .add, .gatedAdd: inputCount - epilogue.operandCount
    }
  }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    let extra = epilogue.operandCount
    try require(inputs, count: 2 + extra...3 + extra)
    try requireFactor(inputs[0], "x")
    try require(inputs[0].shape.rank >= 1 && inputs[1].shape.rank == 2, "x \(inputs[0].shape), W \(inputs[1].shape)")
    let width = inputs[0].shape[-1]
    let outputs = inputs[1].shape[0]
    try requireBlocks(inputs[1], "weight", [outputs, width])
    if hasBias(inputCount: inputs.count) { try requireWeight(inputs[2], "bias", [outputs]) }
    let output = TensorType(Shape(inputs[0].shape.dimensions.dropLast() + [outputs]), dtype)
    try requireResult(dtype)
    if extra > 0 {
      try require(dtype == .f32, "a sum with a residual is f32, not \(dtype.rawValue)")
      let residual = inputs[inputs.count - extra]
      try require(residual == output, "residual \(residual) for output \(output)")
    }
    if case .gatedAdd(let row) = epilogue {
      let table = inputs[inputs.count - 1]
      try requireActivation(table, "table", rank: 2)
      try require(
        table.shape[1] == outputs && row >= 0 && row < table.shape[0], "row \(row) of table \(table.shape)")
    }
    return [output]
  }

  public func rowInputs(_ inputs: [TensorType]) -> Set<Int>? {
    guard inputs[0].shape.rank > 1 else { return nil }
    return residualInput(inputCount: inputs.count).map { [0, $0] } ?? [0]
  }

  /// The residual is read where the result is written, by the invocation that writes it.
  public func inPlaceInputs(_ inputs: [TensorType]) -> [Int] {
    residualInput(inputCount: inputs.count).map { [$0] } ?? []
  }

  public func flops(_ inputs: [TensorType]) -> Int { 2 * inputs[0].shape.count * inputs[1].shape[0] }

  /// Rounding errors of a sum of `inner` products of the type `factors`. Added up one after another in float32 their mean
  /// square grows with the number of terms.
  ///
  /// Products of half types are exact in float32, but Vulkan does not say how matrix units round sums. Some cut them off
  /// after every 16 products: errors then have one sign, are half a unit in the last place of the sum so far, two thirds
  /// of the last one on average, and add up to a share of 2⁻²⁴ · ⅔ · inner / 16. Its square is 6e-18 · inner².
  static func sumErrorBound(inner: Int, factors: DType) -> Double {
    let inner = Double(inner)
    return 1e-13 + 1e-15 * inner + (factors.isHalf ? 6e-18 * inner * inner : 0)
  }

  /// That of the sum (`sumErrorBound`). An epilogue adds its own.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double {
    let sum = Self.sumErrorBound(inner: inputs[0].shape[-1], factors: inputs[0].dtype)
    guard case .activation(let kind) = epilogue else { return bound(sum, roundedTo: self.dtype) }
    return bound(sum + Activation(kind).errorBound([], dtype: dtype), roundedTo: self.dtype)
  }
}
