import LumosGraph
import LumosOps
import LumosTensor

extension TransformerGraph {
  /// A block's result, and the values inside it that goldens compare.
  public struct Block: Sendable {
    /// The residual stream after the block, `[tokens, width]`.
    public let output: Graph.ValueID
    /// Self-attention queries after norm and rotation, `[tokens, width]`.
    public let query: Graph.ValueID
    /// Self-attention keys after norm and rotation, `[tokens, width]`.
    public let key: Graph.ValueID
    /// Self-attention before its output projection, `[tokens, width]`.
    public let selfAttention: Graph.ValueID
    /// Bias of the cross-attention per cell, `[images · cells, heads, textLength]`; nil where it is zero.
    public let textBias: Graph.ValueID?
    /// Cross-attention before its output projection, `[tokens, width]`.
    public let crossAttention: Graph.ValueID
  }

  /// One block (MODEL.md section 6).
  /// - Parameters:
  ///   - x: residual stream `[tokens, width]`.
  ///   - prefix: of the weights' names, `"blocks.0."`.
  ///   - time: the blocks' time embedding `[6, width]`.
  ///   - text: embedded text `[textLength, width]`.
  public func block(
    _ x: Graph.ValueID, _ prefix: String, time: Graph.ValueID, text: Graph.ValueID, relations: Relations,
    in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Block {
    let (width, epsilon) = (configuration.width, configuration.epsilon)
    let offset = try builder.weight(prefix + "modulation", [1, 6, width], layout: .shape([6, width]))
    // Rows: shift, scale and gate of the self-attention, then of the feed-forward.
    let table = try builder.add(time, offset, prefix + "modulation")
    var x = x

    var y = try builder.layerNorm(x, epsilon: epsilon, prefix + "norm1")
    y = try builder.modulate(y, by: table, shiftRow: 0, scaleRow: 1, prefix + "modulate1")
    let own = try selfAttention(y, prefix + "self_attn.", relations: relations, in: &builder)
    y = try builder.linear(own.result, prefix + "self_attn.o", width)
    x = try builder.gatedAdd(x, y, by: table, gateRow: 2, prefix + "gate1")

    y = try builder.layerNorm(x, prefix + "norm3", epsilon: epsilon)
    let cross = try crossAttention(y, text: text, prefix + "cross_attn.", relations: relations, in: &builder)
    y = try builder.linear(cross.result, prefix + "cross_attn.o", width)
    x = try builder.add(x, y, prefix + "cross_attn.residual")

    y = try builder.layerNorm(x, epsilon: epsilon, prefix + "norm2")
    y = try builder.modulate(y, by: table, shiftRow: 3, scaleRow: 4, prefix + "modulate2")
    y = try builder.linear(y, prefix + "ffn.0", configuration.feedForwardWidth)
    y = try builder.activation(.geluTanh, y, prefix + "ffn.1")
    y = try builder.linear(y, prefix + "ffn.2", width)
    x = try builder.gatedAdd(x, y, by: table, gateRow: 5, prefix + "gate2")
    return Block(
      output: x, query: own.query, key: own.key, selfAttention: own.result, textBias: cross.bias,
      crossAttention: cross.result)
  }

  /// Relational self-attention without its output projection.
  private func selfAttention(
    _ y: Graph.ValueID, _ prefix: String, relations: Relations, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> (result: Graph.ValueID, query: Graph.ValueID, key: Graph.ValueID) {
    let rotary = Rotary(heads: configuration.heads)
    let tables = [relations.cosines, relations.sines]
    let query = try normedProjection(y, prefix, "q", in: &builder)
    let key = try normedProjection(y, prefix, "k", in: &builder)
    let turnedQuery = try builder.apply(rotary, [query] + tables, prefix + "rotary_q")
    let turnedKey = try builder.apply(rotary, [key] + tables, prefix + "rotary_k")
    let value = try builder.linear(y, prefix + "v", configuration.width)
    let attention = Attention(heads: configuration.heads, scale: attentionScale, spans: attentionSpans)
    let result = try builder.apply(attention, [turnedQuery, turnedKey, value], prefix + "attention")
    return (result, turnedQuery, turnedKey)
  }

  /// Cross-attention to the text, biased towards the images' own words, without its output projection. All text
  /// positions take part, padding too, as published.
  private func crossAttention(
    _ y: Graph.ValueID, text: Graph.ValueID, _ prefix: String, relations: Relations, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> (result: Graph.ValueID, bias: Graph.ValueID?) {
    let query = try normedProjection(y, prefix, "q", in: &builder)
    let key = try normedProjection(text, prefix, "k", in: &builder)
    let value = try builder.linear(text, prefix + "v", configuration.width)
    var inputs = [query, key, value]
    var kind = Attention.Bias.none
    var bias: Graph.ValueID?
    if let relation = relations.text {
      let pooled = try builder.apply(PooledQueries(relation.cells), [query], prefix + "pooled_q")
      let op = RelationBias(heads: configuration.heads, scale: attentionScale, ratio: configuration.relationRatio)
      let cells = try builder.apply(op, [pooled, key, relation.templates], prefix + "bias")
      inputs.append(cells)
      kind = .relation(relation.cells)
      bias = cells
    }
    let span = Attention.Span(queries: 0..<builder.shape(of: query)[0], keys: 0..<builder.shape(of: key)[0])
    let attention = Attention(heads: configuration.heads, scale: attentionScale, spans: [span], bias: kind)
    return (try builder.apply(attention, inputs, prefix + "attention"), bias)
  }

  /// `RMS(W x + b)` over the full width, before it is split into heads.
  private func normedProjection(
    _ x: Graph.ValueID, _ prefix: String, _ role: String, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let projected = try builder.linear(x, prefix + role, configuration.width)
    return try builder.rmsNorm(projected, prefix + "norm_" + role, epsilon: configuration.epsilon)
  }

  private var attentionScale: Float { 1 / Float(configuration.headWidth).squareRoot() }
}
