import LumosOps
import LumosTensor
import Testing

@testable import LumosGraph

/// What each pass makes of small graphs, and what it must leave alone.
@Suite struct PassTests {
  /// A builder and a row input x `[5, 8]`.
  static func start() -> (builder: GraphBuilder, x: Graph.ValueID) {
    var builder = GraphBuilder(weights: NamedWeights())
    let x = builder.input("x", TensorType([5, 8], .f32))
    return (builder, x)
  }

  /// A linear layer of `x` with weights of its own.
  static func linear(
    _ x: Graph.ValueID, _ name: String, outputs: Int = 8, dtype: DType = .f32, bias: Bool = true,
    in builder: inout GraphBuilder
  ) throws -> Graph.ValueID {
    let width = builder.shape(of: x)[-1]
    var inputs = [x, try builder.weight("\(dtype.rawValue) \(outputs) \(width) \(name)", [outputs, width])]
    if bias { inputs.append(try builder.weight("f32 \(outputs) bias_\(name)", [outputs])) }
    return try builder.apply(Linear(), inputs, name)
  }

  /// A 3x3 convolution of one frame of `x [T, H, W, 8]`, or of two with `history`.
  static func convolution(
    _ x: Graph.ValueID, history: Graph.ValueID? = nil, in builder: inout GraphBuilder
  ) throws -> Graph.ValueID {
    let frames = history == nil ? 1 : 2
    let inputs = [
      x, try builder.weight("f16 8 \(frames) 3 3 8 kernel", [8, frames, 3, 3, 8]), try builder.weight("f32 8 c", [8]),
    ]
    return try builder.apply(
      Conv3D(padding: .init(leading: 1, trailing: 1)), inputs + (history.map { [$0] } ?? []), "convolution")
  }

  /// The last node's op as a type.
  static func last<Op: OpDescriptor>(_ graph: Graph, as: Op.Type) throws -> (op: Op, node: Graph.Node) {
    let node = try #require(graph.nodes.last)
    return (try #require(node.op as? Op), node)
  }

  // MARK: Norms

  @Test func normAndModulation() throws {
    var (builder, x) = Self.start()
    let table = builder.input("table", TensorType([6, 8], .f32))
    let normed = try builder.layerNorm(x, "f32 8 norm", epsilon: 1e-6, gain: "f32 8 g", bias: "f32 8 b")
    let y = try builder.modulate(normed, by: table, shiftRow: 3, scaleRow: 4, "modulate")
    builder.output("y", y)
    let fused = Passes.fuseNorms.apply(to: builder.graph)
    #expect(fused.ops == ["LayerNorm"])
    let (op, node) = try Self.last(fused, as: LayerNorm.self)
    #expect(op == LayerNorm(epsilon: 1e-6, modulation: Modulate(shiftRow: 3, scaleRow: 4)))
    #expect(node.inputs == builder.graph.nodes[0].inputs + [table] && node.outputs == [y])
  }

  @Test func normAndRotary() throws {
    var (builder, x) = Self.start()
    let tables = ["cosines", "sines"].map { builder.input($0, TensorType([5, 2], .f32)) }
    let normed = try builder.apply(RMSNorm(epsilon: 1e-6), [x, builder.weight("bf16 8 g", [8])], "norm")
    let y = try builder.apply(Rotary(heads: 2), [normed] + tables, "rotary")
    builder.output("y", y)
    let (op, node) = try Self.last(Passes.fuseNorms.apply(to: builder.graph), as: RMSNorm.self)
    #expect(op == RMSNorm(epsilon: 1e-6, rotary: Rotary(heads: 2)))
    #expect(node.inputs == builder.graph.nodes[0].inputs + tables && node.outputs == [y])
  }

  @Test(arguments: Activation.Kind.allCases) func normAndNonlinearity(_ kind: Activation.Kind) throws {
    var (builder, x) = Self.start()
    let normed = try builder.apply(ChannelNorm(), [x, builder.weight("f16 8 g", [8])], "norm")
    let once = try builder.activation(kind, normed, "first")
    builder.output("y", try builder.activation(kind, once, "second"))
    let fused = Passes.fuseNorms.apply(to: builder.graph)
    // A norm takes one nonlinearity, not two.
    #expect(fused.ops == ["ChannelNorm", "Activation"])
    #expect(fused.nodes[0].op as? ChannelNorm == ChannelNorm(activation: kind))
  }

  @Test func aNormThatIsTheTableStays() throws {
    var (builder, x) = Self.start()
    let table = try builder.layerNorm(x, epsilon: 1e-6, "table")
    builder.output("y", try builder.modulate(x, by: table, shiftRow: 0, scaleRow: 1, "modulate"))
    #expect(Passes.all.apply(to: builder.graph).ops == ["LayerNorm", "Modulate"])
  }

  // MARK: Epilogues

  @Test func linearAndWhatFollows() throws {
    var (builder, x) = Self.start()
    let table = builder.input("table", TensorType([6, 8], .f32))
    let residual = builder.input("residual", TensorType([5, 8], .f32))
    let hidden = try Self.linear(x, "first", outputs: 12, in: &builder)
    let active = try builder.activation(.geluTanh, hidden, "gelu")
    let y = try Self.linear(active, "second", bias: false, in: &builder)
    let gated = try builder.gatedAdd(residual, y, by: table, gateRow: 5, "gate")
    let z = try builder.add(gated, Self.linear(gated, "third", in: &builder), "sum")
    let w = try builder.add(Self.linear(z, "fourth", in: &builder), z, "sum, operands exchanged")
    builder.output("w", w)
    let fused = Passes.fuseEpilogues.apply(to: builder.graph)
    #expect(
      fused.nodes.map { $0.op as? Linear } == [
        Linear(epilogue: .activation(.geluTanh)), Linear(epilogue: .gatedAdd(gateRow: 5)), Linear(epilogue: .add),
        Linear(epilogue: .add),
      ])
    #expect(fused.nodes[1].inputs.suffix(2) == [residual, table] && fused.nodes[1].inputs.count == 4)
    #expect(fused.nodes[2].inputs.last == gated && fused.nodes[2].inputs.count == 4)
    #expect(fused.nodes[3].inputs.last == z && fused.nodes[3].outputs == [w])
    #expect(fused.nodes.map(\.label) == ["first", "second", "third", "fourth"])
  }

