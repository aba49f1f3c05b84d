import LumosOps
import LumosTensor

extension LayerNorm: ReferenceKernel {
  /// With modulation, the plain norm and then `Modulate`.
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let isAffine = isAffine(inputCount: inputs.count)
    var result = inputs[0].values
    for row in rows(of: inputs[0].shape) {
      let width = S(row.count)
      // Twice, because the mean of a row far from zero is itself rounded: the second turn removes what is left.
      for _ in 0..<2 {
        let mean = S.sum(row) { result[$0] } / width
        for i in row { result[i] -= mean }
      }
      let variance = S.sum(row) { result[$0] * result[$0] } / width
      let deviation = (variance + S(epsilon)).squareRoot()
      for (column, i) in row.enumerated() {
        result[i] /= deviation
        if isAffine { result[i] = result[i] * inputs[1].values[column] + inputs[2].values[column] }
      }
    }
    guard let modulation else { return [result] }
    return modulation.evaluate([ReferenceArray(result, inputs[0].shape), inputs[inputs.count - 1]], outputs: outputs)
  }
}
