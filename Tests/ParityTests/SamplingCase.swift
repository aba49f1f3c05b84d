import LumosFiles
import LumosGraph
import LumosModels
import LumosOpSuite
import LumosTensor

/// A small sampling run: network, scene, texts and noise.
struct SamplingCase: CustomStringConvertible, Sendable {
  let description: String
  let configuration: TransformerConfiguration
  let weights: any WeightSource
  let layout: Layout
  let guide: Sampler.Guide
  /// One for each video.
  let noises: [Tensor]

  /// What a run gave: final latents, and the velocities of the first step in both branches.
  struct Result {
    var latents: [Tensor] = []
    var velocities: [Tensor] = []

    /// Of the first videos alone.
    func first(_ videos: Int) -> Result {
      let branches = velocities.count / max(latents.count, 1)
      return Result(
        latents: Array(latents.prefix(videos)), velocities: Array(velocities.prefix(videos * branches)))
    }
  }

  func sampler(_ shortcuts: Shortcuts, on backend: any Backend) throws -> Sampler {
    Sampler(
      TransformerGraph(configuration, layout: layout), session: try backend.makeSession(weights: weights),
      weights: weights, height: noises[0].shape[1], width: noises[0].shape[2], shortcuts: shortcuts)
  }

  /// Runs the case with these shortcuts, the given videos together.
  func run(_ shortcuts: Shortcuts, on backend: any Backend, steps: Int, videos: Range<Int> = 0..<1) throws -> Result {
    try run(sampler(shortcuts, on: backend), steps: steps, videos: videos)
  }

  func run(_ sampler: Sampler, steps: Int, videos: Range<Int> = 0..<1) throws -> Result {
    var result = Result()
    let names = videos.indices.flatMap { video in
      SamplerGraph.Branch.needed(guidance: guide.guidance).map { SamplerGraph.velocity($0, video - videos.lowerBound) }
    }
    result.latents = try sampler.sample(
      noises: Array(noises[videos]), guide: guide, schedule: Schedule(steps: steps), fetch: names
    ) { step, fetched in if step.index == 0 { result.velocities = names.compactMap { fetched[$0] } } }
    return result
  }

  /// The same with other texts or images.
  func with(guide: Sampler.Guide) -> SamplingCase {
    SamplingCase(
      description: description + ", changed", configuration: configuration, weights: weights, layout: layout,
      guide: guide, noises: noises)
  }
}

extension SamplingCase {
  /// The golden sampling run: the transformer's golden weights, two humans and a background.
  static func golden() throws -> SamplingCase {
    let folder = GoldenTests.fixtures + "/golden/"
    let file = try SafetensorsFile(folder + "sampler/steps10.safetensors")
    let noise = try file.requireTensor("z0")
    let masks = try file.requireTensor("text_mask")
    let noises = [noise.reshaped(Shape(Array(noise.shape.dimensions.dropFirst()))).channelsLast()]
    return SamplingCase(
      description: "golden", configuration: goldenConfiguration,
      weights: FileWeights(file: try SafetensorsFile(folder + "transformer/weights.safetensors")),
      layout: Layout(latentFrames: 3, rows: 6, columns: 10, plainConditions: 1, humanGroups: [2, 2]),
      guide: Sampler.Guide(
        conditions: try file.requireTensor("conds").channelsLast(),
        masks: (0..<5).map { masks.rows($0..<$0 + 1).integers().map { $0 != 0 } },
        prompt: try file.requireTensor("context"), negativePrompt: try file.requireTensor("context_null")),
      noises: noises + (1..<3).map { Noise(seed: $0).latent(frames: 3, height: 12, width: 20, channels: 16) })
  }

  /// The same weights without any image.
  static func goldenWithoutImages() throws -> SamplingCase {
    let golden = try golden()
    return SamplingCase(
      description: "golden, no images", configuration: golden.configuration, weights: golden.weights,
      layout: Layout(latentFrames: 3, rows: 6, columns: 10),
      guide: Sampler.Guide(
        conditions: nil, masks: [], prompt: golden.guide.prompt, negativePrompt: golden.guide.negativePrompt),
      noises: golden.noises)
  }

