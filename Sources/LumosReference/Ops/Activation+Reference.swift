import LumosOps
import LumosTensor

extension Activation: ReferenceKernel {
  @specialized(where S == Float)
  @specialized(where S == Double)
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let x = inputs[0].values
    let result = [S](unsafeUninitializedCapacity: x.count) { out, initialized in
      parallelFor(count: x.count, grain: 1 << 14) { range in
        switch kind {
        case .silu: for i in range { out[i] = x[i] / (1 + S.exponential(-x[i])) }
        case .geluTanh:
          let slope = S((2 / Double.pi).squareRoot())
          for i in range {
            let u = slope * (x[i] + 0.044715 * x[i] * x[i] * x[i])
            out[i] = 0.5 * x[i] * (1 + S.hyperbolicTangent(u))
          }
        }
      }
      initialized = x.count
    }
    return [result]
  }
}
