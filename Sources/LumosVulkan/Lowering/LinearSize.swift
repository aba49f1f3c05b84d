import LumosOps
import LumosTensor

/// Sizes of a linear layer, and how its rows are cut into dispatches: what `Linear` and `MultiLinear` share.
struct LinearSize {
  /// Rows of x and y.
  let rows: Int
  /// Columns of y, which are rows of the weight.
  let width: Int
  /// Columns of x and of the weight.
  let depth: Int
  /// Type of x, and so of the product.
  let dtype: DType

  /// Columns that a workgroup of the kernel `vector` makes.
  private static let vectorColumns = 4

  /// The layer `name` with weight `weight` that makes `output` of x.
  /// - Throws: `LumosError` for a weight that a kernel cannot index.
  init(x: TensorType, weight: TensorType, output: TensorType, name: String) throws {
    guard weight.shape.count <= DispatchLimit.elements else {
      throw LumosError(.internalDefect, "weight \(weight.shape) has more than 2^31 - 1 elements", at: name)
    }
    rows = Self.rows(of: output)
    width = weight.shape[0]
    depth = weight.shape[1]
    dtype = x.dtype
  }

  /// Whether there is nothing to compute.
  var isEmpty: Bool { rows == 0 || width == 0 }

  /// Names of the variants of both ops.
  static let variantNames = ["matrix", "tiles", "vector"]

  /// The variants for operands of these types, the one to prefer first. Up to four rows the weights are what takes the
  /// time, and the kernel `vector` reads them without tiles.
  static func variants(_ types: LoweredTypes, _ device: DeviceProfile) -> [String] {
    let rows = rows(of: types.outputs[0])
    let tiled = TiledProduct.variants(
      rows: rows, columns: types.outputs[0].shape[-1], left: types.inputs[0].dtype, device)
    return rows <= 4 ? ["vector"] + tiled : tiled
  }

  private static func rows(of output: TensorType) -> Int { output.shape.dimensions.dropLast().reduce(1, *) }

  /// How `variant`, which is `matrix` or `tiles`, makes layers with results of these types in one dispatch, or one layer
  /// that `splits` in parts.
  func tiles(
    _ variant: String, weight: DType, bias: DType?, epilogue: Linear.Epilogue = .none, results: [DType],
    _ device: DeviceProfile, splits: Bool = false
  ) -> TiledProduct {
    TiledProduct(
      variant, .init(rows: rows, columns: width, inner: depth),
      .init(left: dtype, weight: weight, bias: bias, results: results), epilogue: epilogue, device,
      splits: splits)
  }

  /// Specialisation constants of the kernel `vector`; `results` are one type, or one for each layer.
  func vectorSpecialization(
    weight: DType, bias: DType?, epilogue: Linear.Epilogue = .none, results: [DType]
  ) -> [UInt32] {
    [ElementType.code(bias), epilogue.constant, ElementType.code(dtype), ElementType.code(results)]
      + ElementType.blockCode(weight)
  }

  /// Workgroups of the kernel `vector`.
  var vectorGroups: Int { rows * ceilingDivide(width, Self.vectorColumns) }

  /// The rows in slices of whole tiles. A dispatch that makes them for `layers` layers stays below `flopsPerDispatch`
  /// where one row of tiles does, and within what the kernels can index.
  func slices(_ tile: TiledProduct, layers: Int, _ device: DeviceProfile, flopsPerDispatch: Int) -> [Range<Int>] {
    let most = [
      DispatchLimit.elements / max(width, depth), flopsPerDispatch / (2 * layers * width * max(depth, 1)),
      device.maxWorkgroupCount * tile.rows,
    ].reduce(Int.max, min)
    let slice = max(most / tile.rows * tile.rows, tile.rows)
    return stride(from: 0, to: rows, by: slice).map { $0..<min($0 + slice, rows) }
  }

  /// Bytes of x before row `row`.
  func readOffset(_ row: Int) -> Int { row * depth * dtype.byteCount }

  /// Bytes of a result of type `dtype`, and of a residual, before row `row`.
  func writeOffset(_ row: Int, _ dtype: DType = .f32) -> Int { row * width * dtype.byteCount }
}