  private static let goldenConfiguration = TransformerConfiguration(
    width: 256, heads: 2, layers: 2, feedForwardWidth: 512, textWidth: 64, textLength: 32)

  /// Extents of a random scene that a test wants fixed.
  struct Choice: Sendable {
    var people: [Int]?
    var plain: Int?
    var promptTokens: Int?
    var negativeTokens: Int?
    var ablation: Ablation = []
  }

  /// A random scene: 0 to 6 people with 0 to 4 attributes each, 0 to 5 objects, with and without background, latents of
  /// odd size, words at any place of the prompt, also where the negative prompt has ended, and none.
  static func random(_ seed: UInt64, _ choice: Choice = Choice()) -> SamplingCase {
    var random = SplitMix64(seed: seed &* 0x9e37_79b9 &+ 17)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    let configuration = TransformerConfiguration(
      width: 32, heads: 2, layers: pick(1...3), feedForwardWidth: 48, inputChannels: 4, outputChannels: 4,
      frequencyWidth: 32, textWidth: 24, textLength: 16, relationPool: [2, 3, 8][pick(0...2)])
    let people = choice.people ?? (0..<pick(0...6)).map { _ in 1 + pick(0...4) }
    let plain = choice.plain ?? pick(0...1) + pick(0...5)
    let (height, width) = (pick(3...9), pick(3...9))
    let layout = Layout(
      latentFrames: pick(1...4), rows: (height + 1) / 2, columns: (width + 1) / 2, plainConditions: plain,
      humanGroups: people, ablation: choice.ablation)

    func normals(_ shape: Shape, deviation: Float = 1) -> Tensor {
      let values = Noise(seed: random.next()).normals(count: shape.count)
      return Tensor(values.map { $0 * deviation }, shape)
    }
    let length = configuration.textLength
    let (prompt, negative) = (choice.promptTokens ?? pick(1...length), choice.negativeTokens ?? pick(1...length))
    let masks = (0..<layout.conditions).map { _ -> [Bool] in
      let (start, count) = (pick(0...prompt - 1), pick(0...3))
      return (0..<length).map { $0 >= start && $0 < min(start + count, prompt) }
    }
    var tensors: [String: Tensor] = [:]
    for (name, shape) in ExpectedTensors.transformer(configuration).sorted(by: { $0.key < $1.key }) {
      if name.contains("norm") && name.hasSuffix("weight") {
        tensors[name] = Tensor(normals(shape, deviation: 0.2).floats().map { 1 + $0 }, shape)
      } else if name.hasSuffix("weight") {
        tensors[name] = normals(shape, deviation: 1 / Float(shape.count / shape[0]).squareRoot())
      } else {
        tensors[name] = normals(shape, deviation: 0.3)
      }
    }
    let frame = Shape([height, width, 4])
    return SamplingCase(
      description: "seed \(seed): \(layout), \(prompt) and \(negative) tokens", configuration: configuration,
      weights: TableWeights(tensors: tensors), layout: layout,
      guide: Sampler.Guide(
        conditions: layout.conditions > 0 ? normals(Shape([layout.conditions] + frame.dimensions)) : nil,
        masks: masks, prompt: normals([prompt, configuration.textWidth]),
        negativePrompt: normals([negative, configuration.textWidth]), guidance: 3),
      noises: (0..<3).map { _ in normals(Shape([layout.latentFrames] + frame.dimensions)) })
  }
}

/// Weights of a safetensors file.
private struct FileWeights: WeightSource {
  let file: SafetensorsFile

  func type(ofWeight name: String) -> TensorType? { file.type(of: name) }
  func weight(_ name: String) throws -> Tensor { try file.requireTensor(name) }
}

/// Weights in memory.
private struct TableWeights: WeightSource {
  let tensors: [String: Tensor]

  func type(ofWeight name: String) -> TensorType? { tensors[name]?.type }
  func weight(_ name: String) throws -> Tensor {
    guard let tensor = tensors[name] else { throw LumosError(.internalDefect, "there is no such weight", at: name) }
    return tensor
  }
}
