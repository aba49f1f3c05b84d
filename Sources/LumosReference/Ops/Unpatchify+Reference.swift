import LumosOps
import LumosTensor

extension Unpatchify: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let tokens = inputs[0].values
    let channels = outputs[0].shape[3]
    let (rows, columns) = ((height + patch - 1) / patch, (width + patch - 1) / patch)
    var result: [S] = []
    result.reserveCapacity(outputs[0].shape.count)
    for frame in 0..<frames {
      for y in 0..<height {
        for x in 0..<width {
          let token = (frame * rows + y / patch) * columns + x / patch
          let pixel = (token * patch + y % patch) * patch + x % patch
          result += tokens[pixel * channels..<(pixel + 1) * channels]
        }
      }
    }
    return [result]
  }
}
