import LumosOps
import LumosTensor

extension MultiLinear: ReferenceKernel {
  /// Layer by layer.
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (weights, biases) = (inputs[1...count], inputs.dropFirst(1 + count))
    return outputs.indices.flatMap { layer in
      Linear(dtype: dtypes[layer]).evaluate(
        [inputs[0], weights[1 + layer]] + (biases.isEmpty ? [] : [biases[1 + count + layer]]),
        outputs: [outputs[layer]])
    }
  }
}
