import LumosOps
import LumosTensor

/// In which types the values of a graph are kept.
///
/// A pure function from graph to graph, before all passes. The reference interprets its result as any other graph, so
/// that an engine in half precision can be held against a reference that rounds alike.
public enum Precision: Sendable, Hashable {
  /// Everything in float32: parity with the published model.
  case single
  /// Factors of products are kept in this type (f16 or bf16): what linear layers and attention read, unless their nodes
  /// say otherwise (`Graph.Node.halfTypes`), and frames that convolutions read: what they remember between runs (states
  /// that are appended to), and results of norms and nonlinearities that only they read. Sums and all else stay float32.
  case half(DType)

  /// `"single"` or `"half"`.
  public var name: String { self == .single ? "single" : "half" }

  /// `graph` with its values in these types. Values keep their identities.
  public func apply(to graph: Graph) -> Graph {
    guard case .half(let dtype) = self else { return graph }
    return TypePlacement(graph, dtype).result
  }
}

/// Which values of a graph go into a half type, and the graph with them there.
///
/// A session's graphs share states and must agree on their types, each without sight of the others. So the type of a
/// state depends on what every graph shows that touches it. A history: it is appended to, and nodes read it as a
/// convolution's history or not at all. A factor: whoever split the graph said so (`Graph.factorStates`).
private struct TypePlacement {
  private(set) var result: Graph
  private let dtype: DType
  private let uses: FactorUses
  /// The half value of each value that has one.
  private var converted: [Graph.ValueID: Graph.ValueID] = [:]

  init(_ graph: Graph, _ dtype: DType) {
    result = graph
    self.dtype = dtype
    let histories = Self.histories(of: graph)
    let names = Set(histories.values).union(graph.factorStates)
    uses = FactorUses(of: graph, in: dtype, histories: Set(histories.keys))
    // Values that are needed in the half type.
    var wanted = uses.factors
    for update in graph.stateUpdates where names.contains(update.state) { wanted.insert(update.value) }

    result.nodes = []
    for value in graph.values {
      switch value.source {
      case .state(let name) where names.contains(name) && value.type.dtype == .f32: keepInHalf(value.id)
      case .node: break
      case .input, .weight, .constant, .state: if wanted.contains(value.id) { convert(value.id, label: "input") }
      }
    }
    for node in graph.nodes {
      var inputs = node.inputs
      for position in inputs.indices where uses.reads(node, position) {
        inputs[position] = converted[inputs[position]] ?? inputs[position]
      }
      result.nodes.append(
        Graph.Node(
          op: node.op, inputs: inputs, outputs: node.outputs, label: node.label, inputRows: node.inputRows,
          outputRows: node.outputRows, halfTypes: node.halfTypes))
      for output in node.outputs where wanted.contains(output) {
        // What only joins halves is half itself.
        if uses.joins(node) { keepInHalf(output) } else { convert(output, label: node.label) }
      }
    }
    result.stateUpdates = graph.stateUpdates.map { update in
      let half = names.contains(update.state) ? converted[update.value] : nil
      return Graph.StateUpdate(state: update.state, value: half ?? update.value, appends: update.appends)
    }
  }

  /// Gives a value itself the half type.
  private mutating func keepInHalf(_ id: Graph.ValueID) {
    let value = result[id]
    result.values[id.index] = Graph.Value(id: id, type: TensorType(value.type.shape, dtype), source: value.source)
    converted[id] = id
  }

  /// Makes `value` in the half type, once.
  private mutating func convert(_ value: Graph.ValueID, label: String) {
    guard converted[value] == nil else { return }
    let id = Graph.ValueID(index: result.values.count)
    result.values.append(Graph.Value(id: id, type: TensorType(result[value].type.shape, dtype), source: .node))
    result.nodes.append(Graph.Node(op: Convert(to: dtype), inputs: [value], outputs: [id], label: label))
    converted[value] = id
  }

  /// The states that only hold what convolutions remember, by the values that stand for them.
  private static func histories(of graph: Graph) -> [Graph.ValueID: String] {
    let appended = Set(graph.stateUpdates.filter(\.appends).map(\.state))
    var found: [Graph.ValueID: String] = [:]
    for value in graph.values where value.type.dtype == .f32 {
      if case .state(let name) = value.source, appended.contains(name) { found[value.id] = name }
    }
    for node in graph.nodes {
      for (position, input) in node.inputs.enumerated() where found[input] != nil {
        let isHistory = position == 3 && (node.op as? Conv3D)?.hasHistory(inputCount: node.inputs.count) == true
        if !isHistory || node.hasWindows || graph[node.inputs[0]].type.dtype != .f32 { found[input] = nil }
      }
    }
    for value in graph.outputs.map(\.value) + graph.stateUpdates.map(\.value) { found[value] = nil }
    return found
  }
}
