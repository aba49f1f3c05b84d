import CVulkan
import LumosGraph
import LumosOpSuite
import LumosOps
import LumosTensor
import Testing

@testable import LumosVulkan

/// Weights that come through two slots while graphs run.
@Suite struct WeightStreamTests {
  /// Layers of different sizes, of which some read the same weight, with a state and values that live on.
  static func network(_ layers: Int, seed: UInt64) throws -> (graph: Graph, weights: TestWeights) {
    var random = SplitMix64(seed: seed)
    func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
    var weights = TestWeights()
    let widths = [8, 24, 40]
    for name in 0..<layers {
      for from in widths {
        for to in widths {
          let values = (0..<from * to).map { _ in Float(Int(random.next() % 17) - 8) / 64 }
          weights.tensors["layer\(name).\(from).\(to).weight"] = Tensor(values, [to, from])
        }
      }
    }
    var builder = GraphBuilder(weights: weights)
    let state = builder.state("s", TensorType([3, 8], .f32))
    var x = try builder.add(builder.input("x", TensorType([3, 8], .f32)), state, "start")
    for layer in 0..<layers {
      let (from, to) = (builder.shape(of: x)[1], widths[pick(3)])
      // Now and then a layer of before.
      let name = pick(4) == 0 ? pick(layer + 1) : layer
      x = try builder.linear(x, "layer\(name).\(from).\(to)", to, bias: false)
      if pick(3) == 0 { x = try builder.add(x, x, "doubled \(layer)") }
    }
    let last = builder.shape(of: x)[1]
    x = try builder.linear(x, "layer0.\(last).8", 8, bias: false)
    builder.output("y", x)
    builder.update(state: "s", to: x)
    return (builder.graph, weights)
  }

  static func session(
    _ weights: TestWeights, _ residency: Residency, options: (inout VulkanDevice.Options) -> Void = { _ in },
    limits: (inout VulkanPlan.Limits) -> Void = { _ in }
  ) throws -> VulkanSession {
    let device = try TestDevice.open {
      $0.checked = true
      options(&$0)
    }
    var backend = VulkanBackend(device: device)
    backend.limits.leastStreamedBytes = 1
    limits(&backend.limits)
    return VulkanSession(backend, weights, residency: residency)
  }

  static func run(_ session: VulkanSession, _ graph: Graph, times: Int = 3) throws -> [[UInt32]] {
    let executable = try session.compile(graph)
    return try (0..<times).map { run in
      let input = ["x": Tensor(ramp(24, from: Float(run)), [3, 8])]
      return try executable.run(input, output: "y").floats().map(\.bitPattern)
    }
  }

  /// Slots that hold one layer, a few, all; staging buffers that take a layer in pieces; submissions of one command.
  @Test(
    "Streamed weights give the same bytes as resident ones, run after run", arguments: [1, 256, 4000, 9000, 1 << 20],
    [1, 256])
  func equalBytes(slotBytes: Int, commandsPerSubmission: Int) throws {
    for seed in 0..<3 {
      let (graph, weights) = try Self.network(9, seed: UInt64(seed))
      let expected = try Self.run(Self.session(weights, .resident), graph)
      let session = try Self.session(
        weights, .streamed(slotBytes: slotBytes), options: { $0.stagesAllTransfers = seed == 1 },
        limits: { $0.commandsPerSubmission = commandsPerSubmission })
      #expect(try Self.run(session, graph) == expected)
      // A second graph has slots and arena of its own size, and the first still runs.
      let (other, _) = try Self.network(9, seed: UInt64(seed))
      #expect(try Self.run(session, other, times: 1).count == 1)
      #expect(session.device.validationMessages.isEmpty)
      let names = session.pool.allocations.map(\.name)
      #expect(names.contains { $0.hasPrefix("weight slot") } && !names.contains { $0.hasPrefix("weight layer") })
    }
  }

