import LumosTensor

/// Numbers by which GGUF names types (ggml.h and the GGUF specification).
enum GGUFType {
  /// Element types of tensors that the engine reads.
  static let dtypes: [UInt32: DType] = [
    0: .f32, 1: .f16, 2: .q4_0, 6: .q5_0, 8: .q8_0, 12: .q4_K, 13: .q5_K, 14: .q6_K, 26: .i32, 27: .i64, 28: .f64,
    30: .bf16,
  ]

  /// Names of the others, so that a refusal can say what it met.
  private static let others: [UInt32: String] = [
    3: "Q4_1", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
    19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 29: "IQ1_M", 34: "TQ1_0",
    35: "TQ2_0", 39: "MXFP4",
  ]

  /// Name of an element type by its number, for people.
  static func name(_ code: UInt32) -> String {
    dtypes[code].map(name) ?? others[code] ?? "number \(code)"
  }

  /// ggml's name of an element type: `"Q4_K"`.
  static func name(_ dtype: DType) -> String { dtype.rawValue.uppercased() }

  /// The number of an element type; nil for `u8`, which the format does not know.
  static func code(_ dtype: DType) -> UInt32? { dtypes.first { $0.value == dtype }?.key }

  /// For error messages.
  static var supported: String { dtypes.sorted { $0.key < $1.key }.map { name($0.value) }.joined(separator: " ") }

  /// Bytes of a metadata value by the number of its type; nil for strings, arrays and numbers that there are not.
  static func scalarByteCount(_ code: UInt32) -> Int? {
    switch code {
    case 0, 1, 7: 1
    case 2, 3: 2
    case 4, 5, 6: 4
    case 10, 11, 12: 8
    default: nil
    }
  }

  static let string: UInt32 = 8
  static let array: UInt32 = 9
}

/// A metadata value of a GGUF file.
public enum GGUFValue: Sendable, Hashable, CustomStringConvertible {
  /// An integer of any width that fits `Int`.
  case integer(Int)
  /// A float of either width.
  case number(Double)
  /// A truth value.
  case boolean(Bool)
  /// A text.
  case text(String)
  /// An array, of which only integers are kept, up to 16 of them: tokenizers come in arrays of a quarter of a million.
  case array(count: Int, integers: [Int]?)

  /// The value as text, an array that is not kept as its length.
  public var description: String {
    switch self {
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .boolean(let value): "\(value)"
    case .text(let value): value
    case .array(let count, let integers): integers.map { "\($0)" } ?? "\(count) values"
    }
  }

  /// The integer, if it is one.
  public var integer: Int? { if case .integer(let value) = self { value } else { nil } }
  /// The text, if it is one.
  public var text: String? { if case .text(let value) = self { value } else { nil } }
}
