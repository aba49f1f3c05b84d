import LumosGraph
import LumosOpSuite
import LumosOps
import LumosReference
import LumosTensor
import Testing

@testable import LumosVulkan

/// Blocks of rows and results in place, on the device.
@Suite(.serialized) struct TilingParityTests {
  @Test("The transformer's goldens hold in tiny blocks", arguments: ["block/humans2_obj_bg", "transformer/nocond_wan"])
  func goldens(name: String) throws {
    var vulkan = VulkanBackend(device: try PassParityTests.device.get())
    vulkan.tiling = RowTiling(blockByteCount: 4 << 10, rowMultiple: 1, onlyAbovePeak: false)
    let backend = Watched(backend: vulkan)
    let results = try GoldenTests.suite().run(on: backend, matching: { $0 == name })
    #expect(backend.plans.all.contains { plan in plan.dispatchCount > 2 * Set(plan.commands.map(\.label)).count })
    #expect(results.count == GoldenTests.comparisons[name])
    GoldenTests.expectPass(results)
  }

  /// A backend whose plans can be looked at.
  struct Watched: Backend {
    let backend: VulkanBackend
    let plans = Plans()
    var name: String { backend.name }

    final class Plans: @unchecked Sendable { var all: [VulkanPlan] = [] }

    func makeSession(weights: any WeightSource, options: SessionOptions) -> any Session {
      WatchedSession(session: backend.makeSession(weights: weights, options: options), plans: plans)
    }
  }

  private final class WatchedSession: Session {
    let session: any Session
    let plans: Watched.Plans

    init(session: any Session, plans: Watched.Plans) {
      self.session = session
      self.plans = plans
    }

    var peakDeviceBytes: Int { session.peakDeviceBytes }
    func setState(_ name: String, to tensor: Tensor) throws { try session.setState(name, to: tensor) }
    func state(_ name: String) throws -> Tensor { try session.state(name) }
    func resetStates() throws { try session.resetStates() }
    func removeState(_ name: String) { session.removeState(name) }
    func compile(_ graph: Graph) throws -> any Executable {
      let executable = try session.compile(graph)
      if let vulkan = executable as? VulkanExecutable { plans.all.append(vulkan.plan) }
      return executable
    }
  }

  @Test("Goldens hold where every result has its own memory", arguments: ["block/humans2_obj_bg", "vae/cases"])
  func apart(name: String) throws {
    var backend = VulkanBackend(device: try PassParityTests.device.get())
    backend.limits.worksInPlace = false
    let results = try GoldenTests.suite().run(on: backend, matching: { $0 == name })
    #expect(results.count == GoldenTests.comparisons[name])
    GoldenTests.expectPass(results)
  }

  /// A feed-forward network with a residual stream, and what it is cut into.
  struct Network: WeightSource {
    let rows = 37
    let shapes: [String: Shape] = [
      "first.weight": [96, 24], "first.bias": [96], "second.weight": [24, 96], "second.bias": [24],
    ]

    func type(ofWeight name: String) -> TensorType? { shapes[name].map { TensorType($0, .f16) } }
    func weight(_ name: String) throws -> Tensor {
      guard let type = type(ofWeight: name) else { throw GraphBuilder.Failure.missingWeight(name) }
      return tensor(type.shape, seed: UInt64(name.utf8.count)).converted(to: .f16)
    }

    func tensor(_ shape: Shape, seed: UInt64) -> Tensor {
      var random = SplitMix64(seed: seed)
      return Tensor((0..<shape.count).map { _ in Float(Int(random.next() % 2001) - 1000) / 1000 }, shape)
    }

    func graph() throws -> Graph {
      var builder = GraphBuilder(weights: self)
      let input = builder.input("x", TensorType([rows, 24], .f32))
      let table = builder.input("table", TensorType([3, 24], .f32))
      let x = try builder.add(input, input, "stream")
      var y = try builder.layerNorm(x, epsilon: 1e-6, "norm")
      y = try builder.modulate(y, by: table, shiftRow: 0, scaleRow: 1, "modulate")
      y = try builder.linear(y, "first", 96)
      y = try builder.activation(.geluTanh, y, "gelu")
      y = try builder.linear(y, "second", 24)
      builder.output("y", try builder.gatedAdd(x, y, by: table, gateRow: 2, "gate"))
      return builder.graph
    }
  }

