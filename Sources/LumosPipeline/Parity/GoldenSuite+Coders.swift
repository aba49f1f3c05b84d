import LumosFiles
import LumosGraph
import LumosModels
import LumosOps
import LumosTensor

extension GoldenSuite {
  /// Encodings `NAME_video` -> `NAME_latent` and decodings `NAME_latent` -> `NAME_raw`.
  func runVAE(
    _ entry: GoldenManifest.Entry, on backend: any Backend, bound: Double, into recorder: inout GoldenRecorder
  ) throws {
    let file = try manifest.open(entry)
    let (weights, sizes) = try manifest.weights(of: "vae")
    let configuration = try vaeConfiguration(sizes)
    func frames(_ name: String) throws -> Tensor {
      let tensor = try file.requireTensor(name).withoutBatch("\(entry.path), \(name)")
      guard tensor.shape.rank == 4, tensor.count > 0 else {
        throw LumosError(.badInput, "\(name) has shape \(tensor.shape), expected four axes", at: entry.path)
      }
      return tensor.channelsLast()
    }
    var cases = 0
    for name in file.names.sorted() where name.hasSuffix("_video") {
      cases += 1
      let latentName = String(name.dropLast(6)) + "_latent"
      let video = try frames(name)
      let factor = configuration.spatialFactor
      guard video.shape[1] % factor == 0, video.shape[2] % factor == 0, video.shape[3] == configuration.imageChannels
      else {
        throw LumosError(.badInput, "\(name) has shape \(video.shape) (channels last)", at: entry.path)
      }
      let encoder = VAEEncoder(
        configuration, session: try backend.makeSession(weights: weights), weights: weights, height: video.shape[1],
        width: video.shape[2])
      try recorder.compare("\(entry.name)/\(latentName)", encoder.encode(video), frames(latentName), bound: bound)
    }
    for name in file.names.sorted() where name.hasSuffix("_raw") {
      cases += 1
      let latent = try frames(String(name.dropLast(4)) + "_latent")
      guard latent.shape[3] == configuration.latentChannels else {
        throw LumosError(.badInput, "latent of \(name) has \(latent.shape[3]) channels", at: entry.path)
      }
      let decoder = VAEDecoder(
        configuration, session: try backend.makeSession(weights: weights), weights: weights,
        latentHeight: latent.shape[1], latentWidth: latent.shape[2])
      var values: [Float] = []
      var frame = Shape([])
      try decoder.decode(latent) { chunk in
        values += chunk.floats()
        frame = Shape(Array(chunk.shape.dimensions.dropFirst()))
      }
      let video = Tensor(values, Shape([values.count / frame.count] + frame.dimensions))
      try recorder.compare("\(entry.name)/\(name)", video, frames(name), bound: bound)
    }
    if cases == 0 { throw LumosError(.badInput, "holds neither videos nor decoded frames", at: entry.path) }
  }

  private func vaeConfiguration(_ sizes: GoldenFields) throws -> VAEConfiguration {
    let standard = VAEConfiguration()
    let configuration = VAEConfiguration(
      width: try sizes.count("dim"), multipliers: try sizes.integers("dim_mult", in: 1...64),
      residualBlocks: try sizes.count("num_res_blocks"),
      temporalDownsampling: try sizes.booleans("temporal_downsample"))
    guard try sizes.count("z_dim", standard: 16) == standard.latentChannels else {
      throw LumosError(.badInput, "z_dim must be \(standard.latentChannels)", at: sizes.place)
    }
    guard configuration.multipliers.count == configuration.temporalDownsampling.count + 1,
      configuration.multipliers.count <= 8
    else {
      throw LumosError(.badInput, "temporal_downsample must be one shorter than dim_mult", at: sizes.place)
    }
    return configuration
  }

