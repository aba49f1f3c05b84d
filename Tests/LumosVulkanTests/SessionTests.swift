import Dispatch
import LumosGraph
import LumosOps
import LumosOpSuite
import LumosReference
import LumosTensor
import Synchronization
import Testing

@testable import LumosVulkan

@Suite struct SessionTests {
  static let type = TensorType([3, 5], .f32)

  /// A session on a fresh device, in the checked mode.
  static func session(
    _ weights: TestWeights = TestWeights(), _ edit: (inout VulkanBackend) -> Void = { _ in },
    options: (inout VulkanDevice.Options) -> Void = { _ in }
  ) throws -> VulkanSession {
    let device = try TestDevice.open {
      $0.checked = true
      options(&$0)
    }
    var backend = VulkanBackend(device: device)
    edit(&backend)
    return VulkanSession(backend, weights)
  }

  static func tensor(from start: Float) -> Tensor { Tensor(ramp(15, from: start), type.shape) }

  @Test("Inputs persist between runs, and a run can be repeated")
  func inputs() throws {
    var builder = GraphBuilder(weights: TestWeights())
    let (a, b) = (builder.input("a", Self.type), builder.input("b", Self.type))
    builder.output("sum", try builder.add(a, b, "sum"))
    let session = try Self.session()
    let executable = try session.compile(builder.graph)
    #expect(throws: BackendError.self) { try executable.run(["a": Self.tensor(from: 1)], output: "sum") }
    let sum = try executable.run(["a": Self.tensor(from: 1), "b": Self.tensor(from: 10)], output: "sum")
    #expect(sum.floats() == (0..<15).map { 11 + 2 * Float($0) })
    #expect(try executable.run([:], output: "sum").floats() == sum.floats())
    let next = try executable.run(["b": Self.tensor(from: 100)], output: "sum")
    #expect(next.floats() == (0..<15).map { 101 + 2 * Float($0) })
    #expect(session.device.validationMessages.isEmpty)
  }

  @Test("Names and types that do not belong to the graph are refused before anything runs")
  func mistakes() throws {
    var builder = GraphBuilder(weights: TestWeights())
    let a = builder.input("a", Self.type)
    builder.output("b", try builder.add(a, a, "twice"))
    let session = try Self.session()
    let executable = try session.compile(builder.graph)
    func failure(_ inputs: [String: Tensor], fetch: [String]) -> BackendError? {
      do { _ = try executable.run(inputs, fetch: fetch) } catch { return error as? BackendError }
      return nil
    }
    guard case .unknownName("x") = failure(["x": Self.tensor(from: 0)], fetch: []) else {
      Issue.record("input x"); return
    }
    guard case .unknownName("y") = failure(["a": Self.tensor(from: 0)], fetch: ["y"]) else { Issue.record("y"); return }
    guard case .mismatch("a", _, _) = failure(["a": Tensor([Float(1)], [1])], fetch: []) else {
      Issue.record("type"); return
    }
    guard case .missingInput("a") = failure([:], fetch: []) else { Issue.record("missing"); return }
    #expect(throws: BackendError.self) { try session.state("s") }
    #expect(throws: BackendError.self) { try session.setState("s", to: Self.tensor(from: 0)) }
  }

  @Test("States begin at zero, take their new value after the run, and can be set, read and reset")
  func states() throws {
    var builder = GraphBuilder(weights: TestWeights())
    let x = builder.input("x", Self.type)
    let state = builder.state("total", Self.type)
    let next = try builder.add(state, x, "next")
    builder.output("before", state)
    builder.output("after", next)
    builder.update(state: "total", to: next)
    let session = try Self.session()
    let executable = try session.compile(builder.graph)
    let ones = Tensor([Float](repeating: 1, count: 15), Self.type.shape)
    for run in 0..<3 {
      let results = try executable.run(["x": ones], fetch: ["before", "after"])
      #expect(results["before"]?.floats() == [Float](repeating: Float(run), count: 15))
      #expect(results["after"]?.floats() == [Float](repeating: Float(run + 1), count: 15))
      #expect(try session.state("total").floats()[7] == Float(run + 1))
    }
    try session.setState("total", to: Self.tensor(from: 0))
    #expect(try executable.run([:], output: "after").floats() == ramp(15, from: 1))
    try session.resetStates()
    #expect(try session.state("total").floats() == [Float](repeating: 0, count: 15))
    #expect(throws: BackendError.self) { try session.setState("total", to: Tensor([Float(1)], [1])) }
  }

