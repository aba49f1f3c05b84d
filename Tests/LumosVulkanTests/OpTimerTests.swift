import LumosOps
import LumosTensor
import Testing

@testable import LumosVulkan

/// The timer behind the benchmarks; that it measures is seen by its using the device's clock.
@Suite struct OpTimerTests {
  private let timer: OpTimer

  init() throws {
    var options = VulkanDevice.Options()
    options.cacheDirectory = nil
    timer = OpTimer(try VulkanDevice(.named("llvmpipe"), options: options))
  }

  private static let pattern = Tensor([1, 2, 3] as [Float], [3])
  private static let operands = [
    OpTimer.Operand(TensorType([1000, 7], .f32), pattern: pattern),
    OpTimer.Operand(TensorType([1000, 7], .f32), pattern: pattern),
  ]

  @Test func runsAreCounted() throws {
    var options = OpTimer.Options()
    options.runs = 5
    options.distinctBytes = 200_000  // three sets
    let result = try timer.time(Elementwise(.add), Self.operands, options: options)
    #expect(result.seconds.count == 5 && result.seconds.allSatisfy { $0 > 0 && $0 < 10 })
    #expect(result.kernels == ["Elementwise.add.f32"])
    #expect(result.minSeconds <= result.medianSeconds && result.medianSeconds <= result.maxSeconds)
    // Where the time is up at once, there are as many runs as there must be.
    options.seconds = 0
    #expect(try timer.time(Elementwise(.add), Self.operands, options: options).seconds.count == options.leastRuns)
  }

  @Test func variantsAreForced() throws {
    let operands = [
      OpTimer.Operand(TensorType([3, 8], .f32), pattern: Self.pattern),
      OpTimer.Operand(TensorType([5, 8], .f32), pattern: Self.pattern),
    ]
    var options = OpTimer.Options()
    options.distinctBytes = 0
    for variant in ["vector", "tiles"] {
      options.variant = variant
      #expect(try timer.time(Linear(), operands, options: options).kernels == ["Linear.\(variant).f32"])
    }
  }

  @Test func copiesAndInterruption() throws {
    var options = OpTimer.Options()
    options.distinctBytes = 0
    #expect(try timer.timeCopy(Self.operands[0], options: options).kernels == ["copy"])
    options.check = { throw CancellationError() }
    #expect(throws: CancellationError.self) {
      try timer.time(Elementwise(.add), Self.operands, options: options)
    }
  }

  @Test("Operands that do not fit the op are refused")
  func mismatch() {
    let weight = OpTimer.Operand(TensorType([5, 8], .f32), pattern: Self.pattern)
    #expect(throws: OpError.self) { try timer.time(Linear(), [Self.operands[0], weight]) }
  }
}
