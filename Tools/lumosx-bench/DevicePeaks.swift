import LumosFiles
import LumosOps
import LumosTensor
import LumosVulkan

/// What a device reaches at best, as measured: the roofs that kernels are held against.
struct DevicePeaks {
  /// Bytes read and written per second by the better of the driver's copy and a kernel's.
  private(set) var copyBytesPerSecond = 0.0
  /// Both, by name.
  private(set) var copies: [(name: String, bytesPerSecond: Double)] = []
  /// Floating-point operations per second of multiply-adds in registers, by type.
  private(set) var multiplyAdds: [(type: DType, flopsPerSecond: Double)] = []
  /// The same on matrix units, with sums in float32, by type and shape.
  private(set) var matrices: [(shape: DeviceProfile.MatrixShape, flopsPerSecond: Double)] = []

  /// Best rate of products of this type, whatever computes them: a kernel may widen what it reads.
  func flopsPerSecond(_ type: DType) -> Double {
    let units = matrices.filter { $0.shape.input == type }.map(\.flopsPerSecond)
    let own = multiplyAdds.filter { $0.type == type || $0.type == .f32 }.map(\.flopsPerSecond)
    return (units + own).max() ?? 0
  }

  /// Types with a rate of their own.
  private var types: [DType] {
    [DType.f32, .f16, .bf16].filter { type in
      multiplyAdds.contains { $0.type == type } || matrices.contains { $0.shape.input == type }
    }
  }

  /// The record that `peaks --json` prints.
  func json(device: String) -> JSONValue {
    func rates(_ list: [(String, Double)]) -> JSONValue {
      .object(list.map { JSONValue.Member($0.0, .number($0.1 / 1e12)) })
    }
    return .object([
      .init("device", .string(device)), .init("copyGbps", .number(copyBytesPerSecond / 1e9)),
      .init("matrixTflops", rates(types.map { ($0.rawValue, flopsPerSecond($0)) })),
      .init("multiplyAddTflops", rates(multiplyAdds.map { ($0.type.rawValue, $0.flopsPerSecond) })),
      .init(
        "matrixUnitTflops", rates(matrices.map { ("\($0.shape.input.rawValue) \($0.shape.text)", $0.flopsPerSecond) })),
      .init("copies", .object(copies.map { JSONValue.Member($0.name + "Gbps", .number($0.bytesPerSecond / 1e9)) })),
    ])
  }

  /// Lines for people.
  var lines: [String] {
    copies.map {
      Text.padded("copy by the \($0.name)", 34) + Text.aligned(Text.short($0.bytesPerSecond / 1e9), 9) + " GB/s"
    }
      + multiplyAdds.map {
        Text.padded("multiply-add \($0.type.rawValue)", 34) + Text.aligned(Text.short($0.flopsPerSecond / 1e12), 9)
          + " TFLOP/s"
      }
      + matrices.map {
        Text.padded("matrix units \($0.shape.input.rawValue) \($0.shape.text)", 34)
          + Text.aligned(Text.short($0.flopsPerSecond / 1e12), 9) + " TFLOP/s"
      }
  }

  /// Measures the device: some seconds.
  /// - Parameter check: called between runs; what it throws ends the measurement.
  init(_ timer: OpTimer, check: @escaping @Sendable () throws -> Void) throws {
    let device = timer.device
    let isProcessor = device.description.kind == .cpu
    var options = OpTimer.Options()
    options.check = check
    options.seconds = 3
    // Rates are those of the best third of the runs or so: a roof is what the device can do.
    func rate(_ amount: Int, _ result: OpTimer.Result) -> Double {
      let sorted = result.seconds.sorted()
      return Double(amount) / (sorted.isEmpty ? .infinity : sorted[sorted.count / 4])
    }

    let largest = min(device.description.limits.maxAllocationBytes, device.description.availableBytes / 4)
    let bytes = min(isProcessor ? 64 << 20 : 1 << 30, largest / 4096 * 4096)
    // Random: what is the same all over might be compressed on its way.
    let operand = OpTimer.Operand(TensorType([bytes / 4], .f32), pattern: Patterns.normal(.f32, 1))
    copies.append(("driver", rate(2 * bytes, try timer.timeCopy(operand, options: options))))
    copies.append(("kernel", rate(2 * bytes, try Self.copy(timer, operand, options))))
    copyBytesPerSecond = copies.map(\.bytesPerSecond).max() ?? 0

    let seconds = isProcessor ? 0.05 : 0.02
    options.distinctBytes = 0
    for type: DType in [.f32, .f16] where type == .f32 || device.description.features.shaderFloat16 {
      let flops = try Self.longEnough(seconds) { steps in
        try Self.multiplyAdd(timer, type, workgroups: isProcessor ? 16 : 8192, steps: steps, options)
      }
      multiplyAdds.append((type, rate(flops.flops, flops.result)))
    }
    for shape in device.profile.matrixShapes {
      let flops = try Self.longEnough(seconds) { steps in
        try Self.multiplyMatrices(timer, shape, workgroups: isProcessor ? 8 : 4096, steps: steps, options)
      }
      matrices.append((shape, rate(flops.flops, flops.result)))
    }
  }

