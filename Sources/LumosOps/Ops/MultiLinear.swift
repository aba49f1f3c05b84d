import LumosTensor

/// Several linear layers of one input in one op: `yᵢ = x Wᵢᵀ + bᵢ`, i below `count`.
///
/// Inputs x `[M, K]` (f32, f16 or bf16: the product's type, as in `Linear`), then all weights `[N, K]` (of one shape and type), then all biases `[N]` if there are any;
/// outputs `count` times `[M, N]`, each in a type of its own. Models build `Linear`; the fusion pass joins query, key and
/// value.
public struct MultiLinear: OpDescriptor {
  public static let name = "MultiLinear"

  /// Types of the outputs, of which there are as many as layers.
  public let dtypes: [DType]
  /// Number of layers.
  public var count: Int { dtypes.count }

  public init(count: Int) { self.init(dtypes: Array(repeating: .f32, count: count)) }

  public init(dtypes: [DType]) { self.dtypes = dtypes }

  /// Whether there are biases among this many inputs.
  public func hasBias(inputCount: Int) -> Bool { inputCount == 1 + 2 * count }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(count > 0 && (inputs.count == 1 + count || inputs.count == 1 + 2 * count), "\(inputs.count) inputs")
    let bias = hasBias(inputCount: inputs.count)
    var outputs: [TensorType] = []
    for i in 0..<count {
      try require(inputs[1 + i] == inputs[1], "weights \(inputs[1]) and \(inputs[1 + i])")
      if bias { try require(inputs[1 + count + i] == inputs[1 + count], "biases of different types") }
      outputs += try Linear(dtype: dtypes[i]).outputTypes(
        [inputs[0], inputs[1 + i]] + (bias ? [inputs[1 + count + i]] : []))
    }
    return outputs
  }

  public func rowInputs(_ inputs: [TensorType]) -> Set<Int>? { inputs[0].shape.rank > 1 ? [0] : nil }

  public func flops(_ inputs: [TensorType]) -> Int { count * Linear().flops([inputs[0], inputs[1]]) }

  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double {
    dtypes.map { Linear(dtype: $0).errorBound(inputs, dtype: dtype) }.max() ?? 0
  }
}
