import LumosOps
import LumosTensor

extension Conv3D: OpCases {
  public static var cases: [OpCase] { parityCases + fusedCases + benchmarkCases }

  /// A case: x `[frames, height, width, channels]` of type `type`, kernel `[outputs, kt, kh, kw, channels]`, history
  /// frames.
  private static func make(
    _ note: String, _ op: Conv3D, _ x: Shape, outputs: Int, kernel: [Int], history: Int = 0, _ dtype: DType = .f32,
    bias: DType = .f32, frames type: DType = .f32, purpose: OpCase.Purpose = .parity
  ) -> OpCase {
    let weight = Shape([outputs] + kernel + [x[3]])
    let deviation = 1 / Float(weight.rowCount).squareRoot()
    var inputs: [OpCase.Input] = [
      .init(x, type), .init(weight, dtype, .normal(deviation: deviation)), .init([outputs], bias),
    ]
    if history > 0 { inputs.append(.init([history, x[1], x[2], x[3]], type)) }
    if op.addsResidual {
      let frames = (history + x[0] - kernel[0]) / op.stride.time + 1
      let border = op.padding.leading + op.padding.trailing
      let zoom = op.upsamples ? 2 : 1
      inputs.append(
        .init([
          frames, (zoom * x[1] + border - kernel[1]) / op.stride.space + 1,
          (zoom * x[2] + border - kernel[2]) / op.stride.space + 1, outputs,
        ]))
    }
    let past = history > 0 ? " after \(history)" : ""
    let frames = type == .f32 ? "" : " of \(type.rawValue)"
    return OpCase(
      "\(note): \(x)\(frames)\(past) to \(outputs) \(dtype.rawValue)", op, inputs, dtype: dtype, purpose: purpose)
  }

  private static let same = Conv3D(padding: Padding(leading: 1, trailing: 1))
  private static let pointwise = Conv3D(padding: Padding(leading: 0, trailing: 0))
  private static let down = Conv3D(stride: Stride(space: 2), padding: Padding(leading: 0, trailing: 1))
  private static let downTime = Conv3D(stride: Stride(time: 2), padding: Padding(leading: 0, trailing: 0))

  private static let doubled = Conv3D(padding: Padding(leading: 1, trailing: 1), upsamples: true)
  private static let residual = Conv3D(padding: Padding(leading: 1, trailing: 1), addsResidual: true)

  private static var parityCases: [OpCase] {
    var cases = [
      make("one element", pointwise, [1, 1, 1, 1], outputs: 1, kernel: [1, 1, 1]),
      // Every tap but the middle one falls outside.
      make("one pixel", same, [1, 1, 1, 3], outputs: 5, kernel: [1, 3, 3]),
      make("first convolution", same, [3, 7, 11, 3], outputs: 96, kernel: [3, 3, 3]),
      make("last convolution", same, [1, 9, 13, 96], outputs: 3, kernel: [3, 3, 3], history: 2),
      make("latent", same, [1, 5, 7, 16], outputs: 67, kernel: [3, 3, 3], history: 2),
      make("history longer than needed", same, [2, 5, 7, 8], outputs: 7, kernel: [3, 3, 3], history: 3),
      make("history of one frame", same, [3, 4, 3, 5], outputs: 17, kernel: [3, 3, 3], history: 1),
      make("shortcut", pointwise, [2, 7, 13, 19], outputs: 33, kernel: [1, 1, 1]),
      make("downsampling", down, [2, 11, 14, 7], outputs: 13, kernel: [1, 3, 3]),
      make("downsampling of even rows", down, [1, 8, 6, 16], outputs: 16, kernel: [1, 3, 3]),
      make("downsampling in time", downTime, [4, 5, 3, 17], outputs: 17, kernel: [3, 1, 1], history: 1),
      make("time only", pointwise, [1, 6, 5, 24], outputs: 48, kernel: [3, 1, 1], history: 2),
      make(
        "stride 3, kernel 2 x 5 x 4, padding 3 and 2",
        Conv3D(stride: Stride(time: 2, space: 3), padding: Padding(leading: 3, trailing: 2)), [5, 10, 13, 3],
        outputs: 5, kernel: [2, 5, 4]),
      make("384 channels", pointwise, [1, 3, 5, 384], outputs: 31, kernel: [1, 1, 1]),
      make("many positions", same, [3, 37, 41, 2], outputs: 6, kernel: [1, 3, 3]),
      make("bias f16", pointwise, [1, 3, 3, 4], outputs: 6, kernel: [1, 1, 1], bias: .f16),
    ]
    for dtype: DType in [.f16, .bf16] {
      cases += [
        make("residual block", same, [2, 5, 7, 17], outputs: 23, kernel: [3, 3, 3], history: 2, dtype, bias: dtype),
        make("one element", pointwise, [1, 1, 1, 1], outputs: 1, kernel: [1, 1, 1], dtype),
        make("half frames", same, [1, 5, 7, 17], outputs: 23, kernel: [3, 3, 3], history: 2, frames: dtype),
        make("half frames, half weights", same, [3, 6, 5, 9], outputs: 6, kernel: [3, 3, 3], dtype, frames: dtype),
        make(
          "half frames in time", downTime, [4, 5, 3, 17], outputs: 17, kernel: [3, 1, 1], history: 1, frames: dtype),
        make("half frames", residual, [2, 5, 7, 3], outputs: 5, kernel: [1, 3, 3], frames: dtype),
        make("one element in half", pointwise, [1, 1, 1, 1], outputs: 1, kernel: [1, 1, 1], frames: dtype),
        // Eight channels in 16 bytes.
        make(
          "half frames", residual, [2, 5, 7, 24], outputs: 20, kernel: [3, 3, 3], history: 2, dtype, frames: dtype),
        make("half frames, doubled", doubled, [2, 5, 7, 16], outputs: 33, kernel: [1, 3, 3], dtype, frames: dtype),
        make("half frames, downsampling", down, [2, 8, 11, 8], outputs: 48, kernel: [1, 3, 3], frames: dtype),
      ]
    }
    return cases
  }

