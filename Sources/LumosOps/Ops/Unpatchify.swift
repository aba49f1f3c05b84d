import LumosTensor

/// Puts patches back into frames. Input tokens `[≥ frames·H·W, p·p·C]` whose numbers are ordered (patch row, patch
/// column, channel); output the first `frames` frames, `[frames, height, width, C]`, cropped (MODEL.md section 6).
public struct Unpatchify: OpDescriptor {
  public static let name = "Unpatchify"
  /// Frames to make.
  public let frames: Int
  /// Rows of a frame after cropping.
  public let height: Int
  /// Columns of a frame after cropping.
  public let width: Int
  /// Side of a patch (2).
  public let patch: Int

  public init(frames: Int, height: Int, width: Int, patch: Int) {
    self.frames = frames
    self.height = height
    self.width = width
    self.patch = patch
  }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 1...1)
    try requireActivation(inputs[0], "tokens", rank: 2)
    try require(
      patch > 0 && frames >= 0 && height >= 0 && width >= 0, "\(frames) frames of \(height) x \(width) by \(patch)")
    let x = inputs[0].shape
    let perFrame = ((height + patch - 1) / patch) * ((width + patch - 1) / patch)
    try require(x[0] >= frames * perFrame, "\(x[0]) tokens for \(frames) frames of \(perFrame)")
    try require(x[1] % (patch * patch) == 0, "width \(x[1]) is no multiple of \(patch * patch)")
    return [TensorType([frames, height, width, x[1] / (patch * patch)], .f32)]
  }

  public func flops(_ inputs: [TensorType]) -> Int { 0 }

  /// Nothing is computed, so nothing may differ.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 0 }
}