  @Test func twoLayersAdded() throws {
    var (builder, x) = Self.start()
    let (a, b) = (try Self.linear(x, "a", in: &builder), try Self.linear(x, "b", in: &builder))
    builder.output("y", try builder.add(a, b, "sum"))
    let fused = Passes.fuseEpilogues.apply(to: builder.graph)
    // The first takes the sum and stands behind the second, which is its residual.
    #expect(fused.nodes.map(\.label) == ["b", "a"])
    #expect(fused.nodes[1].inputs.last == b && fused.defect == nil)
  }

  @Test func whatIsNoResidual() throws {
    var (builder, x) = Self.start()
    let table = builder.input("table", TensorType([6, 8], .f32))
    let row = builder.input("row", TensorType([1, 8], .f32))
    // The smaller operand repeats: the product is not of the sum's type, or the other operand is not.
    builder.output("repeated product", try builder.add(x, Self.linear(row, "row", in: &builder), "1"))
    builder.output("repeated operand", try builder.add(Self.linear(x, "a", in: &builder), row, "2"))
    let half = try builder.weight("f16 5 8 offset", [5, 8])
    builder.output("half", try builder.add(Self.linear(x, "b", in: &builder), half, "3"))
    builder.output("product", try builder.multiply(Self.linear(x, "c", in: &builder), x, "4"))
    // What is gated is y, not the residual.
    builder.output(
      "gate", try builder.gatedAdd(Self.linear(x, "d", in: &builder), x, by: table, gateRow: 0, "5"))
    let fused = Passes.fuseEpilogues.apply(to: builder.graph)
    #expect(fused.ops == builder.graph.ops)
    // The same as the table that gates.
    var (other, z) = Self.start()
    let gates = try Self.linear(z, "gates", in: &other)
    other.output("y", try other.gatedAdd(z, z, by: gates, gateRow: 0, "gate"))
    #expect(Passes.fuseEpilogues.apply(to: other.graph).ops == ["Linear", "GatedAdd"])
  }

  // MARK: Convolutions

