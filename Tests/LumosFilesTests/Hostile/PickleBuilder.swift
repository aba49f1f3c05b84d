/// Pickles instruction by instruction. Every function gives the instructions that leave one value on the stack.
enum PickleBuilder {
  /// A whole pickle that leaves this value.
  static func pickle(_ value: [UInt8]) -> [UInt8] { [0x80, 2] + value + Array(".".utf8) }

  static let none = Array("N".utf8)
  static let no: [UInt8] = [0x89]

  static func text(_ text: String) -> [UInt8] { Array("X".utf8) + little(UInt32(text.utf8.count)) + Array(text.utf8) }

  static func integer(_ value: Int) -> [UInt8] { [0x8a, 8] + little(Int64(value)) }

  static func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }

  static func tuple(_ elements: [[UInt8]]) -> [UInt8] {
    Array("(".utf8) + elements.flatMap { $0 } + Array("t".utf8)
  }

  static func integers(_ values: [Int]) -> [UInt8] { tuple(values.map(integer)) }

  static func list(_ elements: [[UInt8]]) -> [UInt8] {
    Array("](".utf8) + elements.flatMap { $0 } + Array("e".utf8)
  }

  static func dictionary(_ members: [(String, [UInt8])]) -> [UInt8] {
    dictionary(pairs: members.map { (text($0.0), $0.1) })
  }

  static func dictionary(pairs: [([UInt8], [UInt8])]) -> [UInt8] {
    // In pieces, as writers do.
    var bytes = Array("}".utf8)
    for start in stride(from: 0, to: pairs.count, by: 1000) {
      bytes += Array("(".utf8)
      for (key, value) in pairs[start..<min(start + 1000, pairs.count)] { bytes += key + value }
      bytes += Array("u".utf8)
    }
    return bytes
  }

  static func call(_ function: [UInt8], _ arguments: [[UInt8]]) -> [UInt8] {
    function + tuple(arguments) + Array("R".utf8)
  }

  // MARK: torch.save

  static func storage(_ type: String = "FloatStorage", key: String = "0", count: Int = 6) -> [UInt8] {
    tuple([text("storage"), global("torch", type), text(key), text("cpu"), integer(count)]) + Array("Q".utf8)
  }

  static func tensor(
    _ storage: [UInt8] = storage(), offset: Int = 0, sizes: [Int] = [2, 3], strides: [Int] = [3, 1]
  ) -> [UInt8] {
    call(
      global("torch._utils", "_rebuild_tensor_v2"),
      [
        storage, integer(offset), integers(sizes), integers(strides), no,
        call(global("collections", "OrderedDict"), []),
      ])
  }

  /// The pickle of a file with one tensor `w`.
  static func file(_ tensor: [UInt8] = tensor()) -> [UInt8] { pickle(dictionary([("w", tensor)])) }

  // MARK: torch.distributed.checkpoint

  static let metadata = "torch.distributed.checkpoint.metadata"

  static func object(_ name: String, _ module: String = metadata, state: [UInt8]) -> [UInt8] {
    global(module, name) + [UInt8(ascii: ")"), 0x81] + state + Array("b".utf8)
  }

  static func chunk(_ offsets: [Int], _ sizes: [Int]) -> [UInt8] {
    object("ChunkStorageMetadata", state: dictionary([("offsets", integers(offsets)), ("sizes", integers(sizes))]))
  }

  static func described(_ size: [Int], type: String = "float32", chunks: [[UInt8]]) -> [UInt8] {
    let properties = object("TensorProperties", state: tuple([global("torch", type), none, no, none, no]))
    return object(
      "TensorStorageMetadata",
      state: dictionary([("properties", properties), ("size", integers(size)), ("chunks", list(chunks))]))
  }

  /// A piece and where it lies.
  static func piece(
    _ name: String = "w", _ offsets: [Int] = [0, 0], file: String = "__0_0.distcp", offset: Int = 0, length: Int
  ) -> ([UInt8], [UInt8]) {
    (
      object("MetadataIndex", state: dictionary([("fqn", text(name)), ("offset", integers(offsets))])),
      object(
        "_StorageInfo", "torch.distributed.checkpoint.filesystem",
        state: dictionary([("relative_path", text(file)), ("offset", integer(offset)), ("length", integer(length))]))
    )
  }

  /// The pickle of a folder's description.
  static func folder(_ tensors: [(String, [UInt8])], _ pieces: [([UInt8], [UInt8])]) -> [UInt8] {
    pickle(
      object(
        "Metadata",
        state: dictionary([
          ("state_dict_metadata", dictionary(tensors)), ("storage_data", dictionary(pairs: pieces)),
        ])))
  }
}
