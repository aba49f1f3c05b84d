/// Matrix products on all cores whose results do not depend on how many there are.
extension ReferenceScalar {
  /// `matrixMultiplyTransposed`, in blocks of rows, or of columns where there are few rows, side by side.
  ///
  /// The blocks depend on the sizes alone, and each is made by one thread. OpenBLAS's own threads would cut a product by
  /// their number, which then shows in the last bits, and lock each other out where several products run at once.
  /// Not for the bodies of `parallelFor`, which have the cores already.
  static func parallelMatrixMultiplyTransposed(
    rows: Int, columns: Int, inner: Int,
    _ a: UnsafePointer<Self>, _ lda: Int, _ b: UnsafePointer<Self>, _ ldb: Int,
    _ c: UnsafeMutablePointer<Self>, _ ldc: Int, add: Bool
  ) {
    let byRows = rows >= columns || rows >= 2 * productBlock
    let extent = byRows ? rows : columns
    let blocks = max((extent + productBlock - 1) / productBlock, 1)
    parallelFor(count: blocks, grain: 1) { block in
      let range = extent * block.lowerBound / blocks..<extent * block.upperBound / blocks
      let (rows, columns) = byRows ? (range.count, columns) : (rows, range.count)
      let (row, column) = byRows ? (range.lowerBound, 0) : (0, range.lowerBound)
      matrixMultiplyTransposed(
        rows: rows, columns: columns, inner: inner, a + row * lda, lda, b + column * ldb, ldb,
        c + row * ldc + column, ldc, add: add)
    }
  }

  /// Rows or columns of a block: the other factor is packed anew for each, which is a twentieth of its time.
  private static var productBlock: Int { 400 }
}
