import LumosOps
import LumosTensor

/// Sizes of one workgroup of the attention kernel that exchanges numbers within subgroups
/// (`Shaders/Attention/subgroups.glsl`).
struct AttentionSubgroupTile: Sendable, Hashable {
  /// Channels of a head.
  let headSize: Int
  /// Keys of a step.
  let keys: Int
  /// Channels of q and k in shared memory at a time, in groups of four.
  let slice: Int

  /// Invocations of the workgroup.
  static let invocations = 128
  /// Invocations that share queries: the least size of a subgroup.
  static let columns = 8
  /// Queries that one invocation accumulates.
  static let rows = 4
  /// Queries of a tile.
  static let queries = invocations / columns * rows
  /// Groups of four channels that an invocation accumulates for a query, at most: 64 registers with four queries.
  private static let mostOutputs = 4

  /// The tile for heads of `headSize` channels; nil if the device cannot exchange numbers within subgroups or lacks shared
  /// memory, or if the kernel has no form for such heads.
  init?(headSize: Int, _ device: DeviceProfile) {
    guard device.exchangesWithinSubgroups, device.maxWorkgroupInvocations >= Self.invocations,
      headSize > 0, headSize % 4 == 0, headSize <= 4 * Self.columns * Self.mostOutputs
    else { return nil }
    let tiles = [(64, 8), (64, 4), (32, 4)].map { AttentionSubgroupTile(headSize: headSize, keys: $0.0, slice: $0.1) }
    // Deeper slices than the head would be filled up with zeros.
    let fitting = tiles.first { tile in
      tile.sharedBytes <= device.sharedMemoryBytes && (tile.slice == 4 || tile.groups > 4)
    }
    guard let fitting else { return nil }
    self = fitting
  }

  private init(headSize: Int, keys: Int, slice: Int) {
    self.headSize = headSize
    self.keys = keys
    self.slice = slice
  }

  /// Channels of a head in groups of four.
  private var groups: Int { headSize / 4 }
  /// Groups of four floats of a slice of q and k.
  private var slices: Int { (Self.queries + keys) * (slice + 1) }
  /// Rows of v in shared memory at a time: as many as fit where the slices lie, and at least the four that one step of the
  /// kernel takes.
  var valueKeys: Int { [64, 32, 16, 8].first { $0 <= keys && $0 * groups <= slices } ?? 4 }
  /// Groups of four floats that hold the slices or the rows of v.
  private var staged: Int { max(slices, valueKeys * groups) }
  /// Shared memory of the kernel.
  var sharedBytes: Int { 16 * staged + 16 * Self.queries * (keys / 4 + 1) }

  /// Constants 0 to 6 of the shader.
  var specialization: [UInt32] {
    [Self.invocations, headSize, keys, Self.rows, slice, valueKeys, staged].map(UInt32.init)
  }
}
