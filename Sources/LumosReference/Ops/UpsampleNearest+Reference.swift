import LumosOps
import LumosTensor

extension UpsampleNearest: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (x, shape) = (inputs[0].values, inputs[0].shape)
    let (frames, height, width, channels) = (shape[0], shape[1], shape[2], shape[3])
    var result: [S] = []
    result.reserveCapacity(outputs[0].shape.count)
    for frame in 0..<frames {
      for y in 0..<2 * height {
        for column in 0..<2 * width {
          let pixel = (frame * height + y / 2) * width + column / 2
          result += x[pixel * channels..<(pixel + 1) * channels]
        }
      }
    }
    return [result]
  }
}
