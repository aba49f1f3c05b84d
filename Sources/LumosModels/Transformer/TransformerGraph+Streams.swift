import LumosGraph
import LumosOps
import LumosTensor

/// Video and condition images as streams of their own.
///
/// With CSAM no condition image reads the video, in any block (MODEL.md section 8). The images' rows therefore pass
/// through the blocks by themselves; a video's rows attend to its own keys and, behind them, to those of the images.
/// Several videos of one scene share one stream of images.
extension TransformerGraph {
  /// Relations of the rows of each stream. Templates are not set: they belong to a branch.
  struct Streams {
    let video: Relations
    let conditions: Relations
    /// Cells of the text bias within the images' stream; nil where the bias is zero.
    let cells: RelationCells?
  }

  /// Spans of self-attention by stream: the video's keys are counted over the whole sequence, those of the images from
  /// their first token on. Nil without images, or where one of them reads the video (without CSAM).
  public var streamSpans: (video: [Attention.Span], conditions: [Attention.Span])? {
    guard layout.conditions > 0 else { return nil }
    let first = layout.videoTokens
    var (video, conditions): ([Attention.Span], [Attention.Span]) = ([], [])
    for span in attentionSpans {
      if span.queryEnd <= first {
        video.append(span)
      } else if span.queryStart >= first && span.keyStart >= first {
        conditions.append(
          Attention.Span(
            queries: span.queryStart - first..<span.queryEnd - first, keys: span.keyStart - first..<span.keyEnd - first
          ))
      } else {
        return nil
      }
    }
    return (video, conditions)
  }

  /// The streams' relations, with rotary tables as constants; nil where the images cannot go by themselves.
  func streams(in builder: inout GraphBuilder) -> Streams? {
    guard let spans = streamSpans else { return nil }
    let tables = layout.rotaryTables(headWidth: configuration.headWidth)
    func relations(_ rows: Range<Int>, _ spans: [Attention.Span]) -> Relations {
      Relations(
        cosines: builder.constant(tables.cosines.rows(rows)), sines: builder.constant(tables.sines.rows(rows)),
        spans: spans, text: nil)
    }
    let cells = layout.relationCells(pool: configuration.relationPool).map {
      RelationCells(firstToken: 0, images: $0.images, height: $0.height, width: $0.width, pool: $0.pool)
    }
    return Streams(
      video: relations(0..<layout.videoTokens, spans.video),
      conditions: relations(layout.videoTokens..<layout.tokens, spans.conditions), cells: cells)
  }

  /// The network for one branch and several videos of one scene, all at the same timestep.
  /// - Parameters:
  ///   - latents: noisy latents `[latentFrames, h, w, inputChannels]`.
  ///   - conditions: condition latents `[conditions, h, w, inputChannels]`.
  ///   - templates: of the text bias, `[conditions, keys]`; nil where it is zero.
  /// - Returns: the velocities `[latentFrames, h, w, outputChannels]`.
  func velocities(
    latents: [Graph.ValueID], conditions: Graph.ValueID, text: inout Text, templates: Graph.ValueID?,
    modulation: Modulation, streams: Streams, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> [Graph.ValueID] {
    var relations = streams.conditions
    if let cells = streams.cells, let templates { relations.text = (cells, templates) }
    var images = try patchEmbedding(conditions, in: &builder)
    var videos: [Graph.ValueID] = []
    for latent in latents { videos.append(try patchEmbedding(latent, in: &builder)) }
    for layer in 0..<configuration.layers {
      let prefix = "blocks.\(layer)."
      let table = modulation.blocks[layer]
      let shared: KeyValue
      if layer == configuration.layers - 1 {
        // Nobody reads what the last block would make of the images.
        let y = try selfAttentionInput(images, prefix, table: table, in: &builder)
        shared = try keyValue(y, prefix + "self_attn.", relations: relations, in: &builder)
      } else {
        let block = try block(images, prefix, table: table, text: &text, relations: relations, in: &builder)
        shared = KeyValue(key: block.key, value: block.value)
        images = block.output
      }
      for index in videos.indices {
        videos[index] = try block(
          videos[index], prefix, table: table, text: &text, relations: streams.video, behind: shared, in: &builder
        ).output
      }
    }
    var velocities: [Graph.ValueID] = []
    for (video, latent) in zip(videos, latents) {
      let shape = builder.shape(of: latent)
      velocities.append(
        try head(
          video, table: modulation.head, frames: layout.latentFrames, height: shape[1], width: shape[2], in: &builder))
    }
    return velocities
  }
}
