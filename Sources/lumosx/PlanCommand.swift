import ArgumentParser
import LumosCommand
import LumosFiles
import LumosGraph
import LumosModels
import LumosPipeline
import LumosTensor
import LumosText
import LumosVulkan

/// `lumosx plan`: what a generation would do, without weights and without a GPU.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Tell what a generation would take: kernels, arithmetic, memory and predicted time of each stage.",
    discussion: """
      Needs neither weights nor a GPU. Without a scene the layout says how many reference images there are: b1 a \
      background, o2 two objects, h3,2 one person with three images and one with two; b1o2h3,2 is all of it. Exits \
      with 75, after printing the plan, if a stage needs more memory than --memory.
      """)

  @Argument(help: "A scene folder, for its images and its caption.", completion: .directory)
  var scene: String?

  @Option(help: "Reference images instead of a scene: b1o2h3,2, or none.")
  var layout: String?

  @Option(help: "A bundle, for its configuration and weight types. Default: --model.")
  var weights: String?

  @Option(help: "Size of the transformer where there is no bundle: 1.3b as published, or 14b.")
  var model: ModelScale = .small

  @Option(
    help: ArgumentHelp(
      "Element type of the weights where there is no bundle: f32, f16, bf16, or of the blocks' linear layers "
        + "\(DType.blocks.map(\.rawValue).joined(separator: ", ")).",
      valueName: "dtype"))
  var dtype: WeightType = .f16

  @OptionGroup var what: RequestOptions

  @Option(help: "Number of videos of the scene, or their seeds separated by commas.")
  var seeds: VideoCount?

  @Option(
    help: ArgumentHelp(
      "A class of devices (\(DeviceClass.all.map(\.name).joined(separator: ", "))), or vulkan:INDEX or vulkan:NAME."))
  var device = "discrete"

  @OptionGroup var precision: PrecisionOptions

  @Option(help: "TFLOP/s that the device reaches. Default: an assumption for its class.")
  var tflops: Double?

  @Option(help: "GB/s that the device reaches. Default: an assumption for its class.")
  var gbps: Double?

  @Option(help: "Graph passes to apply, separated by commas, or none. Default: all.")
  var passes: PassList?

  @Option(help: "A graph pass to leave out; may be repeated.")
  var withoutPass: [PassList] = []

  @Flag(help: "One JSON object.")
  var json = false

  @Option(help: "Write a transformer block before and after the passes as Graphviz text.")
  var dot: String?

  @Option(help: "Write the same as a picture (SVG).")
  var svg: String?

  func run() throws {
    // A plan that does not fit is printed, and the command still fails; JSON stays one object.
    var isPrinted = false
    try Reporting.run(
      onFailure: { error in
        guard json, !isPrinted else { return }
        Reporting.line(JSONValue(dictionaryLiteral: ("ok", false), ("error", Reporting.json(error))).text())
      },
      {
        let shortage = try plan()
        isPrinted = true
        if let shortage { throw shortage }
      })
  }

  /// Prints the plan.
  /// - Returns: what is missing if it does not fit the memory.
  private func plan() throws -> LumosError? {
    for path in [dot, svg].compactMap({ $0 }) { try OutputPath.check(path) }
    let target = try PlanTarget(device, tflops: tflops, gbps: gbps)
    let budget = what.memory?.bytes ?? target.memoryBytes
    let bundle = try weights.map { try ModelBundle($0) }
    try bundle?.verify()
    let configuration = bundle?.configuration ?? model.configuration
    let described =
      bundle.map { GenerationPlan.Weights($0) } ?? GenerationPlan.Weights(configuration, dtype: dtype.value)

    let subject = try subject(bundle)
    let request = Request(
      scenePath: scene ?? "", mode: what.mode.value, size: what.pixels, frames: what.frames,
      steps: what.steps, seeds: seeds.map { (0..<UInt64($0.count)).map { $0 } }, shortcuts: what.sampling)
    let settings = try Settings(request, defaults: configuration)
    let precision = precision.resolved(for: target.deviceClass)
    let passes = withoutPass.reduce(self.passes?.passes ?? .all) { $0.subtracting($1.passes) }
    let plan = try GenerationPlan(
      configuration, weights: described, outline: subject.outline, settings: settings,
      ablation: what.ablation, texts: subject.texts(bundle, settings), budget: budget
    ) { try target.summary(of: precision.apply(to: $0), passes, $1) }

    if dot != nil || svg != nil {
      let drawings = try BlockDrawing.drawings(
        configuration.transformer, layout: plan.layout, weights: described.transformer, passes: passes)
      if let dot { try AtomicFile.write(GraphDrawing.dot(drawings), to: dot) }
      if let svg { try AtomicFile.write(GraphDrawing.svg(drawings), to: svg) }
    }
    let report = PlanReport(plan, device: target.name, precision: precision, budget: budget)
    for line in json ? [report.json.text()] : report.lines { Reporting.line(line) }
    return plan.shortage(budget: budget)
  }

  /// Who is in the picture, from the scene or from the layout.
  private func subject(_ bundle: ModelBundle?) throws -> (outline: SceneOutline, texts: KnownTexts) {
    guard let scene else {
      // The layout of the published examples: a background, and two people with a face and two attributes each.
      return (try SceneOutline(layout ?? "b1h3,3"), { _, _ in nil })
    }
    guard layout == nil else {
      throw LumosError(.usage, "a scene has a layout of its own", at: "--layout", advice: "leave one of them out")
    }
    let read = try Scene(scene, mode: what.mode.value)
    return (
      SceneOutline(read),
      { bundle, settings in
        guard let bundle else { return nil }
        let tokenizer = try Tokenizer(modelPath: bundle.tokenizerPath, tokenizerJSONPath: bundle.tokenizerJSONPath)
        let length = bundle.configuration.transformer.textLength
        return try GenerationPlan.Texts(read, negativePrompt: settings.negativePrompt, tokenizer, length: length)
      }
    )
  }

  /// The texts where they are known.
  private typealias KnownTexts = (_ bundle: ModelBundle?, _ settings: Settings) throws -> GenerationPlan.Texts?
}

