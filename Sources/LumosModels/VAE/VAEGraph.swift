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
public struct VAEGraph: Sendable {
  /// Which chunk a graph is for.
  public enum Chunk: Sendable, Hashable {
    /// The first: one frame, one latent frame.
    case first
    /// Any other: `temporalFactor` frames, one latent frame.
    case later
  }

  /// Sizes.
  public let configuration: VAEConfiguration

  /// An autoencoder of these sizes.
  public init(_ configuration: VAEConfiguration) { self.configuration = configuration }

  /// Frames in a chunk.
  public func frames(in chunk: Chunk) -> Int { chunk == .first ? 1 : configuration.temporalFactor }

  /// The normalised posterior mean `[1, h, w, latentChannels]` of a chunk of frames `[t, H, W, 3]` in [-1, 1]; height
  /// and width are multiples of `spatialFactor`.
  public func encode(
    _ frames: Graph.ValueID, chunk: Chunk, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let widths = [configuration.width] + configuration.multipliers.map { $0 * configuration.width }
    var x = try causalConvolution(frames, "encoder.conv1", outputs: widths[0], in: &builder)
    var layer = 0
    func next() -> String {
      defer { layer += 1 }
      return "encoder.downsamples.\(layer)."
    }
    for level in configuration.multipliers.indices {
      for _ in 0..<configuration.residualBlocks {
        x = try residual(x, next(), outputs: widths[level + 1], in: &builder)
      }
      if level < configuration.temporalDownsampling.count {
        let temporal = configuration.temporalDownsampling[level]
        x = try downsample(x, next(), temporal: temporal, chunk: chunk, in: &builder)
      }
    }
    x = try middle(x, "encoder.middle.", in: &builder)
    let latent = configuration.latentChannels
    x = try head(x, "encoder.head.", outputs: 2 * latent, in: &builder)
    // The other half of the rows makes the log-variance, which inference does not sample.
    x = try builder.linear(x, "conv1", stored: [2 * latent, 2 * latent, 1, 1, 1], rows: 0..<latent)
    let (mean, deviation) = (configuration.latentMean, configuration.latentDeviation)
    return try affine(
      x, scale: deviation.map { 1 / Double($0) }, shift: zip(mean, deviation).map { -Double($0) / Double($1) },
      "normalise", in: &builder)
  }

  /// The frames `[t, H, W, 3]` of a normalised latent frame `[1, h, w, latentChannels]`, not clamped.
  public func decode(
    _ latent: Graph.ValueID, chunk: Chunk, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let channels = configuration.latentChannels
    let widths = configuration.multipliers.reversed().map { $0 * configuration.width }
    var x = try affine(
      latent, scale: configuration.latentDeviation.map(Double.init), shift: configuration.latentMean.map(Double.init),
      "denormalise", in: &builder)
    x = try builder.linear(x, "conv2", stored: [channels, channels, 1, 1, 1], rows: 0..<channels)
    x = try causalConvolution(x, "decoder.conv1", outputs: widths[0], in: &builder)
    x = try middle(x, "decoder.middle.", in: &builder)
    var layer = 0
    func next() -> String {
      defer { layer += 1 }
      return "decoder.upsamples.\(layer)."
    }
    let temporal = Array(configuration.temporalDownsampling.reversed())
    for level in widths.indices {
      for _ in 0...configuration.residualBlocks {
        x = try residual(x, next(), outputs: widths[level], in: &builder)
      }
      if level < temporal.count {
        x = try upsample(x, next(), temporal: temporal[level], chunk: chunk, in: &builder)
      }
    }
    return try head(x, "decoder.head.", outputs: configuration.imageChannels, in: &builder)
  }

  private func middle(
    _ x: Graph.ValueID, _ prefix: String, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let channels = builder.shape(of: x)[3]
    var x = try residual(x, prefix + "0.", outputs: channels, in: &builder)
    x = try attention(x, prefix + "1.", in: &builder)
    return try residual(x, prefix + "2.", outputs: channels, in: &builder)
  }

  private func head(
    _ x: Graph.ValueID, _ prefix: String, outputs: Int, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let normed = try builder.channelNorm(x, gamma: prefix + "0.gamma", axes: 4)
    let active = try builder.activation(.silu, normed, prefix + "1")
    return try causalConvolution(active, prefix + "2", outputs: outputs, in: &builder)
  }

  private func affine(
    _ x: Graph.ValueID, scale: [Double], shift: [Double], _ label: String, in builder: inout GraphBuilder
  ) throws(GraphBuilder.Failure) -> Graph.ValueID {
    let constants = [scale, shift].map { builder.constant(Tensor($0.map { Float($0) }, [$0.count])) }
    return try builder.apply(ChannelAffine(), [x] + constants, label)
  }
}
