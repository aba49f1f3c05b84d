import ArgumentParser
import LumosCommand
import LumosFiles
import LumosOpSuite
import LumosReference
import LumosTensor
import LumosVulkan

/// `lumosx-bench parity`: every op in every variant that the device can run, against the CPU reference.
struct ParityCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "parity",
    abstract: "Compare every op, in every variant that can run here, with the CPU reference.",
    discussion: """
      Every case runs with unaligned operands between guard words. Exits with 1 if any case fails. Interrupted, it \
      still reports what it has.
      """)

  @OptionGroup var options: BenchOptions

  func run() throws {
    Interruption.listen()
    try Reporting.run {
      let cases = try options.select(OpSuite.cases())
      if options.list { return cases.forEach { Reporting.line($0.title) } }
      let device = try options.openDevice()
      var results: [ParityResult] = []
      let progress = Progress("parity", count: cases.count)
      do {
        for (index, opCase) in cases.enumerated() {
          try Interruption.check()
          progress.show(index, opCase.title)
          results.append(Self.run(opCase, on: device))
          if !options.json { Self.print(results[results.count - 1]) }
        }
      } catch let interrupted as Interrupted {
        progress.finish()
        report(results, device, wasInterrupted: true)
        throw interrupted
      }
      progress.finish()
      report(results, device, wasInterrupted: false)
      if !results.allSatisfy(\.pass) { throw ExitCode(1) }
    }
  }

  private static func run(_ opCase: OpCase, on device: VulkanDevice) -> ParityResult {
    ParityCheck.run(
      opCase, device: device.title,
      implementation: { inputs in
        let run = try OpRunner(device).run(opCase.op, inputs, misaligned: true)
        return .init(outputs: run.outputs, guardViolations: run.guardViolations, kernels: run.kernels)
      },
      reference: { try ReferenceEvaluator.evaluate(opCase.op, $0, as: Float.self) })
  }

  private static func print(_ result: ParityResult) {
    let error = "NMSE \(Text.short(result.nmse)) of \(Text.short(result.bound))"
    let failure = result.failure.map { ": \($0)" } ?? ""
    Reporting.line("\(result.pass ? "ok  " : "FAIL")  \(result.name)  \(result.variant)  \(error)\(failure)")
  }

  private func report(_ results: [ParityResult], _ device: VulkanDevice, wasInterrupted: Bool) {
    let failures = results.count { !$0.pass }
    if options.json {
      var members: [JSONValue.Member] = [
        .init("device", .string(device.title)), .init("pass", .bool(failures == 0 && !wasInterrupted)),
        .init("cases", .array(results.map(JSONValue.init))),
      ]
      if wasInterrupted { members.append(.init("interrupted", true)) }
      Reporting.line("\(JSONValue.object(members))")
    } else {
      Reporting.line("\(results.count - failures) of \(results.count) cases hold on \(device.title)")
    }
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
