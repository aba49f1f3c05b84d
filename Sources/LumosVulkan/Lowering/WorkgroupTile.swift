import LumosOps
import LumosTensor

/// Tile of the matrix product in `Shaders/Linear/workgroup.glsl`, which one workgroup holds as one matrix.
///
/// No rule chooses this kernel: it has not run on any device yet. It is there for `LUMOSX_VARIANT=Linear=workgroup` and for the
/// tuner, which compares its results with those of the rules' choice.
struct WorkgroupTile: Hashable {
  /// Rows of the result.
  let rows: Int
  /// Columns of the result.
  let columns: Int
  /// Invocations of the workgroup.
  let invocations: Int
  /// Parts of the inner axis that workgroups of their own sum up (`InnerParts`).
  private(set) var parts = 1

  /// Inner indices per step.
  static let depth = 64

  /// Rows and columns to choose from.
  private static let candidates = [(256, 128), (128, 256), (128, 128), (128, 64), (64, 128), (64, 64), (32, 128)]

  /// `"128x128 by 256"`: the tile and the invocations that hold it.
  var name: String { "\(rows)x\(columns) by \(invocations)" }

  /// All tiles that the device can make of factors of this type.
  static func all(dtype: DType, _ device: DeviceProfile) -> [WorkgroupTile] {
    device.workgroupShapes.filter { $0.steps.input == dtype && depth % $0.steps.k == 0 && depth <= $0.largestSide }
      .flatMap { shape in
        candidates.filter { rows, columns in
          // Sums of an invocation: 128 registers at most.
          rows % shape.steps.m == 0 && columns % shape.steps.n == 0 && max(rows, columns) <= shape.largestSide
            && rows * columns <= 128 * shape.invocations && rows * columns >= shape.invocations
        }.map { WorkgroupTile(rows: $0.0, columns: $0.1, invocations: shape.invocations) }
      }
  }

  private init(rows: Int, columns: Int, invocations: Int) {
    self.rows = rows
    self.columns = columns
    self.invocations = invocations
  }

  /// The tile that somebody wants, else the one that makes the result soonest by the model of `MatrixTile`; nil if the
  /// device makes none.
  init?(rows: Int, columns: Int, inner: Int, dtype: DType, _ device: DeviceProfile) {
    let all = Self.all(dtype: dtype, device)
    func cost(_ tile: WorkgroupTile) -> Double {
      let groups = ceilingDivide(rows, tile.rows) * ceilingDivide(columns, tile.columns)
      let work = 1 + 32 / Double(tile.rows) + 32 / Double(tile.columns)
      return Double(groups * tile.rows * tile.columns) * work * 256 / Double(min(max(groups, 1), 256))
    }
    let forced = device.forcedTile.map(InnerParts.parse)
    if let tile = all.first(where: { $0.name == forced?.tile }) {
      self = tile
      parts = forced?.parts ?? 1
    } else if let best = all.min(by: { cost($0) < cost($1) }) {
      self = best
    } else {
      return nil
    }
  }

  /// Specialisation constants 0 to 6 of the shader.
  func specialization(_ types: TiledProduct.Types, _ epilogue: Linear.Epilogue = .none) -> [UInt32] {
    [invocations, rows, columns, Self.depth].map(UInt32.init) + [
      ElementType.code(types.bias), epilogue.constant, ElementType.code(types.results),
    ]
  }
}
