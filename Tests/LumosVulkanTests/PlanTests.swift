import LumosGraph
import LumosOps
import LumosTensor
import Testing

@testable import LumosVulkan

@Suite struct PlanTests {
  static let limits = VulkanPlan.Limits(profile: .minimum)
  static let type = TensorType([4, 64], .f32)

  /// x doubled `length` times.
  static func chain(_ length: Int) throws -> Graph {
    var builder = GraphBuilder(weights: TestWeights())
    var value = builder.input("x", type)
    for step in 0..<length { value = try builder.add(value, value, "step \(step)") }
    builder.output("y", value)
    return builder.graph
  }

  @Test("A chain has a barrier between its links and is cut into submissions")
  func submissions() throws {
    var limits = Self.limits
    limits.commandsPerSubmission = 4
    let plan = try VulkanPlan(Self.chain(10), limits)
    #expect(plan.dispatchCount == 10 && plan.barrierCount == 9)
    #expect(plan.submissions == [0..<4, 4..<8, 8..<10])
    #expect(HazardChecker.violations(plan.commands, barriers: plan.barriers).isEmpty)
    limits.rates = DeviceRates(flopsPerSecond: 1e9, bytesPerSecond: 1e30, secondsPerDispatch: 0)
    limits.secondsPerSubmission = 2.5 * Double(Self.type.shape.count) / 1e9
    #expect(try VulkanPlan(Self.chain(10), limits).submissions.map(\.count) == [2, 2, 2, 2, 2])
    #expect(plan.arenaByteCount == plan.memory.byteCount)
  }

  @Test("An arena that the device cannot allocate at once is cut between values")
  func segments() throws {
    var builder = GraphBuilder(weights: TestWeights())
    let x = builder.input("x", Self.type)
    var values: [GraphBuilder.Value] = []
    for step in 0..<7 { values.append(try builder.add(x, x, "\(step)")) }
    for (index, value) in values.enumerated() { builder.output("y\(index)", value) }
    var limits = Self.limits
    limits.segmentByteCount = 2500  // two values of 1024 bytes and a rest
    let plan = try VulkanPlan(builder.graph, limits)
    let segment = 2500 / 256 * 256
    #expect(plan.buffers.filter { if case .arena = $0.key { true } else { false } }.count == 4)
    for (_, output) in plan.outputs {
      #expect(output.range.bytes.upperBound <= segment)
      #expect(output.range.bytes.upperBound <= plan.buffers[output.range.buffer] ?? 0)
    }
    for (a, first) in plan.outputs {
      for (b, second) in plan.outputs where a != b { #expect(!first.range.overlaps(second.range)) }
    }
    limits.segmentByteCount = 512
    #expect(lumosError { _ = try VulkanPlan(builder.graph, limits) }?.kind == .tryAgain)
  }

  @Test("Dispatches that no device could run are refused with the reason")
  func defects() throws {
    let operand = PlacedOperand(type: Self.type, range: BufferRange(.operand("o"), 0..<Self.type.byteCount))
    func reason(_ edit: (inout Dispatch) -> Void) -> String {
      let error = lumosError {
        _ = try PlannedDispatch.lowering(
          Elementwise(.add), label: "here", inputs: [operand, operand], outputs: [operand], .minimum
        ) { dispatches in
          var dispatch = dispatches[0]
          edit(&dispatch)
          return [dispatch]
        }
      }
      return error.map { "\($0.kind) \($0)" } ?? "no error"
    }
    #expect(reason { _ in } == "no error")
    #expect(
      reason { $0.grid = Grid(65536) }.contains("internalDefect here: the dispatch of Elementwise.add.f32 wants 65536"))
    #expect(reason { $0.grid = Grid(1, -1) }.contains("-1 workgroups"))
    #expect(reason { $0.push += [PushWord](repeating: .uint(0), count: 23) }.contains("132 bytes of push constants"))
    #expect(reason { $0.push.insert(.uint(0), at: 0) }.contains("an address at byte 4"))
    #expect(reason { $0.push[0] = .input(2) }.contains("input 2 of 2"))
    #expect(reason { $0.push[2] = .output(0, offset: 2000) }.contains("past the end of output 0"))
    #expect(reason { $0.push[0] = .scratchOut(-4..<4) }.contains("bytes -4..<4 of 4 of scratch memory"))
    #expect(reason { $0.push[0] = .constants }.contains("names constants"))
  }

