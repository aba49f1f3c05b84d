import Foundation
import LumosFiles
import LumosGraph
import LumosModels
import LumosPipeline
import LumosReference
import LumosTensor
import LumosVulkan
import Synchronization
import Testing

/// `lumosx generate --profile`.
@Suite struct ProfileTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  func path(_ name: String) -> String { scratch.url.appending(path: name).path }

  @Test(arguments: ["cpu", "vulkan:llvmpipe"]) func traceAndTable(_ device: String) throws {
    let run = try Command([
      "generate", GenerateTests.scene(2), "-o", path("v.mp4"), "--device", device, "--steps", "2", "--frames", "5",
      "--profile", path("trace.json"), "--json", "--no-context-cache",
    ])
    #expect(run.status == 0, "\(run.errors)")
    let trace = try Trace(path("trace.json"))
    try trace.check()
    #expect(trace.spans("stage").map(\.name) == ["textEncoder", "vaeEncode", "transformer", "vaeDecode"])
    #expect(trace.spans("step").map(\.name) == ["step 1 of 2", "step 2 of 2"])
    #expect(trace.spans("frames").map(\.name) == (1...5).map { "frame \($0)" })
    let categories = Set(trace.events.map(\.category))
    #expect(categories.isSuperset(of: ["compile", "run", "upload"]))
    for operation in trace.operations {
      #expect(operation.args["label"]?.string?.isEmpty == false && operation.args["kernel"]?.string?.isEmpty == false)
      guard let tflops = operation.args["tflops"]?.double, let flops = operation.args["flops"]?.double else { continue }
      let seconds = Double(operation.time.count) * 1e-9
      #expect(abs(tflops * seconds - flops / 1e12) <= 1e-9 * flops / 1e12)
    }
    if device != "cpu" {
      #expect(categories.isSuperset(of: ["plan", "record", "wait", "download"]))
      let memory = try #require(trace.memory.values.first)
      let result = try #require(try GenerateTests.events(run).last)
      #expect(memory.max() == result["peakDeviceBytes"]?.integer)
      // Each stage gives back what it had before the next begins.
      #expect(memory.count { $0 == 0 } >= 4)
    }
    // A row per kind of op, with the number of its executions, and one for all.
    // Its first cell is the op, and on a GPU the variants of its kernels.
    let rows = run.errors.split(separator: "\n").map { line in
      line.split(separator: "  ").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    func row(_ name: String) -> [String]? {
      rows.first { $0.count == 6 && ($0[0] == name || $0[0].hasPrefix(name + ":")) }
    }
    for (op, count) in Dictionary(trace.operations.map { ($0.name, 1) }, uniquingKeysWith: +) {
      #expect(row(op)?[1] == String(count), "\(op) in \(run.errors)")
    }
    #expect(row("all")?[1] == String(trace.operations.count) && row("all")?[3] == "100.0 %", "\(run.errors)")
    #expect(run.errors.contains("upload") && run.errors.contains("profile \(path("trace.json"))"))
  }

  /// What the trace says was computed is what the graphs that were compiled ask for, times their runs; and profiling
  /// changes nothing about the result.
  @Test(arguments: ["cpu", "vulkan"]) func costsAreThoseOfTheGraphs(_ device: String) throws {
    let base: any Backend =
      device == "cpu" ? ReferenceBackend() : VulkanBackend(device: try VulkanDevice(.named("llvmpipe")))
    let bundle = try ModelBundle(Command.demoBundle.path)
    let request = Request(scenePath: GenerateTests.scene(5), frames: 1, steps: 2, seed: 7)
    let plain = try Pipeline(bundle: bundle, backend: base).generate(request, to: path("plain.png"))

    let recorder = ProfileRecorder()
    let spy = BackendSpy(base.profiled(by: recorder))
    var spans = GenerationSpans(recorder)
    let result = try Pipeline(bundle: bundle, backend: spy).generate(request, to: path("v.png")) { spans.event($0) }
    spans.end()
    #expect(result.latentsSha256 == plain.latentsSha256)
    try TraceFile.write(recorder.profile, to: path("trace.json"))
    let trace = try Trace(path("trace.json"))
    try trace.check()

    let expected = spy.costs
    #expect(trace.sums("flops") == expected.mapValues(\.flops))
    #expect(trace.sums("bytes") == expected.mapValues(\.bytes))
    #expect(
      Dictionary(trace.operations.map { ($0.name, 1) }, uniquingKeysWith: +) == expected.mapValues(\.count))
    let totals = recorder.profile.operationTotals
    #expect(Dictionary(uniqueKeysWithValues: totals.map { ($0.op, $0.flops) }) == expected.mapValues(\.flops))
    #expect(zip(totals, totals.dropFirst()).allSatisfy { $0.nanoseconds >= $1.nanoseconds })
    // The host's table adds up to the stages.
    let stages = trace.spans("stage").reduce(0) { $0 + $1.time.count }
    #expect(recorder.profile.activityTotals.reduce(0) { $0 + $1.ownNanoseconds } == stages)
    // The transformer's ops are there, and lie in its stage.
    let stage = try #require(trace.spans("stage").first { $0.name == "transformer" })
    let kinds = Set(trace.operations.filter { stage.time.contains($0.time.lowerBound) }.map(\.name))
    #expect(kinds.isSuperset(of: ["Linear", "Attention", "Patchify", "Unpatchify", "SolverStep"]), "\(kinds)")
  }

  /// Exit code 73 and nothing computed: not even the scene's warnings come.
  @Test func aPathThatCannotBeWrittenIsRefusedBeforeAnyWork() throws {
    for target in [path("missing/trace.json"), scratch.url.path, ""] {
      let run = try Command([
        "generate", GenerateTests.scene(1), "-o", path("v.mp4"), "--device", "cpu", "--profile", target, "--json",
      ])
      #expect(run.status == 73, "\(run.errors)")
      #expect(!run.output.contains("stage"), "\(run.output)")
    }
    #expect(scratch.contents().isEmpty)
  }

  /// An interrupted run leaves the trace of what was done, and its own exit code.
  @Test func anInterruptedRunLeavesItsTrace() throws {
    let process = Process()
    process.executableURL = Command.binary
    process.arguments = [
      "generate", GenerateTests.scene(2), "-o", path("v.mp4"), "--device", "cpu", "--steps", "1000", "--frames", "1",
      "--profile", path("trace.json"), "--no-context-cache",
    ]
    process.environment = Command.environment([:])
    let errors = Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    var text = ""
    while !text.contains("step 2 of") {
      let data = errors.fileHandleForReading.availableData
      if data.isEmpty { break }
      text += String(decoding: data, as: UTF8.self)
    }
    kill(process.processIdentifier, SIGINT)
    text += String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 130, "\(text)")
    #expect(scratch.contents() == ["trace.json"])
    let trace = try Trace(path("trace.json"))
    try trace.check()
    #expect(trace.spans("stage").map(\.name) == ["textEncoder", "vaeEncode", "transformer"])
    #expect(trace.spans("step").count >= 2)
  }
}

