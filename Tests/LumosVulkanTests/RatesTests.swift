import LumosGraph
import LumosOpSuite
import LumosOps
import LumosTensor
import Testing

@testable import LumosVulkan

@Suite struct RatesTests {
  static let rates = DeviceRates(flopsPerSecond: 1e12, bytesPerSecond: 1e11, secondsPerDispatch: 1e-5)

  @Test("The slower of arithmetic and traffic counts, and the launch")
  func roofline() {
    #expect(abs(Self.rates.seconds(flops: 2_000_000_000_000, bytesMoved: 1000) - 2.00001) < 1e-9)
    #expect(abs(Self.rates.seconds(flops: 1000, bytesMoved: 50_000_000_000) - 0.50001) < 1e-9)
    #expect(Self.rates.seconds(flops: 0, bytesMoved: 0) == 1e-5)
  }

  /// A piece of one command.
  static func one(_ flops: Int, _ bytesMoved: Int, _ seconds: Double) -> DeviceRates.Measurement {
    DeviceRates.Measurement([.init(flops: flops, bytesMoved: bytesMoved)], seconds: seconds)
  }

  @Test("Measured commands correct the rate that binds them, and only that")
  func correction() {
    let compute = Self.one(1_000_000_000_000, 1000, 0.25001)
    let copy = Self.one(0, 10_000_000_000, 0.20001)
    let arithmetic = Self.rates.corrected(by: [compute, compute])
    #expect(abs(arithmetic.flopsPerSecond / 4e12 - 1) < 1e-9)
    #expect(arithmetic.bytesPerSecond == 1e11 && arithmetic.secondsPerDispatch == 1e-5)
    let both = Self.rates.corrected(by: [compute, copy])
    #expect(abs(both.flopsPerSecond / 4e12 - 1) < 1e-9 && abs(both.bytesPerSecond / 5e10 - 1) < 1e-9)
    // Corrected rates predict what was measured.
    #expect(abs(both.seconds(flops: 1_000_000_000_000, bytesMoved: 1000) - compute.seconds) < 1e-9)
    #expect(abs(both.seconds(flops: 0, bytesMoved: 10_000_000_000) - copy.seconds) < 1e-9)
  }

  @Test("Whole submissions of mixed commands tell both rates", arguments: [0.02, 1, 50])
  func mixtures(factor: Double) {
    let actual = DeviceRates(flopsPerSecond: 1e12 * factor, bytesPerSecond: 4e11, secondsPerDispatch: 1e-5)
    var random = SplitMix64(seed: 5)
    let pieces = (0..<30).map { _ -> DeviceRates.Measurement in
      let work = (0..<6).map { index -> DeviceRates.Measurement.Work in
        let size = Int(random.next() % 1_000_000) + 100_000
        // Products far above the line between arithmetic and traffic, element-wise commands far below it.
        return index % 2 == 0
          ? .init(flops: size * 1_000_000, bytesMoved: size) : .init(flops: size * 10, bytesMoved: size * 1000)
      }
      return .init(work, seconds: work.reduce(0) { $0 + actual.seconds(flops: $1.flops, bytesMoved: $1.bytesMoved) })
    }
    let found = Self.rates.corrected(by: pieces)
    #expect(abs(found.flopsPerSecond / actual.flopsPerSecond - 1) < 1e-6, "\(found)")
    #expect(abs(found.bytesPerSecond / actual.bytesPerSecond - 1) < 1e-6, "\(found)")
  }

  @Test("A broken clock and commands that say nothing change nothing, or little")
  func absurdities() {
    let nothing = [
      Self.one(1_000_000, 0, 0), Self.one(1_000_000, 0, 1.5e-5), Self.one(1_000_000, 0, .nan), Self.one(0, 0, 1),
      Self.one(1_000_000, 0, -1), Self.one(1_000_000, 0, .infinity),
    ]
    #expect(Self.rates.corrected(by: nothing) == Self.rates && Self.rates.corrected(by: []) == Self.rates)
    let slow = Self.rates.corrected(by: [Self.one(1_000_000, 0, 1e9)])
    #expect(slow.flopsPerSecond == 1e9)
    let fast = Self.rates.corrected(by: [Self.one(.max, 0, 1)])
    #expect(fast.flopsPerSecond == 1e15)
  }

  @Test("Ops are sliced so that no dispatch is predicted above the limit", arguments: [0.05, 0.25])
  func slices(seconds: Double) throws {
    var limits = VulkanPlan.Limits(profile: .minimum)
    limits.rates = DeviceRates(flopsPerSecond: 1e9, bytesPerSecond: 1e12, secondsPerDispatch: 1e-5)
    limits.secondsPerDispatch = seconds
    limits.secondsPerSubmission = 2 * seconds
    var builder = GraphBuilder(weights: TestWeights())
    let x = builder.input("x", TensorType([4096, 256], .f32))
    let w = builder.input("w", TensorType([256, 256], .f32))
    let y = try builder.apply(Linear(), [x, w], "product")
    let span = Attention.Span(queries: 0..<4096, keys: 0..<512)
    builder.output("z", try builder.apply(Attention(heads: 2, scale: 1, spans: [span]), [y, y, y], "attention"))
    let plan = try VulkanPlan(builder.graph, limits)
    // 0.5 and 2.1 GFLOP.
    #expect(plan.dispatchCount >= Int(2.6 / seconds) && plan.dispatchCount < Int(4.5 / seconds))
    #expect(plan.commands.allSatisfy { limits.rates.seconds(of: $0) <= seconds })
    #expect(plan.submissions.allSatisfy { $0.count <= 3 } && plan.submissions.contains { $0.count > 1 })
    for range in plan.submissions {
      #expect(plan.commands[range].reduce(0) { $0 + limits.rates.seconds(of: $1) } <= 2 * seconds)
    }
    #expect(plan.submissions.flatMap(Array.init) == Array(plan.commands.indices))
  }

  @Test("Classes of devices have names of their own and plausible numbers")
  func classes() {
    #expect(Set(DeviceClass.all.map(\.name)).count == DeviceClass.all.count)
    for one in DeviceClass.all {
      #expect(DeviceClass.named(one.name.uppercased()) == one)
      // Cautious means slower than what is assumed.
      let cautious = DeviceRates.cautious(for: one.profile)
      #expect(one.name == "minimum" || one.name == "integrated" || cautious.flopsPerSecond <= one.rates.flopsPerSecond)
      #expect(one.limits.segmentByteCount < one.maxAllocationBytes)
    }
    #expect(DeviceClass.named("quantum") == nil)
  }
}
