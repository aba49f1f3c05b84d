import COpenBLAS
import Glibc

extension Float: ReferenceScalar {
  public static func matrixMultiplyTransposed(
    rows: Int, columns: Int, inner: Int,
    _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int,
    _ c: UnsafeMutablePointer<Float>, _ ldc: Int, add: Bool
  ) {
    guard rows > 0, columns > 0 else { return }
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasTrans, Int32(rows), Int32(columns), Int32(inner),
      1, a, Int32(max(lda, 1)), b, Int32(max(ldb, 1)), add ? 1 : 0, c, Int32(max(ldc, 1)))
  }

  public static func matrixMultiply(
    rows: Int, columns: Int, inner: Int,
    _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int,
    _ c: UnsafeMutablePointer<Float>, _ ldc: Int, add: Bool
  ) {
    guard rows > 0, columns > 0 else { return }
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(rows), Int32(columns), Int32(inner),
      1, a, Int32(max(lda, 1)), b, Int32(max(ldb, 1)), add ? 1 : 0, c, Int32(max(ldc, 1)))
  }

  public static func exponential(_ x: Float) -> Float { expf(x) }
  public static func hyperbolicTangent(_ x: Float) -> Float { tanhf(x) }
}

extension Double: ReferenceScalar {
  public static func matrixMultiplyTransposed(
    rows: Int, columns: Int, inner: Int,
    _ a: UnsafePointer<Double>, _ lda: Int, _ b: UnsafePointer<Double>, _ ldb: Int,
    _ c: UnsafeMutablePointer<Double>, _ ldc: Int, add: Bool
  ) {
    for row in 0..<rows {
      for column in 0..<columns {
        var sum = add ? c[row * ldc + column] : 0
        for i in 0..<inner { sum += a[row * lda + i] * b[column * ldb + i] }
        c[row * ldc + column] = sum
      }
    }
  }

  public static func matrixMultiply(
    rows: Int, columns: Int, inner: Int,
    _ a: UnsafePointer<Double>, _ lda: Int, _ b: UnsafePointer<Double>, _ ldb: Int,
    _ c: UnsafeMutablePointer<Double>, _ ldc: Int, add: Bool
  ) {
    for row in 0..<rows {
      for column in 0..<columns {
        var sum = add ? c[row * ldc + column] : 0
        for i in 0..<inner { sum += a[row * lda + i] * b[i * ldb + column] }
        c[row * ldc + column] = sum
      }
    }
  }

  public static func exponential(_ x: Double) -> Double { exp(x) }
  public static func hyperbolicTangent(_ x: Double) -> Double { tanh(x) }
}