  /// Token ids `[prompts, n]` with a mask of real tokens, hidden states of all positions, and relative positions.
  func runTextEncoder(
    _ entry: GoldenManifest.Entry, on backend: any Backend, bound: Double, into recorder: inout GoldenRecorder
  ) throws {
    let file = try manifest.open(entry)
    let (weights, sizes) = try manifest.weights(of: "umt5")
    let configuration = try textConfiguration(sizes)
    let ids = try file.requireTensor("ids")
    let mask = try file.requireTensor("mask")
    let golden = try file.requireTensor("out")
    guard ids.shape.rank == 2, mask.shape == ids.shape, golden.shape.rank == 3, golden.shape[0] == ids.shape[0] else {
      throw LumosError(.badInput, "ids \(ids.shape), mask \(mask.shape), out \(golden.shape)", at: entry.path)
    }
    guard ids.integers().allSatisfy({ $0 >= 0 && $0 < configuration.vocabulary }) else {
      throw LumosError(.badInput, "token ids outside the vocabulary of \(configuration.vocabulary)", at: entry.path)
    }
    let session = try backend.makeSession(weights: weights)
    let encoder = UMT5Encoder(configuration, session: session, weights: weights)
    for prompt in 0..<ids.shape[0] {
      let row = ids.rows(prompt..<prompt + 1).integers().map { Int32($0) }
      let real = mask.rows(prompt..<prompt + 1).integers().count { $0 != 0 }
      let expected = try golden.rows(prompt..<prompt + 1).withoutBatch(entry.path)
      // All positions, as the published code computes them, and the real ones alone, as this engine does.
      var builder = GraphBuilder(weights: weights)
      let embedded = try encoder.embedding(row)
      let input = builder.input("embedding", embedded.type)
      let span = Attention.Span(queries: 0..<row.count, keys: 0..<real)
      builder.output("out", try UMT5Graph(configuration).encode(input, spans: [span], in: &builder))
      let all = try session.compile(builder.graph).run(["embedding": embedded], output: "out")
      try recorder.compare("\(entry.name)/out[\(prompt)]", all, expected, bound: bound)
      let alone = try encoder.encode(Array(row[..<real]))
      try recorder.compare(
        "\(entry.name)/out[\(prompt)] without padding", alone, expected.rows(0..<real), bound: bound)
    }
    try compareBuckets(entry, file, configuration, weights, into: &recorder)
  }

  private func compareBuckets(
    _ entry: GoldenManifest.Entry, _ file: SafetensorsFile, _ configuration: UMT5Configuration,
    _ weights: GoldenWeights, into recorder: inout GoldenRecorder
  ) throws {
    let buckets = RelativeBuckets(count: configuration.buckets, maxDistance: configuration.maxDistance)
    if let positions = file.tensor("relative_position")?.integers(), let golden = file.tensor("bucket")?.integers() {
      let reach = positions.map { abs($0) }.max() ?? 0
      guard reach < 1 << 20 else { throw LumosError(.badInput, "a relative position of \(reach)", at: entry.path) }
      let table = buckets.table(length: reach + 1)
      try recorder.exact("\(entry.name)/bucket", positions.map { Int(table[$0 + reach]) }, golden)
    }
    let prefix = "block0_bias_row"
    for name in file.names.sorted() where name.hasPrefix(prefix) {
      let golden = try file.requireTensor(name)
      guard let query = Int(name.dropFirst(prefix.count)), golden.shape.rank == 2,
        golden.shape[0] == configuration.heads, query >= 0, query < golden.shape[1]
      else { throw LumosError(.badInput, "\(name) has shape \(golden.shape)", at: entry.path) }
      let keys = golden.shape[1]
      let table = buckets.table(length: keys)
      let bias = try weights.weight("blocks.0.pos_embedding.embedding.weight").floats()
      let values = (0..<configuration.heads).flatMap { head in
        (0..<keys).map { bias[Int(table[$0 - query + keys - 1]) * configuration.heads + head] }
      }
      try recorder.compare("\(entry.name)/\(name)", Tensor(values, golden.shape), golden, bound: 0)
    }
  }

  private func textConfiguration(_ sizes: GoldenFields) throws -> UMT5Configuration {
    let configuration = UMT5Configuration(
      vocabulary: try sizes.count("vocab"), width: try sizes.count("dim"), attentionWidth: try sizes.count("dim_attn"),
      heads: try sizes.count("num_heads"), layers: try sizes.count("num_layers"),
      feedForwardWidth: try sizes.count("dim_ffn"), buckets: try sizes.count("num_buckets"),
      epsilon: Float(try sizes.number("eps", standard: 1e-6)))
    guard configuration.attentionWidth % configuration.heads == 0, configuration.buckets % 4 == 0 else {
      throw LumosError(.badInput, "heads or buckets do not divide", at: sizes.place)
    }
    return configuration
  }
}
