import LumosFiles
import LumosTensor

extension ModelBundle {
  /// Writes the bundle as a tidy folder: safetensors under the published names, the tokenizer, and a `config.json` that
  /// says all sizes.
  ///
  /// Weights are read and written one after the other. The folder is complete when its `config.json` is there, which comes
  /// last.
  ///
  /// - Parameters:
  ///   - folder: must not exist, or be empty.
  ///   - dtype: f32, f16 or bf16 for matrices and kernels; nil to keep what each is, and f16 for what is in blocks. Gains, biases and other vectors of
  ///     float32 stay float32.
  ///   - onPart: hears of every part, before it is written.
  /// - Throws: `LumosError(.cannotWrite)` if the folder cannot be made or is not empty; `.badInput` for a weight that
  ///   overflows f16; `.inputOutput` if reading or writing fails.
  public func convert(
    to folder: String, dtype: DType? = nil, onPart: (ModelConfiguration.Part, String) throws -> Void = { _, _ in }
  ) throws {
    try Self.makeFolders(of: folder)
    var files: [ModelConfiguration.Part: String] = [:]
    for (part, weights, file) in [
      (ModelConfiguration.Part.transformer, transformer, "LumosX_models/model.safetensors"),
      (.vae, vae, "vae.safetensors"), (.umt5, umt5, "umt5.safetensors"),
    ] {
      try onPart(part, "\(folder)/\(file)")
      try weights.write(to: "\(folder)/\(file)", dtype: dtype)
      files[part] = file
    }
    try onPart(.tokenizer, folder + "/tokenizer/spiece.model")
    files[.tokenizer] = try copyTokenizer(to: folder)
    var configuration = configuration
    configuration.files = files
    try configuration.write(to: folder)
  }

  /// Makes the folders of a bundle. Errors as for `convert`.
  public static func makeFolders(of folder: String) throws(LumosError) {
    guard FileKind(folder) == nil || (FileKind(folder) == .folder && FileKind.names(in: folder).isEmpty) else {
      throw LumosError(.cannotWrite, "is there already, and not empty", at: folder, advice: "name a new folder")
    }
    for path in [folder, folder + "/LumosX_models", folder + "/tokenizer"] { try FileKind.makeFolder(path) }
  }

  /// Copies the tokenizer's files into another bundle's folder, and returns where it is there.
  public func copyTokenizer(to folder: String) throws(LumosError) -> String {
    try copy(tokenizerPath, to: folder + "/tokenizer/spiece.model")
    if let tokenizerJSONPath { try copy(tokenizerJSONPath, to: folder + "/tokenizer/tokenizer.json") }
    return "tokenizer/spiece.model"
  }

  private func copy(_ source: String, to target: String) throws(LumosError) {
    let file = try AtomicFile(replacing: target)
    try MappedFile(source).withUnsafeBytes { bytes throws(LumosError) in try file.write(bytes) }
    try file.commit()
  }
}

extension CheckpointWeights {
  /// Writes the weights as safetensors under the published names. See `ModelBundle.convert`.
  func write(to path: String, dtype: DType?) throws {
    func target(_ type: TensorType) -> TensorType {
      // Safetensors know no blocks.
      guard let dtype = dtype ?? (type.dtype.isBlocked ? .f16 : nil), type.dtype.isFloat, type.shape.rank > 1 else {
        return type
      }
      return TensorType(type.shape, dtype)
    }
    let types = names.compactMap { name in type(ofWeight: name).map { (name: name, type: target($0)) } }
    let announced = Dictionary(types.map { ($0.name, $0.type) }) { first, _ in first }
    try SafetensorsWriter.write(types, metadata: ["format": "pt"], to: path) { name in
      let tensor = try weight(name)
      guard let type = announced[name], type.dtype != tensor.dtype else { return tensor }
      let converted = tensor.converted(to: type.dtype)
      guard type.dtype != .f16 || zip(tensor.floats(), converted.floats()).allSatisfy({ $0.isFinite == $1.isFinite })
      else {
        throw LumosError(
          .badInput, "holds numbers that f16 cannot, which ends at 65504", at: "\(checkpoint.path), tensor \(name)",
          advice: "convert to bf16")
      }
      return converted
    }
  }
}

extension ModelConfiguration {
  /// Writes `config.json` into a bundle's folder.
  public func write(to folder: String) throws(LumosError) {
    try AtomicFile.write(json.text(indented: true) + "\n", to: folder + "/config.json")
  }

  /// The configuration as `config.json` has it, every key said.
  public var json: JSONValue {
    func real(_ value: Float) -> JSONValue { .number(Double("\(value)") ?? Double(value)) }
    let files = Part.allCases.compactMap { part in self.files[part].map { JSONValue.Member(part.rawValue, .string($0)) }
    }
    return [
      "name": .string(name), "files": .object(files),
      "transformer": [
        "dim": .integer(transformer.width), "num_heads": .integer(transformer.heads),
        "num_layers": .integer(transformer.layers), "ffn_dim": .integer(transformer.feedForwardWidth),
        "in_dim": .integer(transformer.inputChannels), "out_dim": .integer(transformer.outputChannels),
        "freq_dim": .integer(transformer.frequencyWidth), "text_dim": .integer(transformer.textWidth),
        "text_len": .integer(transformer.textLength), "eps": real(transformer.epsilon),
        "ratio": real(transformer.relationRatio), "pool_size": .integer(transformer.relationPool),
      ],
      "umt5": [
        "vocab_size": .integer(umt5.vocabulary), "dim": .integer(umt5.width), "dim_attn": .integer(umt5.attentionWidth),
        "dim_ffn": .integer(umt5.feedForwardWidth), "num_heads": .integer(umt5.heads),
        "num_layers": .integer(umt5.layers), "num_buckets": .integer(umt5.buckets),
        "max_distance": .integer(umt5.maxDistance), "eps": real(umt5.epsilon),
      ],
      "vae": [
        "dim": .integer(vae.width), "z_dim": .integer(vae.latentChannels),
        "dim_mult": .array(vae.multipliers.map { .integer($0) }), "num_res_blocks": .integer(vae.residualBlocks),
        "temperal_downsample": .array(vae.temporalDownsampling.map { .bool($0) }),
        "latent_mean": .array(vae.latentMean.map(real)), "latent_std": .array(vae.latentDeviation.map(real)),
      ],
      "sampling": [
        "height": .integer(sampling.height), "width": .integer(sampling.width), "frames": .integer(sampling.frames),
        "fps": .integer(sampling.framesPerSecond), "steps": .integer(sampling.steps),
        "shift": .number(sampling.shift), "cfg": real(sampling.guidance), "seed": .integer(Int(sampling.seed)),
        "negative_prompt": .string(sampling.negativePrompt),
      ],
    ]
  }
}
