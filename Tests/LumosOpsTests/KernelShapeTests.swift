import LumosOpSuite
import LumosOps
import LumosTensor
import Testing

@testable import LumosVulkan

/// How kernels' work is cut into workgroups.
struct KernelShapeTests {
  @Test("Division by multiplication is exact for every dividend below 2^31")
  func divisors() throws {
    var random = SplitMix64(seed: 7)
    var divisors = Array(1...257) + [Int(Int32.max)]
    divisors += (8...30).flatMap { (bit: Int) -> [Int] in [(1 << bit) - 1, 1 << bit, (1 << bit) + 1] }
    divisors += (0..<200).map { _ in Int(random.next() >> 33) + 1 }
    for divisor in divisors {
      let words = PushWord.divisor(divisor)
      guard case .uint(let value) = words[0], case .uint(let multiplier) = words[1], case .uint(let shift) = words[2]
      else {
        Issue.record("\(words)")
        return
      }
      #expect(value == divisor)
      var dividends = [0, 1, divisor - 1, divisor, divisor + 1, Int(Int32.max) - 1, Int(Int32.max)]
      dividends += (0..<50).map { _ in Int(random.next() >> 33) }
      dividends += (0..<50).flatMap { _ -> [Int] in
        let multiple = Int(random.next() >> 33) / divisor * divisor
        return [multiple, max(multiple - 1, 0)]
      }
      for dividend in dividends where dividend <= Int(Int32.max) {
        // As in Common/divide.glsl, in 32 bits.
        let n = UInt32(dividend)
        let (sum, overflow) = UInt32((UInt64(n) * UInt64(multiplier)) >> 32).addingReportingOverflow(n)
        #expect(!overflow && Int(sum >> shift) == dividend / divisor, "\(dividend) / \(divisor)")
      }
    }
    #expect(PushWord.divisor(0) == [.uint(0), .uint(0), .uint(0)])
  }

  @Test("Rows get 4 to 128 lanes, every element a lane and every row a place", arguments: [DType.f32, .f16, .bf16])
  func rowKernels(result: DType) {
    for width in [1, 7, 64, 65, 96, 384, 1536, 16384] {
      for rows in [0, 1, 15, 16, 17, 32760, 5_000_000] {
        let kernel = RowKernel(rows: rows, width: width, result: result, .minimum)
        let word = result == .f32 ? 4 : 8
        #expect([4, 8, 16, 32, 64, 128].contains(kernel.lanes) && kernel.lanes * word >= 32)
        #expect(kernel.vectors > 0 && kernel.vectors * 4 % word == 0)
        #expect((width..<width + kernel.lanes * word).contains(kernel.lanes * 4 * kernel.vectors))
        #expect(kernel.grid.x * kernel.grid.y * (128 / kernel.lanes) >= rows)
        #expect(kernel.grid.x <= 65535 && kernel.grid.y <= 65535 && kernel.grid.x >= 1)
      }
    }
  }

  @Test("No lane is idle on the model's rows")
  func modelRows() {
    for width in [96, 192, 384, 1536, 4096] {
      for result: DType in [.f32, .f16] {
        let kernel = RowKernel(rows: 1, width: width, result: result, .minimum)
        #expect(kernel.lanes * 4 * kernel.vectors == width && kernel.vectors <= 12, "\(width) to \(result)")
      }
    }
  }

  @Test("A folded grid has places for every workgroup and few more")
  func folding() {
    for groups in [0, 1, 65535, 65536, 131_071, 4_194_304] {
      let grid = Grid.folded(groups, .minimum)
      let places = grid.x * grid.y
      #expect(places >= groups && places < max(groups, 1) + grid.y)
      #expect(grid.x <= 65535 && grid.y <= 65535)
    }
  }
}
