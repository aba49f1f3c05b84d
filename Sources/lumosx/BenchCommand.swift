import ArgumentParser
import LumosCommand
import LumosFiles
import LumosGraph
import LumosModels
import LumosOpSuite
import LumosOps
import LumosPipeline
import LumosTensor
import LumosVulkan

/// `lumosx bench --tune`: measures which kernels make a generation fastest on a device, and remembers it.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure which kernels make a generation fastest on a device, and remember it.",
    discussion: """
      Times every kernel and tile that the device can run at the sizes of a generation, and keeps the fastest in the \
      cache folder, for this device and driver version; generate and plan take them from then on. Deleting the file \
      undoes it. The kernels themselves are measured by lumosx-bench.
      """)

  @Flag(help: "Measure and remember.")
  var tune = false

  @Option(help: "Reference images that a generation has: b1o2h3,2, or none.")
  var layout = "b1h3,3"

  @Option(help: "A bundle, for its configuration and weight types. Default: the published 1.3B model.")
  var weights: String?

  @Option(help: "Element type of the weights where there is no bundle: f32, f16 or bf16.")
  var dtype: WeightType = .f16

  @OptionGroup var what: RequestOptions

  @OptionGroup var deviceOptions: DeviceOptions

  @OptionGroup var precision: PrecisionOptions

  @Option(help: "How often each kernel is timed.")
  var runs = 5

  @Option(help: "Only operations whose key contains this text.")
  var filter: String?

  @Flag(help: "One line of JSON for each operation.")
  var json = false

  func run() throws {
    Interruption.listen()
    try Reporting.run {
      guard tune else {
        throw LumosError(
          .usage, "there is nothing to do", at: "--tune",
          advice: "name --tune to choose kernels for a device; lumosx-bench measures them")
      }
      guard runs >= 1, runs <= 1000 else { throw LumosError(.usage, "\(runs) is not in 1 ... 1000", at: "--runs") }
      try measure()
    }
  }

  private func measure() throws {
    guard let backend = try deviceOptions.makeBackend(warn: { Reporting.note("warning: \($0)") }) as? VulkanBackend
    else {
      throw LumosError(
        .noDevice, "the CPU has one kernel for everything", at: "--device", advice: "name a Vulkan device")
    }
    let work = try TuningWork.all(in: graphs(on: backend), profile: backend.device.profile)
      .filter { item in filter.map { item.key.contains($0) } ?? true }
    let tuner = Tuner(backend.device, runs: runs)
    Reporting.note("\(work.count) operations on \(backend.device.title)")
    var results: [Tuner.Result] = []
    // What has been measured is kept, whatever happens to the rest.
    defer { if !results.isEmpty { try? remember(results, tuner) } }
    for item in work {
      try Interruption.check()
      let inputs = item.inputs()
      guard let result = try tuner.measure(item.op, inputs, for: item.types, agrees: item.agree) else { continue }
      results.append(result)
      report(result)
    }
    let path = try tuner.save(results)
    results = []
    if let path, !work.isEmpty { Reporting.note("kept in \(path)") }
  }

  private func remember(_ results: [Tuner.Result], _ tuner: Tuner) throws { _ = try tuner.save(results) }

  private func report(_ result: Tuner.Result) {
    let best = result.best
    if json {
      let choices = result.timings.map {
        JSONValue.Member($0.choice.description, $0.seconds.map { .number($0) } ?? .null)
      }
      let line: JSONValue = [
        "key": .string(result.key), "choice": best.map { .string($0.choice.description) } ?? .null,
        "seconds": best.map { .number($0.seconds) } ?? .null, "choices": .object(choices),
      ]
      Reporting.line(line.text())
      return
    }
    func milliseconds(_ seconds: Double?) -> String {
      seconds.map { "\(($0 * 1e6).rounded() / 1e3) ms" } ?? "wrong or refused"
    }
    Reporting.line(result.key)
    for timing in result.timings {
      let mark = timing.choice == best?.choice ? "*" : " "
      Reporting.line("  \(mark) \(timing.choice)  \(milliseconds(timing.seconds))")
    }
  }

  /// Every graph of a generation, as the backend would run it.
  private func graphs(on backend: VulkanBackend) throws -> [Graph] {
    let bundle = try weights.map { try ModelBundle($0) }
    try bundle?.verify()
    let configuration = bundle?.configuration ?? ModelConfiguration()
    let described =
      bundle.map { GenerationPlan.Weights($0) } ?? GenerationPlan.Weights(configuration, dtype: dtype.value)
    let request = Request(
      scenePath: "", mode: what.mode.value, size: what.pixels, frames: what.frames, steps: what.steps,
      shortcuts: what.sampling)
    let precision = precision.resolved(for: .of(backend.device.description))
    var graphs: [Graph] = []
    _ = try GenerationPlan(
      configuration, weights: described, outline: SceneOutline(layout),
      settings: Settings(request, defaults: configuration), ablation: what.ablation
    ) { graph, options in
      graphs.append(Passes.all.apply(to: precision.apply(to: graph), tiling: options.tiling ?? RowTiling()))
      return try backend.summary(of: graph, options: options) ?? PlanSummary()
    }
    return graphs
  }
}

/// An operation of a generation that can be made in several ways, with operands that stand for its own.
struct TuningWork {
  /// Where its measurement is kept.
  let key: String
  /// The operation.
  let op: any OpDescriptor
  /// Types of its operands and results in the generation.
  let types: LoweredTypes
  /// Types of the operands that are measured: fewer rows where there are very many.
  let measured: [TensorType]

  /// The different ones in `graphs`, in their order.
  static func all(in graphs: [Graph], profile: DeviceProfile) -> [TuningWork] {
    var known: Set<String> = []
    var found: [TuningWork] = []
    for graph in graphs {
      for node in graph.nodes {
        let types = LoweredTypes(inputs: graph.inputTypes(of: node), outputs: graph.outputTypes(of: node))
        guard let lowering = node.op as? any VulkanLowering, let key = lowering.tuningKey(types),
          lowering.choices(types, profile).count > 1, known.insert(key).inserted
        else { continue }
        found.append(TuningWork(key: key, op: node.op, types: types, measured: shortened(node.op, types.inputs)))
      }
    }
    return found
  }

  /// Random operands.
  func inputs() -> [Tensor] {
    OpCase(key, op, measured.map { OpCase.Input($0.shape, $0.dtype) }).makeInputs()
  }

  /// Whether two results are the same within what the op allows: each may be the bound away from the exact one.
  func agree(_ a: [Tensor], _ b: [Tensor]) -> Bool {
    let bound = 4 * op.errorBound(measured, dtype: measured.count > 1 ? measured[1].dtype : .f32)
    return zip(a, b).allSatisfy { Comparison(actual: $0, expected: $1).verdict(bound: bound) == .pass }
  }

  /// Row-wise operands with at most `Tuner.mostRows` rows: speed does not depend on more of them.
  private static func shortened(_ op: any OpDescriptor, _ inputs: [TensorType]) -> [TensorType] {
    guard let rowInputs = op.rowInputs(inputs) else { return inputs }
    return inputs.enumerated().map { index, type in
      guard rowInputs.contains(index), type.shape[0] > Tuner.mostRows else { return type }
      return TensorType(Shape([Tuner.mostRows] + type.shape.dimensions.dropFirst()), type.dtype)
    }
  }
}
