import LumosOps
import LumosTensor

extension Embedding: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let table = inputs[1]
    let (rows, width) = (table.shape[0], table.shape[1])
    var result: [S] = []
    result.reserveCapacity(outputs[0].shape.count)
    for id in inputs[0].integers {
      let row = Int(id)
      precondition(row >= 0 && row < rows, "id \(row) for a table of \(rows) rows")
      result += table.values[row * width..<(row + 1) * width]
    }
    return [result]
  }
}
