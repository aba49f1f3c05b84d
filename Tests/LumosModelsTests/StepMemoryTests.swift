import LumosGraph
import LumosTensor
import Testing

@testable import LumosModels

/// What a step of the published network needs on a device at 480 x 832, 81 frames, with seven condition images.
@Suite struct StepMemoryTests {
  /// The published checkpoint in f16.
  struct Halves: WeightSource {
    func type(ofWeight name: String) -> TensorType? { Self.shapes[name].map { TensorType($0, .f16) } }
    func weight(_ name: String) throws -> Tensor { throw LumosError(.internalDefect, "no weights here", at: name) }
    static let shapes = ExpectedTensors.transformer(TransformerConfiguration())
  }

  static func bytes(_ graph: Graph, where matches: (Graph.Source) -> Bool) -> Int {
    graph.values.reduce(0) { matches($1.source) ? $0 + $1.type.byteCount : $0 }
  }

  static func arena(_ graph: Graph, inPlace: Bool) -> MemoryPlan {
    MemoryPlan(graph: graph, segmentByteCount: 2 << 30, inPlace: inPlace)
  }

  @Test("A step of 43 680 tokens fits a card of 6 GiB")
  func fits() throws {
    let model = TransformerGraph(TransformerConfiguration(), layout: GraphTests.layout)
    let graph = try SamplerGraph(model, height: 60, width: 104, shortcuts: []).step(Halves())
    let whole = Self.arena(Passes.all.subtracting(.tileRows).apply(to: graph), inPlace: false)
    let tiled = Passes.all.apply(to: graph)
    let plan = Self.arena(tiled, inPlace: true)
    let weights = Self.bytes(tiled) { if case .weight = $0 { true } else { false } }
    let rest = Self.bytes(tiled) {
      switch $0 {
      case .constant, .input, .state: true
      case .weight, .node: false
      }
    }
    #expect(plan.byteCount + weights + rest <= 6 << 30)
    #expect(Double(plan.byteCount) <= 1.1 * Double(plan.liveBytesMax))

    // The wide layer alone made the peak: stream, its norm, and 8960 channels for every token.
    let stream = 43_680 * 1536 * 4
    #expect(whole.liveBytesMax >= stream * (2 * 1536 + 8960) / 1536)
    // What is left are stream, query (over which the attention's result lies), key and value; a block, and the text.
    #expect(plan.liveBytesMax <= 4 * stream + 80 << 20)
    // Nothing that a node makes is larger than the stream.
    #expect(tiled.nodes.flatMap { tiled.outputTypes(of: $0) }.allSatisfy { $0.byteCount <= stream })
  }
}
