import ArgumentParser
import LumosCommand
import LumosGraph
import LumosModels
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

  @Option(help: "Element type of the weights where there is no bundle: f32, f16, bf16 or a block type such as q4_k.")
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
    let work = try TuningWork.all(
      graphs(on: backend).flatMap { graph in graph.nodes.map { ($0.op, graph.inputTypes(of: $0)) } },
      profile: backend.device.profile)
    try TuningRun(backend.device, runs: runs, json: json).measure(
      work.filter { item in filter.map { item.key.contains($0) } ?? true })
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
