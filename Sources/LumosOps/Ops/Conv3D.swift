import LumosTensor

/// Direct 3D convolution, channels last, with an optional history of earlier frames in front.
///
/// Inputs x `[T, H, W, C]`, weight `[O, kt, kh, kw, C]`, bias `[O]`, optionally history `[Th, H, W, C]`, which stands
/// before x in time. Time is not padded: output frame j covers frames `stride.time · j ..< stride.time · j + kt` of
/// history and x together. Space is padded with zeros as `padding` says. Output `[T', H', W', O]`.
///
/// x and history are float32, or both f16 or bf16; they give the product its type: weights stored in another are rounded
/// to a half type (`OpDescriptor`). The output is float32.
///
/// With `upsamples` every pixel of x (and of history) counts as a 2 x 2 square before padding; with `addsResidual` the
/// last input, shaped like the output, is added to it. Models build `UpsampleNearest` and `Elementwise`, the fusion
/// pass moves them in here.
public struct Conv3D: OpDescriptor {
  public static let name = "Conv3D"

  /// Steps between outputs.
  public struct Stride: Sendable, Hashable {
    /// In time.
    public let time: Int
    /// In both directions of space.
    public let space: Int

    public init(time: Int = 1, space: Int = 1) {
      self.time = time
      self.space = space
    }
  }

  /// Zero rows and columns around a frame.
  public struct Padding: Sendable, Hashable {
    /// Rows above and columns on the left.
    public let leading: Int
    /// Rows below and columns on the right.
    public let trailing: Int

    public init(leading: Int, trailing: Int) {
      self.leading = leading
      self.trailing = trailing
    }
  }

  /// Steps between outputs.
  public let stride: Stride
  /// Zeros around a frame.
  public let padding: Padding
  /// Whether pixels are doubled in both directions of space first.
  public let upsamples: Bool
  /// Whether the last input is added to the output.
  public let addsResidual: Bool

  public init(stride: Stride = Stride(), padding: Padding, upsamples: Bool = false, addsResidual: Bool = false) {
    self.stride = stride
    self.padding = padding
    self.upsamples = upsamples
    self.addsResidual = addsResidual
  }

  /// Whether there is a history among this many inputs.
  public func hasHistory(inputCount: Int) -> Bool { inputCount - (addsResidual ? 1 : 0) == 4 }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: addsResidual ? 4...5 : 3...4)
    try requireWeight(inputs[0], "x", inputs[0].shape)
    try require(inputs[0].shape.rank == 4, "x must have 4 axes, is \(inputs[0].shape)")
    try require(inputs[1].shape.rank == 5, "weight must have 5 axes, is \(inputs[1].shape)")
    let (x, w) = (inputs[0].shape, inputs[1].shape)
    try requireWeight(inputs[1], "weight", [w[0], w[1], w[2], w[3], x[3]])
    try requireWeight(inputs[2], "bias", [w[0]])
    var frames = x[0]
    if hasHistory(inputCount: inputs.count) {
      let history = inputs[3]
      try require(
        history.dtype == inputs[0].dtype && history.shape.rank == 4
          && history.shape.dimensions.dropFirst() == x.dimensions.dropFirst(), "history \(history) before \(inputs[0])")
      frames += inputs[3].shape[0]
    }
    let border = padding.leading + padding.trailing
    let zoom = upsamples ? 2 : 1
    try require(
      frames >= w[1] && zoom * x[1] + border >= w[2] && zoom * x[2] + border >= w[3] && w.count > 0,
      "\(frames) frames of \(x) are smaller than the kernel \(w)")
    let output = TensorType(
      [
        (frames - w[1]) / stride.time + 1, (zoom * x[1] + border - w[2]) / stride.space + 1,
        (zoom * x[2] + border - w[3]) / stride.space + 1, w[0],
      ], .f32)
    if addsResidual {
      let residual = inputs[inputs.count - 1]
      try require(residual == output, "residual \(residual) for output \(output)")
    }
    return [output]
  }

  /// The residual is read where the result is written, by the invocation that writes it.
  public func inPlaceInputs(_ inputs: [TensorType]) -> [Int] { addsResidual ? [inputs.count - 1] : [] }

  public func flops(_ inputs: [TensorType]) -> Int {
    let outputs = (try? outputTypes(inputs))?[0].shape.count ?? 0
    return 2 * outputs * inputs[1].shape.rowCount
  }

  /// That of a product (`Linear`) with sums as long as the kernel's offsets and channels together.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double {
    Linear.sumErrorBound(inner: inputs[1].shape.rowCount, factors: inputs[0].dtype)
  }
}
