import LumosGraph
import LumosOps
import LumosTensor

/// Samples a video latent: one graph, compiled once, run once per step (MODEL.md section 10).
///
/// The graph holds both guidance branches and the solver step. Latent and data prediction are states of the session
/// and stay on the device; from step to step only the timestep's wave and five coefficients change.
public final class Sampler {
  /// The network and who is in the sequence.
  public let model: TransformerGraph
  private let session: any Session
  private let weights: any WeightSource
  private let latentType: TensorType
  private var executable: (any Executable)?

  /// - Parameters:
  ///   - session: made with `weights`.
  ///   - height: rows of the latent; `model.layout.rows` token rows cover them.
  ///   - width: columns of the latent.
  public init(
    _ model: TransformerGraph, session: any Session, weights: any WeightSource, height: Int, width: Int
  ) {
    let (layout, configuration) = (model.layout, model.configuration)
    let patch = configuration.patch
    precondition(
      (height + patch - 1) / patch == layout.rows && (width + patch - 1) / patch == layout.columns,
      "latent \(height) x \(width) for \(layout.rows) x \(layout.columns) tokens")
    precondition(configuration.inputChannels == configuration.outputChannels, "velocity and latent differ in channels")
    self.model = model
    self.session = session
    self.weights = weights
    latentType = TensorType([layout.latentFrames, height, width, configuration.inputChannels], .f32)
  }

  /// What steers a video.
  public struct Guide: Sendable {
    /// Condition latents f32 `[conditions, h, w, channels]` in the layout's order; nil if there are none.
    public let conditions: Tensor?
    /// For every condition image, which positions of the prompt its word covers.
    public let masks: [[Bool]]
    /// The encoded prompt, f32 `[n, textWidth]`.
    public let prompt: Tensor
    /// The encoded negative prompt, f32 `[n, textWidth]`.
    public let negativePrompt: Tensor
    /// Strength of guidance (6); 1 is the prompt alone.
    public let guidance: Float

    /// Texts, images and how strongly to follow them.
    public init(conditions: Tensor?, masks: [[Bool]], prompt: Tensor, negativePrompt: Tensor, guidance: Float = 6) {
      self.conditions = conditions
      self.masks = masks
      self.prompt = prompt
      self.negativePrompt = negativePrompt
      self.guidance = guidance
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
    fileprivate let session: any Session

    /// The latent after the step, f32 `[latentFrames, h, w, channels]`, fetched from the device.
    public func latent() throws -> Tensor { try session.state("latent") }
    /// The step's prediction of the clean latent, likewise: what a preview shows.
    public func prediction() throws -> Tensor { try session.state("prediction") }
    /// All that a later run needs to go on from here, fetched from the device.
    public func state() throws -> SamplerState {
      try SamplerState(nextStep: index + 1, latents: [latent()], predictions: [prediction()])
    }
  }

  /// The graph of a step. Inputs `"conditions"` and `"templates"` where the layout has them, `"context.prompt"`,
  /// `"context.negative"`, `"wave"` and `"coefficients"`; states `"latent"` and `"prediction"`; outputs
  /// `"velocity.prompt"` and `"velocity.negative"`.
  public func graph() throws -> Graph {
    try GraphBuilder.graph(of: "transformer", weights: weights) { builder throws(GraphBuilder.Failure) in
      let configuration = model.configuration
      let latent = builder.state("latent", latentType)
      let prediction = builder.state("prediction", latentType)
      var conditions: Graph.ValueID?
      if model.layout.conditions > 0 {
        let shape = Shape([model.layout.conditions] + latentType.shape.dimensions.dropFirst())
        conditions = builder.input("conditions", TensorType(shape, .f32))
      }
      let wave = builder.input("wave", TensorType([1, configuration.frequencyWidth], .f32))
      let time = try model.timeEmbedding(wave, in: &builder)
      let relations = model.relations(in: &builder)
      var velocities: [Graph.ValueID] = []
      for branch in ["prompt", "negative"] {
        let type = TensorType([configuration.textLength, configuration.textWidth], .f32)
        let context = builder.input("context." + branch, type)
        let velocity = try model.velocity(
          latent: latent, conditions: conditions, context: context, time: time, relations: relations, in: &builder)
        builder.output("velocity." + branch, velocity)
        velocities.append(velocity)
      }
      let coefficients = builder.input("coefficients", TensorType([5], .f32))
      let results = try builder.applyAll(
        SolverStep(), [latent] + velocities + [prediction, coefficients], "solver")
      builder.update(state: "latent", to: results[0])
      builder.update(state: "prediction", to: results[1])
    }
  }

  /// Runs all steps from `noise`, f32 `[latentFrames, h, w, channels]`, and returns the clean latent of that shape.
  ///
  /// Ends between two steps with `CancellationError` if the surrounding task is cancelled.
  /// - Parameters:
  ///   - resuming: where an earlier run of the same guide and schedule stood; its steps are not taken again.
  ///   - fetch: outputs of the graph that `onStep` wants to see: goldens compare velocities.
  ///   - onStep: called after every step; what it throws ends the run.
  /// - Throws: `LumosError` for a checkpoint that does not fit; whatever the backend or `onStep` throw.
  public func sample(
    noise: Tensor, guide: Guide, schedule: Schedule, resuming: SamplerState? = nil, fetch: [String] = [],
    onStep: (Step, [String: Tensor]) throws -> Void = { _, _ in }
  ) throws -> Tensor {
    precondition(noise.type == latentType, "noise \(noise.type) for \(latentType)")
    let executable = try self.executable ?? session.compile(graph())
    self.executable = executable
    let start = resuming ?? SamplerState(noises: [noise])
    precondition(
      start.nextStep <= schedule.steps && start.latents.map(\.type) == [latentType],
      "a state before step \(start.nextStep) of \(start.latents.map(\.type))")
    try session.setState("latent", to: start.latents[0])
    try session.setState("prediction", to: start.predictions[0])
    var inputs = [
      "context.prompt": model.paddedContext(guide.prompt),
      "context.negative": model.paddedContext(guide.negativePrompt),
    ]
    if let conditions = guide.conditions, model.layout.conditions > 0 { inputs["conditions"] = conditions }
    if model.layout.relationCells(pool: model.configuration.relationPool) != nil {
      inputs["templates"] = model.layout.textTemplates(masks: guide.masks)
    }
    for index in start.nextStep..<schedule.steps {
      try Task.checkCancellation()
      let timestep = schedule.timesteps[index]
      inputs["wave"] = TimeWave.tensor(timestep: timestep, width: model.configuration.frequencyWidth)
      inputs["coefficients"] = schedule.coefficients(step: index, guidance: guide.guidance).tensor
      let fetched = try executable.run(inputs, fetch: fetch)
      inputs.removeAll()
      try onStep(Step(index: index, count: schedule.steps, timestep: timestep, session: session), fetched)
    }
    return try session.state("latent")
  }
}