  @Test("Small weights, and such as are laid out anew, stay on the device")
  func whatStays() throws {
    let (graph, weights) = try Self.network(6, seed: 3)
    var limits = PlanTests.limits
    limits.leastStreamedBytes = 24 * 24 * 4
    let plan = try VulkanPlan(graph, limits, residency: .streamed(slotBytes: 8000))
    let all = try VulkanPlan(graph, limits)
    #expect(plan.streamedByteCount > 0 && plan.weightByteCount > 0)
    #expect(plan.weightByteCount < all.weightByteCount && all.loads.isEmpty && all.slots.isEmpty)
    for piece in plan.loads.flatMap(\.pieces) { #expect(piece.source.count >= limits.leastStreamedBytes) }
    #expect(try VulkanPlan(graph, PlanTests.limits, residency: .streamed(slotBytes: 8000)).loads.isEmpty)
    // Rows of a weight are the bytes of these rows.
    var builder = GraphBuilder(weights: weights)
    let x = builder.input("x", TensorType([3, 8], .f32))
    let rows = try builder.weight("layer0.8.24.weight", [24, 8], layout: .rows(start: 5, count: 7))
    let kernel = try builder.weight("layer0.8.8.weight", [8, 8], layout: .shape([8, 8]))
    builder.output("y", try builder.apply(Linear(), [x, rows], "rows"))
    builder.output("z", try builder.apply(Linear(), [x, kernel], "all"))
    builder.output("kernel", kernel)
    limits.leastStreamedBytes = 1
    let parts = try VulkanPlan(builder.graph, limits, residency: .streamed(slotBytes: 1))
    #expect(parts.loads.map { $0.pieces.map(\.source) } == [[160..<384]], "what the host may fetch stays")
    #expect(parts.weightByteCount == 256)
  }

  @Test("Nodes share a slot as far as it goes, and slots take turns")
  func segments() throws {
    let (graph, _) = try Self.network(12, seed: 4)
    var limits = PlanTests.limits
    limits.leastStreamedBytes = 1
    let plan = try VulkanPlan(graph, limits, residency: .streamed(slotBytes: 6000))
    #expect(plan.loads.count > 3)
    for (index, load) in plan.loads.enumerated() {
      #expect(load.slot == index % 2 && load.byteCount <= 40 * 40 * 4)
      if index > 0 { #expect(plan.loads[index - 1].before < load.before) }
    }
    #expect(plan.slots.allSatisfy { $0 <= 6656 } && plan.slots.count == 2)
    let summary = plan.summary(of: graph, rates: .cautious(for: .minimum))
    #expect(summary.slotBytes == plan.slots && summary.streamedBytes == plan.streamedByteCount)
    // Slow transfers decide how long a run takes, fast ones do not matter.
    let rates = DeviceRates.cautious(for: .minimum)
    let slow = plan.summary(of: graph, rates: rates, transferBytesPerSecond: 1000).predictedSeconds
    #expect(slow >= Double(plan.streamedByteCount) / 1000)
    #expect(slow < Double(plan.streamedByteCount) / 1000 + 0.1)
    let fast = plan.summary(of: graph, rates: rates, transferBytesPerSecond: 1e18).predictedSeconds
    let resident = try VulkanPlan(graph, limits).summary(of: graph, rates: rates).predictedSeconds
    #expect(abs(fast - resident) < 1e-9)
  }

  @Test("The checker accepts every plan and finds each wait that is missing", arguments: 0..<10)
  func missingWaits(seed: Int) throws {
    let (graph, _) = try Self.network(14, seed: UInt64(seed))
    var limits = PlanTests.limits
    limits.leastStreamedBytes = 1
    limits.commandsPerSubmission = 1 + seed % 3
    let plan = try VulkanPlan(graph, limits, residency: .streamed(slotBytes: 3000))
    func kinds(_ loads: [WeightLoad]) -> Set<LoadChecker.Violation.Kind> {
      Set(LoadChecker.violations(plan.commands, submissions: plan.submissions, loads: loads).map(\.kind))
    }
    #expect(plan.loads.count > 4 && kinds(plan.loads).isEmpty)
    var met = 0
    for index in plan.loads.indices {
      // The load does not wait for the last submission that reads what it replaces.
      if plan.loads[index].after > 0 {
        var loads = plan.loads
        loads[index].after -= 1
        // Slots are larger than what most loads take of them: not every one would meet the last reader's bytes.
        let replaced = BufferID.segment(loads[index - 2].segment)
        let isMet = plan.commands[plan.submissions[loads[index].after]].flatMap(\.reads).contains { read in
          read.buffer == replaced && loads[index].pieces.contains { $0.target.overlaps(read.bytes) }
        }
        #expect(kinds(loads).contains(.loadBeforeLastRead) == isMet, "load \(index)")
        met += isMet ? 1 : 0
      }
      // The submission does not wait for the load: only the next one does.
      var loads = plan.loads
      loads[index].before += 1
      #expect(kinds(loads).contains(.readBeforeLoad), "load \(index)")
      loads = plan.loads
      loads.remove(at: index)
      #expect(kinds(loads).contains(.readBeforeLoad))
      loads = plan.loads
      loads[index].after = loads[index].before + 1
      #expect(kinds(loads).contains(.standstill))
    }
    #expect(met > 0)
  }

  @Test("A run that fails leaves no copy under way, and the next one is whole")
  func failures() throws {
    let faults = FaultPlan()
    let (graph, weights) = try Self.network(9, seed: 5)
    let expected = try Self.run(Self.session(weights, .resident), graph, times: 1)
    let session = try Self.session(weights, .streamed(slotBytes: 1000), options: { $0.faults = faults })
    let executable = try session.compile(graph)
    let input = ["x": Tensor(ramp(24), [3, 8])]
    func run() throws -> [UInt32] {
      try session.resetStates()
      return try executable.run(input, output: "y").floats().map(\.bitPattern)
    }
    #expect(try run() == expected[0])
    for point in [FaultPlan.Point.stagingCopy, .submission] {
      faults.disarm()
      _ = try run()
      let count = faults.count(point)
      #expect(count > 6)
      for index in 0..<count {
        faults.arm(point, at: index)
        let error = try #require(lumosError { _ = try run() }, "\(point.rawValue) \(index)")
        #expect(error.kind == .tryAgain)
        if point == .stagingCopy { #expect(error.what.contains("a copy of streamed weights ran out of memory")) }
        faults.disarm()
        #expect(try run() == expected[0], "after \(point.rawValue) \(index)")
      }
    }
    #expect(session.device.validationMessages.isEmpty)
  }

  @Test("A profile shows the copies on a track of their own")
  func profile() throws {
    let (graph, weights) = try Self.network(9, seed: 6)
    let recorder = ProfileRecorder()
    let device = try TestDevice.open()
    var base = VulkanBackend(device: device)
    base.limits.leastStreamedBytes = 1
    let session = try base.profiled(by: recorder).makeSession(
      weights: weights, options: SessionOptions(residency: .streamed(slotBytes: 4000)))
    let executable = try session.compile(graph)
    for _ in 0..<2 { _ = try executable.run(["x": Tensor(ramp(24), [3, 8])], fetch: []) }
    let profile = recorder.profile
    #expect(profile.queues.map(\.queue.name).sorted() == ["compute queue", "transfer queue"])
    let track = try #require(profile.queues.first { $0.queue.name == "transfer queue" })
    let plan = try #require(executable as? VulkanExecutable).plan
    #expect(track.executions.reduce(0) { $0 + $1.operation.bytes } == 2 * plan.streamedByteCount)
    #expect(track.executions.allSatisfy { $0.operation.label.hasPrefix("layer") && $0.operation.op == "weights" })
    for (first, second) in zip(track.executions, track.executions.dropFirst()) {
      #expect(first.time.upperBound <= second.time.lowerBound)
    }
    #expect(device.validationMessages.isEmpty)
  }

  @Test("Copies go to a queue that does nothing else where there is one")
  func families() throws {
    let (graphics, compute) = (VK_QUEUE_GRAPHICS_BIT.rawValue, VK_QUEUE_COMPUTE_BIT.rawValue)
    let transfer = VK_QUEUE_TRANSFER_BIT.rawValue
    let (sparse, video) = (VK_QUEUE_SPARSE_BINDING_BIT.rawValue, UInt32(0x20))
    func choose(_ families: [(UInt32, Int)]) throws -> QueueFamilies {
      try QueueFamilies(
        families.map { QueueFamilies.Family(flags: $0.0, queueCount: $0.1, timestampBits: 64) }, "test")
    }
    // As NVIDIA, AMD, Intel and lavapipe list theirs.
    let discrete = try choose([
      (graphics | compute | transfer | sparse, 16), (transfer | sparse, 2), (compute | transfer | sparse, 8),
      (transfer | sparse | video, 1),
    ])
    #expect(discrete.compute == 2 && discrete.transfer == 1 && discrete.transferIndex == 0)
    #expect(
      discrete.hasTransferQueue && discrete.counts.map(\.family) == [2, 1] && discrete.counts.map(\.count) == [1, 1])
    let withVideo = try choose([(compute | transfer, 1), (transfer | video, 1), (transfer | sparse, 1)])
    #expect(withVideo.transfer == 2)
    let second = try choose([(graphics | compute | transfer, 1), (compute | transfer, 4)])
    #expect(second.compute == 1 && second.transfer == 1 && second.transferIndex == 1 && second.hasTransferQueue)
    #expect(second.counts.map(\.count) == [2])
    let one = try choose([(graphics | compute | transfer, 1)])
    #expect(!one.hasTransferQueue && one.transfer == one.compute && one.counts.map(\.count) == [1])
    #expect(lumosError { _ = try choose([(graphics, 1)]) }?.kind == .noDevice)
  }
}
