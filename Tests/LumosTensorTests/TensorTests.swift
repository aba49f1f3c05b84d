import LumosTensor
import Testing

@Suite struct ShapeTests {
  @Test func countsAndRows() {
    let shape: Shape = [2, 3, 4]
    #expect(shape.count == 24)
    #expect(shape.rowCount == 12)
    #expect(shape[-1] == 4)
    #expect(shape.description == "[2, 3, 4]")
    #expect(Shape([]).count == 1)
  }

  @Test func untrustedExtents() {
    #expect(Shape(checking: [3, 5]) == [3, 5])
    #expect(Shape(checking: [-1]) == nil)
    #expect(Shape(checking: [1 << 32, 1 << 32]) == nil)
    // A zero must not hide that the rest overflows.
    #expect(Shape(checking: [0, 1 << 32, 1 << 32]) == nil)
    #expect(Shape(checking: [0, 7])?.count == 0)
  }
}

@Suite struct TensorTests {
  @Test func rowsShareBytes() {
    let tensor = Tensor((0..<12).map(Float.init), [4, 3])
    let rows = tensor.rows(1..<3)
    #expect(rows.shape == [2, 3])
    #expect(rows.floats() == [3, 4, 5, 6, 7, 8])
    #expect(rows.rows(1..<2).reshaped([3, 1]).floats() == [6, 7, 8])
    let same = tensor.withUnsafeBytes { whole in
      rows.withUnsafeBytes { part in part.baseAddress == whole.baseAddress.map { $0 + 12 } }
    }
    #expect(same)
  }

  @Test func emptyTensors() {
    let tensor = Tensor([Float](), [0, 5])
    #expect(tensor.byteCount == 0)
    #expect(tensor.floats().isEmpty)
    #expect(tensor.converted(to: .f16).type == TensorType([0, 5], .f16))
  }

  @Test func integers() {
    #expect(Tensor([Int32(-1), 7], [2]).integers() == [-1, 7])
    let bytes = Tensor([3], .u8) { bytes in
      for i in 0..<3 { bytes[i] = UInt8(253 + i) }
    }
    #expect(bytes.integers() == [253, 254, 255])
    #expect(bytes.floats() == [253, 254, 255])
  }
}

@Suite struct ConversionTests {
  /// Every f16 and bf16 pattern widens to the number that it stands for, and comes back.
  @Test func wideningIsExactAndReversible() {
    let patterns = (0...UInt16.max).map { $0 }
    let halves = Tensor([65536], .f16) { bytes in
      for (i, pattern) in patterns.enumerated() { bytes.storeBytes(of: pattern, toByteOffset: 2 * i, as: UInt16.self) }
    }
    let widened = halves.floats()
    for pattern in patterns {
      let value = Float(Float16(bitPattern: pattern))
      #expect(value.isNaN ? widened[Int(pattern)].isNaN : widened[Int(pattern)] == value)
    }
    for pattern in patterns {
      let value = BFloat16.float(pattern)
      if value.isNaN {
        #expect(BFloat16.float(BFloat16.bits(value)).isNaN)
      } else {
        #expect(BFloat16.bits(value) == pattern)
      }
    }
  }

  /// Narrowing rounds to the nearest, ties to even: checked against the two neighbours.
  @Test func bfloat16RoundsToNearestEven() {
    var state: UInt32 = 12345
    for _ in 0..<100_000 {
      state = state &* 1_664_525 &+ 1_013_904_223
      let value = Float(bitPattern: state)
      guard value.isFinite else { continue }
      let rounded = BFloat16.float(BFloat16.bits(value))
      let below = BFloat16.float(UInt16(state >> 16))
      let above = BFloat16.float(UInt16(truncatingIfNeeded: (state >> 16) + 1))
      guard above.isFinite else { continue }
      let (down, up) = (abs(Double(value) - Double(below)), abs(Double(above) - Double(value)))
      if down != up { #expect(rounded == (down < up ? below : above)) }
      if down == up { #expect(BFloat16.bits(value) & 1 == 0) }
    }
    #expect(BFloat16.float(BFloat16.bits(.greatestFiniteMagnitude)) == .infinity)
  }

  @Test func halfRounds() {
    let tensor = Tensor([Float(1) + 0x1p-11, 65519, 65520, -0.0, 0x1p-25], [5]).converted(to: .f16)
    #expect(tensor.floats() == [1, 65504, .infinity, 0, 0])
    #expect(tensor.floats()[3].sign == .minus)
  }
}

@Suite struct LumosErrorTests {
  @Test func saysWhatWhereAndWhatToDo() {
    let cause = LumosError(.inputOutput, "short read")
    let error = LumosError(.badInput, "image is truncated", at: "face.png", advice: "save it again", cause: cause)
    #expect("\(error)" == "face.png: image is truncated (short read); save it again")
  }

  @Test func exitCodesAreThoseOfSysexits() {
    let codes = LumosError.Kind.allCases.map(\.exitCode)
    #expect(codes == [64, 65, 69, 70, 73, 74, 75])
  }
}
