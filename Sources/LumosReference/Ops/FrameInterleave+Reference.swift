import LumosOps
import LumosTensor

extension FrameInterleave: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (x, shape) = (inputs[0].values, inputs[0].shape)
    let (frames, area, channels) = (shape[0], shape[1] * shape[2], shape[3] / 2)
    var result: [S] = []
    result.reserveCapacity(x.count)
    for frame in 0..<frames {
      for half in 0..<2 {
        for position in 0..<area {
          let start = ((frame * area + position) * 2 + half) * channels
          result += x[start..<start + channels]
        }
      }
    }
    return [result]
  }
}