/// What a plan is for.
private struct PlanTarget {
  let name: String
  /// The class that it belongs to.
  let deviceClass: DeviceClass
  /// Memory of the device, where there is one.
  let memoryBytes: Int?
  private let limits: VulkanPlan.Limits
  private let rates: DeviceRates

  /// A class of devices by name, or a Vulkan device.
  init(_ text: String, tflops: Double?, gbps: Double?) throws {
    var rates: DeviceRates
    var limits: VulkanPlan.Limits
    if let known = DeviceClass.named(text) {
      (name, memoryBytes, limits, rates) = ("\(known.name) (\(known.meaning))", nil, known.limits, known.rates)
      deviceClass = known
    } else {
      guard case .vulkan(let selection) = try? DeviceOptions.choice(text) else {
        throw LumosError(
          .usage, "unknown device \"\(text)\"", at: "--device",
          advice: "use \(DeviceClass.all.map(\.name).joined(separator: ", ")), vulkan:INDEX or vulkan:PART-OF-NAME")
      }
      guard let found = try selection.choose(from: VulkanDevice.descriptions()) else {
        throw LumosError(
          .noDevice, "there is no GPU with a usable Vulkan driver", at: "--device",
          advice: "plan for a class of devices: \(DeviceClass.all.map(\.name).joined(separator: ", "))")
      }
      name = found.name
      memoryBytes = MemoryBudget.standard(of: found)
      limits = VulkanPlan.Limits(found)
      limits.profile.tuning = VulkanDevice.tuning(of: found)
      deviceClass = .of(found)
      rates = deviceClass.rates
    }
    limits.profile.forcedVariants = try DeviceProfile.variantsOfEnvironment()
    self.limits = limits
    for (option, value) in [("--tflops", tflops), ("--gbps", gbps)] {
      guard let value, !(value.isFinite && value > 0 && value <= 1e9) else { continue }
      throw LumosError(.usage, "\(value) is not a positive number", at: option)
    }
    rates.flopsPerSecond = tflops.map { $0 * 1e12 } ?? rates.flopsPerSecond
    rates.bytesPerSecond = gbps.map { $0 * 1e9 } ?? rates.bytesPerSecond
    self.rates = rates
  }

  /// What the backend would do with a graph.
  func summary(of graph: Graph, _ passes: Passes, _ options: SessionOptions) throws -> PlanSummary {
    let graph = passes.apply(to: graph, tiling: options.tiling ?? RowTiling())
    return try VulkanPlan(graph, limits, residency: options.residency).summary(of: graph, rates: rates)
  }
}

/// `--dtype` on the command line.
struct WeightType: ExpressibleByArgument {
  /// The element type.
  let value: DType

  static let f16 = WeightType(value: .f16)

  private init(value: DType) { self.value = value }

  init?(argument: String) {
    guard let value = Self.known.first(where: { $0.rawValue == argument.lowercased() }) else { return nil }
    self.value = value
  }

  var defaultValueDescription: String { value.rawValue }
  static var allValueStrings: [String] { known.map(\.rawValue) }

  private static let known: [DType] = [.f32, .f16, .bf16] + DType.blocks
}

/// `--model` on the command line.
enum ModelScale: String, ExpressibleByArgument, CaseIterable {
  case small = "1.3b"
  case large = "14b"

  /// The configuration of a model of this size.
  var configuration: ModelConfiguration {
    var configuration = ModelConfiguration()
    if self == .large { configuration.transformer = .wan14B }
    return configuration
  }
}

/// `--seeds 4` or, as `generate` has it, `--seeds 1,2,3`: plans do not depend on the seeds themselves.
struct VideoCount: ExpressibleByArgument {
  /// At least one.
  let count: Int

  init?(argument: String) {
    if let count = Int(argument), (1...1000).contains(count) {
      self.count = count
    } else if let seeds = Seeds(argument: argument), (2...1000).contains(seeds.values.count) {
      count = seeds.values.count
    } else {
      return nil
    }
  }
}

/// Names of passes on the command line, separated by commas; `none` for no pass and `all` for every one.
struct PassList: ExpressibleByArgument {
  /// The passes.
  let passes: Passes

  init?(argument: String) {
    switch argument.lowercased() {
    case "none": passes = []
    case "all": passes = .all
    default:
      var passes: Passes = []
      for name in argument.split(separator: ",") {
        guard let known = Passes.named.first(where: { $0.name.lowercased() == name.lowercased() }) else { return nil }
        passes.insert(known.pass)
      }
      self.passes = passes
    }
  }

  static var allValueStrings: [String] { Passes.named.map(\.name) + ["none", "all"] }
}
