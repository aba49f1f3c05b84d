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
  /// time, and the kernel `vector` reads them without tiles. More rows are multiplied by matrix units where the device
  /// has them; a processor only pretends to.
  static func variants(_ types: LoweredTypes, _ device: DeviceProfile) -> [String] {
    let rows = rows(of: types.outputs[0])
    var variants = ["tiles"]
    let dtype = types.inputs[0].dtype
    if MatrixTile(rows: rows, columns: types.outputs[0].shape[-1], dtype: dtype, device) != nil {
      variants.insert("matrix", at: device.isProcessor ? 1 : 0)
    }
    return rows <= 4 ? ["vector"] + variants : variants
  }

  private static func rows(of output: TensorType) -> Int { output.shape.dimensions.dropLast().reduce(1, *) }

  /// A kernel that makes a layer in tiles.
  struct Tiles {
    /// Its name, less that of the op.
    let kernel: String
    /// Specialisation constants.
    let specialization: [UInt32]
    /// Rows of a tile.
    let rows: Int
    /// Columns of a tile.
    let columns: Int
  }

  /// How `variant`, which is `matrix` or `tiles`, makes `layers` layers in one dispatch.
  func tiles(
    _ variant: String, weight: DType, bias: DType?, epilogue: Linear.Epilogue = .none, layers: Int = 1,
    _ device: DeviceProfile
  ) -> Tiles {
    if variant == "matrix",
      let tile = MatrixTile(rows: rows, columns: width, dtype: dtype, device, products: layers)
    {
      return Tiles(
        kernel: "matrix.\(dtype.variant)",
        specialization: tile.specialization(weight: weight, bias: bias, epilogue: epilogue), rows: tile.rows,
        columns: tile.columns)
    }
    let tile = ProductTile(rows: rows, columns: width, inner: depth, device, products: layers)
    return Tiles(
      kernel: "tiles.\(weight.variant)",
      specialization: tile.specialization(left: dtype, bias: bias, epilogue: epilogue), rows: tile.rows,
      columns: tile.columns)
  }

  /// Specialisation constants of the kernel `vector`.
  func vectorSpecialization(bias: DType?, epilogue: Linear.Epilogue = .none) -> [UInt32] {
    [ElementType.code(bias), epilogue.constant, ElementType.code(dtype)]
  }

  /// Workgroups of the kernel `vector`.
  var vectorGroups: Int { rows * ceilingDivide(width, Self.vectorColumns) }

  /// The rows in slices of whole tiles. A dispatch that makes them for `layers` layers stays below `flopsPerDispatch`
  /// where one row of tiles does, and within what the kernels can index.
  func slices(_ tile: Tiles, layers: Int, _ device: DeviceProfile, flopsPerDispatch: Int) -> [Range<Int>] {
    let most = [
      DispatchLimit.elements / max(width, depth), flopsPerDispatch / (2 * layers * width * max(depth, 1)),
      device.maxWorkgroupCount * tile.rows,
    ].reduce(Int.max, min)
    let slice = max(most / tile.rows * tile.rows, tile.rows)
    return stride(from: 0, to: rows, by: slice).map { $0..<min($0 + slice, rows) }
  }

  /// Bytes of x before row `row`.
  func readOffset(_ row: Int) -> Int { row * depth * dtype.byteCount }

  /// Bytes of y, and of a residual, before row `row`.
  func writeOffset(_ row: Int) -> Int { row * width * 4 }
}
