import LumosOps
import LumosTensor

extension Attention: ReferenceKernel {
  /// Largest number of scores that a block of queries holds at once.
  private static let blockScores = 1 << 22

  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let width = inputs[0].shape[1]
    let bias = AttentionBias(self, inputs)
    let keys = inputs[1].shape[0]
    let blocks = self.blocks
    var result = [S](repeating: 0, count: outputs[0].shape.count)
    result.withUnsafeMutableBufferPointer { result in
      // Nothing to do without results or keys, and no address to give to BLAS.
      guard let result = result.baseAddress else { return }
      inputs[0].values.withUnsafeBufferPointer { q in
        inputs[1].values.withUnsafeBufferPointer { k in
          inputs[2].values.withUnsafeBufferPointer { v in
            guard let q = q.baseAddress, let k = k.baseAddress, let v = v.baseAddress else { return }
            parallelFor(count: blocks.count * heads, grain: 1) { range in
              for index in range {
                evaluate(blocks[index / heads], head: index % heads, q, k, v, bias, result, width, keys)
              }
            }
          }
        }
      }
    }
    return [result]
  }

  /// The spans, cut so that the scores of a block stay small.
  private var blocks: [Span] {
    spans.flatMap { span -> [Span] in
      let keys = span.keyEnd - span.keyStart
      guard keys > 0 else { return [] }
      let rows = min(max(Self.blockScores / keys, 16), 256)
      return stride(from: span.queryStart, to: span.queryEnd, by: rows).map {
        Span(queries: $0..<min($0 + rows, span.queryEnd), keys: span.keyStart..<span.keyEnd)
      }
    }
  }

  /// `softmax(scale · q kᵀ + bias) v` for one block and head; `allKeys` is the number of keys of the whole op.
  private func evaluate<S: ReferenceScalar>(
    _ block: Span, head: Int, _ q: UnsafePointer<S>, _ k: UnsafePointer<S>, _ v: UnsafePointer<S>,
    _ bias: AttentionBias<S>, _ result: UnsafeMutablePointer<S>, _ width: Int, _ allKeys: Int
  ) {
    let size = width / heads
    let (rows, keys) = (block.queryEnd - block.queryStart, block.keyEnd - block.keyStart)
    let scores = UnsafeMutableBufferPointer<S>.allocate(capacity: rows * keys)
    defer { scores.deallocate() }
    guard let first = scores.baseAddress else { return }
    S.matrixMultiplyTransposed(
      rows: rows, columns: keys, inner: size,
      q + block.queryStart * width + head * size, width, k + block.keyStart * width + head * size, width,
      first, keys, add: false)
    let folds = lastKeyCount > 1 && block.keyEnd == allKeys
    let isPlain = self.bias == .none && !folds && scale >= 0
    var sums: [S] = []
    for row in 0..<rows {
      let scores = UnsafeMutableBufferPointer(rebasing: scores[row * keys..<(row + 1) * keys])
      if !isPlain {
        for key in 0..<keys { scores[key] *= S(scale) }
        bias.add(to: scores, query: block.queryStart + row, firstKey: block.keyStart, head: head)
        if folds { scores[keys - 1] += S(lastKeyWeight) }
      }
      sums.append(S.exponentials(scores, factor: isPlain ? S(scale) : 1))
    }
    let result = result + block.queryStart * width + head * size
    S.matrixMultiply(
      rows: rows, columns: size, inner: keys, first, keys, v + block.keyStart * width + head * size, width, result,
      width, add: false)
    // A row of results is shorter than its row of probabilities: the sum is divided out here.
    for row in 0..<rows {
      let inverse = 1 / sums[row]
      for channel in 0..<size { result[row * width + channel] *= inverse }
    }
  }
}

/// The additive bias of `Attention`, as contiguous rows over keys.
private struct AttentionBias<S: ReferenceScalar>: Sendable {
  private let op: Attention
  private let values: [S]
  /// Keys of a row of `values` (`relation`), or positions on either side of distance 0 and 0 itself
  /// (`relativePosition`).
  private let length: Int

  init(_ op: Attention, _ inputs: [ReferenceArray<S>]) {
    self.op = op
    switch op.bias {
    case .none:
      values = []
      length = 0
    case .relation:
      values = inputs[3].values
      length = inputs[1].shape[0]
    case .relativePosition(let buckets):
      // The table, spread over distances: row `head`, entry `distance + length - 1`.
      let length = max(inputs[0].shape[0], inputs[1].shape[0], 1)
      let table = inputs[3].values
      let bucketOfDistance = buckets.table(length: length)
      values = (0..<op.heads).flatMap { head in bucketOfDistance.map { table[Int($0) * op.heads + head] } }
      self.length = length
    }
  }

  /// Adds the bias of `query` and the keys from `firstKey` on.
  func add(to scores: UnsafeMutableBufferPointer<S>, query: Int, firstKey: Int, head: Int) {
    let start: Int
    switch op.bias {
    case .none: return
    case .relation(let cells):
      guard query >= cells.firstToken else { return }
      start = (cells.cell(ofToken: query) * op.heads + head) * length + firstKey
    case .relativePosition: start = head * (2 * length - 1) + firstKey - query + length - 1
    }
    for i in scores.indices { scores[i] += values[start + i] }
  }
}
