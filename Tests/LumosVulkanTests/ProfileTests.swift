import LumosGraph
import LumosOps
import LumosTensor
import Testing

@testable import LumosVulkan

@Suite struct ProfileTests {
  /// Two submissions: commands 0 and 1, then command 2. Timestamps are the beginning of each and the end of each command.
  @Test("A command begins when its predecessor is done, or when the device comes to its submission")
  func timing() throws {
    let gap = RunTiming(marks: [0, 3, 5, 9, 10], submissions: [0..<2, 2..<3])
    #expect(gap.commandStarts == [0, 3, 9] && gap.commandSeconds == [3, 2, 1] && gap.seconds == 10)
    // The device looked at the second submission before it was done with the first.
    let early = RunTiming(marks: [0, 3, 5, 1, 10], submissions: [0..<2, 2..<3])
    #expect(early.commandStarts == [0, 3, 5] && early.commandSeconds == [3, 2, 5] && early.seconds == 10)
    let none = RunTiming(marks: [0], submissions: [0..<0])
    #expect(none.seconds == 0 && none.commandSeconds.isEmpty)
  }

  @Test("The dispatches of an op share its cost without a rest")
  func shares() throws {
    // Long attention is cut into dispatches that stay short.
    var builder = GraphBuilder(weights: TestWeights())
    let tokens = 10_007
    let q = builder.input("q", TensorType([tokens, 64], .f32))
    let op = Attention(heads: 1, scale: 1, spans: [Attention.Span(queries: 0..<tokens, keys: 0..<tokens)])
    builder.output("y", try builder.apply(op, [q, q, q], "attention"))
    let a = builder.input("a", TensorType([3, 7], .f32))
    builder.update(state: "s", to: try builder.add(a, a, "sum"))
    let plan = try VulkanPlan(builder.graph, PlanTests.limits)
    let commands = plan.commands.filter { $0.op == "Attention" }
    #expect(commands.count > 2)
    let types = [TensorType](repeating: TensorType([tokens, 64], .f32), count: 3)
    #expect(commands.reduce(0) { $0 + $1.flops } == op.flops(types))
    #expect(commands.reduce(0) { $0 + $1.bytesMoved } == op.bytesMoved(types))
    let copies = plan.commands.filter { $0.kernel == nil }
    #expect(copies.map(\.op) == ["copy"] && copies.map(\.bytesMoved) == [2 * 3 * 7 * 4])
  }

  @Test("Runs of several submissions appear on the queue's track, in order, within the host's waits")
  func run() throws {
    let recorder = ProfileRecorder()
    let device = try TestDevice.open()
    var base = VulkanBackend(device: device)
    base.limits.commandsPerSubmission = 4
    let backend = base.profiled(by: recorder)
    do {
      let session = try backend.makeSession(weights: TestWeights())
      let executable = try session.compile(PlanTests.chain(10))
      for _ in 0..<3 {
        _ = try executable.run(["x": Tensor(ramp(256), PlanTests.type.shape)], output: "y")
      }
    }
    let next = try backend.makeSession(weights: TestWeights())
    let profile = recorder.profile
    let track = try #require(profile.queues.first)
    #expect(profile.queues.count == 1 && track.queue.device == device.title)
    let labels = (0..<10).map { "step \($0)" }
    #expect(track.executions.map(\.operation.label) == labels + labels + labels)
    #expect(track.executions.allSatisfy { $0.operation.op == "Elementwise" && $0.operation.kernel != "copy" })
    let waits = profile.spans.filter { $0.activity == .wait }
    #expect(waits.count == 3)
    for (index, execution) in track.executions.enumerated() where index > 0 {
      #expect(track.executions[index - 1].time.upperBound <= execution.time.lowerBound)
    }
    for (index, wait) in waits.enumerated() {
      let run = track.executions[index * 10..<(index + 1) * 10]
      // The queue's times are tied to the moment just after the wait.
      #expect(run.allSatisfy { wait.time.lowerBound <= $0.time.lowerBound })
    }
    // Memory rises with the session and is back at nothing when the next one begins.
    let bytes = profile.memory.map(\.bytes)
    #expect(bytes.first == 0 && bytes.last == 0 && (bytes.max() ?? 0) > 0)
    #expect(next.peakDeviceBytes == 0)
    #expect(Set(profile.spans.map(\.activity)) == [.compile, .plan, .record, .run, .upload, .wait, .download])
    #expect(device.validationMessages.isEmpty)
  }
}
