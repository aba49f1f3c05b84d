import COpenBLAS
import CRowMath
import Glibc
import LumosTensor

/// Done once, before the first product: products run on the thread that asks for them, many side by side.
private let blasIsSerial: Bool = {
  openblas_set_num_threads(1)
  return true
}()

/// float32: OpenBLAS, and loops in C over the widest vectors there are.
extension Float: ReferenceScalar {
  public static func evaluate(
    _ kernel: any ReferenceKernel, _ inputs: [ReferenceArray<Float>], outputs: [TensorType]
  ) -> [[Float]] {
    kernel.evaluateSingle(inputs, outputs: outputs)
  }

  public static func matrixMultiplyTransposed(
    rows: Int, columns: Int, inner: Int,
    _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int,
    _ c: UnsafeMutablePointer<Float>, _ ldc: Int, add: Bool
  ) {
    guard needsProduct(rows, columns, inner, c, ldc, add) else { return }
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasTrans, Int32(rows), Int32(columns), Int32(inner),
      1, a, Int32(lda), b, Int32(ldb), add ? 1 : 0, c, Int32(ldc))
  }

  public static func matrixMultiply(
    rows: Int, columns: Int, inner: Int,
    _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int,
    _ c: UnsafeMutablePointer<Float>, _ ldc: Int, add: Bool
  ) {
    guard needsProduct(rows, columns, inner, c, ldc, add) else { return }
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(rows), Int32(columns), Int32(inner),
      1, a, Int32(lda), b, Int32(ldb), add ? 1 : 0, c, Int32(ldc))
  }

  public static func exponential(_ x: Float) -> Float { expf(x) }
  public static func exponentials(_ row: UnsafeMutableBufferPointer<Float>, factor: Float) -> Float {
    row.baseAddress.map { row_exponentials($0, row.count, factor) } ?? 0
  }
  public static func values(of tensor: Tensor) -> [Float] { tensor.floats() }
  public static func tensor(_ values: [Float], _ shape: Shape) -> Tensor { Tensor(values, shape) }
}

/// float64: plain loops, for tests.
extension Double: ReferenceScalar {
  public static func evaluate(
    _ kernel: any ReferenceKernel, _ inputs: [ReferenceArray<Double>], outputs: [TensorType]
  ) -> [[Double]] {
    kernel.evaluateDouble(inputs, outputs: outputs)
  }

  public static func matrixMultiplyTransposed(
    rows: Int, columns: Int, inner: Int,
    _ a: UnsafePointer<Double>, _ lda: Int, _ b: UnsafePointer<Double>, _ ldb: Int,
    _ c: UnsafeMutablePointer<Double>, _ ldc: Int, add: Bool
  ) {
    guard needsProduct(rows, columns, inner, c, ldc, add) else { return }
    parallelFor(count: rows, grain: 8) { rows in
      for row in rows {
        for column in 0..<columns {
          var sum = add ? c[row * ldc + column] : 0
          for k in 0..<inner { sum += a[row * lda + k] * b[column * ldb + k] }
          c[row * ldc + column] = sum
        }
      }
    }
  }

  public static func matrixMultiply(
    rows: Int, columns: Int, inner: Int,
    _ a: UnsafePointer<Double>, _ lda: Int, _ b: UnsafePointer<Double>, _ ldb: Int,
    _ c: UnsafeMutablePointer<Double>, _ ldc: Int, add: Bool
  ) {
    guard needsProduct(rows, columns, inner, c, ldc, add) else { return }
    parallelFor(count: rows, grain: 8) { rows in
      for row in rows {
        if !add { (c + row * ldc).update(repeating: 0, count: columns) }
        // k outside the columns, so that rows of B are read as they lie.
        for k in 0..<inner {
          let factor = a[row * lda + k]
          for column in 0..<columns { c[row * ldc + column] += factor * b[k * ldb + column] }
        }
      }
    }
  }

  public static func exponential(_ x: Double) -> Double { exp(x) }
  public static func exponentials(_ row: UnsafeMutableBufferPointer<Double>, factor: Double) -> Double {
    guard let largest = row.max() else { return 0 }
    var sum = 0.0
    for i in row.indices {
      row[i] = exp(factor * (row[i] - largest))
      sum += row[i]
    }
    return sum
  }
  public static func values(of tensor: Tensor) -> [Double] { tensor.doubles() }
  public static func tensor(_ values: [Double], _ shape: Shape) -> Tensor {
    Tensor(shape, .f64) { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
  }
}

/// False where a product has nothing to sum or nowhere to go; what is left to do then (C = 0) is done here.
private func needsProduct<S: ReferenceScalar>(
  _ rows: Int, _ columns: Int, _ inner: Int, _ c: UnsafeMutablePointer<S>, _ ldc: Int, _ add: Bool
) -> Bool {
  guard rows > 0, columns > 0, blasIsSerial else { return false }
  if inner > 0 { return true }
  if !add { for row in 0..<rows { (c + row * ldc).update(repeating: 0, count: columns) } }
  return false
}
