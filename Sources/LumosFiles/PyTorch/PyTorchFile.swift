import LumosTensor

/// A file that `torch.save` wrote, mapped read-only: tensors are views into the mapping where they lie there densely.
///
/// The file is a zip archive with a pickle (`data.pkl`), which describes, and one entry of raw bytes per storage. The pickle
/// is read by `PickleReader`, which calls nothing. Tensors are found in the outermost dictionary, or in the wrapper that
/// training programs put around it (`wrappers`, in this order, nested as deep as they like). Entries that are no tensors are
/// passed over. Opening checks that every tensor lies in its storage and every storage in the file.
public struct PyTorchFile: Checkpoint {
  /// The path as it was given.
  public let path: String
  public let format = "PyTorch"
  /// Tensor names in the order of the dictionary.
  public let names: [String]
  /// The wrappers around the dictionary, outermost first: `["ema"]`.
  public let wrapping: [String]
  private let tensors: [String: StoredTensor]

  /// Keys under which programs keep the weights, the preferred first: the averaged weights are what LumosX publishes.
  public static let wrappers = ["ema", "ema_state_dict", "model_ema", "model_state", "state_dict", "model", "module"]

  /// Opens and checks a file.
  ///
  /// - Throws: `LumosError(.badInput)` with the file, the place in it and the reason; `.inputOutput` if reading fails.
  public init(_ path: String) throws(LumosError) {
    let file = try MappedFile(path)
    let archive = try PyTorchArchive(file, 0..<file.count, at: path)
    self.path = path
    var wrapping: [String] = []
    let pairs = try Self.dictionary(of: archive.pickle, at: path, wrapping: &wrapping)
    var (names, tensors): ([String], [String: StoredTensor]) = ([], [:])
    for i in stride(from: 0, to: pairs.count, by: 2) {
      guard let tensor = archive.pickle.tensor(pairs[i + 1]) else { continue }
      guard case .string(let name) = pairs[i] else { continue }
      let stored = try archive.stored(tensor, named: name)
      guard tensors.updateValue(stored, forKey: name) == nil else {
        throw LumosError(.badInput, "occurs twice", at: "\(path), tensor \(name)")
      }
      names.append(name)
    }
    (self.names, self.tensors, self.wrapping) = (names, tensors, wrapping)
  }

  /// Whether a file begins like one that `torch.save` wrote, in any version: a zip archive, or a pickle of before 1.6
  /// (which opening refuses, with advice).
  public static func recognizes(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.starts(with: ZipArchive.signature) || bytes.starts(with: PyTorchArchive.legacySignature)
  }

  /// The keys and values that hold the tensors.
  private static func dictionary(
    of pickle: Pickle, at path: String, wrapping: inout [String]
  ) throws(LumosError) -> [PickleValue] {
    var value = pickle.root
    var known: [Int: Bool] = [:]
    // Dictionaries may contain themselves.
    for _ in 0..<8 {
      guard let pairs = pickle.dictionary(value) else { break }
      let inner = wrappers.compactMap { key in
        pickle.member(key, of: value).flatMap { holdsTensors($0, in: pickle, &known) ? (key, $0) : nil }
      }.first
      guard let (key, next) = inner else {
        guard pairs.indices.contains(where: { pickle.tensor(pairs[$0]) != nil }) else { break }
        return pairs
      }
      wrapping.append(key)
      value = next
    }
    throw LumosError(
      .badInput, "holds no dictionary of tensors", at: path,
      advice: "save the model's state_dict with torch.save; looked under \(wrappers.joined(separator: ", "))")
  }

  /// Whether a dictionary has a tensor in it or in one of its wrappers. Every dictionary is looked through once (`known`).
  private static func holdsTensors(
    _ value: PickleValue, in pickle: Pickle, _ known: inout [Int: Bool], depth: Int = 0
  ) -> Bool {
    guard depth < 8, case .node(let index) = value, let pairs = pickle.dictionary(value) else { return false }
    if let holds = known[index] { return holds }
    known[index] = false
    var holds = pairs.contains { pickle.tensor($0) != nil }
    for key in wrappers where !holds {
      guard let inner = pickle.member(key, of: value) else { continue }
      holds = holdsTensors(inner, in: pickle, &known, depth: depth + 1)
    }
    known[index] = holds
    return holds
  }

  /// Type of a tensor, or nil if there is none of this name.
  public func type(of name: String) -> TensorType? { tensors[name]?.type }

  /// The tensor that must be there: a view of the mapped file, or a copy if it has strides.
  ///
  /// - Throws: `LumosError(.badInput)` if the file has no tensor of this name.
  public func requireTensor(_ name: String) throws(LumosError) -> Tensor { try stored(name).tensor() }

