import ArgumentParser
import Foundation
import LumosCommand
import LumosGraph
import LumosOpSuite
import LumosOps
import LumosPipeline
import LumosReference
import LumosTensor
import LumosVulkan

/// `lumosx parity`: kernels against the CPU reference, and whole networks against tensors of the published code.
struct ParityCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "parity",
    abstract: "Compare every kernel with the CPU reference, and with --golden the networks with published tensors.",
    discussion: """
      On a Vulkan device every case runs with aligned and with unaligned operands between guard words and is held \
      against the float32 reference. On the CPU the float32 reference is held against its own float64 evaluation. \
      Exits with 1 if any case fails.
      """)

  @Option(help: "A folder of golden tensors with a manifest.json.", completion: .directory)
  var golden: String?

  @OptionGroup var deviceOptions: DeviceOptions

  @Option(help: "Precision in which networks are compared with goldens: single, or half with the bounds for it.")
  var precision: PrecisionOptions.Choice = .single

  @Option(help: "Only cases whose name contains this text.")
  var filter: String?

  @Flag(help: "One JSON object.")
  var json = false

  /// The JSON object.
  private struct Report: Encodable {
    let device: String
    let pass: Bool
    let cases: [ParityResult]
  }

  func run() throws {
    Interruption.listen()
    try Reporting.run {
      let target = try ParityTarget(deviceOptions, precision.value)
      var results: [ParityResult] = []
      for opCase in OpSuite.cases() where filter.map({ opCase.title.contains($0) }) ?? true {
        try Interruption.check()
        report(target.run(opCase), into: &results)
      }
      if let golden {
        let chosen = filter ?? ""
        try GoldenSuite(golden).run(
          on: target.backend, precision: precision == .half ? .mixed : .float32,
          matching: { chosen.isEmpty || $0.contains(chosen) }
        ) {
          report(ParityResult($0, device: target.backend.name), into: &results)
        }
      }
      guard !results.isEmpty else {
        throw LumosError(.usage, "no case matches", at: "--filter", advice: "run without --filter to see the names")
      }
      let failures = results.count { !$0.pass }
      if json {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let report = Report(device: target.backend.name, pass: failures == 0, cases: results)
        Reporting.line(String(decoding: try encoder.encode(report), as: UTF8.self))
      } else {
        Reporting.line("\(results.count - failures) of \(results.count) cases hold on \(target.backend.name)")
      }
      if failures > 0 { throw ExitCode(1) }
    }
  }

  private func report(_ result: ParityResult, into results: inout [ParityResult]) {
    results.append(result)
    guard !json else { return }
    let numbers =
      "NMSE \(Self.short(result.nmse)) of \(Self.short(result.bound)), max \(Self.short(result.maxAbs)) at "
      + "\(result.worstIndex)"
    let failure = result.failure.map { ": \($0)" } ?? ""
    Reporting.line("\(result.pass ? "ok  " : "FAIL")  \(result.name)  \(numbers)\(failure)")
  }

  private static func short(_ value: Double) -> String { String(format: "%.1e", value) }
}

/// What the op cases run on.
private struct ParityTarget {
  let backend: any Backend
  private let runner: OpRunner?

  init(_ options: DeviceOptions, _ precision: Precision) throws {
    switch try options.choice() {
    case .cpu: self.init(device: nil, precision)
    case .automatic:
      let best = try? DeviceSelection.auto.choose(from: VulkanDevice.descriptions())
      self.init(device: try best.map { try VulkanDevice(.index($0.index)) }, precision)
    case .vulkan(let selection): self.init(device: try DeviceOptions.device(selection), precision)
    }
  }

  private init(device: VulkanDevice?, _ precision: Precision) {
    if let device {
      var vulkan = VulkanBackend(device: device)
      vulkan.precision = precision
      backend = vulkan
    } else {
      backend = ReferenceBackend(precision: precision)
    }
    runner = device.map { OpRunner($0) }
  }

  func run(_ opCase: OpCase) -> ParityResult {
    guard let runner else {
      return ParityCheck.run(
        opCase, device: backend.name,
        implementation: { .init(outputs: try ReferenceEvaluator.evaluate(opCase.op, $0, as: Float.self)) },
        reference: { try ReferenceEvaluator.evaluate(opCase.op, $0, as: Double.self) })
    }
    return ParityCheck.run(
      opCase, device: backend.name,
      ways: [true, false],
      implementation: { inputs, misaligned in
        let run = try runner.run(opCase.op, inputs, misaligned: misaligned)
        return .init(outputs: run.outputs, guardViolations: run.guardViolations, kernels: run.kernels)
      },
      reference: { try ReferenceEvaluator.evaluate(opCase.op, $0, as: Float.self) })
  }
}

extension ParityResult {
  /// A golden's comparison as a row of the report.
  fileprivate init(_ golden: GoldenResult, device: String) {
    self.init(
      name: "golden \(golden.name)", device: device, dtype: "f32", variant: golden.mustDiffer ? "corrected" : "",
      nmse: golden.nmse, maxAbs: golden.maxAbs, worstIndex: golden.worstIndex, bound: golden.bound, pass: golden.pass,
      failure: golden.pass
        ? nil : golden.mustDiffer ? "agrees with a defect that it must not share" : "exceeds the bound")
  }
}
