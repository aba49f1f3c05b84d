import LumosTensor

/// What stands in front of the data of a GGUF file: metadata and the list of tensors, checked in full.
///
/// Versions 2 and 3, which do not differ in little-endian files:
///
///     "GGUF"  version (4 bytes)  number of tensors, number of metadata entries (8 bytes each)
///     per entry: key, type (4), value     strings are a length (8) and UTF-8, arrays a type (4), a count (8) and values
///     per tensor: name, number of axes (4), extents innermost first (8 each), type (4), offset in the data (8)
///     padding to the alignment, data
struct GGUFHeader {
  struct Entry {
    let name: String
    /// Extents outermost first; the shape that a model was trained with where the metadata tell it.
    let type: TensorType
    /// First byte in the file.
    let byteOffset: Int
  }

  /// In the order of the file.
  let entries: [Entry]
  let metadata: [String: GGUFValue]

  /// Most axes of a tensor. ggml has four.
  static let mostAxes = 8
  /// Under this and a tensor's name stand the extents that it had before it was squeezed into ggml's four axes.
  static let originalShapeKey = "comfy.gguf.orig_shape."
  static let alignmentKey = "general.alignment"
  static let defaultAlignment = 32

  /// - Throws: `LumosError(.badInput)` with the file, the byte or tensor, and the reason.
  init(_ bytes: UnsafeRawBufferPointer, path: String) throws(LumosError) {
    var reader = GGUFReader(bytes: bytes, path: path)
    guard bytes.count >= 24 else {
      throw reader.refusal("\(bytes.count) bytes are too few for a GGUF file", advice: "download it again")
    }
    guard Array(bytes[0..<4]) == Array("GGUF".utf8) else {
      throw reader.refusal("does not begin with \"GGUF\"", advice: "give a GGUF file")
    }
    reader.position = 4
    let version = try reader.number(UInt32.self, "the version")
    guard version == 2 || version == 3 else {
      let isBig = version.byteSwapped == 2 || version.byteSwapped == 3
      throw reader.refusal(
        isBig ? "is a big-endian GGUF file" : "is a GGUF file of version \(version)",
        advice: "versions 2 and 3, little-endian, are supported; convert it again")
    }
    // An entry takes at least 13 bytes, a tensor 24: a count that the file has no room for allocates nothing.
    let tensorCount = try reader.count("tensors", bytesEach: 24)
    let entryCount = try reader.count("metadata entries", bytesEach: 13)

    var metadata: [String: GGUFValue] = [:]
    for _ in 0..<entryCount {
      let key = try reader.string("a metadata key")
      guard metadata[key] == nil else { throw reader.refusal("metadata key \(Self.shown(key)) comes twice") }
      metadata[key] = try reader.value(of: Self.shown(key))
    }
    let alignment = try Self.alignment(metadata, reader)

    var found: [(name: String, type: TensorType, offset: UInt64)] = []
    var names = Set<String>()
    for _ in 0..<tensorCount {
      let one = try reader.tensor(metadata)
      guard names.insert(one.name).inserted else {
        throw LumosError(.badInput, "comes twice", at: "\(path), tensor \(Self.shown(one.name))")
      }
      found.append(one)
    }

    let (padded, overflow) = reader.position.addingReportingOverflow(alignment - 1)
    let dataStart = padded / alignment * alignment
    guard !overflow, dataStart <= bytes.count || found.isEmpty else {
      throw reader.refusal("ends before its data, which begin at byte \(dataStart)", advice: "download it again")
    }
    entries = try Self.placed(found, in: dataStart..<max(bytes.count, dataStart), alignment, path)
    self.metadata = metadata
  }

  /// A power of two, as the metadata say.
  private static func alignment(_ metadata: [String: GGUFValue], _ reader: GGUFReader) throws(LumosError) -> Int {
    guard let value = metadata[alignmentKey] else { return defaultAlignment }
    guard let alignment = value.integer, alignment >= 1, alignment <= 1 << 20, alignment & (alignment - 1) == 0 else {
      throw reader.refusal("\(alignmentKey) is no power of two up to 2^20")
    }
    return alignment
  }

  /// The tensors with their places in the file, none of which leaves the data or touches another.
  private static func placed(
    _ tensors: [(name: String, type: TensorType, offset: UInt64)], in data: Range<Int>, _ alignment: Int,
    _ path: String
  ) throws(LumosError) -> [Entry] {
    var entries: [Entry] = []
    for (name, type, offset) in tensors {
      let place = "\(path), tensor \(shown(name))"
      guard offset % UInt64(alignment) == 0 else {
        throw LumosError(.badInput, "offset \(offset) is no multiple of the alignment \(alignment)", at: place)
      }
      // The reader has seen that the size does not overflow.
      guard offset <= UInt64(data.count), type.byteCount <= data.count - Int(offset) else {
        throw LumosError(
          .badInput, "\(type.byteCount) bytes from offset \(offset) on leave the \(data.count) bytes of data",
          at: place, advice: "download the file again")
      }
      entries.append(Entry(name: name, type: type, byteOffset: data.lowerBound + Int(offset)))
    }
    let ordered = entries.filter { $0.type.byteCount > 0 }.sorted { $0.byteOffset < $1.byteOffset }
    for (one, next) in zip(ordered, ordered.dropFirst())
    where one.byteOffset + one.type.byteCount > next.byteOffset {
      throw LumosError(.badInput, "overlaps tensor \(shown(one.name))", at: "\(path), tensor \(shown(next.name))")
    }
    return entries
  }

  /// A name from the file, cut and without control characters.
  static func shown(_ name: String) -> String {
    let visible = name.unicodeScalars.prefix(100).map { $0.value < 32 || $0.value == 127 ? "?" : String($0) }.joined()
    return name.unicodeScalars.count > 100 ? visible + "…" : visible
  }
}
