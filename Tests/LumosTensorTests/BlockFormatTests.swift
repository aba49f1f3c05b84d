import LumosTensor
import Testing

@Suite struct BlockFormatTests {
  /// Numbers around zero, of another size in every row.
  private func numbers(_ rows: Int, _ columns: Int) -> Tensor {
    var state: UInt64 = 12345
    let values = (0..<rows * columns).map { i -> Float in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (Float(state >> 40) * 0x1p-23 - 1) * Float(1 + i / columns)
    }
    return Tensor(values, [rows, columns])
  }

  @Test(arguments: DType.blocks)
  func sizes(_ dtype: DType) throws {
    let block = try #require(dtype.block)
    #expect(dtype.byteCount(of: 3 * block.elements) == 3 * block.bytes)
    #expect(dtype.alignment == 2 && dtype.isFloat && !dtype.isHalf)
    let type = TensorType([2, 2 * block.elements], dtype)
    #expect(type.byteCount == 4 * block.bytes && type.hasWholeBlocks)
    #expect(!TensorType([block.elements, block.elements / 2], dtype).hasWholeBlocks)
    #expect(!TensorType([], dtype).hasWholeBlocks)
    #expect(TensorType([3, 1], .f16).hasWholeBlocks)
  }

  @Test func plainTypesHaveNoBlocks() {
    #expect(DType.blocks == [.q8_0, .q4_0, .q5_0, .q4_K, .q5_K, .q6_K])
    #expect(DType.f16.byteCount(of: 7) == 14 && DType.f16.alignment == 2 && DType.f64.alignment == 8)
  }

  /// Root mean squared errors of uniform numbers, relative to theirs: a step of 2 / (2^bits - 1) has 1 / √12 of it, that
  /// is 1 / (2^bits - 1) of the numbers' own. Scales that round and fits that are not perfect add to it.
  @Test(arguments: [
    (DType.q8_0, 256), (.q4_0, 16), (.q5_0, 32), (.q4_K, 16), (.q5_K, 32), (.q6_K, 64),
  ])
  func quantisedNumbersAreNear(_ dtype: DType, levels: Int) {
    let x = numbers(3, 512)
    let quantised = x.converted(to: dtype)
    #expect(quantised.type == TensorType(x.shape, dtype))
    for row in 0..<3 {
      let (a, b) = (x.rows(row..<row + 1).floats(), quantised.rows(row..<row + 1).floats())
      let square = { (values: [Float]) in values.reduce(0) { $0 + Double($1) * Double($1) } }
      let error = (square(zip(a, b).map(-)) / square(a)).squareRoot()
      #expect(error < 1.25 / Double(levels - 1), "\(dtype) row \(row): \(error)")
      #expect(error > 0.5 / Double(levels - 1), "\(dtype) row \(row): \(error)")
    }
  }

  /// The ends of a block's range are met.
  @Test(arguments: DType.blocks)
  func constantRowsAndZeros(_ dtype: DType) {
    for value: Float in [0, 1, -3] {
      let x = Tensor([Float](repeating: value, count: 512), [1, 512])
      let error = zip(x.converted(to: dtype).floats(), x.floats()).map { abs($0 - $1) }.max() ?? 1
      #expect(error <= abs(value) * 0.001, "\(dtype) \(value): \(error)")
    }
  }

  @Test(arguments: DType.blocks)
  func numbersThatAreNoneCountAsZero(_ dtype: DType) {
    var values = numbers(1, 256).floats()
    for i in stride(from: 0, to: 256, by: 17) { values[i] = [Float.nan, .infinity, -.infinity][i % 3] }
    let widened = Tensor(values, [1, 256]).converted(to: dtype).floats()
    #expect(widened.allSatisfy { $0.isFinite && abs($0) < 1.2 })
    let huge = Tensor([Float](repeating: .greatestFiniteMagnitude, count: 256), [1, 256])
    #expect(huge.converted(to: dtype).floats().allSatisfy { $0.isFinite })
    let tiny = Tensor([Float](repeating: .leastNonzeroMagnitude, count: 256), [1, 256])
    #expect(tiny.converted(to: dtype).floats().allSatisfy { abs($0) < 1e-6 })
  }

  /// One element of one block by hand.
  @Test func elementsByHand() {
    let q4 = Tensor([1, 256], .q4_K) { bytes in
      for (at, value) in [(0, Float16(0.5)), (2, Float16(0.25))] {
        bytes[at] = UInt8(value.bitPattern & 255)
        bytes[at + 1] = UInt8(value.bitPattern >> 8)
      }
      // Part 5: scale 0b10_0011 = 35, minimum 0b01_0110 = 22.
      bytes[4 + 1] = 0b1000_0000
      bytes[8 + 1] = 0b0100_0000
      bytes[12 + 1] = 0b0110_0011
      bytes[16 + 2 * 32 + 7] = 0xb4
    }
    let values = q4.floats()
    #expect(values[5 * 32 + 7] == 0.5 * 35 * 11 - 0.25 * 22)
    #expect(values[5 * 32 + 8] == -0.25 * 22)
    // Its neighbour in the low four bits, part 4, has neither scale nor minimum.
    #expect(values[4 * 32 + 7] == 0)

    let q6 = Tensor([1, 256], .q6_K) { bytes in
      bytes[192 + 12] = UInt8(bitPattern: -7)
      bytes[209] = 0x3c  // 1
      // Element 200 = 128 + 72: high four bits of byte 64 + 8, bits 4 and 5 of byte 128 + 32 + 8.
      bytes[72] = 0xd2
      bytes[168] = 0b0010_0000
    }
    #expect(q6.floats()[200] == -7 * (0xd + 32 - 32))
  }
}
