import Glibc
import LumosFiles
import LumosTensor

/// A folder with everything that a generation needs: configuration, weights of the three networks, tokenizer.
///
/// Files are where `config.json` says (`files`), or else under the names of the published hub layout (MODEL.md section
/// 13) with the ending `.safetensors`. Opening maps the checkpoints and checks their headers; weights are read when
/// they are used. Call `verify()` before building a model: it compares every name and shape.
public struct ModelBundle: Sendable {
  /// The folder.
  public let path: String
  /// Sizes and defaults.
  public let configuration: ModelConfiguration
  /// Weights of the diffusion transformer.
  public let transformer: CheckpointWeights
  /// Weights of the video autoencoder.
  public let vae: CheckpointWeights
  /// Weights of the text encoder.
  public let umt5: CheckpointWeights
  /// The SentencePiece model.
  public let tokenizerPath: String
  /// `tokenizer.json` beside the SentencePiece model, or nil if there is none.
  public let tokenizerJSONPath: String?

  /// Opens a bundle.
  ///
  /// - Throws: `LumosError(.badInput)` if the folder or one of its parts is missing, or a file is refused.
  public init(_ path: String) throws(LumosError) {
    guard FileKind(path) == .folder else {
      let what = FileKind(path) == nil ? "does not exist" : "is not a folder"
      throw LumosError(.badInput, what, at: path, advice: "name the folder that holds the weights")
    }
    self.path = path
    let configurationPath = path + "/config.json"
    configuration = FileKind(configurationPath) == nil ? .init() : try ModelConfiguration(path: configurationPath)
    transformer = try CheckpointWeights(SafetensorsFile(Self.locate(.transformer, in: path, configuration)))
    vae = try CheckpointWeights(SafetensorsFile(Self.locate(.vae, in: path, configuration)))
    umt5 = try CheckpointWeights(SafetensorsFile(Self.locate(.umt5, in: path, configuration)))
    let model = try Self.locate(.tokenizer, in: path, configuration)
    tokenizerPath = model
    let json = (model.lastIndex(of: "/").map { String(model[...$0]) } ?? "") + "tokenizer.json"
    tokenizerJSONPath = FileKind(json) == .file ? json : nil
  }

  /// Compares the checkpoints with what the configuration needs: every name, every shape.
  ///
  /// - Throws: one `LumosError(.badInput)` that lists what is missing, misshapen or unknown in all three.
  public func verify() throws(LumosError) {
    let reports = [
      (transformer, transformer.deviations(from: ExpectedTensors.transformer(configuration.transformer))),
      (vae, vae.deviations(from: ExpectedTensors.vae(configuration.vae))),
      (umt5, umt5.deviations(from: ExpectedTensors.umt5(configuration.umt5))),
    ].filter { !$0.1.isEmpty }
    guard let first = reports.first else { return }
    let advice = "compare config.json with the checkpoint, or fetch the checkpoint again"
    if reports.count == 1 {
      throw LumosError(.badInput, first.1.summary(), at: first.0.checkpoint.path, advice: advice)
    }
    let list = reports.map { "\($0.0.checkpoint.path): \($0.1.summary())" }.joined(separator: "\n")
    throw LumosError(.badInput, "checkpoints do not fit the configuration\n\(list)\n", at: path, advice: advice)
  }

  /// Usual places of a part, most specific first.
  static func candidates(_ part: ModelConfiguration.Part) -> [String] {
    switch part {
    case .transformer:
      [
        "LumosX_models/model.safetensors", "LumosX_models/lumosx.safetensors", "LumosX_models.safetensors",
        "transformer.safetensors",
      ]
    case .vae: ["vae.safetensors", "Wan2.1_VAE.safetensors"]
    case .umt5: ["models_t5_umt5-xxl-enc-bf16.safetensors", "umt5.safetensors"]
    case .tokenizer:
      ["umt5-xxl/spiece.model", "tokenizer/spiece.model", "google/umt5-xxl/spiece.model", "spiece.model"]
    }
  }

  /// Files of other formats in which the part is published, for advice.
  private static func published(_ part: ModelConfiguration.Part) -> [String] {
    switch part {
    case .transformer: ["LumosX_models/all", "LumosX_models/model.pt", "LumosX_models.pt"]
    case .vae: ["vae.pth", "Wan2.1_VAE.pth"]
    case .umt5: ["models_t5_umt5-xxl-enc-bf16.pth"]
    case .tokenizer: []
    }
  }

  private static func locate(
    _ part: ModelConfiguration.Part, in path: String, _ configuration: ModelConfiguration
  ) throws(LumosError) -> String {
    if let file = configuration.files[part] { return "\(path)/\(file)" }
    let places = candidates(part)
    if let found = places.first(where: { FileKind("\(path)/\($0)") == .file }) { return "\(path)/\(found)" }
    let other = published(part).first { FileKind("\(path)/\($0)") != nil }
    let advice = other.map { "convert \($0) to \(places[0])" } ?? "put it there, or name it in config.json under files"
    throw LumosError(
      .badInput, "has no \(part.rawValue) file (looked for \(places.joined(separator: ", ")))", at: path, advice: advice
    )
  }
}

/// What lies under a path, links followed.
enum FileKind {
  case file, folder, other

  /// Nil if nothing is there.
  init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .file
    case S_IFDIR: self = .folder
    default: self = .other
    }
  }
}
