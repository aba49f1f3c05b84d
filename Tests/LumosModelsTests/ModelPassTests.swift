import LumosGraph
import LumosOps
import LumosTensor
import Testing

@testable import LumosModels

/// What the passes make of the models' graphs.
@Suite struct ModelPassTests {
  static func ops(_ graph: Graph) -> [String] { graph.nodes.map { $0.op.name } }

  static func count(_ graph: Graph) -> [String: Int] { ops(graph).reduce(into: [:]) { $0[$1, default: 0] += 1 } }

  /// One block of the published sizes, with images.
  static func block() throws -> Graph {
    let configuration = TransformerConfiguration()
    let shapes = ExpectedTensors.transformer(configuration)
    var builder = GraphBuilder(weights: GraphTests.Described(shapes: shapes))
    let model = TransformerGraph(configuration, layout: GraphTests.layout)
    let width = configuration.width
    let tokens = GraphTests.layout.frames * GraphTests.layout.area
    let inputs = [("x", tokens), ("e", 6), ("text", 512)].map { builder.input($0, TensorType([$1, width], .f32)) }
    let relations = model.relations(in: &builder)
    let block = try model.block(
      inputs[0], "blocks.3.", time: inputs[1], text: inputs[2], relations: relations, in: &builder)
    builder.output("out", block.output)
    return builder.graph
  }

  @Test func transformerBlock() throws {
    let graph = try Self.block()
    #expect(
      Self.ops(graph) == [
        "Elementwise", "LayerNorm", "Modulate", "Linear", "RMSNorm", "Linear", "RMSNorm", "Rotary", "Rotary", "Linear",
        "Attention", "Linear", "GatedAdd", "LayerNorm", "Linear", "RMSNorm", "Linear", "RMSNorm", "Linear",
        "PooledQueries", "RelationBias", "Attention", "Linear", "Elementwise", "LayerNorm", "Modulate", "Linear",
        "Activation", "Linear", "GatedAdd",
      ])
    let fused = Passes.all.subtracting(.tileRows).apply(to: graph)
    #expect(
      Self.ops(fused) == [
        "Elementwise", "LayerNorm", "MultiLinear", "RMSNorm", "RMSNorm", "Attention", "Linear", "LayerNorm", "Linear",
        "RMSNorm", "MultiLinear", "RMSNorm", "PooledQueries", "RelationBias", "Attention", "Linear", "LayerNorm",
        "Linear", "Linear",
      ])
    #expect(
      fused.nodes.map(\.label)
        == [
          "modulation", "norm1", "self_attn.q + blocks.3.self_attn.k + blocks.3.self_attn.v", "self_attn.norm_q",
          "self_attn.norm_k", "self_attn.attention", "self_attn.o", "norm3", "cross_attn.q", "cross_attn.norm_q",
          "cross_attn.k + blocks.3.cross_attn.v", "cross_attn.norm_k", "cross_attn.pooled_q", "cross_attn.bias",
          "cross_attn.attention", "cross_attn.o", "norm2", "ffn.0", "ffn.2",
        ].map { "blocks.3." + $0 })
    let epilogues = fused.nodes.compactMap { ($0.op as? Linear)?.epilogue }
    #expect(epilogues == [.gatedAdd(gateRow: 2), .none, .add, .activation(.geluTanh), .gatedAdd(gateRow: 5)])
    let norms = fused.nodes.compactMap { $0.op as? LayerNorm }
    #expect(
      norms.map(\.modulation) == [Modulate(shiftRow: 0, scaleRow: 1), nil, Modulate(shiftRow: 3, scaleRow: 4)])
    let rotary = fused.nodes.compactMap { ($0.op as? RMSNorm)?.rotary }
    #expect(rotary == [Rotary(heads: 12), Rotary(heads: 12)])
    // What each pass does alone.
    let alone = Passes.named.filter { $0.pass != .tileRows }.map { Self.ops($0.pass.apply(to: graph)).count }
    #expect(alone == [26, 26, 30, 27, 30, 30])
  }

  @Test func videoDecoder() throws {
    let configuration = VAEConfiguration()
    let weights = GraphTests.Described(shapes: ExpectedTensors.vae(configuration))
    let decoder = VAEDecoder(
      configuration, session: GraphTests.NoSession(), weights: weights, latentHeight: 60, latentWidth: 104)
    for (part, blocks, attentions) in [
      (VAEDecoder.Part.lower(.first), 8, 1), (.lower(.later), 8, 1), (.upper(.later), 6, 0),
    ] {
      let graph = try decoder.graph(part)
      let fused = Passes.all.apply(to: graph)
      let (before, after) = (Self.count(graph), Self.count(fused))
      #expect(after["Activation"] == nil && after["UpsampleNearest"] == nil)
      #expect(before["ChannelNorm"] == after["ChannelNorm"] && before["Conv3D"] == after["Conv3D"])
      // The attention's sum stands behind a change of layout.
      #expect(before["Elementwise"] == blocks + attentions && after["Elementwise"] ?? 0 == attentions)
      #expect(fused.nodes.count { ($0.op as? Conv3D)?.upsamples == true } == before["UpsampleNearest"])
      #expect(after["MultiLinear"] ?? 0 == attentions)
      #expect(fused.stateUpdates == graph.stateUpdates)
    }
  }

  /// Per prompt: embedded text, and keys and values of every block. Per step: everything else.
  @Test func textIsHoisted() throws {
    let configuration = TransformerConfiguration()
    let shapes = ExpectedTensors.transformer(configuration)
    let graph = try GraphTests.samplerGraph(GraphTests.layout, shapes)
    let halves = Hoisting.split(graph, varying: ["wave", "coefficients"])
    let invariant = try #require(halves.invariant)
    #expect(Set(invariant.inputs.map(\.name)) == ["context.prompt", "context.negative"])
    #expect(Set(halves.varying.inputs.map(\.name)) == ["wave", "coefficients", "conditions", "templates"])
    let (branches, layers) = (2, configuration.layers)
    // Three nodes embed a text; keys take two nodes, values one.
    #expect(invariant.nodes.count == branches * (3 + 3 * layers))
    #expect(invariant.nodes.count + halves.varying.nodes.count == graph.nodes.count)
    #expect(invariant.stateUpdates.count == branches * 2 * layers)
    let bytes = invariant.stateUpdates.reduce(0) { $0 + invariant[$1.value].type.byteCount }
    #expect(bytes == branches * 2 * layers * 512 * 1536 * 4)
    #expect(invariant.nodes.allSatisfy { $0.label.contains("text_embedding") || $0.label.contains("cross_attn.") })
  }
}
