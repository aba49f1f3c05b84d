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
    let contents = Dictionary(tensors.map { ($0.name, $0.tensor) }) { first, _ in first }
    do {
      try write(tensors.map { ($0.name, $0.tensor.type) }, metadata: metadata, to: path) { contents[$0] }
    } catch {
      throw error as? LumosError ?? LumosError(.internalDefect, "\(error)", at: path)
    }
  }

  /// Writes tensors that are made one after the other, so that they need not fit into memory together.
  ///
  /// - Parameter contents: makes a tensor of the announced type; called once for each, in the order of the file.
  /// - Throws: as above, and what `contents` throws.
  public static func write(
    _ tensors: [(name: String, type: TensorType)], metadata: [String: String] = [:], to path: String,
    contents: (String) throws -> Tensor?
  ) throws {
    precondition(Set(tensors.map(\.name)).count == tensors.count, "two tensors of one name")
    precondition(tensors.allSatisfy { SafetensorsType.dtypes.contains($0.type.dtype) }, "blocks in safetensors")
    let widths = Set(tensors.map(\.type.dtype.byteCount)).sorted(by: >)
    let ordered = widths.flatMap { width in tensors.filter { $0.type.dtype.byteCount == width } }

    var members: [JSONValue.Member] = []
    if !metadata.isEmpty {
      let texts = metadata.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key, .string($0.value)) }
      members.append(JSONValue.Member("__metadata__", .object(texts)))
    }
    var offset = 0
    for (name, type) in ordered {
      precondition(name != "__metadata__", "a tensor cannot be named \(name)")
      members.append(
        JSONValue.Member(
          name,
          [
            "dtype": .string(SafetensorsType.name(type.dtype)),
            "shape": .array(type.shape.dimensions.map(JSONValue.integer)),
            "data_offsets": [.integer(offset), .integer(offset + type.byteCount)],
          ]))
      offset += type.byteCount
    }
    var header = JSONValue.object(members).text()
    header += String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)

    let file = try AtomicFile(replacing: path)
    let length = UInt64(header.utf8.count).littleEndian
    try Swift.withUnsafeBytes(of: length) { try file.write($0) }
    try file.write(header)
    for (name, type) in ordered {
      guard let tensor = try contents(name), tensor.type == type else {
        throw LumosError(.internalDefect, "the tensor is not the one that was announced, \(type)", at: name)
      }
      try tensor.withUnsafeBytes { try file.write($0) }
    }
    try file.commit()
  }
}
