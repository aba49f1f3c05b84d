import LumosOps
import LumosTensor

extension ChannelNorm: OpCases {
  public static var cases: [OpCase] {
    let op = ChannelNorm()
    var cases = OpCase.rowShapes.map { OpCase("\($0)", op, [.init($0), .init([$0[-1]])]) }
    for dtype: DType in [.f16, .bf16] {
      for shape: Shape in [[1, 1], [2, 3, 5, 67], [1, 3, 3, 192]] {
        cases.append(
          OpCase("\(shape) \(dtype.rawValue)", op, [.init(shape), .init([shape[-1]], dtype)], dtype: dtype))
      }
    }
    // Lengths around 1e-12, where the divisor stops following them.
    let tiny = OpCase.Input([3, 96], .f32, .normal(deviation: 1e-13))
    cases.append(OpCase("length near 1e-12", op, [tiny, .init([96])]))
    cases.append(OpCase("zero", op, [.init([2, 96], .f32, .values([Float](repeating: 0, count: 192))), .init([96])]))
    cases += activeCases + halfCases
    for (name, shape): (String, Shape) in [
      ("VAE last level, frame of 480x832", [1, 480, 832, 96]), ("VAE first level", [1, 60, 104, 384]),
    ] {
      cases.append(OpCase(name, op, [.init(shape), .init([shape[3]], .bf16)], dtype: .bf16, purpose: .benchmark))
    }
    cases.append(
      OpCase(
        "silu, VAE last level, frame of 480x832", ChannelNorm(activation: .silu),
        [.init([1, 480, 832, 96]), .init([96], .bf16)], dtype: .bf16, purpose: .benchmark))
    return cases
  }

  /// With results in f16 and bf16.
  private static var halfCases: [OpCase] {
    var cases: [OpCase] = []
    for dtype: DType in [.f16, .bf16] {
      for shape: Shape in [[1], [17, 7], [5, 63], [2, 3, 5, 67], [0, 4], [7, 100], [3, 9, 13, 192], [5, 96]] {
        let op = ChannelNorm(activation: .silu, dtype: dtype)
        cases.append(
          OpCase("silu \(shape) to \(dtype.rawValue)", op, [.init(shape), .init([shape[-1]])], dtype: dtype))
      }
      let plain = ChannelNorm(dtype: dtype)
      cases.append(
        OpCase("[7, 65] to \(dtype.rawValue), gain f16", plain, [.init([7, 65]), .init([65], .f16)], dtype: dtype))
    }
    cases.append(
      OpCase(
        "silu, VAE last level, frame of 480x832, to f16", ChannelNorm(activation: .silu, dtype: .f16),
        [.init([1, 480, 832, 96]), .init([96], .bf16)], dtype: .bf16, purpose: .benchmark))
    return cases
  }

  /// A nonlinearity behind the norm.
  private static var activeCases: [OpCase] {
    Activation.Kind.allCases.flatMap { kind in
      let op = ChannelNorm(activation: kind)
      var cases = [[1], [17, 7], [33, 8], [5, 63], [7, 65], [2, 3, 5, 67], [3, 1023], [0, 4], [2, 3, 3, 384]].map {
        (shape: Shape) in OpCase("\(kind) \(shape)", op, [.init(shape), .init([shape[-1]])])
      }
      for dtype: DType in [.f16, .bf16] {
        let shape: Shape = [1, 3, 3, 192]
        cases.append(
          OpCase("\(kind) \(shape) \(dtype.rawValue)", op, [.init(shape), .init([192], dtype)], dtype: dtype))
      }
      // Results up to ±600, where the exponential over- and underflows.
      let far = OpCase.Input([97], .f32, .uniform(lower: -300, upper: 300))
      cases.append(OpCase("\(kind) far from zero", op, [.init([5, 97]), far]))
      return cases
    }
  }
}
