import LumosOps
import LumosTensor

/// Sizes of one workgroup of the attention kernel on matrix units (`Shaders/Attention/matrix.glsl`).
struct AttentionMatrixTile: Sendable, Hashable {
  /// Subgroups, each of which owns as many queries as a fragment has rows.
  let subgroups: Int
  /// Keys of a step.
  let keys: Int
  /// Invocations of a subgroup.
  let subgroupSize: Int
  /// Channels of a head.
  let headSize: Int
  /// The product that the units compute.
  let shape: DeviceProfile.MatrixShape

  /// `"128x32"`: queries and keys of a step.
  var name: String { "\(queries)x\(keys)" }

  /// Queries of a tile.
  var queries: Int { subgroups * shape.m }
  /// Invocations of the workgroup.
  var invocations: Int { subgroups * subgroupSize }

  /// Subgroups and keys to choose from. The more queries share a step of keys, the less comes from the caches; a longer
  /// step saves barriers.
  private static let candidates: [(subgroups: Int, keys: Int)] = [
    (8, 64), (8, 32), (4, 64), (4, 32), (2, 64), (2, 32), (1, 32),
  ]

  /// The tile that has been measured to be fastest, else the best by the rules, for heads of `headSize` channels of type `dtype`; nil if the device has no units for them or the kernel no
  /// form: heads have 32, 64, 96 or 128 channels, whose results fit the registers.
  init?(headSize: Int, dtype: DType, _ device: DeviceProfile) {
    let tiles = Self.all(headSize: headSize, dtype: dtype, device)
    guard let tile = tiles.first(where: { $0.name == device.forcedTile }) ?? tiles.first else { return nil }
    self = tile
  }

  /// All tiles that the device can make, the best first.
  static func all(headSize: Int, dtype: DType, _ device: DeviceProfile) -> [AttentionMatrixTile] {
    guard headSize > 0, headSize <= 128, headSize % 32 == 0, let shape = MatrixTile.shape(dtype, device) else {
      return []
    }
    return candidates.compactMap { candidate in
      let tile = AttentionMatrixTile(
        subgroups: candidate.subgroups, keys: candidate.keys, subgroupSize: device.subgroupSize, headSize: headSize,
        shape: shape)
      return tile.fits(device) ? tile : nil
    }
  }

  private init(
    subgroups: Int, keys: Int, subgroupSize: Int, headSize: Int, shape: DeviceProfile.MatrixShape
  ) {
    self.subgroups = subgroups
    self.keys = keys
    self.subgroupSize = subgroupSize
    self.headSize = headSize
    self.shape = shape
  }

  private func fits(_ device: DeviceProfile) -> Bool {
    // Several invocations to a query, each with at least eight keys of a step.
    subgroupSize % shape.m == 0 && keys % (8 * (subgroupSize / shape.m)) == 0
      && invocations <= device.maxWorkgroupInvocations && sharedBytes <= device.sharedMemoryBytes
      // Results pass through the stage as many whole columns at a time as there are keys.
      && headSize % min(keys, headSize) == 0
  }

  /// Shared memory of the kernel: a step of k and v and the stages, or q before them; partial and row factors.
  var sharedBytes: Int {
    let pitch = headSize / 8 + 1
    let step = 2 * keys * pitch + subgroups * shape.m * (keys / 4 + 1)
    return 16 * max(step, queries * pitch) + 4 * invocations + 4 * queries
  }

  /// Constants 0 to 8 of the shader; `table` is the type of a table of relative positions.
  func specialization(result: DType, table: DType) -> [UInt32] {
    [invocations, subgroupSize, shape.m, shape.n, shape.k, headSize, keys].map(UInt32.init)
      + [ElementType.code(result), ElementType.code(table)]
  }
}
