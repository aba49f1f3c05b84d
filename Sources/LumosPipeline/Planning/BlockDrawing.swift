import LumosGraph
import LumosModels
import LumosTensor

/// Drawings of one transformer block: as the model builds it, and after the passes.
public enum BlockDrawing {
  /// Both drawings, before and after.
  ///
  /// The condition stream, guidance and text padding are left aside: it is the block of one evaluation of `layout`.
  /// - Throws: `LumosError(.badInput)` if the weights do not fit.
  public static func drawings(
    _ configuration: TransformerConfiguration, layout: Layout, weights: any WeightSource, passes: Passes
  ) throws -> [GraphDrawing] {
    let model = TransformerGraph(configuration, layout: layout)
    var builder = GraphBuilder(weights: weights)
    do {
      let relations = model.relations(in: &builder)
      let x = builder.input("x", TensorType([layout.tokens, configuration.width], .f32))
      let time = builder.input("time", TensorType([6, configuration.width], .f32))
      let text = builder.input("text", TensorType([configuration.textLength, configuration.width], .f32))
      let block = try model.block(x, "blocks.0.", time: time, text: text, relations: relations, in: &builder)
      builder.output("x", block.output)
    } catch {
      throw LumosError(.badInput, "the checkpoint does not fit the transformer", cause: error)
    }
    let before = builder.graph
    let after = passes.apply(to: before)
    return [(before, "as the model builds it"), (after, "after the passes")].map { graph, what in
      GraphDrawing(graph, title: "transformer block \(what): \(graph.nodes.count) ops", dropping: "blocks.0.")
    }
  }
}
