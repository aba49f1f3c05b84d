import LumosOps
import LumosReference
import LumosTensor
import Testing

@testable import LumosGraph

@Suite struct RowTilingTests {
  /// Blocks so small that even these graphs are cut.
  static func tiling(seed: Int) -> RowTiling {
    RowTiling(
      blockByteCount: 16 << (seed % 8), rowMultiple: [1, 4, 3, 128][seed / 8 % 4], onlyAbovePeak: seed.isMultiple(of: 2)
    )
  }

  @Test("A thousand random graphs give the same results in blocks, and their plans are sound", arguments: 0..<10)
  func random(hundred: Int) throws {
    var cut = 0
    var placed = 0
    for seed in (hundred * 100 + 1)...(hundred * 100 + 100) {
      let (graph, inputs) = try RowGraphs.make(seed: UInt64(seed))
      // Parts go to their places in every third graph.
      let parts = seed.isMultiple(of: 3) ? PartPlacement.apply(to: graph) : graph
      #expect(parts.defect == nil, "seed \(seed)")
      let tiled = Self.tiling(seed: seed).apply(to: parts)
      if parts.nodes.contains(where: { $0.hasWindows && !($0.op is Slice) }), tiled.nodes.count > parts.nodes.count {
        placed += 1
      }
      if tiled.nodes.contains(where: \.hasWindows) { cut += 1 }
      #expect(tiled.defect == nil, "seed \(seed)")

      for graph in [graph, tiled] {
        for inPlace in [false, true] {
          let plan = MemoryPlan(graph: graph, alignment: 16, inPlace: inPlace)
          #expect(plan.defect(in: graph) == nil, "seed \(seed), in place \(inPlace)")
        }
      }

      let names = graph.outputs.map(\.name)
      func run(_ graph: Graph) throws -> [String: [Double]] {
        let session = ReferenceBackend().makeSession(weights: NoWeights(), scalar: Double.self)
        var results = try session.compile(graph).run(inputs, fetch: names).mapValues { $0.doubles() }
        if let update = graph.stateUpdates.first { results["state"] = try session.state(update.state).doubles() }
        return results
      }
      let (expected, found) = (try run(graph), try run(tiled))
      for (name, values) in expected {
        let other = try #require(found[name])
        let worst = zip(values, other).reduce(0) { max($0, abs($1.0 - $1.1) / max(1, abs($1.0))) }
        #expect(values.count == other.count && worst <= 1e-12, "seed \(seed), \(name): \(worst)")
      }
    }
    #expect(cut > 30, "only \(cut) of 100 graphs were cut")
    #expect(placed > 3, "only \(placed) of 33 graphs had parts placed and were cut")
  }

  /// `x + W₂ gelu(W₁ norm(x))`, and what it needs.
  static func feedForward(rows: Int, width: Int, hidden: Int) throws -> Graph {
    var builder = GraphBuilder(weights: NoWeights())
    let input = builder.input("x", TensorType([rows, width], .f32))
    let x = try builder.add(input, input, "stream")
    let y = try builder.layerNorm(x, epsilon: 1e-6, "norm")
    let first = builder.constant(zeros([hidden, width]))
    let second = builder.constant(zeros([width, hidden]))
    let wide = try builder.apply(Linear(epilogue: .activation(.geluTanh)), [y, first], "first")
    builder.output("y", try builder.apply(Linear(epilogue: .add), [wide, second, x], "second"))
    return builder.graph
  }

  @Test("A feed-forward network in blocks needs the stream and one block")
  func feedForwardMemory() throws {
    let graph = try Self.feedForward(rows: 4096, width: 16, hidden: 96)
    let (stream, norm, wide) = (4096 * 16 * 4, 4096 * 16 * 4, 4096 * 96 * 4)
    let whole = MemoryPlan(graph: graph)
    #expect(whole.liveBytesMax == stream + norm + wide)
    #expect(MemoryPlan(graph: graph, inPlace: false).byteCount == stream + norm + wide)

    let tiled = RowTiling(blockByteCount: 64 << 10).apply(to: graph)
    // 64 KiB hold 146 rows of norm and hidden layer: 128, so 32 blocks of three nodes.
    #expect(tiled.nodes.count == 1 + 32 * 3)
    let plan = MemoryPlan(graph: tiled)
    #expect(plan.liveBytesMax == stream + 128 * (16 + 96) * 4)
    #expect(plan.byteCount == plan.liveBytesMax)
    // Without taking over memory the result stands beside the stream.
    #expect(MemoryPlan(graph: tiled, inPlace: false).liveBytesMax == 2 * stream + 128 * (16 + 96) * 4)
    // Nothing is left to do.
    #expect(RowTiling(blockByteCount: 64 << 10).apply(to: tiled).nodes.count == tiled.nodes.count)
  }

