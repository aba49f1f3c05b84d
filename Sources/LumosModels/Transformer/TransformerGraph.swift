import LumosGraph
import LumosOps
import LumosTensor

/// Builds the diffusion transformer's graph for one layout (MODEL.md section 6).
///
/// Latents are channels last, `[frames, h, w, channels]`. Several branches (prompt, negative prompt) may stand in one
/// graph: weights are shared, and so are the values of `Relations` and `TimeEmbedding`, which no branch changes.
public struct TransformerGraph: Sendable {
  /// Sizes.
  public let configuration: TransformerConfiguration
  /// Who is in the sequence.
  public let layout: Layout
  /// Spans of self-attention; those of the layout unless a golden needs others.
  public let attentionSpans: [Attention.Span]

  /// A network of these sizes for this sequence; the width is a multiple of twice the heads.
  public init(
    _ configuration: TransformerConfiguration, layout: Layout, attentionSpans: [Attention.Span]? = nil
  ) {
    self.configuration = configuration
    self.layout = layout
    self.attentionSpans = attentionSpans ?? layout.attentionSpans
  }

  /// Half types for the factors of products that stay float32 in half precision too: the time embedding and the head, as
  /// published (MODEL.md section 6), and the patch embedding, a ten-thousandth of the arithmetic, whose result is the
  /// residual stream.
  private static let single: Set<DType> = []

  /// How the rows of a sequence relate to each other and to the text, in all blocks.
  public struct Relations: Sendable {
    /// Cosines of the rotary positions, `[tokens, headWidth / 2]`.
    public let cosines: Graph.ValueID
    /// Sines of the rotary positions, `[tokens, headWidth / 2]`.
    public let sines: Graph.ValueID
    /// Spans of self-attention.
    public let spans: [Attention.Span]
    /// Cells and templates `[conditions, keys]` of the text bias; nil where it is zero.
    public internal(set) var text: (cells: RelationCells, templates: Graph.ValueID)?
  }

  /// What the blocks read of a branch's text.
  public struct Text: Sendable {
    /// The embedded keys, `[keys, width]`.
    public let embedded: Graph.ValueID
    /// How many positions the last key stands for.
    public let lastKeyCount: Int
    /// Keys and values that blocks have made of it, by the prefix of their weights: all sequences read the same.
    var keyValues: [String: KeyValue] = [:]

    init(embedded: Graph.ValueID, lastKeyCount: Int) {
      self.embedded = embedded
      self.lastKeyCount = lastKeyCount
    }
  }

  /// The timestep, embedded.
  public struct TimeEmbedding: Sendable {
    /// For the head, `[1, width]`.
    public let head: Graph.ValueID
    /// For the blocks, `[6, width]`.
    public let blocks: Graph.ValueID
  }

  /// The timestep's embedding with the network's own offsets added; all branches share it.
  public struct Modulation: Sendable {
    /// Per block `[6, width]`: shift, scale and gate of the self-attention, then of the feed-forward.
    public let blocks: [Graph.ValueID]
    /// For the head, `[2, width]`: shift and scale.
    public let head: Graph.ValueID
  }

  /// Rotary tables as constants, and the text templates as the input `"templates"` if the layout needs them.
  public func relations(in builder: inout GraphBuilder) -> Relations {
    var relations = sequenceRelations(in: &builder)
    relations.text = layout.relationCells(pool: configuration.relationPool).map { cells in
      let type = TensorType([layout.conditions, configuration.textLength], .f32)
      return (cells: cells, templates: builder.input("templates", type))
    }
    return relations
  }

  /// The same without templates, which belong to a branch.
  func sequenceRelations(in builder: inout GraphBuilder) -> Relations {
    let tables = layout.rotaryTables(headWidth: configuration.headWidth)
    return Relations(
      cosines: builder.constant(tables.cosines), sines: builder.constant(tables.sines), spans: attentionSpans,
      text: nil)
  }