  @Test func convolutionTakesUpsamplingAndResidual() throws {
    var (builder, _) = Self.start()
    let x = builder.input("frames", TensorType([1, 3, 2, 8], .f32))
    let up = try builder.apply(UpsampleNearest(), [x], "up")
    let y = try Self.convolution(up, in: &builder)
    let residual = builder.input("residual", TensorType([1, 6, 4, 8], .f32))
    let sum = try builder.add(residual, y, "sum")
    builder.output("y", sum)
    let (op, node) = try Self.last(Passes.all.apply(to: builder.graph), as: Conv3D.self)
    #expect(op.upsamples && op.addsResidual && op.padding == .init(leading: 1, trailing: 1))
    #expect(node.inputs == [x] + builder.graph.nodes[1].inputs.dropFirst() + [residual] && node.outputs == [sum])
    #expect(Passes.fuseUpsampling.apply(to: builder.graph).ops == ["Conv3D", "Elementwise"])
    #expect(Passes.fuseEpilogues.apply(to: builder.graph).ops == ["UpsampleNearest", "Conv3D"])
  }

  @Test func historyKeepsItsPlace() throws {
    var (builder, _) = Self.start()
    let x = builder.input("frames", TensorType([2, 3, 2, 8], .f32))
    let history = builder.state("history", TensorType([1, 6, 4, 8], .f32))
    let up = try builder.apply(UpsampleNearest(), [x], "up")
    let y = try Self.convolution(up, history: history, in: &builder)
    let residual = builder.input("residual", TensorType([2, 6, 4, 8], .f32))
    builder.output("y", try builder.add(y, residual, "sum"))
    let (op, node) = try Self.last(Passes.all.apply(to: builder.graph), as: Conv3D.self)
    // The history is not upsampled, so the convolution cannot be.
    #expect(!op.upsamples && op.addsResidual && op.hasHistory(inputCount: node.inputs.count))
    #expect(node.inputs.suffix(2) == [history, residual])
    // Frames that are upsampled to be the history are not x.
    var (other, _) = Self.start()
    let (old, new) = (
      other.input("old", TensorType([1, 3, 2, 8], .f32)), other.input("new", TensorType([1, 6, 4, 8], .f32))
    )
    let large = try other.apply(UpsampleNearest(), [old], "up")
    other.output("y", try Self.convolution(new, history: large, in: &other))
    #expect(Passes.all.apply(to: other.graph).ops == ["UpsampleNearest", "Conv3D"])
  }

  // MARK: Projections

  @Test func layersOfOneInputAreJoined() throws {
    var (builder, x) = Self.start()
    let made = try ["q", "k", "v"].map { try Self.linear(x, $0, in: &builder) }
    for value in made { builder.output("\(value.index)", try builder.add(value, value, "use")) }
    let joined = Passes.joinProjections.apply(to: builder.graph)
    #expect(joined.ops == ["MultiLinear", "Elementwise", "Elementwise", "Elementwise"])
    let (node, parts) = (joined.nodes[0], builder.graph.nodes.prefix(3))
    #expect(node.inputs == [x] + parts.map { $0.inputs[1] } + parts.map { $0.inputs[2] })
    #expect(node.outputs == made && node.label == "q + k + v")
  }

  @Test func layersThatDifferStayApart() throws {
    var (builder, x) = Self.start()
    let other = builder.input("other", TensorType([5, 8], .f32))
    let made = [
      try Self.linear(x, "a", in: &builder), try Self.linear(x, "b", dtype: .f16, in: &builder),
      try Self.linear(x, "c", bias: false, in: &builder), try Self.linear(x, "d", outputs: 4, in: &builder),
      try Self.linear(other, "e", in: &builder),
      // Its weight is computed, perhaps later than the first of the layers stands.
      try builder.apply(
        Linear(),
        [
          x, builder.add(builder.weight("f32 8 8 w", [8, 8]), builder.weight("f32 8 r", [8]), "weight"),
          builder.weight("f32 8 z", [8]),
        ],
        "f"),
    ]
    for value in made { builder.output("\(value.index)", value) }
    #expect(Passes.joinProjections.apply(to: builder.graph).ops == builder.graph.ops)
  }

  @Test func onlyNearLayersAreJoinedAndNotTooMany() throws {
    var (builder, x) = Self.start()
    for block in 0..<3 {
      for role in ["k", "v"] { builder.output("\(role)\(block)", try Self.linear(x, "\(role)\(block)", in: &builder)) }
      var y = x
      for step in 0..<Fusion.projectionReach { y = try builder.add(y, x, "\(step)") }
      builder.output("y\(block)", y)
    }
    let labels = Passes.joinProjections.apply(to: builder.graph).nodes.filter { $0.op is MultiLinear }.map(\.label)
    #expect(labels == ["k0 + v0", "k1 + v1", "k2 + v2"])
    var (many, z) = Self.start()
    for index in 0..<7 { many.output("\(index)", try Self.linear(z, "layer\(index)", in: &many)) }
    #expect(Passes.joinProjections.apply(to: many.graph).nodes.map(\.outputs.count) == [3, 3, 1])
  }

