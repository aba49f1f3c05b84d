import LumosOps
import LumosTensor

extension SolverStep: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (latent, conditional, unconditional) = (inputs[0].values, inputs[1].values, inputs[2].values)
    let (previous, coefficients) = (inputs[3].values, inputs[4].values)
    let (guidance, sigma) = (coefficients[0], coefficients[1])
    let (latentFactor, predictionFactor, correction) = (coefficients[2], coefficients[3], coefficients[4])
    var next = latent
    var prediction = latent
    for i in latent.indices {
      let velocity = unconditional[i] + guidance * (conditional[i] - unconditional[i])
      let x0 = latent[i] - sigma * velocity
      // A first-order step must not read the previous prediction: before the first step nothing has written it.
      let data = correction == 0 ? x0 : x0 + correction * (x0 - previous[i])
      next[i] = latentFactor * latent[i] + predictionFactor * data
      prediction[i] = x0
    }
    return [next, prediction]
  }
}
