import LumosGraph
import LumosOps
import LumosTensor
import Testing

@testable import LumosModels

/// The models' graphs at their published sizes, built without weights.
@Suite struct GraphTests {
  /// A checkpoint that is only described.
  struct Described: WeightSource {
    let shapes: [String: Shape]

    func type(ofWeight name: String) -> TensorType? { shapes[name].map { TensorType($0, .bf16) } }
    func weight(_ name: String) throws -> Tensor { throw LumosError(.internalDefect, "no weights here", at: name) }
  }

  /// A backend on which nothing runs.
  final class NoSession: Session {
    let peakDeviceBytes = 0
    func compile(_ graph: Graph) throws -> any Executable { throw LumosError(.internalDefect, "nothing runs here") }
    func setState(_ name: String, to tensor: Tensor) throws {}
    func state(_ name: String) throws -> Tensor { throw LumosError(.internalDefect, "no states here") }
    func resetStates() throws {}
    func removeState(_ name: String) {}
  }

  static func weightNames(_ graphs: Graph...) -> Set<String> {
    Set(graphs.flatMap(\.values).compactMap { if case .weight(let name, _) = $0.source { name } else { nil } })
  }

  /// 480 x 832, 81 frames, seven condition images: DESIGN.md section 6 counts 385 TFLOP per evaluation of the network.
  static let layout = Layout(latentFrames: 21, rows: 30, columns: 52, plainConditions: 2, humanGroups: [3, 2])

  static func samplerGraph(_ layout: Layout, _ shapes: [String: Shape]) throws -> Graph {
    let model = TransformerGraph(TransformerConfiguration(), layout: layout)
    return try SamplerGraph(model, height: 60, width: 104, shortcuts: []).step(Described(shapes: shapes))
  }

  @Test func transformer() throws {
    let shapes = ExpectedTensors.transformer(TransformerConfiguration())
    let graph = try Self.samplerGraph(Self.layout, shapes)
    #expect(Self.weightNames(graph) == Set(shapes.keys))
    let evaluation = Double(graph.flops) / 2 / 1e12
    #expect(evaluation > 380 && evaluation < 395, "\(evaluation) TFLOP")
    // Both branches share weights and the timestep's embedding.
    #expect(graph.nodes.count { $0.label == "time_embedding.0" } == 1)
    let weights = graph.values.count { if case .weight = $0.source { true } else { false } }
    #expect(weights == shapes.count + 10, "825 tensors, of which the projection's two are used in six parts each")
  }

  /// Without images, or with the text bias switched off, cross-attention is plain.
  @Test func relationsThatAreAbsent() throws {
    let shapes = ExpectedTensors.transformer(TransformerConfiguration())
    let plain = try Self.samplerGraph(Layout(latentFrames: 1, rows: 30, columns: 52), shapes)
    #expect(plain.inputs.map(\.name).sorted() == ["coefficients", "context.negative", "context.prompt", "wave"])
    let off = Layout(
      latentFrames: 1, rows: 30, columns: 52, plainConditions: 1, humanGroups: [2], ablation: [.mcam])
    for graph in [plain, try Self.samplerGraph(off, shapes)] {
      #expect(!graph.nodes.contains { $0.op is RelationBias || $0.op is PooledQueries })
    }
  }

  @Test func textEncoder() throws {
    let configuration = UMT5Configuration()
    let shapes = ExpectedTensors.umt5(configuration)
    var builder = GraphBuilder(weights: Described(shapes: shapes))
    let embedded = builder.input("embedding", TensorType([77, 4096], .f32))
    let spans = [Attention.Span(queries: 0..<77, keys: 0..<77)]
    let result = try UMT5Graph(configuration).encode(embedded, spans: spans, in: &builder)
    #expect(builder.shape(of: result) == [77, 4096])
    // The table of embeddings stays on the host.
    #expect(Self.weightNames(builder.graph).union([UMT5Graph.embeddingTable]) == Set(shapes.keys))
    #expect(!Self.weightNames(builder.graph).contains(UMT5Graph.embeddingTable))
  }

