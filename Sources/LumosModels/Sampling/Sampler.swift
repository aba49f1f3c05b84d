import LumosGraph
import LumosOps
import LumosTensor

/// Samples video latents: graphs compiled once, a step's run once per step (MODEL.md section 10).
///
/// Latent and data prediction are states of the session and stay on the device, and so is what does not vary from step
/// to step. Graphs are compiled anew when the texts' lengths or the number of videos change.
public final class Sampler {
  /// The network and who is in the sequence.
  public let model: TransformerGraph
  /// Work that is left out.
  public let shortcuts: Shortcuts
  private let session: any Session
  private let weights: any WeightSource
  private let (height, width): (Int, Int)
  private var compiled: Compiled?
  /// States that only the compiled graphs know.
  private var ownStates: [String] = []

  /// - Parameters:
  ///   - session: made with `weights`.
  ///   - height: rows of the latent; `model.layout.rows` token rows cover them.
  ///   - width: columns of the latent.
  ///   - shortcuts: work to leave out.
  public init(
    _ model: TransformerGraph, session: any Session, weights: any WeightSource, height: Int, width: Int,
    shortcuts: Shortcuts = .standard
  ) {
    self.model = model
    self.shortcuts = shortcuts
    self.session = session
    self.weights = weights
    (self.height, self.width) = (height, width)
  }

  /// What steers a video.
  public struct Guide: Sendable {
    /// Condition latents f32 `[conditions, h, w, channels]` in the layout's order; nil if there are none.
    public let conditions: Tensor?
    /// For every condition image, which positions of the prompt its word covers.
    public let masks: [[Bool]]
    /// The encoded prompt, f32 `[n, textWidth]`.
    public let prompt: Tensor
    /// The encoded negative prompt, f32 `[n, textWidth]`; not read where the guidance is 1, where it may be nil.
    public let negativePrompt: Tensor?
    /// Strength of guidance (6); 1 is the prompt alone, at half the work.
    public let guidance: Float

    /// Texts, images and how strongly to follow them.
    public init(conditions: Tensor?, masks: [[Bool]], prompt: Tensor, negativePrompt: Tensor?, guidance: Float = 6) {
      precondition(negativePrompt != nil || guidance == 1, "guidance of \(guidance) without a negative prompt")
      self.conditions = conditions
      self.masks = masks
      self.prompt = prompt
      self.negativePrompt = negativePrompt
      self.guidance = guidance
    }

    /// The texts of the branches that count.
    var contexts: [(branch: SamplerGraph.Branch, text: Tensor)] {
      SamplerGraph.Branch.needed(guidance: guidance).compactMap { branch in
        switch branch {
        case .prompt: (branch, prompt)
        case .negative: negativePrompt.map { (branch, $0) }
        }
      }
    }
  }

  /// A finished step.
  public struct Step {
    /// Index of the step.
    public let index: Int
    /// Steps in all.
    public let count: Int
    /// What the network was shown.
    public let timestep: Int
    fileprivate let videos: Int
    fileprivate let session: any Session

    /// A video's latent after the step, f32 `[latentFrames, h, w, channels]`, fetched from the device.
    public func latent(_ video: Int = 0) throws -> Tensor { try session.state(SamplerGraph.latent(video)) }
    /// The step's prediction of a video's clean latent, likewise: what a preview shows.
    public func prediction(_ video: Int = 0) throws -> Tensor { try session.state(SamplerGraph.prediction(video)) }
    /// All that a later run needs to go on from here, fetched from the device.
    public func state() throws -> SamplerState {
      try SamplerState(
        nextStep: index + 1, latents: (0..<videos).map { try latent($0) },
        predictions: (0..<videos).map { try prediction($0) })
    }
  }

  /// The graphs for `videos` videos of one guide.
  public func graphs(_ guide: Guide, videos: Int = 1) -> SamplerGraph {
    graphs(guide, templates: templates(guide), videos: videos)
  }

  /// Runs all steps from `noise`, f32 `[latentFrames, h, w, channels]`, and returns the clean latent of that shape.
  ///
  /// Ends between two steps with `CancellationError` if the surrounding task is cancelled.
  /// - Parameters:
  ///   - resuming: where an earlier run of the same guide and schedule stood; its steps are not taken again.
  ///   - fetch: outputs of the step's graph that `onStep` wants to see: goldens compare velocities.
  ///   - onStep: called after every step; what it throws ends the run.
  /// - Throws: `LumosError` for a checkpoint that does not fit; whatever the backend or `onStep` throw.
  public func sample(
    noise: Tensor, guide: Guide, schedule: Schedule, resuming: SamplerState? = nil, fetch: [String] = [],
    onStep: (Step, [String: Tensor]) throws -> Void = { _, _ in }
  ) throws -> Tensor {
    try sample(
      noises: [noise], guide: guide, schedule: schedule, resuming: resuming, fetch: fetch, onStep: onStep)[0]
  }

