import LumosOps
import LumosTensor

/// Lets the parts of a concatenation be made where the whole will be.
///
/// A part that nobody else reads becomes a window of the whole: the nodes that make it write there, and there is nothing
/// to join. A part that others read too, or that no node makes, is copied into its rows. Either way the whole and its
/// parts do not stand side by side.
public enum PartPlacement {
  /// `graph` without the concatenations that can be spared. Values keep their identities.
  public static func apply(to graph: Graph) -> Graph {
    let places = places(in: graph)
    if places.isEmpty { return graph }
    var result = graph
    result.nodes = graph.nodes.flatMap { node -> [Graph.Node] in
      guard joins(node), node.inputs.contains(where: { places[$0] != nil }) else { return [node.moved(places, graph)] }
      // What has no place in the whole is copied there.
      var start = 0
      return node.inputs.compactMap { part -> Graph.Node? in
        let count = graph[part].type.shape[0]
        defer { start += count }
        if places[part] != nil { return nil }
        return Graph.Node(
          op: Slice(start: 0, count: count), inputs: [part], outputs: node.outputs, label: node.label,
          outputRows: [0: start..<start + count]
        ).moved(places, graph)
      }
    }
    return result
  }

  /// Where a value is made: from row `start` of the whole on.
  fileprivate struct Place {
    let whole: Graph.ValueID
    let start: Int
  }

  private static func joins(_ node: Graph.Node) -> Bool { node.op is Concatenate && !node.hasWindows }

  /// Parts that move. The whole may be part of a larger whole in turn; parts of parts go to the outermost.
  private static func places(in graph: Graph) -> [Graph.ValueID: Place] {
    var reads: [Graph.ValueID: Int] = [:]
    for value in graph.nodes.flatMap(\.inputs) + graph.outputs.map(\.value) + graph.stateUpdates.map(\.value) {
      reads[value, default: 0] += 1
    }
    var places: [Graph.ValueID: Place] = [:]
    // From the last on, so that the whole's own place is known.
    for node in graph.nodes.reversed() where joins(node) {
      // An empty part has no rows to be made in.
      guard let output = node.outputs.first, node.inputs.allSatisfy({ graph[$0].type.byteCount > 0 }) else { continue }
      var start = 0
      for part in node.inputs {
        if case .node = graph[part].source, reads[part] == 1 {
          let outer = places[output]
          places[part] = Place(whole: outer?.whole ?? output, start: (outer?.start ?? 0) + start)
        }
        start += graph[part].type.shape[0]
      }
    }
    return places
  }
}

extension Graph.Node {
  /// The node with its results where they belong.
  fileprivate func moved(_ places: [Graph.ValueID: PartPlacement.Place], _ graph: Graph) -> Graph.Node {
    guard outputs.contains(where: { places[$0] != nil }) else { return self }
    var outputs = outputs
    var outputRows = outputRows
    for (position, value) in self.outputs.enumerated() {
      guard let place = places[value] else { continue }
      let rows = outputRows[position] ?? 0..<graph[value].type.shape[0]
      outputs[position] = place.whole
      outputRows[position] = place.start + rows.lowerBound..<place.start + rows.upperBound
    }
    return Graph.Node(
      op: op, inputs: inputs, outputs: outputs, label: label, inputRows: inputRows, outputRows: outputRows)
  }
}