  @Test("States that exchange their contents do so at once")
  func exchange() throws {
    var builder = GraphBuilder(weights: TestWeights())
    let (a, b, c) = (builder.state("a", Self.type), builder.state("b", Self.type), builder.state("c", Self.type))
    builder.output("sum", try builder.add(a, b, "sum"))
    builder.output("a", a)
    // A rotation of three, in an order in which no sequence of plain copies would do.
    builder.update(state: "a", to: b)
    builder.update(state: "b", to: c)
    builder.update(state: "c", to: a)
    let session = try Self.session()
    let executable = try session.compile(builder.graph)
    for (index, name) in ["a", "b", "c"].enumerated() {
      try session.setState(name, to: Self.tensor(from: Float(100 * index)))
    }
    let fetched = try executable.run([:], fetch: ["a", "sum"])
    #expect(fetched["a"]?.floats() == ramp(15), "a fetched state is the one that the run has read")
    #expect(fetched["sum"]?.floats() == (0..<15).map { 100 + 2 * Float($0) })
    #expect(try ["a", "b", "c"].map { try session.state($0).floats()[0] } == [100, 200, 0])
    _ = try executable.run([:], fetch: [])
    #expect(try ["a", "b", "c"].map { try session.state($0).floats()[0] } == [200, 0, 100])
    #expect(session.device.validationMessages.isEmpty)
  }

  @Test("A state that one graph only writes is read by another of the session")
  func sharedState() throws {
    var writer = GraphBuilder(weights: TestWeights())
    let x = writer.input("x", Self.type)
    writer.update(state: "cache", to: try writer.add(x, x, "twice"))
    var reader = GraphBuilder(weights: TestWeights())
    let cache = reader.state("cache", Self.type)
    reader.output("y", try reader.add(cache, cache, "twice again"))
    let session = try Self.session()
    let (write, read) = (try session.compile(writer.graph), try session.compile(reader.graph))
    #expect(try read.run([:], output: "y").floats() == [Float](repeating: 0, count: 15))
    _ = try write.run(["x": Self.tensor(from: 0)], fetch: [])
    #expect(try read.run([:], output: "y").floats() == (0..<15).map { 4 * Float($0) })
    var other = GraphBuilder(weights: TestWeights())
    other.output("y", other.state("cache", TensorType([2], .f32)))
    #expect(throws: BackendError.self) { try session.compile(other.graph) }
  }

  @Test("Weights keep their stored type and layout, and exist once per session")
  func weights() throws {
    let stored = Tensor(ramp(20), [4, 5]).converted(to: .bf16)
    let weights = TestWeights(tensors: ["w": stored])
    func graph() throws -> Graph {
      var builder = GraphBuilder(weights: weights)
      let x = builder.input("x", Self.type)
      let row = try builder.weight("w", [4, 5], layout: .rows(start: 2, count: 1))
      builder.output("y", try builder.add(x, row, "add"))
      return builder.graph
    }
    let session = try Self.session(weights)
    let first = try session.compile(graph())
    let second = try session.compile(graph())
    let expected = (0..<15).map { Float($0) + Float(10 + $0 % 5) }
    for executable in [first, second] {
      #expect(try executable.run(["x": Self.tensor(from: 0)], output: "y").floats() == expected)
    }
    let names = session.pool.allocations.map(\.name)
    #expect(names.count { $0 == "weight w" } == 1 && names.count { $0 == "input x" } == 2)
  }

