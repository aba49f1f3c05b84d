/// The type of one tensor element, in storage.
///
/// Arithmetic is always float32 (or float64 in the reference's double evaluation); the half types are storage only.
public enum DType: String, Sendable, Hashable, CaseIterable {
  case f64, f32, f16, bf16, i64, i32, u8
  /// Eight bits with four of exponent, without infinities (`Float8E4M3`). Only checkpoints hold it; no op reads it.
  case f8e4m3 = "f8_e4m3"

  /// Bytes of one element.
  public var byteCount: Int {
    switch self {
    case .f64, .i64: 8
    case .f32, .i32: 4
    case .f16, .bf16: 2
    case .u8, .f8e4m3: 1
    }
  }

  /// Whether it is one of the 16-bit floating-point types.
  public var isHalf: Bool { self == .f16 || self == .bf16 }

  /// Whether elements are stored in blocks that share scales.
  public var isBlocked: Bool { false }

  /// Whether the elements are floating-point numbers.
  public var isFloat: Bool {
    switch self {
    case .f64, .f32, .f16, .bf16, .f8e4m3: true
    case .i64, .i32, .u8: false
    }
  }
}
