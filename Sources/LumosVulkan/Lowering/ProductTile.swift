import LumosOps
import LumosTensor

/// Tile of the matrix product in `Shaders/Common/product.glsl`: what one workgroup of 128 invocations makes.
struct ProductTile: Hashable {
  /// Rows of the result.
  let rows: Int
  /// Columns of the result.
  let columns: Int
  /// Inner indices per step; `rows · depth` is a multiple of 128.
  let depth: Int
  /// How many of the invocations stand side by side along a row; `columns` is a multiple of it, `rows` one of the
  /// others.
  let lanes: Int
  /// Parts of the inner axis that workgroups of their own sum up (`InnerParts`).
  let parts: Int

  /// Tiles to choose from: rows, columns and lanes.
  private static let shapes: [(rows: Int, columns: Int, lanes: Int)] =
    [64, 32].flatMap { rows in [128, 96, 64, 32, 16].map { (rows, $0, 16) } } + [(128, 4, 4)]

  /// When this kernel's products are worth cutting.
  static let innerParts = InnerParts(leastDepth: 256, elementCost: 64)

  /// Names of the tiles: `"64x128"`.
  static let names: [String] = named.map { $0.name }
  /// The tiles with their names.
  static let named = shapes.map { (name: "\($0.rows)x\($0.columns)", rows: $0.rows, columns: $0.columns) }

  /// The tile that makes a `rows` x `columns` result soonest by a simple model.
  ///
  /// An invocation pays one unit per multiply-add and two per word that it reads from shared memory, also for rows and
  /// columns that fall off the edge; a grid of fewer than 256 workgroups leaves part of a GPU idle, one of fewer than 8
  /// part of a processor. `inner` is the length of the sums (the channels of a convolution): short sums take shallow
  /// tiles. `products` is how many results of this size one grid makes. Only one that `splits` is made in parts.
  init(rows: Int, columns: Int, inner: Int, _ device: DeviceProfile, products: Int = 1, splits: Bool = false) {
    let busy = device.isProcessor ? 8 : 256
    let counts = splits ? InnerParts.counts(rows: rows, columns: columns, inner: inner, for: Self.innerParts) : [1]
    func cost(_ shape: (rows: Int, columns: Int, lanes: Int), _ parts: Int) -> Double {
      let groups = products * parts * ceilingDivide(rows, shape.rows) * ceilingDivide(columns, shape.columns)
      let (rowsEach, columnsEach) = (shape.rows * shape.lanes / 128, shape.columns / shape.lanes)
      // Beyond a full device parts gain nothing.
      if parts > 1 && groups > busy { return .infinity }
      let work = 1 + 2 / Double(rowsEach) + 2 / Double(columnsEach)
      let tiles = Double(groups / parts * shape.rows * shape.columns) * work
      return tiles * Double(busy) / Double(min(max(groups, 1), busy))
        + Self.innerParts.cost(parts, rows: rows, columns: columns, inner: inner)
    }
    let choices = Self.shapes.indices.flatMap { shape in counts.map { (shape: shape, parts: $0) } }
    let costs = choices.map { cost(Self.shapes[$0.shape], $0.parts) }
    let cheapest = choices[costs.indices.min { costs[$0] < costs[$1] } ?? 0]
    let forced = device.forcedTile.map(InnerParts.parse)
    let place = Self.names.firstIndex { $0 == forced?.tile }
    let best = Self.shapes[place ?? cheapest.shape]
    parts = place == nil ? cheapest.parts : forced?.parts ?? 1
    self.rows = best.rows
    self.columns = best.columns
    lanes = best.lanes
    // A tall tile takes half the depth: what an invocation loads per step stays the same.
    depth = inner <= 4 ? 4 : inner <= 8 || best.rows > 64 ? 8 : 16
  }

  /// Specialisation constants 0 to 7 of the shader; for weights in blocks also number 8.
  func specialization(_ types: TiledProduct.Types, _ epilogue: Linear.Epilogue = .none) -> [UInt32] {
    [
      UInt32(rows), UInt32(columns), UInt32(depth), UInt32(lanes), ElementType.code(types.bias), epilogue.constant,
      ElementType.code(types.left), ElementType.code(types.results),
    ] + ElementType.blockCode(types.weight)
  }
}

/// How the shaders of `Common/typed.glsl` are told the type of a tensor, which may be absent.
enum ElementType {
  /// The specialisation constant for a tensor of this type, or for none.
  static func code(_ dtype: DType?) -> UInt32 {
    switch dtype {
    case nil: 0
    case .f32: 1
    case .f16: 2
    case .bf16: 3
    case .q8_0: 4
    case .q4_0: 5
    case .q5_0: 6
    case .q4_K: 7
    case .q5_K: 8
    case .q6_K: 9
    case let other?: preconditionFailure("a tensor of \(other.rawValue)")
    }
  }

  /// The last specialisation constant of kernels of the variant `blocks`; nothing for weights of other types.
  static func blockCode(_ weight: DType) -> [UInt32] { weight.block == nil ? [] : [code(weight)] }

  /// The specialisation constant for several tensors: four bits each, the first in the lowest.
  static func code(_ dtypes: [DType]) -> UInt32 { dtypes.reversed().reduce(0) { $0 << 4 | code($1) } }
}

extension Linear.Epilogue {
  /// The epilogue as `Shaders/Common/epilogue.glsl` numbers it.
  var constant: UInt32 {
    switch self {
    case .none: Activation.Kind?.none.constant
    case .activation(let kind): Optional(kind).constant
    case .add: 3
    case .gatedAdd: 4
    }
  }
}

/// Limits that lowerings share.
enum DispatchLimit {
  /// Elements of one tensor that a kernel can index. SPIR-V takes indices of arrays as signed, and 32-bit numbers are
  /// what every device computes fast.
  static let elements = Int(Int32.max)

  /// Floating-point operations of one dispatch: what the plan asks for, else a quarter of a second at the rates of a
  /// slow device (`DeviceRates.cautious`), so that a desktop stays alive and no driver takes the queue for hung.
  static func flops(_ device: DeviceProfile) -> Int {
    device.flopsPerDispatch ?? VulkanPlan.Limits.flopsPerDispatch(.cautious(for: device))
  }
}

extension DeviceProfile {
  /// Whether a processor runs the shaders, whose vectors are the subgroups. GPUs have 16 lanes or more.
  var isProcessor: Bool { subgroupSize <= 8 }
}

/// ⌈a / b⌉ for numbers that are not negative.
func ceilingDivide(_ a: Int, _ b: Int) -> Int { (a + b - 1) / b }
