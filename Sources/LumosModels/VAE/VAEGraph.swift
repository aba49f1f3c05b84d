import LumosGraph
import LumosOps
import LumosTensor

/// Builds the video autoencoder's graphs (MODEL.md section 11), frames channels last: `[T, H, W, C]`.
///
/// Video passes in chunks: one frame, then `temporalFactor` frames at a time (one latent frame at a time when
/// decoding). What the causal convolutions must remember between chunks lives in states of the session, named after
/// the convolution (`"decoder.upsamples.3.time_conv.cache"`), so memory does not grow with the video. States are zero
/// before the first chunk, which is exactly the zero padding in front of the video; only the changes of frame rate
/// treat the first chunk in a way of their own, which is why it has a graph of its own.
///
/// The decoder is in two parts. Its lower levels make the frames of a latent frame; nothing above them changes their
/// number any more, so the upper levels, where frames are large, take them one at a time.
public struct VAEGraph: Sendable {
  /// Which chunk a graph is for.
  public enum Chunk: Sendable, Hashable {
    /// The first of several: one frame, one latent frame.
    case first
    /// Any other: `temporalFactor` frames, one latent frame.
    case later
    /// The only one: one frame, one latent frame. Nothing comes before or after it, so nothing is remembered, and of
    /// the convolutions only the last frame of the kernel acts.
    case single
  }

  /// Sizes.
  public let configuration: VAEConfiguration

  /// An autoencoder of these sizes.
  public init(_ configuration: VAEConfiguration) { self.configuration = configuration }

  /// Frames in a chunk.
  public func frames(in chunk: Chunk) -> Int { chunk == .later ? configuration.temporalFactor : 1 }

  /// The kind of chunk `index` of `count`.
  static func chunk(_ index: Int, of count: Int) -> Chunk { index > 0 ? .later : count > 1 ? .first : .single }

  // MARK: - Encoder

  /// The normalised posterior mean `[1, h, w, latentChannels]` of a chunk of frames `[t, H, W, 3]` in [-1, 1]; height
  /// and width are multiples of `spatialFactor`.
  public func encode(
    _ frames: Graph.ValueID, chunk: Chunk, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let widths = [configuration.width] + configuration.multipliers.map { $0 * configuration.width }
    var x = try causalConvolution(frames, "encoder.conv1", outputs: widths[0], chunk: chunk, in: &builder)
    var layer = 0
    func next() -> String {
      defer { layer += 1 }
      return "encoder.downsamples.\(layer)."
    }
    for level in configuration.multipliers.indices {
      for _ in 0..<configuration.residualBlocks {
        x = try residual(x, next(), outputs: widths[level + 1], chunk: chunk, in: &builder)
      }
      if level < configuration.temporalDownsampling.count {
        let temporal = configuration.temporalDownsampling[level]
        x = try downsample(x, next(), temporal: temporal, chunk: chunk, in: &builder)
      }
    }
    x = try middle(x, "encoder.middle.", chunk: chunk, in: &builder)
    let latent = configuration.latentChannels
    x = try head(x, "encoder.head.", outputs: 2 * latent, chunk: chunk, in: &builder)
    // The other half of the rows makes the log-variance, which inference does not sample.
    x = try builder.pointwise(x, "conv1", stored: [2 * latent, 2 * latent, 1, 1, 1], rows: 0..<latent)
    let (mean, deviation) = (configuration.latentMean, configuration.latentDeviation)
    return try affine(
      x, scale: deviation.map { 1 / Double($0) }, shift: zip(mean, deviation).map { -Double($0) / Double($1) },
      "normalise", in: &builder)
  }

  // MARK: - Decoder

