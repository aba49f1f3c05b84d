import Foundation
import LumosGraph
import LumosOps
import LumosPipeline
import LumosTensor
import LumosVulkan
import Testing

/// The published code's tensors on Vulkan with every pass on, none, each alone and each switched off in turn: a pass that
/// changes results shows, and so does one that only works in company.
@Suite(.serialized) struct PassParityTests {
  /// Checked: arenas are poisoned, red zones and hazards are looked for.
  static let device = Result {
    var options = VulkanDevice.Options()
    options.checked = true
    options.cacheDirectory = nil
    return try VulkanDevice(
      DeviceSelection(ProcessInfo.processInfo.environment["LUMOSX_TEST_DEVICE"] ?? "llvmpipe"), options: options)
  }

  /// Which passes are on, by what is said of them.
  struct Choice: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let passes: Passes
  }

  static let choices =
    [Choice(testDescription: "all", passes: .all), Choice(testDescription: "none", passes: [])]
    + Passes.named.map { Choice(testDescription: "without \($0.name)", passes: .all.subtracting($0.pass)) }

  static let alone = Passes.named.map { Choice(testDescription: "\($0.name) alone", passes: $0.pass) }

  @Test("A block's goldens hold under each pass alone", arguments: alone)
  func blockGoldens(choice: Choice) throws { try goldens(name: "block/humans2_obj_bg", choice: choice) }

  @Test("Goldens hold whatever passes are on", arguments: ["block/humans2_obj_bg", "vae/cases"], choices)
  func goldens(name: String, choice: Choice) throws {
    let backend = VulkanBackend(device: try Self.device.get(), passes: choice.passes)
    let results = try GoldenTests.suite().run(on: backend, matching: { $0 == name })
    #expect(results.count == GoldenTests.comparisons[name])
    GoldenTests.expectPass(results)
  }

  @Test("The backend plans what the passes leave")
  func passesReachThePlan() throws {
    struct NoWeights: WeightSource {
      func type(ofWeight name: String) -> TensorType? { nil }
      func weight(_ name: String) throws -> Tensor { throw LumosError(.internalDefect, "no weight \(name)") }
    }
    var builder = GraphBuilder(weights: NoWeights())
    let table = builder.input("table", TensorType([2, 8], .f32))
    let x = builder.input("x", TensorType([3, 8], .f32))
    let normed = try builder.layerNorm(x, epsilon: 1e-6, "norm")
    builder.output("y", try builder.modulate(normed, by: table, shiftRow: 0, scaleRow: 1, "modulate"))
    for (passes, kernels) in [(Passes.all, ["LayerNorm.plain"]), ([], ["LayerNorm.plain", "Modulate"])] {
      let session = VulkanBackend(device: try Self.device.get(), passes: passes).makeSession(weights: NoWeights())
      let executable = try #require(try session.compile(builder.graph) as? VulkanExecutable)
      #expect(executable.plan.commands.compactMap(\.kernel) == kernels)
    }
  }
}
