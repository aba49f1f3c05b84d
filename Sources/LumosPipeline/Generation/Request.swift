import LumosModels
import LumosTensor

/// What to generate. Everything but the scene has a default in the bundle's configuration.
public struct Request: Sendable {
  /// Which reference images of a scene count.
  public typealias Mode = Scene.Mode

  /// The scene folder (MODEL.md section 2).
  public var scenePath: String
  /// Which reference images count: all, or faces alone.
  public var mode: Mode
  /// Height and width of the video in pixels, multiples of 16.
  public var size: (height: Int, width: Int)?
  /// Frames of the video, 1 + 4k. One frame gives a picture.
  public var frames: Int?
  /// Solver steps.
  public var steps: Int?
  /// Shift of the noise schedule.
  public var shift: Double?
  /// Strength of guidance.
  public var guidance: Float?
  /// Seed of the initial noise.
  public var seed: UInt64?
  /// Seeds of several videos of the scene, in place of `seed`; they share what does not depend on the noise.
  public var seeds: [UInt64]?
  /// Text that guidance leads away from.
  public var negativePrompt: String?
  /// Initial noise `[16, T, h, w]` in place of the seed's, f32.
  public var noise: Tensor?
  /// Mechanisms switched off (the paper's ablations).
  public var ablation: Ablation
  /// Work that the sampler leaves out; the result is the same up to rounding.
  public var shortcuts: Shortcuts

  public init(
    scenePath: String, mode: Mode = .subject, size: (height: Int, width: Int)? = nil, frames: Int? = nil,
    steps: Int? = nil, shift: Double? = nil, guidance: Float? = nil, seed: UInt64? = nil, seeds: [UInt64]? = nil,
    negativePrompt: String? = nil, noise: Tensor? = nil, ablation: Ablation = [],
    shortcuts: Shortcuts = .standard
  ) {
    self.scenePath = scenePath
    self.mode = mode
    self.size = size
    self.frames = frames
    self.steps = steps
    self.shift = shift
    self.guidance = guidance
    self.seed = seed
    self.seeds = seeds
    self.negativePrompt = negativePrompt
    self.noise = noise
    self.ablation = ablation
    self.shortcuts = shortcuts
  }
}

/// A request with every choice made and checked.
public struct Settings: Sendable {
  /// Height of the video in pixels.
  public let height: Int
  /// Width of the video in pixels.
  public let width: Int
  /// Frames of the video.
  public let frames: Int
  /// Frames per second.
  public let framesPerSecond: Int
  /// Solver steps.
  public let steps: Int
  /// Shift of the noise schedule.
  public let shift: Double
  /// Strength of guidance.
  public let guidance: Float
  /// Seeds of the initial noise, one for each video.
  public let seeds: [UInt64]
  /// Seed of the first video.
  public var seed: UInt64 { seeds[0] }
  /// Text that guidance leads away from.
  public let negativePrompt: String
  /// Work that the sampler leaves out.
  public let shortcuts: Shortcuts

  /// Fills a request's gaps from the bundle's defaults.
  /// - Throws: `LumosError(.usage)` for a size, number of frames or steps that the model cannot make.
  public init(_ request: Request, defaults: ModelConfiguration) throws {
    let sampling = defaults.sampling
    height = request.size?.height ?? sampling.height
    width = request.size?.width ?? sampling.width
    frames = request.frames ?? sampling.frames
    framesPerSecond = sampling.framesPerSecond
    steps = request.steps ?? sampling.steps
    shift = request.shift ?? sampling.shift
    guidance = request.guidance ?? sampling.guidance
    seeds = request.seeds ?? [request.seed ?? sampling.seed]
    negativePrompt = request.negativePrompt ?? sampling.negativePrompt
    shortcuts = request.shortcuts

    if request.seeds != nil {
      if request.seed != nil || request.noise != nil {
        throw LumosError(
          .usage, "several seeds stand beside \(request.seed != nil ? "a single one" : "given noise")", at: "--seeds",
          advice: "name one or the other")
      }
      guard !seeds.isEmpty, Set(seeds).count == seeds.count else {
        throw LumosError(
          .usage, seeds.isEmpty ? "there is no seed" : "a seed is named twice", at: "--seeds",
          advice: "name different seeds: --seeds 1,2,3")
      }
    }
    let multiple = defaults.vae.spatialFactor * defaults.transformer.patch
    for (name, extent) in [("height", height), ("width", width)] {
      guard extent > 0, extent <= 8192, extent % multiple == 0 else {
        let near = (min(max(extent, multiple), 8192) + multiple / 2) / multiple * multiple
        throw LumosError(
          .usage, "\(name) \(extent) is not a multiple of \(multiple) from \(multiple) to 8192", at: "--size",
          advice: "use \(near)")
      }
    }
    let group = defaults.vae.temporalFactor
    guard frames >= 1, frames <= 4097, (frames - 1) % group == 0 else {
      let near = 1 + (min(max(frames, 1), 4097) - 1 + group / 2) / group * group
      throw LumosError(
        .usage, "\(frames) frames is not 1 + \(group)k (and at most 4097)", at: "--frames", advice: "use \(near)")
    }
    guard steps >= 1, steps <= 1000 else {
      throw LumosError(.usage, "\(steps) steps is not in 1 ... 1000", at: "--steps")
    }
    guard shift.isFinite, shift > 0, shift <= 1000 else {
      throw LumosError(.usage, "shift \(shift) is not a positive number up to 1000", at: "--shift")
    }
    guard guidance.isFinite, abs(guidance) <= 1000 else {
      throw LumosError(.usage, "guidance \(guidance) is not a number up to 1000", at: "--guidance")
    }
  }
}
