import LumosOps
import LumosTensor

extension RMSNorm: ReferenceKernel {
  /// With rotary positions, the plain norm and then `Rotary`.
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (x, weight) = (inputs[0].values, inputs[1].values)
    var result = x
    for row in rows(of: inputs[0].shape) {
      let meanSquare = S.sum(row) { x[$0] * x[$0] } / S(row.count)
      let root = (meanSquare + S(epsilon)).squareRoot()
      for (column, i) in row.enumerated() { result[i] = x[i] / root * weight[column] }
    }
    guard let rotary else { return [result] }
    return rotary.evaluate([ReferenceArray(result, inputs[0].shape), inputs[2], inputs[3]], outputs: outputs)
  }
}
