import LumosTensor

/// Channel halves become frame pairs: input `[T, H, W, 2C]`, output `[2T, H, W, C]`; frame `2t + j` holds channels
/// `jC ..< (j+1)C` of frame t (the VAE's temporal upsampling, MODEL.md section 11).
public struct FrameInterleave: OpDescriptor {
  public static let name = "FrameInterleave"

  public init() {}

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 1...1)
    try requireActivation(inputs[0], "x", rank: 4)
    let x = inputs[0].shape
    try require(x[3] % 2 == 0, "odd number of channels \(x[3])")
    return [TensorType([2 * x[0], x[1], x[2], x[3] / 2], .f32)]
  }

  public func flops(_ inputs: [TensorType]) -> Int { 0 }

  /// Nothing is computed, so nothing may differ.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 0 }
}