  @Test("Weights that only removed nodes read are neither uploaded nor asked for")
  func deadWeights() throws {
    let weights = TestWeights(tensors: ["w": Tensor(ramp(5), [1, 5]), "dead": Tensor(ramp(5), [1, 5])])
    var builder = GraphBuilder(weights: weights)
    let x = builder.input("x", Self.type)
    _ = try builder.add(x, builder.weight("dead", [1, 5]), "nobody reads this")
    builder.output("y", try builder.add(x, builder.weight("w", [1, 5]), "add"))
    // A source that does not have it any more.
    let session = try Self.session(TestWeights(tensors: ["w": Tensor(ramp(5), [1, 5])]))
    let executable = try session.compile(builder.graph)
    #expect(try executable.run(["x": Self.tensor(from: 0)], output: "y").floats()[14] == 18)
    let plan = try #require(executable as? VulkanExecutable).plan
    #expect(
      plan.weightByteCount == 20 && plan.summary(of: builder.graph, rates: .cautious(for: .minimum)).weights.count == 1)
  }

  /// x doubled on `[rows, 64]` as often as `steps` says, each result kept to the end.
  static func doubling(_ rows: Int, steps: Int = 2) throws -> Graph {
    var builder = GraphBuilder(weights: TestWeights())
    var value = builder.input("x", TensorType([rows, 64], .f32))
    for step in 0..<steps {
      value = try builder.add(value, value, "step \(step)")
      builder.output("y\(step)", value)
    }
    return builder.graph
  }

  @Test("Graphs of a session work in one arena, which grows when one needs more", arguments: [1 << 30, 1024])
  func oneArena(segment: Int) throws {
    let session = try Self.session(TestWeights(), { $0.limits.segmentByteCount = segment })
    func run(_ executable: any Executable, rows: Int) throws {
      let x = Tensor(ramp(rows * 64), [rows, 64])
      let results = try executable.run(["x": x], fetch: ["y0", "y1"])
      #expect(results["y1"]?.floats() == ramp(rows * 64).map { 4 * $0 })
      #expect(results["y0"]?.floats() == ramp(rows * 64).map { 2 * $0 })
    }
    func arena() -> Int {
      session.pool.allocations.filter { $0.name.hasPrefix("arena") }.reduce(0) { $0 + $1.byteCount }
    }
    let (small, medium) = (try session.compile(Self.doubling(1)), try session.compile(Self.doubling(2)))
    #expect(arena() == 0, "what is compiled first may not be the largest")
    try run(small, rows: 1)
    #expect(arena() == 1024 && session.arena.generation == 1)
    try run(medium, rows: 2)
    #expect(session.arena.generation == 1)
    // Four rows need more: the arena moves, and what was recorded before still runs.
    let large = try session.compile(Self.doubling(4))
    try run(large, rows: 4)
    #expect(arena() == 2048 && session.arena.generation == 2)
    for (executable, rows) in [(small, 1), (medium, 2), (large, 4), (small, 1)] { try run(executable, rows: rows) }
    #expect(session.arena.generation == 2)
    #expect(session.device.validationMessages.isEmpty)
  }

  @Test("An arena that cannot grow is asked for again at the next run")
  func arenaWithoutMemory() throws {
    let faults = FaultPlan()
    let session = try Self.session(options: { $0.faults = faults })
    let (small, large) = (try session.compile(Self.doubling(1)), try session.compile(Self.doubling(1 << 16)))
    let x = Tensor(ramp(64 << 16), [1 << 16, 64])
    faults.arm(.allocation, at: 0)
    let error = try #require(lumosError { _ = try large.run(["x": x], fetch: []) })
    #expect(error.kind == .tryAgain && error.what.contains("arena segment 0 asks for"))
    #expect(try large.run([:], output: "y1").floats()[3] == 12)
    #expect(try small.run(["x": Tensor(ramp(64), [1, 64])], output: "y1").floats()[3] == 12)
  }

  @Test("In the checked mode a kernel may not write past its own graph's part of the arena")
  func redZoneWithinArena() throws {
    let type = TensorType([64], .f32)
    var builder = GraphBuilder(weights: TestWeights())
    let x = builder.input("x", type)
    builder.output("y", try builder.apply(Overrun(), [x], "overrun"))
    let session = try Self.session()
    let executable = try session.compile(builder.graph)
    _ = try session.compile(Self.doubling(100)).run(["x": Tensor(ramp(6400), [100, 64])], fetch: [])
    let error = try #require(lumosError { _ = try executable.run(["x": Tensor(ramp(64), [64])], fetch: []) })
    #expect(error.kind == .internalDefect)
    #expect(error.what == "a kernel wrote 1 bytes past the end of arena segment 0 (256 bytes)")
  }

  @Test("Tensors without elements work as inputs, states, constants, intermediates and outputs")
  func empty() throws {
    let none = TensorType([0, 5], .f32)
    var builder = GraphBuilder(weights: TestWeights())
    let x = builder.input("x", none)
    let s = builder.state("s", none)
    let c = builder.constant(Tensor([Float](), [0, 5]))
    let row = builder.constant(Tensor(ramp(5), [1, 5]))
    let sum = try builder.add(x, row, "no rows")
    let full = builder.input("full", Self.type)
    builder.output("sum", sum)
    builder.output("c", c)
    builder.output("joined", try builder.apply(Concatenate(), [sum, full], "join"))
    builder.update(state: "s", to: sum)
    builder.output("s", s)
    let session = try Self.session()
    let executable = try session.compile(builder.graph)
    let results = try executable.run(
      ["x": Tensor([Float](), [0, 5]), "full": Self.tensor(from: 0)], fetch: ["sum", "c", "s", "joined"])
    for name in ["sum", "c", "s"] { #expect(results[name]?.type == none) }
    #expect(results["joined"]?.floats() == ramp(15))
    #expect(try session.state("s").type == none)
    #expect(session.device.validationMessages.isEmpty)
  }

  @Test("A graph without nodes only moves data")
  func noNodes() throws {
    var builder = GraphBuilder(weights: TestWeights())
    let x = builder.input("x", Self.type)
    builder.output("x", x)
    builder.update(state: "s", to: x)
    let session = try Self.session()
    let executable = try session.compile(builder.graph)
    #expect(try executable.run(["x": Self.tensor(from: 3)], output: "x").floats() == ramp(15, from: 3))
    #expect(try session.state("s").floats() == ramp(15, from: 3))
    let nothing = try session.compile(GraphBuilder(weights: TestWeights()).graph)
    #expect(try nothing.run([:], fetch: []).isEmpty)
  }

  /// A random graph of sums and products with states, on small integers so that float32 is exact.
  static func randomGraph(seed: UInt64) throws -> Graph {
    var random = SplitMix64(seed: seed)
    func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
    var builder = GraphBuilder(weights: TestWeights())
    var values = [
      builder.input("x", type), builder.input("y", type), builder.state("s", type), builder.state("t", type),
    ]
    let sign = builder.constant(Tensor([Float(1), -1, 1, -1, 1], [1, 5]))
    for step in 0..<(10 + pick(30)) {
      let (a, b) = (values[pick(values.count)], values[pick(values.count)])
      let value =
        pick(3) == 0
        ? try builder.apply(Elementwise(.multiply), [a, sign], "\(step)") : try builder.add(a, b, "\(step)")
      // Values may grow by doubling; halving every sum keeps them exact and small.
      let half = builder.constant(Tensor([Float(0.5)], [1]))
      values.append(try builder.apply(Elementwise(.multiply), [value, half], "\(step) halved"))
    }
    for index in 0..<3 { builder.output("o\(index)", values[pick(values.count)]) }
    builder.update(state: "s", to: values[pick(values.count)])
    builder.update(state: "t", to: values[pick(values.count)])
    return builder.graph
  }

  @Test("Random graphs run as on the CPU, replayed, with arenas poisoned and cut up", arguments: 0..<12)
  func random(seed: Int) throws {
    let graph = try Self.randomGraph(seed: UInt64(seed))
    let session = try Self.session(
      TestWeights(),
      { backend in
        if seed % 3 == 1 { backend.limits.commandsPerSubmission = 3 }
        if seed % 3 == 2 { backend.limits.segmentByteCount = 512 }
        backend.timesCommands = seed % 4 == 3
      }, options: { $0.stagesAllTransfers = seed % 2 == 1 })
    let executable = try session.compile(graph)
    let reference = ReferenceBackend().makeSession(weights: TestWeights())
    let expected = try reference.compile(graph)
    let names = ["o0", "o1", "o2"]
    for run in 0..<3 {
      let inputs = run == 1 ? [:] : ["x": Self.tensor(from: Float(run)), "y": Self.tensor(from: -7)]
      let results = try executable.run(inputs, fetch: names)
      let wanted = try expected.run(inputs, fetch: names)
      for name in names { #expect(results[name]?.floats() == wanted[name]?.floats(), "run \(run), \(name)") }
      for name in ["s", "t"] { #expect(try session.state(name).floats() == reference.state(name).floats()) }
    }
    let timing = try #require((executable as? VulkanExecutable)?.lastTiming)
    #expect(timing.seconds ?? 0 > 0)
    let planned = try VulkanPlan(session.backend.passes.apply(to: graph), session.backend.limits)
    #expect(timing.commandSeconds.count == (seed % 4 == 3 ? planned.commands.count : 0))
    #expect(session.device.validationMessages.isEmpty)
  }

  @Test("All memory comes back when session and graphs are gone", arguments: [false, true])
  func leaks(staged: Bool) throws {
    let device = try TestDevice.open { $0.stagesAllTransfers = staged }
    var peak = 0
    do {
      let session = VulkanSession(VulkanBackend(device: device), TestWeights())
      let executable = try session.compile(Self.randomGraph(seed: 1))
      _ = try executable.run(["x": Self.tensor(from: 0), "y": Self.tensor(from: 0)], fetch: ["o0"])
      peak = session.peakDeviceBytes
      #expect(device.memoryUse.liveAllocations > 0 && peak > 0)
    }
    #expect(device.memoryUse.liveAllocations == 0)
    #expect(device.memoryUse.liveBytes == 0)
    #expect(device.memoryUse.peakBytes == peak)
  }

  @Test("Sessions of several threads share a device")
  func threads() throws {
    let device = try TestDevice.open()
    let graph = try Self.randomGraph(seed: 5)
    let results = Mutex<[[Float]]>([])
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      do {
        let session = VulkanSession(VulkanBackend(device: device), TestWeights())
        let executable = try session.compile(graph)
        for _ in 0..<10 {
          let inputs = ["x": Self.tensor(from: 1), "y": Self.tensor(from: 2)]
          try session.resetStates()
          let output = try executable.run(inputs, output: "o1").floats()
          results.withLock { $0.append(output) }
        }
      } catch { Issue.record(error) }
    }
    let all = results.withLock { $0 }
    #expect(all.count == 40 && Set(all).count == 1)
    #expect(device.validationMessages.isEmpty)
    #expect(device.memoryUse.liveAllocations == 0)
  }

  @Test("A device that does not finish in time is given up, with advice, and not used again")
  func timeout() throws {
    let session = try Self.session(options: {
      $0.timeoutSeconds = 0
      $0.checked = false
    })
    let type = TensorType([1 << 22], .f32)
    var builder = GraphBuilder(weights: TestWeights())
    let x = builder.input("x", type)
    builder.output("y", try builder.add(x, x, "twice"))
    let executable = try session.compile(builder.graph)
    let input = ["x": Tensor([Float](repeating: 1, count: type.shape.count), type.shape)]
    let error = try #require(lumosError { _ = try executable.run(input, fetch: []) })
    #expect(error.kind == .tryAgain && error.description.contains("has not finished within 0.0 s"))
    let second = try #require(lumosError { _ = try executable.run([:], fetch: []) })
    #expect(second.kind == .tryAgain && second.description.contains("device lost"))
  }

  @Test("In the checked mode a kernel that writes past its tensor is caught and the tensor named")
  func redZone() throws {
    // 64 elements fill the arena exactly, so that the next element lies in the red zone.
    var builder = GraphBuilder(weights: TestWeights())
    let x = builder.input("x", TensorType([64], .f32))
    builder.output("y", try builder.apply(Overrun(), [x], "overrun"))
    let session = try Self.session()
    let executable = try session.compile(builder.graph)
    let error = try #require(lumosError { _ = try executable.run(["x": Tensor(ramp(64), [64])], fetch: []) })
    #expect(error.kind == .internalDefect)
    #expect(error.what == "a kernel wrote 1 bytes past the end of arena segment 0 (256 bytes)")
  }
}

/// A copy that writes one element too many.
struct Overrun: VulkanLowering {
  static let name = "Overrun"
  func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] { [inputs[0]] }
  func flops(_ inputs: [TensorType]) -> Int { 0 }
  func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = types.inputs[0].shape.count
    return [
      Dispatch(
        "Elementwise.add.f32",
        push: [.input(0), .input(0), .output(0), .count(count + 1)] + PushWord.divisor(count), grid: Grid(1))
    ]
  }
}