  // MARK: - Kernels

  private typealias Run = (flops: Int, result: OpTimer.Result)

  /// Runs with four times as many steps until a run takes `seconds`.
  private static func longEnough(_ seconds: Double, _ run: (_ steps: Int) throws -> Run) throws -> Run {
    var steps = 32
    while true {
      let one = try run(steps)
      if one.result.minSeconds >= seconds || steps >= 1 << 20 { return one }
      // Never to more than four times the time that is wanted: a desktop's driver resets what runs for seconds.
      let factor = seconds / max(one.result.minSeconds, 1e-9)
      steps *= factor > 16 ? 16 : factor > 4 ? 4 : 2
    }
  }

  private static func copy(
    _ timer: OpTimer, _ operand: OpTimer.Operand, _ options: OpTimer.Options
  ) throws -> OpTimer.Result {
    let words = operand.type.byteCount / 16
    let grid = Grid.folded((words + 1023) / 1024, timer.device.profile)
    let dispatch = Dispatch("Peaks.copy", push: [.input(0), .output(0), .count(words)], grid: grid)
    return try timer.timeKernel(dispatch, [operand], outputs: [operand.type], flops: 0, options: options)
  }

  private static func multiplyAdd(
    _ timer: OpTimer, _ type: DType, workgroups: Int, steps: Int, _ options: OpTimer.Options
  ) throws -> Run {
    let invocations = 128 * workgroups
    // Sixteen chains of two numbers.
    let flops = invocations * steps * 16 * 2 * 2
    let dispatch = Dispatch(
      "Peaks.\(type.rawValue)", push: [.input(0), .output(0), .count(steps)],
      grid: .folded(workgroups, timer.device.profile))
    let result = try timer.timeKernel(
      dispatch, [.init(TensorType([16], .f32), pattern: Patterns.normal(.f32, 1))],
      outputs: [TensorType([invocations], .f32)], flops: flops, options: options)
    return (flops, result)
  }

  private static func multiplyMatrices(
    _ timer: OpTimer, _ shape: DeviceProfile.MatrixShape, workgroups: Int, steps: Int, _ options: OpTimer.Options
  ) throws -> Run {
    let profile = timer.device.profile
    let subgroups = max(1, min(4, profile.maxWorkgroupInvocations / profile.subgroupSize))
    let all = workgroups * subgroups
    let flops = all * steps * 16 * 2 * shape.m * shape.n * shape.k
    let dispatch = Dispatch(
      "Peaks.matrix.\(shape.input.rawValue)",
      specialization: [subgroups * profile.subgroupSize, shape.m, shape.n, shape.k].map { UInt32($0) },
      push: [.input(0), .output(0), .count(steps)], grid: .folded(workgroups, profile))
    let factors = TensorType([4 * shape.k * (shape.m + shape.n)], shape.input)
    let result = try timer.timeKernel(
      dispatch, [.init(factors, pattern: Patterns.normal(shape.input, 1))],
      outputs: [TensorType([all * shape.m * shape.n], .f32)], flops: flops, options: options)
    return (flops, result)
  }
}

extension DeviceProfile.MatrixShape {
  /// `"16x16x16"`.
  var text: String { "\(m)x\(n)x\(k)" }
}
