import LumosGraph
import LumosModels
import LumosOpSuite
import LumosPipeline
import LumosReference
import LumosTensor
import LumosVulkan
import Testing

/// What the structure of the model gives for free must not show: every shortcut alone, and all together, against the
/// plain graph on the CPU.
@Suite(.serialized) struct ShortcutTests {
  static let bound = 1e-10

  /// Each shortcut alone, then those that are on by default, then all.
  static let choices =
    Shortcuts.named.map { ($0.name, $0.shortcut) } + [("standard", Shortcuts.standard), ("all", Shortcuts.all)]

  /// Scenes that random ones may miss: nothing but video, one stand-alone image, people alone, everything at once, and
  /// texts without padding, with one position of it, and with nothing else.
  static let corners: [SamplingCase] = {
    let choices: [SamplingCase.Choice] = [
      .init(people: [], plain: 0), .init(people: [], plain: 1), .init(people: [1], plain: 0),
      .init(people: [5, 5, 5, 5, 5, 5], plain: 6),
      .init(people: [2, 1], plain: 1, promptTokens: 16, negativeTokens: 16),
      .init(people: [2, 1], plain: 1, promptTokens: 15, negativeTokens: 15),
      .init(people: [3, 2], plain: 2, promptTokens: 16, negativeTokens: 1),
      .init(people: [2], plain: 1, promptTokens: 1, negativeTokens: 2),
      .init(people: [2, 3], plain: 1, ablation: .csam), .init(people: [2, 3], plain: 1, ablation: .mcam),
      .init(people: [2, 3], plain: 1, ablation: .r2pe),
    ]
    return choices.enumerated().map { .random(1000 + UInt64($0.offset), $0.element) }
  }()

  static func backend() throws -> VulkanBackend { VulkanBackend(device: try ParityDevice.shared.get()) }

