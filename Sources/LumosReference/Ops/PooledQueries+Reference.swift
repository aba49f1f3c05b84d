import LumosOps
import LumosTensor

extension PooledQueries: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let q = inputs[0].values
    let width = inputs[0].shape[1]
    var result = [S](repeating: 0, count: outputs[0].shape.count)
    for image in 0..<cells.images {
      for row in 0..<cells.height {
        for column in 0..<cells.width {
          let token = cells.firstToken + image * cells.area + row * cells.width + column
          let cell = image * cells.cellsPerImage + row / cells.pool * cells.columns + column / cells.pool
          for channel in 0..<width { result[cell * width + channel] += q[token * width + channel] }
        }
      }
    }
    // The divisor counts the zeros beyond the border.
    let inverse = 1 / S(cells.pool * cells.pool)
    return [result.map { $0 * inverse }]
  }
}
