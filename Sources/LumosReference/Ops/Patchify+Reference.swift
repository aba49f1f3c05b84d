import LumosOps
import LumosTensor

extension Patchify: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (x, shape) = (inputs[0].values, inputs[0].shape)
    let (frames, height, width, channels) = (shape[0], shape[1], shape[2], shape[3])
    var result: [S] = []
    result.reserveCapacity(outputs[0].shape.count)
    for frame in 0..<frames {
      for top in stride(from: 0, to: height, by: patch) {
        for left in stride(from: 0, to: width, by: patch) {
          for channel in 0..<channels {
            for y in top..<top + patch {
              for x0 in left..<left + patch {
                let inside = y < height && x0 < width
                result.append(inside ? x[((frame * height + y) * width + x0) * channels + channel] : 0)
              }
            }
          }
        }
      }
    }
    return [result]
  }
}
