import LumosTensor

/// A tensor that lies in a mapped file, dense or as a view with strides of something larger.
struct StoredTensor: Sendable {
  let file: MappedFile
  let type: TensorType
  /// Where its first element lies in the file.
  let byteOffset: Int
  /// Elements from one index of an axis to the next.
  let strides: [Int]

  /// A view whose every element lies in `range` of the file; nil with the reason otherwise.
  ///
  /// - Parameter offset: elements of the storage before the first.
  static func checked(
    in file: MappedFile, storage range: Range<Int>, dtype: DType, offset: Int, sizes: [Int], strides: [Int]
  ) -> Result<StoredTensor, Reason> {
    guard let shape = Shape(checking: sizes) else { return .failure(Reason("sizes \(sizes) are negative or overflow")) }
    guard offset >= 0, strides.allSatisfy({ $0 >= 0 }) else {
      return .failure(Reason("offset \(offset) or strides \(strides) are negative"))
    }
    let (byteCount, isLarge) = shape.count.multipliedReportingOverflow(by: dtype.byteCount)
    // One beyond the last element.
    var end = offset
    var isFar = isLarge
    if shape.count > 0 {
      for (size, stride) in zip(sizes, strides) {
        let (span, far) = (size - 1).multipliedReportingOverflow(by: stride)
        let (sum, farther) = end.addingReportingOverflow(span)
        end = sum
        isFar = isFar || far || farther
      }
      let (sum, far) = end.addingReportingOverflow(1)
      end = sum
      isFar = isFar || far
    }
    let count = range.count / dtype.byteCount
    guard !isFar, end <= count else {
      return .failure(
        Reason("sizes \(sizes), strides \(strides) and offset \(offset) leave its \(count) stored elements"))
    }
    // Else a few bytes could claim any amount of memory.
    guard byteCount <= range.count else {
      return .failure(Reason("its \(shape.count) elements repeat \(count) stored ones; save a contiguous copy"))
    }
    let start = range.lowerBound + (shape.count > 0 ? offset * dtype.byteCount : 0)
    return .success(StoredTensor(file: file, type: TensorType(shape, dtype), byteOffset: start, strides: strides))
  }

  /// Why a view is refused.
  struct Reason: Error {
    let what: String
    init(_ what: String) { self.what = what }
  }

  /// Whether the elements follow each other in the file.
  var isDense: Bool { denseAxes.count == type.shape.rank }

  /// The innermost axes that follow each other in the file, and how many elements they make.
  private var denseAxes: (count: Int, elements: Int) {
    var elements = 1
    for axis in stride(from: strides.count - 1, through: 0, by: -1) {
      let size = type.shape[axis]
      guard size == 1 || strides[axis] == elements else { return (strides.count - 1 - axis, elements) }
      elements *= size
    }
    return (strides.count, elements)
  }

  /// The tensor: a view of the mapped file if it is dense, else a copy.
  func tensor() -> Tensor {
    if isDense || type.shape.count == 0 { return file.tensor(type, at: byteOffset) }
    return Tensor(type.shape, type.dtype) { gather(elements: 0..<type.shape.count, into: $0) }
  }

  /// Copies bytes `range` of the tensor to the start of `target`, which is long enough.
  func read(bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws(LumosError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= type.byteCount, "bytes \(range) of \(type)")
    guard !range.isEmpty else { return }
    guard !isDense else {
      return try file.read(byteOffset + range.lowerBound..<byteOffset + range.upperBound, into: target)
    }
    let size = type.dtype.byteCount
    let elements = range.lowerBound / size..<(range.upperBound + size - 1) / size
    if range.lowerBound % size == 0 && range.upperBound % size == 0 {
      gather(elements: elements, into: target)
      return
    }
    let whole = UnsafeMutableRawBufferPointer.allocate(byteCount: elements.count * size, alignment: size)
    defer { whole.deallocate() }
    gather(elements: elements, into: whole)
    let first = range.lowerBound - elements.lowerBound * size
    target.copyMemory(from: UnsafeRawBufferPointer(rebasing: whole[first..<first + range.count]))
  }

  /// Copies elements, in the order of the tensor, run by run.
  private func gather(elements: Range<Int>, into target: UnsafeMutableRawBufferPointer) {
    let size = type.dtype.byteCount
    let (axes, run) = denseAxes
    let outer = type.shape.dimensions.dropLast(axes)
    file.withUnsafeBytes { bytes in
      var element = elements.lowerBound
      while element < elements.upperBound {
        let within = element % run
        var (index, position) = (element / run, within)
        for axis in outer.indices.reversed() {
          position += index % outer[axis] * strides[axis]
          index /= outer[axis]
        }
        let count = min(run - within, elements.upperBound - element)
        let source = UnsafeRawBufferPointer(
          rebasing: bytes[byteOffset + position * size..<byteOffset + (position + count) * size])
        UnsafeMutableRawBufferPointer(rebasing: target[(element - elements.lowerBound) * size..<target.count])
          .copyMemory(from: source)
        element += count
      }
    }
  }
}
