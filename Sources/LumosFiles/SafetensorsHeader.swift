import LumosTensor

/// What the header of a safetensors file says, checked against every promise of the format.
///
/// Layout: 8 bytes little-endian header length N, N bytes JSON, then the data section. The JSON object maps names to
/// `{"dtype", "shape", "data_offsets": [begin, end]}` with offsets relative to the data section, and `__metadata__` to
/// an object of strings. Promises (https://github.com/huggingface/safetensors#format): N <= 100 MB; the JSON starts
/// with `{` and may end in spaces; no key occurs twice; the tensors tile the data section without holes or overlaps.
struct SafetensorsHeader {
  /// One tensor: its type and where in the file its bytes start.
  struct Entry {
    let type: TensorType
    let byteOffset: Int
  }

  /// Names in the order of the header.
  private(set) var names: [String] = []
  /// Tensors by name.
  private(set) var entries: [String: Entry] = [:]
  /// Free text that the writer attached.
  private(set) var metadata: [String: String] = [:]

  /// Longest header that the format allows, in bytes.
  static let longestHeader = 100_000_000

  /// Reads the header of a whole file's bytes.
  ///
  /// - Parameter path: the file, for errors.
  /// - Throws: `LumosError(.badInput)` with the place: `"FILE, header byte 812"`, `"FILE, tensor norm.weight"`.
  init(file bytes: UnsafeRawBufferPointer, path: String) throws(LumosError) {
    func refusal(_ what: String, _ place: String? = nil) -> LumosError {
      LumosError(.badInput, what, at: place.map { "\(path), \($0)" } ?? path, advice: "fetch or convert the file again")
    }
    guard bytes.count >= 8 else { throw refusal("is no safetensors file: \(bytes.count) bytes long") }
    let claimed = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard claimed <= Self.longestHeader else {
      throw refusal("header of \(claimed) bytes is longer than the format allows (\(Self.longestHeader))", "byte 0")
    }
    let length = Int(claimed)
    guard length <= bytes.count - 8 else {
      throw refusal("header of \(length) bytes does not fit into a file of \(bytes.count) bytes", "byte 0")
    }
    let text = UnsafeRawBufferPointer(rebasing: bytes[8..<8 + length])
    guard text.first == UInt8(ascii: "{") else { throw refusal("header does not start with '{'", "header byte 0") }
    let json: JSONValue
    do { json = try JSONValue(parsing: text, depthLimit: 8) } catch {
      throw refusal(error.reason, "header byte \(error.byte)")
    }

    let dataCount = bytes.count - 8 - length
    var ranges: [(range: Range<Int>, name: String)] = []
    for member in json.members ?? [] {
      if member.key == "__metadata__" {
        guard let texts = member.value.members else { throw refusal("is not an object", "__metadata__") }
        for text in texts {
          guard let value = text.value.string else { throw refusal("is not a string", "__metadata__.\(text.key)") }
          metadata[text.key] = value
        }
        continue
      }
      let place = "tensor \(member.key)"
      let (type, range): (TensorType, Range<Int>)
      switch Self.tensor(member.value, dataCount: dataCount) {
      case .success(let read): (type, range) = read
      case .failure(let reason): throw refusal(reason.what, place)
      }
      names.append(member.key)
      entries[member.key] = Entry(type: type, byteOffset: 8 + length + range.lowerBound)
      ranges.append((range, member.key))
    }

    ranges.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
    var end = 0
    for (range, name) in ranges {
      if range.lowerBound < end {
        throw refusal("data_offsets begin at \(range.lowerBound), inside another tensor", "tensor \(name)")
      }
      if range.lowerBound > end {
        throw refusal("\(range.lowerBound - end) bytes before its data belong to no tensor", "tensor \(name)")
      }
      end = range.upperBound
    }
    guard end == dataCount else {
      throw refusal("\(dataCount - end) bytes after the last tensor belong to none", "data byte \(end)")
    }
  }

  private struct Refusal: Error { let what: String }

  /// Type and byte range of one entry, checked on its own.
  private static func tensor(_ json: JSONValue, dataCount: Int) -> Result<(TensorType, Range<Int>), Refusal> {
    func refuse(_ what: String) -> Result<(TensorType, Range<Int>), Refusal> { .failure(Refusal(what: what)) }
    guard json.members != nil else { return refuse("is \(json.kindName), not an object") }
    guard let name = json["dtype"]?.string else { return refuse("has no dtype") }
    guard let dtype = SafetensorsType.dtype(named: name) else {
      return refuse("dtype \(name) is not supported (supported: \(SafetensorsType.supported))")
    }
    guard let extents = json["shape"]?.array else { return refuse("has no shape") }
    let dimensions = extents.compactMap(\.integer)
    guard dimensions.count == extents.count, dimensions.allSatisfy({ $0 >= 0 }) else {
      return refuse("shape holds something else than sizes")
    }
    guard let shape = Shape(checking: dimensions) else { return refuse("shape \(dimensions) overflows") }
    let (byteCount, overflow) = shape.count.multipliedReportingOverflow(by: dtype.byteCount)
    if overflow { return refuse("shape \(shape) overflows") }
    guard let pair = json["data_offsets"]?.array, pair.count == 2, let begin = pair[0].integer,
      let end = pair[1].integer
    else { return refuse("has no data_offsets of two integers") }
    guard begin >= 0, begin <= end, end <= dataCount else {
      return refuse("data_offsets [\(begin), \(end)] lie outside the data section of \(dataCount) bytes")
    }
    guard end - begin == byteCount else {
      return refuse("\(end - begin) bytes of data for \(name) \(shape), which needs \(byteCount)")
    }
    return .success((TensorType(shape, dtype), begin..<end))
  }
}

/// The format's names of element types.
enum SafetensorsType {
  /// Element type of a name; nil for types that the engine has no use for. Booleans are bytes.
  static func dtype(named name: String) -> DType? {
    name == "BOOL" ? .u8 : dtypes.first { self.name($0) == name }
  }

  /// Name of an element type.
  static func name(_ dtype: DType) -> String { dtype.rawValue.uppercased() }

  /// For error messages.
  static var supported: String { (dtypes.map(name) + ["BOOL"]).joined(separator: " ") }

  /// The format knows no blocks.
  static let dtypes = DType.allCases.filter { $0.block == nil }
}
