import LumosOpSuite
import LumosOps
import LumosTensor
import Testing

@testable import LumosReference

/// The reference against the definition: one loop per axis, in Double, no gathered rows.
@Suite struct ConvolutionTests {
  /// Σ over the kernel and the channels, frame by frame; what lies outside a frame is zero. A doubled pixel is read at
  /// half its coordinates. Half frames make the weights their type.
  private func direct(_ op: Conv3D, _ inputs: [Tensor], _ output: Shape) -> [Double] {
    let (x, weight) = (inputs[0].shape, inputs[1].shape)
    let frames = (op.hasHistory(inputCount: inputs.count) ? inputs[3].doubles() : []) + inputs[0].doubles()
    let factors = inputs[0].dtype.isHalf ? inputs[1].converted(to: inputs[0].dtype) : inputs[1]
    let (weights, bias) = (factors.doubles(), inputs[2].doubles())
    let residual = op.addsResidual ? inputs[inputs.count - 1].doubles() : nil
    let zoom = op.upsamples ? 2 : 1
    var result: [Double] = []
    for t in 0..<output[0] {
      for row in 0..<output[1] {
        for column in 0..<output[2] {
          for o in 0..<output[3] {
            var sum = bias[o]
            for dt in 0..<weight[1] {
              for dy in 0..<weight[2] {
                for dx in 0..<weight[3] {
                  let y = row * op.stride.space + dy - op.padding.leading
                  let z = column * op.stride.space + dx - op.padding.leading
                  guard (0..<zoom * x[1]).contains(y), (0..<zoom * x[2]).contains(z) else { continue }
                  let pixel = ((t * op.stride.time + dt) * x[1] + y / zoom) * x[2] + z / zoom
                  let tap = ((o * weight[1] + dt) * weight[2] + dy) * weight[3] + dx
                  for c in 0..<x[3] { sum += frames[pixel * x[3] + c] * weights[tap * x[3] + c] }
                }
              }
            }
            result.append(sum + (residual?[result.count] ?? 0))
          }
        }
      }
    }
    return result
  }

  private static var smallCases: [OpCase] {
    Conv3D.cases.filter { $0.purpose == .parity && $0.op.flops($0.inputs.map(\.type)) < 1_000_000 }
  }

  @Test(arguments: smallCases.map(\.name))
  func agreesWithTheDefinition(_ name: String) throws {
    let test = try #require(Self.smallCases.first { $0.name == name })
    let op = try #require(test.op as? Conv3D)
    let inputs = test.makeInputs()
    let types = try op.outputTypes(inputs.map(\.type))
    let expected = direct(op, inputs, types[0].shape)
    let double: [Double] = op.evaluate(inputs.map { ReferenceArray<Double>($0) }, outputs: types)[0]
    let float: [Float] = op.evaluate(inputs.map { ReferenceArray<Float>($0) }, outputs: types)[0]
    #expect(double.count == expected.count && float.count == expected.count)
    for (i, value) in expected.enumerated() {
      #expect(abs(double[i] - value) < 1e-12, "element \(i)")
      #expect(abs(Double(float[i]) - value) < 1e-5, "element \(i)")
    }
  }

  @Test func theSmallCasesCoverEveryOption() {
    let ops = Self.smallCases.compactMap { $0.op as? Conv3D }
    #expect(ops.contains { $0.stride.space > 1 && $0.stride.time > 1 })
    #expect(ops.contains { $0.padding.leading != $0.padding.trailing })
    #expect(Self.smallCases.contains { ($0.op as? Conv3D)?.hasHistory(inputCount: $0.inputs.count) == true })
    #expect(ops.contains { $0.upsamples && $0.addsResidual })
  }

  /// More positions than one chunk of gathered rows takes.
  @Test func chunksJoinWithoutASeam() throws {
    let op = Conv3D(padding: Conv3D.Padding(leading: 0, trailing: 0))
    let (size, channels) = (72, 1024)
    // Channel 0 numbers the pixels, the others are zero; the kernel passes channel 0 through.
    var x = [Float](repeating: 0, count: size * size * channels)
    for i in 0..<size * size { x[i * channels] = Float(i) }
    var weight = [Float](repeating: 0, count: channels)
    weight[0] = 1
    let inputs = [Tensor(x, [1, size, size, channels]), Tensor(weight, [1, 1, 1, 1, channels]), Tensor([0.5], [1])]
    let types = try op.outputTypes(inputs.map(\.type))
    let result: [Float] = op.evaluate(inputs.map { ReferenceArray<Float>($0) }, outputs: types)[0]
    #expect(result == (0..<size * size).map { Float($0) + 0.5 })
  }
}
