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
    /// Self-attention values, `[tokens, width]`.
    public let value: Graph.ValueID
    /// Self-attention before its output projection, `[tokens, width]`.
    public let selfAttention: Graph.ValueID
    /// Bias of the cross-attention per cell, `[images · cells, heads, keys]`; nil where it is zero.
    public let textBias: Graph.ValueID?
    /// Cross-attention before its output projection, `[tokens, width]`.
    public let crossAttention: Graph.ValueID
  }

  /// Keys after norm and rotation, and values, `[tokens, width]` each.
  struct KeyValue: Sendable {
    let key: Graph.ValueID
    let value: Graph.ValueID
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
    var text = Text(embedded: text, lastKeyCount: 1)
    return try block(
      x, prefix, table: blockTable(time, prefix, in: &builder), text: &text, relations: relations, in: &builder)
  }

  /// One block.
  /// - Parameters:
  ///   - table: the block's modulation `[6, width]`. Rows: shift, scale and gate of the self-attention, then of the
  ///     feed-forward.
  ///   - text: takes the keys and values that the block makes of it, for other sequences with the same text.
  ///   - shared: keys and values of another stream that stand behind x's own in self-attention.
  func block(
    _ x: Graph.ValueID, _ prefix: String, table: Graph.ValueID, text: inout Text, relations: Relations,
    behind shared: KeyValue? = nil, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Block {
    let (width, epsilon) = (configuration.width, configuration.epsilon)
    var x = x

    var y = try selfAttentionInput(x, prefix, table: table, in: &builder)
    let own = try selfAttention(y, prefix + "self_attn.", relations: relations, behind: shared, in: &builder)
    y = try builder.linear(own.result, prefix + "self_attn.o", width)
    x = try builder.gatedAdd(x, y, by: table, gateRow: 2, prefix + "gate1")

    y = try builder.layerNorm(x, prefix + "norm3", epsilon: epsilon)
    let cross = try crossAttention(y, text: &text, prefix + "cross_attn.", relations: relations, in: &builder)
    y = try builder.linear(cross.result, prefix + "cross_attn.o", width)
    x = try builder.add(x, y, prefix + "cross_attn.residual")

    y = try builder.layerNorm(x, epsilon: epsilon, prefix + "norm2")
    y = try builder.modulate(y, by: table, shiftRow: 3, scaleRow: 4, prefix + "modulate2")
    y = try builder.linear(y, prefix + "ffn.0", configuration.feedForwardWidth)
    y = try builder.activation(.geluTanh, y, prefix + "ffn.1")
    y = try builder.linear(y, prefix + "ffn.2", width)
    x = try builder.gatedAdd(x, y, by: table, gateRow: 5, prefix + "gate2")
    return Block(
      output: x, query: own.query, key: own.keyValue.key, value: own.keyValue.value, selfAttention: own.result,
      textBias: cross.bias, crossAttention: cross.result)
  }

  /// What the self-attention projects: x, normed and modulated.
  func selfAttentionInput(
    _ x: Graph.ValueID, _ prefix: String, table: Graph.ValueID, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let y = try builder.layerNorm(x, epsilon: configuration.epsilon, prefix + "norm1")
    return try builder.modulate(y, by: table, shiftRow: 0, scaleRow: 1, prefix + "modulate1")
  }

  /// Keys and values of self-attention.
  func keyValue(
    _ y: Graph.ValueID, _ prefix: String, relations: Relations, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> KeyValue {
    let key = try normedProjection(y, prefix, "k", in: &builder)
    let turnedKey = try rotated(key, prefix + "rotary_k", relations: relations, in: &builder)
    return KeyValue(key: turnedKey, value: try builder.linear(y, prefix + "v", configuration.width))
  }

  /// Relational self-attention without its output projection.
  private func selfAttention(
    _ y: Graph.ValueID, _ prefix: String, relations: Relations, behind shared: KeyValue?,
    in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> (result: Graph.ValueID, query: Graph.ValueID, keyValue: KeyValue) {
    let query = try normedProjection(y, prefix, "q", in: &builder)
    let key = try normedProjection(y, prefix, "k", in: &builder)
    let turnedQuery = try rotated(query, prefix + "rotary_q", relations: relations, in: &builder)
    let turnedKey = try rotated(key, prefix + "rotary_k", relations: relations, in: &builder)
    let own = KeyValue(key: turnedKey, value: try builder.linear(y, prefix + "v", configuration.width))
    var all = own
    if let shared {
      all = KeyValue(
        key: try builder.concatenate(own.key, shared.key, prefix + "keys"),
        value: try builder.concatenate(own.value, shared.value, prefix + "values"))
    }
    let attention = Attention(heads: configuration.heads, scale: attentionScale, spans: relations.spans)
    let result = try builder.apply(attention, [turnedQuery, all.key, all.value], prefix + "attention")
    return (result, turnedQuery, own)
  }

  /// Cross-attention to the text, biased towards the images' own words, without its output projection. All text
  /// positions take part, padding too, as published; the last key may stand for many.
  private func crossAttention(
    _ y: Graph.ValueID, text: inout Text, _ prefix: String, relations: Relations, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> (result: Graph.ValueID, bias: Graph.ValueID?) {
    let query = try normedProjection(y, prefix, "q", in: &builder)
    let ofText = try keyValue(&text, prefix, in: &builder)
    let key = ofText.key
    var inputs = [query, key, ofText.value]
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
    let attention = Attention(
      heads: configuration.heads, scale: attentionScale, spans: [span], bias: kind, lastKeyCount: text.lastKeyCount)
    return (try builder.apply(attention, inputs, prefix + "attention"), bias)
  }

  /// A text's keys and values in one cross-attention: those that are known, or new ones.
  private func keyValue(
    _ text: inout Text, _ prefix: String, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> KeyValue {
    if let known = text.keyValues[prefix] { return known }
    let made = KeyValue(
      key: try normedProjection(text.embedded, prefix, "k", in: &builder),
      value: try builder.linear(text.embedded, prefix + "v", configuration.width))
    text.keyValues[prefix] = made
    return made
  }

  /// `RMS(W x + b)` over the full width, before it is split into heads.
  private func normedProjection(
    _ x: Graph.ValueID, _ prefix: String, _ role: String, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let projected = try builder.linear(x, prefix + role, configuration.width)
    return try builder.rmsNorm(projected, prefix + "norm_" + role, epsilon: configuration.epsilon)
  }

  /// Queries or keys, turned by their rows' positions.
  private func rotated(
    _ x: Graph.ValueID, _ label: String, relations: Relations, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    try builder.apply(Rotary(heads: configuration.heads), [x, relations.cosines, relations.sines], label)
  }

  private var attentionScale: Float { 1 / Float(configuration.headWidth).squareRoot() }
}
