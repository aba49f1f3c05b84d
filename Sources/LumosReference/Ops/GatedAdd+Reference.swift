import LumosOps
import LumosTensor

extension GatedAdd: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (x, y, table) = (inputs[0].values, inputs[1].values, inputs[2].values)
    let width = inputs[2].shape[1]
    return [x.indices.map { x[$0] + y[$0] * table[gateRow * width + $0 % width] }]
  }
}