  /// The two-layer embedding of the wave `[1, frequencyWidth]`, and its projection to the blocks' six rows.
  public func timeEmbedding(
    _ wave: Graph.ValueID, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> TimeEmbedding {
    let e = try timeHidden(wave, in: &builder)
    let active = try builder.activation(.silu, e, "time_projection.0")
    // The checkpoint projects to one vector of 6 · width; six products of its row groups give the table directly.
    var table = try timeProjection(active, row: 0, in: &builder)
    for row in 1..<6 {
      let next = try timeProjection(active, row: row, in: &builder)
      table = try builder.concatenate(table, next, "time_projection.1")
    }
    return TimeEmbedding(head: e, blocks: table)
  }

  private func timeHidden(
    _ waves: Graph.ValueID, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    try builder.withFactors(in: Self.single) { builder throws(GraphBuilder.Failure) in
      let hidden = try builder.linear(waves, "time_embedding.0", configuration.width)
      let active = try builder.activation(.silu, hidden, "time_embedding.1")
      return try builder.linear(active, "time_embedding.2", configuration.width)
    }
  }

  private func timeProjection(
    _ x: Graph.ValueID, row: Int, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let width = configuration.width
    return try builder.withFactors(in: Self.single) { builder throws(GraphBuilder.Failure) in
      try builder.linear(
        x, "time_projection.1", stored: [6 * width, width], rows: row * width..<(row + 1) * width,
        label: "time_projection.1[\(row)]")
    }
  }

  /// The embeddings of `timeEmbedding` for many timesteps at once: of the waves `[steps, frequencyWidth]`, for the head
  /// `[steps, width]` and for the blocks `[steps, 6 · width]`.
  public func timeTables(
    _ waves: Graph.ValueID, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> TimeEmbedding {
    let e = try timeHidden(waves, in: &builder)
    let active = try builder.activation(.silu, e, "time_projection.0")
    let blocks = try builder.withFactors(in: Self.single) { builder throws(GraphBuilder.Failure) in
      try builder.linear(active, "time_projection.1", 6 * configuration.width)
    }
    return TimeEmbedding(head: e, blocks: blocks)
  }

  /// The embedding with the offsets of every block and of the head added.
  public func modulation(
    _ time: TimeEmbedding, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Modulation {
    var blocks: [Graph.ValueID] = []
    for layer in 0..<configuration.layers {
      blocks.append(try blockTable(time.blocks, "blocks.\(layer).", in: &builder))
    }
    let twice = try builder.concatenate(time.head, time.head, "head.time")
    let model = configuration.width
    let offset = try builder.weight("head.modulation", [1, 2, model], layout: .shape([2, model]))
    return Modulation(blocks: blocks, head: try builder.add(twice, offset, "head.modulation"))
  }

  /// A block's modulation `[6, width]`.
  func blockTable(
    _ time: Graph.ValueID, _ prefix: String, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let width = configuration.width
    let offset = try builder.weight(prefix + "modulation", [1, 6, width], layout: .shape([6, width]))
    return try builder.add(time, offset, prefix + "modulation")
  }

  /// The text `[keys, textWidth]` (rows past the prompt zero), embedded to `[keys, width]`.
  public func textEmbedding(
    _ context: Graph.ValueID, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let hidden = try builder.linear(context, "text_embedding.0", configuration.width)
    let active = try builder.activation(.geluTanh, hidden, "text_embedding.1")
    return try builder.linear(active, "text_embedding.2", configuration.width)
  }

  /// Frames `[frames, h, w, inputChannels]` as tokens `[tokens, width]`.
  public func patchEmbedding(
    _ frames: Graph.ValueID, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let patch = configuration.patch
    let patches = try builder.apply(Patchify(patch: patch), [frames], "patchify")
    return try builder.withFactors(in: Self.single) { builder throws(GraphBuilder.Failure) in
      try builder.linear(
        patches, "patch_embedding",
        stored: [configuration.width, configuration.inputChannels, 1, patch, patch], rows: 0..<configuration.width)
    }
  }

  /// The head on the first `frames` frames of x: `[frames, height, width, outputChannels]`.
  func head(
    _ x: Graph.ValueID, table: Graph.ValueID, frames: Int, height: Int, width: Int, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    var x = x
    let rows = frames * layout.area
    if rows < builder.shape(of: x)[0] { x = try builder.slice(x, 0..<rows, "head.video") }
    let normed = try builder.layerNorm(x, epsilon: configuration.epsilon, "head.norm")
    let modulated = try builder.modulate(normed, by: table, shiftRow: 0, scaleRow: 1, "head.modulate")
    let patch = configuration.patch
    let tokens = try builder.withFactors(in: Self.single) { builder throws(GraphBuilder.Failure) in
      try builder.linear(modulated, "head.head", configuration.outputChannels * patch * patch)
    }
    let unpatchify = Unpatchify(frames: frames, height: height, width: width, patch: patch)
    return try builder.apply(unpatchify, [tokens], "unpatchify")
  }

  /// The whole network for one branch, as one sequence.
  /// - Parameters:
  ///   - latent: noisy latent `[latentFrames, h, w, inputChannels]`.
  ///   - conditions: condition latents `[conditions, h, w, inputChannels]`; nil if there are none.
  ///   - context: text `[textLength, textWidth]`, zero past the prompt.
  ///   - allFrames: whether the result also holds the frames of the conditions, which nobody needs but goldens.
  /// - Returns: the velocity `[latentFrames, h, w, outputChannels]`.
  public func velocity(
    latent: Graph.ValueID, conditions: Graph.ValueID?, context: Graph.ValueID, time: TimeEmbedding,
    relations: Relations, allFrames: Bool = false, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    var text = Text(embedded: try textEmbedding(context, in: &builder), lastKeyCount: 1)
    return try velocity(
      latent: latent, conditions: conditions, text: &text, modulation: modulation(time, in: &builder),
      relations: relations, allFrames: allFrames, in: &builder)
  }

  /// The same with text and modulation embedded.
  func velocity(
    latent: Graph.ValueID, conditions: Graph.ValueID?, text: inout Text, modulation: Modulation, relations: Relations,
    allFrames: Bool = false, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let shape = builder.shape(of: latent)
    let frames = if let conditions { try builder.concatenate(latent, conditions, "frames") } else { latent }
    var x = try patchEmbedding(frames, in: &builder)
    for layer in 0..<configuration.layers {
      x = try block(
        x, "blocks.\(layer).", table: modulation.blocks[layer], text: &text, relations: relations, in: &builder
      ).output
    }
    return try head(
      x, table: modulation.head, frames: allFrames ? layout.frames : layout.latentFrames, height: shape[1],
      width: shape[2], in: &builder)
  }

  /// A context `[n, textWidth]` with zero rows up to `length` (by default `textLength`, as `velocity` takes it). Longer
  /// ones are cut.
  public func paddedContext(_ context: Tensor, length: Int? = nil) -> Tensor {
    let (length, width) = (length ?? configuration.textLength, configuration.textWidth)
    precondition(context.shape.rank == 2 && context.shape[1] == width, "context \(context.shape), width \(width)")
    let kept = context.rows(0..<min(length, context.shape[0])).floats()
    return Tensor(kept + Array(repeating: 0, count: length * width - kept.count), [length, width])
  }
}
