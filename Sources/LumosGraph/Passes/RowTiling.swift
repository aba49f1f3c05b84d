import LumosOps
import LumosTensor

/// Runs chains of row-wise nodes in blocks of rows, so that only a block of what passes between them exists.
///
/// A feed-forward network makes `[tokens, 8960]` from `[tokens, 1536]` and `[tokens, 1536]` from that again; every row
/// goes its own way (`OpDescriptor.rowInputs`). In blocks of rows the wide value is never whole: a block's result goes
/// into its rows of the full one. Every element is computed as before, by the same op.
///
/// Neighbouring row-wise nodes are joined where that lowers the bytes that must exist while they run. Joining all
/// would be worse, since inputs at one end and outputs at the other end must all be whole.
public struct RowTiling: Sendable, Hashable {
  /// Bytes of the values within a chain that exist at a time; also the least that a chain must save.
  public var blockByteCount: Int
  /// Blocks of at least as many rows are a multiple of it, since kernels work in tiles of rows.
  public var rowMultiple: Int
  /// Whether chains stay whole that need no more memory than what no tiling can lower.
  public var onlyAbovePeak: Bool

  /// Tiling with blocks of 64 MiB, where it lowers the graph's peak.
  public init(blockByteCount: Int = 64 << 20, rowMultiple: Int = 128, onlyAbovePeak: Bool = true) {
    precondition(blockByteCount > 0 && rowMultiple > 0, "empty blocks")
    self.blockByteCount = blockByteCount
    self.rowMultiple = rowMultiple
    self.onlyAbovePeak = onlyAbovePeak
  }

  /// `graph` in blocks of rows where that saves memory. Values keep their identities, except those within chains.
  public func apply(to graph: Graph) -> Graph {
    let regions = Region.regions(of: graph)
    let takeovers = InPlace.takeovers(in: graph)
    let live = MemoryPlan(graph: graph).liveBytes
    let floor = onlyAbovePeak ? Self.peak(outside: regions, live) : 0
    // The chains by their last node, where all that any of their nodes reads exists.
    var chains: [Int: Chain] = [:]
    var members = Set<Int>()
    for region in regions where region.nodes.count > 1 {
      let peaks = RegionPeaks(region, of: graph, takeovers: takeovers, blockByteCount: blockByteCount)
      // What else is alive meanwhile, whole or in blocks.
      let others = region.nodes.enumerated().map { live[$1] - peaks.peak(of: $0..<$0 + 1) }.max() ?? 0
      for piece in peaks.pieces(least: blockByteCount, above: floor - others) {
        let nodes = Array(region.nodes[piece])
        guard let chain = Chain(nodes, within: peaks.interior(of: piece), of: graph),
          let last = nodes.last, let blocks = blocks(of: chain)
        else { continue }
        chains[last] = chain.inBlocks(blocks)
        members.formUnion(nodes)
      }
    }
    var result = graph
    result.nodes = []
    for (index, node) in graph.nodes.enumerated() {
      if let chain = chains[index] {
        chain.append(to: &result)
      } else if !members.contains(index) {
        result.nodes.append(node)
      }
    }
    return result
  }

  /// Blocks of about equally many rows, or nil if one would hold all.
  private func blocks(of chain: Chain) -> [Range<Int>]? {
    func roundedUp(_ rows: Int) -> Int { (rows + rowMultiple - 1) / rowMultiple * rowMultiple }
    guard chain.rowByteCount > 0 else { return nil }
    var most = max(blockByteCount / chain.rowByteCount, 1)
    if most > rowMultiple { most = most / rowMultiple * rowMultiple }
    let count = (chain.rows + most - 1) / most
    guard count > 1 else { return nil }
    let even = (chain.rows + count - 1) / count
    let size = even >= rowMultiple ? roundedUp(even) : even
    return stride(from: 0, to: chain.rows, by: size).map { $0..<min($0 + size, chain.rows) }
  }

  /// The largest number of live bytes at nodes that no region can take in.
  private static func peak(outside regions: [Region], _ live: [Int]) -> Int {
    let tileable = Set(regions.filter { $0.nodes.count > 1 }.flatMap(\.nodes))
    return live.enumerated().reduce(0) { tileable.contains($1.offset) ? $0 : max($0, $1.element) }
  }
}

/// Row-wise nodes of equally many rows that hang together: each but the first reads another's result row by row, and no
/// node outside reads one before the last of them has run.
struct Region {
  /// Indices of the nodes, ascending.
  var nodes: [Int]

  /// The regions of `graph`, each as large as can be from its first node on. Every row-wise node is in one.
  static func regions(of graph: Graph) -> [Region] {
    var taken = Set<Int>()
    return graph.nodes.indices.compactMap { first in
      guard !taken.contains(first), let own = RowShape(graph.nodes[first], in: graph) else { return nil }
      var region = Region(nodes: [first])
      var made = Set(graph.nodes[first].outputs)
      // A value of which the region makes some rows is whole only behind it.
      var filled = Set(graph.nodes[first].outputRows.keys.map { graph.nodes[first].outputs[$0] })
      for index in (first + 1)..<graph.nodes.count {
        let node = graph.nodes[index]
        let reads = node.inputs.indices.filter { made.contains(node.inputs[$0]) }
        // A node that reads nothing of the region runs before it.
        if reads.isEmpty { continue }
        guard !taken.contains(index), let shape = RowShape(node, in: graph), shape.rows == own.rows,
          reads.allSatisfy({ shape.inputs.contains($0) && !filled.contains(node.inputs[$0]) })
        else { break }
        region.nodes.append(index)
        made.formUnion(node.outputs)
        filled.formUnion(node.outputRows.keys.map { node.outputs[$0] })
      }
      taken.formUnion(region.nodes)
      return region
    }
  }
}

/// How a row-wise node goes through its rows. Results may be windows: the rows of a window then are its rows.
struct RowShape {
  /// Positions of the operands that go along, row by row.
  let inputs: Set<Int>
  /// Number of rows.
  let rows: Int

  /// nil if the node is not row-wise, or reads windows.
  init?(_ node: Graph.Node, in graph: Graph) {
    let types = node.inputs.map { graph[$0].type }
    let results = graph.outputTypes(of: node).map(\.shape)
    guard node.inputRows.isEmpty, let inputs = node.op.rowInputs(types), !inputs.isEmpty, let first = results.first,
      first.rank > 0
    else { return nil }
    let rows = first[0]
    let going = inputs.map { types[$0].shape } + results
    guard rows > 0, going.allSatisfy({ $0.rank > 0 && $0[0] == rows }) else { return nil }
    self.inputs = inputs
    self.rows = rows
  }
}
