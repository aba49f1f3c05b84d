import LumosOps
import LumosTensor

extension Rotary: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (x, cosines, sines) = (inputs[0].values, inputs[1].values, inputs[2].values)
    let (tokens, pairs) = (inputs[1].shape[0], inputs[1].shape[1])
    var result = [S](repeating: 0, count: x.count)
    result.withUnsafeMutableBufferPointer { result in
      parallelFor(count: tokens, grain: 64) { range in
        for token in range {
          for head in 0..<heads {
            for pair in 0..<pairs {
              let i = ((token * heads + head) * pairs + pair) * 2
              let (cosine, sine) = (cosines[token * pairs + pair], sines[token * pairs + pair])
              result[i] = x[i] * cosine - x[i + 1] * sine
              result[i + 1] = x[i] * sine + x[i + 1] * cosine
            }
          }
        }
      }
    }
    return [result]
  }
}
