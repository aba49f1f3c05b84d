import LumosGraph
import LumosModels
import LumosOpSuite
import LumosReference
import LumosTensor
import LumosVulkan
import Testing

/// The decoder in parts, frame by frame, against the same layers in one graph that takes all frames of a chunk at once.
@Suite struct DecoderPartsTests {
  /// Temporal factors 4 (the published form), 2 and 1.
  static let configurations = [[false, true, true], [false, true], [true, false], [false]].map {
    VAEConfiguration(
      width: 6, multipliers: Array([1, 2, 3, 2].prefix($0.count + 1)), residualBlocks: 1, temporalDownsampling: $0)
  }

  /// Weights that depend on their names alone.
  struct Weights: WeightSource {
    let shapes: [String: Shape]

    init(_ configuration: VAEConfiguration) { shapes = ExpectedTensors.vae(configuration) }

    func type(ofWeight name: String) -> TensorType? { shapes[name].map { TensorType($0, .f32) } }

    func weight(_ name: String) throws -> Tensor {
      guard let shape = shapes[name] else { throw LumosError(.badInput, "no weight", at: name) }
      var random = SplitMix64(seed: name.utf8.reduce(3) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 })
      // Gains near one, and sums of about the size of their terms.
      let gain = name.hasSuffix("gamma")
      let deviation = gain ? 0.1 : 1 / Float(max(shape.rowCount, 4)).squareRoot()
      return Tensor((0..<shape.count).map { _ in (gain ? 1 : 0) + deviation * random.normal() }, shape)
    }
  }

  static func latent(_ frames: Int, _ configuration: VAEConfiguration) -> Tensor {
    var random = SplitMix64(seed: 5)
    let shape: Shape = [frames, 3, 4, configuration.latentChannels]
    return Tensor((0..<shape.count).map { _ in random.normal() }, shape)
  }

  /// All frames, each as it comes.
  static func decoded(_ latent: Tensor, _ configuration: VAEConfiguration, _ session: any Session) throws -> [Tensor] {
    let decoder = VAEDecoder(
      configuration, session: session, weights: Weights(configuration), latentHeight: 3, latentWidth: 4)
    var frames: [Tensor] = []
    try decoder.decode(latent) { frames.append($0) }
    return frames
  }

  /// The same without a queue: a graph per kind of chunk.
  static func decodedByChunk(
    _ latent: Tensor, _ configuration: VAEConfiguration, _ session: any Session
  ) throws -> [Tensor] {
    let model = VAEGraph(configuration)
    var executables: [VAEGraph.Chunk: any Executable] = [:]
    var frames: [Tensor] = []
    for index in 0..<latent.shape[0] {
      let chunk: VAEGraph.Chunk = index == 0 ? .first : .later
      if executables[chunk] == nil {
        var builder = GraphBuilder(weights: Weights(configuration))
        let input = builder.input("latent", TensorType([1, 3, 4, configuration.latentChannels], .f32))
        let lower = try model.decodeLower(input, chunk: chunk, in: &builder)
        builder.output("frames", try model.decodeUpper(lower, chunk: chunk, in: &builder))
        executables[chunk] = try session.compile(builder.graph)
      }
      let part = try #require(
        try executables[chunk]?.run(["latent": latent.rows(index..<index + 1)], output: "frames"))
      frames += (0..<part.shape[0]).map { part.rows($0..<$0 + 1) }
    }
    return frames
  }

  static func expectEqual(_ actual: [Tensor], _ expected: [Tensor]) {
    #expect(actual.count == expected.count)
    for (index, (a, e)) in zip(actual, expected).enumerated() {
      let comparison = Comparison(actual: a, expected: e)
      #expect(comparison.verdict(bound: 1e-12) == .pass, "frame \(index): \(comparison)")
    }
  }

  @Test("Frame by frame is what a chunk at once is", arguments: configurations, [1, 2, 4])
  func parts(configuration: VAEConfiguration, latents: Int) throws {
    let latent = Self.latent(latents, configuration)
    let weights = Weights(configuration)
    for backend: any Backend in [ReferenceBackend(), VulkanBackend(device: try ParityDevice.shared.get())] {
      let whole = try Self.decodedByChunk(latent, configuration, backend.makeSession(weights: weights))
      let frames = try Self.decoded(latent, configuration, backend.makeSession(weights: weights))
      #expect(frames.count == configuration.frames(latentFrames: latents))
      #expect(Set(whole.map { $0.floats().reduce(0, +) }).count == whole.count, "frames must differ to tell them apart")
      Self.expectEqual(frames, whole)
    }
  }

  @Test("A second video on the same decoder begins anew")
  func again() throws {
    let configuration = Self.configurations[0]
    let latent = Self.latent(2, configuration)
    let decoder = VAEDecoder(
      configuration, session: ReferenceBackend().makeSession(weights: Weights(configuration)),
      weights: Weights(configuration), latentHeight: 3, latentWidth: 4)
    var frames: [Tensor] = []
    for _ in 0..<2 { try decoder.decode(latent) { frames.append($0) } }
    try #require(frames.count == 10)
    // Not to the bit: how many threads a product takes, and with them its rounding, depends on the tests that run beside.
    Self.expectEqual(Array(frames[..<5]), Array(frames[5...]))
  }

  @Test("A picture is encoded as the first frame of a video is")
  func pictures() throws {
    let configuration = Self.configurations[0]
    var random = SplitMix64(seed: 7)
    let shape: Shape = [5, 16, 24, 3]
    let video = Tensor((0..<shape.count).map { _ in random.unit() * 2 - 1 }, shape)
    for backend: any Backend in [ReferenceBackend(), VulkanBackend(device: try ParityDevice.shared.get())] {
      func encoded(_ frames: Tensor) throws -> Tensor {
        let weights = Weights(configuration)
        return try VAEEncoder(
          configuration, session: backend.makeSession(weights: weights), weights: weights, height: 16, width: 24
        ).encode(frames)
      }
      Self.expectEqual([try encoded(video.rows(0..<1))], [try encoded(video).rows(0..<1)])
    }
  }
}
