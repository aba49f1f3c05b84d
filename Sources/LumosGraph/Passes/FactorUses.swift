import LumosOps
import LumosTensor

/// Which values of a graph are factors of products that can take them in a half type.
///
/// Linear layers and attention say what is a factor. Nodes that only join values (`Concatenate`) pass on what their
/// results are. Some nodes compute in float32 but take their operands in either type (`PooledQueries`, the keys of
/// `RelationBias`): they read halves where there are such, and ask for none.
struct FactorUses {
  /// Values, all float32, that a product reads, or a node that joins factors.
  private(set) var factors: Set<Graph.ValueID> = []
  /// Those of them that nothing else reads but nodes that take either type.
  private(set) var onlyFactors: Set<Graph.ValueID> = []
  private let graph: Graph
  private let dtype: DType?
  private let histories: Set<Graph.ValueID>
  private let madeBy: [Graph.ValueID: Graph.Node]

  /// - Parameters:
  ///   - dtype: the half type, which a node may exclude; nil for any, where a node must exclude neither.
  ///   - histories: states that hold what convolutions remember.
  init(of graph: Graph, in dtype: DType?, histories: Set<Graph.ValueID> = []) {
    self.graph = graph
    self.dtype = dtype
    self.histories = histories
    var madeBy: [Graph.ValueID: Graph.Node] = [:]
    for node in graph.nodes { for output in node.outputs { madeBy[output] = node } }
    self.madeBy = madeBy
    var others = Set(graph.outputs.map(\.value))
    for update in graph.stateUpdates {
      if graph.factorStates.contains(update.state) { factors.insert(update.value) } else { others.insert(update.value) }
    }
    // From the last node on, so that what becomes of a joined value is known.
    for node in graph.nodes.reversed() {
      for (position, value) in node.inputs.enumerated() {
        switch use(node, position, others) {
        case .factor: factors.insert(value)
        case .either: break
        case .other: others.insert(value)
        }
      }
    }
    onlyFactors = factors.subtracting(others)
  }

  /// Whether a node reads the operand in this position in half where there is such a value.
  func reads(_ node: Graph.Node, _ position: Int) -> Bool {
    if let convolution = node.op as? Conv3D, position == 3 {
      return convolution.hasHistory(inputCount: node.inputs.count) && histories.contains(node.inputs[3])
    }
    if node.op is Concatenate { return joins(node) }
    return use(node, position, []) != .other
  }

  /// Whether a node joins factors to one that is nothing else.
  func joins(_ node: Graph.Node) -> Bool { node.op is Concatenate && onlyFactors.contains(node.outputs[0]) }

  private enum Use { case factor, either, other }

  /// What an operand is to its node; `others` are the values known to be more than factors.
  private func use(_ node: Graph.Node, _ position: Int, _ others: Set<Graph.ValueID>) -> Use {
    guard !node.hasWindows, graph[node.inputs[position]].type.dtype == .f32 else { return .other }
    switch node.op {
    case is Concatenate:
      let whole = node.outputs[0]
      return factors.contains(whole) && !others.contains(whole) ? .factor : .other
    case is PooledQueries: return .either
    case is RelationBias: return position == 1 ? .either : .other
    case is Conv3D: return position == 0 && readsFrames(node) ? .factor : .other
    case is Linear, is MultiLinear: return position == 0 && takesHalf(node) ? .factor : .other
    case is Attention: return position < 3 && takesHalf(node) ? .factor : .other
    default: return .other
    }
  }

  private func takesHalf(_ node: Graph.Node) -> Bool {
    dtype.map(node.halfTypes.contains) ?? (node.halfTypes == Graph.Node.allHalfTypes)
  }

  /// Whether a convolution is to read frames in the half type: one behind a history in it, and one whose frames a norm or
  /// nonlinearity has just made.
  private func readsFrames(_ node: Graph.Node) -> Bool {
    guard let convolution = node.op as? Conv3D, takesHalf(node) else { return false }
    if convolution.hasHistory(inputCount: node.inputs.count) { return histories.contains(node.inputs[3]) }
    let producer = madeBy[node.inputs[0]]?.op
    return producer is ChannelNorm || producer is Activation
  }
}
