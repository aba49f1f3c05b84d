import LumosOps
import LumosTensor

extension Linear: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (x, weight) = (inputs[0].values, inputs[1].factors(of: inputs[0].dtype).values)
    let (width, depth) = (inputs[1].shape[0], inputs[1].shape[1])
    let rows = outputs[0].shape.dimensions.dropLast().reduce(1, *)
    let result = [S](unsafeUninitializedCapacity: rows * width) { out, initialized in
      initialized = rows * width
      guard let y = out.baseAddress else { return }
      // The sums start from the bias, where there is one.
      let hasBias = hasBias(inputCount: inputs.count)
      if hasBias { y.fillRows(rows, with: inputs[2].values) }
      S.parallelMatrixMultiplyTransposed(
        rows: rows, columns: width, inner: depth, x, depth, weight, depth, y, width, add: hasBias)
    }
    let y = ReferenceArray(result, outputs[0].shape)
    switch epilogue {
    case .none: return [result]
    case .activation(let kind): return Activation(kind).evaluate([y], outputs: outputs)
    case .add: return [zip(inputs[inputs.count - 1].values, result).map { $0 + $1 }]
    case .gatedAdd(let row):
      let (residual, table) = (inputs[inputs.count - 2], inputs[inputs.count - 1])
      return GatedAdd(gateRow: row).evaluate([residual, y, table], outputs: outputs)
    }
  }
}

extension UnsafeMutablePointer where Pointee: ReferenceScalar {
  /// Copies `row` to each of `count` rows that follow one another from here.
  func fillRows(_ count: Int, with row: [Pointee]) {
    for i in 0..<count { (self + i * row.count).initialize(from: row, count: row.count) }
  }
}
