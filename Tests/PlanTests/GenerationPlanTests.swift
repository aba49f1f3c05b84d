import LumosGraph
import LumosModels
import LumosPipeline
import LumosTensor
import LumosVulkan
import Testing

/// The published model at its published size, with a background and two people with a face and two attributes each.
@Suite struct GenerationPlanTests {
  static let people = "b1h3,3"

  /// A plan of the published configuration; `inspect` sees every graph after its passes.
  static func plan(
    _ outline: String = people, size: (Int, Int) = (480, 832), frames: Int = 81, steps: Int = 2,
    seeds: Int = 1, model: TransformerConfiguration = TransformerConfiguration(), dtype: DType = .f16,
    ablation: Ablation = [], passes: Passes = .all, precision: Precision = .single,
    ladder: MemoryLadder = MemoryLadder(), budget: Int? = nil,
    inspect: @escaping (Graph, VulkanPlan) -> Void = { _, _ in }
  ) throws -> GenerationPlan {
    var configuration = ModelConfiguration()
    configuration.transformer = model
    let request = Request(
      scenePath: "", size: size, frames: frames, steps: steps, seeds: (0..<UInt64(seeds)).map { $0 })
    let device = try #require(DeviceClass.named("discrete"))
    return try GenerationPlan(
      configuration, weights: .init(configuration, dtype: dtype), outline: SceneOutline(outline),
      settings: Settings(request, defaults: configuration), ablation: ablation, ladder: ladder, budget: budget
    ) { graph, options in
      let graph = passes.apply(to: precision.apply(to: graph), tiling: options.tiling ?? RowTiling())
      let plan = try VulkanPlan(graph, device.limits, residency: options.residency)
      inspect(graph, plan)
      return plan.summary(of: graph, rates: device.rates)
    }
  }

