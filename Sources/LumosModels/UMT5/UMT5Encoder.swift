import LumosGraph
import LumosOps
import LumosTensor

/// Encodes prompts: the text encoder on a session.
public final class UMT5Encoder {
  private let session: any Session
  private let weights: any WeightSource
  private let model: UMT5Graph

  /// - Parameter session: made with `weights`.
  public init(_ configuration: UMT5Configuration, session: any Session, weights: any WeightSource) {
    model = UMT5Graph(configuration)
    self.session = session
    self.weights = weights
  }

  /// Hidden states of a prompt, f32 `[n, width]`, for its `n` real token ids (no padding). Errors as for several.
  public func encode(_ ids: [Int32]) throws -> Tensor { try encode([ids])[0] }

  /// Hidden states of prompts, each f32 `[n, width]`, for their `n` real token ids (no padding).
  ///
  /// The prompts stand one behind the other in one graph, in which each attends to itself alone, so that every weight is
  /// read once for all of them.
  /// - Throws: `LumosError` for ids outside the vocabulary and for a checkpoint that does not fit; whatever the backend
  ///   throws.
  public func encode(_ prompts: [[Int32]]) throws -> [Tensor] {
    guard prompts.allSatisfy({ !$0.isEmpty }) else {
      throw LumosError(.internalDefect, "a prompt without tokens, not even an end token")
    }
    let embedded = try embedding(prompts.flatMap { $0 })
    var ranges: [Range<Int>] = []
    for prompt in prompts {
      let start = ranges.last?.upperBound ?? 0
      ranges.append(start..<start + prompt.count)
    }
    let graph = try GraphBuilder.graph(of: "text encoder", weights: weights) { builder throws(GraphBuilder.Failure) in
      let input = builder.input("embedding", embedded.type)
      let spans = ranges.map { Attention.Span(queries: $0, keys: $0) }
      builder.output("context", try model.encode(input, spans: spans, in: &builder))
    }
    let executable = try session.compile(graph)
    let context = try executable.run(["embedding": embedded], output: "context")
    return ranges.map { context.rows($0) }
  }

  /// The rows of the embedding table for token ids, f32 `[n, width]`.
  ///
  /// They are gathered on the host: the table has a row for each of a quarter of a million tokens, 2 GB in f16, of which a
  /// prompt needs some hundred.
  /// - Throws: `LumosError(.badInput)` for an id outside the vocabulary and a table that does not fit; whatever reading
  ///   it throws.
  public func embedding(_ ids: [Int32]) throws -> Tensor {
    let (vocabulary, width) = (model.configuration.vocabulary, model.configuration.width)
    if let position = ids.firstIndex(where: { $0 < 0 || $0 >= vocabulary }) {
      throw LumosError(
        .badInput, "token id \(ids[position]) is outside the vocabulary of \(vocabulary)", at: "token \(position)",
        advice: "use the tokenizer that belongs to the text encoder")
    }
    let name = UMT5Graph.embeddingTable
    guard let type = weights.type(ofWeight: name), type.shape == [vocabulary, width], type.dtype.isFloat else {
      throw LumosError(
        .badInput, "the checkpoint does not fit the text encoder",
        at: "\(name) is \(weights.type(ofWeight: name).map { "\($0)" } ?? "missing"), not [\(vocabulary), \(width)]")
    }
    let rowBytes = type.rowByteCount
    let rows = try Tensor([ids.count, width], type.dtype) { target in
      for (index, id) in ids.enumerated() {
        let row = UnsafeMutableRawBufferPointer(rebasing: target[index * rowBytes..<(index + 1) * rowBytes])
        try weights.read(name, bytes: Int(id) * rowBytes..<(Int(id) + 1) * rowBytes, into: row)
      }
    }
    return rows.converted(to: .f32)
  }
}
