import LumosTensor

/// What a generation reports while it runs.
public enum GenerationEvent: Sendable {
  /// A stage has begun.
  case stage(Stage)
  /// Step `index` (from 1) of `count` is done; the estimate of what is left covers the steps only.
  case step(index: Int, count: Int, secondsLeft: Double)
  /// `count` frames of `total` have gone to the encoder.
  case frames(count: Int, total: Int)
  /// Something that deserves attention but does not stop the work.
  case warning(String)
}

/// The stages of a generation, in order.
public enum Stage: String, Sendable, CaseIterable {
  /// The prompts become text embeddings.
  case textEncoder
  /// The reference images become latents.
  case vaeEncode
  /// Noise becomes the video's latent, step by step.
  case transformer
  /// The latent becomes frames, which are encoded as they come.
  case vaeDecode
}

/// What a generation made.
public struct GenerationResult: Sendable {
  /// The video (MP4), or the picture (PNG) when one frame was asked for.
  public let outputPath: String
  /// SHA-256 of the final latent's float32 bytes, `[16, T, h, w]`, in hexadecimal.
  public let latentsSha256: String
  /// Final latent `[16, T, h, w]`.
  public let latents: Tensor
  /// Wall-clock seconds of each stage.
  public let seconds: [Stage: Double]
  /// Largest number of bytes held on the device at once (0 on the CPU, which does not count).
  public let peakDeviceBytes: Int
  /// Every choice that was made.
  public let settings: Settings
}
