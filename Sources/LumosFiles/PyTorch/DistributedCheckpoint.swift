import Glibc
import LumosTensor

/// A folder that `torch.distributed.checkpoint` wrote: a description (`.metadata`) and files with pieces of tensors, one or
/// more per process of the training run (`__0_0.distcp`).
///
/// Training runs keep the averaged weights under `ema.`, beside the weights (`model.`) and the optimizer. Where there are
/// averaged weights, only they are tensors of the checkpoint, as in the published code (MODEL.md section 13), and the
/// optimizer's never are. Pieces are put together when a tensor is read; a tensor of one piece is a view of the mapped file.
/// Opening checks that the pieces fill every tensor and lie in the files.
public struct DistributedCheckpoint: Checkpoint {
  /// The path as it was given.
  public let path: String
  public let format = "torch.distributed.checkpoint"
  /// Tensor names in the order of the description, with their prefix.
  public let names: [String]
  /// The folder that holds the description: the path itself, or `all` or `ema` in it.
  public let folder: String
  /// The description, and the files with pieces that are needed.
  public let files: [String]
  private let tensors: [String: AssembledTensor]

  /// The folder with a description: the given one, or what training runs call it in there. Nil if there is none.
  public static func folder(in path: String) -> String? {
    [path, path + "/all", path + "/ema"].first { access($0 + "/.metadata", F_OK) == 0 }
  }

  /// Opens and checks a folder.
  ///
  /// - Throws: `LumosError(.badInput)` with the file, the place in it and the reason; `.inputOutput` if reading fails.
  public init(_ path: String) throws(LumosError) {
    guard let folder = Self.folder(in: path) else {
      throw LumosError(
        .badInput, "is no folder of torch.distributed.checkpoint: it has no .metadata", at: path,
        advice: "name the folder that holds .metadata and the .distcp files")
    }
    (self.path, self.folder) = (path, folder)
    let place = folder + "/.metadata"
    let file = try MappedFile(place)
    let pickle = try file.withUnsafeBytes { bytes throws(LumosError) in
      try PickleReader.read(bytes, at: place, limits: .folder)
    }
    let description = try DistributedDescription(pickle, at: place)
    let weights = try description.weights()
    try description.checkPlaces(of: weights)
    var pieces = PieceFiles(folder: folder)
    var (names, tensors): ([String], [String: AssembledTensor]) = ([], [:])
    for tensor in weights {
      var parts: [AssembledTensor.Part] = []
      for chunk in tensor.chunks {
        guard let location = description.places[.init(name: tensor.name, offsets: chunk.offsets)] else {
          throw LumosError(.badInput, "its piece at \(chunk.offsets) is nowhere", at: "\(place), tensor \(tensor.name)")
        }
        let part = try pieces.part(location, of: tensor.name)
        guard part.type == TensorType(Shape(chunk.sizes), tensor.type.dtype) else {
          throw LumosError(
            .badInput,
            "piece at \(chunk.offsets) is \(part.type), not \(TensorType(Shape(chunk.sizes), tensor.type.dtype))",
            at: "\(folder)/\(location.file), tensor \(tensor.name)", advice: "fetch the folder again")
        }
        parts.append(AssembledTensor.Part(stored: part, offsets: chunk.offsets))
      }
      tensors[tensor.name] = AssembledTensor(type: tensor.type, parts: parts)
      names.append(tensor.name)
    }
    (self.names, self.tensors) = (names, tensors)
    files = [place] + pieces.paths
  }

  /// Type of a tensor, or nil if there is none of this name.
  public func type(of name: String) -> TensorType? { tensors[name]?.type }

  /// The tensor that must be there: a view of the mapped file if it is of one piece, else a copy.
  ///
  /// - Throws: `LumosError(.badInput)` if there is no tensor of this name; `.inputOutput` if reading fails.
  public func requireTensor(_ name: String) throws(LumosError) -> Tensor { try assembled(name).tensor() }

  /// Copies bytes `range` of a tensor to the start of `target`, which is long enough.
  ///
  /// - Throws: `LumosError(.badInput)` if there is no tensor of this name; `.inputOutput` if reading fails.
  public func read(
    _ name: String, bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer
  ) throws(LumosError) {
    try assembled(name).read(bytes: range, into: target)
  }

  private func assembled(_ name: String) throws(LumosError) -> AssembledTensor {
    guard let tensor = tensors[name] else { throw LumosError(.badInput, "has no tensor \(name)", at: path) }
    return tensor
  }
}

/// The files of a folder, mapped when a piece first needs them.
private struct PieceFiles {
  let folder: String
  private var files: [String: MappedFile] = [:]

  init(folder: String) { self.folder = folder }

  /// The files that were needed so far.
  var paths: [String] { files.keys.sorted().map { "\(folder)/\($0)" } }

  /// The tensor that was saved at a place.
  mutating func part(_ location: DistributedDescription.Place, of name: String) throws(LumosError) -> StoredTensor {
    let path = "\(folder)/\(location.file)"
    let file: MappedFile
    if let open = files[location.file] {
      file = open
    } else {
      do { file = try MappedFile(path) } catch {
        throw error.kind == .badInput
          ? LumosError(
            .badInput, "\(error.what), but holds a piece of \(name)", at: path, advice: "fetch the whole folder",
            cause: error.cause) : error
      }
      files[location.file] = file
    }
    guard location.offset <= file.count, location.length <= file.count - location.offset else {
      throw LumosError(
        .badInput,
        "is cut off: a piece of \(name) lies at byte \(location.offset), \(location.length) bytes long, "
          + "in a file of \(file.count)", at: path, advice: "fetch the file again")
    }
    let place = "\(path), byte \(location.offset)"
    let archive = try PyTorchArchive(file, location.offset..<location.offset + location.length, at: place)
    guard let tensor = archive.pickle.tensor(archive.pickle.root) else {
      throw LumosError(.badInput, "holds something else than a tensor", at: "\(place), tensor \(name)")
    }
    return try archive.stored(tensor, named: name)
  }
}
