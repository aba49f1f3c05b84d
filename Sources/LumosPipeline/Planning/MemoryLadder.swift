import LumosGraph

/// What can be done about memory, from the cheapest on. No rung changes what comes out, up to rounding.
public struct MemoryLadder: Sendable, Hashable {
  /// One of the things that can be done.
  public enum Rung: String, Sendable, CaseIterable, Comparable {
    /// The weights of all networks would fit at once. Nothing is done about memory; nor would a single generation gain
    /// by keeping them.
    case allResident
    /// One network's weights on the device at a time.
    case stageByStage
    /// Large weights come for the nodes that read them, through two slots.
    case streamed
    /// Streamed, and tokens in smaller blocks.
    case smallTiles

    public static func < (a: Rung, b: Rung) -> Bool {
      (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
    }
  }

  /// The first rung that is tried.
  public var first = Rung.stageByStage
  /// Bytes of each of the two slots, where no single node reads more: two thirds of a transformer block in f16. Larger
  /// ones would make nothing faster, since one is filled while the other is read in any case.
  public var slotBytes = 64 << 20
  /// Bytes of a block of tokens in the rung `smallTiles`; otherwise 64 MiB.
  public var tileBytes = 8 << 20
  /// Bytes of weights from which on the text encoder streams them even if they fit. Its weights are read once per
  /// generation: streaming moves as many bytes as making them resident, beside the computing, and saves their memory.
  public var textEncoderStreamsFrom = 1 << 30

  /// The ladder as announced.
  public init() {}

  /// The rungs that are tried for a stage, in order.
  /// - Parameter weightBytes: of the stage's network.
  func rungs(for stage: Stage, weightBytes: Int) -> [Rung] {
    let all: [Rung]
    switch stage {
    case .textEncoder where weightBytes >= textEncoderStreamsFrom: all = [.streamed, .smallTiles]
    case .textEncoder, .transformer: all = [.stageByStage, .streamed, .smallTiles]
    // A network of some 100 MB, whose convolutions want their weights in another order.
    case .vaeEncode, .vaeDecode: all = [.stageByStage]
    }
    let rest = all.filter { $0 >= first }
    return rest.isEmpty ? [all[all.count - 1]] : rest
  }

  /// How sessions of a stage on a rung are made.
  public func options(_ rung: Rung) -> SessionOptions {
    switch rung {
    case .allResident, .stageByStage: SessionOptions()
    case .streamed: SessionOptions(residency: .streamed(slotBytes: slotBytes))
    case .smallTiles:
      SessionOptions(
        residency: .streamed(slotBytes: slotBytes), tiling: RowTiling(blockByteCount: tileBytes))
    }
  }
}
