import LumosOps

/// Joins neighbouring nodes into one where the result is the same up to rounding.
///
/// A node may be taken into its reader when the reader is its only one, so that its result need not exist. The joined
/// node stands where the reader stood: everything that either of them reads exists by then.
public enum Fusion {
  /// `LayerNorm` + `Modulate`, `RMSNorm` + `Rotary`, `ChannelNorm` + `Activation`, and any of them + `Convert`.
  public static func norms(_ graph: Graph) -> Graph {
    absorb(graph) { reader, producer, position in
      guard position == 0 else { return nil }
      switch (producer.op, reader.op) {
      case (let norm as LayerNorm, let modulate as Modulate) where norm.modulation == nil && norm.dtype == .f32:
        return (LayerNorm(epsilon: norm.epsilon, modulation: modulate), producer.inputs + reader.inputs.dropFirst())
      case (let norm as RMSNorm, let rotary as Rotary) where norm.rotary == nil && norm.dtype == .f32:
        return (RMSNorm(epsilon: norm.epsilon, rotary: rotary), producer.inputs + reader.inputs.dropFirst())
      case (let norm as ChannelNorm, let activation as Activation) where norm.activation == nil && norm.dtype == .f32:
        return (ChannelNorm(activation: activation.kind), producer.inputs)
      case (let norm as ChannelNorm, let convert as Convert) where norm.dtype == .f32:
        return (ChannelNorm(activation: norm.activation, dtype: convert.dtype), producer.inputs)
      case (let norm as LayerNorm, let convert as Convert) where norm.dtype == .f32:
        return (LayerNorm(epsilon: norm.epsilon, modulation: norm.modulation, dtype: convert.dtype), producer.inputs)
      case (let norm as RMSNorm, let convert as Convert) where norm.dtype == .f32:
        return (RMSNorm(epsilon: norm.epsilon, rotary: norm.rotary, dtype: convert.dtype), producer.inputs)
      default: return nil
      }
    }
  }

  /// `Linear` + `Activation`, `Linear` + residual (gated or not), `Conv3D` + residual; products and sums + `Convert`.
  public static func epilogues(_ graph: Graph) -> Graph {
    absorb(graph) { reader, producer, position in
      switch (producer.op, reader.op) {
      case (let linear as Linear, let activation as Activation) where linear.isPlain:
        return (Linear(epilogue: .activation(activation.kind)), producer.inputs)
      case (let linear as Linear, let gated as GatedAdd) where linear.isPlain && position == 1:
        return (
          Linear(epilogue: .gatedAdd(gateRow: gated.gateRow)), producer.inputs + [reader.inputs[0], reader.inputs[2]]
        )
      case (let linear as Linear, let sum as Elementwise) where linear.isPlain:
        guard let residual = residual(of: sum, reader, besides: position, graph) else { return nil }
        return (Linear(epilogue: .add), producer.inputs + [residual])
      case (let convolution as Conv3D, let sum as Elementwise) where !convolution.addsResidual:
        guard let residual = residual(of: sum, reader, besides: position, graph) else { return nil }
        let fused = Conv3D(
          stride: convolution.stride, padding: convolution.padding, upsamples: convolution.upsamples,
          addsResidual: true)
        return (fused, producer.inputs + [residual])
      case (let linear as Linear, let convert as Convert) where linear.epilogue.operandCount == 0:
        return linear.dtype == .f32
          ? (Linear(epilogue: linear.epilogue, dtype: convert.dtype), producer.inputs) : nil
      case (let attention as Attention, let convert as Convert) where attention.dtype == .f32:
        return (attention.making(convert.dtype), producer.inputs)
      case (let product as Elementwise, let convert as Convert) where product.dtype == .f32:
        return (Elementwise(product.kind, dtype: convert.dtype), producer.inputs)
      default: return nil
      }
    }
  }

  /// `UpsampleNearest` + `Conv3D` without history.
  public static func upsampling(_ graph: Graph) -> Graph {
    absorb(graph) { reader, producer, position in
      guard position == 0, producer.op is UpsampleNearest, let convolution = reader.op as? Conv3D,
        !convolution.upsamples, !convolution.hasHistory(inputCount: reader.inputs.count)
      else { return nil }
      let fused = Conv3D(
        stride: convolution.stride, padding: convolution.padding, upsamples: true,
        addsResidual: convolution.addsResidual)
      return (fused, producer.inputs + reader.inputs.dropFirst())
    }
  }

  /// Most layers of a joined projection: query, key and value.
  static let projectionLimit = 3
  /// Most nodes from the first to the last layer of a joined projection. All blocks project the same text: without a
  /// limit the keys and values of all of them would be made, and take memory, from the first block on.
  static let projectionReach = 8

