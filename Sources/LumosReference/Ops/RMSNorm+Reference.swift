import LumosOps
import LumosTensor

extension RMSNorm: ReferenceKernel {
  @specialized(where S == Float)
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (x, weight) = (inputs[0].values, inputs[1].values)
    var result = x
    for row in rows(of: inputs[0].shape) {
      let meanSquare = S.sum(row) { x[$0] * x[$0] } / S(row.count)
      let root = (meanSquare + S(epsilon)).squareRoot()
      for (column, i) in row.enumerated() { result[i] = x[i] / root * weight[column] }
    }
    return [result]
  }
}
