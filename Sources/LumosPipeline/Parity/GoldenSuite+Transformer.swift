import LumosFiles
import LumosGraph
import LumosModels
import LumosOps
import LumosTensor

extension GoldenSuite {
  /// The whole transformer: latent, conditions, text and timestep in, velocity and embeddings out.
  func runTransformer(
    _ entry: GoldenManifest.Entry, on backend: any Backend, bound: Double, into recorder: inout GoldenRecorder
  ) throws {
    let file = try manifest.open(entry)
    let (weights, sizes) = try manifest.weights(of: "transformer")
    let configuration = try transformerConfiguration(sizes)
    let latent = try file.requireTensor("z").withoutBatch("\(entry.path), z").channelsLast()
    let scene = try scene(entry, file, latent: latent, configuration)
    let timestep = try file.requireTensor("timestep").integers()
    guard timestep.count == 1 else {
      throw LumosError(.badInput, "timestep holds \(timestep.count) numbers, expected one", at: entry.path)
    }

    func run(_ model: TransformerGraph) throws -> [String: Tensor] {
      var builder = GraphBuilder(weights: weights)
      var feed = [
        "latent": latent, "wave": TimeWave.tensor(timestep: timestep[0], width: configuration.frequencyWidth),
        "context": model.paddedContext(try file.requireTensor("context")),
      ]
      if scene.layout.conditions > 0 { feed["conditions"] = try file.requireTensor("conds").channelsLast() }
      let values = Dictionary(uniqueKeysWithValues: feed.map { ($0, builder.input($0, $1.type)) })
      guard let latent = values["latent"], let wave = values["wave"], let context = values["context"] else {
        return [:]
      }
      let relations = model.relations(in: &builder)
      if relations.text != nil { feed["templates"] = scene.layout.textTemplates(masks: scene.masks) }
      let time = try model.timeEmbedding(wave, in: &builder)
      builder.output("time_e", time.head)
      builder.output("time_e0", time.blocks)
      builder.output("context_emb", try model.textEmbedding(context, in: &builder))
      builder.output(
        "out",
        try model.velocity(
          latent: latent, conditions: values["conditions"], context: context, time: time, relations: relations,
          allFrames: true, in: &builder))
      let executable = try backend.makeSession(weights: weights).compile(builder.graph)
      return try executable.run(feed, fetch: ["time_e", "time_e0", "context_emb", "out"])
    }

    let published = TransformerGraph(configuration, layout: scene.layout, attentionSpans: scene.defectiveSpans)
    let found = try run(published)
    for (name, tensor) in found.sorted(by: { $0.key < $1.key }) where name != "out" {
      guard let golden = file.tensor(name) else { continue }
      guard golden.count == tensor.count else {
        throw LumosError(.badInput, "\(name) has shape \(golden.shape), expected \(tensor.shape)", at: entry.path)
      }
      try recorder.compare(entry.name + "/" + name, tensor, golden.reshaped(tensor.shape), bound: bound)
    }
    guard let out = found["out"] else { return }
    let golden = try file.requireTensor("out").withoutBatch("\(entry.path), out").channelsLast()
    try recorder.compare(entry.name + "/out", out, golden, bound: bound)
    guard scene.defectiveSpans != nil else { return }

    // Our own form: after the second block the video has read what the defect did, so every frame may differ.
    guard let own = try run(TransformerGraph(configuration, layout: scene.layout))["out"] else { return }
    try recorder.mustDiffer(entry.name + "/ours/out", own, golden, atLeast: 1e-6)
    if let expected = corrected?.tensor(entry.name + ".out") {
      try recorder.compare(
        entry.name + "/ours/out", own, try expected.withoutBatch(entry.name).channelsLast(), bound: bound)
    }
  }

  /// The sequence of a case whose latent is `latent [T, h, w, channels]`.
  func scene(
    _ entry: GoldenManifest.Entry, _ file: SafetensorsFile, latent: Tensor, _ configuration: TransformerConfiguration
  ) throws -> GoldenScene {
    let fields = GoldenFields(entry.fields, place: "manifest.json, \(entry.path)")
    let (shape, patch) = (latent.shape, configuration.patch)
    guard shape.rank == 4, shape[0] == (try fields.count("T")), shape[3] == configuration.inputChannels,
      shape.count > 0
    else {
      throw LumosError(
        .badInput, "the latent has shape \(shape) (channels last), which the sizes contradict", at: entry.path)
    }
    let scene = try GoldenScene(
      fields, rows: (shape[1] + patch - 1) / patch, columns: (shape[2] + patch - 1) / patch,
      mask: file.tensor("text_mask"))
    if scene.masks.contains(where: { $0.count != configuration.textLength }) {
      throw LumosError(.badInput, "text_mask does not cover \(configuration.textLength) positions", at: entry.path)
    }
    return scene
  }

  /// Sizes under the names of the published configuration.
  func transformerConfiguration(_ sizes: GoldenFields) throws -> TransformerConfiguration {
    let standard = TransformerConfiguration()
    let configuration = TransformerConfiguration(
      width: try sizes.count("dim"), heads: try sizes.count("num_heads"), layers: try sizes.count("num_layers"),
      feedForwardWidth: try sizes.count("ffn_dim"),
      inputChannels: try sizes.count("in_dim", standard: standard.inputChannels),
      outputChannels: try sizes.count("out_dim", standard: standard.outputChannels),
      frequencyWidth: try sizes.count("freq_dim", standard: standard.frequencyWidth),
      textWidth: try sizes.count("text_dim"), textLength: try sizes.count("text_len"),
      epsilon: Float(try sizes.number("eps", standard: 1e-6)),
      relationRatio: Float(try sizes.number("ratio", standard: 0.5)))
    try requireHeads(configuration, sizes)
    guard configuration.frequencyWidth % 2 == 0 else {
      throw LumosError(.badInput, "freq_dim is odd", at: sizes.place)
    }
    return configuration
  }
}
