import LumosFiles
import LumosOpSuite
import LumosOps
import LumosTensor
import LumosVulkan

/// The least time that a case can take on a device, from its measured peaks.
struct Roof {
  /// Floating-point operations.
  let flops: Double
  /// Bytes that an ideal kernel moves.
  let bytes: Double
  /// Seconds of the arithmetic alone.
  let arithmeticSeconds: Double
  /// Seconds of the traffic alone.
  let memorySeconds: Double

  init(_ opCase: OpCase, _ peaks: DevicePeaks) {
    let types = opCase.inputs.map(\.type)
    flops = Double(opCase.op.flops(types))
    bytes = Double(opCase.op.bytesMoved(types))
    let type = opCase.productType
    arithmeticSeconds = flops / max(peaks.flopsPerSecond(type), 1)
    memorySeconds = bytes / max(peaks.copyBytesPerSecond, 1)
  }

  /// The slower of both.
  var seconds: Double { max(arithmeticSeconds, memorySeconds) }
  /// Which one it is.
  var boundBy: String { arithmeticSeconds > memorySeconds ? "arithmetic" : "memory" }
}

extension OpCase {
  /// Type in which products are made: that of the first input.
  var productType: DType { inputs.first?.type.dtype ?? .f32 }
  /// `"f16[43680, 1536] f16[8960, 1536] f32[8960]"`.
  var shapes: String { inputs.map { "\($0.type)" }.joined(separator: " ") }
}

/// One case on one device: a line of `ops --json`.
struct OpRecord {
  /// What came of it.
  enum Outcome {
    case timed(OpTimer.Result)
    case skipped(String)
  }

  let op: String
  let title: String
  let shape: String
  let dtype: String
  let device: String
  let variant: String
  let roof: Roof
  let outcome: Outcome

  init(_ opCase: OpCase, device: String, variant: String, _ roof: Roof, _ outcome: Outcome) {
    op = opCase.op.name
    title = opCase.title
    shape = opCase.shapes
    dtype = opCase.productType.rawValue
    self.device = device
    self.variant = variant
    self.roof = roof
    self.outcome = outcome
  }

  var json: JSONValue {
    var members: [JSONValue.Member] = [
      .init("op", .string(op)), .init("variant", .string(variant)), .init("shape", .string(shape)),
      .init("dtype", .string(dtype)), .init("case", .string(title)), .init("device", .string(device)),
      .init("flops", .number(roof.flops)), .init("bytes", .number(roof.bytes)),
    ]
    switch outcome {
    case .skipped(let reason): members.append(.init("skipped", .string(reason)))
    case .timed(let result):
      let median = result.medianSeconds
      members += [
        .init("medianSeconds", .number(median)), .init("minSeconds", .number(result.minSeconds)),
        .init("maxSeconds", .number(result.maxSeconds)), .init("runs", .integer(result.seconds.count)),
        .init("tflops", .number(roof.flops / median / 1e12)), .init("gbps", .number(roof.bytes / median / 1e9)),
        .init("shareOfPeak", .number(roof.seconds / median)), .init("boundBy", .string(roof.boundBy)),
      ]
    }
    return .object(members)
  }
}
