/// Conversions between element types. Widening (f16, bf16 -> f32 -> f64) is exact; narrowing rounds to nearest even.
extension Tensor {
  /// The elements as float32. Integers beyond 2^24 round; blocks are as ggml defines them (`BlockFormat`).
  public func floats() -> [Float] {
    withUnsafeBytes { bytes in
      if dtype.block != nil {
        return Array(unsafeUninitializedCapacity: count) { out, initialized in
          BlockFormat.dequantize(bytes, dtype, into: out)
          initialized = count
        }
      }
      func read<T: BitwiseCopyable>(_: T.Type, _ convert: (T) -> Float) -> [Float] {
        Array(unsafeUninitializedCapacity: count) { out, initialized in
          for i in 0..<count {
            out[i] = convert(bytes.loadUnaligned(fromByteOffset: i * MemoryLayout<T>.size, as: T.self))
          }
          initialized = count
        }
      }
      switch dtype {
      case .f64: return read(Double.self) { Float($0) }
      case .f32: return read(Float.self) { $0 }
      case .f16: return read(Float16.self) { Float($0) }
      case .bf16: return read(UInt16.self) { BFloat16.float($0) }
      case .i64: return read(Int64.self) { Float($0) }
      case .i32: return read(Int32.self) { Float($0) }
      case .u8: return read(UInt8.self) { Float($0) }
      case .f8e4m3: return read(UInt8.self) { Float8E4M3.float($0) }
      case .q8_0, .q4_0, .q5_0, .q4_K, .q5_K, .q6_K: preconditionFailure("blocks are done above")
      }
    }
  }

  /// The elements as float64, exact for every type but i64 beyond 2^53.
  public func doubles() -> [Double] {
    guard dtype == .f64 || dtype == .i64 else { return floats().map(Double.init) }
    return withUnsafeBytes { bytes in
      (0..<count).map { i in
        dtype == .f64
          ? bytes.loadUnaligned(fromByteOffset: i * 8, as: Double.self)
          : Double(bytes.loadUnaligned(fromByteOffset: i * 8, as: Int64.self))
      }
    }
  }

  /// The elements as `Int`; the tensor must hold integers.
  public func integers() -> [Int] {
    precondition(!dtype.isFloat, "integers() of \(dtype.rawValue)")
    return withUnsafeBytes { bytes in
      (0..<count).map { i in
        switch dtype {
        case .i64: Int(bytes.loadUnaligned(fromByteOffset: i * 8, as: Int64.self))
        case .i32: Int(bytes.loadUnaligned(fromByteOffset: i * 4, as: Int32.self))
        default: Int(bytes[i])
        }
      }
    }
  }

  /// The same values in `dtype`; `self` if nothing changes. f32, f16 and bf16 are rounded to nearest even, block types
  /// quantised (`BlockFormat`), for which rows must be whole blocks.
  public func converted(to dtype: DType) -> Tensor {
    if dtype == self.dtype { return self }
    let values = floats()
    switch dtype {
    case .f32: return Tensor(values, shape)
    case .f16:
      return Tensor(shape, .f16) { bytes in
        let out = bytes.bindMemory(to: Float16.self)
        for i in values.indices { out[i] = Float16(values[i]) }
      }
    case .bf16:
      return Tensor(shape, .bf16) { bytes in
        let out = bytes.bindMemory(to: UInt16.self)
        for i in values.indices { out[i] = BFloat16.bits(values[i]) }
      }
    case .q8_0, .q4_0, .q5_0, .q4_K, .q5_K, .q6_K:
      precondition(TensorType(shape, dtype).hasWholeBlocks, "rows of \(shape) as \(dtype.rawValue)")
      return Tensor(shape, dtype) { bytes in
        values.withUnsafeBufferPointer { BlockFormat.quantize($0, dtype, into: bytes) }
      }
    case .f64, .i64, .i32, .u8, .f8e4m3: preconditionFailure("conversion to \(dtype.rawValue) is not defined")
    }
  }
}

/// bfloat16 as bit patterns: the upper half of a float32.
public enum BFloat16 {
  /// The float32 that `bits` stands for, exactly.
  public static func float(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

  /// The nearest bfloat16, ties to even; NaN stays NaN.
  public static func bits(_ value: Float) -> UInt16 {
    let u = value.bitPattern
    if value.isNaN { return UInt16(truncatingIfNeeded: u >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (u &+ 0x7fff &+ ((u >> 16) & 1)) >> 16)
  }
}

/// Eight-bit floating point, E4M3FN: sign, four bits of exponent with bias 7, three of fraction; no infinities, and NaN
/// only where all bits below the sign are set.
///
/// Source: https://arxiv.org/abs/2209.05433, section 3.
public enum Float8E4M3 {
  /// The number that `bits` stands for, exactly.
  public static func float(_ bits: UInt8) -> Float {
    let (exponent, fraction) = (Int32(bits >> 3 & 15), Float(bits & 7))
    guard bits & 0x7f != 0x7f else { return .nan }
    // Subnormal numbers have the exponent of the smallest normal ones and no leading one.
    let magnitude =
      exponent == 0
      ? fraction / 512 : Float(sign: .plus, exponent: Int(exponent) - 7, significand: 1 + fraction / 8)
    return bits & 0x80 == 0 ? magnitude : -magnitude
  }
}
