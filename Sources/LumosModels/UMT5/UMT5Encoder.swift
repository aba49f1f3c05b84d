import LumosGraph
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

  /// Hidden states of a prompt, f32 `[n, width]`, for its `n` real token ids (no padding).
  /// - Throws: `LumosError` for ids outside the vocabulary and for a checkpoint that does not fit; whatever the backend
  ///   throws.
  public func encode(_ ids: [Int32]) throws -> Tensor {
    let vocabulary = model.configuration.vocabulary
    guard !ids.isEmpty else { throw LumosError(.internalDefect, "a prompt without tokens, not even an end token") }
    if let position = ids.firstIndex(where: { $0 < 0 || $0 >= vocabulary }) {
      throw LumosError(
        .badInput, "token id \(ids[position]) is outside the vocabulary of \(vocabulary)", at: "token \(position)",
        advice: "use the tokenizer that belongs to the text encoder")
    }
    let graph = try GraphBuilder.graph(of: "text encoder", weights: weights) { builder throws(GraphBuilder.Failure) in
      let input = builder.input("ids", TensorType([ids.count], .i32))
      builder.output("context", try model.encode(input, realTokens: ids.count, in: &builder))
    }
    let executable = try session.compile(graph)
    return try executable.run(["ids": Tensor(ids, [ids.count])], output: "context")
  }
}