  /// Plain `Linear` nodes of one input that stand near each other, with weights of one type and alike in having a bias,
  /// become a `MultiLinear` where the first of them stands. Only weights and the shared input are read, so all of it
  /// exists there.
  public static func projections(_ graph: Graph) -> Graph {
    struct Key: Hashable {
      let input: Graph.ValueID
      let weight: TensorKey
      let bias: TensorKey?
    }
    struct TensorKey: Hashable {
      let shape: [Int]
      let dtype: String
      init(_ value: Graph.Value) {
        shape = value.type.shape.dimensions
        dtype = value.type.dtype.rawValue
      }
    }
    func isStored(_ id: Graph.ValueID) -> Bool {
      switch graph[id].source {
      case .weight, .constant: true
      case .input, .state, .node: false
      }
    }
    var groups: [Key: [Int]] = [:]
    for (index, node) in graph.nodes.enumerated() {
      guard let linear = node.op as? Linear, linear.epilogue == .none, !node.hasWindows,
        node.inputs.dropFirst().allSatisfy(isStored)
      else { continue }
      let bias = linear.hasBias(inputCount: node.inputs.count) ? TensorKey(graph[node.inputs[2]]) : nil
      groups[Key(input: node.inputs[0], weight: TensorKey(graph[node.inputs[1]]), bias: bias), default: []]
        .append(index)
    }
    var joined: [Int: Graph.Node] = [:]
    var dropped = Set<Int>()
    for (key, members) in groups {
      var rest = members[...]
      while let first = rest.first {
        let near = rest.prefix(projectionLimit).prefix { $0 - first <= projectionReach }
        rest = rest.dropFirst(near.count)
        guard near.count > 1 else { continue }
        let nodes = near.map { graph.nodes[$0] }
        let biases = key.bias == nil ? [] : nodes.map { $0.inputs[2] }
        joined[first] = Graph.Node(
          op: MultiLinear(dtypes: nodes.map { graph[$0.outputs[0]].type.dtype }),
          inputs: [key.input] + nodes.map { $0.inputs[1] } + biases,
          outputs: nodes.flatMap(\.outputs), label: nodes.map(\.label).joined(separator: " + "))
        dropped.formUnion(near.dropFirst())
      }
    }
    var result = graph
    result.nodes = graph.nodes.indices.filter { !dropped.contains($0) }.map { joined[$0] ?? graph.nodes[$0] }
    return result
  }

  // MARK: - Mechanics

  /// The other operand of a sum if it can be a residual: of the sum's own type.
  private static func residual(
    of sum: Elementwise, _ reader: Graph.Node, besides position: Int, _ graph: Graph
  ) -> Graph.ValueID? {
    guard sum.kind == .add else { return nil }
    let other = reader.inputs[1 - position]
    return graph[other].type == graph[reader.outputs[0]].type ? other : nil
  }

  /// Walks the nodes once and lets `join` take a producer into its only reader. `join` gets the operand position at
  /// which the reader reads the producer, and returns the joined op and its operands, or nil. What it returns is only
  /// taken where it has the reader's results: a sum may repeat a smaller second operand, say, and an epilogue cannot.
  ///
  /// Operands of a producer are read later than before, which changes nothing: values never change while a graph runs,
  /// and states are updated after its end.
  private static func absorb(
    _ graph: Graph,
    _ join: (_ reader: Graph.Node, _ producer: Graph.Node, _ position: Int) -> (any OpDescriptor, [Graph.ValueID])?
  ) -> Graph {
    var reads = [Int](repeating: 0, count: graph.values.count)
    for value in graph.nodes.flatMap(\.inputs) + graph.outputs.map(\.value) + graph.stateUpdates.map(\.value) {
      reads[value.index] += 1
    }
    var nodes: [Graph.Node?] = []
    var madeBy: [Int: Int] = [:]
    for node in graph.nodes {
      var current = node
      for position in node.inputs.indices {
        let value = node.inputs[position]
        guard reads[value.index] == 1, let index = madeBy[value.index], let producer = nodes[index],
          producer.outputs.count == 1, !producer.hasWindows, !node.hasWindows,
          let (op, inputs) = join(node, producer, position),
          (try? op.outputTypes(inputs.map { graph[$0].type })) == node.outputs.map({ graph[$0].type })
        else { continue }
        current = Graph.Node(op: op, inputs: inputs, outputs: node.outputs, label: producer.label)
        nodes[index] = nil
        break
      }
      for value in current.outputs { madeBy[value.index] = nodes.count }
      nodes.append(current)
    }
    var result = graph
    result.nodes = nodes.compactMap { $0 }
    return result
  }
}

extension Linear {
  /// Whether nothing happens to the product on its way out.
  fileprivate var isPlain: Bool { epilogue == .none && dtype == .f32 }
}
