import LumosTensor

/// A tensor that lies in several pieces, each a box of it.
struct AssembledTensor: Sendable {
  /// A piece and where in the tensor it begins.
  struct Part: Sendable {
    let stored: StoredTensor
    let offsets: [Int]
  }

  let type: TensorType
  /// Fill the tensor without overlaps.
  let parts: [Part]

  /// The tensor: a view of the mapped file if it lies there in one piece, else a copy.
  func tensor() throws(LumosError) -> Tensor {
    if parts.count == 1 { return parts[0].stored.tensor() }
    return try Tensor.filled(type) { target throws(LumosError) in try read(bytes: 0..<type.byteCount, into: target) }
  }

  /// Copies bytes `range` of the tensor to the start of `target`, which is long enough.
  func read(bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws(LumosError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= type.byteCount, "bytes \(range) of \(type)")
    if parts.count == 1 { return try parts[0].stored.read(bytes: range, into: target) }
    for part in parts { try copy(part, bytes: range, into: target) }
  }

  /// Copies what a piece has of the bytes `range`.
  private func copy(
    _ part: Part, bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer
  ) throws(LumosError) {
    let sizes = part.stored.type.shape.dimensions
    let size = type.dtype.byteCount
    // Axes in which the piece is as wide as the tensor follow each other in both; the next one is still a run.
    var (axes, run) = (0, 1)
    for axis in sizes.indices.reversed() {
      axes += 1
      run *= sizes[axis]
      guard sizes[axis] == type.shape[axis] else { break }
    }
    guard run > 0 else { return }
    let outer = sizes.dropLast(axes)
    // Elements of the tensor from one index of an axis to the next.
    var strides = [Int](repeating: 1, count: sizes.count)
    for axis in sizes.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * type.shape[axis + 1] }
    let first = zip(part.offsets, strides).reduce(0) { $0 + $1.0 * $1.1 }
    for row in 0..<outer.reduce(1, *) {
      var (index, position) = (row, first)
      for axis in outer.indices.reversed() {
        position += index % outer[axis] * strides[axis]
        index /= outer[axis]
      }
      let bytes = (position * size..<(position + run) * size).clamped(to: range)
      guard !bytes.isEmpty else { continue }
      let shift = row * run * size - position * size
      try part.stored.read(
        bytes: bytes.lowerBound + shift..<bytes.upperBound + shift,
        into: UnsafeMutableRawBufferPointer(rebasing: target[bytes.lowerBound - range.lowerBound..<target.count]))
    }
  }
}

extension Tensor {
  /// A tensor that `fill` writes, with its type of error.
  fileprivate static func filled(
    _ type: TensorType, _ fill: (UnsafeMutableRawBufferPointer) throws(LumosError) -> Void
  ) throws(LumosError) -> Tensor {
    var failure: LumosError?
    let tensor = Tensor(type.shape, type.dtype) { target in
      do throws(LumosError) { try fill(target) } catch { failure = error }
    }
    if let failure { throw failure }
    return tensor
  }
}
