import LumosOps
import LumosTensor

extension Attention: VulkanLowering {
  public static var variantNames: [String] { ["matrix", "tiles"] }

  /// Matrix units where the device has them for this type and the head has one of their sizes; a processor only pretends
  /// to.
  public func variants(_ types: LoweredTypes, _ device: DeviceProfile) -> [String] {
    guard matrixTile(types, device) != nil else { return ["tiles"] }
    return device.isProcessor ? ["tiles", "matrix"] : ["matrix", "tiles"]
  }

  private func matrixTile(_ types: LoweredTypes, _ device: DeviceProfile) -> AttentionMatrixTile? {
    AttentionMatrixTile(headSize: types.inputs[0].shape[1] / heads, dtype: types.inputs[0].dtype, device)
  }

  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    try lower(types, device, flopsPerDispatch: DispatchLimit.flops(device))
  }

  /// Lowers with a limit on the work of a dispatch, which tests set low.
  func lower(_ types: LoweredTypes, _ device: DeviceProfile, flopsPerDispatch: Int) throws -> [Dispatch] {
    let (queries, keys) = (types.inputs[0].shape[0], types.inputs[1].shape[0])
    let size = types.inputs[0].shape[1] / heads
    guard try types.indexableCount(of: self) > 0 else { return [] }
    let input = types.inputs[0].dtype
    let table = bias == .none ? DType.f32 : types.inputs[3].dtype
    let matrix = variant(types, device) == "matrix" ? matrixTile(types, device) : nil
    let tile = try matrix == nil ? AttentionTile(headSize: size, device) : nil
    let work = workList(queries: queries, tileQueries: matrix?.queries ?? tile?.queries ?? 1)
    let codes: [UInt32] = [input, dtype, table].map { ElementType.code($0) }
    let specialization: [UInt32] =
      matrix?.specialization(result: dtype, table: table) ?? (tile?.specialization ?? []) + codes
    var constants = work.flatMap { [$0.queryStart, $0.queryEnd, $0.keyStart, $0.keyEnd].map(UInt32.init) }

    let kernel: String
    var operand = PushWord.null
    var tail: [PushWord] = []
    switch bias {
    case .relation(let cells) where cells.images > 0:
      kernel = "relation"
      operand = .input(3)
      tail = [keys, cells.firstToken, cells.area, cells.columns * cells.pool, cells.columns, cells.pool]
        .map(PushWord.count)
      tail.append(.count(cells.cellsPerImage))
    case .none, .relation: kernel = "none"
    case .relativePosition(let buckets):
      kernel = "relativePosition"
      operand = .input(3)
      // From maxDistance on all keys share the last bucket, so the table need not reach further.
      let reach = min(buckets.maxDistance, max(queries, keys) - 1)
      constants += buckets.table(length: reach + 1).map { UInt32(bitPattern: $0) }
      tail = [.count(reach)]
    }

    let lastKey: [PushWord] =
      lastKeyCount > 1 && keys > 0 ? [.count(keys - 1), .float(Float(lastKeyWeight))] : [.uint(.max), .float(0)]
    return slices(work, headSize: size, flopsPerDispatch: flopsPerDispatch).map { slice in
      Dispatch(
        matrix == nil ? "Attention.tiles.\(kernel)" : "Attention.matrix.\(kernel).\(input.variant)",
        specialization: specialization,
        push: [
          .input(0), .input(1), .input(2), operand, .constants, .output(0),
          .count(heads), .count(work.count), .count(slice.lowerBound), .count(slice.count), .float(scale),
        ] + lastKey + tail,
        grid: .folded(slice.count, device), constants: constants, overlapsPrevious: slice.lowerBound > 0)
    }
  }

  /// The spans, cut into tiles of at most `tileQueries` queries. Queries of no span get tiles without keys, so that
  /// every row of the output is written.
  func workList(queries: Int, tileQueries: Int) -> [Span] {
    var work: [Span] = []
    var next = 0
    func cut(_ range: Range<Int>, keys: Range<Int>) {
      for start in stride(from: range.lowerBound, to: range.upperBound, by: tileQueries) {
        work.append(Span(queries: start..<min(start + tileQueries, range.upperBound), keys: keys))
      }
    }
    for span in spans {
      cut(next..<span.queryStart, keys: 0..<0)
      cut(span.queryStart..<span.queryEnd, keys: span.keyStart..<span.keyEnd)
      next = span.queryEnd
    }
    cut(next..<queries, keys: 0..<0)
    return work
  }

  /// Ranges of workgroups (all tiles of head 0, then of head 1 …) of at most `flopsPerDispatch` where one tile is.
  private func slices(_ work: [Span], headSize: Int, flopsPerDispatch: Int) -> [Range<Int>] {
    var slices: [Range<Int>] = []
    var start = 0
    var flops = 0
    for index in 0..<work.count * heads {
      let tile = work[index % work.count]
      let more = 4 * headSize * (tile.queryEnd - tile.queryStart) * (tile.keyEnd - tile.keyStart)
      if flops + more > flopsPerDispatch && index > start {
        slices.append(start..<index)
        start = index
        flops = 0
      }
      flops += more
    }
    if start < work.count * heads { slices.append(start..<work.count * heads) }
    return slices
  }
}

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

  /// Register space for results of one invocation, in groups of four floats.
  private static let registers = 16

  /// The largest tile that fits the device.
  /// - Throws: `LumosError` if no tile of that head size fits.
  init(headSize: Int, _ device: DeviceProfile) throws {
    for (invocations, queries, rows) in [(256, 64, 4), (256, 32, 2), (128, 32, 4), (128, 16, 2)] {
      for keys in [64, 32] {
        for slice in [8, 4] {
          let tile = AttentionTile(
            invocations: invocations, headSize: headSize, queries: queries, keys: keys, rows: rows, slice: slice)
          if invocations <= device.maxWorkgroupInvocations && tile.sharedBytes <= device.sharedMemoryBytes
            && tile.outputs * rows <= Self.registers && (slice == 4 || tile.groups > 4)
          {
            self = tile
            return
          }
        }
      }
    }
    throw LumosError(
      .internalDefect, "attention with heads of \(headSize) channels does not fit the device's workgroups",
      at: "\(device.sharedMemoryBytes) bytes of shared memory, \(device.maxWorkgroupInvocations) invocations")
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
