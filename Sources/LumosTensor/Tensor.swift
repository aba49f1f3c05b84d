/// A dense, row-major, immutable tensor in host memory.
///
/// The bytes are shared, never copied, between copies of a `Tensor`; they may belong to a mapped file, which then
/// lives as long as the last tensor that points into it. A tensor is filled once, in an initialiser, and only read
/// afterwards, which is what makes it `Sendable`.
public struct Tensor: Sendable {
  /// Extents, outermost first.
  public let shape: Shape
  /// Element type in storage.
  public let dtype: DType
  private let storage: TensorStorage
  private let byteOffset: Int

  /// Number of elements.
  public var count: Int { shape.count }
  /// Number of bytes.
  public var byteCount: Int { dtype.byteCount(of: shape.count) }
  /// Shape and element type.
  public var type: TensorType { TensorType(shape, dtype) }

  /// Allocates `shape` and lets `initialize` fill the bytes, which are zero at first.
  public init(
    _ shape: Shape, _ dtype: DType, initialize: (UnsafeMutableRawBufferPointer) throws -> Void = { _ in }
  ) rethrows {
    self.shape = shape
    self.dtype = dtype
    let byteCount = dtype.byteCount(of: shape.count)
    storage = TensorStorage(byteCount: byteCount)
    byteOffset = 0
    try initialize(UnsafeMutableRawBufferPointer(start: storage.base, count: byteCount))
  }

  /// A tensor over bytes that belong to somebody else; `owner` is kept alive. The bytes must never change, and
  /// `base` need not be aligned.
  public init(_ shape: Shape, _ dtype: DType, borrowing base: UnsafeRawPointer, owner: AnyObject & Sendable) {
    self.shape = shape
    self.dtype = dtype
    storage = TensorStorage(borrowing: UnsafeMutableRawPointer(mutating: base), owner: owner)
    byteOffset = 0
  }

  private init(_ shape: Shape, _ dtype: DType, storage: TensorStorage, byteOffset: Int) {
    self.shape = shape
    self.dtype = dtype
    self.storage = storage
    self.byteOffset = byteOffset
  }

  /// A float32 tensor with these values.
  public init(_ values: [Float], _ shape: Shape) {
    precondition(values.count == shape.count, "\(values.count) values for \(shape)")
    self.init(shape, .f32) { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
  }

  /// An int32 tensor with these values.
  public init(_ values: [Int32], _ shape: Shape) {
    precondition(values.count == shape.count, "\(values.count) values for \(shape)")
    self.init(shape, .i32) { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
  }

  /// The raw bytes, `byteCount` long. Not necessarily aligned when the tensor lies in a mapped file.
  public func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    // The pointer does not keep the bytes alive by itself.
    try withExtendedLifetime(storage) { () throws(E) in
      try body(UnsafeRawBufferPointer(start: storage.base + byteOffset, count: byteCount))
    }
  }

  /// The same elements under another shape of equal count.
  public func reshaped(_ shape: Shape) -> Tensor {
    precondition(shape.count == count, "cannot view \(self.shape) as \(shape)")
    return Tensor(shape, dtype, storage: storage, byteOffset: byteOffset)
  }

  /// Rows `range` of the outermost axis, sharing the bytes.
  public func rows(_ range: Range<Int>) -> Tensor {
    precondition(shape.rank > 0 && range.lowerBound >= 0 && range.upperBound <= shape[0], "rows \(range) of \(shape)")
    let row = dtype.byteCount(of: shape.rowCount)
    return Tensor(
      Shape([range.count] + shape.dimensions.dropFirst()), dtype, storage: storage,
      byteOffset: byteOffset + range.lowerBound * row)
  }
}

/// Shape and element type of a tensor, without its bytes.
public struct TensorType: Sendable, Hashable, CustomStringConvertible {
  /// Extents, outermost first.
  public var shape: Shape
  /// Element type in storage.
  public var dtype: DType

  public init(_ shape: Shape, _ dtype: DType) {
    self.shape = shape
    self.dtype = dtype
  }

  /// Number of bytes.
  public var byteCount: Int { dtype.byteCount(of: shape.count) }

  /// Whether its rows (along the innermost axis) are whole blocks, as every tensor of a block type has them; true of other
  /// types.
  public var hasWholeBlocks: Bool {
    guard let block = dtype.block else { return true }
    return shape.rank > 0 && shape[-1] % block.elements == 0
  }

  public var description: String { "\(dtype.rawValue)\(shape)" }
}

/// The bytes behind tensors: allocated here (64-byte aligned) or borrowed from an owner.
private final class TensorStorage: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  private let owner: AnyObject?

  init(byteCount: Int) {
    base = .allocate(byteCount: max(byteCount, 1), alignment: 64)
    base.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    owner = nil
  }

  init(borrowing base: UnsafeMutableRawPointer, owner: AnyObject) {
    self.base = base
    self.owner = owner
  }

  deinit { if owner == nil { base.deallocate() } }
}
