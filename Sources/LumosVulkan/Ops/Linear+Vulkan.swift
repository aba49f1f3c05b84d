import LumosOps
import LumosTensor

extension Linear: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    try lower(types, device, flopsPerDispatch: DispatchLimit.flops(device))
  }

  /// The lowering with another limit of a dispatch's operations than the device's.
  func lower(_ types: LoweredTypes, _ device: DeviceProfile, flopsPerDispatch: Int) throws -> [Dispatch] {
    let weight = types.inputs[1]
    let bias: DType? = types.inputs.count > 2 ? types.inputs[2].dtype : nil
    let (width, depth) = (weight.shape[0], weight.shape[1])
    let rows = types.outputs[0].shape.dimensions.dropLast().reduce(1, *)
    guard weight.shape.count <= DispatchLimit.elements else {
      throw LumosError(.internalDefect, "weight \(weight.shape) has more than 2^31 - 1 elements", at: name)
    }
    if rows == 0 || width == 0 { return [] }

    /// Operands of the rows from `first` on; their offsets carry the index, so a slice starts at row 0.
    func operands(_ first: Int) -> [PushWord] {
      [
        .input(0, offset: first * depth * 4), .input(1), bias == nil ? .null : .input(2),
        .output(0, offset: first * width * 4),
      ]
    }

    if rows <= Self.fewRows {
      let groups = rows * ceilingDivide(width, Self.vectorColumns)
      return [
        Dispatch(
          "Linear.vector.\(weight.dtype.variant)", specialization: [BiasType.code(bias)],
          push: operands(0) + [.count(width), .count(depth), .count(groups)], grid: .folded(groups, device))
      ]
    }

    let tile = ProductTile(rows: rows, columns: width, inner: depth, device)
    let mostRows = [
      DispatchLimit.elements / max(width, depth), flopsPerDispatch / (2 * width * max(depth, 1)),
      device.maxWorkgroupCount * tile.rows,
    ].reduce(Int.max, min)
    let slice = max(mostRows / tile.rows * tile.rows, tile.rows)
    return stride(from: 0, to: rows, by: slice).map { first in
      let count = min(slice, rows - first)
      return Dispatch(
        "Linear.tiles.\(weight.dtype.variant)", specialization: tile.specialization(bias: bias),
        push: operands(first) + [.count(count), .count(width), .count(depth)],
        grid: Grid(ceilingDivide(width, tile.columns), ceilingDivide(count, tile.rows)),
        overlapsPrevious: first > 0)
    }
  }

  /// Up to this many rows the weights are what takes the time, and the kernel `vector` reads them without tiles.
  private static let fewRows = 4
  /// Columns of one workgroup of the kernel `vector`.
  private static let vectorColumns = 4
}
