import LumosOps
import LumosTensor

extension Linear: VulkanLowering {
  public static var variantNames: [String] { LinearSize.variantNames + ["workgroup"] }

  public func variants(_ types: LoweredTypes, _ device: DeviceProfile) -> [String] {
    let usual = LinearSize.variants(types, device)
    // Never by rule: see WorkgroupTile.
    let (x, weight) = (types.inputs[0].dtype, types.inputs[1].dtype)
    return x == weight && !WorkgroupTile.all(dtype: x, device).isEmpty ? usual + ["workgroup"] : usual
  }

  public func tiles(_ variant: String, _ types: LoweredTypes, _ device: DeviceProfile) -> [String] {
    TiledProduct.tilesInParts(
      variant,
      .init(
        rows: types.outputs[0].shape.dimensions.dropLast().reduce(1, *), columns: types.inputs[1].shape[0],
        inner: types.inputs[1].shape[1]), left: types.inputs[0].dtype, device)
  }

  public func tuningKey(_ types: LoweredTypes) -> String? {
    TiledProduct.tuningKey(
      name, rows: types.outputs[0].shape.dimensions.dropLast().reduce(1, *),
      "\(types.inputs[1].shape[1]) -> \(types.inputs[1].shape[0])", left: types.inputs[0].dtype,
      weight: types.inputs[1].dtype)
  }

  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    try lower(types, device, flopsPerDispatch: DispatchLimit.flops(device))
  }

  /// The lowering with another limit of a dispatch's operations than the device's.
  func lower(_ types: LoweredTypes, _ device: DeviceProfile, flopsPerDispatch: Int) throws -> [Dispatch] {
    let weight = types.inputs[1]
    let bias: DType? = hasBias(inputCount: types.inputs.count) ? types.inputs[2].dtype : nil
    let size = try LinearSize(x: types.inputs[0], weight: weight, output: types.outputs[0], name: name)
    if size.isEmpty { return [] }

    /// Operands of the rows from `first` on; their offsets carry the index, so a slice starts at row 0.
    func operands(_ first: Int) -> [PushWord] {
      [
        .input(0, offset: size.readOffset(first)), .input(1), bias == nil ? .null : .input(2),
        .output(0, offset: size.writeOffset(first, dtype)),
      ] + epilogueOperands(inputCount: types.inputs.count, residualOffset: size.writeOffset(first), width: size.width)
    }

    let variant = variant(types, device)
    if variant == "vector" {
      return [
        Dispatch(
          "Linear.vector.\(weight.dtype.variant)",
          specialization: size.vectorSpecialization(
            weight: weight.dtype, bias: bias, epilogue: epilogue, results: [dtype]),
          push: operands(0) + [.count(size.width), .count(size.depth), .count(size.vectorGroups)],
          grid: .folded(size.vectorGroups, device))
      ]
    }

    let tile = size.tiles(
      variant, weight: weight.dtype, bias: bias, epilogue: epilogue, results: [dtype], device, splits: true)
    // All rows of one part, then those of the next.
    let scratch = 0..<tile.parts * size.rows * size.width * 4
    let products = size.slices(tile, layers: 1, device, flopsPerDispatch: flopsPerDispatch).map { slice in
      let part: [PushWord] = [
        .input(0, offset: size.readOffset(slice.lowerBound)), .input(1), .null,
        .scratchOut(size.writeOffset(slice.lowerBound)..<scratch.upperBound), .null, .null,
      ]
      return Dispatch(
        "Linear.\(tile.kernel)", specialization: tile.specialization,
        push: (tile.parts == 1 ? operands(slice.lowerBound) : part) + [
          .count(slice.count), .count(size.width), .count(size.depth),
          .count(InnerParts.depth(size.depth, tile.parts)), .count(tile.parts == 1 ? 0 : size.rows),
        ],
        grid: Grid(
          ceilingDivide(size.width, tile.columns), ceilingDivide(slice.count, tile.rows), tile.parts),
        overlapsPrevious: slice.lowerBound > 0)
    }
    if tile.parts == 1 { return products }
    let count = size.rows * size.width
    let sum: [PushWord] = [.scratchIn(scratch)] + operands(0).dropFirst(2)
    return products + [
      Dispatch(
        "Linear.sum",
        specialization: [
          UInt32(tile.parts), ElementType.code(bias), epilogue.constant, ElementType.code(dtype),
        ],
        push: sum + [.count(count)] + PushWord.divisor(size.width),
        grid: .folded(ceilingDivide(count, 512), device))
    ]
  }

  /// Residual and gate: the last of `inputCount` inputs, or nothing.
  private func epilogueOperands(inputCount: Int, residualOffset: Int, width: Int) -> [PushWord] {
    switch epilogue {
    case .none, .activation: [.null, .null]
    case .add: [.input(inputCount - 1, offset: residualOffset), .null]
    case .gatedAdd(let row):
      [.input(inputCount - 2, offset: residualOffset), .input(inputCount - 1, offset: row * width * 4)]
    }
  }
}
