import Glibc
import LumosOps
import LumosReference
import LumosTensor
import Testing

/// The references of norms, modulation and layout ops against numbers worked out by hand: parity with a device cannot
/// show that both are wrong in the same way.
struct NormAndLayoutTests {
  /// The reference's first output, in float64.
  private func evaluate(_ op: any OpDescriptor, _ inputs: Tensor...) throws -> [Double] {
    try ReferenceEvaluator.evaluate(op, inputs, as: Double.self)[0].doubles()
  }

  private func expectEqual(_ actual: [Double], _ expected: [Double]) {
    #expect(actual.count == expected.count)
    for (a, e) in zip(actual, expected) { #expect(abs(a - e) < 1e-7, "\(actual), expected \(expected)") }
  }

  /// 0, 1, 2, … in `shape`.
  private func counting(_ shape: Shape) -> Tensor { Tensor((0..<shape.count).map(Float.init), shape) }

  @Test("LayerNorm: biased variance, then weight and bias")
  func layerNorm() throws {
    // Mean 3, variance 5.
    let x = Tensor([0, 2, 4, 6, 3, 3, 3, 3] as [Float], [2, 4])
    let root = 5.0.squareRoot()
    let plain = [-3 / root, -1 / root, 1 / root, 3 / root, 0, 0, 0, 0]
    expectEqual(try evaluate(LayerNorm(epsilon: 1e-12), x), plain)
    let weight = Tensor([1, 2, 3, 4] as [Float], [4])
    let bias = Tensor([10, 20, 30, 40] as [Float], [4])
    let affine = plain.enumerated().map { $1 * Double($0 % 4 + 1) + 10 * Double($0 % 4 + 1) }
    expectEqual(try evaluate(LayerNorm(epsilon: 1e-12), x, weight, bias), affine)
    // ε stands beside the variance, inside the root.
    expectEqual(try evaluate(LayerNorm(epsilon: 4), x).dropLast(4), [-1, -1.0 / 3, 1.0 / 3, 1])
  }

  @Test("RMSNorm: no mean is taken out, ε stands inside the root")
  func rmsNorm() throws {
    let x = Tensor([3, 4, 0, 0] as [Float], [2, 2])
    let weight = Tensor([1, 2] as [Float], [2])
    expectEqual(try evaluate(RMSNorm(epsilon: 3.5), x, weight), [0.75, 2, 0, 0])
  }

  @Test("Fused forms: the norm first, over the whole row, then what follows")
  func fusedNorms() throws {
    let root = 5.0.squareRoot()
    let x = Tensor([0, 2, 4, 6] as [Float], [1, 4])
    // Rows: scale, unused, shift.
    let table = Tensor([1, 1, 2, 2, 9, 9, 9, 9, 10, 20, 30, 40] as [Float], [3, 4])
    let modulate = Modulate(shiftRow: 2, scaleRow: 0)
    expectEqual(
      try evaluate(LayerNorm(epsilon: 1e-12, modulation: modulate), x, table),
      [10 - 6 / root, 20 - 2 / root, 30 + 3 / root, 40 + 9 / root])
    let (weight, bias) = (Tensor([1, 1, 1, 2] as [Float], [4]), Tensor([0, 1, 0, 0] as [Float], [4]))
    expectEqual(
      try evaluate(LayerNorm(epsilon: 1e-12, modulation: modulate), x, weight, bias, table),
      [10 - 6 / root, 22 - 2 / root, 30 + 3 / root, 40 + 18 / root])

    // Mean square 25 over both heads; the heads turn by the same angles, a quarter and none.
    let y = Tensor([5, -5, 5, 5, -5, 5, -5, -5] as [Float], [1, 8])
    let gain = Tensor([1, 2, 1, 1, 1, 1, 3, 1] as [Float], [8])
    let (cosines, sines) = (Tensor([0, 1] as [Float], [1, 2]), Tensor([1, 0] as [Float], [1, 2]))
    expectEqual(
      try evaluate(RMSNorm(epsilon: 1e-12, rotary: Rotary(heads: 2)), y, gain, cosines, sines),
      [2, 1, 1, 1, -1, -1, -3, -1])

    let z = Tensor([3, 4] as [Float], [2])
    let gamma = Tensor([1, -1] as [Float], [2])
    let normed = [0.6 * 2.0.squareRoot(), -0.8 * 2.0.squareRoot()]
    expectEqual(try evaluate(ChannelNorm(activation: .silu), z, gamma), normed.map { $0 / (1 + exp(-$0)) })
  }

  @Test("ChannelNorm: length √C; a zero vector stays zero; short vectors are divided by 1e-12")
  func channelNorm() throws {
    let x = Tensor([3, 4, 0, 0, 3e-13, 4e-13] as [Float], [3, 2])
    let gamma = Tensor([1, 10] as [Float], [2])
    let root = 2.0.squareRoot()
    expectEqual(
      try evaluate(ChannelNorm(), x, gamma), [0.6 * root, 8 * root, 0, 0, 0.3 * root, 4 * root])
  }

  @Test("Modulation takes its rows by number")
  func modulation() throws {
    let x = Tensor([1, 2, 3, 4] as [Float], [2, 2])
    let table = Tensor([10, 20, 1, 2, 5, 6] as [Float], [3, 2])
    expectEqual(try evaluate(Modulate(shiftRow: 0, scaleRow: 1), x, table), [12, 26, 16, 32])
    expectEqual(try evaluate(GatedAdd(gateRow: 2), x, x, table), [6, 14, 18, 28])
    expectEqual(
      try evaluate(ChannelAffine(), x, Tensor([10, 20] as [Float], [2]), Tensor([1, 2] as [Float], [2])),
      [11, 42, 31, 82])
  }

  @Test("Patches are ordered (channel, row, column), and zero beyond the border")
  func patchify() throws {
    // One frame of 2 x 3 pixels of two channels: pixel p holds 2p and 2p + 1.
    expectEqual(
      try evaluate(Patchify(patch: 2), counting([1, 2, 3, 2])),
      [0, 2, 6, 8, 1, 3, 7, 9, 4, 0, 10, 0, 5, 0, 11, 0])
  }

  @Test("Tokens are ordered (row, column, channel); the border and further tokens are dropped")
  func unpatchify() throws {
    // Tokens of 2 x 2 pixels of two channels; a frame of 2 x 3 takes two of the three.
    expectEqual(
      try evaluate(Unpatchify(frames: 1, height: 2, width: 3, patch: 2), counting([3, 8])),
      [0, 1, 2, 3, 8, 9, 4, 5, 6, 7, 12, 13])
  }

  @Test("Pixels double in both directions")
  func upsampleNearest() throws {
    expectEqual(
      try evaluate(UpsampleNearest(), counting([2, 1, 2, 1])),
      [0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3])
  }

  @Test("Halves of the channels become frames, frame by frame")
  func frameInterleave() throws {
    expectEqual(
      try evaluate(FrameInterleave(), counting([2, 1, 2, 4])),
      [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15])
  }

  @Test("Rows are joined and cut along the outermost axis")
  func rows() throws {
    expectEqual(
      try evaluate(Concatenate(), counting([1, 2]), counting([2, 2])), [0, 1, 0, 1, 2, 3])
    expectEqual(try evaluate(Slice(start: 1, count: 2), counting([4, 1, 2])), [2, 3, 4, 5])
  }

  @Test("The evaluator returns float32 or float64, and refuses operands that do not fit")
  func evaluator() throws {
    let x = counting([2, 2])
    #expect(try ReferenceEvaluator.evaluate(Elementwise(.add), [x, x], as: Float.self)[0].type == x.type)
    #expect(try ReferenceEvaluator.evaluate(Elementwise(.add), [x, x], as: Double.self)[0].dtype == .f64)
    #expect(throws: OpError.self) { try ReferenceEvaluator.evaluate(Elementwise(.add), [x], as: Float.self) }
  }
}