  @Test("The published size: tokens, arithmetic, kernels per block, arenas near the least")
  func published() throws {
    let tokens = 43_680
    let (heads, textLength) = (12, 512)
    let plan = try Self.plan { graph, plan in
      for value in graph.values {
        let count = value.type.shape.count
        #expect(count != tokens * tokens && count != tokens * heads * textLength, "\(value.type) \(value.source)")
        // The largest value is the feed-forward's; a matrix of scores would be larger.
        #expect(value.type.byteCount <= tokens * 8960 * 4 || value.type.dtype == .f16)
      }
      #expect(HazardChecker.violations(plan.commands, barriers: plan.barriers).isEmpty)
    }
    #expect(plan.layout.tokens == tokens)
    #expect(plan.stages.map(\.stage) == [.textEncoder, .vaeEncode, .transformer, .vaeDecode])

    let transformer = try #require(plan[.transformer])
    #expect(transformer.evaluations == 4)
    // DESIGN section 6: 385 TFLOP an evaluation.
    #expect(abs(Double(transformer.flopsPerEvaluation) / 385e12 - 1) < 0.05)
    #expect((10...20).contains(transformer.dispatchesPerBlock))
    #expect(transformer.weightBytes == 2 * 1_418_996_800)
    #expect(plan[.vaeDecode]?.evaluations == 21)
    #expect(plan[.vaeEncode]?.evaluations == 7)
    let decoding = try #require(plan[.vaeDecode]).total(\.flops)
    #expect(abs(Double(decoding) / 260e12 - 1) < 0.1)
    // 5 680 910 336 parameters, of which the table of embeddings stays on the host.
    #expect(plan[.textEncoder]?.storedWeightBytes == 2 * (5_680_910_336 - 256_384 * 4096))

    for stage in plan.stages {
      #expect(Double(stage.arenaBytes) <= 1.1 * Double(stage.liveBytesMax), "\(stage.stage)")
      #expect(stage.arenaBytes >= stage.liveBytesMax)
      #expect(
        stage.peakBytes == stage.weightBytes + stage.cacheBytes + stage.arenaBytes + stage.inputBytes
          + stage.reserveBytes, "\(stage.stage)")
      #expect(stage.reserveBytes <= 128 << 20)
      #expect(stage.predictedSeconds > 0 && stage.dispatchesPerBlock <= 20)
    }
    #expect(plan.peakBytes == plan.stages.map(\.peakBytes).max())
  }

  @Test("Arenas stay near the least at other sizes", arguments: [(720, 1280, 81), (480, 832, 161), (480, 832, 1)])
  func otherSizes(height: Int, width: Int, frames: Int) throws {
    let plan = try Self.plan(size: (height, width), frames: frames)
    for stage in plan.stages {
      #expect(Double(stage.arenaBytes) <= 1.1 * Double(stage.liveBytesMax), "\(stage.stage)")
    }
    // Frame by frame: a longer video takes no more memory to decode.
    if frames == 161 { #expect(try plan[.vaeDecode]?.peakBytes == Self.plan()[.vaeDecode]?.peakBytes) }
  }

  @Test("Passes save kernels and memory traffic, not arithmetic")
  func passesPay() throws {
    // Tiling trades kernels for memory, and has its own comparison.
    let fusing = Passes.all.subtracting(.tileRows)
    let (tiled, with, without) = try (Self.plan(), Self.plan(passes: fusing), Self.plan(passes: []))
    let (a, b) = try (#require(with[.transformer]), #require(without[.transformer]))
    #expect(a.dispatchesPerBlock < b.dispatchesPerBlock && b.dispatchesPerBlock > 20)
    #expect(a.total(\.bytesMoved) < b.total(\.bytesMoved))
    #expect(a.total(\.dispatches) < b.total(\.dispatches))
    #expect(abs(Double(a.total(\.flops)) / Double(b.total(\.flops)) - 1) < 1e-3)
    let c = try #require(tiled[.transformer])
    #expect(c.peakBytes < a.peakBytes && c.dispatchesPerBlock == a.dispatchesPerBlock)
    #expect(abs(Double(c.total(\.flops)) / Double(a.total(\.flops)) - 1) < 1e-3)
  }

  @Test("What the generation does decides what is planned")
  func choices() throws {
    let small = (256, 256)
    let base = try Self.plan(size: small, frames: 5)
    let steps = try Self.plan(size: small, frames: 5, steps: 4)
    let (two, four) = try (#require(base[.transformer]), #require(steps[.transformer]))
    #expect(two.flopsPerEvaluation >= four.flopsPerEvaluation && two.total(\.flops) < four.total(\.flops))
    #expect(two.peakBytes == four.peakBytes)
    // Times are embedded ten at once: memory does not depend on the number of steps.
    let many = try #require(try Self.plan(size: small, frames: 5, steps: 61)[.transformer])
    #expect(many.peakBytes == two.peakBytes && many.cacheBytes == two.cacheBytes)
    #expect(many.parts.map(\.runs) == [7, 1, 61] && two.parts.map(\.runs) == [1, 1, 2])
    // Without CSAM everything sees everything.
    let open = try Self.plan(size: small, frames: 5, ablation: .csam)
    #expect(try #require(open[.transformer]).total(\.flops) > two.total(\.flops))
    let alone = try Self.plan("none", size: small, frames: 5)
    #expect(alone[.vaeEncode] == nil && alone.layout.tokens == alone.layout.videoTokens)
  }

  @Test("A step keeps the texts' keys and values, and no other value of the network")
  func caches() throws {
    let plan = try #require(try Self.plan()[.transformer])
    // Latent and prediction; keys and values of 512 positions in 30 blocks, two branches.
    let (latents, text) = (2 * 21 * 60 * 104 * 16 * 4, 2 * 2 * 30 * 512 * 1536 * 4)
    #expect(plan.cacheBytes == latents + text)
    // The sequence's streams: residual, query, key and value, and a block of rows.
    #expect(plan.arenaBytes <= 1_150_000_000)
  }

  @Test("Several videos of a scene compute its images once, and are decoded one after the other", arguments: [2, 4])
  func seeds(count: Int) throws {
    let (one, several) = (try Self.plan(steps: 1), try Self.plan(steps: 1, seeds: count))
    let (alone, together) = (try #require(one[.transformer]), try #require(several[.transformer]))
    // By hand, for both branches: the video's rows in 30 blocks, attention to all tokens and to 512 text positions,
    // patches and head.
    let (rows, tokens, width, hidden) = (32_760, 43_680, 1536, 8960)
    let products = 2 * rows * width * (6 * width + 2 * hidden)
    let attention = 4 * rows * width * (tokens + 512)
    let video = 2 * (30 * (products + attention) + 2 * 2 * rows * width * 64)
    let (single, all) = (alone.total(\.flops), together.total(\.flops))
    let once = single - video
    #expect(once > 0 && once < single / 10)
    // Norms and other small things of the video's rows are not in `video`, but stand in `once`.
    #expect(all > count * video && all - single < (count - 1) * video * 1001 / 1000)
    #expect(all <= count * (video * 1001 / 1000) + once)
    #expect(together.evaluations == count * alone.evaluations)
    // A stream and a velocity for each video; query, key and value of one, the images' and a block of rows.
    let (stream, velocity) = (rows * width * 4, 21 * 60 * 104 * 16 * 4)
    let images = (tokens - rows) * width * 4
    let rest = stream + 2 * tokens * width * 4 + 3 * images + 128 << 20
    #expect(together.arenaBytes <= count * (stream + velocity) + rest)
    #expect(Double(together.arenaBytes) <= 1.1 * Double(together.liveBytesMax) && together.dispatchesPerBlock <= 20)
    let (decoding, each) = (try #require(several[.vaeDecode]), try #require(one[.vaeDecode]))
    #expect(decoding.total(\.flops) == count * each.total(\.flops) && decoding.peakBytes == each.peakBytes)
    #expect(several[.vaeEncode]?.total(\.flops) == one[.vaeEncode]?.total(\.flops))
    #expect(several[.textEncoder]?.total(\.flops) == one[.textEncoder]?.total(\.flops))
  }

  @Test("Dispatches and submissions stay within their predicted time, at cautious rates")
  func cutting() throws {
    let device = try #require(DeviceClass.named("discrete"))
    var longest = (dispatch: 0.0, submission: 0.0)
    _ = try Self.plan { _, plan in
      let rates = DeviceRates.cautious(for: device.profile)
      for command in plan.commands where command.flops > 0 {
        // What cannot be sliced is bound by memory.
        if Double(command.flops) / rates.flopsPerSecond > Double(command.bytesMoved) / rates.bytesPerSecond {
          longest.dispatch = max(longest.dispatch, rates.seconds(of: command))
        }
      }
      for range in plan.submissions where range.count > 1 {
        longest.submission = max(
          longest.submission, plan.commands[range].reduce(0) { $0 + rates.seconds(of: $1) })
      }
    }
    #expect(longest.dispatch <= 0.25 && longest.dispatch > 0.1)
    #expect(longest.submission <= 0.5 && longest.submission > 0.3)
  }

  @Test("Too little memory is told in bytes, and nothing is given up silently")
  func budgets() throws {
    // With a text encoder that stays resident where it fits.
    var ladder = MemoryLadder()
    ladder.textEncoderStreamsFrom = .max
    let plan = try Self.plan(size: (256, 256), frames: 5, ladder: ladder)
    #expect(plan.shortage(budget: nil) == nil && plan.shortage(budget: plan.peakBytes) == nil)
    let shortage = try #require(plan.shortage(budget: plan.peakBytes - 1))
    #expect(shortage.kind == .tryAgain && shortage.what.contains("\(plan.peakBytes) bytes"))
    #expect(plan.ladder(budget: plan.peakBytes) == [.stageByStage])
    #expect(plan.ladder(budget: plan.residentBytes) == [.stageByStage, .allResident])
    #expect(plan.residentBytes > plan.peakBytes)
  }

  @Test("A sequence that no kernel can index is refused before anything is built")
  func tooLong() throws {
    #expect {
      _ = try Self.plan(size: (8192, 8192), frames: 4097)
    } throws: { ($0 as? LumosError)?.kind == .badInput }
  }
}

@Suite struct SceneOutlineTests {
  @Test(arguments: [
    ("b1o2h3,2", 3, [3, 2]), ("none", 0, []), ("h3", 0, [3]), ("o2", 2, []), ("B1H1,1,1", 1, [1, 1, 1]),
    ("b0o0", 0, []),
  ])
  func outlines(text: String, plain: Int, humans: [Int]) throws {
    let outline = try SceneOutline(text)
    #expect(outline.plainConditions == plain && outline.humanGroups == humans)
  }

  @Test(arguments: [
    "", "x", "b", "b2", "h0", "h3,", "h3,,2", "o-1", "o1b1", "b1,1", "o101", "h99,9", "h9999999999999999999999",
    "b1 h2", "none1", "h3x",
  ])
  func refusals(text: String) throws {
    #expect {
      _ = try SceneOutline(text)
    } throws: { ($0 as? LumosError)?.kind == .usage }
  }
}
