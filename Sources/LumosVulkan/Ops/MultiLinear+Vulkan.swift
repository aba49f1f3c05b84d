import LumosOps
import LumosTensor

extension MultiLinear: VulkanLowering {
  /// Layers of one dispatch: each takes three addresses, and 128 bytes of push constants are guaranteed.
  static let layersPerDispatch = 3

  public static var variantNames: [String] { LinearSize.variantNames }

  public func variants(_ types: LoweredTypes, _ device: DeviceProfile) -> [String] {
    LinearSize.variants(types, device)
  }

  public func tiles(_ variant: String, _ types: LoweredTypes, _ device: DeviceProfile) -> [String] {
    TiledProduct.tiles(variant, left: types.inputs[0].dtype, device)
  }

  public func tuningKey(_ types: LoweredTypes) -> String? {
    TiledProduct.tuningKey(
      name, rows: types.outputs[0].shape.dimensions.dropLast().reduce(1, *),
      "\(types.inputs[1].shape[1]) -> \(count) x \(types.inputs[1].shape[0])", left: types.inputs[0].dtype,
      weight: types.inputs[1].dtype)
  }

  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    try lower(types, device, flopsPerDispatch: DispatchLimit.flops(device))
  }

  /// The lowering with another limit of a dispatch's operations than the device's.
  func lower(_ types: LoweredTypes, _ device: DeviceProfile, flopsPerDispatch: Int) throws -> [Dispatch] {
    let weight = types.inputs[1]
    let bias: DType? = hasBias(inputCount: types.inputs.count) ? types.inputs[1 + count].dtype : nil
    let size = try LinearSize(x: types.inputs[0], weight: weight, output: types.outputs[0], name: name)
    if size.isEmpty { return [] }
    let variant = variant(types, device)
    let isVector = variant == "vector"

    /// Operands of `layers` for the rows from `first` on, with nothing in the places of layers that there are not.
    func operands(_ layers: Range<Int>, _ first: Int) -> [PushWord] {
      func places(_ word: (Int) -> PushWord) -> [PushWord] {
        layers.map(word) + Array(repeating: .null, count: Self.layersPerDispatch - layers.count)
      }
      return [.input(0, offset: size.readOffset(first))] + places { .input(1 + $0) }
        + places { bias == nil ? .null : .input(1 + count + $0) }
        + places { .output($0, offset: size.writeOffset(first, dtypes[$0])) }
    }
    func sizes(rows: Int) -> [PushWord] {
      [.count(rows), .count(size.width), .count(size.depth), .count(isVector ? size.vectorGroups : 0)]
    }

    let groups = stride(from: 0, to: count, by: Self.layersPerDispatch).map {
      $0..<min($0 + Self.layersPerDispatch, count)
    }
    return groups.flatMap { layers -> [Dispatch] in
      let results = Array(dtypes[layers])
      if isVector {
        let grid = Grid.folded(size.vectorGroups, device)
        return [
          Dispatch(
            "MultiLinear.vector.\(weight.dtype.variant)",
            specialization: size.vectorSpecialization(weight: weight.dtype, bias: bias, results: results),
            push: operands(layers, 0) + sizes(rows: size.rows), grid: Grid(grid.x, grid.y, layers.count),
            overlapsPrevious: layers.lowerBound > 0)
        ]
      }
      let tile = size.tiles(variant, weight: weight.dtype, bias: bias, results: results, device)
      return size.slices(tile, layers: layers.count, device, flopsPerDispatch: flopsPerDispatch).map { slice in
        Dispatch(
          "MultiLinear.\(tile.kernel)", specialization: tile.specialization,
          push: operands(layers, slice.lowerBound) + sizes(rows: slice.count),
          grid: Grid(
            layers.count, ceilingDivide(size.width, tile.columns), ceilingDivide(slice.count, tile.rows)),
          overlapsPrevious: layers.lowerBound > 0 || slice.lowerBound > 0)
      }
    }
  }
}
