import LumosKernels
import LumosOpSuite
import LumosOps
import LumosReference
import LumosTensor
import LumosVulkan
import Testing

/// Checks that need no device, over the whole table.
struct CaseTests {
  @Test("The float32 reference agrees with exact arithmetic within the op's bound", arguments: OpSuite.cases())
  func floatAgainstDouble(opCase: OpCase) {
    let result = ParityCheck.run(opCase, device: "cpu") {
      .init(outputs: try ReferenceEvaluator.evaluate(opCase.op, $0, as: Float.self))
    } reference: {
      try ReferenceEvaluator.evaluate(opCase.op, $0, as: Double.self)
    }
    #expect(result.pass, "\(result)")
  }

  @Test("Every case fits its op's shape rule, and costs something")
  func shapesAndCosts() throws {
    for opCase in OpSuite.cases(purpose: .parity) + OpSuite.cases(purpose: .benchmark) {
      let types = opCase.inputs.map(\.type)
      let outputs = try opCase.op.outputTypes(types)
      #expect(!outputs.isEmpty)
      let isEmpty = outputs.allSatisfy { $0.shape.count == 0 }
      #expect(opCase.op.flops(types) >= 0 && (opCase.op.bytesMoved(types) > 0 || isEmpty), "\(opCase.title)")
      #expect(opCase.op.errorBound(types, dtype: opCase.dtype) <= 1e-5, "\(opCase.title)")
    }
  }

  @Test("Every case lowers to kernels of the pack, within what every Vulkan device allows")
  func lowering() throws {
    for opCase in OpSuite.cases(purpose: .parity) + OpSuite.cases(purpose: .benchmark) {
      let lowering = try #require(opCase.op as? any VulkanLowering)
      let inputs = opCase.inputs.map(\.type)
      let types = LoweredTypes(inputs: inputs, outputs: try opCase.op.outputTypes(inputs))
      let dispatches = try lowering.lower(types, .minimum)
      #expect(!dispatches.isEmpty || types.outputs.allSatisfy { $0.shape.count == 0 }, "\(opCase.title)")
      for dispatch in dispatches {
        #expect(KernelPack.names.contains(dispatch.kernel), "\(opCase.title) wants \(dispatch.kernel)")
        #expect(dispatch.push.reduce(0) { $0 + Self.byteCount($1) } <= 128, "\(opCase.title): push constants")
        for extent in [dispatch.grid.x, dispatch.grid.y, dispatch.grid.z] {
          #expect((1...65535).contains(extent), "\(opCase.title): grid \(dispatch.grid)")
        }
        for word in dispatch.push {
          guard case .input(let index, let offset) = word else { continue }
          #expect(offset >= 0 && offset <= inputs[index].byteCount, "\(opCase.title): input \(index) at \(offset)")
        }
      }
    }
  }

  @Test("Inputs depend on the title and the seed alone")
  func inputsAreReproducible() throws {
    let opCase = OpCase("reproducible", Slice(start: 0, count: 1), [.init([3]), .init([2], .f16)])
    func bits(seed: UInt64) -> [[UInt32]] {
      opCase.makeInputs(seed: seed).map { $0.floats().map(\.bitPattern) }
    }
    #expect(bits(seed: 0) == bits(seed: 0))
    #expect(bits(seed: 0) != bits(seed: 1))
    let other = OpCase("another", Slice(start: 0, count: 1), opCase.inputs)
    #expect(other.makeInputs().map { $0.floats() } != opCase.makeInputs().map { $0.floats() })
  }

  private static func byteCount(_ word: PushWord) -> Int {
    switch word {
    case .input, .output, .scratchIn, .scratchOut, .constants, .null: 8
    case .uint, .float: 4
    }
  }
}
