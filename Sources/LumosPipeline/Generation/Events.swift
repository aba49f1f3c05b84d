import LumosTensor

/// What a generation reports while it runs.
public enum GenerationEvent: Sendable {
  /// What is done about the device's memory in each stage, and the most bytes that will be on it; before the first
  /// stage, from a backend that counts its memory.
  case memory(rungs: [Stage: MemoryLadder.Rung], peakBytes: Int)
  /// A stage has begun.
  case stage(Stage)
  /// Step `index` (from 1) of `count` is done; the estimate of what is left covers the steps only.
  case step(index: Int, count: Int, secondsLeft: Double)
  /// This much of a stage is done, from 0 to 1: between two steps, prompts or images that take long, twice a second at
  /// most.
  case progress(stage: Stage, fraction: Double)
  /// What a video will look like, as far as the last step can tell (`Pipeline.previewEvery`).
  case preview(GenerationPreview)
  /// `count` frames of `total`, those of all videos, have gone to the encoder.
  case frames(count: Int, total: Int)
  /// A video is complete.
  case output(GenerationResult.Output)
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
  /// One video.
  public struct Output: Sendable {
    /// The video (MP4), or the picture (PNG) when one frame was asked for.
    public let path: String
    /// Seed of its noise; nil where the noise was given.
    public let seed: UInt64?
    /// Final latent `[16, T, h, w]`.
    public let latents: Tensor
    /// SHA-256 of the latent's float32 bytes, in hexadecimal.
    public let latentsSha256: String
  }

  /// The videos, in the order of their seeds; at least one.
  public let outputs: [Output]
  /// Path of the first video.
  public var outputPath: String { outputs[0].path }
  /// SHA-256 of the first video's final latent.
  public var latentsSha256: String { outputs[0].latentsSha256 }
  /// Final latent of the first video.
  public var latents: Tensor { outputs[0].latents }
  /// Wall-clock seconds of each stage.
  public let seconds: [Stage: Double]
  /// Of each stage, seconds until its first graph was handed to the device: weights loaded, kernels compiled. Empty on
  /// the CPU, which loads nothing ahead.
  public let secondsToFirstDispatch: [Stage: Double]
  /// Largest number of bytes held on the device at once (0 on the CPU, which does not count).
  public let peakDeviceBytes: Int
  /// Every choice that was made.
  public let settings: Settings
}
