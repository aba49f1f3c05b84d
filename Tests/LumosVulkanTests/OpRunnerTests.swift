import LumosOps
import LumosOpSuite
import LumosReference
import LumosTensor
import Testing

@testable import LumosVulkan

@Suite struct OpRunnerTests {
  @Test("Every small Elementwise case is exact, aligned or not, with its guards whole", arguments: [false, true])
  func elementwise(misaligned: Bool) throws {
    let device = try TestDevice.open()
    let runner = OpRunner(device)
    for test in Elementwise.cases where test.purpose == .parity {
      let inputs = test.makeInputs()
      let run = try runner.run(test.op, inputs, misaligned: misaligned)
      let op = try #require(test.op as? Elementwise)
      let expected = try ReferenceEvaluator.evaluate(op, inputs, as: Float.self)
      #expect(run.outputs.map { $0.floats() } == expected.map { $0.floats() }, "\(test.title)")
      #expect(run.guardViolations.isEmpty, "\(test.title)")
      #expect(run.kernels == ["Elementwise.\(op.kind.rawValue).\(inputs[1].dtype.rawValue)"])
      #expect(run.gpuSeconds ?? 0 > 0)
    }
    #expect(device.validationMessages.isEmpty)
    #expect(device.memoryUse.liveAllocations == 0)
  }

  static let inputs = [Tensor(ramp(300), [300]), Tensor(ramp(300, from: 1), [300])]

  @Test("Broken dispatches show: an element too many, one too few, an operand as the result", arguments: [false, true])
  func mutants(misaligned: Bool) throws {
    var runner = OpRunner(try TestDevice.open())
    func run(_ edit: @escaping @Sendable (inout Dispatch) -> Void) throws -> OpRun {
      runner.editing = { dispatches in
        dispatches.map {
          var dispatch = $0
          edit(&dispatch)
          return dispatch
        }
      }
      return try runner.run(Elementwise(.add), Self.inputs, misaligned: misaligned)
    }
    #expect(try run { _ in }.guardViolations.isEmpty)
    #expect(try run { $0.push[3] = .uint(301) }.guardViolations == ["output 0: byte 0 past its end was written"])
    let short = try run { $0.push[3] = .uint(299) }
    #expect(short.guardViolations.isEmpty && short.outputs[0].floats()[299].isNaN)
    #expect(short.outputs[0].floats()[298] == 298 + 299)
    let swapped = try run { $0.push[2] = .input(0) }
    #expect(swapped.guardViolations == ["input 0: its byte 2 was overwritten"])
    #expect(swapped.outputs[0].floats().contains { !$0.isNaN } == false)
    let lower = try run { $0.push[0] = .input(0, offset: 4) }
    #expect(lower.outputs[0].floats()[298] == 299 + 299 && lower.outputs[0].floats()[299].isNaN, "reads the guard")
  }

  @Test("A kernel can be replaced by other SPIR-V, for that runner only")
  func overrides() throws {
    let device = try TestDevice.open()
    var runner = OpRunner(device)
    let multiply: [UInt32] = try #require(VulkanDevice.kernel("Elementwise.multiply.f32"))
    runner.kernelOverrides["Elementwise.add.f32"] = multiply
    let replaced = try runner.run(Elementwise(.add), Self.inputs)
    let products = ramp(300).map { $0 * ($0 + 1) }
    #expect(replaced.outputs[0].floats() == products)
    let plain = try OpRunner(device).run(Elementwise(.add), Self.inputs)
    #expect(plain.outputs[0].floats() == (0..<300).map { Float(2 * $0 + 1) })
  }

  @Test("A prepared op runs again with the same result; an empty one runs nothing")
  func prepared() throws {
    let runner = OpRunner(try TestDevice.open())
    let prepared = try runner.prepare(Elementwise(.add), Self.inputs)
    for _ in 0..<3 {
      try prepared.run()
      #expect(try prepared.outputs()[0].floats() == (0..<300).map { Float(2 * $0 + 1) })
    }
    #expect(try prepared.guardViolations().isEmpty)
    let empty = try runner.run(Elementwise(.add), [Tensor([Float](), [0, 3]), Tensor(ramp(3), [3])])
    #expect(empty.outputs[0].type == TensorType([0, 3], .f32) && empty.kernels.isEmpty)
    #expect(throws: OpError.self) { try runner.run(Elementwise(.add), [Self.inputs[0]]) }
  }

  @Test("Constants of dispatches reach the kernel")
  func constants() throws {
    var runner = OpRunner(try TestDevice.open())
    // The second operand is replaced by a table of the dispatch.
    runner.editing = { dispatches in
      dispatches.map { dispatch in
        var dispatch = dispatch
        dispatch.constants = ramp(300, from: 1000).map(\.bitPattern)
        dispatch.push[1] = .constants
        return dispatch
      }
    }
    let run = try runner.run(Elementwise(.add), Self.inputs)
    #expect(run.outputs[0].floats() == (0..<300).map { Float(1000 + 2 * $0) })
  }
}
