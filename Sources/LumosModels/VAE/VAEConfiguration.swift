/// Sizes of the video autoencoder and its latent statistics. The defaults are those of Wan2.1 (MODEL.md section 11).
public struct VAEConfiguration: Sendable, Hashable {
  /// Channels at full resolution.
  public var width: Int
  /// Channels of each level, as multiples of `width`, from full resolution down.
  public var multipliers: [Int]
  /// Residual blocks per level of the encoder; the decoder has one more.
  public var residualBlocks: Int
  /// Which steps from one level to the next also halve time; one entry fewer than `multipliers`. The decoder uses
  /// them in reverse.
  public var temporalDownsampling: [Bool]
  /// Channels of a frame (red, green, blue).
  public var imageChannels: Int
  /// Mean of each latent channel over training data; its count is the number of latent channels.
  public var latentMean: [Float]
  /// Standard deviation of each latent channel.
  public var latentDeviation: [Float]

  /// The published sizes, except those given.
  public init(
    width: Int = 96, multipliers: [Int] = [1, 2, 4, 4], residualBlocks: Int = 2,
    temporalDownsampling: [Bool] = [false, true, true], imageChannels: Int = 3,
    latentMean: [Float] = wanLatentMean, latentDeviation: [Float] = wanLatentDeviation
  ) {
    self.width = width
    self.multipliers = multipliers
    self.residualBlocks = residualBlocks
    self.temporalDownsampling = temporalDownsampling
    self.imageChannels = imageChannels
    self.latentMean = latentMean
    self.latentDeviation = latentDeviation
  }

  /// Channels of the latent.
  public var latentChannels: Int { latentMean.count }
  /// Pixels per latent pixel, in each direction of space (8).
  public var spatialFactor: Int { 1 << temporalDownsampling.count }
  /// Frames per latent frame after the first (4).
  public var temporalFactor: Int { 1 << temporalDownsampling.count(where: { $0 }) }

  /// Latent frames of a video of `frames` frames; frames beyond the last whole group do not count.
  public func latentFrames(frames: Int) -> Int { 1 + (frames - 1) / temporalFactor }
  /// Frames of a video of `latentFrames` latent frames.
  public func frames(latentFrames: Int) -> Int { 1 + (latentFrames - 1) * temporalFactor }

  /// Latent means of Wan2.1.
  public static let wanLatentMean: [Float] = [
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517, -0.3632, -0.1922,
    -0.9497, 0.2503, -0.2921,
  ]
  /// Latent standard deviations of Wan2.1.
  public static let wanLatentDeviation: [Float] = [
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253,
    2.8251, 1.9160,
  ]
}
