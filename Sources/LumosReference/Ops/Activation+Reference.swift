import LumosOps
import LumosTensor

extension Activation: ReferenceKernel {
  /// Both are `x · sigmoid(v)`: (1 + tanh u) / 2 = sigmoid(2u). An exponential costs a quarter of a hyperbolic tangent,
  /// and there is no difference of nearly equal numbers where the result is small.
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let x = inputs[0].values
    let result = [S](unsafeUninitializedCapacity: x.count) { out, initialized in
      parallelFor(count: x.count, grain: 1 << 14) { range in
        switch kind {
        case .silu: for i in range { out[i] = x[i] / (1 + S.exponential(-x[i])) }
        case .geluTanh:
          let slope = S(2 * (2 / Double.pi).squareRoot())
          for i in range {
            let v = slope * (x[i] + 0.044715 * x[i] * x[i] * x[i])
            out[i] = x[i] / (1 + S.exponential(-v))
          }
        }
      }
      initialized = x.count
    }
    return [result]
  }
}
