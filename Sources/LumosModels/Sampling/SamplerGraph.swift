import LumosGraph
import LumosOps
import LumosTensor

/// The graphs of a sampling run: pure data, made from sizes alone. `Sampler` compiles and runs them.
///
/// The step's graph holds the guidance branches and the solver step, for one video or for several of one scene that
/// differ in their noise. Latents and data predictions are states; from step to step only the timestep and five
/// coefficients change.
public struct SamplerGraph: Sendable {
  /// The network and who is in the sequence.
  public let model: TransformerGraph
  /// Of a latent, `[latentFrames, h, w, channels]`.
  public let latentType: TensorType
  /// Videos that are sampled together, at least one.
  public let videos: Int
  /// Keys of the prompt.
  public let prompt: TextKeys
  /// Keys of the negative prompt.
  public let negativePrompt: TextKeys
  /// Branches that are computed: both, or that of the prompt alone, which is what guidance of strength 1 amounts to.
  public let branches: [Branch]
  /// Work that is left out.
  public let shortcuts: Shortcuts

  /// - Parameters:
  ///   - height: rows of the latent; `model.layout.rows` token rows cover them.
  ///   - width: columns of the latent.
  ///   - prompt: keys of the prompt; all text positions by default.
  ///   - negativePrompt: keys of the negative prompt; all text positions by default.
  ///   - guidance: strength of guidance; 1 needs no negative prompt.
  public init(
    _ model: TransformerGraph, height: Int, width: Int, videos: Int = 1, prompt: TextKeys? = nil,
    negativePrompt: TextKeys? = nil, guidance: Float = 6, shortcuts: Shortcuts = .standard
  ) {
    let (layout, configuration) = (model.layout, model.configuration)
    let patch = configuration.patch
    precondition(
      (height + patch - 1) / patch == layout.rows && (width + patch - 1) / patch == layout.columns,
      "latent \(height) x \(width) for \(layout.rows) x \(layout.columns) tokens")
    precondition(configuration.inputChannels == configuration.outputChannels, "velocity and latent differ in channels")
    precondition(videos > 0, "no video")
    self.model = model
    latentType = TensorType([layout.latentFrames, height, width, configuration.inputChannels], .f32)
    self.videos = videos
    self.prompt = prompt ?? TextKeys(all: configuration.textLength)
    self.negativePrompt = negativePrompt ?? TextKeys(all: configuration.textLength)
    branches = Branch.needed(guidance: guidance)
    self.shortcuts = shortcuts
  }

  // MARK: - Names

  /// A guidance branch, by its part in names.
  public enum Branch: String, Sendable, CaseIterable {
    /// With the prompt.
    case prompt
    /// With the negative prompt.
    case negative

    /// Those that count at this strength of guidance: the negative prompt's share is `1 - guidance`.
    public static func needed(guidance: Float) -> [Branch] { guidance == 1 ? [.prompt] : allCases }
  }

  /// State that holds a video's latent: `"latent"`, `"latent.1"` …
  public static func latent(_ video: Int) -> String { name("latent", video) }
  /// State that holds a video's last data prediction: `"prediction"`, `"prediction.1"` …
  public static func prediction(_ video: Int) -> String { name("prediction", video) }
  /// Output that holds a video's velocity in a branch: `"velocity.prompt"`, `"velocity.prompt.1"` …
  public static func velocity(_ branch: Branch, _ video: Int) -> String { name("velocity." + branch.rawValue, video) }

  private static func name(_ stem: String, _ video: Int) -> String { video == 0 ? stem : "\(stem).\(video)" }

  /// Keys of a branch's text.
  public func keys(_ branch: Branch) -> TextKeys {
    switch branch {
    case .prompt: prompt
    case .negative: negativePrompt
    }
  }

  /// Input that holds a branch's templates; nil where the text bias is zero. Both branches read one input unless they
  /// have folded padding.
  func templates(_ branch: Branch) -> String? {
    guard model.layout.relationCells(pool: model.configuration.relationPool) != nil else { return nil }
    return shortcuts.contains(.foldPadding) ? "templates." + branch.rawValue : "templates"
  }

  // MARK: - Graphs

  /// A whole step, before anything is hoisted out of it.
  ///
  /// Inputs `"conditions"` and `"templates"` (with folded padding `"templates.prompt"` and `"templates.negative"`) where
  /// the layout has them, for each branch `"context.prompt"` and `"context.negative"`, `"coefficients"`, and `"wave"` or, where the time is
  /// tabulated, `"time.head"` and `"time.blocks"`.
  /// - Throws: `LumosError` for weights that do not fit.
  public func step(_ weights: any WeightSource) throws -> Graph {
    let graph = try GraphBuilder.graph(of: "transformer", weights: weights) { builder throws(GraphBuilder.Failure) in
      let latents = (0..<videos).map { builder.state(Self.latent($0), latentType) }
      let predictions = (0..<videos).map { builder.state(Self.prediction($0), latentType) }
      let modulation = try model.modulation(time(in: &builder), in: &builder)
      var velocities: [[Graph.ValueID]] = []
      let sequence = sequence(in: &builder)
      for branch in branches {
        let found = try self.velocities(latents, branch, modulation, sequence, in: &builder)
        for (video, velocity) in found.enumerated() { builder.output(Self.velocity(branch, video), velocity) }
        velocities.append(found)
      }
      let coefficients = builder.input("coefficients", TensorType([5], .f32))
      for video in 0..<videos {
        // Without a negative prompt both velocities are one: v = c + 1 · (c - c).
        let pair = [velocities[0][video], velocities[velocities.count - 1][video]]
        let operands = [latents[video]] + pair + [predictions[video], coefficients]
        let results = try builder.applyAll(SolverStep(), operands, "solver")
        builder.update(state: Self.latent(video), to: results[0])
        builder.update(state: Self.prediction(video), to: results[1])
      }
    }
    return shortcuts.contains(.mergeRepeats) ? Repetition.remove(from: graph) : graph
  }

