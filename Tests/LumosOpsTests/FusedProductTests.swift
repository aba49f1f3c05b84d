import LumosOpSuite
import LumosOps
@testable import LumosReference
import LumosTensor
import Testing

/// Fused forms of the products against the sequence of plain ops that they stand for.
@Suite struct FusedProductTests {
  /// Cases whose op does more than the plain one.
  private static let cases = OpSuite.cases().filter { opCase in
    switch opCase.op {
    case let op as Linear: op.epilogue != .none
    case let op as Conv3D: op.upsamples || op.addsResidual
    default: opCase.op is MultiLinear
    }
  }

  /// What the plain ops make of a fused op's inputs, in the precision of `S` from end to end but for results in half types.
  private func composition<S: ReferenceScalar>(_ op: any OpDescriptor, _ inputs: [Tensor], _: S.Type) throws -> [[S]] {
    func array(_ tensor: Tensor) -> ReferenceArray<S> { ReferenceArray(tensor) }
    func apply(_ op: some ReferenceKernel, _ inputs: [ReferenceArray<S>]) throws -> ReferenceArray<S> {
      // The shape rule sees activations as f32, whatever they are computed in; weights of any type have widened.
      let types = try op.outputTypes(inputs.map { TensorType($0.shape, .f32) })
      return ReferenceArray(op.evaluate(inputs, outputs: types)[0], types[0].shape)
    }
    switch op {
    case let op as Linear:
      let operands = inputs.map(array)
      let own = Array(operands.dropLast(op.epilogue.operandCount))
      let rest = Array(operands.suffix(op.epilogue.operandCount))
      let y = try apply(Linear(), own)
      let result =
        switch op.epilogue {
        case .none: y
        case .activation(let kind): try apply(Activation(kind), [y])
        case .add: try apply(Elementwise(.add), [rest[0], y])
        case .gatedAdd(let row): try apply(GatedAdd(gateRow: row), [rest[0], y, rest[1]])
        }
      return [Convert.rounded(result.values, to: op.dtype)]
    case let op as MultiLinear:
      return try (0..<op.count).map { layer in
        let bias = op.hasBias(inputCount: inputs.count) ? [inputs[1 + op.count + layer]] : []
        let y = try apply(Linear(), ([inputs[0], inputs[1 + layer]] + bias).map(array))
        return Convert.rounded(y.values, to: op.dtypes[layer])
      }
    case let op as Conv3D:
      var operands = inputs.map(array)
      let residual = op.addsResidual ? operands.removeLast() : nil
      if op.upsamples {
        for place in [0, 3] where place < operands.count {
          let doubled = try apply(UpsampleNearest(), [operands[place]])
          operands[place] = ReferenceArray(doubled.values, doubled.shape, operands[place].dtype)
        }
      }
      var y = try apply(Conv3D(stride: op.stride, padding: op.padding), operands)
      if let residual { y = try apply(Elementwise(.add), [y, residual]) }
      return [y.values]
    default:
      Issue.record("\(op.name) has no fused form")
      return []
    }
  }

  @Test("A fused op gives what the plain ops give in float64", arguments: cases)
  func agreesInDouble(opCase: OpCase) throws {
    let inputs = opCase.makeInputs()
    let fused = try ReferenceEvaluator.evaluate(opCase.op, inputs, as: Double.self)
    let plain = try composition(opCase.op, inputs, Double.self)
    #expect(fused.count == plain.count)
    for (actual, expected) in zip(fused, plain) {
      let values = actual.doubles()
      #expect(values.count == expected.count)
      for i in expected.indices {
        #expect(abs(values[i] - expected[i]) <= 1e-13 * max(abs(expected[i]), 1), "element \(i)")
      }
    }
  }

  @Test("A fused op gives what the plain ops give in float32, to the last bit", arguments: cases)
  func agreesInFloat(opCase: OpCase) throws {
    let inputs = opCase.makeInputs()
    let fused = try ReferenceEvaluator.evaluate(opCase.op, inputs, as: Float.self)
    #expect(fused.map { $0.floats() } == (try composition(opCase.op, inputs, Float.self)))
  }

