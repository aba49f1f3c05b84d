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

  /// What all blocks of all branches share.
  public struct Relations: Sendable {
    /// Cosines of the rotary positions, `[tokens, headWidth / 2]`.
    public let cosines: Graph.ValueID
    /// Sines of the rotary positions, `[tokens, headWidth / 2]`.
    public let sines: Graph.ValueID
    /// Cells and templates `[conditions, textLength]` of the text bias; nil where it is zero.
    public let text: (cells: RelationCells, templates: Graph.ValueID)?
  }

  /// The timestep, embedded.
  public struct TimeEmbedding: Sendable {
    /// For the head, `[1, width]`.
    public let head: Graph.ValueID
    /// For the blocks, `[6, width]`.
    public let blocks: Graph.ValueID
  }

  /// Rotary tables as constants, and the text templates as the input `"templates"` if the layout needs them.
  public func relations(in builder: inout GraphBuilder) -> Relations {
    let tables = layout.rotaryTables(headWidth: configuration.headWidth)
    let text = layout.relationCells(pool: configuration.relationPool).map { cells in
      let type = TensorType([layout.conditions, configuration.textLength], .f32)
      return (cells: cells, templates: builder.input("templates", type))
    }
    return Relations(
      cosines: builder.constant(tables.cosines), sines: builder.constant(tables.sines), text: text)
  }

  /// The two-layer embedding of the wave `[1, frequencyWidth]`, and its projection to the blocks' six rows.
  public func timeEmbedding(
    _ wave: Graph.ValueID, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> TimeEmbedding {
    let width = configuration.width
    var e = try builder.linear(wave, "time_embedding.0", width)
    e = try builder.activation(.silu, e, "time_embedding.1")
    e = try builder.linear(e, "time_embedding.2", width)
    let active = try builder.activation(.silu, e, "time_projection.0")
    // The checkpoint projects to one vector of 6 · width; six products of its row groups give the table directly.
    var table = try timeProjection(active, row: 0, in: &builder)
    for row in 1..<6 {
      let next = try timeProjection(active, row: row, in: &builder)
      table = try builder.concatenate(table, next, "time_projection.1")
    }
    return TimeEmbedding(head: e, blocks: table)
  }

  private func timeProjection(
    _ x: Graph.ValueID, row: Int, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let width = configuration.width
    return try builder.linear(
      x, "time_projection.1", stored: [6 * width, width], rows: row * width..<(row + 1) * width,
      label: "time_projection.1[\(row)]")
  }

  /// The text `[textLength, textWidth]` (rows past the prompt zero), embedded to `[textLength, width]`.
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
    return try builder.linear(
      patches, "patch_embedding",
      stored: [configuration.width, configuration.inputChannels, 1, patch, patch], rows: 0..<configuration.width)
  }

  /// The head, and the first `frames` frames `[frames, height, width, outputChannels]` of its result.
  public func head(
    _ x: Graph.ValueID, time: TimeEmbedding, frames: Int, height: Int, width: Int, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let model = configuration.width
    var x = x
    if frames < layout.frames { x = try builder.slice(x, 0..<frames * layout.area, "head.video") }
    let twice = try builder.concatenate(time.head, time.head, "head.time")
    let offset = try builder.weight("head.modulation", [1, 2, model], layout: .shape([2, model]))
    let table = try builder.add(twice, offset, "head.modulation")
    let normed = try builder.layerNorm(x, epsilon: configuration.epsilon, "head.norm")
    let modulated = try builder.modulate(normed, by: table, shiftRow: 0, scaleRow: 1, "head.modulate")
    let patch = configuration.patch
    let tokens = try builder.linear(modulated, "head.head", configuration.outputChannels * patch * patch)
    let unpatchify = Unpatchify(frames: frames, height: height, width: width, patch: patch)
    return try builder.apply(unpatchify, [tokens], "unpatchify")
  }

  /// The whole network for one branch.
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
    let shape = builder.shape(of: latent)
    let frames = if let conditions { try builder.concatenate(latent, conditions, "frames") } else { latent }
    let text = try textEmbedding(context, in: &builder)
    var x = try patchEmbedding(frames, in: &builder)
    for layer in 0..<configuration.layers {
      x = try block(x, "blocks.\(layer).", time: time.blocks, text: text, relations: relations, in: &builder).output
    }
    return try head(
      x, time: time, frames: allFrames ? layout.frames : layout.latentFrames, height: shape[1], width: shape[2],
      in: &builder)
  }

  /// A context `[n, textWidth]` with zero rows up to `textLength`, as `velocity` takes it. Longer ones are cut.
  public func paddedContext(_ context: Tensor) -> Tensor {
    let (length, width) = (configuration.textLength, configuration.textWidth)
    precondition(context.shape.rank == 2 && context.shape[1] == width, "context \(context.shape), width \(width)")
    let kept = context.rows(0..<min(length, context.shape[0])).floats()
    return Tensor(kept + Array(repeating: 0, count: length * width - kept.count), [length, width])
  }
}
