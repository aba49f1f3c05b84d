import LumosFiles
import LumosGraph
import LumosMedia
import LumosModels
import LumosOpSuite
import LumosPipeline
import LumosReference
import LumosTensor
import LumosText
import LumosVulkan
import Testing

/// The trained demonstration bundle, stage by stage, against tensors that its PyTorch trainer made of two scenes: text
/// ids, embeddings, word masks, condition pixels and latents, every latent of the sampler, decoded frames.
@Suite struct DemoBundleTests {
  static let repository =
    #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")

  /// What the trainer's manifest says of its two scenes.
  static let (steps, shift, guidance) = (8, 5.0, Float(2.5))

  @Test(arguments: ["2", "5"]) func onTheCPU(_ scene: String) throws {
    try Self.run(scene, on: ReferenceBackend())
  }

  @Test(arguments: ["2", "5"]) func onVulkan(_ scene: String) throws {
    try Self.run(scene, on: VulkanBackend(device: try ParityDevice.shared.get()))
  }

  static func run(_ name: String, on backend: any Backend) throws {
    let golden = try SafetensorsFile("\(repository)/Tests/Fixtures/demo-golden/scene\(name).safetensors")
    let bundle = try ModelBundle(repository + "/Tools/demo-bundle")
    let scene = try Scene("\(bundle.path)/scenes/\(name)")
    let configuration = bundle.configuration
    func expect(_ what: String, _ actual: Tensor, bound: Double) throws {
      let comparison = Comparison(actual: actual, expected: try golden.requireTensor(what))
      #expect(comparison.verdict(bound: bound) == .pass, "\(what) at \(comparison.worstIndex)")
    }

    // Text.
    let tokenizer = try Tokenizer(modelPath: bundle.tokenizerPath)
    let length = configuration.transformer.textLength
    let ids = try tokenizer.encode(scene.prompt, length: length)
    let negativeIDs = try tokenizer.encode(configuration.sampling.negativePrompt, length: length)
    #expect(ids.map(Int.init) == (try golden.requireTensor("text_ids").integers()))
    #expect(negativeIDs.map(Int.init) == (try golden.requireTensor("negative_ids").integers()))
    let masks = try scene.entities.map {
      EntityMask.mask(promptIDs: ids, wordIDs: try tokenizer.encode($0.word, length: length), length: length)
    }
    #expect(masks.flatMap { $0.map { $0 ? 1 : 0 } } == (try golden.requireTensor("text_mask").integers()))
    let encoder = UMT5Encoder(
      configuration.umt5, session: try backend.makeSession(weights: bundle.umt5), weights: bundle.umt5)
    // One behind the other, as in a generation, and alone.
    let texts = try encoder.encode([ids, negativeIDs])
    let (prompt, negative) = (texts[0], texts[1])
    try expect("text_embeddings", prompt, bound: 1e-10)
    try expect("negative_embeddings", negative, bound: 1e-10)
    try expect("text_embeddings", encoder.encode(ids), bound: 1e-10)

    // Reference images.
    let (height, width) = (configuration.sampling.height, configuration.sampling.width)
    let pixels = try scene.entities.map {
      ConditionImage.pixels(try ImageReader.read($0.path), height: height, width: width)
    }
    try expect(
      "condition_pixels",
      Tensor(pixels.flatMap { $0.channelsFirst().floats() }, [pixels.count, 3, height, width]), bound: 1e-14)
    let vaeEncoder = VAEEncoder(
      configuration.vae, session: try backend.makeSession(weights: bundle.vae), weights: bundle.vae, height: height,
      width: width)
    let latents = try pixels.map { try vaeEncoder.encode($0) }
    let conditions = Tensor(
      latents.flatMap { $0.floats() }, Shape([latents.count] + latents[0].shape.dimensions.dropFirst()))
    try expect("condition_latents", conditions.channelsFirst(), bound: 1e-9)

    // Sampler.
    let noise = try golden.requireTensor("noise").channelsLast()
    let sampler = Sampler(
      TransformerGraph(
        configuration.transformer,
        layout: Layout(
          latentFrames: noise.shape[0], rows: noise.shape[1] / 2, columns: noise.shape[2] / 2,
          plainConditions: scene.plainCount, humanGroups: scene.humanGroups)),
      session: try backend.makeSession(weights: bundle.transformer), weights: bundle.transformer,
      height: noise.shape[1], width: noise.shape[2])
    let schedule = try Schedule(steps: steps, shift: shift)
    #expect(schedule.timesteps == (try golden.requireTensor("timesteps").integers()))
    #expect(schedule.sigmas == (try golden.requireTensor("sigmas").floats()))
    var trajectory: [Float] = []
    let final = try sampler.sample(
      noise: noise,
      guide: Sampler.Guide(
        conditions: conditions, masks: masks, prompt: prompt, negativePrompt: negative, guidance: guidance),
      schedule: schedule, fetch: ["velocity.prompt", "velocity.negative"]
    ) { step, fetched in
      if step.index == 0 {
        for (ours, theirs) in [("prompt", "cond"), ("negative", "uncond")] {
          let velocity = try #require(fetched["velocity." + ours])
          try expect("velocity_\(theirs)_step0", velocity.channelsFirst(), bound: 1e-10)
        }
      }
      trajectory += try step.latent().channelsFirst().floats()
    }
    let latentShape = try golden.requireTensor("noise").shape
    try expect("latents", Tensor(trajectory, Shape([steps] + latentShape.dimensions)), bound: 1e-9)
    try expect("final_latent", final.channelsFirst(), bound: 1e-9)

    // Frames.
    let decoder = VAEDecoder(
      configuration.vae, session: try backend.makeSession(weights: bundle.vae), weights: bundle.vae,
      latentHeight: final.shape[1], latentWidth: final.shape[2])
    var decoded: [Float] = []
    var bytes: [UInt8] = []
    try decoder.decode(final) { frames in
      decoded += frames.floats()
      bytes += try DisplayFrames.images(frames).flatMap(\.pixels)
    }
    let frames = configuration.sampling.frames
    try expect("decoded", Tensor(decoded, [frames, height, width, 3]).channelsFirst(), bound: 1e-9)
    // Truncation to bytes turns a rounding difference at a whole number into one level, and no more, in few places.
    let expected = try golden.requireTensor("frames").integers()
    let differences = zip(bytes, expected).map { abs(Int($0) - $1) }
    #expect(differences.count == frames * height * width * 3)
    #expect((differences.max() ?? 0) <= 1)
    #expect(differences.count { $0 > 0 } < differences.count / 1000)
  }
}
