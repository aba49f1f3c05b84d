import LumosTensor

/// A safetensors file, mapped read-only: tensors are views into the mapping and cost nothing until they are read.
///
/// Opening checks the whole header against the format and the file's length, so that no later access can leave the
/// file; a file that breaks a promise is refused. Unaligned tensors are allowed.
public struct SafetensorsFile: Checkpoint {
  /// The path as it was given.
  public let path: String
  public let format = "safetensors"
  /// Tensor names in the order of the header.
  public let names: [String]
  /// Free text that the writer attached (`__metadata__`).
  public let metadata: [String: String]
  private let entries: [String: SafetensorsHeader.Entry]
  private let file: MappedFile

  /// Opens and checks a file.
  ///
  /// - Throws: `LumosError(.badInput)` with the file, the place in it (`"header byte 812"`,
  ///   `"tensor blocks.3.ffn.0.weight"`) and the reason; `.inputOutput` if reading fails.
  public init(_ path: String) throws(LumosError) {
    file = try MappedFile(path)
    let header = try file.withUnsafeBytes { bytes throws(LumosError) in
      try SafetensorsHeader(file: bytes, path: path)
    }
    self.path = path
    names = header.names
    metadata = header.metadata
    entries = header.entries
  }

  /// Type of a tensor, or nil if there is none of this name.
  public func type(of name: String) -> TensorType? { entries[name]?.type }

  /// A view of a tensor, which keeps the mapping alive; nil if there is none of this name.
  public func tensor(_ name: String) -> Tensor? {
    entries[name].map { file.tensor($0.type, at: $0.byteOffset) }
  }

  /// Copies bytes `range` of a tensor to the start of `target`, which is long enough.
  ///
  /// - Throws: `LumosError(.badInput)` if the file has no tensor of this name; `.inputOutput` if reading fails.
  public func read(
    _ name: String, bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer
  ) throws(LumosError) {
    guard let entry = entries[name] else { throw LumosError(.badInput, "has no tensor \(name)", at: path) }
    precondition(range.lowerBound >= 0 && range.upperBound <= entry.type.byteCount, "bytes \(range) of \(name)")
    let (start, end) = (entry.byteOffset + range.lowerBound, entry.byteOffset + range.upperBound)
    try file.read(start..<end, into: target)
  }

  /// The tensor that must be there.
  ///
  /// - Throws: `LumosError(.badInput)` if the file has no tensor of this name.
  public func requireTensor(_ name: String) throws(LumosError) -> Tensor {
    guard let tensor = tensor(name) else { throw LumosError(.badInput, "has no tensor \(name)", at: path) }
    return tensor
  }
}
