import LumosOps

/// Splits a graph that runs many times into what is the same every time and what is not.
///
/// Text embedding, text keys and values and everything else that depends neither on the timestep nor on the latent is
/// computed once per prompt; what the rest needs of it crosses over as states.
public enum Hoisting {
  /// The two halves. States named `PREFIX.N` carry values from the first to the second.
  ///
  /// Each half takes the inputs that it reads, which its `inputs` list; one that both read is given to both.
  public struct Halves: Sendable {
    /// Run once after the inputs that do not vary are given; nil if nothing can be hoisted.
    public let invariant: Graph?
    /// Run every time.
    public let varying: Graph
  }

  /// Splits `graph`; inputs in `varying` and all states change from run to run, everything else does not.
  /// - Parameter prefix: of the names of the states that carry values. States belong to the session: split graphs that
  ///   share one need different prefixes. Names that the graph itself uses are passed over.
  public static func split(_ graph: Graph, varying names: Set<String>, prefix: String = "invariant") -> Halves {
    let graph = DeadCode.remove(from: graph)
    var varies = [Bool](repeating: false, count: graph.values.count)
    for value in graph.values {
      switch value.source {
      case .input(let name): varies[value.id.index] = names.contains(name)
      case .state: varies[value.id.index] = true
      case .weight, .constant, .node: break
      }
    }
    var fixed: [Graph.Node] = []
    var rest: [Graph.Node] = []
    for node in graph.nodes {
      if node.inputs.contains(where: { varies[$0.index] }) {
        for output in node.outputs { varies[output.index] = true }
        rest.append(node)
      } else {
        fixed.append(node)
      }
    }
    let made = Set(fixed.flatMap(\.outputs))
    var crossing: [Graph.ValueID] = []
    var seen = Set<Graph.ValueID>()
    let readLater =
      rest.flatMap(\.inputs) + graph.outputs.map(\.value) + graph.stateUpdates.map(\.value)
    for value in readLater where made.contains(value) && seen.insert(value).inserted { crossing.append(value) }
    // Without dead code every fixed node leads to a value that crosses.
    guard !crossing.isEmpty else { return Halves(invariant: nil, varying: graph.pruned()) }

    let taken = Set(graph.states.map(\.name) + graph.stateUpdates.map(\.state))
    var carriers: [String] = []
    var number = 0
    while carriers.count < crossing.count {
      let name = "\(prefix).\(number)"
      if !taken.contains(name) { carriers.append(name) }
      number += 1
    }

    var invariant = graph
    invariant.nodes = fixed
    invariant.outputs = []
    invariant.stateUpdates = zip(carriers, crossing).map { Graph.StateUpdate(state: $0, value: $1) }
    var remaining = graph
    remaining.nodes = rest
    for (name, value) in zip(carriers, crossing) {
      // The states that take the crossing values are declared where they are written, and stand for them elsewhere.
      let id = Graph.ValueID(index: invariant.values.count)
      invariant.values.append(Graph.Value(id: id, type: graph[value].type, source: .state(name: name)))
      remaining.values[value.index] = Graph.Value(id: value, type: graph[value].type, source: .state(name: name))
    }
    // Neither half sees what the other does with a state, so that both are told which are factors.
    let onlyFactors = FactorUses(of: remaining, in: nil).onlyFactors
    let factorStates = zip(carriers, crossing).filter { onlyFactors.contains($0.1) }.map(\.0)
    invariant.factorStates.formUnion(factorStates)
    remaining.factorStates.formUnion(factorStates)
    return Halves(invariant: invariant.pruned(), varying: remaining.pruned())
  }
}

extension Graph {
  /// The graph without inputs, weights, constants and states that nothing reads or updates. Identities change.
  func pruned() -> Graph {
    var needed = Set(nodes.flatMap { $0.inputs + $0.outputs } + outputs.map(\.value) + stateUpdates.map(\.value))
    let updated = Set(stateUpdates.map(\.state))
    for value in values {
      if case .state(let name) = value.source, updated.contains(name) { needed.insert(value.id) }
    }
    var renamed: [Int: ValueID] = [:]
    var result = Graph()
    for value in values where needed.contains(value.id) {
      let id = ValueID(index: result.values.count)
      renamed[value.id.index] = id
      result.values.append(Value(id: id, type: value.type, source: value.source))
    }
    func map(_ ids: [ValueID]) -> [ValueID] { ids.compactMap { renamed[$0.index] } }
    result.nodes = nodes.map {
      Node(
        op: $0.op, inputs: map($0.inputs), outputs: map($0.outputs), label: $0.label, inputRows: $0.inputRows,
        outputRows: $0.outputRows, halfTypes: $0.halfTypes)
    }
    result.outputs = outputs.compactMap { output in renamed[output.value.index].map { (output.name, $0) } }
    result.stateUpdates = stateUpdates.compactMap { update in
      renamed[update.value.index].map { StateUpdate(state: update.state, value: $0, appends: update.appends) }
    }
    result.factorStates = factorStates
    return result
  }
}
