import Glibc
import LumosOps
import LumosTensor

/// Noise levels and timesteps of a sampling run, and what each solver step does with them (MODEL.md section 10).
public struct Schedule: Sendable, Hashable {
  /// Number of steps.
  public let steps: Int
  /// How far the levels are shifted towards noise (8).
  public let shift: Double
  /// Noise levels, `steps + 1` of them, from 1 down to 0.
  public let sigmas: [Float]
  /// Timesteps shown to the network, one per step, 1000 first.
  public let timesteps: [Int]

  /// - Throws: `LumosError` (usage) unless `steps` is in `1 ... 1000` and `shift` is positive and finite.
  public init(steps: Int, shift: Double = 8) throws {
    guard (1...1000).contains(steps) else {
      throw LumosError(.usage, "\(steps) sampling steps", advice: "choose 1 to 1000; 50 is usual")
    }
    guard shift > 0, shift.isFinite else {
      throw LumosError(.usage, "a shift of \(shift)", advice: "choose a positive number; 8 is usual")
    }
    // This is what numpy's linspace(1, 0, steps + 1) computes, in its order of roundings. `1 - i / steps` differs in
    // the last bit, and truncating to a timestep shows it.
    let levels = (0..<steps).map { i in
      let u = Double(i) * (-1 / Double(steps)) + 1
      return shift * u / (1 + (shift - 1) * u)
    }
    self.steps = steps
    self.shift = shift
    sigmas = levels.map { Float($0) } + [0]
    timesteps = levels.map { Int($0 * 1000) }
  }

  /// Scalars of step `index`: DPM-Solver++, second-order multistep (midpoint), on the data prediction.
  ///
  /// The first and the last step are of first order, and so in effect is the second: its predecessor starts at pure
  /// noise, where the log signal-to-noise ratio is infinite.
  /// - Parameter guidance: strength of classifier-free guidance; 1 is the prompt alone.
  public func coefficients(step index: Int, guidance: Float) -> SolverStep.Coefficients {
    let (sigma, next) = (Double(sigmas[index]), Double(sigmas[index + 1]))
    let ratio = next / sigma
    var correction = 0.0
    if index > 1 && index < steps - 1 {
      let step = Schedule.logRatio(next) - Schedule.logRatio(sigma)
      let previous = Schedule.logRatio(sigma) - Schedule.logRatio(Double(sigmas[index - 1]))
      correction = 0.5 * step / previous
    }
    return SolverStep.Coefficients(
      guidance: guidance, sigma: Float(sigma), latent: Float(ratio), prediction: Float(1 - ratio),
      correction: Float(correction))
  }

  /// λ(σ) = ln((1-σ)/σ), half the log signal-to-noise ratio.
  private static func logRatio(_ sigma: Double) -> Double { log(1 - sigma) - log(sigma) }
}
