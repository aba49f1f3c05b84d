import LumosTensor

/// Writes GGUF files of version 3.
public enum GGUFWriter {
  /// A tensor to write: its type is known from the start, its contents are made when their turn comes, so that a model
  /// need not be in memory as a whole.
  public struct Item {
    /// Name.
    public let name: String
    /// Shape, outermost extent first, and element type.
    public let type: TensorType
    /// Makes the contents.
    public let make: () throws(LumosError) -> Tensor

    public init(_ name: String, _ type: TensorType, make: @escaping () throws(LumosError) -> Tensor) {
      self.name = name
      self.type = type
      self.make = make
    }

    public init(_ name: String, _ tensor: Tensor) {
      self.init(name, tensor.type) { tensor }
    }
  }

  /// Most axes of a tensor in ggml.
  private static let mostAxes = 4

  /// Writes tensors under their names, in the given order, atomically: the file appears complete or not at all. Equal
  /// arguments give equal bytes.
  ///
  /// Tensors of more than four axes, which ggml does not have, are written flat, with their extents in the metadata.
  /// - Parameter metadata: integers (as UINT32), texts, truth values and floats, written in the order of their keys.
  /// - Throws: `LumosError(.badInput)` for what the format cannot hold, `.cannotWrite` or `.inputOutput` as
  ///   `AtomicFile`; whatever making a tensor throws.
  public static func write(
    _ items: [Item], metadata: [String: GGUFValue] = [:], to path: String
  ) throws(LumosError) {
    precondition(Set(items.map(\.name)).count == items.count, "two tensors of one name")
    var metadata = metadata
    for item in items where item.type.shape.rank > mostAxes {
      let extents = item.type.shape.dimensions
      metadata[GGUFHeader.originalShapeKey + item.name] = .array(count: extents.count, integers: extents)
    }
    var header = Bytes()
    header.append("GGUF".utf8)
    header.append(UInt32(3))
    header.append(UInt64(items.count))
    header.append(UInt64(metadata.count))
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      header.append(text: key)
      guard header.append(value) else { throw LumosError(.badInput, "metadata \(key) cannot be written", at: path) }
    }
    let alignment = metadata[GGUFHeader.alignmentKey]?.integer ?? GGUFHeader.defaultAlignment
    func padding(_ count: Int) -> Int { (alignment - count % alignment) % alignment }
    var offset = 0
    for item in items {
      guard let code = GGUFType.code(item.type.dtype) else {
        throw LumosError(.badInput, "GGUF has no type \(item.type.dtype.rawValue)", at: "\(path), tensor \(item.name)")
      }
      precondition(item.type.hasWholeBlocks, "\(item.name) is \(item.type)")
      let shape = item.type.shape
      // As many outer axes joined as are too many: the rows stay what they are.
      let joined = shape.dimensions.dropLast(min(mostAxes - 1, shape.rank)).reduce(1, *)
      let extents = shape.rank > mostAxes ? [joined] + shape.dimensions.suffix(mostAxes - 1) : shape.dimensions
      header.append(text: item.name)
      header.append(UInt32(extents.count))
      for extent in extents.reversed() { header.append(UInt64(extent)) }
      header.append(code)
      header.append(UInt64(offset))
      offset += item.type.byteCount
      offset += padding(offset)
    }
    header.append(repeatElement(0, count: padding(header.bytes.count)))

    let file = try AtomicFile(replacing: path)
    func write(_ bytes: [UInt8]) throws(LumosError) {
      let result = bytes.withUnsafeBytes { bytes in Result { () throws(LumosError) in try file.write(bytes) } }
      try result.get()
    }
    try write(header.bytes)
    for item in items {
      let tensor = try item.make()
      precondition(tensor.type == item.type, "\(item.name) became \(tensor.type)")
      try tensor.withUnsafeBytes { bytes throws(LumosError) in try file.write(bytes) }
      try write([UInt8](repeating: 0, count: padding(item.type.byteCount)))
    }
    try file.commit()
  }

  /// A header in the making, little-endian.
  private struct Bytes {
    var bytes: [UInt8] = []

    mutating func append(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }
    mutating func append(_ value: some FixedWidthInteger) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    mutating func append(text: String) {
      append(UInt64(text.utf8.count))
      append(text.utf8)
    }

    /// Type and value; false for what cannot be written.
    mutating func append(_ value: GGUFValue) -> Bool {
      switch value {
      case .integer(let value):
        guard let value = UInt32(exactly: value) else { return false }
        append(UInt32(4))
        append(value)
      case .number(let value):
        append(UInt32(6))
        append(Float(value).bitPattern)
      case .boolean(let value):
        append(UInt32(7))
        append(UInt8(value ? 1 : 0))
      case .text(let value):
        append(GGUFType.string)
        append(text: value)
      case .array(_, let integers):
        // Readers of `comfy.gguf.orig_shape` insist on INT32.
        guard let integers, integers.allSatisfy({ Int32(exactly: $0) != nil }) else { return false }
        append(GGUFType.array)
        append(UInt32(5))
        append(UInt64(integers.count))
        for value in integers { append(Int32(value)) }
      }
      return true
    }
  }
}
