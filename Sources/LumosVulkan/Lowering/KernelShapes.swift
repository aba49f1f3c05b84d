import LumosOps
import LumosTensor

/// The host's half of `Shaders/Common/{divide,elements,rows}.glsl`: how their kernels' work is cut into workgroups.

extension Grid {
  /// Workgroups for `count` elements: 128 invocations of sixteen elements each (`elements.glsl`).
  static func elements(_ count: Int, _ device: DeviceProfile) -> Grid { folded(ceilingDivide(count, 2048), device) }
}

extension PushWord {
  /// A divisor as `divide.glsl` takes it: its value, the multiplier `⌊2³² (2ˢ - d) / d⌋ + 1` and the shift `s = ⌈log₂ d⌉`.
  /// Exact for dividends below 2³¹. No division takes place where `value` is 0, as in empty tensors.
  static func divisor(_ value: Int) -> [PushWord] {
    guard value > 0 else { return [.uint(0), .uint(0), .uint(0)] }
    let shift = value == 1 ? 0 : Int.bitWidth - (value - 1).leadingZeroBitCount
    let multiplier = (((1 << shift) - value) << 32) / value + 1
    return [.count(value), .uint(UInt32(multiplier)), .count(shift)]
  }
}

/// How the rows of a matrix are spread over workgroups by `rows.glsl`.
struct RowKernel {
  /// Invocations that share a row: specialisation constant 0.
  let lanes: Int
  /// Groups of four elements that each of them handles: specialisation constant 3.
  let vectors: Int
  /// Workgroups, each of `128 / lanes` rows.
  let grid: Grid

  /// Three words of the result or more to a lane where the row is wide enough: rows of 96, 192, 384 and 1536 then leave
  /// no lane idle. Never so few that neighbours would read less than 128 adjacent bytes.
  /// - Parameter result: the type of what is written; a word of 16 bytes holds four elements of it or eight.
  init(rows: Int, width: Int, result: DType, _ device: DeviceProfile) {
    let wordVectors = result == .f32 ? 1 : 2
    let words = ceilingDivide(width, 4 * wordVectors)
    var lanes = 8 / wordVectors
    while lanes < 128 && lanes * 4 <= words { lanes *= 2 }
    self.lanes = lanes
    vectors = max(ceilingDivide(words, lanes), 1) * wordVectors
    let perGroup = 128 / lanes
    grid = .folded((rows + perGroup - 1) / perGroup, device)
  }
}

extension LoweredTypes {
  /// Number of elements of the first output, for kernels that index with 32 bits.
  ///
  /// SPIR-V takes indices as signed, so 2³¹ elements (8 GiB of float32) are the end.
  /// - Throws: `LumosError` if an operand is larger.
  func indexableCount(of op: some OpDescriptor) throws -> Int {
    for type in inputs + outputs where type.shape.count > Int(Int32.max) {
      throw LumosError(
        .badInput, "\(type) has more elements than a kernel can index (2^31 - 1)", at: op.name,
        advice: "ask for a smaller frame size or fewer frames")
    }
    return outputs[0].shape.count
  }

  /// The one type of the weights `inputs[indices]`, as a variant's suffix.
  /// - Throws: `LumosError` if they differ.
  func weightVariant(_ indices: ClosedRange<Int>, of op: some OpDescriptor) throws -> String {
    let dtype = inputs[indices.lowerBound].dtype
    for index in indices where inputs[index].dtype != dtype {
      throw LumosError(
        .badInput, "weights are \(dtype.rawValue) and \(inputs[index].dtype.rawValue)", at: op.name,
        advice: "store them in one type")
    }
    return dtype.variant
  }
}
