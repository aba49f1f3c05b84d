import LumosTensor

/// Named tensors of one file, or of several that belong together, whatever their format.
///
/// Opening checks all that later accesses rely on: names and types are known, and no access can leave a file. Contents
/// are read when they are asked for.
public protocol Checkpoint: Sendable {
  /// The file, or the folder of the files, as it was given.
  var path: String { get }
  /// All files that belong to it.
  var files: [String] { get }
  /// The format, for people: `"safetensors"`.
  var format: String { get }
  /// Tensor names in the order of the file.
  var names: [String] { get }
  /// Type of a tensor as stored, or nil if there is none of this name.
  func type(of name: String) -> TensorType?
  /// The tensor as stored: a view of the mapped file where it lies there in one piece.
  ///
  /// - Throws: `LumosError(.badInput)` if there is no tensor of this name.
  func requireTensor(_ name: String) throws(LumosError) -> Tensor
  /// Copies bytes `range` of a tensor as stored to the start of `target`, which is long enough.
  ///
  /// - Throws: `LumosError(.badInput)` if there is no tensor of this name; `.inputOutput` if reading fails.
  func read(_ name: String, bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws(LumosError)
}

extension Checkpoint {
  public var files: [String] { [path] }
}