  @Test func videoCoders() throws {
    let configuration = VAEConfiguration()
    let shapes = ExpectedTensors.vae(configuration)
    let weights = Described(shapes: shapes)
    let encoder = VAEEncoder(configuration, session: NoSession(), weights: weights, height: 480, width: 832)
    let decoder = VAEDecoder(configuration, session: NoSession(), weights: weights, latentHeight: 60, latentWidth: 104)
    let (firstIn, laterIn) = (try encoder.graph(.first), try encoder.graph(.later))
    let (firstOut, laterOut) = (try decoder.graph(.lower(.first)), try decoder.graph(.lower(.later)))
    let upper = try decoder.graph(.upper(.later))
    #expect(Self.weightNames(firstIn, laterIn, firstOut, laterOut, upper) == Set(shapes.keys))
    func output(_ graph: Graph) -> Shape { graph[graph.outputs[0].value].type.shape }
    #expect(output(firstIn) == [1, 60, 104, 16] && output(laterIn) == [1, 60, 104, 16])
    #expect(output(upper) == [1, 480, 832, 3])
    let queue = try #require(upper.states.first { $0.name == "decoder.queue" })
    #expect(queue.type.shape == [4, 120, 208, 384])
    for lower in [firstOut, laterOut] {
      #expect(lower.outputs.isEmpty)
      let left = try #require(lower.stateUpdates.first { $0.state == queue.name })
      #expect(lower[left.value].type == queue.type && !left.appends)
    }
    // Convolutions and attention of 21 latent frames come to 275.35 TFLOP, counted by hand from MODEL.md section 11.
    let decoding = Double(firstOut.flops + 20 * laterOut.flops + 81 * upper.flops) / 1e12
    #expect(decoding > 275.35 && decoding < 276.5, "\(decoding) TFLOP")
    #expect(upper.stateUpdates.count == upper.states.count && upper.stateUpdates.allSatisfy(\.appends))
    // What the first chunk leaves behind is what the later ones expect.
    for (first, later) in [(firstIn, laterIn), (firstOut, laterOut)] {
      let types = Dictionary(later.states.map { ($0.name, $0.type) }, uniquingKeysWith: { a, _ in a })
      #expect(first.states.allSatisfy { types[$0.name] == $0.type })
      #expect(Set(later.stateUpdates.map(\.state)) == Set(types.keys).union(later.outputs.isEmpty ? [queue.name] : []))
    }
  }

  /// A picture needs no caches, and of each 3x3x3 kernel only the last frame: a third of the arithmetic.
  @Test func picturesKeepNothing() throws {
    let configuration = VAEConfiguration()
    let shapes = ExpectedTensors.vae(configuration)
    let weights = Described(shapes: shapes)
    let encoder = VAEEncoder(configuration, session: NoSession(), weights: weights, height: 480, width: 832)
    let decoder = VAEDecoder(configuration, session: NoSession(), weights: weights, latentHeight: 60, latentWidth: 104)
    let (single, first) = (try encoder.graph(.single), try encoder.graph(.first))
    #expect(single.states.isEmpty && single.stateUpdates.isEmpty && !first.states.isEmpty)
    #expect(Double(single.flops) < 0.37 * Double(first.flops))
    let (lower, upper) = (try decoder.graph(.lower(.single)), try decoder.graph(.upper(.single)))
    #expect(Set((lower.stateUpdates + upper.stateUpdates).map(\.state)) == ["decoder.queue"])
  }

  /// A checkpoint that lacks a weight, or has it in another shape, is refused by the weight's name.
  @Test func misfits() throws {
    var shapes = ExpectedTensors.transformer(TransformerConfiguration())
    shapes["blocks.7.ffn.2.bias"] = [1535]
    let failure = #expect(throws: LumosError.self) { try Self.samplerGraph(Self.layout, shapes) }
    #expect(failure?.kind == .badInput && failure?.description.contains("blocks.7.ffn.2.bias") == true)
    shapes["blocks.7.ffn.2.bias"] = nil
    let missing = #expect(throws: LumosError.self) { try Self.samplerGraph(Self.layout, shapes) }
    #expect(missing?.kind == .badInput && missing?.description.contains("blocks.7.ffn.2.bias") == true)
  }
}