  // MARK: What is read elsewhere

  /// Chains that would be joined, by the pass that would.
  static let chains: [Passes] = [.fuseNorms, .fuseEpilogues, .fuseUpsampling]

  /// A producer and its reader, and the producer's result.
  static func chain(
    _ pass: Passes, _ builder: inout GraphBuilder
  ) throws -> (inner: Graph.ValueID, outer: Graph.ValueID) {
    let x = builder.input("frames", TensorType([1, 3, 2, 8], .f32))
    switch pass {
    case .fuseNorms:
      let inner = try builder.apply(ChannelNorm(), [x, builder.weight("f32 8 g", [8])], "norm")
      return (inner, try builder.activation(.silu, inner, "silu"))
    case .fuseEpilogues:
      let inner = try linear(x, "linear", in: &builder)
      return (inner, try builder.add(inner, x, "sum"))
    default:
      let inner = try builder.apply(UpsampleNearest(), [x], "up")
      return (inner, try convolution(inner, in: &builder))
    }
  }

  @Test(arguments: chains) func valuesWithOtherReadersStay(_ pass: Passes) throws {
    for reader in ["none", "node", "output", "state"] {
      var (builder, _) = Self.start()
      let (inner, outer) = try Self.chain(pass, &builder)
      builder.output("outer", outer)
      switch reader {
      case "node": builder.output("more", try builder.slice(inner, 0..<1, "slice"))
      case "output": builder.output("inner", inner)
      case "state":
        _ = builder.state("kept", builder.type(of: inner))
        builder.update(state: "kept", to: inner)
      default: break
      }
      let result = Passes.all.apply(to: builder.graph)
      #expect(result.nodes.count == builder.graph.nodes.count - (reader == "none" ? 1 : 0), "\(reader)")
      #expect(result.defect == nil && pass.apply(to: builder.graph).ops == result.ops)
    }
  }

  @Test func whatOneReaderReadsTwiceStays() throws {
    var (builder, x) = Self.start()
    let y = try Self.linear(x, "linear", in: &builder)
    builder.output("twice", try builder.add(y, y, "sum"))
    let table = try builder.layerNorm(x, epsilon: 1e-6, "norm")
    builder.output("modulated", try builder.modulate(table, by: table, shiftRow: 0, scaleRow: 1, "modulate"))
    #expect(Passes.all.apply(to: builder.graph).ops == ["Linear", "Elementwise", "LayerNorm", "Modulate"])
  }

  // MARK: Dead code

  @Test func deadCodeGoes() throws {
    var (builder, x) = Self.start()
    let kept = try builder.add(x, x, "kept")
    let dead = try builder.multiply(kept, x, "dead")
    _ = try builder.activation(.silu, dead, "dead end")
    let remembered = try builder.activation(.silu, kept, "remembered")
    _ = builder.state("memory", builder.type(of: kept))
    builder.update(state: "memory", to: remembered)
    builder.output("y", kept)
    let result = Passes.removeDeadCode.apply(to: builder.graph)
    #expect(result.nodes.map(\.label) == ["kept", "remembered"])
    // A dead reader must not keep a value from being joined.
    var (other, z) = Self.start()
    let y = try Self.linear(z, "linear", in: &other)
    _ = try other.slice(y, 0..<1, "dead")
    other.output("y", try other.activation(.silu, y, "silu"))
    #expect(Passes.all.apply(to: other.graph).ops == ["Linear"])
    #expect(Passes.all.subtracting(.removeDeadCode).apply(to: other.graph).ops == ["Linear", "Slice", "Activation"])
  }

  // MARK: Switches

  @Test func everyPassHasAName() {
    #expect(Passes.named.reduce(into: Passes()) { $0.formUnion($1.pass) } == .all)
    #expect(Set(Passes.named.map(\.name)).count == Passes.named.count)
    #expect(Set(Passes.named.map(\.pass)).count == Passes.named.count)
  }
}

extension GraphBuilder {
  /// Layer norm with gain and bias of these names.
  fileprivate mutating func layerNorm(
    _ x: Value, _ label: String, epsilon: Float, gain: String, bias: String
  ) throws -> Value {
    let width = shape(of: x)[-1]
    return try apply(LayerNorm(epsilon: epsilon), [x, weight(gain, [width]), weight(bias, [width])], label)
  }
}
