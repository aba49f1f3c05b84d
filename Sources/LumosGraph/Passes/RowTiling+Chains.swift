import LumosOps
import LumosTensor

/// What must exist while the nodes of a region run, whole or in blocks.
struct RegionPeaks {
  /// A value that a node of the region makes or reads. Nodes are numbered within the region.
  private struct Local {
    let id: Graph.ValueID
    let byteCount: Int
    /// The node that makes it; -1 outside.
    var first: Int
    /// The last node that reads it; `Int.max` if somebody outside does.
    var last: Int
    /// Place among the values of the one whose memory it can take over.
    var over: Int?

    func isWithin(_ piece: Range<Int>) -> Bool { first >= piece.lowerBound && last < piece.upperBound }
    func isLive(in piece: Range<Int>) -> Bool { first < piece.upperBound && last >= piece.lowerBound }
  }

  private var values: [Local] = []
  private let nodeCount: Int
  private let blockByteCount: Int

  init(_ region: Region, of graph: Graph, takeovers: [Int: Int], blockByteCount: Int) {
    nodeCount = region.nodes.count
    self.blockByteCount = blockByteCount
    var places: [Int: Int] = [:]
    for (local, index) in region.nodes.enumerated() {
      let node = graph.nodes[index]
      for (ids, first) in [(node.inputs, -1), (node.outputs, local)] {
        for id in ids {
          // Only what nodes make takes room in the arena.
          guard case .node = graph[id].source else { continue }
          if let place = places[id.index] {
            values[place].last = max(values[place].last, local)
          } else {
            places[id.index] = values.count
            values.append(Local(id: id, byteCount: graph[id].type.byteCount, first: first, last: local))
          }
        }
      }
    }
    let members = Set(region.nodes)
    for (index, node) in graph.nodes.enumerated() where !members.contains(index) {
      // Rows of a value that the region makes too.
      for id in node.outputs where index < (region.nodes.first ?? 0) {
        if let place = places[id.index] { values[place].first = -1 }
      }
      // What is read before the region starts is no longer needed for that.
      for id in node.inputs where index > (region.nodes.first ?? 0) {
        if let place = places[id.index] { values[place].last = .max }
      }
    }
    for id in graph.outputs.map(\.value) + graph.stateUpdates.map(\.value) {
      if let place = places[id.index] { values[place].last = .max }
    }
    for node in region.nodes.map({ graph.nodes[$0] }) {
      // Other nodes make the other rows of such a value, which is therefore whole.
      for id in node.outputRows.keys.map({ node.outputs[$0] }) {
        if let place = places[id.index] { values[place].last = .max }
      }
    }
    for place in values.indices { values[place].over = takeovers[values[place].id.index].flatMap { places[$0] } }
  }

  /// Bytes that must exist while the nodes of a piece run: of what is made and read within it, a block.
  func peak(of piece: Range<Int>) -> Int {
    var whole = 0
    var within = 0
    for value in values where value.isLive(in: piece) {
      if piece.count > 1 && value.isWithin(piece) {
        within += value.byteCount
        continue
      }
      let takesOver = value.first >= piece.lowerBound && value.over.map { !values[$0].isWithin(piece) } ?? false
      if !takesOver { whole += value.byteCount }
    }
    return whole + min(within, blockByteCount)
  }

  /// Values that exist only within a piece.
  func interior(of piece: Range<Int>) -> Set<Graph.ValueID> {
    Set(values.filter { $0.isWithin(piece) }.map(\.id))
  }

  /// Neighbouring pieces of the region, each of two nodes or more, that save memory in blocks.
  ///
  /// From single nodes on, those neighbours are joined that save most, as long as they save `least` bytes and need more
  /// than `floor` apart.
  func pieces(least: Int, above floor: Int) -> [Range<Int>] {
    var pieces = (0..<nodeCount).map { (range: $0..<$0 + 1, peak: peak(of: $0..<$0 + 1)) }
    while true {
      var best: (saving: Int, pieces: Range<Int>, peak: Int)?
      for start in pieces.indices {
        var apart = pieces[start].peak
        for end in (start + 1)..<pieces.count {
          apart = max(apart, pieces[end].peak)
          guard apart > floor else { continue }
          let joined = peak(of: pieces[start].range.lowerBound..<pieces[end].range.upperBound)
          let saving = apart - joined
          let isBetter = best.map { (saving, $0.pieces.count) > ($0.saving, end + 1 - start) } ?? true
          if saving >= least && isBetter { best = (saving, start..<end + 1, joined) }
        }
      }
      guard let best else { return pieces.map(\.range).filter { $0.count > 1 } }
      let range = pieces[best.pieces.lowerBound].range.lowerBound..<pieces[best.pieces.upperBound - 1].range.upperBound
      pieces.replaceSubrange(best.pieces, with: [(range: range, peak: best.peak)])
    }
  }
}

/// Row-wise nodes that run together, a block of rows at a time.
struct Chain {
  /// Rows in all.
  let rows: Int
  /// Bytes of a row of everything within the chain.
  let rowByteCount: Int
  private let nodes: [Graph.Node]
  private let shapes: [RowShape]
  private let interior: Set<Graph.ValueID>
  private var blocks: [Range<Int>] = []

  /// nil if the nodes are not row-wise.
  init?(_ indices: [Int], within interior: Set<Graph.ValueID>, of graph: Graph) {
    nodes = indices.map { graph.nodes[$0] }
    shapes = nodes.compactMap { RowShape($0, in: graph) }
    guard let first = shapes.first, shapes.count == nodes.count else { return nil }
    rows = first.rows
    self.interior = interior
    rowByteCount = interior.reduce(0) { $0 + graph[$1].type.rowByteCount }
  }

  /// The chain with these blocks.
  func inBlocks(_ blocks: [Range<Int>]) -> Chain {
    var chain = self
    chain.blocks = blocks
    return chain
  }

  /// Appends the nodes of every block.
  func append(to graph: inout Graph) {
    for block in blocks {
      var blockValues: [Graph.ValueID: Graph.ValueID] = [:]
      for (node, shape) in zip(nodes, shapes) {
        var inputs = node.inputs
        var inputRows: [Int: Range<Int>] = [:]
        for position in shape.inputs {
          if let value = blockValues[inputs[position]] {
            inputs[position] = value
          } else {
            inputRows[position] = block
          }
        }
        var outputs = node.outputs
        var outputRows: [Int: Range<Int>] = [:]
        for (position, value) in node.outputs.enumerated() {
          if interior.contains(value) {
            let id = Graph.ValueID(index: graph.values.count)
            graph.values.append(Graph.Value(id: id, type: graph[value].type.window(block), source: .node))
            blockValues[value] = id
            outputs[position] = id
          } else {
            let start = node.outputRows[position]?.lowerBound ?? 0
            outputRows[position] = start + block.lowerBound..<start + block.upperBound
          }
        }
        graph.nodes.append(
          Graph.Node(
            op: node.op, inputs: inputs, outputs: outputs, label: node.label, inputRows: inputRows,
            outputRows: outputRows))
      }
    }
  }
}
