import LumosOps

/// Rewrites of a graph that leave its results unchanged, up to rounding.
///
/// Every pass is a pure function from graph to graph. The reference backend runs graphs as models build them, the
/// Vulkan backend runs them after `all`: parity of the two proves the passes. Each has a switch for its own parity test.
public struct Passes: OptionSet, Sendable, Hashable {
  public let rawValue: Int

  public init(rawValue: Int) { self.rawValue = rawValue }

  /// Norm and modulation, norm and rotary, norm and nonlinearity become one op.
  public static let fuseNorms = Passes(rawValue: 1 << 0)
  /// Linear layers and convolutions take their nonlinearity, gate and residual with them.
  public static let fuseEpilogues = Passes(rawValue: 1 << 1)
  /// Nearest upsampling becomes part of the convolution that follows.
  public static let fuseUpsampling = Passes(rawValue: 1 << 2)
  /// Linear layers of one input become one op.
  public static let joinProjections = Passes(rawValue: 1 << 3)
  /// Nodes whose results nobody reads go away.
  public static let removeDeadCode = Passes(rawValue: 1 << 4)
  /// Row-wise nodes run in blocks of rows where that saves memory.
  public static let tileRows = Passes(rawValue: 1 << 5)
  /// Parts of a concatenation are made where the whole will be.
  public static let placeParts = Passes(rawValue: 1 << 6)

  /// Every pass.
  public static let all: Passes = [
    .fuseNorms, .fuseEpilogues, .fuseUpsampling, .joinProjections, .removeDeadCode, .placeParts, .tileRows,
  ]

  /// Each pass with its name, for switches and tests.
  public static let named: [(name: String, pass: Passes)] = [
    ("fuseNorms", .fuseNorms), ("fuseEpilogues", .fuseEpilogues), ("fuseUpsampling", .fuseUpsampling),
    ("joinProjections", .joinProjections), ("removeDeadCode", .removeDeadCode), ("placeParts", .placeParts),
    ("tileRows", .tileRows),
  ]

  /// `graph` after the chosen passes. Those that make windows come last: the others know whole values only.
  public func apply(to graph: Graph, tiling: RowTiling = RowTiling()) -> Graph {
    var graph = graph
    if contains(.removeDeadCode) { graph = DeadCode.remove(from: graph) }
    if contains(.fuseNorms) { graph = Fusion.norms(graph) }
    if contains(.fuseUpsampling) { graph = Fusion.upsampling(graph) }
    if contains(.fuseEpilogues) { graph = Fusion.epilogues(graph) }
    if contains(.joinProjections) { graph = Fusion.projections(graph) }
    if contains(.placeParts) { graph = PartPlacement.apply(to: graph) }
    if contains(.tileRows) { graph = tiling.apply(to: graph) }
    return graph
  }
}

/// Removes nodes whose results reach neither an output nor a state.
public enum DeadCode {
  /// `graph` without them. Values keep their identities.
  public static func remove(from graph: Graph) -> Graph {
    var needed = Set(graph.outputs.map(\.value) + graph.stateUpdates.map(\.value))
    var kept: [Graph.Node] = []
    for node in graph.nodes.reversed() where node.outputs.contains(where: needed.contains) {
      needed.formUnion(node.inputs)
      kept.append(node)
    }
    var result = graph
    result.nodes = kept.reversed()
    return result
  }
}
