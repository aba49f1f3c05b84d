import LumosOps
import LumosTensor

extension Elementwise: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (a, b) = (inputs[0].values, inputs[1].values)
    var result = a
    for start in stride(from: 0, to: a.count, by: max(b.count, 1)) {
      for i in b.indices {
        switch kind {
        case .add: result[start + i] += b[i]
        case .multiply: result[start + i] *= b[i]
        }
      }
    }
    return [result]
  }
}