  /// A step as it runs: apart from it what does not vary from step to step, unless nothing is hoisted.
  /// - Throws: `LumosError` for weights that do not fit.
  public func halves(_ weights: any WeightSource) throws -> (invariant: Graph?, step: Graph) {
    let whole = try step(weights)
    guard shortcuts.contains(.hoistInvariants) else { return (nil, whole) }
    // The images' embedding, which is invariant too, is a thousand times as large as they are, and quickly made.
    let halves = Hoisting.split(whole, varying: ["wave", "time.head", "time.blocks", "coefficients", "conditions"])
    return (halves.invariant, halves.varying)
  }

  /// Timesteps that the graph of `timeTables` embeds at once. Fixed, so that a plan's memory does not depend on the
  /// number of steps.
  public static let timesPerRun = 10

  /// Embeddings of `timesPerRun` timesteps: input `"waves"` `[times, frequencyWidth]`, outputs `"time.head"`
  /// `[times, width]` and `"time.blocks"` `[times, 6 · width]`. Nil where the time is not tabulated.
  /// - Throws: `LumosError` for weights that do not fit.
  public func timeTables(_ weights: any WeightSource) throws -> Graph? {
    guard shortcuts.contains(.tabulateTime) else { return nil }
    return try GraphBuilder.graph(of: "transformer", weights: weights) { builder throws(GraphBuilder.Failure) in
      let waves = builder.input("waves", TensorType([Self.timesPerRun, model.configuration.frequencyWidth], .f32))
      let time = try model.timeTables(waves, in: &builder)
      builder.output("time.head", time.head)
      builder.output("time.blocks", time.blocks)
    }
  }

  // MARK: - Parts

  /// The sequence that goes through the blocks: all of it as one, or video and images apart.
  private enum Sequence {
    case joint(TransformerGraph.Relations)
    case apart(TransformerGraph.Streams)
  }

  private func sequence(in builder: inout GraphBuilder) -> Sequence {
    if videos > 1, shortcuts.contains(.shareConditions), let streams = model.streams(in: &builder) {
      return .apart(streams)
    }
    return .joint(model.sequenceRelations(in: &builder))
  }

  private func time(in builder: inout GraphBuilder) throws(GraphBuilder.Failure) -> TransformerGraph.TimeEmbedding {
    let configuration = model.configuration
    if shortcuts.contains(.tabulateTime) {
      return TransformerGraph.TimeEmbedding(
        head: builder.input("time.head", TensorType([1, configuration.width], .f32)),
        blocks: builder.input("time.blocks", TensorType([6, configuration.width], .f32)))
    }
    let wave = builder.input("wave", TensorType([1, configuration.frequencyWidth], .f32))
    return try model.timeEmbedding(wave, in: &builder)
  }

  /// A branch's velocities of all videos.
  private func velocities(
    _ latents: [Graph.ValueID], _ branch: Branch, _ modulation: TransformerGraph.Modulation, _ sequence: Sequence,
    in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> [Graph.ValueID] {
    let (configuration, layout, keys) = (model.configuration, model.layout, keys(branch))
    let context = builder.input(
      "context." + branch.rawValue, TensorType([keys.count, configuration.textWidth], .f32))
    var text = TransformerGraph.Text(
      embedded: try model.textEmbedding(context, in: &builder), lastKeyCount: keys.lastKeyCount)
    let templates = templates(branch).map {
      builder.input($0, TensorType([layout.conditions, keys.count], .f32))
    }
    var conditions: Graph.ValueID?
    if layout.conditions > 0 {
      let shape = Shape([layout.conditions] + latentType.shape.dimensions.dropFirst())
      conditions = builder.input("conditions", TensorType(shape, .f32))
    }
    switch sequence {
    case .joint(var relations):
      if let cells = layout.relationCells(pool: configuration.relationPool), let templates {
        relations.text = (cells, templates)
      }
      var velocities: [Graph.ValueID] = []
      for latent in latents {
        velocities.append(
          try model.velocity(
            latent: latent, conditions: conditions, text: &text, modulation: modulation, relations: relations,
            in: &builder))
      }
      return velocities
    case .apart(let streams):
      // There are streams only where there are images.
      guard let conditions else { return [] }
      return try model.velocities(
        latents: latents, conditions: conditions, text: &text, templates: templates, modulation: modulation,
        streams: streams, in: &builder)
    }
  }
}
