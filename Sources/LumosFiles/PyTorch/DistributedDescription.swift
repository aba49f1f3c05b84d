import LumosTensor

/// What the `.metadata` of a folder of torch.distributed.checkpoint says: which tensors there are, into which pieces they
/// were cut, and where each piece lies. Source: torch/distributed/checkpoint/metadata.py and filesystem.py.
struct DistributedDescription {
  /// A tensor.
  struct Entry {
    let name: String
    let type: TensorType
    /// Fill the tensor without overlaps.
    let chunks: [Chunk]
  }

  /// A box of a tensor.
  struct Chunk {
    let offsets: [Int]
    let sizes: [Int]
  }

  /// Names a piece.
  struct Piece: Hashable {
    let name: String
    let offsets: [Int]
  }

  /// Bytes of a file.
  struct Place {
    /// A name in the folder.
    let file: String
    let offset: Int
    let length: Int
  }

  /// Every piece that lies in a file.
  private(set) var places: [Piece: Place] = [:]
  private let pickle: Pickle
  private let place: String
  /// Names and descriptions of the tensors, unchecked.
  private var tensors: [(name: String, value: PickleValue)] = []

  /// Pieces of a tensor at most: processes of a training run.
  static let mostChunks = 512

  private static func refusal(_ what: String, _ place: String, tensor: String? = nil) -> LumosError {
    LumosError(
      .badInput, what, at: tensor.map { "\(place), tensor \($0)" } ?? place, advice: "fetch the folder again")
  }

  /// Reads the outermost parts of the description.
  ///
  /// - Throws: `LumosError(.badInput)` with the reason.
  init(_ pickle: Pickle, at place: String) throws(LumosError) {
    (self.pickle, self.place) = (pickle, place)
    guard let state = pickle.state(pickle.root, of: .metadata),
      let entries = pickle.member("state_dict_metadata", of: state).flatMap(pickle.dictionary),
      let storage = pickle.member("storage_data", of: state).flatMap(pickle.dictionary)
    else { throw Self.refusal("describes no folder of torch.distributed.checkpoint", place) }
    for i in stride(from: 0, to: entries.count, by: 2) {
      guard case .string(let name) = entries[i] else {
        throw Self.refusal("names a tensor by something else than text", place)
      }
      if pickle.state(entries[i + 1], of: .tensor) != nil { tensors.append((name, entries[i + 1])) }
    }
    for i in stride(from: 0, to: storage.count, by: 2) { try addPlace(of: storage[i], storage[i + 1]) }
  }

  /// The tensors of the weights to use: the averaged ones where there are any, never the optimizer's.
  func weights() throws(LumosError) -> [Entry] {
    let prefix = ["ema.", "model."].first { prefix in tensors.contains { $0.name.hasPrefix(prefix) } }
    var entries: [Entry] = []
    var seen: Set<String> = []
    for (name, value) in tensors {
      guard prefix.map(name.hasPrefix) ?? !["optimizer.", "optim."].contains(where: name.hasPrefix) else { continue }
      guard seen.insert(name).inserted else { throw Self.refusal("occurs twice", place, tensor: name) }
      entries.append(try entry(name, value))
    }
    guard !entries.isEmpty else { throw Self.refusal("describes no weights", place) }
    return entries
  }

