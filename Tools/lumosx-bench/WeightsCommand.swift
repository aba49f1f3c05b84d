import ArgumentParser
import LumosCommand
import LumosFiles
import LumosModels
import LumosTensor

/// `lumosx-bench weights`: a bundle of the published sizes with random weights, to measure loading and memory.
struct WeightsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "weights",
    abstract: "Write a bundle of the published sizes with random weights, to measure how weights are loaded.",
    discussion: """
      The videos that it makes are noise. 2.8 GB for the transformer and 11.4 GB for the text encoder in f16; 28 GB for \
      the transformer of 14 billion parameters.
      """)

  @Argument(help: "The folder to write; must not exist or be empty.")
  var folder: String

  @Option(help: "A bundle whose tokenizer is taken. Default: the one that travels with the program.")
  var tokenizerFrom: String?

  @Flag(help: "The transformer of 14 billion parameters.")
  var large = false

  @Option(help: "Number of the transformer's blocks. Default: all.")
  var layers: Int?

  @Option(help: "Number of the text encoder's blocks. Default: all.")
  var textLayers: Int?

  func run() throws {
    Interruption.listen()
    try Reporting.run {
      var model = ModelConfiguration()
      model.name = "random weights"
      if large {
        (model.transformer.width, model.transformer.heads) = (5120, 40)
        (model.transformer.layers, model.transformer.feedForwardWidth) = (40, 13_824)
      }
      if let layers { model.transformer.layers = max(layers, 1) }
      if let textLayers { model.umt5.layers = max(textLayers, 1) }
      let source = try ModelBundle(BundleSearch().path(explicit: tokenizerFrom))
      try RandomBundle.write(model, tokenizer: source, to: folder) { path in
        try Interruption.check()
        Reporting.note("writing \(path)")
      }
      Reporting.line(folder)
    }
  }
}

/// A bundle of random weights.
enum RandomBundle {
  /// Writes it part by part; its `config.json` comes last.
  /// - Throws: as `ModelBundle.convert`.
  static func write(
    _ configuration: ModelConfiguration, tokenizer: ModelBundle, to folder: String,
    onFile: (String) throws -> Void
  ) throws {
    try ModelBundle.makeFolders(of: folder)
    var configuration = configuration
    for (part, shapes, file) in [
      (
        ModelConfiguration.Part.transformer, ExpectedTensors.transformer(configuration.transformer),
        "LumosX_models/model.safetensors"
      ),
      (.vae, ExpectedTensors.vae(configuration.vae), "vae.safetensors"),
      (.umt5, ExpectedTensors.umt5(configuration.umt5), "umt5.safetensors"),
    ] {
      try onFile("\(folder)/\(file)")
      let weights = RandomWeights(shapes: shapes, dtype: .f16)
      let types = shapes.sorted { $0.key < $1.key }.map { (name: $0.key, type: TensorType($0.value, .f16)) }
      try SafetensorsWriter.write(types, to: "\(folder)/\(file)") { try weights.weight($0) }
      configuration.files[part] = file
    }
    configuration.files[.tokenizer] = try tokenizer.copyTokenizer(to: folder)
    try configuration.write(to: folder)
  }
}