/// A backend that counts what the graphs compiled on another one cost, run by run.
final class BackendSpy: Backend {
  struct Cost: Equatable {
    var count = 0
    var flops = 0
    var bytes = 0
  }

  private let base: any Backend
  private let total = Mutex<[String: Cost]>([:])

  init(_ base: any Backend) { self.base = base }

  var name: String { base.name }
  /// Sums per kind of op over all runs.
  var costs: [String: Cost] { total.withLock { $0 } }

  func makeSession(weights: any WeightSource, options: SessionOptions) throws -> any LumosGraph.Session {
    SpySession(try base.makeSession(weights: weights, options: options), self)
  }

  private func add(_ op: String, flops: Int, bytes: Int) {
    total.withLock {
      $0[op, default: Cost()].count += 1
      $0[op]?.flops += flops
      $0[op]?.bytes += bytes
    }
  }

  private final class SpySession: LumosGraph.Session {
    private let base: any LumosGraph.Session
    private let spy: BackendSpy

    init(_ base: any LumosGraph.Session, _ spy: BackendSpy) {
      self.base = base
      self.spy = spy
    }

    var peakDeviceBytes: Int { base.peakDeviceBytes }
    func compile(_ graph: Graph) throws -> any Executable {
      SpyExecutable(try base.compile(graph), graph, spy)
    }
    func setState(_ name: String, to tensor: Tensor) throws { try base.setState(name, to: tensor) }
    func state(_ name: String) throws -> Tensor { try base.state(name) }
    func resetStates() throws { try base.resetStates() }
    func removeState(_ name: String) { base.removeState(name) }
  }

  private final class SpyExecutable: Executable {
    private let base: any Executable
    private let graph: Graph
    private let spy: BackendSpy

    init(_ base: any Executable, _ graph: Graph, _ spy: BackendSpy) {
      self.base = base
      self.graph = graph
      self.spy = spy
    }

    func run(_ inputs: [String: Tensor], fetch: [String]) throws -> [String: Tensor] {
      if let vulkan = base as? VulkanExecutable {
        for command in vulkan.plan.commands {
          spy.add(command.op, flops: command.flops, bytes: command.bytesMoved)
        }
      } else {
        for node in graph.nodes {
          let inputs = node.inputs.map { graph[$0].type }
          spy.add(node.op.name, flops: node.op.flops(inputs), bytes: node.op.bytesMoved(inputs))
        }
      }
      return try base.run(inputs, fetch: fetch)
    }
  }
}