  @Test("The cases cover every fused form, with and without its optional operands")
  func coverage() {
    let linears = Self.cases.compactMap { opCase in (opCase.op as? Linear).map { ($0, opCase.inputs) } }
    for epilogue: Linear.Epilogue in [.activation(.silu), .activation(.geluTanh), .add, .gatedAdd(gateRow: 2)] {
      let matching = linears.filter { $0.0.epilogue == epilogue }
      for hasBias in [false, true] {
        // Few rows take a kernel of their own.
        for isFew in [false, true] {
          #expect(
            matching.contains {
              $0.0.hasBias(inputCount: $0.1.count) == hasBias && ($0.1[0].type.shape[0] < 5) == isFew
            },
            "\(epilogue), bias \(hasBias), few rows \(isFew)")
        }
      }
    }
    let convolutions = Self.cases.compactMap { opCase in (opCase.op as? Conv3D).map { ($0, opCase.inputs.count) } }
    for (upsamples, addsResidual) in [(true, false), (false, true), (true, true)] {
      let matching = convolutions.filter { $0.0.upsamples == upsamples && $0.0.addsResidual == addsResidual }
      #expect(!matching.isEmpty)
      #expect(matching.contains { $0.0.hasHistory(inputCount: $0.1) })
    }
    let counts = Set(Self.cases.compactMap { ($0.op as? MultiLinear)?.count })
    #expect(counts.isSuperset(of: [1, 2, 3, 4, 7]))
  }

  @Test("Operands of fused ops are told apart by their number")
  func optionalOperands() {
    #expect(!Linear(epilogue: .add).hasBias(inputCount: 3) && Linear(epilogue: .add).hasBias(inputCount: 4))
    let gated = Linear(epilogue: .gatedAdd(gateRow: 0))
    #expect(!gated.hasBias(inputCount: 4) && gated.hasBias(inputCount: 5))
    let convolution = Conv3D(padding: .init(leading: 0, trailing: 0), addsResidual: true)
    #expect(!convolution.hasHistory(inputCount: 4) && convolution.hasHistory(inputCount: 5))
    #expect(!MultiLinear(count: 3).hasBias(inputCount: 4) && MultiLinear(count: 3).hasBias(inputCount: 7))
  }

  @Test("Fused ops give outputs of these shapes")
  func shapes() throws {
    func types(_ op: any OpDescriptor, _ shapes: Shape...) throws -> [TensorType] {
      try op.outputTypes(shapes.map { TensorType($0, .f32) })
    }
    let y = TensorType([2, 3, 5], .f32)
    #expect(try types(Linear(epilogue: .activation(.silu)), [2, 3, 4], [5, 4]) == [y])
    #expect(try types(Linear(epilogue: .add), [2, 3, 4], [5, 4], [2, 3, 5]) == [y])
    #expect(try types(Linear(epilogue: .gatedAdd(gateRow: 5)), [2, 3, 4], [5, 4], [5], [2, 3, 5], [6, 5]) == [y])
    #expect(try types(MultiLinear(count: 2), [2, 3, 4], [5, 4], [5, 4]) == [y, y])
    #expect(try types(MultiLinear(count: 2), [2, 3, 4], [5, 4], [5, 4], [5], [5]) == [y, y])
    // 2 x 3 pixels become 4 x 6, of which a 3 x 3 kernel with a border of one makes as many.
    let padding = Conv3D.Padding(leading: 1, trailing: 1)
    let both = Conv3D(padding: padding, upsamples: true, addsResidual: true)
    #expect(try types(both, [1, 2, 3, 4], [7, 1, 3, 3, 4], [7], [1, 4, 6, 7]) == [TensorType([1, 4, 6, 7], .f32)])
    // One pixel alone is smaller than the kernel, doubled it is not.
    let bare = Conv3D(padding: .init(leading: 0, trailing: 0), upsamples: true)
    #expect(try types(bare, [1, 1, 1, 4], [7, 1, 2, 2, 4], [7]) == [TensorType([1, 1, 1, 7], .f32)])
  }

  @Test("Layers of two types are refused")
  func mixedLayers() {
    let x = TensorType([2, 4], .f32)
    let (float, half) = (TensorType([3, 4], .f32), TensorType([3, 4], .f16))
    #expect(throws: OpError.self) { try MultiLinear(count: 2).outputTypes([x, float, half]) }
    let (bias, halfBias) = (TensorType([3], .f32), TensorType([3], .f16))
    #expect(throws: OpError.self) { try MultiLinear(count: 2).outputTypes([x, half, half, bias, halfBias]) }
    #expect(throws: Never.self) { try MultiLinear(count: 2).outputTypes([x, half, half, bias, bias]) }
  }
}
