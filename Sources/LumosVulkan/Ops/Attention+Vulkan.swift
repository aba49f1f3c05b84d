import LumosOps
import LumosTensor

extension Attention: VulkanLowering {
  public static var variantNames: [String] { ["matrix", "subgroups", "tiles"] }

  /// Matrix units where the device has them for this type and the head has one of their sizes; else subgroups that
  /// exchange numbers, likewise. A processor only pretends to have either.
  public func variants(_ types: LoweredTypes, _ device: DeviceProfile) -> [String] {
    let special =
      (matrixTile(types, device) == nil ? [] : ["matrix"]) + (subgroupTile(types, device) == nil ? [] : ["subgroups"])
    return device.isProcessor ? ["tiles"] + special : special + ["tiles"]
  }

  private func matrixTile(_ types: LoweredTypes, _ device: DeviceProfile) -> AttentionMatrixTile? {
    AttentionMatrixTile(headSize: types.inputs[0].shape[1] / heads, dtype: types.inputs[0].dtype, device)
  }

  private func subgroupTile(_ types: LoweredTypes, _ device: DeviceProfile) -> AttentionSubgroupTile? {
    AttentionSubgroupTile(headSize: types.inputs[0].shape[1] / heads, device)
  }

  public func tiles(_ variant: String, _ types: LoweredTypes, _ device: DeviceProfile) -> [String] {
    let size = types.inputs[0].shape[1] / heads
    return switch variant {
    case "matrix": AttentionMatrixTile.all(headSize: size, dtype: types.inputs[0].dtype, device).map(\.name)
    case "tiles": AttentionTile.all(headSize: size, device).map(\.name)
    default: []
    }
  }

  public func tuningKey(_ types: LoweredTypes) -> String? {
    let (queries, input) = (types.inputs[0].shape[0], types.inputs[0])
    let most = spans.map { $0.keyEnd - $0.keyStart }.max() ?? 0
    return "\(name) \(input.dtype.rawValue), \(heads) x \(input.shape[1] / heads), bias \(biasName), "
      + "\(TuningKey.bound("keys", most)), \(TuningKey.rows(queries))"
  }

  /// The bias as the kernel's variants name it. Relations of no images are none.
  private var biasName: String {
    switch bias {
    case .relation(let cells) where cells.images > 0: "relation"
    case .none, .relation: "none"
    case .relativePosition: "relativePosition"
    }
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
    let variant = variant(types, device)
    let codes: [UInt32] = [input, dtype, table].map { ElementType.code($0) }
    let tileQueries: Int
    let specialization: [UInt32]
    if variant == "matrix", let tile = matrixTile(types, device) {
      tileQueries = tile.queries
      specialization = tile.specialization(result: dtype, table: table)
    } else if variant == "subgroups", let tile = subgroupTile(types, device) {
      tileQueries = AttentionSubgroupTile.queries
      specialization = tile.specialization + codes
    } else {
      let tile = try AttentionTile(headSize: size, device)
      tileQueries = tile.queries
      specialization = tile.specialization + codes
    }
    let work = workList(queries: queries, tileQueries: tileQueries)
    var constants = work.flatMap { [$0.queryStart, $0.queryEnd, $0.keyStart, $0.keyEnd].map(UInt32.init) }

    var operand = PushWord.null
    var tail: [PushWord] = []
    switch bias {
    case .relation(let cells) where cells.images > 0:
      operand = .input(3)
      tail = [keys, cells.firstToken, cells.area, cells.columns * cells.pool, cells.columns, cells.pool]
        .map(PushWord.count)
      tail.append(.count(cells.cellsPerImage))
    case .none, .relation: break
    case .relativePosition(let buckets):
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
        "Attention.\(variant).\(biasName)" + (variant == "matrix" ? ".\(input.variant)" : ""),
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
