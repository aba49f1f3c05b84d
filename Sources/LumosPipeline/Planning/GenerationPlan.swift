import LumosGraph
import LumosModels
import LumosTensor
import LumosText

/// What a generation would do: its stages in numbers, without weights and without a device.
///
/// The drivers of the models run on a `PlanningBackend`, so the plan has their graphs and their number of runs.
public struct GenerationPlan: Sendable {
  /// Weights of the three networks, which need only be described.
  public struct Weights: Sendable {
    /// Of the text encoder.
    public let umt5: any WeightSource
    /// Of the video autoencoder.
    public let vae: any WeightSource
    /// Of the diffusion transformer.
    public let transformer: any WeightSource

    /// Those of a bundle.
    /// - Parameter transformer: in place of the bundle's own, for instance with adapters.
    public init(_ bundle: ModelBundle, transformer: (any WeightSource)? = nil) {
      umt5 = bundle.umt5
      vae = bundle.vae
      self.transformer = transformer ?? bundle.transformer
    }

    /// Those that a configuration needs, of type `dtype` (`SyntheticWeights`).
    public init(_ configuration: ModelConfiguration, dtype: DType) {
      umt5 = SyntheticWeights(ExpectedTensors.umt5(configuration.umt5), dtype: dtype)
      vae = SyntheticWeights(ExpectedTensors.vae(configuration.vae), dtype: dtype)
      transformer = SyntheticWeights(ExpectedTensors.transformer(configuration.transformer), dtype: dtype)
    }
  }

  /// What decides how many text keys there are.
  public struct Texts: Sendable, Hashable {
    /// Length of the prompt in tokens, end token included.
    public let prompt: Int
    /// Length of the negative prompt in tokens, end token included.
    public let negative: Int
    /// For every reference image, which positions of the prompt its word covers.
    public let masks: [[Bool]]

    /// Texts of these lengths.
    public init(prompt: Int, negative: Int, masks: [[Bool]]) {
      self.prompt = prompt
      self.negative = negative
      self.masks = masks
    }

    /// Those of a scene. Errors as for `Tokenizer.encode`.
    public init(
      _ scene: Scene, negativePrompt: String, _ tokenizer: Tokenizer, length: Int
    ) throws(LumosError) {
      prompt = try tokenizer.encode(scene.prompt, length: length).count
      negative = try tokenizer.encode(negativePrompt, length: length).count
      masks = try scene.textMasks(tokenizer, length: length)
    }

    /// The longest that there are, with a word of two tokens for every image.
    init(longest length: Int, conditions: Int) {
      prompt = length
      negative = length
      masks = (0..<conditions).map { image in
        let start = min(2 * image, max(length - 2, 0))
        return (0..<length).map { $0 >= start && $0 < start + 2 }
      }
    }
  }

  /// Who is in the sequence.
  public let layout: Layout
  /// Every choice of the generation.
  public let settings: Settings
  /// The stages that take place, in order.
  public let stages: [StagePlan]

  /// Plans a generation.
  /// - Parameters:
  ///   - outline: how many reference images there are.
  ///   - texts: nil for as many tokens as the model takes, and a word of two tokens for every image.
  ///   - ladder: what may be done about memory.
  ///   - budget: bytes that there are; nil for no limit. Of every stage the first rung is taken that fits; where none
  ///     does, the one that takes least, and `shortage` tells.
  ///   - summarize: plans a graph for the device in question.
  /// - Throws: `LumosError(.badInput)` if the weights do not fit or the sequence is longer than kernels can index;
  ///   whatever `summarize` throws.
  public init(
    _ configuration: ModelConfiguration, weights: Weights, outline: SceneOutline, settings: Settings,
    ablation: Ablation = [], texts: Texts? = nil, ladder: MemoryLadder = MemoryLadder(), budget: Int? = nil,
    summarize: @escaping (Graph, SessionOptions) throws -> PlanSummary
  ) throws {
    self.settings = settings
    layout = Layout(outline, settings, configuration, ablation)
    let (tokens, limit) = (layout.tokens, Int(Int32.max))
    guard tokens <= limit / configuration.transformer.width else {
      throw LumosError(
        .badInput, "a sequence of \(tokens) tokens has more elements than a kernel can index (2^31 - 1)",
        advice: "ask for fewer frames or a smaller size")
    }
    let planner = Planner(configuration, weights, layout, settings, ladder, budget, summarize)
    let texts = texts ?? Texts(longest: configuration.umt5.textLength, conditions: layout.conditions)
    var stages = [try planner.textEncoder(texts)]
    if layout.conditions > 0 { stages.append(try planner.vaeEncode()) }
    stages.append(try planner.transformer(texts))
    stages.append(try planner.vaeDecode())
    self.stages = stages
  }

