import Glibc
import LumosPipeline
import LumosTensor
import LumosVulkan
import Testing

/// The same goldens on Vulkan: on the software driver, which every machine that runs the tests has, or on the device
/// that `LUMOSX_TEST_DEVICE` names.
@Suite(.serialized) struct VulkanGoldenTests {
  static func backend() throws -> VulkanBackend {
    let name = getenv("LUMOSX_TEST_DEVICE").map { String(cString: $0) } ?? "llvmpipe"
    return VulkanBackend(device: try VulkanDevice(DeviceSelection(name)))
  }

  /// Cases of graphs; token ids and condition pixels depend on no backend.
  static let cases = GoldenTests.comparisons.keys.sorted().filter {
    !$0.hasPrefix("tokenizer/") && !$0.hasPrefix("preprocess/")
  }

  @Test(arguments: cases) func published(_ name: String) throws {
    let results = try GoldenTests.suite().run(on: Self.backend(), matching: { $0 == name })
    #expect(results.count == GoldenTests.comparisons[name])
    GoldenTests.expectPass(results)
  }

  @Test func oracle() throws {
    let results = try GoldenSuite(GoldenTests.fixtures + "/golden-oracle").run(on: Self.backend())
    #expect(results.count == GoldenTests.oracleComparisons)
    GoldenTests.expectPass(results)
  }
}
