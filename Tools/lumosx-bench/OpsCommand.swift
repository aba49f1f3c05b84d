import ArgumentParser
import LumosCommand
import LumosFiles
import LumosOpSuite
import LumosOps
import LumosTensor
import LumosVulkan

/// `lumosx-bench ops`: every kernel at the sizes of the model.
struct OpsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ops",
    abstract: "Time every op at the model's sizes (480p and 720p; 0, 3, 7 and 10 reference images).",
    discussion: """
      Median of ten runs by the device's clock after two that do not count, on random operands that no cache holds. \
      The roof of a case is the slower of its arithmetic at the device's measured rate and its bytes at the measured \
      bandwidth; the share of the peak is that time divided by the measured one.

      What would take absurdly long here is skipped and says so; --scale 1/64 measures frames with a 64th of the pixels.
      """)

  @OptionGroup var options: BenchOptions
  @OptionGroup var output: OutputOptions

  @Option(help: "Pixels of a frame relative to the model's: 1/64, 0.25.")
  var scale: Scale = Scale(value: 1)

  @Option(help: "Runs that count for every case.")
  var runs = 10

  @Option(help: "Seconds after which a case ends with fewer runs, though not with fewer than three.")
  var secondsPerCase = 10.0

  @Option(help: "Seconds after which the remaining cases are skipped.")
  var seconds: Double?

  @Option(help: "Cases whose single run is predicted to take longer than this many seconds are skipped.")
  var limit = 5.0

  @Flag(help: "Time every variant that can run here, not only the one that the rules choose.")
  var variants = false

  func validate() throws {
    guard runs >= 1 && runs <= 1000 else { throw ValidationError("--runs is from 1 to 1000") }
    guard secondsPerCase > 0 && limit > 0 && seconds ?? 1 > 0 else { throw ValidationError("seconds are positive") }
  }

  func run() throws {
    Interruption.listen()
    try Reporting.run {
      let cases = try options.select(Self.cases(scale.value))
      if options.list { return cases.forEach { Reporting.line($0.title) } }
      // What spoils the end is found at the beginning.
      let results = try Results(output, json: options.json)
      let device = try options.openDevice()
      let timer = OpTimer(device)
      let peaks = try DevicePeaks(timer) { try Interruption.check() }
      results.add(peaks.json(device: device.title))
      if !options.json {
        Reporting.line(device.title)
        for line in peaks.lines { Reporting.line(line) }
        Reporting.line(Self.row(["case", "variant", "median", "spread", "TFLOP/s", "GB/s", "of peak", "bound by"]))
      }
      let start = ContinuousClock.now
      let progress = Progress("ops", count: cases.count)
      try results.finishing {
        for (index, opCase) in cases.enumerated() {
          try Interruption.check()
          progress.show(index, opCase.title)
          let isLate = seconds.map { start.duration(to: .now) / .seconds(1) > $0 } ?? false
          for record in try measure(opCase, timer, peaks, skipping: isLate ? "the time is up (--seconds)" : nil) {
            progress.finish()
            show(record, results)
          }
        }
      }
    }
  }

  /// Cases at the model's sizes, and those of the ops' own tables.
  static func cases(_ scale: Double) -> [OpCase] {
    let tables = OpSuite.cases(purpose: .benchmark)
    return ModelCases.all(scale: scale) + (scale == 1 ? tables : tables.compactMap { $0.scaled(by: scale) })
  }

  // MARK: - One case

  private func measure(
    _ opCase: OpCase, _ timer: OpTimer, _ peaks: DevicePeaks, skipping reason: String?
  ) throws -> [OpRecord] {
    let types = opCase.inputs.map(\.type)
    let roof = Roof(opCase, peaks)
    func skipped(_ reason: String, variant: String = "") -> OpRecord {
      OpRecord(opCase, device: timer.device.title, variant: variant, roof, .skipped(reason))
    }
    if let reason { return [skipped(reason)] }
    // Kernels reach a part of the roof: a third of it on a GPU, and a tenth where a processor plays one.
    let predicted = roof.seconds * (timer.device.description.kind == .cpu ? 10 : 3)
    guard predicted <= limit else {
      let time = Text.seconds(predicted)
      return [skipped("a run is predicted to take \(time) on this device: take --scale 1/64, or a higher --limit")]
    }
    var options = OpTimer.Options()
    options.runs = runs
    options.seconds = secondsPerCase
    options.check = { try Interruption.check() }
    if timer.device.description.kind == .cpu { options.distinctBytes = 64 << 20 }

    var names: [String?] = [nil]
    if variants, let lowering = opCase.op as? any VulkanLowering {
      names = lowering.variants(
        LoweredTypes(inputs: types, outputs: try opCase.op.outputTypes(types)), timer.device.profile)
    }
    return try names.map { name in
      options.variant = name
      do {
        let result = try timer.time(
          opCase.op, opCase.inputs.map { OpTimer.Operand($0.type, pattern: Patterns.pattern($0)) }, options: options)
        return OpRecord(opCase, device: timer.device.title, variant: result.kernelNames, roof, .timed(result))
      } catch let error as LumosError where error.kind == .tryAgain && !timer.device.isLost {
        return skipped("\(error.what)", variant: name ?? "")
      }
    }
  }

  private func show(_ record: OpRecord, _ results: Results) {
    results.add(record.json)
    guard !options.json else { return }
    switch record.outcome {
    case .skipped(let reason): Reporting.line("\(record.title): skipped: \(reason)")
    case .timed(let result):
      let (flops, bytes) = (record.roof.flops, record.roof.bytes)
      let median = result.medianSeconds
      let spread = (result.maxSeconds - result.minSeconds) / median
      Reporting.line(
        Self.row([
          record.title, record.variant, Text.seconds(median), Text.fixed(100 * spread, 0) + " %",
          flops > 0 ? Text.short(flops / median / 1e12) : "-", Text.short(bytes / median / 1e9),
          Text.fixed(100 * record.roof.seconds / median, 1) + " %", record.roof.boundBy,
        ]))
    }
  }

  private static func row(_ cells: [String]) -> String {
    let widths = [84, 22, 9, 6, 8, 8, 8, 10]
    return zip(cells, widths).enumerated().map { index, cell in
      index < 2 ? Text.padded(cell.0, cell.1) : Text.aligned(cell.0, cell.1)
    }.joined(separator: " ")
  }
}

/// A part of the whole, `1/64` or `0.25`.
struct Scale: ExpressibleByArgument {
  /// Above 0, at most 1.
  let value: Double

  init(value: Double) { self.value = value }

  init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false).map { Double($0) }
    let value: Double? =
      switch parts.count {
      case 1: parts[0]
      case 2: parts[0].flatMap { top in parts[1].map { top / $0 } }
      default: nil
      }
    guard let value, value > 0, value <= 1 else { return nil }
    self.value = value
  }
}

extension OpTimer.Result {
  /// Each kernel once, joined by `+`.
  var kernelNames: String {
    var seen: [String] = []
    for kernel in kernels where !seen.contains(kernel) { seen.append(kernel) }
    return seen.joined(separator: "+")
  }
}
