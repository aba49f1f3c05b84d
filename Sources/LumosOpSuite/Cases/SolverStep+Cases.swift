import LumosOps
import LumosTensor

extension SolverStep: OpCases {
  private static func make(
    _ name: String, _ shape: Shape, _ c: Coefficients, previous: OpCase.Fill = .normal(),
    purpose: OpCase.Purpose = .parity
  ) -> OpCase {
    let coefficients: [Float] = [c.guidance, c.sigma, c.latent, c.prediction, c.correction]
    return OpCase(
      "\(name), \(shape)", SolverStep(),
      [
        .init(shape), .init(shape), .init(shape), .init(shape, .f32, previous), .init([5], .f32, .values(coefficients)),
      ], purpose: purpose)
  }

  public static var cases: [OpCase] {
    let second = Coefficients(
      guidance: 6, sigma: 0.942_307_7, latent: 0.979_591_85, prediction: 0.020_408_163, correction: 0.475)
    let first = Coefficients(guidance: 6, sigma: 1, latent: 0.986, prediction: 0.014, correction: 0)
    let unguided = Coefficients(guidance: 1, sigma: 0.5, latent: 0.9, prediction: 0.1, correction: 0.3)
    let last = Coefficients(guidance: 6, sigma: 0.14, latent: 0, prediction: 1, correction: 0)
    let unwritten = OpCase.Fill.values([Float](repeating: .nan, count: 3 * 7 * 11))
    return [
      make("second order", [16, 3, 5, 7], second),
      make("one element", [1], second),
      make("tail", [1031], second),
      make("without guidance", [257], unguided),
      make("last step", [16, 1, 3, 5], last),
      // What stands in the buffer of the previous prediction before the first step must not matter.
      make(
        "first order, nothing predicted yet", [3, 7, 11], first, previous: unwritten
      ),
      make("none", [0], second),
      make("480x832x81", [16, 21, 60, 104], second, purpose: .benchmark),
    ]
  }
}
