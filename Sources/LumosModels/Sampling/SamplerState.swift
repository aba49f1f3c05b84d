import LumosTensor

/// Where a run of the sampler stands between two steps: besides guide and schedule, all that the rest of it depends on.
///
/// A run that is taken up from a state gives the bytes that the undisturbed one would have given.
public struct SamplerState: Sendable {
  /// Index of the step to take next.
  public let nextStep: Int
  /// The videos' latents, each f32 `[latentFrames, h, w, channels]`.
  public let latents: [Tensor]
  /// The last step's predictions of the clean latents, likewise; the solver is one of second order.
  public let predictions: [Tensor]

  /// A state that was kept.
  public init(nextStep: Int, latents: [Tensor], predictions: [Tensor]) {
    precondition(latents.map(\.type) == predictions.map(\.type), "latents and predictions differ in type")
    self.nextStep = nextStep
    self.latents = latents
    self.predictions = predictions
  }

  /// Before the first step, which multiplies the previous prediction by zero: a leftover infinity would survive that.
  public init(noises: [Tensor]) {
    self.init(nextStep: 0, latents: noises, predictions: noises.map { Tensor($0.shape, .f32) { _ in } })
  }
}
