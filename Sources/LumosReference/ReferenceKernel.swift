import LumosOps
import LumosTensor

/// The number type that a reference evaluation runs in: `Float` (what the engine's CPU backend uses) or `Double`
/// (what tests hold both backends against).
public protocol ReferenceScalar: BinaryFloatingPoint, Sendable {
  /// `C[m, n] = Σ A[m, k] · B[n, k]` (B transposed), rows `lda`, `ldb`, `ldc` elements apart; `add` accumulates. In the
  /// type `Float` on the calling thread alone; see `parallelMatrixMultiplyTransposed`.
  static func matrixMultiplyTransposed(
    rows: Int, columns: Int, inner: Int,
    _ a: UnsafePointer<Self>, _ lda: Int, _ b: UnsafePointer<Self>, _ ldb: Int,
    _ c: UnsafeMutablePointer<Self>, _ ldc: Int, add: Bool)
  /// `C[m, n] = Σ A[m, k] · B[k, n]`.
  static func matrixMultiply(
    rows: Int, columns: Int, inner: Int,
    _ a: UnsafePointer<Self>, _ lda: Int, _ b: UnsafePointer<Self>, _ ldb: Int,
    _ c: UnsafeMutablePointer<Self>, _ ldc: Int, add: Bool)
  /// e^x.
  static func exponential(_ x: Self) -> Self
  /// Replaces every x of `row` by e^(factor · x - m), where m is the largest `factor · x` (factor ≥ 0).
  /// - Returns: their sum; zero for an empty row.
  static func exponentials(_ row: UnsafeMutableBufferPointer<Self>, factor: Self) -> Self
  /// A kernel's outputs, computed in this type.
  static func evaluate(
    _ kernel: any ReferenceKernel, _ inputs: [ReferenceArray<Self>], outputs: [TensorType]
  ) -> [[Self]]
  /// The numbers of a float tensor.
  static func values(of tensor: Tensor) -> [Self]
  /// A tensor of numbers, float32 or float64.
  static func tensor(_ values: [Self], _ shape: Shape) -> Tensor
}

/// A tensor as the reference sees it: numbers in the evaluation's own type. Half types have widened exactly.
public struct ReferenceArray<Scalar: ReferenceScalar>: Sendable {
  /// Extents.
  public let shape: Shape
  /// The numbers, row-major (empty for an integer tensor).
  public let values: [Scalar]
  /// The integers of an i32 tensor (empty otherwise).
  public let integers: [Int32]
  /// The half type that the numbers belong to, or f32: any number of the evaluation's type. Products depend on it.
  public let dtype: DType

  /// Numbers that belong to `dtype` already.
  public init(_ values: [Scalar], _ shape: Shape, _ dtype: DType = .f32) {
    precondition(values.count == shape.count, "\(values.count) values for \(shape)")
    self.shape = shape
    self.values = values
    self.dtype = dtype
    integers = []
  }

  init(integers: [Int32], _ shape: Shape) {
    self.shape = shape
    values = []
    self.integers = integers
    dtype = .i32
  }

  /// The tensor's numbers, widened.
  public init(_ tensor: Tensor) {
    shape = tensor.shape
    if tensor.dtype.isFloat {
      dtype = tensor.dtype.isHalf ? tensor.dtype : .f32
      integers = []
      values = Scalar.values(of: tensor)
    } else {
      dtype = .i32
      values = []
      integers = tensor.integers().map(Int32.init)
    }
  }
}

extension ReferenceArray {
  /// The numbers as factors of a product of type `dtype` (`OpDescriptor`): rounded if that is a half type and not theirs.
  func factors(of dtype: DType) -> ReferenceArray {
    dtype.isHalf && dtype != self.dtype ? ReferenceArray(Convert.rounded(values, to: dtype), shape, dtype) : self
  }
}

/// The CPU reference of an op, written to be read: an extension of the descriptor in `Ops/NAME+Reference.swift`.
///
/// Backends call it through `any ReferenceKernel`, where the compiler sees no concrete scalar. The two requirements
/// without a type parameter are what they call: a conforming type gets both from the extension below, where op and
/// scalar are known, so that loops over elements are compiled for the one type (norms: three to five times faster).
public protocol ReferenceKernel: OpDescriptor {
  /// The outputs for these inputs. `outputs` are the types that the shape rule gave; inputs have been checked by it.
  /// Where a type is half the caller rounds (`results`).
  func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]]
  /// `evaluate` in `Float`.
  func evaluateSingle(_ inputs: [ReferenceArray<Float>], outputs: [TensorType]) -> [[Float]]
  /// `evaluate` in `Double`.
  func evaluateDouble(_ inputs: [ReferenceArray<Double>], outputs: [TensorType]) -> [[Double]]
}

extension ReferenceKernel {
  /// What `evaluate` gives, in the types of the outputs: rounded as `Convert` rounds where they are half.
  func results<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [ReferenceArray<S>] {
    zip(S.evaluate(self, inputs, outputs: outputs), outputs).map { values, type in
      ReferenceArray(Convert.rounded(values, to: type.dtype), type.shape, type.dtype)
    }
  }

  public func evaluateSingle(_ inputs: [ReferenceArray<Float>], outputs: [TensorType]) -> [[Float]] {
    evaluate(inputs, outputs: outputs)
  }

  public func evaluateDouble(_ inputs: [ReferenceArray<Double>], outputs: [TensorType]) -> [[Double]] {
    evaluate(inputs, outputs: outputs)
  }
}