  /// Runs all steps for several videos of one scene at once, which share what does not depend on their noise. Returns
  /// the clean latents in the order of `noises`, of which there is at least one.
  public func sample(
    noises: [Tensor], guide: Guide, schedule: Schedule, resuming: SamplerState? = nil, fetch: [String] = [],
    onStep: (Step, [String: Tensor]) throws -> Void = { _, _ in }
  ) throws -> [Tensor] {
    let templates = templates(guide)
    let graphs = graphs(guide, templates: templates, videos: noises.count)
    let start = resuming ?? SamplerState(noises: noises)
    precondition(
      start.nextStep <= schedule.steps && start.latents.count == noises.count
        && (start.latents + noises).allSatisfy { $0.type == graphs.latentType },
      "\(noises.map(\.type)) and a state before step \(start.nextStep) of \(start.latents.map(\.type)), latents are "
        + "\(graphs.latentType)")
    let times = try timeInputs(graphs, schedule)
    var inputs = inputs(guide, templates, graphs)
    let step = try prepare(graphs, inputs)
    for video in noises.indices {
      try session.setState(SamplerGraph.latent(video), to: start.latents[video])
      try session.setState(SamplerGraph.prediction(video), to: start.predictions[video])
    }
    for index in start.nextStep..<schedule.steps {
      try Task.checkCancellation()
      inputs.merge(times(index)) { $1 }
      inputs["coefficients"] = schedule.coefficients(step: index, guidance: guide.guidance).tensor
      let fetched = try step.run(inputs, fetch: fetch)
      inputs.removeAll()
      let finished = Step(
        index: index, count: schedule.steps, timestep: schedule.timesteps[index], videos: noises.count,
        session: session)
      try onStep(finished, fetched)
    }
    return try noises.indices.map { try session.state(SamplerGraph.latent($0)) }
  }

  // MARK: - Inputs

  /// Weights of the text bias; nil where it is zero.
  private func templates(_ guide: Guide) -> Tensor? {
    guard model.layout.relationCells(pool: model.configuration.relationPool) != nil else { return nil }
    return model.layout.textTemplates(masks: guide.masks)
  }

  private func graphs(_ guide: Guide, templates: Tensor?, videos: Int) -> SamplerGraph {
    func keys(_ context: Tensor?) -> TextKeys? {
      guard let context, shortcuts.contains(.foldPadding) else { return nil }
      return TextKeys(
        realTokens: context.shape[0], templates: templates, textLength: model.configuration.textLength)
    }
    return SamplerGraph(
      model, height: height, width: width, videos: videos, prompt: keys(guide.prompt),
      negativePrompt: keys(guide.negativePrompt), guidance: guide.guidance, shortcuts: shortcuts)
  }

  /// What is given once per run.
  private func inputs(_ guide: Guide, _ templates: Tensor?, _ graphs: SamplerGraph) -> [String: Tensor] {
    var inputs: [String: Tensor] = [:]
    if let conditions = guide.conditions, model.layout.conditions > 0 { inputs["conditions"] = conditions }
    for (branch, text) in guide.contexts {
      let keys = graphs.keys(branch)
      inputs["context." + branch.rawValue] = model.paddedContext(text, length: keys.count)
      if let name = graphs.templates(branch), let templates { inputs[name] = keys.cut(templates) }
    }
    return inputs
  }

  /// What the graph is told of a step's timestep, by the step's index.
  private func timeInputs(_ graphs: SamplerGraph, _ schedule: Schedule) throws -> (Int) -> [String: Tensor] {
    let configuration = model.configuration
    guard let graph = try graphs.timeTables(weights) else {
      return { ["wave": TimeWave.tensor(timestep: schedule.timesteps[$0], width: configuration.frequencyWidth)] }
    }
    // The executable goes when the tables are there.
    let executable = try session.compile(graph)
    let most = SamplerGraph.timesPerRun
    let tables = try stride(from: 0, to: schedule.steps, by: most).map { first -> [String: Tensor] in
      let times = Array(schedule.timesteps[first..<min(first + most, schedule.steps)])
      let rest = Array(repeating: 0, count: most - times.count)
      let waves = TimeWave.tensor(timesteps: times + rest, width: configuration.frequencyWidth)
      return try executable.run(["waves": waves], fetch: ["time.head", "time.blocks"])
    }
    return { index in
      let row = index % most
      var inputs = tables[index / most].mapValues { $0.rows(row..<row + 1) }
      inputs["time.blocks"] = inputs["time.blocks"]?.reshaped([6, configuration.width])
      return inputs
    }
  }

  // MARK: - Compilation

  /// A graph on the session that picks its own among the inputs.
  private struct Half {
    let executable: any Executable
    let names: Set<String>

    init(_ graph: Graph, _ session: any Session) throws {
      executable = try session.compile(graph)
      names = Set(graph.inputs.map(\.name))
    }

    @discardableResult
    func run(_ inputs: [String: Tensor], fetch: [String]) throws -> [String: Tensor] {
      try executable.run(inputs.filter { names.contains($0.key) }, fetch: fetch)
    }
  }

  private struct Compiled {
    /// What tells one compilation of a sampler from another.
    struct Key: Equatable {
      let videos: Int
      let prompt: TextKeys
      let negativePrompt: TextKeys
      let branches: [SamplerGraph.Branch]
    }

    let key: Key
    let invariant: Graph?
    let step: Half
  }

  /// The step's graph on the session, and in the session's states what does not vary from step to step.
  private func prepare(_ graphs: SamplerGraph, _ inputs: [String: Tensor]) throws -> Half {
    let key = Compiled.Key(
      videos: graphs.videos, prompt: graphs.prompt, negativePrompt: graphs.negativePrompt, branches: graphs.branches)
    if let compiled, compiled.key == key {
      try runOnce(compiled.invariant, inputs)
      return compiled.step
    }
    // The old graph goes first: two sets of intermediate values need not fit the device. Its states may have other
    // types in the new one.
    compiled = nil
    for name in ownStates { session.removeState(name) }
    let halves = try graphs.halves(weights)
    ownStates = Set((halves.step.states + (halves.invariant?.states ?? [])).map(\.name)).sorted()
    try runOnce(halves.invariant, inputs)
    let new = Compiled(key: key, invariant: halves.invariant, step: try Half(halves.step, session))
    compiled = new
    return new.step
  }

  /// Runs a graph for what it leaves in the states; its intermediate values are gone when this returns.
  private func runOnce(_ graph: Graph?, _ inputs: [String: Tensor]) throws {
    guard let graph else { return }
    try Half(graph, session).run(inputs, fetch: [])
  }
}
