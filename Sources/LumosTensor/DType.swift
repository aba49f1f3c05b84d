/// The type of the elements of a tensor, in storage.
///
/// Arithmetic is always float32 (or float64 in the reference's double evaluation); the half types are storage only. So
/// are the block types, in which ggml quantises weights: some neighbouring elements of a row share a scale
/// (`BlockFormat`). Only weights of products come in them.
public enum DType: String, Sendable, Hashable, CaseIterable {
  case f64, f32, f16, bf16, i64, i32, u8
  /// Eight bits with four of exponent, without infinities (`Float8E4M3`). Only checkpoints hold it; no op reads it.
  case f8e4m3 = "f8_e4m3"
  // ggml's names.
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case q8_0, q4_0, q5_0
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case q4_K = "q4_k"
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case q5_K = "q5_k"
  // swift-format-ignore: AlwaysUseLowerCamelCase
  case q6_K = "q6_k"

  /// Bytes of one element. Elements of block types have no bytes of their own: see `byteCount(of:)`.
  public var byteCount: Int {
    switch self {
    case .f64, .i64: 8
    case .f32, .i32: 4
    case .f16, .bf16: 2
    case .u8, .f8e4m3: 1
    case .q8_0, .q4_0, .q5_0, .q4_K, .q5_K, .q6_K: preconditionFailure("one element of \(rawValue)")
    }
  }

  /// What its blocks hold; nil for a type whose elements stand alone.
  public var block: BlockFormat? {
    switch self {
    case .f64, .f32, .f16, .bf16, .i64, .i32, .u8, .f8e4m3: nil
    case .q8_0: BlockFormat(elements: 32, bytes: 34)
    case .q4_0: BlockFormat(elements: 32, bytes: 18)
    case .q5_0: BlockFormat(elements: 32, bytes: 22)
    case .q4_K: BlockFormat(elements: 256, bytes: 144)
    case .q5_K: BlockFormat(elements: 256, bytes: 176)
    case .q6_K: BlockFormat(elements: 256, bytes: 210)
    }
  }

  /// Bytes of `count` elements that follow one another, which are whole blocks.
  public func byteCount(of count: Int) -> Int {
    guard let block else { return count * byteCount }
    precondition(count % block.elements == 0, "\(count) elements of \(rawValue)")
    return count / block.elements * block.bytes
  }

  /// Of what number of bytes the address of an element, or a block, is a multiple in a tensor that is aligned.
  public var alignment: Int { block == nil ? byteCount : 2 }

  /// The block types.
  public static let blocks: [DType] = allCases.filter { $0.block != nil }

  /// Whether it is one of the 16-bit floating-point types.
  public var isHalf: Bool { self == .f16 || self == .bf16 }

  /// Whether elements are stored in blocks that share scales.
  public var isBlocked: Bool { block != nil }

  /// Whether the elements are numbers with fractions.
  public var isFloat: Bool {
    switch self {
    case .f64, .f32, .f16, .bf16, .f8e4m3: true
    case .q8_0, .q4_0, .q5_0, .q4_K, .q5_K, .q6_K: true
    case .i64, .i32, .u8: false
    }
  }
}
