import LumosOps
import LumosTensor
import Testing

@testable import LumosGraph

/// Factors of linear layers and attention in half precision: which values become half, and what they fuse into.
@Suite struct FactorPlacementTests {
  static let half = Precision.half(.f16)

  /// A block: norm and modulation, three projections, norms and rotation of two of them, attention, projection with
  /// residual, then a feed-forward layer.
  static func block(halfTypes: Set<DType> = Graph.Node.allHalfTypes) throws -> Graph {
    var builder = GraphBuilder(weights: NamedWeights())
    let x = builder.input("x", TensorType([6, 8], .f32))
    let table = builder.input("table", TensorType([6, 8], .f32))
    let angles = builder.input("angles", TensorType([6, 2], .f32))
    let attention = Attention(heads: 2, scale: 0.5, spans: [.init(queries: 0..<6, keys: 0..<6)])
    let y = try builder.withFactors(in: halfTypes) { builder throws(GraphBuilder.Failure) in
      func linear(_ x: Graph.ValueID, _ name: String) throws(GraphBuilder.Failure) -> Graph.ValueID {
        try builder.apply(
          Linear(), [x, builder.weight("f32 8 8 \(name)", [8, 8]), builder.weight("f32 8 \(name) b", [8])], name)
      }
      var y = try builder.layerNorm(x, epsilon: 1e-6, "norm")
      y = try builder.modulate(y, by: table, shiftRow: 0, scaleRow: 1, "modulate")
      var turned: [Graph.ValueID] = []
      for name in ["q", "k"] {
        let normed = try builder.apply(
          RMSNorm(epsilon: 1e-6), [linear(y, name), builder.weight("f32 8 gain \(name)", [8])], name)
        turned.append(try builder.apply(Rotary(heads: 2), [normed, angles, angles], name))
      }
      let found = try builder.apply(attention, turned + [linear(y, "v")], "attention")
      let stream = try builder.add(x, linear(found, "o"), "residual")
      let normed = try builder.layerNorm(stream, epsilon: 1e-6, "norm2")
      let hidden = try builder.activation(.geluTanh, linear(normed, "ffn.0"), "gelu")
      return try builder.add(stream, linear(hidden, "ffn.2"), "residual2")
    }
    builder.output("y", y)
    return builder.graph
  }