  /// The stage, or nil if it does not take place.
  public subscript(stage: Stage) -> StagePlan? { stages.first { $0.stage == stage } }

  /// Most bytes on the device at once: stages follow one another, and each releases its memory.
  public var peakBytes: Int { stages.map(\.peakBytes).max() ?? 0 }

  /// Bytes on the device if all weights stayed there.
  public var residentBytes: Int {
    // Encoder and decoder are parts of one network with weights of their own.
    let weights = stages.reduce(0) { $0 + $1.storedWeightBytes }
    return weights + (stages.map { $0.peakBytes - $0.weightBytes }.max() ?? 0)
  }

  /// Predicted seconds on the device.
  public var predictedSeconds: Double { stages.reduce(0) { $0 + $1.predictedSeconds } }

  /// What is done about memory: `stageByStage`, one network's weights at a time, is what a generation does in any case;
  /// `streamed` and `smallTiles` stand beside it where a stage takes them, `allResident` where nothing is streamed and
  /// everything would fit `budget` at once.
  public func ladder(budget: Int?) -> [MemoryLadder.Rung] {
    let most = stages.map(\.rung).max() ?? .stageByStage
    var rungs = [MemoryLadder.Rung.stageByStage]
    for rung in [MemoryLadder.Rung.streamed, .smallTiles] where rung <= most { rungs.append(rung) }
    if rungs.count == 1, let budget, residentBytes <= budget { rungs.append(.allResident) }
    return rungs
  }

  /// What is missing if `budget` bytes are all there is: one failure that names the largest stage; nil if it suffices.
  public func shortage(budget: Int?) -> LumosError? {
    guard let budget, let stage = stages.max(by: { $0.peakBytes < $1.peakBytes }), stage.peakBytes > budget else {
      return nil
    }
    return LumosError(
      .tryAgain,
      "the stage \(stage.stage.rawValue) needs \(stage.peakBytes) bytes of device memory at least, "
        + "the budget is \(budget) bytes",
      at: "--memory", advice: "ask for fewer frames or a smaller size, or run on a device with more memory")
  }
}

extension SceneOutline {
  /// That of a scene.
  public init(_ scene: Scene) {
    self.init(plainConditions: scene.plainCount, humanGroups: scene.humanGroups)
  }
}

extension Layout {
  /// The sequence of a generation.
  init(_ outline: SceneOutline, _ settings: Settings, _ configuration: ModelConfiguration, _ ablation: Ablation) {
    let (vae, patch) = (configuration.vae, configuration.transformer.patch)
    self.init(
      latentFrames: vae.latentFrames(frames: settings.frames),
      rows: (settings.height / vae.spatialFactor + patch - 1) / patch,
      columns: (settings.width / vae.spatialFactor + patch - 1) / patch, plainConditions: outline.plainConditions,
      humanGroups: outline.humanGroups, ablation: ablation)
  }
}

/// Runs the drivers stage by stage, as `Pipeline` does.
private struct Planner {
  let configuration: ModelConfiguration
  let weights: GenerationPlan.Weights
  let layout: Layout
  let settings: Settings
  let ladder: MemoryLadder
  let budget: Int?
  let summarize: (Graph, SessionOptions) throws -> PlanSummary

