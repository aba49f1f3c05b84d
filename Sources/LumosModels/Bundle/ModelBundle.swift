import LumosFiles
import LumosTensor

/// A folder with everything that a generation needs: configuration, weights of the three networks, tokenizer.
///
/// Files are where `config.json` says (`files`), or else under the names of the published hub layout (MODEL.md section
/// 13) or in the folders of diffusers. Without `config.json` the sizes are those of diffusers' configurations, or else the
/// published ones, the transformer's as its tensors' shapes tell. Opening maps the checkpoints and checks their headers; weights are read when
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
    let written = FileKind(configurationPath) == nil ? nil : try ModelConfiguration(path: configurationPath)
    let files = written?.files ?? [:]
    transformer = try CheckpointWeights(CheckpointOpener.open(Self.locate(.transformer, in: path, files)))
    vae = try CheckpointWeights(CheckpointOpener.open(Self.locate(.vae, in: path, files)))
    umt5 = try CheckpointWeights(CheckpointOpener.open(Self.locate(.umt5, in: path, files)))
    if let written { configuration = written } else { configuration = try Self.undeclared(path, transformer) }
    let model = try Self.locate(.tokenizer, in: path, files)
    tokenizerPath = model
    let json = (model.lastIndex(of: "/").map { String(model[...$0]) } ?? "") + "tokenizer.json"
    tokenizerJSONPath = FileKind(json) == .file ? json : nil
  }

  /// The configuration of a folder without `config.json`.
  static func undeclared(
    _ path: String, _ transformer: CheckpointWeights?
  ) throws(LumosError) -> ModelConfiguration {
    if let declared = try ModelConfiguration(diffusersFolder: path) { return declared }
    var published = ModelConfiguration()
    if let transformer { published.transformer = TransformerConfiguration(shapesOf: transformer) }
    return published
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

  /// Usual places of a part, most specific first: files, then folders with one checkpoint.
  static func candidates(_ part: ModelConfiguration.Part) -> [String] {
    let (stems, folders): ([String], [String])
    switch part {
    case .transformer:
      stems = ["LumosX_models/model", "LumosX_models/lumosx", "LumosX_models", "transformer"]
      folders = ["LumosX_models", "transformer"]
    case .vae: (stems, folders) = (["vae", "Wan2.1_VAE"], ["vae"])
    case .umt5: (stems, folders) = (["models_t5_umt5-xxl-enc-bf16", "umt5"], ["text_encoder"])
    case .tokenizer:
      return ["umt5-xxl/spiece.model", "tokenizer/spiece.model", "google/umt5-xxl/spiece.model", "spiece.model"]
    }
    return CheckpointOpener.endings.flatMap { ending in stems.map { $0 + ending } } + folders
  }

  /// Where a part is: where `files` says, or else in the first of its usual places that there is; nil if in none.
  static func find(
    _ part: ModelConfiguration.Part, in path: String, _ files: [ModelConfiguration.Part: String]
  ) -> String? {
    if let file = files[part] { return "\(path)/\(file)" }
    return candidates(part).first { FileKind("\(path)/\($0)") != nil }.map { "\(path)/\($0)" }
  }

  private static func locate(
    _ part: ModelConfiguration.Part, in path: String, _ files: [ModelConfiguration.Part: String]
  ) throws(LumosError) -> String {
    if let found = find(part, in: path, files) { return found }
    throw LumosError(
      .badInput, "has no \(part.rawValue) file (looked for \(candidates(part).joined(separator: ", ")))", at: path,
      advice: "put it there, or name it in config.json under files; `lumosx models verify` tells what is missing")
  }
}
