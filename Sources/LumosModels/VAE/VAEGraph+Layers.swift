import LumosGraph
import LumosOps
import LumosTensor

extension VAEGraph {
  /// A causal 3x3x3 convolution: two frames of history in front, one zero pixel around.
  func causalConvolution(
    _ x: Graph.ValueID, _ prefix: String, outputs: Int, chunk: Chunk, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    if chunk == .single {
      return try builder.convolution(
        x, prefix, outputs: outputs, kernel: [3, 3, 3], padding: Conv3D.Padding(leading: 1, trailing: 1),
        layout: .lastFrame)
    }
    return try withHistory(of: 2, before: x, prefix, in: &builder) { history, builder throws(GraphBuilder.Failure) in
      try builder.convolution(
        x, prefix, outputs: outputs, kernel: [3, 3, 3], padding: Conv3D.Padding(leading: 1, trailing: 1),
        history: history)
    }
  }

  /// Norm, SiLU and convolution twice, and a shortcut around them.
  func residual(
    _ x: Graph.ValueID, _ prefix: String, outputs: Int, chunk: Chunk, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let inputs = builder.shape(of: x)[3]
    var y = try builder.channelNorm(x, gamma: prefix + "residual.0.gamma", axes: 4)
    y = try builder.activation(.silu, y, prefix + "residual.1")
    y = try causalConvolution(y, prefix + "residual.2", outputs: outputs, chunk: chunk, in: &builder)
    y = try builder.channelNorm(y, gamma: prefix + "residual.3.gamma", axes: 4)
    y = try builder.activation(.silu, y, prefix + "residual.4")
    y = try causalConvolution(y, prefix + "residual.6", outputs: outputs, chunk: chunk, in: &builder)
    var shortcut = x
    if inputs != outputs {
      shortcut = try builder.pointwise(
        x, prefix + "shortcut", stored: [outputs, inputs, 1, 1, 1], rows: 0..<outputs)
    }
    return try builder.add(shortcut, y, prefix + "residual")
  }

  /// Attention among the pixels of each frame, one head.
  func attention(
    _ x: Graph.ValueID, _ prefix: String, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let shape = builder.shape(of: x)
    let (channels, pixels) = (shape[3], shape[1] * shape[2])
    let normed = try builder.channelNorm(x, gamma: prefix + "norm.gamma", axes: 3)
    let rows = try builder.flattenFrames(normed, prefix + "flatten")
    var parts: [Graph.ValueID] = []
    for (index, role) in ["q", "k", "v"].enumerated() {
      parts.append(
        try builder.pointwise(
          rows, prefix + "to_qkv", stored: [3 * channels, channels, 1, 1],
          rows: index * channels..<(index + 1) * channels, label: prefix + "to_" + role))
    }
    let spans = (0..<shape[0]).map { frame in
      let range = frame * pixels..<(frame + 1) * pixels
      return Attention.Span(queries: range, keys: range)
    }
    let op = Attention(heads: 1, scale: 1 / Float(channels).squareRoot(), spans: spans)
    var y = try builder.withFactors(in: []) { builder throws(GraphBuilder.Failure) in
      try builder.apply(op, parts, prefix + "attention")
    }
    y = try builder.pointwise(y, prefix + "proj", stored: [channels, channels, 1, 1], rows: 0..<channels)
    y = try builder.restoreFrames(y, like: shape, prefix + "restore")
    return try builder.add(x, y, prefix + "residual")
  }

  /// Half the size; if `temporal`, also half the frame rate.
  ///
  /// The video's first frame passes in time as it is. After it, output frame j covers the input frames 2j-2 ... 2j, so
  /// the last frame of a chunk is kept for the next.
  func downsample(
    _ x: Graph.ValueID, _ prefix: String, temporal: Bool, chunk: Chunk, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let channels = builder.shape(of: x)[3]
    let y = try builder.convolution(
      x, prefix + "resample.1", outputs: channels, kernel: [3, 3], stride: Conv3D.Stride(space: 2),
      padding: Conv3D.Padding(leading: 0, trailing: 1))
    if !temporal || chunk == .single { return y }
    return try withHistory(of: 1, before: y, prefix + "time_conv", in: &builder) {
      history, builder throws(GraphBuilder.Failure) in
      if chunk == .first { return y }
      return try builder.convolution(
        y, prefix + "time_conv", outputs: channels, kernel: [3, 1, 1], stride: Conv3D.Stride(time: 2),
        padding: Conv3D.Padding(leading: 0, trailing: 0), history: history)
    }
  }

  /// Twice as many frames; the video's first stays single, and the later ones never see it: to them the video begins
  /// after it.
  func doubleFrames(
    _ x: Graph.ValueID, _ prefix: String, chunk: Chunk, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    if chunk != .later { return x }
    let channels = builder.shape(of: x)[3]
    let pairs = try withHistory(of: 2, before: x, prefix + "time_conv", in: &builder) {
      history, builder throws(GraphBuilder.Failure) in
      try builder.convolution(
        x, prefix + "time_conv", outputs: 2 * channels, kernel: [3, 1, 1],
        padding: Conv3D.Padding(leading: 0, trailing: 0), history: history)
    }
    return try builder.apply(FrameInterleave(), [pairs], prefix + "interleave")
  }

  /// Twice the size with half the channels.
  func enlarge(
    _ x: Graph.ValueID, _ prefix: String, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let channels = builder.shape(of: x)[3]
    let doubled = try builder.apply(UpsampleNearest(), [x], prefix + "resample.0")
    return try builder.convolution(
      doubled, prefix + "resample.1", outputs: channels / 2, kernel: [3, 3],
      padding: Conv3D.Padding(leading: 1, trailing: 1))
  }

  /// Gives `body` the state `prefix.cache`: the `count` frames before `x`. Afterwards the frames of x go behind them.
  private func withHistory(
    of count: Int, before x: Graph.ValueID, _ prefix: String, in builder: inout GraphBuilder,
    _ body: (Graph.ValueID, inout GraphBuilder) throws(GraphBuilder.Failure) -> Graph.ValueID
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let name = prefix + ".cache"
    let history = builder.state(name, TensorType(Shape([count] + builder.shape(of: x).dimensions.dropFirst()), .f32))
    let result = try body(history, &builder)
    builder.append(x, toState: name)
    return result
  }
}

extension GraphBuilder {
  /// A 1x1x1 convolution. It stays float32 in half precision, as the attention does: both are small, and what they read
  /// is summed or needed in float32 anyway.
  mutating func pointwise(
    _ x: Value, _ prefix: String, stored: Shape, rows: Range<Int>, label: String? = nil
  ) throws(Failure) -> Value {
    try withFactors(in: []) { builder throws(Failure) in
      try builder.linear(x, prefix, stored: stored, rows: rows, label: label)
    }
  }
}
