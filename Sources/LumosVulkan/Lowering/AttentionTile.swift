import LumosOps
import LumosTensor

/// Sizes of one workgroup of the attention kernel.
struct AttentionTile: Sendable, Hashable {
  /// Invocations of the workgroup.
  let invocations: Int
  /// Channels of a head.
  let headSize: Int
  /// Queries of a tile.
  let queries: Int
  /// Keys of a step.
  let keys: Int
  /// Queries that one invocation accumulates.
  let rows: Int
  /// Channels of q and k in shared memory at a time, in groups of four.
  let slice: Int
  /// Rows of v in shared memory at a time.
  let valueKeys: Int
  /// Groups of four floats that hold the slices or the rows of v.
  let staged: Int

  /// `"64x32/256"`: queries, keys of a step and invocations.
  var name: String { "\(queries)x\(keys)/\(invocations)" }

  /// Register space for results of one invocation, in groups of four floats.
  private static let registers = 16

  /// The largest tile that fits the device, or the one that has been measured to be fastest.
  /// - Throws: `LumosError` if no tile of that head size fits.
  init(headSize: Int, _ device: DeviceProfile) throws {
    let tiles = Self.all(headSize: headSize, device)
    guard let tile = tiles.first(where: { $0.name == device.forcedTile }) ?? tiles.first else {
      throw LumosError(
        .internalDefect, "attention with heads of \(headSize) channels does not fit the device's workgroups",
        at: "\(device.sharedMemoryBytes) bytes of shared memory, \(device.maxWorkgroupInvocations) invocations")
    }
    self = tile
  }

  /// All tiles that fit the device, the largest first. Of those that differ in nothing but the channels that go through
  /// shared memory at a time, the one with more.
  static func all(headSize: Int, _ device: DeviceProfile) -> [AttentionTile] {
    [(256, 64, 4), (256, 32, 2), (128, 32, 4), (128, 16, 2)].flatMap { invocations, queries, rows in
      [64, 32].compactMap { keys in
        [8, 4].lazy.map { slice in
          AttentionTile(
            invocations: invocations, headSize: headSize, queries: queries, keys: keys, rows: rows, slice: slice)
        }.first { $0.fits(device) }
      }
    }
  }

  private func fits(_ device: DeviceProfile) -> Bool {
    invocations <= device.maxWorkgroupInvocations && sharedBytes <= device.sharedMemoryBytes
      && outputs * rows <= Self.registers && (slice == 4 || groups > 4)
  }

  private init(invocations: Int, headSize: Int, queries: Int, keys: Int, rows: Int, slice: Int) {
    self.invocations = invocations
    self.headSize = headSize
    self.queries = queries
    self.keys = keys
    self.rows = rows
    self.slice = slice
    // As many rows of v as fit where the slices lie, and at least the four that one step of the kernel takes.
    let groups = ceilingDivide(headSize, 4)
    let slices = (queries + keys) * (slice + 1)
    valueKeys = [32, 16, 8].first { $0 * groups <= slices } ?? 4
    staged = max(slices, valueKeys * groups)
  }

  /// Channels of a head in groups of four.
  var groups: Int { ceilingDivide(headSize, 4) }
  /// Groups of channels that one invocation accumulates per query.
  var outputs: Int {
    let columns = invocations / (queries / rows)
    return ceilingDivide(groups, columns)
  }
  /// Shared memory of the kernel's variant that takes most.
  var sharedBytes: Int { 16 * staged + 16 * queries * (keys / 4 + 1) + 4 * invocations + 8 * queries }

  /// Constants 0 to 7 of the shader.
  var specialization: [UInt32] {
    [invocations, headSize, queries, keys, rows, slice, valueKeys, staged].map(UInt32.init)
  }
}
