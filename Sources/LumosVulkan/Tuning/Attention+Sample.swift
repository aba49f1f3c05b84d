import LumosOps
import LumosTensor

extension Attention {
  /// The first queries and keys, and of condition images as many as there is room for, whole or at least their upper rows.
  /// The spans are cut to match, so that a tile takes as long for a query and key as in the original.
  public func sample(_ inputs: [TensorType], rows: Int) -> Tuner.Evaluation {
    let (q, k) = (inputs[0], inputs[1])
    var bias = bias
    var queries = min(q.shape[0], rows)
    let keys = min(k.shape[0], rows)
    if case .relation(let cells) = bias {
      let cells = cells.sample(rows: queries)
      queries = cells.firstToken + cells.images * cells.area
      bias = .relation(cells)
    }
    var spans = spans.compactMap { $0.clipped(queries: queries, keys: keys) }
    if spans.isEmpty && !self.spans.isEmpty { spans = [Span(queries: 0..<queries, keys: 0..<keys)] }
    var types = [[queries], [keys], [keys]].enumerated().map { index, length in
      TensorType(Shape(length + [q.shape[1]]), inputs[index].dtype)
    }
    switch bias {
    case .none: break
    case .relation(let cells):
      types.append(TensorType([cells.images * cells.cellsPerImage, heads, keys], inputs[3].dtype))
    case .relativePosition: types.append(inputs[3])
    }
    let op = Attention(
      heads: heads, scale: scale, spans: spans, bias: bias, lastKeyCount: lastKeyCount, dtype: dtype)
    return Tuner.Evaluation(op, types)
  }
}

extension Attention.Span {
  /// What is left of the span among the first queries and keys; nil if nothing is.
  fileprivate func clipped(queries: Int, keys: Int) -> Self? {
    let (lastQuery, lastKey) = (min(queryEnd, queries), min(keyEnd, keys))
    guard queryStart < lastQuery, keyStart < lastKey else { return nil }
    return Self(queries: queryStart..<lastQuery, keys: keyStart..<lastKey)
  }
}

extension RelationCells {
  /// As many of the images as fit `rows` tokens, behind what room they leave of the tokens before; at least the upper
  /// rows of one.
  fileprivate func sample(rows: Int) -> RelationCells {
    guard images > 0, area > 0 else {
      return RelationCells(firstToken: min(firstToken, rows), images: 0, height: height, width: width, pool: pool)
    }
    let fitting = min(height, max(rows / width, 1))
    let count = min(images, max(rows / (fitting * width), 1))
    return RelationCells(
      firstToken: min(firstToken, max(rows - count * fitting * width, 0)), images: count, height: fitting, width: width,
      pool: pool)
  }
}
