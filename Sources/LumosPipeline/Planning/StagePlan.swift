import LumosGraph

/// What one stage of a generation takes, from its first run to its last.
public struct StagePlan: Sendable {
  /// One graph of the stage.
  public struct Part: Sendable {
    /// How often it is run.
    public let runs: Int
    /// One run.
    public let summary: PlanSummary
  }

  /// Which stage.
  public let stage: Stage
  /// Its graphs, in the order in which they are compiled.
  public let parts: [Part]
  /// Evaluations of the network within all runs: guidance evaluates the transformer twice per step.
  public let evaluations: Int
  /// Bytes of the stage's weights, each counted once.
  public let weightBytes: Int
  /// Bytes of the states that live through the stage: latents, caches of the autoencoder, hoisted values.
  public let cacheBytes: Int
  /// Bytes of the arenas that are held at once where most is.
  public let arenaBytes: Int
  /// Largest sums of live bytes of those arenas' graphs.
  public let liveBytesMax: Int
  /// Bytes of inputs and constants of those graphs.
  public let inputBytes: Int
  /// Bytes on the device where most is: weights, states, arenas, inputs and constants.
  public let peakBytes: Int

  /// Puts a stage together from what its session saw.
  init(
    _ stage: Stage, _ session: PlanningSession, evaluations: Int, _ summarize: (Graph) throws -> PlanSummary
  ) rethrows {
    // A driver may compile one and the same graph again (a prompt of the same length); it is planned once.
    let parts = try session.uses.map { Part(runs: $0.runs, summary: try summarize($0.graph)) }
    self.stage = stage
    self.parts = parts
    self.evaluations = evaluations
    func union(_ bytes: KeyPath<PlanSummary, [String: Int]>, of count: Int) -> Int {
      parts[..<count].reduce(into: [String: Int]()) { all, part in
        all.merge(part.summary[keyPath: bytes]) { max($0, $1) }
      }.values.reduce(0, +)
    }
    weightBytes = union(\.weights, of: parts.count)
    cacheBytes = union(\.states, of: parts.count)
    // Weights and states stay in the session; arenas and inputs go with the executables.
    var peak = 0
    var fullest: [Int] = []
    for (index, held) in session.held.enumerated() {
      let own = held.reduce(0) { $0 + parts[$1].summary.ownBytes }
      let bytes = union(\.weights, of: index + 1) + union(\.states, of: index + 1) + own
      if bytes > peak { (peak, fullest) = (bytes, held) }
    }
    peakBytes = peak
    arenaBytes = fullest.reduce(0) { $0 + parts[$1].summary.arenaBytes }
    liveBytesMax = fullest.reduce(0) { $0 + parts[$1].summary.liveBytesMax }
    inputBytes = fullest.reduce(0) { $0 + parts[$1].summary.inputBytes }
  }

  /// A number summed over all runs of all graphs.
  public func total(_ number: KeyPath<PlanSummary, Int>) -> Int {
    parts.reduce(0) { $0 + $1.runs * $1.summary[keyPath: number] }
  }

  /// Nodes of all graphs, each counted once.
  public var nodes: Int { parts.reduce(0) { $0 + $1.summary.nodes } }
  /// Kernels of one transformer block before slicing; 0 in stages without blocks.
  public var dispatchesPerBlock: Int { parts.map(\.summary.dispatchesPerBlock).max() ?? 0 }
  /// Predicted seconds of all runs.
  public var predictedSeconds: Double { parts.reduce(0) { $0 + Double($1.runs) * $1.summary.predictedSeconds } }
  /// Floating-point operations of one evaluation.
  public var flopsPerEvaluation: Int { evaluations > 0 ? total(\.flops) / evaluations : 0 }
  /// Bytes of the largest single value.
  public var largestValueBytes: Int { parts.map(\.summary.largestValueBytes).max() ?? 0 }
}
