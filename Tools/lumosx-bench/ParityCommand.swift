import ArgumentParser
import LumosCommand
import LumosFiles
import LumosOpSuite
import LumosOps
import LumosReference
import LumosTensor
import LumosVulkan

/// `lumosx-bench parity`: every op in every variant that the device can run, against the CPU reference.
struct ParityCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "parity",
    abstract: "Compare every op, in every variant that can run here, with the CPU reference.",
    discussion: """
      Every case runs with aligned and with unaligned operands between guard words. Exits with 1 if any case fails. Interrupted, it \
      still reports what it has.
      """)

  @OptionGroup var options: BenchOptions

  @Option(help: "Write a page with tiles of the errors, op by type.", completion: .file())
  var html: String?

  func run() throws {
    Interruption.listen()
    try Reporting.run {
      let cases = try options.select(OpSuite.cases())
      if options.list { return cases.forEach { Reporting.line($0.title) } }
      let files = try Results(page: html, json: options.json)
      let device = try options.openDevice()
      var results: [ParityResult] = []
      let progress = Progress("parity", count: cases.count)
      try files.finishing {
        // Interrupted, the report is of what there is.
        let outcome = Result {
          for (index, opCase) in cases.enumerated() {
            try Interruption.check()
            progress.show(index, opCase.title)
            for variant in Self.variants(opCase, device) {
              let result = Self.run(opCase, variant, on: device)
              results.append(result)
              if !options.json { Self.print(result) }
            }
          }
        }
        progress.finish()
        files.add(report(results, device, isComplete: (try? outcome.get()) != nil))
        try outcome.get()
      }
      if !results.allSatisfy(\.pass) { throw ExitCode(1) }
    }
  }

  /// Variants that can run the case here; the rules' own choice where that cannot be told.
  private static func variants(_ opCase: OpCase, _ device: VulkanDevice) -> [String?] {
    let inputs = opCase.inputs.map(\.type)
    guard let lowering = opCase.op as? any VulkanLowering, let outputs = try? opCase.op.outputTypes(inputs) else {
      return [nil]
    }
    return lowering.variants(LoweredTypes(inputs: inputs, outputs: outputs), device.profile)
  }

  private static func run(_ opCase: OpCase, _ variant: String?, on device: VulkanDevice) -> ParityResult {
    ParityCheck.run(
      opCase, device: device.title,
      ways: [true, false],
      implementation: { inputs, misaligned in
        var runner = OpRunner(device)
        if let variant { runner.forcedVariants[opCase.op.name] = variant }
        let run = try runner.run(opCase.op, inputs, misaligned: misaligned)
        return .init(outputs: run.outputs, guardViolations: run.guardViolations, kernels: run.kernels)
      },
      reference: { try ReferenceEvaluator.evaluate(opCase.op, $0, as: Float.self) })
  }

  private static func print(_ result: ParityResult) {
    let error = "NMSE \(Text.short(result.nmse)) of \(Text.short(result.bound))"
    let failure = result.failure.map { ": \($0)" } ?? ""
    Reporting.line("\(result.pass ? "ok  " : "FAIL")  \(result.name)  \(result.variant)  \(error)\(failure)")
  }

  private func report(_ results: [ParityResult], _ device: VulkanDevice, isComplete: Bool) -> JSONValue {
    let failures = results.count { !$0.pass }
    if !options.json {
      Reporting.line("\(results.count - failures) of \(results.count) cases hold on \(device.title)")
    }
    return .object([
      .init("device", .string(device.title)), .init("pass", .bool(failures == 0 && isComplete)),
      .init("complete", .bool(isComplete)), .init("cases", .array(results.map(JSONValue.init))),
    ])
  }
}

extension JSONValue {
  /// A row of the parity report, with the keys that `lumosx parity --json` has.
  init(_ result: ParityResult) {
    var members: [Member] = [
      .init("name", .string(result.name)), .init("device", .string(result.device)),
      .init("dtype", .string(result.dtype)), .init("variant", .string(result.variant)),
      .init("nmse", .number(result.nmse)), .init("maxAbs", .number(result.maxAbs)),
      .init("worstIndex", .array(result.worstIndex.map { .integer($0) })), .init("bound", .number(result.bound)),
      .init("pass", .bool(result.pass)),
    ]
    if let failure = result.failure { members.append(.init("failure", .string(failure))) }
    self = .object(members)
  }
}
