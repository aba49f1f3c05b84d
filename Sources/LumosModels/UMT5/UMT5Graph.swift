import LumosGraph
import LumosOps
import LumosTensor

/// Builds the text encoder's graph (MODEL.md section 5).
public struct UMT5Graph: Sendable {
  /// Sizes.
  public let configuration: UMT5Configuration

  /// An encoder of these sizes.
  public init(_ configuration: UMT5Configuration) { self.configuration = configuration }

  /// Name of the table of token embeddings, of which the graph takes the rows that it needs as its input.
  public static let embeddingTable = "token_embedding.weight"

  /// The encoder over embedded tokens `[n, width]`: hidden states `[n, width]`.
  ///
  /// Real tokens never read padding, so prompts are encoded without any.
  /// - Parameter spans: which tokens attend to which. Prompts that stand one behind the other attend to themselves;
  ///   positions that no span has as keys are padding, computed but not read.
  public func encode(
    _ embedded: Graph.ValueID, spans: [Attention.Span], in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    // Its activations exceed what f16 holds; in half precision of that type it computes in float32.
    let x = try builder.withFactors(in: [.bf16]) { builder throws(GraphBuilder.Failure) in
      var x = embedded
      for layer in 0..<configuration.layers {
        x = try block(x, "blocks.\(layer).", spans: spans, in: &builder)
      }
      return x
    }
    return try builder.rmsNorm(x, "norm", epsilon: configuration.epsilon)
  }

  private func block(
    _ x: Graph.ValueID, _ prefix: String, spans: [Attention.Span], in builder: inout GraphBuilder
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
      heads: configuration.heads, scale: 1, spans: spans, bias: .relativePosition(buckets))
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