  /// Adds where a piece lies. Entries that are no tensors have no offset, and are passed over.
  private mutating func addPlace(of index: PickleValue, _ value: PickleValue) throws(LumosError) {
    guard let index = pickle.state(index, of: .index), case .string(let name)? = pickle.member("fqn", of: index) else {
      throw Self.refusal("lists a piece without a name", place)
    }
    guard let offset = pickle.member("offset", of: index), offset != .none else { return }
    guard let offsets = pickle.integers(offset) else {
      throw Self.refusal("has a piece at no place", place, tensor: name)
    }
    guard let info = pickle.state(value, of: .place),
      case .string(let file)? = pickle.member("relative_path", of: info),
      case .integer(let start)? = pickle.member("offset", of: info),
      case .integer(let length)? = pickle.member("length", of: info), start >= 0, length >= 0
    else { throw Self.refusal("has a piece without file, offset and length", place, tensor: name) }
    guard !file.isEmpty, file.utf8.count <= 255, file != ".", file != "..",
      !file.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 })
    else {
      throw Self.refusal(
        "its piece lies in \(file.prefix(80).debugDescription), which is no file of the folder", place, tensor: name)
    }
    if let transformed = pickle.member("transform_descriptors", of: info), transformed != .none,
      pickle.elements(transformed)?.isEmpty != true
    {
      throw Self.refusal("its pieces are compressed, so they cannot be read in place", place, tensor: name)
    }
    guard
      places.updateValue(Place(file: file, offset: start, length: length), forKey: Piece(name: name, offsets: offsets))
        == nil
    else { throw Self.refusal("its piece at \(offsets) lies in two places", place, tensor: name) }
  }

  // MARK: Tensors

  private func entry(_ name: String, _ value: PickleValue) throws(LumosError) -> Entry {
    func refuse(_ what: String) -> LumosError { Self.refusal(what, place, tensor: name) }
    guard let state = pickle.state(value, of: .tensor),
      let size = pickle.member("size", of: state).flatMap(pickle.integers),
      let list = pickle.member("chunks", of: state).flatMap(pickle.elements),
      let properties = pickle.member("properties", of: state).flatMap({ pickle.state($0, of: .properties) })
    else { throw refuse("is described without size, pieces and type") }
    let typeValue = pickle.elements(properties)?.first ?? pickle.member("dtype", of: properties)
    guard case .global(.element(let found, let typeName))? = typeValue else { throw refuse("has no type") }
    guard let dtype = found else { throw refuse("type \(typeName) is not supported") }
    guard let shape = Shape(checking: size), !shape.count.multipliedReportingOverflow(by: dtype.byteCount).overflow
    else {
      throw refuse("size \(size) is negative or overflows")
    }
    guard list.count <= Self.mostChunks else { throw refuse("has \(list.count) pieces (at most \(Self.mostChunks))") }
    var chunks: [Chunk] = []
    var covered = 0
    for value in list {
      guard let state = pickle.state(value, of: .chunk),
        let offsets = pickle.member("offsets", of: state).flatMap(pickle.integers),
        let sizes = pickle.member("sizes", of: state).flatMap(pickle.integers)
      else { throw refuse("has a piece without offsets and sizes") }
      guard offsets.count == size.count, sizes.count == size.count,
        zip(size, zip(offsets, sizes)).allSatisfy({ $1.0 >= 0 && $1.1 >= 0 && $1.0 <= $0 && $1.1 <= $0 - $1.0 })
      else { throw refuse("its piece at \(offsets) of \(sizes) leaves \(size)") }
      chunks.append(Chunk(offsets: offsets, sizes: sizes))
      // A box within the tensor has no more elements than the tensor; there are at most `mostChunks`.
      let (sum, overflow) = covered.addingReportingOverflow(sizes.reduce(1, *))
      guard !overflow else { throw refuse("its pieces are larger than \(size)") }
      covered = sum
    }
    guard covered == shape.count else {
      throw refuse("its \(list.count) pieces have \(covered) elements, not the \(shape.count) of \(size)")
    }
    guard let missing = chunks.first(where: { places[Piece(name: name, offsets: $0.offsets)] == nil }) else {
      try checkOverlaps(chunks, of: name)
      return Entry(name: name, type: TensorType(shape, dtype), chunks: chunks)
    }
    throw refuse("its piece at \(missing.offsets) is nowhere")
  }

  private func checkOverlaps(_ chunks: [Chunk], of name: String) throws(LumosError) {
    // Boxes without a common element that have as many elements as the tensor fill it.
    for (i, a) in chunks.enumerated() {
      for b in chunks[(i + 1)...] where Self.overlap(a, b) {
        throw Self.refusal("its pieces at \(a.offsets) and \(b.offsets) overlap", place, tensor: name)
      }
    }
  }

  /// Checks that no two pieces share bytes of a file. Every piece is an archive of its own, so without this a small folder
  /// could have one large archive read again and again.
  func checkPlaces(of entries: [Entry]) throws(LumosError) {
    var taken: [(place: Place, name: String)] = []
    for entry in entries {
      for chunk in entry.chunks {
        if let place = places[Piece(name: entry.name, offsets: chunk.offsets)] { taken.append((place, entry.name)) }
      }
    }
    taken.sort { ($0.place.file, $0.place.offset) < ($1.place.file, $1.place.offset) }
    for (former, latter) in zip(taken, taken.dropFirst())
    where former.place.file == latter.place.file && latter.place.offset - former.place.offset < former.place.length {
      throw Self.refusal("its piece shares bytes with one of \(former.name)", place, tensor: latter.name)
    }
  }

  private static func overlap(_ a: Chunk, _ b: Chunk) -> Bool {
    a.offsets.indices.allSatisfy {
      max(a.offsets[$0], b.offsets[$0]) < min(a.offsets[$0] + a.sizes[$0], b.offsets[$0] + b.sizes[$0])
    }
  }
}
