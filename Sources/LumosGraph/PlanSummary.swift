/// What one run of a planned graph takes, in numbers.
public struct PlanSummary: Sendable, Hashable {
  /// Nodes of the graph that is run, after passes.
  public var nodes = 0
  /// Kernels started.
  public var dispatches = 0
  /// Kernels started if no op were cut into slices.
  public var dispatchesBeforeSlicing = 0
  /// How often each kernel is started, by name: which variant of an op was chosen.
  public var kernels: [String: Int] = [:]
  /// Kernels of one transformer block before slicing and row tiling: the most of any block (nodes labelled
  /// `blocks.N.…`). A block that stands in the graph several times, once per guidance branch, counts once. 0 without
  /// blocks.
  public var dispatchesPerBlock = 0
  /// Barriers between commands.
  public var barriers = 0
  /// Submissions to the queue.
  public var submissions = 0
  /// Floating-point operations; a multiply-add counts two.
  public var flops = 0
  /// Bytes that ideal kernels would move.
  public var bytesMoved = 0
  /// Bytes of the arena that the graph needs; graphs of a session share one.
  public var arenaBytes = 0
  /// Largest sum of bytes of values that are alive at one time: no arena can be smaller.
  public var liveBytesMax = 0
  /// Bytes of inputs, constants and kernels' tables, which the compiled graph holds beside its arena.
  public var inputBytes = 0
  /// Bytes of the slots of streamed weights; graphs of a session share them.
  public var slotBytes: [Int] = []
  /// Bytes of streamed weights that come in one run.
  public var streamedBytes = 0
  /// Bytes of every weight that is streamed, by name and place in it.
  public var streamedWeights: [String: Int] = [:]
  /// Bytes of every weight that stays on the device, by name and layout; graphs of a session share them.
  public var weights: [String: Int] = [:]
  /// Bytes of every state, by name; graphs of a session share them.
  public var states: [String: Int] = [:]
  /// Bytes of the largest value that a node makes.
  public var largestValueBytes = 0
  /// Predicted seconds.
  public var predictedSeconds = 0.0
  /// Predicted seconds of the longest dispatch.
  public var longestDispatchSeconds = 0.0
  /// Predicted seconds of the longest submission.
  public var longestSubmissionSeconds = 0.0

  /// All zero.
  public init() {}
}

/// Counts what belongs to transformer blocks by labels, as models write them: `blocks.3.ffn.0`.
public struct BlockCount: Sendable {
  private var counts: [Int: Int] = [:]
  private var seen = Set<String>()

  /// Nothing counted.
  public init() {}

  /// Counts a kernel that stands at `label`; of joined labels (`a + b`) the first tells the block. A label and kernel
  /// that were seen before do not count: the block stands in the graph again, or works in blocks of rows.
  public mutating func add(_ label: String, kernel: String) {
    let parts = label.split(separator: " ", maxSplits: 1).first?.split(separator: ".") ?? []
    guard parts.count > 2, parts[0] == "blocks", let block = Int(parts[1]),
      seen.insert("\(label) \(kernel)").inserted
    else { return }
    counts[block, default: 0] += 1
  }

  /// The most that one block has.
  public var largest: Int { counts.values.max() ?? 0 }
}
