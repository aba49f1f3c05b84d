import LumosOps
import LumosTensor

/// How a matrix product is made in tiles, on matrix units or without: what the lowerings of `Linear`, `MultiLinear` and
/// `Conv3D` share.
struct TiledProduct {
  /// Rows and columns of the result, and the length of the sums.
  struct Size {
    var rows: Int
    var columns: Int
    var inner: Int
  }

  /// Types of its operands.
  struct Types {
    /// The left operand, whose type is that of the product.
    var left: DType
    /// The right operand.
    var weight: DType
    /// What is added to each column, if anything.
    var bias: DType?
    /// Results of one size that one dispatch makes.
    var results: [DType] = [.f32]

    /// Types of the part of such a product that goes to scratch memory.
    fileprivate var ofParts: Types { Types(left: left, weight: weight, bias: nil) }
  }

  /// The kernel's name, less that of the op: its variant and the type that it is made for.
  let kernel: String
  /// Specialisation constants that all such kernels have.
  let specialization: [UInt32]
  /// Rows of a tile.
  let rows: Int
  /// Columns of a tile.
  let columns: Int
  /// Parts of the inner axis; several only where `splits` was asked for. The kernel then makes these, without bias and
  /// epilogue.
  let parts: Int

  /// The product by `variant`, which is `matrix` or `tiles`.
  init(
    _ variant: String, _ size: Size, _ types: Types, epilogue: Linear.Epilogue = .none,
    _ device: DeviceProfile, splits: Bool = false
  ) {
    if variant == "matrix",
      let tile = MatrixTile(
        rows: size.rows, columns: size.columns, dtype: types.left, device, products: types.results.count,
        inner: splits ? size.inner : 0)
    {
      kernel = "matrix.\(types.left.variant)"
      specialization =
        tile.parts == 1 ? tile.specialization(types, epilogue) : tile.specialization(types.ofParts)
      (rows, columns, parts) = (tile.rows, tile.columns, tile.parts)
    } else if variant == "workgroup",
      let tile = WorkgroupTile(
        rows: size.rows, columns: size.columns, inner: size.inner, dtype: types.left, device)
    {
      kernel = "workgroup.\(types.left.variant)"
      specialization =
        tile.parts == 1 ? tile.specialization(types, epilogue) : tile.specialization(types.ofParts)
      (rows, columns, parts) = (tile.rows, tile.columns, tile.parts)
    } else {
      let tile = ProductTile(
        rows: size.rows, columns: size.columns, inner: size.inner, device, products: types.results.count,
        splits: splits)
      kernel = "tiles.\(types.weight.variant)"
      specialization =
        tile.parts == 1 ? tile.specialization(types, epilogue) : tile.specialization(types.ofParts)
      (rows, columns, parts) = (tile.rows, tile.columns, tile.parts)
    }
  }

  /// The variants that can make a product of factors of type `left`, the one to prefer first: matrix units where the
  /// device has them for this type. A processor only pretends to.
  static func variants(rows: Int, columns: Int, left: DType, _ device: DeviceProfile) -> [String] {
    guard MatrixTile(rows: rows, columns: columns, dtype: left, device) != nil else { return ["tiles"] }
    return device.isProcessor ? ["tiles", "matrix"] : ["matrix", "tiles"]
  }

  /// The tiles that `variant` can take for factors of type `left`; none for a variant without.
  static func tiles(_ variant: String, left: DType, _ device: DeviceProfile) -> [String] {
    switch variant {
    case "matrix": MatrixTile.all(dtype: left, device).map(\.name)
    case "workgroup": WorkgroupTile.all(dtype: left, device).map(\.name)
    case "tiles": ProductTile.names
    default: []
    }
  }

  /// The same for a product of `size`, in parts as well.
  static func tilesInParts(_ variant: String, _ size: Size, left: DType, _ device: DeviceProfile) -> [String] {
    // Very many rows share one key, and are no few tiles.
    guard size.rows <= Tuner.mostRows / 2 else { return tiles(variant, left: left, device) }
    let rows = TuningKey.bound(size.rows)
    switch variant {
    case "matrix":
      return MatrixTile.innerParts.names(
        MatrixTile.all(dtype: left, device).map { ($0.name, $0.rows, $0.columns) }, rows: rows, columns: size.columns,
        inner: size.inner)
    case "workgroup":
      return MatrixTile.innerParts.names(
        WorkgroupTile.all(dtype: left, device).map { ($0.name, $0.rows, $0.columns) }, rows: rows,
        columns: size.columns, inner: size.inner)
    case "tiles":
      return ProductTile.innerParts.names(ProductTile.named, rows: rows, columns: size.columns, inner: size.inner)
    default: return []
    }
  }

  /// What decides how fast a product of this size is made.
  static func tuningKey(_ op: String, rows: Int, _ sizes: String, left: DType, weight: DType) -> String {
    "\(op) \(left.rawValue) x \(weight.rawValue), \(sizes), \(TuningKey.rows(rows))"
  }
}
