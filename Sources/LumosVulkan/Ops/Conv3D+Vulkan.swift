import LumosOps
import LumosTensor

extension Conv3D: VulkanLowering {
  public static var variantNames: [String] { ["matrix", "tiles"] }

  /// Fragments of matrix units have 16 columns as a rule, and fewer output channels would leave most of one idle.
  public func variants(_ types: LoweredTypes, _ device: DeviceProfile) -> [String] {
    let output = types.outputs[0].shape
    let variants = TiledProduct.variants(
      rows: output[0] * output[1] * output[2], columns: output[3], left: types.inputs[0].dtype, device)
    return output[3] < 16 && variants.count > 1 ? ["tiles", "matrix"] : variants
  }

  public func tiles(_ variant: String, _ types: LoweredTypes, _ device: DeviceProfile) -> [String] {
    TiledProduct.tiles(variant, left: types.inputs[0].dtype, device)
  }

  public func tuningKey(_ types: LoweredTypes) -> String? {
    let kernel = types.inputs[1].shape
    return TiledProduct.tuningKey(
      name, rows: types.outputs[0].shape.dimensions.dropLast().reduce(1, *),
      "\(kernel[4]) -> \(kernel[0]) by \(kernel[1])x\(kernel[2])x\(kernel[3])"
        + (stride.space > 1 ? " every \(stride.space)" : "") + (upsamples ? " doubled" : ""),
      left: types.inputs[0].dtype, weight: types.inputs[1].dtype)
  }

  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    try lower(types, device, flopsPerDispatch: DispatchLimit.flops(device))
  }

  /// The lowering with another limit of a dispatch's operations than the device's.
  func lower(_ types: LoweredTypes, _ device: DeviceProfile, flopsPerDispatch: Int) throws -> [Dispatch] {
    let (x, weight, bias) = (types.inputs[0].shape, types.inputs[1], types.inputs[2])
    let output = types.outputs[0].shape
    let history: TensorType? = hasHistory(inputCount: types.inputs.count) ? types.inputs[3] : nil
    let count = try types.indexableCount(of: self)
    let border = padding.leading + padding.trailing
    guard max(x[1], x[2]) * (upsamples ? 2 : 1) + border < 1 << 16 else {
      throw LumosError(.internalDefect, "a padded frame of \(x) is 65536 pixels or more in one direction", at: name)
    }

    let positions = output[0] * output[1] * output[2]
    if count == 0 { return [] }
    let tile = TiledProduct(
      variant(types, device), .init(rows: positions, columns: output[3], inner: x[3]),
      .init(left: types.inputs[0].dtype, weight: weight.dtype, bias: bias.dtype),
      epilogue: addsResidual ? .add : .none, device)
    // The kernel on matrix units also divides by what makes up its inner axis.
    let zoom = [upsamples ? 1 : 0]
    let axes = tile.kernel.hasPrefix("matrix") ? [x[3], weight.shape[2], weight.shape[3]] : []
    let mostRows = min(
      flopsPerDispatch / (2 * output[3] * weight.shape.rowCount), device.maxWorkgroupCount * tile.rows)
    let slice = max(mostRows / tile.rows * tile.rows, tile.rows)
    return Swift.stride(from: 0, to: positions, by: slice).map { first in
      let end = min(first + slice, positions)
      return Dispatch(
        "Conv3D.\(tile.kernel)", specialization: tile.specialization + (zoom + axes).map(UInt32.init),
        push: [
          .input(0), history == nil ? .null : .input(3), .input(1), .input(2), .output(0),
          addsResidual ? .input(types.inputs.count - 1) : .null,
          .count(x[1]), .count(x[2]), .count(x[3]), .count(history?.shape[0] ?? 0),
          .count(weight.shape[1]), .count(weight.shape[2]), .count(weight.shape[3]),
          .count(output[3]), .count(output[1]), .count(output[2]), .count(first), .count(end),
          .count(stride.time), .count(stride.space), .count(padding.leading),
        ],
        grid: Grid(ceilingDivide(output[3], tile.columns), ceilingDivide(end - first, tile.rows)),
        overlapsPrevious: first > 0)
    }
  }
}
