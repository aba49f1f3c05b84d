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
}
