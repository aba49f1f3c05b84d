import LumosFiles
import LumosTensor

/// What a bundle's `config.json` says about the model, and how it wants to be sampled.
///
/// Every key may be absent and then has the value of the published LumosX (Wan2.1-T2V-1.3B, MODEL.md sections 1, 5, 6
/// and 11). Keys keep the spelling of the published configurations (`temperal_downsample`).
public struct ModelConfiguration: Sendable {
  /// Name of the model, for people.
  public var name = "LumosX"
  /// The diffusion transformer.
  public var transformer = TransformerConfiguration()
  /// The text encoder.
  public var umt5 = UMT5Configuration()
  /// The video autoencoder.
  public var vae = VAEConfiguration()
  /// Defaults of a generation.
  public var sampling = SamplingConfiguration()
  /// Files of the bundle by part, relative to it; parts that are absent have their usual places.
  public var files: [Part: String] = [:]
  /// Paths of keys that mean nothing to this program (`"transformer.window"`), in the order of the file.
  public var unknownKeys: [String] = []

  /// The parts of a bundle.
  public enum Part: String, Sendable, Hashable, CaseIterable {
    /// Weights of the diffusion transformer.
    case transformer
    /// Weights of the video autoencoder.
    case vae
    /// Weights of the text encoder.
    case umt5
    /// The SentencePiece model.
    case tokenizer
  }

  /// The published model.
  public init() {}

  /// Reads a configuration.
  ///
  /// - Parameters:
  ///   - bytes: the text of the file.
  ///   - file: its path, for errors.
  /// - Throws: `LumosError(.badInput)` naming the file and the line, or the key's path and what is wrong with it.
  public init(json bytes: UnsafeRawBufferPointer, file: String) throws(LumosError) {
    let json: JSONValue
    do { json = try JSONValue(parsing: bytes) } catch {
      let line = 1 + bytes.prefix(error.byte).count { $0 == UInt8(ascii: "\n") }
      let column = 1 + bytes.prefix(error.byte).reversed().prefix { $0 != UInt8(ascii: "\n") }.count
      throw LumosError(.badInput, error.reason, at: "\(file), line \(line), column \(column)")
    }
    try self.init(json, file: file)
  }

  /// Reads a configuration's value.
  init(_ json: JSONValue, file: String) throws(LumosError) {
    let unknown = ConfigurationReader.Unknown()
    let reader = try ConfigurationReader(json, file: file, unknown: unknown)
    reader.noteUnknown(besides: [
      "name", "about", "dtype", "files", "transformer", "vae", "umt5", "tokenizer", "sampling",
    ])
    name = try reader.text("name", name)
    transformer = try TransformerConfiguration(reader.section("transformer"))
    vae = try VAEConfiguration(reader.section("vae"))
    umt5 = try UMT5Configuration(reader.section("umt5"), textLength: transformer.textLength)
    sampling = try SamplingConfiguration(reader.section("sampling"), vae: vae, patch: transformer.patch)

    let tokenizer = try reader.section("tokenizer")
    tokenizer.noteUnknown(besides: ["type", "pad_id", "eos_id", "unk_id", "clean", "add_eos"])
    try tokenizer.require("clean", "whitespace")
    try tokenizer.require("add_eos", true)

    let files = try reader.section("files")
    files.noteUnknown(besides: Part.allCases.map(\.rawValue))
    for part in Part.allCases {
      guard let path = try files.optionalText(part.rawValue) else { continue }
      // A configuration that was fetched from somewhere must not make the program open files elsewhere.
      guard !path.isEmpty, !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
        throw files.refusal(part.rawValue, "is \"\(path)\", which does not lie inside the bundle")
      }
      self.files[part] = path
    }

    // The parts must fit each other.
    let channels = vae.latentChannels
    for (key, value) in [("in_dim", transformer.inputChannels), ("out_dim", transformer.outputChannels)]
    where value != channels {
      throw reader.refusal("transformer.\(key)", "is \(value), but the VAE's latent has \(channels) channels")
    }
    guard transformer.textWidth == umt5.width else {
      throw reader.refusal("transformer.text_dim", "is \(transformer.textWidth), but umt5.dim is \(umt5.width)")
    }
    unknownKeys = unknown.keys
  }

  /// Reads a configuration file. Errors as for `init(json:file:)`, and those of `MappedFile`.
  public init(path: String) throws(LumosError) {
    self = try MappedFile(path).withUnsafeBytes { bytes throws(LumosError) in
      try ModelConfiguration(json: bytes, file: path)
    }
  }
}

/// Defaults of a generation: size, length and solver (MODEL.md sections 1 and 10).
public struct SamplingConfiguration: Sendable, Hashable {
  /// Height of the video in pixels.
  public var height = 480
  /// Width of the video in pixels.
  public var width = 832
  /// Frames of the video.
  public var frames = 81
  /// Frames per second.
  public var framesPerSecond = 16
  /// Solver steps.
  public var steps = 50
  /// Shift of the noise schedule.
  public var shift = 8.0
  /// Strength of guidance (`cfg`).
  public var guidance: Float = 6
  /// Seed of the initial noise.
  public var seed: UInt64 = 0
  /// Text that guidance leads away from.
  public var negativePrompt = Self.publishedNegativePrompt

  /// The published defaults.
  public init() {}

  /// The negative prompt of the published configuration.
  public static let publishedNegativePrompt =
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，丑陋的，残缺的，"
    + "多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，"
    + "倒着走"
}
