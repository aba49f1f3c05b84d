import LumosOps
import LumosTensor

/// Tile of the matrix product in `Shaders/Common/matrix_product.glsl`: what one workgroup makes on matrix units.
struct MatrixTile: Hashable {
  /// Rows of the result.
  let rows: Int
  /// Columns of the result.
  let columns: Int
  /// Rows of a subgroup's share of the tile.
  let shareRows: Int
  /// Columns of a subgroup's share.
  let shareColumns: Int
  /// The product that the units compute.
  let shape: DeviceProfile.MatrixShape
  /// Invocations of the workgroup: a subgroup for each share.
  let invocations: Int
  /// Pairs of tiles in shared memory.
  let buffers: Int
  /// Parts of the inner axis that workgroups of their own sum up (`InnerParts`).
  private(set) var parts = 1

  /// When this kernel's products are worth cutting.
  static let innerParts = InnerParts(leastDepth: 512, elementCost: 512)

  /// Inner indices per step.
  static let depth = 32
  /// Factors in a word of shared memory.
  private static let wordFactors = 8

  /// Tiles to choose from: rows and columns, and those of a share.
  private static let candidates: [(rows: Int, columns: Int, shareRows: Int, shareColumns: Int)] = [
    (128, 128, 64, 64), (128, 96, 64, 48), (128, 64, 64, 32), (64, 128, 32, 64), (64, 64, 32, 32), (32, 128, 32, 32),
    (32, 64, 16, 32), (128, 32, 32, 32),
    // Smaller shares, where a subgroup has few registers for sums.
    (128, 128, 32, 32), (128, 96, 32, 32), (128, 64, 32, 32), (64, 128, 32, 32),
  ]
  /// Tiles that measurements alone choose: they read less, and leave nothing to run while a workgroup waits.
  private static let measuredCandidates: [(rows: Int, columns: Int, shareRows: Int, shareColumns: Int)] = [
    (256, 128, 64, 64), (128, 256, 64, 64),
  ]

  /// `"128x96/64x48"`: the tile and a subgroup's share of it.
  var name: String { "\(rows)x\(columns)/\(shareRows)x\(shareColumns)" }

  /// The tile that makes a `rows` x `columns` result of factors of type `dtype` soonest by a simple model; nil if the
  /// device has no units for it, or too little shared memory.
  ///
  /// Per element of the result a tile costs one unit for the multiplications and 32 / rows + 32 / columns for what it
  /// reads, also for rows and columns that fall off the edge; a grid of fewer than 256 workgroups leaves part of a GPU
  /// idle. `products` is how many results of this size one grid makes. `inner` is the length of the sums where they may
  /// be made in parts.
  init?(
    rows: Int, columns: Int, dtype: DType, _ device: DeviceProfile, products: Int = 1, inner: Int = 0
  ) {
    let busy = device.isProcessor ? 8 : 256
    func cost(_ tile: MatrixTile) -> Double {
      let groups = products * tile.parts * ceilingDivide(rows, tile.rows) * ceilingDivide(columns, tile.columns)
      // Beyond a full device parts gain nothing.
      if tile.parts > 1 && groups > busy { return .infinity }
      let work = 1 + 32 / Double(tile.rows) + 32 / Double(tile.columns)
      let tiles = Double(groups / tile.parts * tile.rows * tile.columns) * work
      return tiles * Double(busy) / Double(min(max(groups, 1), busy))
        + Self.innerParts.cost(tile.parts, rows: rows, columns: columns, inner: inner)
    }
    let forced = device.forcedTile.map(InnerParts.parse)
    if let tile = Self.all(dtype: dtype, device).first(where: { $0.name == forced?.tile }) {
      self = tile.making(forced?.parts ?? 1)
      return
    }
    let counts = InnerParts.counts(rows: rows, columns: columns, inner: inner, for: Self.innerParts)
    let ruled = Self.tiles(Self.candidates, dtype, device).flatMap { tile in counts.map { tile.making($0) } }
    guard let best = ruled.min(by: { cost($0) < cost($1) }) else { return nil }
    self = best
  }

  private func making(_ parts: Int) -> MatrixTile {
    var tile = self
    tile.parts = parts
    return tile
  }

  /// All tiles that the device can make of factors of this type.
  static func all(dtype: DType, _ device: DeviceProfile) -> [MatrixTile] {
    tiles(candidates + measuredCandidates, dtype, device)
  }

  private static func tiles(
    _ candidates: [(rows: Int, columns: Int, shareRows: Int, shareColumns: Int)], _ dtype: DType,
    _ device: DeviceProfile
  ) -> [MatrixTile] {
    guard let shape = shape(dtype, device) else { return [] }
    return candidates.compactMap { MatrixTile($0, shape, device) }
  }

  /// The largest of the device's products for factors of this type, with sides of 8 or 16: 16 x 16 x 16 on NVIDIA and
  /// AMD, 8 x 16 x 16 on Intel, 8 x 8 x 8 on lavapipe.
  static func shape(_ dtype: DType, _ device: DeviceProfile) -> DeviceProfile.MatrixShape? {
    device.matrixShapes.filter { shape in
      shape.input == dtype && [shape.m, shape.n, shape.k].allSatisfy { $0 == 8 || $0 == 16 }
    }.max { ($0.m * $0.n * $0.k, $0.m) < ($1.m * $1.n * $1.k, $1.m) }
  }

  private init?(
    _ candidate: (rows: Int, columns: Int, shareRows: Int, shareColumns: Int), _ shape: DeviceProfile.MatrixShape,
    _ device: DeviceProfile
  ) {
    (rows, columns, shareRows, shareColumns) = candidate
    self.shape = shape
    let shares = rows / shareRows * (columns / shareColumns)
    invocations = shares * device.subgroupSize
    // How many words of a tile's rows the workgroup loads at a time.
    let lines = invocations * Self.wordFactors / Self.depth
    // Sums of an invocation: 128 registers are half of what NVIDIA and AMD have. Fragments of eight rows are those of
    // Intel, whose registers hold 32.
    let mostSums = shape.m < 16 && !device.isProcessor ? 32 : 128
    let pitch = Self.depth / Self.wordFactors + 1
    let pairBytes = 16 * (rows + columns) * pitch
    let stageBytes = 16 * shares * shape.m * (shareColumns / 4 + 1)
    guard shareRows % shape.m == 0, shareColumns % shape.n == 0, lines > 0, rows % lines == 0,
      invocations <= device.maxWorkgroupInvocations, shareRows * shareColumns <= mostSums * device.subgroupSize,
      max(pairBytes, stageBytes) <= device.sharedMemoryBytes
    else { return nil }
    buffers = 2 * pairBytes <= device.sharedMemoryBytes ? 2 : 1
  }

  /// Specialisation constants 0 to 12 of the shader.
  func specialization(_ types: TiledProduct.Types, _ epilogue: Linear.Epilogue = .none) -> [UInt32] {
    let sizes = [
      invocations, shape.m, shape.n, shape.k, rows, columns, shareRows, shareColumns, buffers,
    ]
    return sizes.map(UInt32.init) + [
      ElementType.code(types.bias), epilogue.constant, ElementType.code(types.weight), ElementType.code(types.results),
    ]
  }
}
