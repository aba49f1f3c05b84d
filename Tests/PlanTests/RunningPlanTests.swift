import Foundation
import LumosGraph
import LumosModels
import LumosPipeline
import LumosText
import LumosVulkan
import Testing

@Suite struct RunningPlanTests {
  @Test("A plan of a scene is what a generation does, to the last dispatch", arguments: [[7], [7, 8]] as [[UInt64]])
  func planEqualsRun(seeds: [UInt64]) throws {
    let path = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Tools/demo-bundle").path
    let folder = FileManager.default.temporaryDirectory.appending(path: "lumosx-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }

    var options = VulkanDevice.Options()
    options.checked = false
    var backend = VulkanBackend(device: try VulkanDevice(.named("llvmpipe"), options: options))
    // A plan does not know how fast the device will turn out to be.
    backend.limits.correctsRates = false
    let counting = CountingBackend(base: backend)
    let bundle = try ModelBundle(path)
    let request = Request(scenePath: path + "/scenes/4", frames: 5, steps: 3, seeds: seeds)
    _ = try Pipeline(bundle: bundle, backend: counting)
      .generate(request, to: folder.appending(path: "out.mp4").path)

    let scene = try Scene(request.scenePath)
    let settings = try Settings(request, defaults: bundle.configuration)
    let tokenizer = try Tokenizer(modelPath: bundle.tokenizerPath, tokenizerJSONPath: bundle.tokenizerJSONPath)
    let length = bundle.configuration.transformer.textLength
    let rates = DeviceRates.cautious(for: counting.base.profile)
    let plan = try GenerationPlan(
      bundle.configuration, weights: .init(bundle), outline: SceneOutline(scene), settings: settings,
      texts: .init(scene, negativePrompt: settings.negativePrompt, tokenizer, length: length)
    ) { graph, options in
      let graph = counting.base.passes.apply(to: graph)
      return try VulkanPlan(graph, counting.base.limits, residency: options.residency).summary(of: graph, rates: rates)
    }

    // A session for each stage, the last for each video.
    let sessions = counting.log.sessions
    #expect(plan.stages.count == 4 && sessions.count == 3 + seeds.count)
    for (index, stage) in plan.stages.enumerated() {
      let own = index < 3 ? sessions[index...index] : sessions[3...]
      let executables = own.flatMap(\.executables)
      #expect(stage.parts.map(\.runs) == executables.map(\.runs), "\(stage.stage)")
      for (part, real) in zip(stage.parts, executables) {
        #expect(part.summary.dispatches == real.plan.dispatchCount, "\(stage.stage)")
        #expect(part.summary.barriers == real.plan.barrierCount)
        #expect(part.summary.submissions == real.plan.submissions.count)
        #expect(part.summary.arenaBytes == real.plan.arenaByteCount)
        #expect(part.summary.flops == real.plan.commands.reduce(0) { $0 + $1.flops })
        #expect(part.summary.dispatches > 0 && real.runs > 0)
      }
      // Memory comes in blocks, of which the last one of a session may be all but empty.
      for session in own {
        #expect(session.peakDeviceBytes >= stage.peakBytes - stage.reserveBytes, "\(stage.stage)")
        #expect(session.peakDeviceBytes <= stage.peakBytes, "\(stage.stage)")
      }
    }
  }
}
