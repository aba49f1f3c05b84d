import LumosOps
import LumosTensor

/// Which values may take over the memory of an operand of the nodes that make them.
///
/// A residual stream that dies where its successor is made, a product's input that nobody else reads: the op says that
/// the bytes may be the same (`OpDescriptor.inPlaceInputs`), the graph says that nobody misses the old contents. Both
/// hold row by row, so a stream that is updated in blocks of rows stays in its place too.
enum InPlace {
  /// The value whose memory a value takes over, by their indices. No two take over the same one.
  static func takeovers(in graph: Graph) -> [Int: Int] {
    let uses = Uses(of: graph)
    var result: [Int: Int] = [:]
    var taken = Set<Int>()
    for (index, node) in graph.nodes.enumerated() {
      guard let output = node.outputs.first, uses.writes[output.index]?.first?.node == index else { continue }
      for position in node.op.inPlaceInputs(graph.inputTypes(of: node)) {
        let operand = node.inputs[position]
        guard !taken.contains(operand.index), uses.allow(output, over: operand, in: graph) else { continue }
        result[output.index] = operand.index
        taken.insert(operand.index)
        break
      }
    }
    return result
  }

  /// Who reads and who writes each value.
  private struct Uses {
    /// One operand or result of a node; without rows it is the whole value.
    struct Use {
      let node: Int
      let position: Int
      let rows: Range<Int>?

      /// Whether a row is in both.
      func overlaps(_ other: Use) -> Bool {
        guard let rows, let others = other.rows else { return true }
        return rows.overlaps(others)
      }
    }

    var reads: [Int: [Use]] = [:]
    var writes: [Int: [Use]] = [:]
    /// Values that must survive the run.
    let kept: Set<Graph.ValueID>

    init(of graph: Graph) {
      for (index, node) in graph.nodes.enumerated() {
        for (position, value) in node.inputs.enumerated() {
          reads[value.index, default: []].append(.init(node: index, position: position, rows: node.inputRows[position]))
        }
        for (position, value) in node.outputs.enumerated() {
          writes[value.index, default: []].append(
            .init(node: index, position: position, rows: node.outputRows[position]))
        }
      }
      kept = Set(graph.outputs.map(\.value) + graph.stateUpdates.map(\.value))
    }

    /// Whether every node that writes rows of `value` may write them over the same rows of `operand`, and nobody reads
    /// or writes those rows of `operand` from then on.
    func allow(_ value: Graph.ValueID, over operand: Graph.ValueID, in graph: Graph) -> Bool {
      guard case .node = graph[operand].source, case .node = graph[value].source, operand != value,
        graph[operand].type == graph[value].type, graph[value].type.byteCount > 0, !kept.contains(operand)
      else { return false }
      let (reads, earlier) = (self.reads[operand.index] ?? [], self.writes[operand.index] ?? [])
      return (writes[value.index] ?? []).allSatisfy { write in
        let node = graph.nodes[write.node]
        let places = node.op.inPlaceInputs(graph.inputTypes(of: node))
        /// The read that the write may replace: by the same node, of the same rows, where the op allows it.
        func isOwn(_ read: Use) -> Bool {
          read.node == write.node && read.rows == write.rows && places.contains(read.position)
        }
        guard write.position == 0,
          reads.contains(where: { isOwn($0) })
        else { return false }
        return earlier.allSatisfy { $0.node < write.node || !$0.overlaps(write) }
          && reads.allSatisfy { $0.node < write.node || !$0.overlaps(write) || isOwn($0) }
      }
    }
  }
}
