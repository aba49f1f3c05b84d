import LumosOps
import LumosTensor

@testable import LumosGraph

/// Random graphs of row-wise ops over a few activations, with some that are not row-wise in between.
struct RowGraphs {
  private var random: TestRandom
  private var builder = GraphBuilder(weights: NoWeights())
  /// Activations `[rows, width]`.
  private var values: [GraphBuilder.Value] = []
  private let rows: Int

  /// A graph and the tensors of its inputs.
  static func make(seed: UInt64) throws -> (graph: Graph, inputs: [String: Tensor]) {
    var maker = RowGraphs(seed: seed)
    return try maker.make()
  }

  private init(seed: UInt64) {
    random = TestRandom(seed: seed)
    rows = 1 + random.below(40)
  }

  private mutating func constant(_ shape: Shape) -> GraphBuilder.Value {
    builder.constant(random.tensor(TensorType(shape, .f32)))
  }

  private mutating func width() -> Int { random.pick([4, 8, 24]) }

  private mutating func make() throws -> (graph: Graph, inputs: [String: Tensor]) {
    var inputs: [String: Tensor] = [:]
    for name in ["x", "y"] {
      let contents = random.tensor(TensorType([rows, width()], .f32))
      inputs[name] = contents
      values.append(builder.input(name, contents.type))
    }
    for step in 0..<(3 + random.below(16)) { values += try node("\(step)") }
    // What nobody reads goes into the results, so that nothing is dead, and now and then something that is read.
    let graph = builder.graph
    let read = Set(graph.nodes.flatMap(\.inputs))
    for (index, value) in values.enumerated() where !read.contains(value) || random.below(8) == 0 {
      builder.output("result \(index)", value)
    }
    if random.below(2) == 0 {
      let updated = values[random.below(values.count)]
      _ = builder.state("s", builder.type(of: updated))
      builder.update(state: "s", to: updated)
    }
    return (builder.graph, inputs)
  }

  /// Another value of the type of `x`, or nil.
  private mutating func alike(_ x: GraphBuilder.Value) -> GraphBuilder.Value? {
    let type = builder.type(of: x)
    let others = values.filter { builder.type(of: $0) == type }
    return others.isEmpty ? nil : others[random.below(others.count)]
  }

  /// A new node on one of the latest values (chains) or on any.
  private mutating func node(_ label: String) throws -> [GraphBuilder.Value] {
    let x = random.below(3) > 0 ? values[values.count - 1] : values[random.below(values.count)]
    let shape = builder.shape(of: x)
    let width = shape[1]
    switch random.below(16) {
    case 0, 1:
      return [try builder.apply(Activation(.silu), [x], label)]
    case 2, 3, 4:
      let outputs = self.width()
      var inputs = [x, constant([outputs, width])]
      if random.below(2) == 0 { inputs.append(constant([outputs])) }
      return [try builder.apply(Linear(), inputs, label)]
    case 5:
      guard let residual = alike(x) else { return [] }
      let gated = random.below(2) == 0
      let inputs = [x, constant([width, width]), residual] + (gated ? [constant([3, width])] : [])
      return [try builder.apply(Linear(epilogue: gated ? .gatedAdd(gateRow: 1) : .add), inputs, label)]
    case 6:
      let count = 1 + random.below(3)
      let outputs = self.width()
      return try builder.applyAll(
        MultiLinear(count: count), [x] + (0..<count).map { _ in constant([outputs, width]) }, label)
    case 7:
      let modulation = random.below(2) == 0 ? Modulate(shiftRow: 0, scaleRow: 1) : nil
      let inputs = [x] + (modulation == nil ? [] : [constant([2, width])])
      return [try builder.apply(LayerNorm(epsilon: 1e-3, modulation: modulation), inputs, label)]
    case 8:
      let rotary = random.below(2) == 0 ? Rotary(heads: 2) : nil
      let tables = rotary == nil ? [] : [constant([shape[0], width / 4]), constant([shape[0], width / 4])]
      return [try builder.apply(RMSNorm(epsilon: 1e-3, rotary: rotary), [x, constant([width])] + tables, label)]
    case 9:
      let tables = [constant([shape[0], width / 4]), constant([shape[0], width / 4])]
      return [try builder.apply(Rotary(heads: 2), [x] + tables, label)]
    case 10:
      guard let other = alike(x) else { return [] }
      return [try builder.add(x, random.below(2) == 0 ? other : constant([width]), label)]
    case 11:
      guard let other = alike(x) else { return [] }
      return [try builder.apply(GatedAdd(gateRow: 0), [x, other, constant([1, width])], label)]
    case 12:
      return [try builder.apply(Modulate(shiftRow: 1, scaleRow: 0), [x, constant([2, width])], label)]
    case 13, 14:
      // Two row-wise results one behind the other, of which others may read one.
      guard shape[0] <= 80 else { return [] }
      let parts = try (0..<2).map { try builder.activation(.silu, x, "\(label) part \($0)") }
      let kept = random.below(3) == 0 ? [parts[0]] : []
      return kept + [try builder.concatenate(parts[0], parts[1], label)]
    default:
      // Rows move: the same number of them, in another order.
      let cut = random.below(shape[0] + 1)
      let tail = try builder.slice(x, cut..<shape[0], label)
      let head = try builder.slice(x, 0..<cut, label)
      return [try builder.concatenate(tail, head, label)]
    }
  }
}