  /// A layer with a long sum between two sums of its result's size.
  static func longSum() throws -> Graph {
    var builder = GraphBuilder(weights: TestWeights())
    let weight = builder.constant(Tensor(ramp(16 * 4096), [16, 4096]))
    let x = builder.input("x", TensorType([24, 4096], .f32))
    let y = try builder.apply(Linear(), [builder.add(x, x, "before"), weight], "long")
    builder.output("y", try builder.add(y, y, "after"))
    return builder.graph
  }

  @Test("A product in parts has its scratch memory in the arena, and its sum waits for them")
  func scratch() throws {
    let plan = try VulkanPlan(Self.longSum(), Self.limits)
    let (first, second) = (1, 2)
    #expect(plan.commands.map(\.kernel).count == 4 && plan.commands[second].kernel == "Linear.sum")
    guard case .kernel(let dispatch, _, _, let scratch?) = plan.commands[first].work else {
      Issue.record("no kernel")
      return
    }
    #expect(dispatch.grid.z > 1 && scratch.bytes.count == dispatch.grid.z * 24 * 16 * 4)
    #expect(plan.commands[first].writes == [scratch] && plan.commands[second].reads.contains(scratch))
    #expect(scratch.buffer == .arena(0) && scratch.bytes.upperBound <= plan.arenaByteCount)
    #expect(plan.barriers[second] && HazardChecker.violations(plan.commands, barriers: plan.barriers).isEmpty)
    // The product is all work, the sum none.
    #expect(plan.commands[first].flops == 2 * 24 * 16 * 4096 && plan.commands[second].flops == 0)
    var barriers = plan.barriers
    barriers[second] = false
    #expect(!HazardChecker.violations(plan.commands, barriers: barriers).isEmpty)

    var small = Self.limits
    small.segmentByteCount = 24 * 4096 * 4
    let cut = try VulkanPlan(Self.longSum(), small)
    #expect(HazardChecker.violations(cut.commands, barriers: cut.barriers).isEmpty && cut.arenaSegments.count > 1)
  }

  @Test("A sum of parts that claims to be a slice of them is found out")
  func scratchOverlap() throws {
    let types = [TensorType([24, 4096], .f32), TensorType([16, 4096], .f32)]
    func placed(_ name: String, _ type: TensorType) -> PlacedOperand {
      PlacedOperand(type: type, range: BufferRange(.operand(name), 0..<type.byteCount))
    }
    func violations(overlaps: Bool) throws -> [HazardChecker.Violation] {
      let commands = try PlannedDispatch.lowering(
        Linear(), label: "", inputs: [placed("x", types[0]), placed("w", types[1])],
        outputs: [placed("y", TensorType([24, 16], .f32))], .minimum
      ) { dispatches in
        var dispatches = dispatches
        dispatches[1].overlapsPrevious = overlaps
        return dispatches
      }
      return HazardChecker.violations(commands, barriers: Hazards.barriers(for: commands))
    }
    #expect(try violations(overlaps: false).isEmpty)
    #expect(try violations(overlaps: true).map(\.kind) == [.readAfterWrite])
  }

  @Test("No workgroups, no dispatch; no results, no lowering")
  func empties() throws {
    let operand = PlacedOperand(type: Self.type, range: BufferRange(.operand("o"), 0..<Self.type.byteCount))
    let none = try PlannedDispatch.lowering(
      Elementwise(.add), label: "", inputs: [operand, operand], outputs: [operand], .minimum
    ) { dispatches in dispatches.map { Dispatch($0.kernel, push: $0.push, grid: Grid(0, 1)) } }
    #expect(none.isEmpty)
    let empty = PlacedOperand(type: TensorType([0, 64], .f32), range: BufferRange(.operand("e"), 0..<0))
    let nothing = try PlannedDispatch.lowering(
      Elementwise(.add), label: "", inputs: [empty, operand], outputs: [empty], .minimum)
    #expect(nothing.isEmpty)
  }

  @Test("An op without lowering is named")
  func missingLowering() throws {
    struct Unknown: OpDescriptor {
      static let name = "Unknown"
      func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] { inputs }
      func flops(_ inputs: [TensorType]) -> Int { 0 }
    }
    var builder = GraphBuilder(weights: TestWeights())
    builder.output("y", try builder.apply(Unknown(), [builder.input("x", Self.type)], "block 3"))
    let error = try #require(lumosError { _ = try VulkanPlan(builder.graph, Self.limits) })
    #expect(error.kind == .internalDefect && error.description == "block 3: the op Unknown has no Vulkan lowering")
  }
}