  /// Copies bytes `range` of a tensor to the start of `target`, which is long enough.
  ///
  /// - Throws: `LumosError(.badInput)` if the file has no tensor of this name; `.inputOutput` if reading fails.
  public func read(
    _ name: String, bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer
  ) throws(LumosError) {
    try stored(name).read(bytes: range, into: target)
  }

  private func stored(_ name: String) throws(LumosError) -> StoredTensor {
    guard let tensor = tensors[name] else { throw LumosError(.badInput, "has no tensor \(name)", at: path) }
    return tensor
  }
}

/// One archive of `torch.save`: a whole file, or a piece of a distributed checkpoint's.
struct PyTorchArchive {
  let pickle: Pickle
  private let file: MappedFile
  private let range: Range<Int>
  private let zip: ZipArchive
  /// What all names begin with: `"archive/"`.
  private let prefix: String
  private let place: String

  /// How files begin that PyTorch wrote before version 1.6: a pickle of a magic number.
  static let legacySignature: [UInt8] = [
    0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19,
  ]

  /// Reads the directory and the pickle of the archive in `range` of a file.
  init(_ file: MappedFile, _ range: Range<Int>, at place: String) throws(LumosError) {
    (self.file, self.range, self.place) = (file, range, place)
    (zip, prefix, pickle) = try file.withUnsafeBytes { bytes throws(LumosError) in
      try Self.read(UnsafeRawBufferPointer(rebasing: bytes[range]), at: place)
    }
  }

  /// The directory, the prefix of its names and the pickle of an archive.
  static func read(
    _ bytes: UnsafeRawBufferPointer, at place: String
  ) throws(LumosError) -> (ZipArchive, prefix: String, Pickle) {
    if bytes.starts(with: legacySignature) {
      throw LumosError(
        .badInput, "was written in PyTorch's format of before version 1.6", at: place,
        advice: "save it again: python -c \"import torch; torch.save(torch.load('FILE', weights_only=True), 'NEW')\"")
    }
    guard bytes.starts(with: ZipArchive.signature) else {
      throw LumosError(.badInput, "is no file that torch.save wrote", at: place, advice: "fetch or save the file again")
    }
    let zip = try ZipArchive(bytes, at: place)
    let pickles = zip.names.filter { $0 == "data.pkl" || $0.hasSuffix("/data.pkl") }
    guard pickles.count == 1, let name = pickles.first, let entry = zip.ranges[name] else {
      let what = pickles.isEmpty ? "is a zip archive without data.pkl" : "has \(pickles.count) entries data.pkl"
      throw LumosError(.badInput, what, at: place, advice: "name a file that torch.save wrote")
    }
    let prefix = String(name.dropLast("data.pkl".count))
    guard zip.ranges[prefix + "constants.pkl"] == nil else {
      throw LumosError(
        .badInput, "is a TorchScript program, not a checkpoint", at: place,
        advice: "save the model's state_dict instead")
    }
    if let order = zip.ranges[prefix + "byteorder"], !bytes[order].elementsEqual("little".utf8) {
      throw LumosError(
        .badInput, "was written on a machine that stores numbers the other way round", at: "\(place), entry byteorder",
        advice: "save it again on a little-endian machine")
    }
    let pickle = try PickleReader.read(UnsafeRawBufferPointer(rebasing: bytes[entry]), at: "\(place), \(name)")
    return (zip, prefix, pickle)
  }

  /// Where a tensor of the pickle lies, checked.
  func stored(_ tensor: PickleTensor, named name: String) throws(LumosError) -> StoredTensor {
    func refusal(_ what: String) -> LumosError {
      LumosError(.badInput, what, at: "\(place), tensor \(name)", advice: "fetch or save the file again")
    }
    let storage = tensor.storage
    guard case .element(let found, let typeName) = tensor.element ?? storage.element else {
      throw refusal("has no type")
    }
    guard let dtype = found else { throw refusal("type \(typeName) is not supported") }
    guard let entry = zip.ranges[prefix + "data/" + storage.key] else {
      throw refusal("its storage \(storage.key.prefix(80).debugDescription) is not in the file")
    }
    let size: Int
    if case .element(let type?, _) = storage.element { size = type.byteCount } else { size = 1 }
    let (byteCount, overflow) = storage.count.multipliedReportingOverflow(by: size)
    guard storage.count >= 0, !overflow, byteCount <= entry.count else {
      throw refusal("its storage has \(entry.count) bytes, too few for \(storage.count) elements of \(size)")
    }
    let start = range.lowerBound + entry.lowerBound
    switch StoredTensor.checked(
      in: file, storage: start..<start + byteCount, dtype: dtype, offset: tensor.offset, sizes: tensor.sizes,
      strides: tensor.strides)
    {
    case .success(let stored): return stored
    case .failure(let reason): throw refusal(reason.what)
    }
  }
}
