import LumosTensor

/// Opens checkpoints, whatever their format.
public enum CheckpointOpener {
  /// Opens a file by what it contains, or the one checkpoint that a folder holds.
  ///
  /// - Throws: `LumosError(.badInput)` if nothing is there, the folder holds no checkpoint or several, or the file is
  ///   refused; `.inputOutput` if reading fails.
  public static func open(_ path: String) throws(LumosError) -> any Checkpoint {
    guard let kind = FileKind(path) else { throw LumosError(.badInput, "does not exist", at: path) }
    return kind == .folder ? try openFolder(path) : try openFile(path)
  }

  private static func openFile(_ path: String) throws(LumosError) -> any Checkpoint {
    if path.hasSuffix(ShardedSafetensors.ending) { return try ShardedSafetensors(path) }
    let file = try MappedFile(path)
    if file.withUnsafeBytes(PyTorchFile.recognizes) { return try PyTorchFile(path) }
    return file.withUnsafeBytes(GGUFFile.isGGUF) ? try GGUFFile(path) : try SafetensorsFile(path)
  }

  private static func openFolder(_ path: String) throws(LumosError) -> any Checkpoint {
    if DistributedCheckpoint.folder(in: path) != nil { return try DistributedCheckpoint(path) }
    let names = FileKind.names(in: path)
    let indices = names.filter { $0.hasSuffix(ShardedSafetensors.ending) }
    // What an index names belongs to it.
    let found = indices.isEmpty ? names.filter { isCheckpoint($0) && FileKind("\(path)/\($0)") == .file } : indices
    guard found.count < 2 else {
      throw LumosError(
        .badInput, "holds \(found.count) checkpoints: \(found.prefix(10).joined(separator: ", "))", at: path,
        advice: "name one of them, in config.json under files or on the command line")
    }
    guard let only = found.first else {
      throw LumosError(.badInput, "holds no checkpoint", at: path, advice: "name the folder or file of the weights")
    }
    return try openFile("\(path)/\(only)")
  }

  /// Endings of checkpoints.
  public static let endings = [".safetensors", ".gguf", ".pth", ".pt"]

  /// Whether a file is called as checkpoints are.
  public static func isCheckpoint(_ name: String) -> Bool {
    (endings + [ShardedSafetensors.ending]).contains { name.hasSuffix($0) }
  }
}
