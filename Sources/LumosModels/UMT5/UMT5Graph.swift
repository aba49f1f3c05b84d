import LumosGraph
import LumosOps
import LumosTensor

/// Builds the text encoder's graph (MODEL.md section 5).
public struct UMT5Graph: Sendable {
  /// Sizes.
  public let configuration: UMT5Configuration

  /// An encoder of these sizes.
  public init(_ configuration: UMT5Configuration) { self.configuration = configuration }

  /// The encoder over token ids `[n]` (i32): hidden states `[n, width]`.
  ///
  /// Real tokens never read padding, so a prompt is encoded without any: `realTokens` then is n.
  /// - Parameter realTokens: keys that take part; positions from there on are padding, computed but not read.
  public func encode(
    _ ids: Graph.ValueID, realTokens: Int, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let table = try builder.weight("token_embedding.weight", [configuration.vocabulary, configuration.width])
    var x = try builder.apply(Embedding(), [ids, table], "token_embedding")
    for layer in 0..<configuration.layers {
      x = try block(x, "blocks.\(layer).", realTokens: realTokens, in: &builder)
    }
    return try builder.rmsNorm(x, "norm", epsilon: configuration.epsilon)
  }

  private func block(
    _ x: Graph.ValueID, _ prefix: String, realTokens: Int, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let (width, inner) = (configuration.width, configuration.attentionWidth)
    var y = try builder.rmsNorm(x, prefix + "norm1", epsilon: configuration.epsilon)
    let query = try builder.linear(y, prefix + "attn.q", inner, bias: false)
    let key = try builder.linear(y, prefix + "attn.k", inner, bias: false)
    let value = try builder.linear(y, prefix + "attn.v", inner, bias: false)
    let buckets = RelativeBuckets(count: configuration.buckets, maxDistance: configuration.maxDistance)
    let positions = try builder.weight(
      prefix + "pos_embedding.embedding.weight", [configuration.buckets, configuration.heads])
    // T5 folds 1/√d into its initialisation: scores are not scaled.
    let attention = Attention(
      heads: configuration.heads, scale: 1,
      spans: [Attention.Span(queries: 0..<builder.shape(of: x)[0], keys: 0..<realTokens)],
      bias: .relativePosition(buckets))
    y = try builder.apply(attention, [query, key, value, positions], prefix + "attn.attention")
    y = try builder.linear(y, prefix + "attn.o", width, bias: false)
    let x = try builder.add(x, y, prefix + "attn.residual")

    y = try builder.rmsNorm(x, prefix + "norm2", epsilon: configuration.epsilon)
    var gate = try builder.linear(y, prefix + "ffn.gate.0", configuration.feedForwardWidth, bias: false)
    gate = try builder.activation(.geluTanh, gate, prefix + "ffn.gate.1")
    let hidden = try builder.linear(y, prefix + "ffn.fc1", configuration.feedForwardWidth, bias: false)
    y = try builder.multiply(gate, hidden, prefix + "ffn.gated")
    y = try builder.linear(y, prefix + "ffn.fc2", width, bias: false)
    return try builder.add(x, y, prefix + "ffn.residual")
  }
}
