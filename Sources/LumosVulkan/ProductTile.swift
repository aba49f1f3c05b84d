import LumosTensor

/// Tile of the matrix product in `Shaders/Common/product.glsl`: what one workgroup of 128 invocations makes.
struct ProductTile: Hashable {
  /// Rows of the result, a multiple of 8.
  let rows: Int
  /// Columns of the result, a multiple of 16.
  let columns: Int
  /// Inner indices per step; `rows · depth` is a multiple of 128.
  let depth: Int

  /// Invocations of a workgroup: the least that Vulkan guarantees.
  static let invocations = 128

  /// The tile that makes a `rows` x `columns` result soonest by a simple model.
  ///
  /// An invocation pays one unit per multiply-add and two per word that it reads from shared memory, also for rows and
  /// columns that fall off the edge; a grid of fewer than 256 workgroups leaves part of the device idle. `inner` is the
  /// length of the sums (the channels of a convolution): short sums take shallow tiles.
  init(rows: Int, columns: Int, inner: Int) {
    let depth = inner <= 4 ? 4 : inner <= 8 ? 8 : 16
    var best = (cost: Double.infinity, rows: 0, columns: 0)
    for height in [64, 32] {
      for width in [128, 96, 64, 32, 16] {
        let groups = ceilingDivide(rows, height) * ceilingDivide(columns, width)
        let reads = 2 / Double(height / 8) + 2 / Double(width / 16)
        let idle = 256 / Double(min(groups, 256))
        let cost = Double(groups * height * width) * (1 + reads) * idle
        if cost < best.cost { best = (cost, height, width) }
      }
    }
    self.rows = best.rows
    self.columns = best.columns
    self.depth = depth
  }

  /// Specialisation constants 0 to 3 of the shader.
  func specialization(bias: DType?) -> [UInt32] {
    [UInt32(rows), UInt32(columns), UInt32(depth), BiasType.code(bias)]
  }
}

/// How the shaders of `Common/bias.glsl` are told the type of an optional vector.
enum BiasType {
  /// The specialisation constant for a vector of this type, or for none.
  static func code(_ dtype: DType?) -> UInt32 {
    switch dtype {
    case nil: 0
    case .f32: 1
    case .f16: 2
    case .bf16: 3
    case let other?: preconditionFailure("a vector of \(other.rawValue)")
    }
  }
}

/// Limits that lowerings share.
enum DispatchLimit {
  /// Elements of one tensor that a kernel can index. SPIR-V takes indices of arrays as signed, and 32-bit numbers are
  /// what every device computes fast.
  static let elements = Int(Int32.max)

  /// Floating-point operations of one dispatch: a tenth of a second on a device of 1 TFLOP/s, so that a desktop stays
  /// alive and no driver takes the queue for hung.
  static let flops = 100_000_000_000
}

/// ⌈a / b⌉ for numbers that are not negative.
func ceilingDivide(_ a: Int, _ b: Int) -> Int { (a + b - 1) / b }
