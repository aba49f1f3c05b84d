import LumosOps
import LumosTensor

/// The rest of the models' vocabulary.
extension GraphBuilder {
  /// `a · b`; b may repeat into a.
  public mutating func multiply(_ a: Value, _ b: Value, _ label: String) throws(Failure) -> Value {
    try apply(Elementwise(.multiply), [a, b], label)
  }

  /// b behind a along the outermost axis.
  public mutating func concatenate(_ a: Value, _ b: Value, _ label: String) throws(Failure) -> Value {
    try apply(Concatenate(), [a, b], label)
  }

  /// Indices `range` of the outermost axis.
  public mutating func slice(_ x: Value, _ range: Range<Int>, _ label: String) throws(Failure) -> Value {
    try apply(Slice(start: range.lowerBound, count: range.count), [x], label)
  }

  /// `x Wᵀ + b` with rows `rows` of a checkpoint weight of shape `stored`, its other axes flattened: 1x1x1
  /// convolutions, and parts of weights that the checkpoint stores together.
  public mutating func linear(
    _ x: Value, _ prefix: String, stored: Shape, rows: Range<Int>, label: String? = nil
  ) throws(Failure) -> Value {
    let layout = WeightLayout.rows(start: rows.lowerBound, count: rows.count)
    let weight = try weight(prefix + ".weight", stored, layout: layout)
    let bias = try self.weight(prefix + ".bias", [stored[0]], layout: layout)
    return try adding(to: apply(Linear(), [x, weight, bias], label ?? prefix), of: x, prefix, rows: rows)
  }

  /// Layer norm without gain and bias.
  public mutating func layerNorm(_ x: Value, epsilon: Float, _ label: String) throws(Failure) -> Value {
    try apply(LayerNorm(epsilon: epsilon), [x], label)
  }

  /// Layer norm with gain `prefix.weight` and bias `prefix.bias`.
  public mutating func layerNorm(_ x: Value, _ prefix: String, epsilon: Float) throws(Failure) -> Value {
    let width = shape(of: x)[-1]
    let inputs = [x, try weight(prefix + ".weight", [width]), try weight(prefix + ".bias", [width])]
    return try apply(LayerNorm(epsilon: epsilon), inputs, prefix)
  }

  /// `x · (1 + table[scaleRow]) + table[shiftRow]`.
  public mutating func modulate(
    _ x: Value, by table: Value, shiftRow: Int, scaleRow: Int, _ label: String
  ) throws(Failure) -> Value {
    try apply(Modulate(shiftRow: shiftRow, scaleRow: scaleRow), [x, table], label)
  }

  /// `x + y · table[gateRow]`.
  public mutating func gatedAdd(
    _ x: Value, _ y: Value, by table: Value, gateRow: Int, _ label: String
  ) throws(Failure) -> Value {
    try apply(GatedAdd(gateRow: gateRow), [x, y, table], label)
  }

  /// The VAE's norm with gain `gamma`, which the checkpoint stores as `[C, 1, …]` with `axes` axes in all.
  public mutating func channelNorm(_ x: Value, gamma: String, axes: Int) throws(Failure) -> Value {
    let channels = shape(of: x)[-1]
    let stored = Shape([channels] + Array(repeating: 1, count: axes - 1))
    let gain = try weight(gamma, stored, layout: .shape([channels]))
    return try apply(ChannelNorm(), [x, gain], gamma)
  }

  /// A convolution with `prefix.weight [outputs, C, kernel…]` (kernel of two or three axes) and `prefix.bias`.
  /// - Parameter layout: `.channelsLast`, or `.lastFrame` where all frames but x are zero.
  public mutating func convolution(
    _ x: Value, _ prefix: String, outputs: Int, kernel: [Int], stride: Conv3D.Stride = Conv3D.Stride(),
    padding: Conv3D.Padding, history: Value? = nil, layout: WeightLayout = .channelsLast
  ) throws(Failure) -> Value {
    let stored = Shape([outputs, shape(of: x)[-1]] + kernel)
    var inputs = [x, try weight(prefix + ".weight", stored, layout: layout), try weight(prefix + ".bias", [outputs])]
    if let history { inputs.append(history) }
    return try apply(Conv3D(stride: stride, padding: padding), inputs, prefix)
  }

  /// Frames `[T, h, w, C]` as rows `[T·h·w, C]`: a patch of side one leaves every number where it is.
  public mutating func flattenFrames(_ x: Value, _ label: String) throws(Failure) -> Value {
    try apply(Patchify(patch: 1), [x], label)
  }

  /// Rows `[T·h·w, C]` as frames `[T, h, w, C]` of the same extents as `like` in time and space.
  public mutating func restoreFrames(_ x: Value, like: Shape, _ label: String) throws(Failure) -> Value {
    try apply(Unpatchify(frames: like[0], height: like[1], width: like[2], patch: 1), [x], label)
  }
}
