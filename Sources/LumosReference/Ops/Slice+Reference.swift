import LumosOps
import LumosTensor

extension Slice: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let row = inputs[0].shape.rowCount
    return [Array(inputs[0].values[start * row..<(start + count) * row])]
  }
}