  /// The lower levels: of a normalised latent frame `[1, h, w, latentChannels]` all its frames `[t, h', w', C]`, as
  /// large and deep as they are (`upperInput`) where their number changes for the last time.
  public func decodeLower(
    _ latent: Graph.ValueID, chunk: Chunk, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let channels = configuration.latentChannels
    var x = try affine(
      latent, scale: configuration.latentDeviation.map(Double.init), shift: configuration.latentMean.map(Double.init),
      "denormalise", in: &builder)
    x = try builder.pointwise(x, "conv2", stored: [channels, channels, 1, 1, 1], rows: 0..<channels)
    x = try causalConvolution(x, "decoder.conv1", outputs: decoderWidths[0], chunk: chunk, in: &builder)
    x = try middle(x, "decoder.middle.", chunk: chunk, in: &builder)
    guard let last = lastTemporalLevel else { return x }
    for level in 0...last {
      x = try decoderBlocks(x, level, chunk: chunk, in: &builder)
      if decoderTemporal[level] { x = try doubleFrames(x, upsampling(level), chunk: chunk, in: &builder) }
      if level < last { x = try enlarge(x, upsampling(level), in: &builder) }
    }
    return x
  }

  /// The upper levels: of frames that the lower ones made, finished frames `[t, H, W, 3]`, not clamped.
  public func decodeUpper(
    _ frames: Graph.ValueID, chunk: Chunk, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    var x = frames
    for level in decoderWidths.indices where level >= lastTemporalLevel ?? 0 {
      if level != lastTemporalLevel { x = try decoderBlocks(x, level, chunk: chunk, in: &builder) }
      if level < decoderTemporal.count { x = try enlarge(x, upsampling(level), in: &builder) }
    }
    return try head(x, "decoder.head.", outputs: configuration.imageChannels, chunk: chunk, in: &builder)
  }

  /// Shape `[1, h', w', C]` of one of the frames between the decoder's lower and upper levels, for latent frames of
  /// `height` x `width`.
  func upperInput(height: Int, width: Int) -> Shape {
    let level = lastTemporalLevel ?? 0
    return [1, height << level, width << level, decoderWidths[level]]
  }

  /// Channels of the decoder's levels, from the latent's resolution up.
  private var decoderWidths: [Int] { configuration.multipliers.reversed().map { $0 * configuration.width } }
  /// Which steps from one level of the decoder to the next also double the frames.
  private var decoderTemporal: [Bool] { configuration.temporalDownsampling.reversed() }
  /// The level behind which frames are doubled for the last time.
  private var lastTemporalLevel: Int? { decoderTemporal.lastIndex(of: true) }

  /// Prefix of the step from `level` to the next.
  private func upsampling(_ level: Int) -> String {
    "decoder.upsamples.\(level * (configuration.residualBlocks + 2) + configuration.residualBlocks + 1)."
  }

  /// The residual blocks of a level.
  private func decoderBlocks(
    _ x: Graph.ValueID, _ level: Int, chunk: Chunk, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    var x = x
    for block in 0...configuration.residualBlocks {
      let prefix = "decoder.upsamples.\(level * (configuration.residualBlocks + 2) + block)."
      x = try residual(x, prefix, outputs: decoderWidths[level], chunk: chunk, in: &builder)
    }
    return x
  }

  // MARK: - Both

  private func middle(
    _ x: Graph.ValueID, _ prefix: String, chunk: Chunk, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let channels = builder.shape(of: x)[3]
    var x = try residual(x, prefix + "0.", outputs: channels, chunk: chunk, in: &builder)
    x = try attention(x, prefix + "1.", in: &builder)
    return try residual(x, prefix + "2.", outputs: channels, chunk: chunk, in: &builder)
  }

  private func head(
    _ x: Graph.ValueID, _ prefix: String, outputs: Int, chunk: Chunk, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let normed = try builder.channelNorm(x, gamma: prefix + "0.gamma", axes: 4)
    let active = try builder.activation(.silu, normed, prefix + "1")
    return try causalConvolution(active, prefix + "2", outputs: outputs, chunk: chunk, in: &builder)
  }

  private func affine(
    _ x: Graph.ValueID, scale: [Double], shift: [Double], _ label: String, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let constants = [scale, shift].map { builder.constant(Tensor($0.map { Float($0) }, [$0.count])) }
    return try builder.apply(ChannelAffine(), [x] + constants, label)
  }
}
