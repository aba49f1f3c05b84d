import LumosOps
import LumosTensor

extension Modulate: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (x, table) = (inputs[0].values, inputs[1].values)
    let width = inputs[1].shape[1]
    return [
      x.indices.map { i in
        let column = i % width
        return x[i] * (1 + table[scaleRow * width + column]) + table[shiftRow * width + column]
      }
    ]
  }
}
