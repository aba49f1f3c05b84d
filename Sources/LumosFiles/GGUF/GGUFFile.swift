import LumosTensor

/// A GGUF file, mapped read-only: tensors are views into the mapping, in the blocks that they are stored in.
///
/// Opening checks the whole header against the format and the file's length, so that no later access can leave the file.
/// GGUF lists extents innermost first; shapes here are outermost first, as everywhere. Convolutions of five axes, which
/// ggml does not have, get them back from `comfy.gguf.orig_shape.NAME`, as ComfyUI's tools write it.
public struct GGUFFile: Checkpoint {
  /// The path as it was given.
  public let path: String
  public let format = "GGUF"
  /// Tensor names in the order of the file.
  public let names: [String]
  /// What the writer said about the model: `general.architecture` and more.
  public let metadata: [String: GGUFValue]
  private let entries: [String: GGUFHeader.Entry]
  private let file: MappedFile

  /// Opens and checks a file.
  ///
  /// - Throws: `LumosError(.badInput)` with the file, the place in it (`"header byte 812"`,
  ///   `"tensor blocks.3.ffn.0.weight"`) and the reason; `.inputOutput` if reading fails.
  public init(_ path: String) throws(LumosError) {
    let file = try MappedFile(path)
    let header = try file.withUnsafeBytes { bytes throws(LumosError) in try GGUFHeader(bytes, path: path) }
    self.path = path
    self.file = file
    names = header.entries.map(\.name)
    metadata = header.metadata
    entries = Dictionary(header.entries.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Whether a file begins as GGUF files do.
  public static func isGGUF(_ bytes: UnsafeRawBufferPointer) -> Bool { bytes.starts(with: "GGUF".utf8) }

  public func type(of name: String) -> TensorType? { entries[name]?.type }

  public func requireTensor(_ name: String) throws(LumosError) -> Tensor {
    let entry = try entry(name)
    return file.tensor(entry.type, at: entry.byteOffset)
  }

  public func read(
    _ name: String, bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer
  ) throws(LumosError) {
    let entry = try entry(name)
    precondition(range.lowerBound >= 0 && range.upperBound <= entry.type.byteCount, "bytes \(range) of \(name)")
    try file.read(entry.byteOffset + range.lowerBound..<entry.byteOffset + range.upperBound, into: target)
  }

  private func entry(_ name: String) throws(LumosError) -> GGUFHeader.Entry {
    guard let entry = entries[name] else { throw LumosError(.badInput, "has no tensor \(name)", at: path) }
    return entry
  }
}
