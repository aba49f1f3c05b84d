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
  /// What is done about its memory.
  public let rung: MemoryLadder.Rung
  /// Its graphs, in the order in which they are compiled.
  public let parts: [Part]
  /// Evaluations of the network within all runs: guidance evaluates the transformer twice per step.
  public let evaluations: Int
  /// Bytes of the weights that the stage reads, each counted once.
  public let storedWeightBytes: Int
  /// Bytes that weights take on the device: all of them, or the small ones and the slots of those that are streamed.
  public let weightBytes: Int
  /// Bytes of the slots of streamed weights.
  public let slotBytes: Int
  /// Bytes of the states that live through the stage: latents, caches of the autoencoder, hoisted values.
  public let cacheBytes: Int
  /// Bytes of the arena, which all graphs of the stage share: that of the largest.
  public let arenaBytes: Int
  /// Largest sum of live bytes of any of those graphs: no arena can be smaller.
  public let liveBytesMax: Int
  /// Bytes of inputs and constants of the graphs that are held at once where most is.
  public let inputBytes: Int
  /// Bytes that the blocks may hold beyond, in which memory is allocated.
  public let reserveBytes: Int
  /// The most bytes on the device: weights, states, the arena, inputs and constants, and the reserve.
  public let peakBytes: Int

  /// Puts a stage together from what its session saw.
  init(
    _ stage: Stage, _ rung: MemoryLadder.Rung, _ session: PlanningSession, evaluations: Int,
    _ summarize: (Graph) throws -> PlanSummary
  ) rethrows {
    let parts = try session.uses.map { Part(runs: $0.runs, summary: try summarize($0.graph)) }
    self.stage = stage
    self.rung = rung
    self.parts = parts
    self.evaluations = evaluations
    func union(_ bytes: KeyPath<PlanSummary, [String: Int]>) -> [Int] {
      let all = parts.reduce(into: [String: Int]()) { all, part in
        all.merge(part.summary[keyPath: bytes]) { max($0, $1) }
      }
      return Array(all.values)
    }
    func sum(_ bytes: [Int]) -> Int { bytes.reduce(0, +) }
    let (weights, states) = (union(\.weights), union(\.states))
    let slots = (0..<2).map { slot in
      parts.map { $0.summary.slotBytes.indices.contains(slot) ? $0.summary.slotBytes[slot] : 0 }.max() ?? 0
    }
    slotBytes = sum(slots)
    weightBytes = sum(weights) + slotBytes
    storedWeightBytes = sum(weights) + sum(union(\.streamedWeights))
    cacheBytes = sum(states)
    arenaBytes = parts.map(\.summary.arenaBytes).max() ?? 0
    liveBytesMax = parts.map(\.summary.liveBytesMax).max() ?? 0
    // Weights, states and arena stay in the session; inputs go with the executables.
    inputBytes = session.held.map { held in held.reduce(0) { $0 + parts[$1].summary.inputBytes } }.max() ?? 0
    reserveBytes = Self.reserve(large: weights + states, others: inputBytes)
    peakBytes = weightBytes + cacheBytes + arenaBytes + inputBytes + reserveBytes
  }

  /// What allocation in blocks may cost: small tensors share blocks of up to 32 MiB, of which the last may be all but
  /// empty and the others have a rest at their ends, and each begins at a multiple of 256 bytes.
  private static func reserve(large tensors: [Int], others: Int) -> Int {
    let (shared, mebibyte) = (4 << 20, 1 << 20)
    let small = tensors.filter { $0 < shared }.reduce(others, +) + 256 * (tensors.count + 64)
    let last = min(small + mebibyte, 32 * mebibyte)
    let rests = small < mebibyte ? 0 : min(small, shared * (2 + small / (28 * mebibyte)))
    return last + rests + 256 * (tensors.count + 64)
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
  /// Bytes of streamed weights that come in all runs.
  public var streamedBytes: Int { total(\.streamedBytes) }
  /// Bytes of streamed weights that come for one evaluation.
  public var streamedBytesPerEvaluation: Int { evaluations > 0 ? streamedBytes / evaluations : 0 }
  /// Bytes of the largest single value.
  public var largestValueBytes: Int { parts.map(\.summary.largestValueBytes).max() ?? 0 }
}
