import LumosOpSuite
import LumosOps
import LumosTensor
import LumosVulkan
import Testing

@testable import LumosReference

/// Rounding to half types, to the bit, on the reference and on the device.
@Suite struct ConvertTests {
  /// Every f16 or bf16 number, by its bits.
  private static func every(_ dtype: DType) -> [Float] {
    (0...UInt16.max).map { dtype == .f16 ? Float(Float16(bitPattern: $0)) : BFloat16.float($0) }
  }

  /// On both: the numbers that the result holds.
  private static func converted(_ x: [Float], to dtype: DType) throws -> [[Float]] {
    let input = Tensor(x, [x.count])
    let device = try VulkanDevice(.named("llvmpipe"))
    let run = try OpRunner(device).run(Convert(to: dtype), [input])
    #expect(run.guardViolations.isEmpty && run.outputs.map(\.type) == [TensorType([x.count], dtype)])
    return [
      try ReferenceEvaluator.evaluate(Convert(to: dtype), [input], as: Float.self)[0].floats(), run.outputs[0].floats(),
    ]
  }

  /// Bits of the numbers, with one pattern for NaN.
  private static func bits(_ values: [Float]) -> [UInt32] { values.map { $0.isNaN ? 0x7fc0_0000 : $0.bitPattern } }

  @Test("Numbers of the type stay what they are, infinities and NaN among them", arguments: [DType.f16, .bf16])
  func identity(dtype: DType) throws {
    let all = Self.every(dtype)
    for result in try Self.converted(all, to: dtype) { #expect(Self.bits(result) == Self.bits(all)) }
  }

  @Test("Between two numbers the nearer is taken, halfway the even one", arguments: [DType.f16, .bf16])
  func nearest(dtype: DType) throws {
    // Positive finite numbers in ascending order, with their last bits alternating.
    let all = Self.every(dtype)[..<(dtype == .f16 ? 0x7c00 : 0x7f80)]
    var (x, expected): ([Float], [Float]) = ([], [])
    for index in stride(from: 0, to: all.count - 1, by: 3) {
      let (low, high) = (Double(all[index]), Double(all[index + 1]))
      let middle = Float((low + high) / 2)
      // Halfway may need a digit more than float32 has, at its own smallest numbers.
      guard Double(middle) == (low + high) / 2 else { continue }
      x += [middle.nextDown, middle, middle.nextUp]
      expected += [Float(low), Float(index % 2 == 0 ? low : high), Float(high)]
    }
    for (sign, x) in [(Float(1), x), (-1, x.map { -$0 })] {
      for result in try Self.converted(x, to: dtype) {
        #expect(Self.bits(result) == Self.bits(expected.map { sign * $0 }))
      }
    }
  }

  @Test("What is too large becomes the largest finite number", arguments: [DType.f16, .bf16])
  func saturation(dtype: DType) throws {
    let largest: Float = dtype == .f16 ? 65504 : BFloat16.float(0x7f7f)
    let x: [Float] = [largest, largest.nextUp, .greatestFiniteMagnitude] + (dtype == .f16 ? [65519, 65520, 1e30] : [])
    for result in try Self.converted(x + x.map { -$0 }, to: dtype) {
      #expect(result == x.map { _ in largest } + x.map { _ in -largest })
    }
  }

  @Test("Frames and their history have one type")
  func mixedFrames() {
    let types: [TensorType] = [
      .init([1, 4, 4, 3], .f16), .init([8, 3, 3, 3, 3], .f32), .init([8], .f32), .init([2, 4, 4, 3], .f32),
    ]
    let op = Conv3D(padding: .init(leading: 1, trailing: 1))
    #expect(throws: OpError.self) { try op.outputTypes(types) }
    #expect(throws: Never.self) { try op.outputTypes(types.map { TensorType($0.shape, .f16) }) }
  }
}