  @Test("A feed-forward network in blocks: the plan is sound, smaller and right", arguments: [0, 1 << 10, 3 << 10])
  func feedForward(blockByteCount: Int) throws {
    let network = Network()
    let graph = try network.graph()
    var backend = VulkanBackend(device: try PassParityTests.device.get())
    // Commands are counted below: none may be sliced because the machine is busy with other tests.
    backend.limits.correctsRates = false
    if blockByteCount == 0 {
      backend.passes.remove(.tileRows)
    } else {
      backend.tiling = RowTiling(blockByteCount: blockByteCount, rowMultiple: 1)
    }
    let session = backend.makeSession(weights: network)
    let executable = try #require(try session.compile(graph) as? VulkanExecutable)
    let plan = executable.plan
    #expect(HazardChecker.violations(plan.commands, barriers: plan.barriers).isEmpty)
    // The result lies over the stream; besides it there are norm and hidden layer, or what a block has of them.
    let stream = network.rows * 24 * 4
    if blockByteCount == 0 {
      #expect(plan.memory.liveBytesMax >= stream * 6)
    } else {
      #expect(plan.memory.liveBytesMax <= stream + blockByteCount + 3 * MemoryPool.alignment)
      #expect(plan.dispatchCount > 4)
    }
    let inPlace = plan.commands.filter { command in command.reads.contains { command.writes.contains($0) } }
    #expect(inPlace.count == (plan.dispatchCount - 1) / 3, "every gate is in place")

    let inputs = ["x": network.tensor([network.rows, 24], seed: 5), "table": network.tensor([3, 24], seed: 6)]
    let expected = try ReferenceBackend().makeSession(weights: network).compile(graph).run(inputs, output: "y")
    for _ in 0..<2 {
      let found = try executable.run(inputs, output: "y")
      let comparison = Comparison(actual: found, expected: expected)
      #expect(comparison.nmse < 1e-11, "\(comparison.nmse)")
    }
  }

  /// Where an op says that its result may lie over an operand: a case and the operand's position.
  struct Place: Sendable, CustomTestStringConvertible {
    let opCase: OpCase
    let position: Int
    var testDescription: String { "\(opCase.title), operand \(position)" }
  }

  static let places = OpSuite.cases().flatMap { opCase in
    let types = opCase.inputs.map(\.type)
    let output = (try? opCase.op.outputTypes(types))?.first
    return opCase.op.inPlaceInputs(types)
      .filter { types[$0] == output && types[$0].byteCount > 0 && types[$0].shape.rank > 0 }
      .map { Place(opCase: opCase, position: $0) }
  }

  @Test("A result over an operand is the result beside it, to the last bit", arguments: places)
  func inPlace(place: Place) throws {
    let op = place.opCase.op
    var tensors = place.opCase.makeInputs()
    // Only what a node makes can be taken over: a copy, or a conversion to the half type whose numbers these are.
    let dtype = tensors[place.position].dtype
    tensors[place.position] = tensors[place.position].converted(to: .f32)
    var builder = GraphBuilder(weights: Network())
    var operands = tensors.enumerated().map { builder.input("\($0)", $1.type) }
    operands[place.position] =
      dtype.isHalf
      ? try builder.applyAll(Convert(to: dtype), [operands[place.position]], "convert")[0]
      : try builder.slice(operands[place.position], 0..<tensors[place.position].shape[0], "copy")
    for (index, output) in try builder.applyAll(op, operands, "op").enumerated() { builder.output("\(index)", output) }
    let names = builder.graph.outputs.map(\.name)
    let inputs = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ("\($0)", $1) })
    func run(inPlace: Bool) throws -> [String: [Float]] {
      var backend = VulkanBackend(device: try PassParityTests.device.get(), passes: [])
      backend.limits.worksInPlace = inPlace
      let session = backend.makeSession(weights: Network())
      let executable = try #require(try session.compile(builder.graph) as? VulkanExecutable)
      let overlaps = executable.plan.commands.contains { command in
        command.label == "op" && command.reads.contains { command.writes.contains($0) }
      }
      #expect(overlaps == inPlace)
      return try executable.run(inputs, fetch: names).mapValues { $0.floats() }
    }
    let (apart, over) = (try run(inPlace: false), try run(inPlace: true))
    for name in names { #expect(apart[name] == over[name]) }
  }

  @Test("Every op that works in place has a case")
  func everyOp() {
    let names = Set(Self.places.map(\.opCase.op.name))
    #expect(
      names.isSuperset(of: [
        "Activation", "Elementwise", "GatedAdd", "Modulate", "Rotary", "Linear", "Conv3D", "Attention",
      ]))
  }
}
