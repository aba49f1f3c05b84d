import LumosGraph
import LumosOps
import LumosReference
import LumosTensor
import Testing

@Suite struct ProfileTests {
  static let queue = Profile.Queue(device: "device", name: "queue")

  static func operation(_ op: String, flops: Int = 0, bytes: Int = 0) -> Profile.Operation {
    Profile.Operation(op: op, label: "label", kernel: "kernel", flops: flops, bytes: bytes)
  }

  static func times(_ recorder: ProfileRecorder) -> [Range<Int>] {
    recorder.profile.queues[0].executions.map(\.time)
  }

  @Test func deviceTimesEndWhereTheHostSawTheEnd() {
    let recorder = ProfileRecorder()
    recorder.record(
      [Self.operation("a"), Self.operation("b")], offsets: [0..<30, 40..<100], endingAt: 1000, on: Self.queue)
    #expect(Self.times(recorder) == [900..<930, 940..<1000])
    recorder.record([], offsets: [], endingAt: 2000, on: Self.queue)
    #expect(Self.times(recorder).count == 2)
  }

  /// A device clock that runs fast makes a run look longer than the host waited for it.
  @Test func operationsOfAQueueNeverOverlap() {
    let recorder = ProfileRecorder()
    recorder.record([Self.operation("a")], offsets: [0..<100], endingAt: 1000, on: Self.queue)
    recorder.record(
      [Self.operation("b"), Self.operation("c")], offsets: [0..<60, 60..<80], endingAt: 1050, on: Self.queue)
    #expect(Self.times(recorder) == [900..<1000, 1000..<1060, 1060..<1080])
    // Nothing ran before there was a recorder.
    let other = Profile.Queue(device: "device", name: "other")
    recorder.record([Self.operation("d")], offsets: [0..<100], endingAt: 50, on: other)
    #expect(recorder.profile.queues.map(\.queue) == [Self.queue, other])
    #expect(recorder.profile.queues[1].executions.map(\.time) == [0..<100])
  }

  @Test func sumsPerKindOfOp() {
    let recorder = ProfileRecorder()
    recorder.record(
      [
        (Self.operation("small", flops: 1, bytes: 2), 0..<10), (Self.operation("big", flops: 100), 10..<60),
        (Self.operation("small", flops: 3, bytes: 4), 60..<75),
      ], on: Self.queue)
    let totals = recorder.profile.operationTotals
    #expect(totals.map(\.op) == ["big", "small"])
    #expect(totals.map(\.count) == [1, 2])
    #expect(totals.map(\.nanoseconds) == [50, 25])
    #expect(totals.map(\.flops) == [100, 4])
    #expect(totals.map(\.bytes) == [0, 6])
  }

  /// Time is counted once, for the innermost span: the sums make up the outermost spans exactly.
  @Test func hostTimeIsCountedOnce() {
    let recorder = ProfileRecorder()
    recorder.record(.upload, "inner", time: 20..<30, bytes: 8)
    recorder.record(.wait, "wait", time: 30..<90)
    recorder.record(.run, "run", time: 20..<95)
    // Another run at the very beginning of the step, and a span without duration at its end.
    recorder.record(.run, "run", time: 10..<20)
    recorder.record(.upload, "none", time: 100..<100)
    recorder.record(.step, "step", time: 10..<100)
    recorder.record(.stage, "stage", time: 0..<100)
    recorder.record(.stage, "next", time: 100..<140)
    let totals = recorder.profile.activityTotals
    #expect(totals.map(\.activity) == [.stage, .step, .run, .upload, .wait])
    #expect(totals.map(\.count) == [2, 1, 2, 2, 1])
    #expect(totals.map(\.ownNanoseconds) == [50, 5, 15, 10, 60])
  }

  @Test func spansAreRecordedAlsoWhenTheWorkFails() throws {
    struct Failure: Error {}
    let recorder: ProfileRecorder? = ProfileRecorder()
    #expect(recorder.span(.plan, "fine") { 7 } == 7)
    #expect(throws: Failure.self) { try recorder.span(.upload, "failing", bytes: 3) { throw Failure() } }
    let spans = try #require(recorder).profile.spans
    #expect(spans.map(\.activity) == [.plan, .upload] && spans.map(\.name) == ["fine", "failing"])
    #expect(spans.map(\.bytes) == [nil, 3])
    #expect(spans[0].time.upperBound <= spans[1].time.lowerBound)
  }

  @Test func withoutARecorderNothingIsEvaluated() {
    let recorder: ProfileRecorder? = nil
    var named = false
    func name() -> String {
      named = true
      return ""
    }
    #expect(recorder.span(.plan, name()) { 7 } == 7)
    #expect(!named)
  }

  @Test func memoryIsSampledWhereItChanges() {
    let recorder = ProfileRecorder()
    for (bytes, device) in [(0, "a"), (5, "a"), (5, "a"), (5, "b"), (7, "a")] {
      recorder.recordMemory(bytes, on: device)
    }
    let samples = recorder.profile.memory
    #expect(samples.map(\.bytes) == [0, 5, 5, 7] && samples.map(\.device) == ["a", "a", "b", "a"])
    #expect(zip(samples, samples.dropFirst()).allSatisfy { $0.time <= $1.time })
  }

  struct OneWeight: WeightSource {
    func type(ofWeight name: String) -> TensorType? { name == "w" ? TensorType([4, 3], .f32) : nil }
    func weight(_ name: String) throws -> Tensor { Tensor([Float](repeating: 1, count: 12), [4, 3]) }
  }

  @Test func theReferenceBackendTimesItsNodes() throws {
    var builder = GraphBuilder(weights: OneWeight())
    let x = builder.input("x", TensorType([2, 3], .f32))
    let product = try builder.apply(Linear(), [x, builder.weight("w", [4, 3])], "product")
    builder.output("y", try builder.add(product, product, "twice"))
    let recorder = ProfileRecorder()
    let backend = ReferenceBackend().profiled(by: recorder)
    let executable = try backend.makeSession(weights: OneWeight()).compile(builder.graph)
    for _ in 0..<3 {
      let y = try executable.run(["x": Tensor([Float](repeating: 2, count: 6), [2, 3])], output: "y")
      #expect(y.floats() == [Float](repeating: 12, count: 8))
    }
    let profile = recorder.profile
    let executions = try #require(profile.queues.first).executions
    #expect(executions.map(\.operation.label) == Array(repeating: ["product", "twice"], count: 3).flatMap { $0 })
    #expect(zip(executions, executions.dropFirst()).allSatisfy { $0.time.upperBound <= $1.time.lowerBound })
    let linear = try #require(profile.operationTotals.first { $0.op == Linear.name })
    #expect(linear.flops == 3 * 2 * 2 * 3 * 4 && linear.count == 3)
    #expect(linear.bytes == 3 * (2 * 3 + 4 * 3 + 2 * 4) * 4)
    #expect(profile.spans.filter { $0.activity == .run }.count == 3)
    // The weight is widened once, and outside the node's time.
    #expect(profile.spans.filter { $0.name == "weight w" }.count == 1)
    let widening = try #require(profile.spans.first { $0.name == "weight w" }).time
    #expect(executions.allSatisfy { !$0.time.overlaps(widening) })
  }
}
