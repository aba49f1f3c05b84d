import LumosOps
import LumosTensor

/// In which types the values of a graph are kept.
///
/// A pure function from graph to graph, before all passes. The reference interprets its result as any other graph, so
/// that an engine in half precision can be held against a reference that rounds alike.
public enum Precision: Sendable, Hashable {
  /// Everything in float32: parity with the published model.
  case single
  /// Frames that convolutions read are kept in this type (f16 or bf16): what they remember between runs (states that
  /// are appended to), and results of norms and nonlinearities that only they read. Arithmetic and all else stay
  /// float32.
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
/// state depends on what every graph shows that touches it: it is appended to, and nodes read it as a convolution's
/// history or not at all.
private struct TypePlacement {
  private(set) var result: Graph
  private let dtype: DType
  private var converted: [Graph.ValueID: Graph.ValueID] = [:]

  init(_ graph: Graph, _ dtype: DType) {
    result = graph
    self.dtype = dtype
    let histories = Self.histories(of: graph)
    let names = Set(histories.values)
    // Values that are needed in the half type.
    var wanted: [Graph.ValueID] = []
    for node in graph.nodes where Self.reads(node, histories, graph) { wanted.append(node.inputs[0]) }
    for update in graph.stateUpdates where names.contains(update.state) { wanted.append(update.value) }
    let isWanted = Set(wanted)

    for id in histories.keys {
      let value = graph[id]
      result.values[id.index] = Graph.Value(id: id, type: TensorType(value.type.shape, dtype), source: value.source)
    }
    result.nodes = []
    for id in wanted { if case .node = graph[id].source { continue } else { convert(id, label: "input") } }
    for node in graph.nodes {
      var inputs = node.inputs
      if Self.reads(node, histories, graph), let half = converted[inputs[0]] { inputs[0] = half }
      result.nodes.append(
        Graph.Node(
          op: node.op, inputs: inputs, outputs: node.outputs, label: node.label, inputRows: node.inputRows,
          outputRows: node.outputRows))
      for output in node.outputs where isWanted.contains(output) { convert(output, label: node.label) }
    }
    result.stateUpdates = graph.stateUpdates.map { update in
      let half = names.contains(update.state) ? converted[update.value] : nil
      return Graph.StateUpdate(state: update.state, value: half ?? update.value, appends: update.appends)
    }
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

  /// Whether a node is a convolution that is to read frames in the half type: those behind a history in it, and those
  /// that a norm or nonlinearity has just made.
  private static func reads(_ node: Graph.Node, _ histories: [Graph.ValueID: String], _ graph: Graph) -> Bool {
    guard let convolution = node.op as? Conv3D, graph[node.inputs[0]].type.dtype == .f32 else { return false }
    if convolution.hasHistory(inputCount: node.inputs.count) { return histories[node.inputs[3]] != nil }
    let producer = graph.nodes.first { $0.outputs.contains(node.inputs[0]) }
    return !node.hasWindows && (producer?.op is ChannelNorm || producer?.op is Activation)
  }
}
