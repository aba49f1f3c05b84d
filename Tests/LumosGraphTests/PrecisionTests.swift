import LumosOps
import LumosTensor
import Testing

@testable import LumosGraph

/// Where half types are put, and that nothing else changes.
@Suite struct PrecisionTests {
  static let half = Precision.half(.f16)

  /// Norm, nonlinearity and a convolution over a history to which their result is appended; the history is read by an
  /// `extra` node too, if wanted.
  static func graph(extraReader: Bool = false) throws -> (graph: Graph, history: Graph.ValueID) {
    var builder = GraphBuilder(weights: NamedWeights())
    let x = builder.input("x", TensorType([1, 3, 4, 8], .f32))
    let normed = try builder.apply(ChannelNorm(), [x, builder.weight("f32 8 g", [8])], "norm")
    let active = try builder.activation(.silu, normed, "silu")
    let history = builder.state("cache", TensorType([2, 3, 4, 8], .f32))
    let inputs = [active, try builder.weight("f32 8 3 3 3 8 w", [8, 3, 3, 3, 8]), try builder.weight("f32 8 b", [8])]
    let y = try builder.apply(
      Conv3D(padding: .init(leading: 1, trailing: 1)), inputs + [history], "convolution")
    builder.append(active, toState: "cache")
    builder.output("y", y)
    if extraReader { builder.output("z", try builder.activation(.silu, history, "other")) }
    return (builder.graph, history)
  }

  @Test("What a convolution reads and remembers is half, and the conversion becomes part of the norm")
  func histories() throws {
    let (graph, history) = try Self.graph()
    let placed = Self.half.apply(to: graph)
    #expect(placed.defect == nil && placed.ops == ["ChannelNorm", "Activation", "Convert", "Conv3D"])
    #expect(placed[history].type == TensorType([2, 3, 4, 8], .f16))
    let converted = placed.nodes[2].outputs[0]
    #expect(placed[converted].type.dtype == .f16 && placed.nodes[3].inputs[0] == converted)
    #expect(placed.stateUpdates == [Graph.StateUpdate(state: "cache", value: converted, appends: true)])
    let fused = Passes.all.apply(to: placed)
    #expect(fused.ops == ["ChannelNorm", "Conv3D"])
    #expect(fused.nodes[0].op as? ChannelNorm == ChannelNorm(activation: .silu, dtype: .f16))
  }

  @Test("Single precision leaves a graph alone, and half precision one that has been placed")
  func idempotence() throws {
    let (graph, _) = try Self.graph()
    #expect(Precision.single.apply(to: graph).ops == graph.ops)
    let once = Self.half.apply(to: graph)
    let twice = Self.half.apply(to: once)
    #expect(twice.ops == once.ops && twice.values.map(\.type) == once.values.map(\.type))
  }

  @Test("A state that other nodes read stays in float32, and its convolution with it")
  func otherReaders() throws {
    let (graph, history) = try Self.graph(extraReader: true)
    let placed = Self.half.apply(to: graph)
    #expect(placed.ops == graph.ops && placed[history].type.dtype == .f32)
  }

  @Test("A state that is replaced stays in float32")
  func replaced() throws {
    var builder = GraphBuilder(weights: NamedWeights())
    let x = builder.input("x", TensorType([2, 3, 4, 8], .f32))
    let history = builder.state("cache", builder.type(of: x))
    let inputs = [x, try builder.weight("f32 8 3 3 3 8 w", [8, 3, 3, 3, 8]), try builder.weight("f32 8 b", [8])]
    builder.output(
      "y", try builder.apply(Conv3D(padding: .init(leading: 1, trailing: 1)), inputs + [history], "convolution"))
    builder.update(state: "cache", to: x)
    let placed = Self.half.apply(to: builder.graph)
    #expect(placed.ops == ["Conv3D"] && placed[history].type.dtype == .f32)
  }

  @Test("Without a history only what a norm or nonlinearity has made becomes half")
  func convolutionsWithoutHistory() throws {
    var builder = GraphBuilder(weights: NamedWeights())
    let x = builder.input("x", TensorType([1, 3, 4, 8], .f32))
    let weights = [try builder.weight("f32 8 1 3 3 8 w", [8, 1, 3, 3, 8]), try builder.weight("f32 8 b", [8])]
    let op = Conv3D(padding: .init(leading: 1, trailing: 1))
    let y = try builder.apply(op, [x] + weights, "first")
    let active = try builder.activation(.silu, y, "silu")
    builder.output("z", try builder.apply(op, [active] + weights, "second"))
    #expect(Self.half.apply(to: builder.graph).ops == ["Conv3D", "Activation", "Convert", "Conv3D"])
  }

  @Test("Random graphs stay valid, keep their results nearly, and passes keep those of the placed graph")
  func randomGraphs() throws {
    var conversions = (all: 0, states: 0)
    for seed in 1...2000 {
      let random = try RandomGraph(seed: UInt64(seed))
      let placed = Self.half.apply(to: random.graph)
      try #require(placed.defect == nil, "seed \(seed)")
      guard placed.ops != random.graph.ops else { continue }
      conversions.all += 1
      if placed.states.contains(where: { $0.type.dtype == .f16 }) { conversions.states += 1 }
      let fused = Passes.all.apply(to: placed)
      #expect(MemoryPlan(graph: fused, alignment: 64).defect(in: fused) == nil, "seed \(seed)")
      let runs = try [random.graph, placed, fused].map { try GraphRun($0) }
      for run in 0..<2 {
        let inputs = testInputs(random.graph, run: run, varying: random.varying)
        let results = try runs.map { try $0.run(inputs, states: PassPropertyTests.states) }
        #expect(largestError(results[1], results[0]) < 1e-3, "seed \(seed)")
        #expect(largestError(results[2], results[1]) < 1e-9, "seed \(seed)")
      }
    }
    #expect(conversions.all > 200 && conversions.states > 80, "\(conversions)")
  }
}
