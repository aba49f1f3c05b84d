import CRowMath
import Glibc
import Testing

@testable import LumosReference

@Suite struct ReferenceScalarTests {
  /// 2 x 3 times 3 x 2, with rows that are longer than they need be and a C that already holds something.
  private func check<S: ReferenceScalar>(_: S.Type, transposed: Bool, add: Bool) {
    let a: [S] = [1, 2, 3, 99, 4, 5, 6, 99]
    let b: [S] = transposed ? [7, 9, 11, 99, 99, 8, 10, 12, 99, 99] : [7, 8, 99, 9, 10, 99, 11, 12, 99]
    var c: [S] = [1, 1, 1, 1, 1, 1]
    if transposed {
      S.matrixMultiplyTransposed(rows: 2, columns: 2, inner: 3, a, 4, b, 5, &c, 3, add: add)
    } else {
      S.matrixMultiply(rows: 2, columns: 2, inner: 3, a, 4, b, 3, &c, 3, add: add)
    }
    let more: S = add ? 1 : 0
    #expect(c == [58 + more, 64 + more, 1, 139 + more, 154 + more, 1])
  }

  @Test(arguments: [false, true], [false, true])
  func productsRespectRowLengths(_ transposed: Bool, _ add: Bool) {
    check(Float.self, transposed: transposed, add: add)
    check(Double.self, transposed: transposed, add: add)
  }

  @Test func anEmptySumIsZero() {
    var c: [Float] = [5, 5, 5]
    Float.matrixMultiply(rows: 1, columns: 2, inner: 0, [0], 1, [0], 2, &c, 3, add: false)
    #expect(c == [0, 0, 5])
    Float.matrixMultiplyTransposed(rows: 0, columns: 2, inner: 1, [0], 1, [0, 0], 1, &c, 2, add: false)
    #expect(c == [0, 0, 5])
  }

  @Test(arguments: [0, 1, 7, 8, 9, 1000])
  func rangesCoverEveryIndexOnce(_ count: Int) {
    var visits = [Int](repeating: 0, count: count)
    visits.withUnsafeMutableBufferPointer { visits in
      parallelFor(count: count, grain: 8) { range in for i in range { visits[i] += 1 } }
    }
    #expect(visits.allSatisfy { $0 == 1 })
  }

  /// Every width of vectors that this processor has, with and without a ragged end.
  @Test(arguments: [1, 15, 16, 17, 259, 4099])
  func exponentialsAreExactToTheLastPlace(_ count: Int) {
    let numbers = (0..<count).map { Float($0 * 7919 % 4001) * -0.02 }
    let factor: Float = 0.75
    let largest = Double(numbers.max() ?? 0) * Double(factor)
    let levels = [ROW_MATH_BASELINE, ROW_MATH_AVX2, ROW_MATH_AVX512]
    for level in levels where level.rawValue <= row_math_level().rawValue {
      var row = numbers
      let sum = row_exponentials_at(level, &row, count, factor)
      var expected = 0.0
      for (result, number) in zip(row, numbers) {
        // The argument is rounded to float32, as the scores of attention are.
        let exact = exp(Double(number * factor) - largest)
        expected += exact
        #expect(abs(Double(result) - exact) <= 1.2 * exact * 0x1p-23 * max(1, -Double(number * factor)), "\(number)")
      }
      #expect(abs(Double(sum) - expected) <= 1e-6 * expected)
    }
  }

  @Test func exponentialsOfUnusualRows() {
    func sum(_ row: [Float], factor: Float = 1) -> (sum: Float, row: [Float]) {
      var row = row
      let sum = row.withUnsafeMutableBufferPointer { Float.exponentials($0, factor: factor) }
      return (sum, row)
    }
    #expect(sum([]).sum == 0)
    #expect(sum([3, 3, 3], factor: 0).row == [1, 1, 1])
    #expect(sum([0, -1e30]).row == [1, 0])
    #expect(sum([-1e30, -1e30]).row == [1, 1])
    for place in [0, 5, 16, 20] {
      var row = [Float](repeating: 1, count: 21)
      row[place] = .nan
      #expect(sum(row).sum.isNaN, "\(place)")
    }
    var doubles = [2.0, 0]
    #expect(doubles.withUnsafeMutableBufferPointer { Double.exponentials($0, factor: 0.5) } == 1 + exp(-1))
    #expect(doubles == [1, exp(-1)])
  }
}
