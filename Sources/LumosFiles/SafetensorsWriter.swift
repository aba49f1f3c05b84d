import LumosTensor

/// Writes safetensors files.
public enum SafetensorsWriter {
  /// Writes tensors under their names, atomically: the file appears complete or not at all.
  ///
  /// Wide element types come first, so that every tensor is aligned to its elements; within one width the given order
  /// stays. Equal arguments give equal bytes.
  ///
  /// - Parameter metadata: free text, written in the order of its keys.
  /// - Throws: `LumosError(.cannotWrite)` or `.inputOutput`; see `AtomicFile`.
  public static func write(
    _ tensors: [(name: String, tensor: Tensor)], metadata: [String: String] = [:], to path: String
  ) throws(LumosError) {
    precondition(Set(tensors.map(\.name)).count == tensors.count, "two tensors of one name")
    let widths = Set(tensors.map(\.tensor.dtype.byteCount)).sorted(by: >)
    let ordered = widths.flatMap { width in tensors.filter { $0.tensor.dtype.byteCount == width } }

    var members: [JSONValue.Member] = []
    if !metadata.isEmpty {
      let texts = metadata.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key, .string($0.value)) }
      members.append(JSONValue.Member("__metadata__", .object(texts)))
    }
    var offset = 0
    for (name, tensor) in ordered {
      precondition(name != "__metadata__", "a tensor cannot be named \(name)")
      members.append(
        JSONValue.Member(
          name,
          [
            "dtype": .string(SafetensorsType.name(tensor.dtype)),
            "shape": .array(tensor.shape.dimensions.map(JSONValue.integer)),
            "data_offsets": [.integer(offset), .integer(offset + tensor.byteCount)],
          ]))
      offset += tensor.byteCount
    }
    var header = JSONValue.object(members).text()
    header += String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)

    let file = try AtomicFile(replacing: path)
    let length = UInt64(header.utf8.count).littleEndian
    try Swift.withUnsafeBytes(of: length) { bytes throws(LumosError) in try file.write(bytes) }
    try file.write(header)
    for (_, tensor) in ordered {
      try tensor.withUnsafeBytes { bytes throws(LumosError) in try file.write(bytes) }
    }
    try file.commit()
  }
}