  static func expectEqual(_ found: SamplingCase.Result, _ plain: SamplingCase.Result, _ name: String) {
    #expect(found.latents.count == plain.latents.count && found.velocities.count == plain.velocities.count)
    for (what, tensors) in [
      ("latent", (found.latents, plain.latents)), ("velocity", (found.velocities, plain.velocities)),
    ] {
      for (index, pair) in zip(tensors.0, tensors.1).enumerated() {
        let comparison = Comparison(actual: pair.0, expected: pair.1)
        #expect(
          comparison.verdict(bound: bound) == .pass, "\(name), \(what) \(index): \(comparison.verdict(bound: bound))")
      }
    }
  }

  static func check(_ sampling: SamplingCase, on backend: any Backend, steps: Int) throws {
    let plain = try sampling.run([], on: ReferenceBackend(), steps: steps, videos: 0..<2)
    for (name, shortcuts) in choices {
      // A stream of images of its own is for several videos; what else there is must hold for one.
      let videos = shortcuts.contains(.shareConditions) && sampling.layout.conditions > 0 ? 0..<2 : 0..<1
      expectEqual(
        try sampling.run(shortcuts, on: backend, steps: steps, videos: videos), plain.first(videos.count),
        "\(sampling), \(name)")
    }
    let one = try sampling.run(.standard, on: backend, steps: steps)
    expectEqual(one, plain.first(1), "\(sampling), standard, one video")
  }

  @Test func goldensOnTheCPU() throws {
    try Self.check(.golden(), on: ReferenceBackend(), steps: 5)
    try Self.check(.goldenWithoutImages(), on: ReferenceBackend(), steps: 5)
  }

  /// Fewer steps than on the CPU: this is a network of some width for a software driver.
  @Test func goldensOnVulkan() throws {
    try Self.check(.golden(), on: Self.backend(), steps: 1)
    try Self.check(.goldenWithoutImages(), on: Self.backend(), steps: 1)
    let golden = try SamplingCase.golden()
    let plain = try golden.run([], on: ReferenceBackend(), steps: 4)
    Self.expectEqual(try golden.run(.standard, on: Self.backend(), steps: 4), plain, "golden, standard, four steps")
  }

  @Test func randomScenesOnTheCPU() throws {
    for sampling in Self.corners + (0..<30).map({ .random($0) }) {
      try Self.check(sampling, on: ReferenceBackend(), steps: 4)
    }
  }

  @Test func randomScenesOnVulkan() throws {
    for sampling in Self.corners + (100..<106).map({ .random($0) }) {
      try Self.check(sampling, on: Self.backend(), steps: 2)
    }
  }

  /// Graph passes under the shortcuts: every pass alone, every pass left out, none and all, two videos, and blocks of
  /// rows so small that even these sequences are cut.
  @Test func passesOnRandomScenes() throws {
    var windows = 0
    var choices: [Passes] = [[], .all]
    for (_, pass) in Passes.named { choices += [pass, Passes.all.subtracting(pass)] }
    for sampling in Self.corners[4...4] + (200..<203).map({ .random($0) }) {
      let plain = try sampling.run([], on: ReferenceBackend(), steps: 1, videos: 0..<2)
      for passes in choices {
        var backend = try Self.backend()
        backend.passes = passes
        backend.tiling = RowTiling(blockByteCount: 1 << 10, rowMultiple: 1)
        Self.expectEqual(
          try sampling.run(.standard, on: backend, steps: 1, videos: 0..<2), plain, "\(sampling), \(passes)")
        let graphs = try sampling.sampler(.standard, on: backend).graphs(sampling.guide, videos: 2)
        let step = passes.apply(to: try graphs.halves(sampling.weights).step, tiling: backend.tiling)
        if passes == .all, step.nodes.contains(where: { $0.hasWindows }) { windows += 1 }
      }
    }
    #expect(windows >= 3)
  }

  /// Videos that are sampled together are those that are sampled one by one.
  @Test(arguments: [false, true]) func videosTogether(_ onVulkan: Bool) throws {
    let backend: any Backend = onVulkan ? try Self.backend() : ReferenceBackend()
    let scenes = try [SamplingCase.golden()] + Self.corners.prefix(onVulkan ? 3 : 11)
    for sampling in scenes {
      let alone = try (0..<3).map { try sampling.run([], on: ReferenceBackend(), steps: 3, videos: $0..<$0 + 1) }
      let expected = SamplingCase.Result(
        latents: alone.flatMap(\.latents), velocities: alone.flatMap(\.velocities))
      for shortcuts in [[], .shareConditions, .standard, .all] as [Shortcuts] {
        let together = try sampling.run(shortcuts, on: backend, steps: 3, videos: 0..<3)
        Self.expectEqual(together, expected, "\(sampling), three videos, \(shortcuts)")
      }
    }
  }

  /// Guidance of strength 1 needs no negative prompt: the least stronger guidance, which reads one, gives the same.
  @Test(arguments: [false, true]) func promptAlone(_ onVulkan: Bool) throws {
    let backend: any Backend = onVulkan ? try Self.backend() : ReferenceBackend()
    let first = SamplingCase.random(7, .init(people: [2, 1], plain: 1, promptTokens: 9, negativeTokens: 4))
    let given = first.guide
    func run(_ guidance: Float, negativePrompt: Tensor?, _ shortcuts: Shortcuts) throws -> SamplingCase.Result {
      let guide = Sampler.Guide(
        conditions: given.conditions, masks: given.masks, prompt: given.prompt, negativePrompt: negativePrompt,
        guidance: guidance)
      return try first.with(guide: guide).run(shortcuts, on: backend, steps: 3, videos: 0..<2)
    }
    let both = try run(Float(1).nextUp, negativePrompt: given.negativePrompt, .standard)
    #expect(both.velocities.count == 4)
    let prompts = [both.velocities[0], both.velocities[2]]
    for shortcuts in [Shortcuts.standard, []] {
      let alone = try run(1, negativePrompt: nil, shortcuts)
      #expect(alone.velocities.count == 2)
      Self.expectEqual(alone, .init(latents: both.latents, velocities: prompts), "\(shortcuts)")
    }
  }

  /// One sampler, one guide after another: other images, texts of other lengths, other words, more videos, and back.
  @Test(arguments: [false, true]) func guidesOneAfterAnother(_ onVulkan: Bool) throws {
    let backend: any Backend = onVulkan ? try Self.backend() : ReferenceBackend()
    let first = SamplingCase.random(7, .init(people: [2, 1], plain: 1, promptTokens: 9, negativeTokens: 4))
    let given = first.guide
    func changed(
      conditions: Tensor? = nil, masks: [[Bool]]? = nil, prompt: Tensor? = nil, negative: Tensor? = nil
    ) -> SamplingCase {
      first.with(
        guide: Sampler.Guide(
          conditions: conditions ?? given.conditions, masks: masks ?? given.masks, prompt: prompt ?? given.prompt,
          negativePrompt: negative ?? given.negativePrompt, guidance: given.guidance))
    }
    let images = try #require(given.conditions)
    let others = Tensor(images.floats().map { 1 - $0 }, images.shape)
    let prompt = Tensor(given.prompt.floats().map { -$0 }, given.prompt.shape)
    let late = (0..<4).map { image in (0..<16).map { $0 == 12 + image % 2 } }
    let negative = try #require(given.negativePrompt)
    let runs: [(SamplingCase, Range<Int>)] = [
      (first, 0..<1), (changed(conditions: others), 0..<1), (changed(prompt: prompt), 0..<1),
      (changed(prompt: prompt.rows(0..<5)), 0..<1), (changed(masks: late), 0..<1), (changed(masks: late), 0..<3),
      (changed(prompt: negative, negative: prompt), 1..<2), (first, 0..<1),
    ]
    let sampler = try first.sampler(.standard, on: backend)
    var latents: [[Float]] = []
    for (index, (sampling, videos)) in runs.enumerated() {
      let found = try sampling.run(sampler, steps: 3, videos: videos)
      let expected = try videos.map { try sampling.run([], on: ReferenceBackend(), steps: 3, videos: $0..<$0 + 1) }
      Self.expectEqual(
        found, .init(latents: expected.flatMap(\.latents), velocities: expected.flatMap(\.velocities)), "run \(index)")
      latents.append(found.latents[0].floats())
    }
    // The guides do differ in their results, and the last is the first again.
    #expect(Set(latents[..<5]).count == 5)
    #expect(latents[7] == latents[0])
  }

  /// What the shortcuts are for: which nodes are left in a step.
  @Test func whatAStepStillDoes() throws {
    let sampling = SamplingCase.random(7, .init(people: [2, 1], plain: 1, promptTokens: 9, negativeTokens: 4))
    let sampler = try sampling.sampler(.standard, on: ReferenceBackend())
    let graphs = sampler.graphs(sampling.guide)
    let (invariant, step) = try graphs.halves(sampling.weights)
    let hoisted = Set(try #require(invariant).nodes.map(\.label))
    let left = Set(step.nodes.map(\.label))
    for label in ["text_embedding.0", "blocks.0.cross_attn.k", "blocks.0.cross_attn.v"] {
      #expect(hoisted.contains(label) && !left.contains(label), "\(label)")
    }
    #expect(left.isDisjoint(with: ["time_embedding.0", "time_projection.1"]))
    // The images and their words are given once; what changes from step to step is small.
    #expect(
      Set(step.inputs.map(\.name)) == [
        "time.head", "time.blocks", "coefficients", "conditions", "templates.prompt", "templates.negative",
      ])
    let words = sampling.guide.masks.compactMap { $0.lastIndex(of: true) }.max() ?? 0
    #expect(graphs.prompt == TextKeys(realTokens: 9, templates: nil, textLength: 16))
    #expect(graphs.prompt.count == 10 && graphs.prompt.lastKeyCount == 7)
    #expect(graphs.negativePrompt.separate == max(4, words + 1))
  }
}
