import LumosOps
import LumosTensor

extension ChannelNorm: ReferenceKernel {
  /// The plain norm, then `Activation` where there is one.
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (x, gamma) = (inputs[0].values, inputs[1].values)
    let length = S(gamma.count).squareRoot()
    var result = x
    for row in rows(of: inputs[0].shape) {
      let norm = S.sum(row) { x[$0] * x[$0] }.squareRoot()
      for (channel, i) in row.enumerated() { result[i] = x[i] / max(norm, 1e-12) * length * gamma[channel] }
    }
    if let activation {
      result = Activation(activation).evaluate([ReferenceArray(result, inputs[0].shape)], outputs: outputs)[0]
    }
    return [result]
  }
}
