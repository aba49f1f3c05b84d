import Glibc
import LumosOpSuite
import LumosOps
import LumosTensor
import Testing

@testable import LumosReference

@Suite struct LinearTests {
  /// Both precisions against the definition, with and without a bias. Where x is half the weights become its type,
  /// where it is not they stay as they are.
  @Test(arguments: [false, true], [DType.f32, .f16, .bf16])
  func agreesWithTheDefinition(_ hasBias: Bool, _ dtype: DType) throws {
    let (rows, depth, width) = (7, 13, 5)
    let stored: DType = dtype == .f32 ? .bf16 : .f32
    var test = OpCase("test", Linear(), [.init([rows, depth], dtype), .init([width, depth], stored), .init([width])])
    if !hasBias { test = OpCase("test", Linear(), Array(test.inputs.prefix(2))) }
    let inputs = test.makeInputs()
    let types = try test.op.outputTypes(inputs.map(\.type))
    let (x, weight) = (inputs[0].doubles(), inputs[1].converted(to: dtype == .f32 ? .bf16 : dtype).doubles())
    let bias = hasBias ? inputs[2].doubles() : Array(repeating: 0, count: width)
    let double: [Double] = Linear().evaluate(inputs.map { ReferenceArray<Double>($0) }, outputs: types)[0]
    let float: [Float] = Linear().evaluate(inputs.map { ReferenceArray<Float>($0) }, outputs: types)[0]
    for m in 0..<rows {
      for n in 0..<width {
        var sum = bias[n]
        for k in 0..<depth { sum += x[m * depth + k] * weight[n * depth + k] }
        #expect(abs(double[m * width + n] - sum) < 1e-12)
        #expect(abs(Double(float[m * width + n]) - sum) < 1e-4)
      }
    }
  }

  /// Epilogues written out, for one element of y that is 2.
  @Test func epiloguesFollowTheirDefinitions() throws {
    func one(_ value: Float) -> Tensor { Tensor([value], [1, 1]) }
    func result(_ epilogue: Linear.Epilogue, _ rest: [Tensor]) throws -> Double {
      let inputs = [one(3), one(0.5), Tensor([Float(0.5)], [1])] + rest
      return try ReferenceEvaluator.evaluate(Linear(epilogue: epilogue), inputs, as: Double.self)[0].doubles()[0]
    }
    #expect(try result(.none, []) == 2)
    #expect(try abs(result(.activation(.silu), []) - 2 / (1 + exp(-2.0))) < 1e-15)
    let gelu = 1 + tanh((2 / Double.pi).squareRoot() * (2 + 0.044715 * 8))
    #expect(try abs(result(.activation(.geluTanh), []) - gelu) < 1e-15)
    #expect(try result(.add, [one(10)]) == 12)
    let table = Tensor([-100, 0.25] as [Float], [2, 1])
    #expect(try result(.gatedAdd(gateRow: 1), [one(10), table]) == 10.5)
  }

  @Test func noRowsGiveNoOutput() throws {
    let inputs = [
      Tensor([Float](), [0, 3]), Tensor([Float](repeating: 1, count: 3), [1, 3]), Tensor([Float(4)], [1]),
    ]
    let types = try Linear().outputTypes(inputs.map(\.type))
    let result: [Float] = Linear().evaluate(inputs.map { ReferenceArray<Float>($0) }, outputs: types)[0]
    #expect(result.isEmpty && types == [TensorType([0, 1], .f32)])
  }
}