  @Test("Conversions become part of norms, projections and attention; sums stay float32")
  func block() throws {
    let graph = try Self.block()
    let placed = Self.half.apply(to: graph)
    #expect(placed.defect == nil && placed.nodes.count { $0.op is Convert } == 7)
    let fused = Passes.all.subtracting([.tileRows]).apply(to: placed)
    #expect(
      fused.ops == [
        "LayerNorm", "MultiLinear", "RMSNorm", "RMSNorm", "Attention", "Linear", "LayerNorm", "Linear", "Linear",
      ])
    let types = fused.nodes.map { node in node.outputs.map { fused[$0].type.dtype } }
    #expect(types == [[.f16], [.f32, .f32, .f16], [.f16], [.f16], [.f16], [.f32], [.f16], [.f16], [.f32]])
    #expect(placed.nodes.filter { $0.op is Elementwise }.allSatisfy { placed[$0.outputs[0]].type.dtype == .f32 })
    #expect(fused.inputs.allSatisfy { $0.type.dtype == .f32 })
  }

  @Test("Nodes that a type would not do keep float32, others take it")
  func excluded() throws {
    let graph = try Self.block(halfTypes: [.bf16])
    #expect(Self.half.apply(to: graph).ops == graph.ops)
    #expect(Precision.half(.bf16).apply(to: graph).ops.count { $0 == "Convert" } == 7)
    #expect(Precision.half(.bf16).apply(to: try Self.block(halfTypes: [])).ops == graph.ops)
  }

  @Test("A value that others read too is there in both types")
  func bothTypes() throws {
    var builder = GraphBuilder(weights: NamedWeights())
    let x = builder.input("x", TensorType([6, 8], .f32))
    let y = try builder.activation(.silu, x, "silu")
    builder.output("z", try builder.apply(Linear(), [y, builder.weight("f32 5 8 w", [5, 8])], "product"))
    builder.output("y", y)
    let placed = Self.half.apply(to: builder.graph)
    #expect(placed.defect == nil && placed.ops == ["Activation", "Convert", "Linear"])
    #expect(placed[placed.outputs[1].value].type.dtype == .f32)
  }

  @Test("What is joined to be a factor is joined in half, and parts that others read stay")
  func joined() throws {
    var builder = GraphBuilder(weights: NamedWeights())
    let x = builder.input("x", TensorType([6, 8], .f32))
    let parts = try ["a", "b"].map { try builder.activation(.silu, x, $0) }
    let whole = try builder.concatenate(parts[0], parts[1], "keys")
    let q = try builder.activation(.geluTanh, x, "q")
    let op = Attention(heads: 2, scale: 0.5, spans: [.init(queries: 0..<6, keys: 0..<12)])
    builder.output("y", try builder.apply(op, [q, whole, whole], "attention"))
    builder.output("b", parts[1])
    let placed = Self.half.apply(to: builder.graph)
    #expect(placed.defect == nil && placed[whole].type.dtype == .f16 && placed[parts[1]].type.dtype == .f32)
    #expect(placed.ops.count { $0 == "Convert" } == 3)
    // The whole as an output of its own is no factor: it stays, and a half of it is made.
    builder.output("whole", whole)
    let kept = Self.half.apply(to: builder.graph)
    #expect(kept.defect == nil && kept[whole].type.dtype == .f32 && kept.ops.count { $0 == "Convert" } == 2)
  }

  /// Keys of a text that does not vary, read by attention and, in float32, by the bias.
  private static func crossAttention() throws -> Graph {
    var builder = GraphBuilder(weights: NamedWeights())
    let text = builder.input("text", TensorType([3, 8], .f32))
    let x = builder.input("x", TensorType([4, 8], .f32))
    let templates = builder.input("templates", TensorType([1, 3], .f32))
    let key = try builder.apply(Linear(), [text, builder.weight("f32 8 8 k", [8, 8])], "k")
    let value = try builder.apply(Linear(), [text, builder.weight("f32 8 8 v", [8, 8])], "v")
    let summed = try builder.activation(.silu, value, "silu")
    let query = try builder.apply(Linear(), [x, builder.weight("f32 8 8 q", [8, 8])], "q")
    let cells = RelationCells(firstToken: 0, images: 1, height: 2, width: 2, pool: 2)
    let pooled = try builder.apply(PooledQueries(cells), [query], "pooled")
    let bias = try builder.apply(RelationBias(heads: 2, scale: 0.5, ratio: 0.5), [pooled, key, templates], "bias")
    let op = Attention(heads: 2, scale: 0.5, spans: [.init(queries: 0..<4, keys: 0..<3)], bias: .relation(cells))
    builder.output("y", try builder.apply(op, [query, key, value, bias], "attention"))
    // Something invariant that is no factor.
    builder.output("z", try builder.apply(Elementwise(.multiply), [x, builder.slice(summed, 0..<1, "row")], "z"))
    return builder.graph
  }

  @Test("Both halves of a split graph keep a factor that crosses in half, without sight of each other")
  func states() throws {
    let halves = Hoisting.split(try Self.crossAttention(), varying: ["x"])
    let invariant = Self.half.apply(to: try #require(halves.invariant))
    let varying = Self.half.apply(to: halves.varying)
    #expect(invariant.defect == nil && varying.defect == nil)
    let written = Dictionary(
      invariant.stateUpdates.map { ($0.state, invariant[$0.value].type) }, uniquingKeysWith: { first, _ in first })
    #expect(written.values.map(\.dtype).sorted { $0.rawValue < $1.rawValue } == [.f16, .f16, .f32])
    for graph in [invariant, varying] {
      for state in graph.states { #expect(written[state.name] == state.type, "\(state.name)") }
    }
    // The bias and the pooled queries read halves where there are some; the query is not kept twice.
    #expect(
      varying.ops == ["Convert", "Linear", "Convert", "PooledQueries", "RelationBias", "Attention", "Elementwise"])
  }
}