  /// With upsampling, with a residual, and with both.
  private static var fusedCases: [OpCase] {
    let uneven = Conv3D(
      stride: Stride(time: 2, space: 3), padding: Padding(leading: 3, trailing: 2), upsamples: true,
      addsResidual: true)
    let pointwise = Conv3D(padding: Padding(leading: 0, trailing: 0), upsamples: true)
    var cases = [
      make("upsampling one pixel", doubled, [1, 1, 1, 3], outputs: 5, kernel: [1, 3, 3]),
      make("upsampling", doubled, [2, 5, 7, 19], outputs: 9, kernel: [1, 3, 3]),
      make("upsampling to a wide result", doubled, [1, 7, 4, 16], outputs: 97, kernel: [1, 3, 3]),
      make("upsampling without padding", pointwise, [1, 3, 5, 6], outputs: 4, kernel: [1, 1, 1]),
      make("upsampling, history", doubled, [2, 3, 4, 5], outputs: 7, kernel: [3, 3, 3], history: 1),
      make("upsampling, many positions", doubled, [3, 19, 21, 2], outputs: 6, kernel: [1, 3, 3]),
      make("residual", residual, [2, 5, 7, 17], outputs: 23, kernel: [3, 3, 3], history: 2),
      make("residual without history", residual, [4, 6, 5, 3], outputs: 3, kernel: [3, 3, 3]),
      make(
        "residual, one element", Conv3D(padding: Padding(leading: 0, trailing: 0), addsResidual: true), [1, 1, 1, 1],
        outputs: 1, kernel: [1, 1, 1]),
      make("residual, many positions", residual, [3, 37, 41, 2], outputs: 6, kernel: [1, 3, 3]),
      make(
        "upsampling, residual, stride 3, kernel 2 x 5 x 4, padding 3 and 2", uneven, [4, 5, 7, 3], outputs: 5,
        kernel: [2, 5, 4], history: 1),
    ]
    for dtype: DType in [.f16, .bf16] {
      cases += [
        make("upsampling", doubled, [2, 5, 7, 19], outputs: 9, kernel: [1, 3, 3], dtype, bias: dtype),
        make("residual", residual, [2, 5, 7, 17], outputs: 23, kernel: [3, 3, 3], history: 2, dtype, bias: dtype),
      ]
    }
    for dtype: DType in [.f32, .f16] {
      cases += [
        make(
          "upsampling to 120x208", doubled, [1, 60, 104, 384], outputs: 192, kernel: [1, 3, 3], dtype,
          purpose: .benchmark),
        make(
          "upsampling to 480x832", doubled, [1, 240, 416, 192], outputs: 96, kernel: [1, 3, 3], dtype,
          purpose: .benchmark),
        make(
          "with residual, 480x832", residual, [1, 480, 832, 96], outputs: 96, kernel: [3, 3, 3], history: 2, dtype,
          purpose: .benchmark),
      ]
    }
    return cases
  }

  /// The decoder's convolutions at 480x832, one latent frame at a time, and frame by frame in the upper levels.
  private static var benchmarkCases: [OpCase] {
    [DType.f32, .f16].flatMap { dtype in
      [
        make(
          "residual, latent size", same, [1, 60, 104, 384], outputs: 384, kernel: [3, 3, 3], history: 2, dtype,
          purpose: .benchmark),
        make(
          "residual, 120x208", same, [2, 120, 208, 384], outputs: 384, kernel: [3, 3, 3], history: 2, dtype,
          purpose: .benchmark),
        make(
          "residual, 240x416", same, [1, 240, 416, 192], outputs: 192, kernel: [3, 3, 3], history: 2, dtype,
          purpose: .benchmark),
        make(
          "residual, 480x832", same, [1, 480, 832, 96], outputs: 96, kernel: [3, 3, 3], history: 2, dtype,
          purpose: .benchmark),
        make(
          "residual, 480x832", same, [1, 480, 832, 96], outputs: 96, kernel: [3, 3, 3], history: 2, dtype,
          frames: .f16, purpose: .benchmark),
        make(
          "to pixels, 480x832", same, [1, 480, 832, 96], outputs: 3, kernel: [3, 3, 3], history: 2, dtype,
          purpose: .benchmark),
      ]
    }
  }
}
