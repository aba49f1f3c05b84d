import LumosOps
import LumosTensor

extension ChannelAffine: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (x, scale, shift) = (inputs[0].values, inputs[1].values, inputs[2].values)
    return [x.indices.map { x[$0] * scale[$0 % scale.count] + shift[$0 % scale.count] }]
  }
}
