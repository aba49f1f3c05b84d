import LumosOps

/// Removes nodes that compute what an earlier node has computed: the same op on the same operands.
///
/// This is no pass of `Passes`: a value that is kept for a second reader far away takes memory meanwhile, which whoever
/// builds the graph has to weigh.
public enum Repetition {
  /// `graph` without them. Identities change.
  public static func remove(from graph: Graph) -> Graph {
    struct Work: Hashable {
      let op: AnyHashable
      let operands: [Graph.ValueID]
    }
    var results: [Work: [Graph.ValueID]] = [:]
    var earlier: [Graph.ValueID: Graph.ValueID] = [:]
    func current(_ value: Graph.ValueID) -> Graph.ValueID { earlier[value] ?? value }
    var result = graph
    result.nodes = []
    for node in graph.nodes {
      let operands = node.inputs.map(current)
      let work = Work(op: AnyHashable(node.op), operands: operands)
      if let known = results[work] {
        for (value, same) in zip(node.outputs, known) { earlier[value] = same }
      } else {
        results[work] = node.outputs
        result.nodes.append(
          Graph.Node(
            op: node.op, inputs: operands, outputs: node.outputs, label: node.label, halfTypes: node.halfTypes))
      }
    }
    result.outputs = graph.outputs.map { ($0.name, current($0.value)) }
    result.stateUpdates = graph.stateUpdates.map {
      Graph.StateUpdate(state: $0.state, value: current($0.value), appends: $0.appends)
    }
    return result.pruned()
  }
}
