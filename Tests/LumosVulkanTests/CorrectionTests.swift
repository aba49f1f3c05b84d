import LumosGraph
import LumosOps
import LumosOpSuite
import LumosTensor
import Testing

@testable import LumosVulkan

/// Plans that are cut anew for the speed that the first runs have shown.
@Suite struct CorrectionTests {
  /// A product and an attention of some 140 MFLOP, and their inputs.
  private static func graph() throws -> (Graph, [String: Tensor]) {
    var builder = GraphBuilder(weights: TestWeights())
    let x = builder.input("x", TensorType([512, 128], .f32))
    let w = builder.input("w", TensorType([128, 128], .f32))
    let y = try builder.apply(Linear(), [x, w], "product")
    let span = Attention.Span(queries: 0..<512, keys: 0..<512)
    builder.output("z", try builder.apply(Attention(heads: 2, scale: 0.1, spans: [span]), [y, y, y], "attention"))
    var random = SplitMix64(seed: 3)
    func noise(_ shape: Shape) -> Tensor {
      Tensor((0..<shape.count).map { _ in Float(Int(random.next() % 2001) - 1000) / 1000 }, shape)
    }
    return (builder.graph, ["x": noise([512, 128]), "w": noise([128, 128])])
  }

  private static func executable(
    _ graph: Graph, _ edit: (inout VulkanPlan.Limits) -> Void
  ) throws -> VulkanExecutable {
    let session = try SessionTests.session(TestWeights()) { edit(&$0.limits) }
    return try #require(session.compile(graph) as? VulkanExecutable)
  }

  @Test("A device that is faster than it was taken for gets longer dispatches and submissions, and the same result")
  func faster() throws {
    let (graph, inputs) = try Self.graph()
    let executable = try Self.executable(graph) {
      $0.rates = DeviceRates(flopsPerSecond: 1e6, bytesPerSecond: 1e6, secondsPerDispatch: 1e-6)
    }
    let first = executable.plan
    #expect(first.dispatchCount > 10 && first.submissions.count > 5)
    let results = try (0..<5).map { _ in try executable.run(inputs, output: "z") }
    #expect(executable.plan.dispatchCount < first.dispatchCount)
    #expect(executable.plan.submissions.count < first.submissions.count)
    #expect(executable.plan.arenaByteCount == first.arenaByteCount)
    #expect(results.allSatisfy { $0.floats() == results[0].floats() })
    #expect(results[0].floats().contains { $0 != 0 })
  }

  @Test("A device that is slower gets shorter ones, and so do the graphs that follow")
  func slower() throws {
    let (graph, inputs) = try Self.graph()
    func edit(_ limits: inout VulkanPlan.Limits) {
      limits.rates = DeviceRates(flopsPerSecond: 1e15, bytesPerSecond: 1e15, secondsPerDispatch: 1e-6)
      limits.secondsPerDispatch = 1e-3
      limits.secondsPerSubmission = 2e-3
    }
    let session = try SessionTests.session(TestWeights()) { edit(&$0.limits) }
    let executable = try #require(session.compile(graph) as? VulkanExecutable)
    let first = executable.plan
    #expect(first.dispatchCount == 2 && first.submissions.count == 1)
    let results = try (0..<5).map { _ in try executable.run(inputs, output: "z") }
    #expect(executable.plan.dispatchCount > 2 && executable.plan.submissions.count > 1)
    #expect(results.allSatisfy { $0.floats() == results[0].floats() })
    let next = try #require(session.compile(graph) as? VulkanExecutable)
    #expect(next.plan.dispatchCount > 2)
  }

  @Test("Rates that are not to be corrected stay")
  func fixed() throws {
    let (graph, inputs) = try Self.graph()
    let executable = try Self.executable(graph) {
      $0.rates = DeviceRates(flopsPerSecond: 1e6, bytesPerSecond: 1e6, secondsPerDispatch: 1e-6)
      $0.correctsRates = false
    }
    let first = executable.plan
    for _ in 0..<3 { _ = try executable.run(inputs, output: "z") }
    #expect(executable.plan.dispatchCount == first.dispatchCount)
    #expect(executable.plan.submissions == first.submissions)
    let timing = try #require(executable.lastTiming)
    #expect(timing.submissionSeconds.count == first.submissions.count && timing.hostSeconds > 0)
    let total = try #require(timing.seconds)
    #expect(timing.submissionSeconds.reduce(0, +) <= total + 1e-9)
  }

  @Test("A session tells between submissions how far a run is, and a listener can end it")
  func progress() throws {
    struct Enough: Error {}
    let (graph, inputs) = try Self.graph()
    let session = try SessionTests.session(TestWeights()) {
      $0.limits.commandsPerSubmission = 1
      $0.limits.correctsRates = false
    }
    let executable = try #require(session.compile(graph) as? VulkanExecutable)
    let count = executable.plan.submissions.count
    var heard: [Int] = []
    session.onProgress = { done, of in
      #expect(of == count)
      heard.append(done)
    }
    let result = try executable.run(inputs, output: "z").floats()
    #expect(count >= 2 && heard == Array(1...count))
    session.onProgress = { _, _ in throw Enough() }
    #expect(throws: Enough.self) { try executable.run(inputs, output: "z") }
    session.onProgress = nil
    #expect(try executable.run(inputs, output: "z").floats() == result)
  }

  @Test("A cancelled task ends a run between submissions")
  func cancellation() async throws {
    let (graph, inputs) = try Self.graph()
    let work = Task {
      let session = try SessionTests.session(TestWeights()) { $0.limits.commandsPerSubmission = 1 }
      let executable = try session.compile(graph)
      withUnsafeCurrentTask { $0?.cancel() }
      _ = try executable.run(inputs, output: "z")
    }
    await #expect(throws: CancellationError.self) { try await work.value }
  }
}
