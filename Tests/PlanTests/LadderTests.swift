import Foundation
import LumosGraph
import LumosModels
import LumosPipeline
import LumosTensor
import LumosVulkan
import Testing

/// What is done about memory: in plans of the published model, and in generations.
@Suite struct LadderTests {
  static let gibibyte = 1 << 30

  @Test("The published model at 480 x 832: the bytes that were promised")
  func promises() throws {
    let plan = try GenerationPlanTests.plan()
    let (text, transformer) = try (#require(plan[.textEncoder]), #require(plan[.transformer]))
    #expect(text.rung == .streamed && text.peakBytes <= 3 * Self.gibibyte / 2)
    #expect(transformer.rung == .stageByStage && transformer.peakBytes <= 6 * Self.gibibyte)
    #expect(plan.ladder(budget: nil) == [.stageByStage, .streamed])

    let small = try GenerationPlanTests.plan(budget: 3 * Self.gibibyte)
    let streamed = try #require(small[.transformer])
    #expect(streamed.rung == .streamed && streamed.peakBytes <= 3 * Self.gibibyte)
    // Every block's weights come once for each evaluation, and the slots are all that is there of them.
    let weights = Double(streamed.storedWeightBytes)
    #expect(streamed.storedWeightBytes == transformer.storedWeightBytes)
    #expect((0.95..<1.5).contains(Double(streamed.streamedBytesPerEvaluation) / weights))
    #expect(streamed.slotBytes <= 130 << 20 && streamed.weightBytes < streamed.slotBytes + 32 << 20)
    // Nothing is computed differently, and beside hours of arithmetic the transfers do not show.
    #expect(streamed.total(\.flops) == transformer.total(\.flops))
    #expect(streamed.total(\.dispatches) == transformer.total(\.dispatches))
    #expect(streamed.predictedSeconds >= transformer.predictedSeconds)
    #expect(streamed.predictedSeconds < 1.01 * transformer.predictedSeconds)
    // Text: each weight is read once for a prompt (Docs/Decisions/0024).
    #expect(text.streamedBytes <= 2 * text.storedWeightBytes && text.evaluations == 2)
    #expect(text.predictedSeconds >= Double(text.streamedBytes) / WeightLoad.bytesPerSecond)
  }

  @Test("720 x 1280 fits a card of 8 GiB")
  func large() throws {
    let plan = try GenerationPlanTests.plan(size: (720, 1280), budget: 8 * Self.gibibyte)
    #expect(try #require(plan[.transformer]).peakBytes <= 8 * Self.gibibyte)
  }

  @Test("The 14B model in Q4_K: a card of 12 GB with all weights there, one of 8 GB with streamed ones")
  func large14B() throws {
    func plan(_ outline: String, _ dtype: DType, budget: Int?) throws -> StagePlan {
      let plan = try GenerationPlanTests.plan(
        outline, model: .wan14B, dtype: dtype, precision: .half(.f16), budget: budget)
      return try #require(plan[.transformer])
    }
    let whole = try plan("none", .q4_K, budget: 12_000_000_000)
    #expect(whole.rung == .stageByStage && whole.peakBytes <= 12_000_000_000, "\(whole.peakBytes)")
    // 4.5 bits for each of the blocks' numbers, 16 for the others.
    let inBlocks = 40 * (8 * 5120 * 5120 + 2 * 5120 * 13824)
    #expect((0..<900_000_000).contains(whole.storedWeightBytes - inBlocks / 256 * 144), "\(whole.storedWeightBytes)")
    let streamed = try plan("none", .q4_K, budget: 8_000_000_000)
    #expect(streamed.rung == .streamed && streamed.peakBytes <= 8_000_000_000, "\(streamed.peakBytes)")
    #expect(streamed.total(\.flops) == whole.total(\.flops))
    // It is the blocks that make it fit.
    #expect(try plan("none", .q8_0, budget: 12_000_000_000).rung == .streamed)
    #expect(try plan("b1h3,3", .q4_K, budget: 8_000_000_000).peakBytes <= 8_000_000_000)
  }

  @Test("Less memory, a higher rung; and below the last one a refusal that names the bytes")
  func rungs() throws {
    let size = (256, 256)
    var last = MemoryLadder.Rung.stageByStage
    var peaks: [MemoryLadder.Rung: Int] = [:]
    for rung in [MemoryLadder.Rung.stageByStage, .streamed, .smallTiles] {
      var ladder = MemoryLadder()
      ladder.first = rung
      let stage = try #require(try GenerationPlanTests.plan(size: size, frames: 41, ladder: ladder)[.transformer])
      #expect(stage.rung == rung)
      peaks[rung] = stage.peakBytes
    }
    #expect(try #require(peaks[.streamed]) < #require(peaks[.stageByStage]))
    #expect(try #require(peaks[.smallTiles]) < #require(peaks[.streamed]))
    for rung in [MemoryLadder.Rung.stageByStage, .streamed, .smallTiles] {
      // The budget is what one rung takes: that rung is chosen, and no other.
      let budget = try #require(peaks[rung])
      let plan = try GenerationPlanTests.plan(size: size, frames: 41, budget: budget)
      let stage = try #require(plan[.transformer])
      #expect(stage.rung == rung && stage.rung >= last && stage.peakBytes == budget)
      last = stage.rung
    }
    let least = try #require(peaks[.smallTiles])
    let plan = try GenerationPlanTests.plan(size: size, frames: 41, budget: least - 1)
    let shortage = try #require(plan.shortage(budget: least - 1))
    #expect(shortage.kind == .tryAgain && shortage.what.contains("\(plan.peakBytes) bytes"))
    #expect(shortage.what.contains("the budget is \(least - 1) bytes") && shortage.advice != nil)
  }

  @Test("A generation keeps to its plan, and no rung changes the video", arguments: [false, true])
  func running(staged: Bool) throws {
    let path = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Tools/demo-bundle").path
    let folder = FileManager.default.temporaryDirectory.appending(path: "lumosx-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var options = VulkanDevice.Options()
    options.checked = false
    options.stagesAllTransfers = staged
    var backend = VulkanBackend(device: try VulkanDevice(.named("llvmpipe"), options: options))
    backend.limits.leastStreamedBytes = 1024
    let request = Request(scenePath: path + "/scenes/4", frames: 5, steps: 2, seed: 7)

    func generate(_ first: MemoryLadder.Rung, budget: Int? = nil) throws -> (result: GenerationResult, peak: Int) {
      var pipeline = try Pipeline(bundle: ModelBundle(path), backend: backend, memoryBudget: budget)
      pipeline.ladder.first = first
      pipeline.ladder.slotBytes = 32 << 10
      pipeline.ladder.tileBytes = 64 << 10
      var planned: (rungs: [Stage: MemoryLadder.Rung], peak: Int)?
      let result = try pipeline.generate(request, to: folder.appending(path: "out.mp4").path) { event in
        if case .memory(let rungs, let peak) = event { planned = (rungs, peak) }
      }
      let plan = try #require(planned)
      #expect(plan.rungs[.transformer] == first && plan.rungs[.textEncoder] == first)
      #expect(plan.rungs[.vaeDecode] == .stageByStage)
      #expect(result.peakDeviceBytes > 0 && result.peakDeviceBytes <= plan.peak)
      return (result, plan.peak)
    }
    let resident = try generate(.stageByStage)
    let streamed = try generate(.streamed)
    #expect(resident.result.outputs.map(\.latentsSha256) == streamed.result.outputs.map(\.latentsSha256))
    let tiled = try generate(.smallTiles).result.outputs[0].latents.floats()
    let exact = resident.result.outputs[0].latents.floats()
    let error = zip(tiled, exact).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    #expect(error <= 1e-10 * exact.reduce(0.0) { $0 + Double($1) * Double($1) })

    // A budget that does not suffice: nothing is begun.
    #expect {
      var pipeline = try Pipeline(bundle: ModelBundle(path), backend: backend, memoryBudget: 1 << 20)
      pipeline.checkpointEvery = 1
      let refused = folder.appending(path: "refused.mp4").path
      _ = try pipeline.generate(request, to: refused) { Issue.record("begun: \($0)") }
    } throws: {
      let error = $0 as? LumosError
      return error?.kind == .tryAgain && error?.what.contains("the budget is 1048576 bytes") == true
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["out.mp4"])
  }
}
