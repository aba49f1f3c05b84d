import LumosOps
import LumosTensor

extension RelationBias: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (queries, keys, weights) = (inputs[0], inputs[1], inputs[2])
    let (cells, keyCount, width) = (queries.shape[0], keys.shape[0], queries.shape[1])
    let size = width / heads
    let cellsPerImage = cells / weights.shape[0]
    var result = [S](repeating: 0, count: outputs[0].shape.count)
    result.withUnsafeMutableBufferPointer { result in
      queries.values.withUnsafeBufferPointer { q in
        keys.values.withUnsafeBufferPointer { k in
          guard let q = q.baseAddress, let k = k.baseAddress, let scores = result.baseAddress else { return }
          for head in 0..<heads {
            S.parallelMatrixMultiplyTransposed(
              rows: cells, columns: keyCount, inner: size, q + head * size, width, k + head * size, width,
              scores + head * keyCount, heads * keyCount, add: false)
          }
        }
      }
      for cell in 0..<cells {
        let image = cell / cellsPerImage
        for head in 0..<heads {
          let row = (cell * heads + head) * keyCount
          for key in 0..<keyCount {
            let strength = S(ratio) * abs(S(scale) * result[row + key])
            result[row + key] = strength * weights.values[image * keyCount + key]
          }
        }
      }
    }
    return [result]
  }
}
