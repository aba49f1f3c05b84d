import LumosTensor

/// Cuts frames into square patches. Input `[F, h, w, C]`; output `[F·H·W, C·p·p]` with `H = ⌈h/p⌉`, `W = ⌈w/p⌉`
/// (zero beyond the right and lower border), tokens frame-major then row-major, a token's numbers ordered (channel,
/// patch row, patch column) as the published patch embedding expects (MODEL.md section 6).
public struct Patchify: OpDescriptor {
  public static let name = "Patchify"
  /// Side of a patch (2).
  public let patch: Int

  public init(patch: Int) { self.patch = patch }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 1...1)
    try requireActivation(inputs[0], "x", rank: 4)
    try require(patch > 0, "patch \(patch)")
    let x = inputs[0].shape
    let tokens = x[0] * ((x[1] + patch - 1) / patch) * ((x[2] + patch - 1) / patch)
    return [TensorType([tokens, x[3] * patch * patch], .f32)]
  }

  public func flops(_ inputs: [TensorType]) -> Int { 0 }

  /// Nothing is computed, so nothing may differ.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 0 }
}
