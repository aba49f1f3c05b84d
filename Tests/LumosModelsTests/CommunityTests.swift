import LumosFiles
import LumosGraph
import LumosReference
import LumosTensor
import Testing

@testable import LumosModels

/// Checkpoints and adapters as other libraries write them compute what those libraries compute
/// (`Tools/fixtures/make_community.py`).
struct CommunityTests {
  static func weights(_ path: String) throws -> CheckpointWeights {
    CheckpointWeights(try CheckpointOpener.open(Fixtures.path("community/" + path)))
  }

  static let transformer = TransformerConfiguration(
    width: 32, heads: 2, layers: 2, feedForwardWidth: 48, frequencyWidth: 16, textWidth: 24, textLength: 7)
  static let diffusers = "diffusers/transformer/diffusion_pytorch_model.safetensors"

  /// NMSE of the velocity that `weights` give against an output of the library.
  static func velocityError(_ weights: any WeightSource, against name: String) throws -> Double {
    let expected = try Fixtures.open("community/expected.safetensors")
    let latent = try expected.requireTensor("latent").channelsLast()
    let model = TransformerGraph(transformer, layout: Layout(latentFrames: 2, rows: 2, columns: 3))
    let timestep = try expected.requireTensor("timestep").integers()[0]
    let feed = [
      "latent": latent, "context": try expected.requireTensor("context"),
      "wave": TimeWave.tensor(timestep: timestep, width: transformer.frequencyWidth),
    ]
    var builder = GraphBuilder(weights: weights)
    let values = feed.sorted { $0.key < $1.key }.map { builder.input($0.key, $0.value.type) }
    let time = try model.timeEmbedding(values[2], in: &builder)
    let relations = model.relations(in: &builder)
    let velocity = try model.velocity(
      latent: values[1], conditions: nil, context: values[0], time: time, relations: relations, in: &builder)
    builder.output("velocity", velocity)
    let found = try ReferenceBackend().makeSession(weights: weights).compile(builder.graph)
      .run(feed, output: "velocity")
    return nmse(found, try expected.requireTensor(name).channelsLast())
  }

  static func nmse(_ found: Tensor, _ expected: Tensor) -> Double {
    guard found.shape == expected.shape else { return .infinity }
    let pairs = zip(found.doubles(), expected.doubles())
    let (error, size) = pairs.reduce((0, 0)) { ($0.0 + ($1.0 - $1.1) * ($1.0 - $1.1), $0.1 + $1.1 * $1.1) }
    return error / size
  }