  init(
    _ configuration: ModelConfiguration, _ weights: GenerationPlan.Weights, _ layout: Layout, _ settings: Settings,
    _ ladder: MemoryLadder, _ budget: Int?, _ summarize: @escaping (Graph, SessionOptions) throws -> PlanSummary
  ) {
    self.configuration = configuration
    self.weights = weights
    self.layout = layout
    self.settings = settings
    self.ladder = ladder
    self.budget = budget
    self.summarize = summarize
  }

  /// The stage on the first rung that fits the budget, else on the one that takes least.
  private func plan(_ stage: Stage, _ session: PlanningSession, evaluations: Int) throws -> StagePlan {
    var best: StagePlan?
    for rung in ladder.rungs(for: stage, weightBytes: session.weightBytes) {
      let options = ladder.options(rung)
      let plan = try StagePlan(stage, rung, session, evaluations: evaluations) { try summarize($0, options) }
      guard let budget, plan.peakBytes > budget else { return plan }
      if plan.peakBytes < best?.peakBytes ?? .max { best = plan }
    }
    guard let best else { throw LumosError(.internalDefect, "a ladder without rungs", at: stage.rawValue) }
    return best
  }

  private var branches: [SamplerGraph.Branch] { SamplerGraph.Branch.needed(guidance: settings.guidance) }
  private var latentHeight: Int { settings.height / configuration.vae.spatialFactor }
  private var latentWidth: Int { settings.width / configuration.vae.spatialFactor }
  private var channels: Int { configuration.vae.latentChannels }

  func textEncoder(_ texts: GenerationPlan.Texts) throws -> StagePlan {
    let session = PlanningSession()
    let encoder = UMT5Encoder(configuration.umt5, session: session, weights: weights.umt5)
    let lengths = branches.map { $0 == .prompt ? texts.prompt : texts.negative }
    for length in lengths { _ = try encoder.encode(Array(repeating: 0, count: length)) }
    return try plan(.textEncoder, session, evaluations: lengths.count)
  }

  func vaeEncode() throws -> StagePlan {
    let session = PlanningSession()
    let encoder = VAEEncoder(
      configuration.vae, session: session, weights: weights.vae, height: settings.height, width: settings.width)
    let image = try Tensor([1, settings.height, settings.width, configuration.vae.imageChannels], .f32)
    for _ in 0..<layout.conditions { _ = try encoder.encode(image) }
    return try plan(.vaeEncode, session, evaluations: layout.conditions)
  }

  func transformer(_ texts: GenerationPlan.Texts) throws -> StagePlan {
    let session = PlanningSession()
    let sampler = Sampler(
      TransformerGraph(configuration.transformer, layout: layout), session: session, weights: weights.transformer,
      height: latentHeight, width: latentWidth, shortcuts: settings.shortcuts)
    func context(_ length: Int) throws -> Tensor {
      try Tensor([length, configuration.transformer.textWidth], .f32)
    }
    let guide = Sampler.Guide(
      conditions: layout.conditions > 0
        ? try Tensor([layout.conditions, latentHeight, latentWidth, channels], .f32) : nil,
      masks: texts.masks, prompt: try context(texts.prompt), negativePrompt: try context(texts.negative),
      guidance: settings.guidance)
    let noise = try Tensor([layout.latentFrames, latentHeight, latentWidth, channels], .f32)
    _ = try sampler.sample(
      noises: Array(repeating: noise, count: settings.seeds.count), guide: guide,
      schedule: Schedule(steps: settings.steps, shift: settings.shift))
    return try plan(.transformer, session, evaluations: branches.count * settings.steps * settings.seeds.count)
  }

  func vaeDecode() throws -> StagePlan {
    let session = PlanningSession()
    for _ in settings.seeds {
      // A decoder for every video: the last one's graphs are gone.
      let decoder = VAEDecoder(
        configuration.vae, session: session, weights: weights.vae, latentHeight: latentHeight, latentWidth: latentWidth)
      try decoder.decode(Tensor([layout.latentFrames, latentHeight, latentWidth, channels], .f32)) { _ in }
    }
    return try plan(.vaeDecode, session, evaluations: layout.latentFrames * settings.seeds.count)
  }
}
