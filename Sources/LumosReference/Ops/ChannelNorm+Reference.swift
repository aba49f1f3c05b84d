import LumosOps
import LumosTensor

extension ChannelNorm: ReferenceKernel {
  /// With a nonlinearity, the plain norm and then `Activation`.
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (x, gamma) = (inputs[0].values, inputs[1].values)
    let length = S(gamma.count).squareRoot()
    var result = x
    for row in rows(of: inputs[0].shape) {
      let norm = S.sum(row) { x[$0] * x[$0] }.squareRoot()
      for (channel, i) in row.enumerated() { result[i] = x[i] / max(norm, 1e-12) * length * gamma[channel] }
    }
    guard let activation else { return [result] }
    return Activation(activation).evaluate([ReferenceArray(result, inputs[0].shape)], outputs: outputs)
  }
}
