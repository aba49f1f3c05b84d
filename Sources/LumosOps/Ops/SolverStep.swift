import LumosTensor

/// Guidance and one step of DPM-Solver++ (2M, midpoint, data prediction) in one pass (MODEL.md section 10).
///
/// Inputs: latent x, velocity with the prompt c, velocity with the negative prompt u, the previous step's data
/// prediction p, all of one shape, and coefficients f32 `[5]`. With g, σ, a, b, k = coefficients:
/// `v = u + g (c - u)`, `x₀ = x - σ v`, `D = x₀ + k (x₀ - p)`, `x' = a x + b D`. Outputs x' and x₀.
public struct SolverStep: OpDescriptor {
  public static let name = "SolverStep"

  /// The step's scalars, in the order of the coefficient tensor.
  public struct Coefficients: Sendable, Hashable {
    /// g: strength of guidance.
    public var guidance: Float
    /// σ of the step.
    public var sigma: Float
    /// a: factor on the latent, `σ' / σ`.
    public var latent: Float
    /// b: factor on the data prediction, `1 - σ' / σ`.
    public var prediction: Float
    /// k: second-order correction, 0 in first-order steps.
    public var correction: Float

    public init(guidance: Float, sigma: Float, latent: Float, prediction: Float, correction: Float) {
      self.guidance = guidance
      self.sigma = sigma
      self.latent = latent
      self.prediction = prediction
      self.correction = correction
    }

    /// The coefficient tensor.
    public var tensor: Tensor { Tensor([guidance, sigma, latent, prediction, correction], [5]) }
  }

  public init() {}

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 5...5)
    try requireActivation(inputs[0], "latent")
    try require(inputs[1...3].allSatisfy { $0 == inputs[0] }, "velocities and prediction must have the latent's type")
    try require(inputs[4] == TensorType([5], .f32), "coefficients must be f32[5], are \(inputs[4])")
    return [inputs[0], inputs[0]]
  }

  public func flops(_ inputs: [TensorType]) -> Int { 11 * inputs[0].shape.count }

  /// A handful of roundings; 4e-15 was seen against float64.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 1e-13 }
}
