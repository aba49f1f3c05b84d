import CVulkan
import Foundation
import LumosGraph
import LumosModels
import LumosPipeline
import LumosTensor
import Testing

@testable import LumosVulkan

/// What the host has to do for one replayed step of the published size, on a driver that runs nothing.
@Suite struct HostTimeTests {
  /// Weights of which all elements are zero.
  private struct Zeros: WeightSource {
    let described: any WeightSource

    func type(ofWeight name: String) -> TensorType? { described.type(ofWeight: name) }

    func weight(_ name: String) throws -> Tensor {
      let type = try #require(described.type(ofWeight: name))
      return Tensor(type.shape, type.dtype) { _ in }
    }
  }

  /// The library is built beside the program that runs the tests.
  private static func nullDevice() throws -> VulkanDevice {
    let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    var options = VulkanDevice.Options()
    options.loaderLibrary = program.deletingLastPathComponent().appending(path: "libNullVulkan.so").path
    options.cacheDirectory = nil
    options.checked = false
    options.validated = false
    return try VulkanDevice(.auto, options: options)
  }

  @Test("A step of the published size is submitted in few pieces once the device's speed is known")
  func replayedStep() throws {
    let configuration = ModelConfiguration()
    let settings = try Settings(
      Request(scenePath: "", size: (480, 832), frames: 81, steps: 9), defaults: configuration)
    let layout = Layout(
      latentFrames: 21, rows: 30, columns: 52, plainConditions: 1, humanGroups: [3, 3], ablation: [])
    let weights = Zeros(
      described: GenerationPlan.Weights(configuration, dtype: .f16).transformer)
    let backend = CountingBackend(base: VulkanBackend(device: try Self.nullDevice()))
    let session = try backend.makeSession(weights: weights)
    let sampler = Sampler(
      TransformerGraph(configuration.transformer, layout: layout), session: session, weights: weights, height: 60,
      width: 104)
    let length = configuration.umt5.textLength
    let context = Tensor([length, configuration.transformer.textWidth], .f32) { _ in }
    let guide = Sampler.Guide(
      conditions: Tensor([layout.conditions, 60, 104, 16], .f32) { _ in },
      masks: (0..<layout.conditions).map { image in (0..<length).map { $0 / 2 == image } }, prompt: context,
      negativePrompt: context, guidance: 6)
    _ = try sampler.sample(
      noise: Tensor([21, 60, 104, 16], .f32) { _ in }, guide: guide,
      schedule: Schedule(steps: settings.steps, shift: settings.shift))

    let counts = try #require(backend.log.sessions.first).executables
    let step = try #require(counts.first { $0.runs == settings.steps })
    let first = step.plan.submissions.count
    // Two runs teach the speed of the null device; from then on the recording is replayed.
    let replayed = step.timings.dropFirst(3)
    let pieces = try #require(replayed.last).submissionSeconds.count
    #expect(replayed.count == 6 && replayed.allSatisfy { $0.submissionSeconds.count == pieces })
    #expect(first > 1000 && pieces <= 100, "\(first) submissions, then \(pieces)")

    let milliseconds = replayed.map { $0.hostSeconds * 1000 }.sorted()
    let bare = try Self.bareSubmissions(pieces)
    print(
      """
      host time to submit one replayed step at 480x832, 81 frames: null device \(milliseconds[milliseconds.count / 2]) ms \
      (\(milliseconds[0]) to \(milliseconds[milliseconds.count - 1])) in \(pieces) submissions; \
      at first \(step.timings[0].hostSeconds * 1000) ms in \(first); \
      lavapipe: as many empty submissions take \(bare * 1000) ms
      """)
  }

  /// Median seconds that the host spends on so many empty submissions to lavapipe.
  private static func bareSubmissions(_ count: Int) throws -> Double {
    let device = try VulkanDevice(.named("llvmpipe"))
    let list = try CommandList(device.context)
    for index in 0..<count { try list.record(index) { _ in } }
    let seconds = try (0..<9).map { _ in try device.submissions.run(list.buffers) }.sorted()
    #expect(seconds[0] > 0)
    return seconds[4]
  }
}