  // The libraries form their rotary tables and waves in float32, which is what is seen here.
  @Test(
    "The transformer's files give the library's velocity",
    arguments: [
      (Self.diffusers, "velocity", TensorNaming.diffusersTransformer, ""),
      ("comfyui/f16.safetensors", "velocity", .official, "model.diffusion_model."),
      // What torch.save and torch.distributed.checkpoint wrote (`Tools/fixtures/make_pytorch.py`).
      ("pytorch/transformer.pt", "velocity", .official, ""), ("pytorch/transformer", "velocity", .official, "ema."),
      ("comfyui/f8.safetensors", "velocity.f8", .official, "diffusion_model."),
      ("comfyui/f8-scaled.safetensors", "velocity.f8-scaled", .official, "diffusion_model."),
    ])
  func transformers(path: String, output: String, naming: TensorNaming, prefix: String) throws {
    let weights = try Self.weights(path)
    #expect(weights.naming == naming && weights.droppedPrefix == prefix)
    #expect(weights.deviations(from: ExpectedTensors.transformer(Self.transformer)).isEmpty)
    let error = try Self.velocityError(weights, against: output)
    #expect(error <= 1e-9, "\(error)")
    // The outputs differ from one another by far more than the bound.
    if output != "velocity" { #expect(try Self.velocityError(weights, against: "velocity") > 1e-6) }
  }

  @Test(
    "Every file of one model gives the same bytes under the same names",
    arguments: ["comfyui/f16.safetensors", "pytorch/transformer.pt", "pytorch/transformer"])
  func sameBytes(path: String) throws {
    let (a, b) = (try Self.weights(Self.diffusers), try Self.weights(path))
    #expect(Set(a.names) == Set(b.names) && a.names.count == ExpectedTensors.transformer(Self.transformer).count)
    for name in a.names {
      let (x, y) = (try a.weight(name), try b.weight(name))
      #expect(x.type == y.type)
      #expect(x.withUnsafeBytes { Array($0) } == y.withUnsafeBytes { Array($0) }, "\(name)")
    }
  }

  @Test("Parts of weights in eight bits are parts of the whole")
  func partsOfEightBits() throws {
    let weights = try Self.weights("comfyui/f8-scaled.safetensors")
    let name = "blocks.1.ffn.2.weight"
    #expect(weights.type(ofWeight: name) == TensorType([32, 48], .f16))
    let whole = try weights.weight(name).withUnsafeBytes { Array($0) }
    for range in [0..<1, 1..<2, 3..<8, 95..<1000, whole.count - 3..<whole.count, 5..<5] {
      var part = [UInt8](repeating: 0xaa, count: range.count + 1)
      try part.withUnsafeMutableBytes { try weights.read(name, bytes: range, into: $0) }
      #expect(Array(part.dropLast()) == Array(whole[range]) && part.last == 0xaa, "\(range)")
    }
  }

  @Test("The text encoder in several files gives the library's hidden states")
  func textEncoder() throws {
    let path = Repository.root + "/Tests/Fixtures/community/diffusers/text_encoder"
    let weights = CheckpointWeights(try CheckpointOpener.open(path))
    let configuration = UMT5Configuration(
      vocabulary: 61, width: 24, attentionWidth: 24, heads: 3, layers: 2, feedForwardWidth: 40)
    #expect(weights.naming == .transformersUMT5)
    #expect(weights.deviations(from: ExpectedTensors.umt5(configuration)).isEmpty)
    let expected = try Fixtures.open("community/expected.safetensors")
    let encoder = UMT5Encoder(
      configuration, session: ReferenceBackend().makeSession(weights: weights), weights: weights)
    let hidden = try encoder.encode(expected.requireTensor("ids").integers().map { Int32($0) })
    let error = Self.nmse(hidden, try expected.requireTensor("hidden"))
    #expect(error <= 1e-9, "\(error)")
  }

  @Test("A single file's sizes are those of its shapes; a folder's are those that it declares")
  func sizes() throws {
    // The 14 billion parameter model, described alone.
    var large = TransformerConfiguration()
    (large.width, large.heads, large.layers, large.feedForwardWidth) = (5120, 40, 40, 13_824)
    struct Described: Checkpoint {
      let shapes: [String: Shape]
      let path = "described", format = "nothing"
      var names: [String] { shapes.keys.sorted() }
      func type(of name: String) -> TensorType? { shapes[name].map { TensorType($0, .bf16) } }
      func requireTensor(_ name: String) throws(LumosError) -> Tensor { throw LumosError(.badInput, "described") }
      func read(
        _ name: String, bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer
      ) throws(LumosError) {}
    }
    for sizes in [large, TransformerConfiguration()] {
      let weights = CheckpointWeights(Described(shapes: ExpectedTensors.transformer(sizes)))
      #expect(TransformerConfiguration(shapesOf: weights) == sizes)
    }
    let folder = Repository.root + "/Tests/Fixtures/community/diffusers"
    let declared = try #require(try ModelConfiguration(diffusersFolder: folder))
    var transformer = Self.transformer
    transformer.textLength = 512
    #expect(declared.transformer == transformer && declared.vae == VAEConfiguration(width: 4))
    #expect(declared.umt5.width == 24 && declared.umt5.attentionWidth == 24 && declared.umt5.heads == 3)
    #expect(try ModelConfiguration(diffusersFolder: Repository.root) == nil)
  }

  @Test("The autoencoder's file gives the library's latents and frames")
  func autoencoder() throws {
    let weights = try Self.weights("diffusers/vae/diffusion_pytorch_model.safetensors")
    let configuration = VAEConfiguration(width: 4)
    #expect(weights.naming == .diffusersVAE)
    #expect(weights.deviations(from: ExpectedTensors.vae(configuration)).isEmpty)
    let expected = try Fixtures.open("community/expected.safetensors")
    let session = ReferenceBackend().makeSession(weights: weights)
    let video = try expected.requireTensor("video").channelsLast()
    let encoder = VAEEncoder(configuration, session: session, weights: weights, height: 16, width: 24)
    let encodingError = Self.nmse(try encoder.encode(video), try expected.requireTensor("encoded").channelsLast())
    #expect(encodingError <= 1e-9, "\(encodingError)")

    let latent = try expected.requireTensor("small").channelsLast()
    let decoder = VAEDecoder(configuration, session: session, weights: weights, latentHeight: 2, latentWidth: 3)
    var frames: [Float] = []
    // The library clamps what it decodes.
    try decoder.decode(latent) { frames += $0.floats().map { min(max($0, -1), 1) } }
    let decodingError = Self.nmse(
      Tensor(frames, [5, 16, 24, 3]), try expected.requireTensor("decoded").channelsLast())
    #expect(decodingError <= 1e-9, "\(decodingError)")
  }

  @Test(
    "Adapters give the library's velocity, merged and beside the weights",
    arguments: [("peft", "velocity.lora"), ("comfyui", "velocity.lora"), ("kohya", "velocity.lora")], [false, true])
  func adapters(_ pair: (file: String, output: String), apart: Bool) throws {
    let base = try Self.weights(Self.diffusers)
    let expected = ExpectedTensors.transformer(Self.transformer)
    let adapter = try Adapter(Fixtures.open("community/lora/\(pair.file).safetensors"), for: expected)
    #expect(adapter.changes.count == 20)
    let weights = AdaptedWeights(SingleWeights(base), [adapter]) { apart && $0.shape.rank == 2 }
    let error = try Self.velocityError(weights, against: pair.output)
    #expect(error <= 1e-9, "\(error)")
    #expect(try Self.velocityError(weights, against: "velocity") > 1e-3)
    // Strengths add up: twice a half is the whole, and with its opposite nothing is left.
    let halves = try (0..<2).map { _ in
      try Adapter(Fixtures.open("community/lora/\(pair.file).safetensors"), strength: 0.5, for: expected)
    }
    let twice = AdaptedWeights(SingleWeights(base), halves) { apart && $0.shape.rank == 2 }
    #expect(try Self.velocityError(twice, against: pair.output) <= 1e-9)
    let opposite = try Adapter(Fixtures.open("community/lora/\(pair.file).safetensors"), strength: -1, for: expected)
    let none = AdaptedWeights(SingleWeights(base), [adapter, opposite]) { apart && $0.shape.rank == 2 }
    #expect(try Self.velocityError(none, against: "velocity") <= 1e-9)
  }

  @Test("Whole differences of gains, biases and modulations are added at their strength")
  func differences() throws {
    let base = try Self.weights(Self.diffusers)
    let adapter = try Adapter(
      Fixtures.open("community/lora/differences.safetensors"), strength: 0.5,
      for: ExpectedTensors.transformer(Self.transformer))
    #expect(
      Set(adapter.changes.keys)
        == [
          "blocks.0.norm3.weight", "blocks.1.norm3.weight", "blocks.0.ffn.0.bias", "blocks.1.ffn.0.bias",
          "blocks.1.modulation",
        ])
    let error = try Self.velocityError(
      AdaptedWeights(SingleWeights(base), [adapter]), against: "velocity.differences")
    #expect(error <= 1e-9, "\(error)")
  }
}

/// Weights as float32, so that changes are not rounded.
private struct SingleWeights: WeightSource {
  let base: CheckpointWeights

  init(_ base: CheckpointWeights) { self.base = base }

  func type(ofWeight name: String) -> TensorType? { base.type(ofWeight: name).map { TensorType($0.shape, .f32) } }
  func weight(_ name: String) throws -> Tensor { try base.weight(name).converted(to: .f32) }
}
