import LumosOps
import LumosTensor

extension Convert: ReferenceKernel {
  /// The numbers themselves: `results` rounds what any op makes in a half type, by the functions below.
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    [inputs[0].values]
  }

  /// The numbers, each rounded to what `dtype` holds; as they are if it is no half type.
  static func rounded<S: ReferenceScalar>(_ x: [S], to dtype: DType) -> [S] {
    guard dtype.isHalf else { return x }
    return [S](unsafeUninitializedCapacity: x.count) { out, initialized in
      parallelFor(count: x.count, grain: 1 << 14) { range in
        for i in range { out[i] = S(nearest(Float(x[i]), in: dtype)) }
      }
      initialized = x.count
    }
  }

  /// The number of `dtype` nearest to x, finite if x is.
  static func nearest(_ x: Float, in dtype: DType) -> Float {
    let (rounded, largest): (Float, Float) =
      dtype == .f16
      ? (Float(Float16(x)), Float(Float16.greatestFiniteMagnitude))
      : (BFloat16.float(BFloat16.bits(x)), BFloat16.float(0x7f7f))
    return rounded.isInfinite && x.isFinite ? (x < 0 ? -largest : largest) : rounded
  }
}