  @Test("Small graphs, and chains below the peak of the others, stay whole")
  func untouched() throws {
    let graph = try Self.feedForward(rows: 64, width: 16, hidden: 96)
    #expect(RowTiling().apply(to: graph).nodes.count == graph.nodes.count)

    var builder = GraphBuilder(weights: NoWeights())
    let type = TensorType([512, 8], .f32)
    let (input, wide) = (builder.input("x", type), builder.constant(zeros([64, 8])))
    var x = try builder.apply(Activation(.silu), [input], "in")
    x = try builder.apply(Linear(), [x, wide], "up")
    x = try builder.apply(Linear(), [x, builder.constant(zeros([8, 64]))], "down")
    // Reads and writes 16 times as much as the hidden layer holds.
    var long = try builder.concatenate(x, x, "concatenate")
    for step in 0..<8 { long = try builder.concatenate(long, long, "concatenate \(step)") }
    builder.output("y", long)
    let tiling = RowTiling(blockByteCount: 4 << 10)
    #expect(tiling.apply(to: builder.graph).nodes.count == builder.graph.nodes.count)
    var everywhere = tiling
    everywhere.onlyAbovePeak = false
    #expect(everywhere.apply(to: builder.graph).nodes.contains { $0.hasWindows })
  }

  @Test("Values that somebody else reads, or reads whole, are whole")
  func boundaries() throws {
    var builder = GraphBuilder(weights: NoWeights())
    let x = builder.input("x", TensorType([64, 8], .f32))
    let wide = try builder.apply(Linear(), [x, builder.constant(zeros([128, 8]))], "up")
    let active = try builder.activation(.silu, wide, "activation")
    let narrow = try builder.apply(Linear(), [active, builder.constant(zeros([8, 128]))], "down")
    // As a weight the narrow value is read whole.
    builder.output("product", try builder.apply(Linear(), [narrow, narrow], "product"))
    builder.output("wide", wide)
    let tiled = RowTiling(blockByteCount: 1 << 10, rowMultiple: 1, onlyAbovePeak: false).apply(to: builder.graph)
    #expect(tiled.defect == nil)
    #expect(tiled.nodes.contains { $0.label == "activation" && $0.hasWindows })
    #expect(tiled.nodes.count { $0.label == "product" } == 1)
  }

  @Test("What an op says about its rows and places holds for the reference")
  func declarations() throws {
    // A row-wise op whose tables repeat over more than one row is not.
    let (a, table) = (TensorType([6, 4], .f32), TensorType([2, 4], .f32))
    #expect(Elementwise(.add).rowInputs([a, table]) == nil)
    #expect(Elementwise(.add).rowInputs([a, TensorType([4], .f32)]) == [0])
    #expect(Elementwise(.add).rowInputs([a, a]) == [0, 1])
    #expect(Elementwise(.add).rowInputs([a, TensorType([24], .f32)]) == nil)
    #expect(LayerNorm(epsilon: 0).rowInputs([TensorType([4], .f32)]) == nil)
    #expect(Linear().rowInputs([TensorType([4], .f32), TensorType([2, 4], .f32)]) == nil)
    #expect(Concatenate().rowInputs([a, a]) == nil)
    #expect(Elementwise(.add).inPlaceInputs([a, TensorType([4], .f32)]) == [0])
    #expect(Linear(epilogue: .add).inPlaceInputs([a, TensorType([4, 4], .f32), a]) == [2])
    #expect(Linear().inPlaceInputs([a, TensorType([4, 4], .f32)]).isEmpty)
  }
}
