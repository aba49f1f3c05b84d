import LumosTensor

/// Reads the parts of a GGUF header one after another; every read is checked against the end of the file.
struct GGUFReader {
  let bytes: UnsafeRawBufferPointer
  let path: String
  var position = 0

  /// Arrays in arrays, at most.
  private static let deepest = 4
  /// Integers of an array that are kept.
  private static let keptIntegers = 16
  /// The longest key or name.
  private static let longestName = 65535

  init(bytes: UnsafeRawBufferPointer, path: String) {
    self.bytes = bytes
    self.path = path
  }

  /// A refusal at the present place.
  func refusal(_ what: String, advice: String? = nil) -> LumosError {
    LumosError(.badInput, what, at: position == 0 ? path : "\(path), header byte \(position)", advice: advice)
  }

  /// A little-endian number.
  mutating func number<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type, _ what: String) throws(LumosError) -> T {
    guard bytes.count - position >= MemoryLayout<T>.size else {
      throw refusal("ends within \(what)", advice: "download it again")
    }
    defer { position += MemoryLayout<T>.size }
    return T(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: T.self))
  }

  /// How many things follow, each of which takes `bytesEach` bytes or more.
  mutating func count(_ what: String, bytesEach: Int) throws(LumosError) -> Int {
    let count = try number(UInt64.self, "the number of \(what)")
    guard count <= UInt64((bytes.count - position) / max(bytesEach, 1)) else {
      throw refusal("\(count) \(what) do not fit the \(bytes.count) bytes of the file", advice: "download it again")
    }
    return Int(count)
  }

  /// A name: text of a sensible length that is not empty.
  mutating func string(_ what: String) throws(LumosError) -> String {
    let text = try text(what)
    guard !text.isEmpty else { throw refusal("\(what) is empty") }
    guard text.utf8.count <= Self.longestName else { throw refusal("\(what) is \(text.utf8.count) bytes long") }
    return text
  }

  /// Any text.
  private mutating func text(_ what: String) throws(LumosError) -> String {
    let length = try length(of: what)
    guard let text = String(validating: bytes[position..<position + length], as: UTF8.self) else {
      throw refusal("\(what) is not UTF-8")
    }
    position += length
    return text
  }

  private mutating func length(of what: String) throws(LumosError) -> Int {
    let length = try number(UInt64.self, "the length of \(what)")
    guard length <= UInt64(bytes.count - position) else {
      throw refusal("\(what) is said to be \(length) bytes long, past the end", advice: "download it again")
    }
    return Int(length)
  }

  /// The value of metadata key `key`.
  mutating func value(of key: String) throws(LumosError) -> GGUFValue {
    let code = try number(UInt32.self, "the type of \(key)")
    switch code {
    case GGUFType.string: return .text(try text("the value of \(key)"))
    case GGUFType.array: return try array(key, depth: 1)
    default: return try scalar(code, key)
    }
  }

  private mutating func scalar(_ code: UInt32, _ key: String) throws(LumosError) -> GGUFValue {
    let what = "the value of \(key)"
    switch code {
    case 0: return .integer(Int(try number(UInt8.self, what)))
    case 1: return .integer(Int(try number(Int8.self, what)))
    case 2: return .integer(Int(try number(UInt16.self, what)))
    case 3: return .integer(Int(try number(Int16.self, what)))
    case 4: return .integer(Int(try number(UInt32.self, what)))
    case 5: return .integer(Int(try number(Int32.self, what)))
    case 6: return .number(Double(Float(bitPattern: try number(UInt32.self, what))))
    case 7:
      let byte = try number(UInt8.self, what)
      guard byte <= 1 else { throw refusal("\(what) is neither true nor false but \(byte)") }
      return .boolean(byte == 1)
    case 10:
      let value = try number(UInt64.self, what)
      guard let value = Int(exactly: value) else { throw refusal("\(what) is \(value), more than 2^63") }
      return .integer(value)
    case 11: return .integer(Int(try number(Int64.self, what)))
    case 12: return .number(Double(bitPattern: try number(UInt64.self, what)))
    default: throw refusal("\(key) is of an unknown type, \(code)")
    }
  }

  private mutating func array(_ key: String, depth: Int) throws(LumosError) -> GGUFValue {
    guard depth <= Self.deepest else { throw refusal("\(key) nests arrays more than \(Self.deepest) deep") }
    let code = try number(UInt32.self, "the element type of \(key)")
    switch code {
    case GGUFType.string:
      let count = try count("strings of \(key)", bytesEach: 8)
      for _ in 0..<count { position += try length(of: "a string of \(key)") }
      return .array(count: count, integers: nil)
    case GGUFType.array:
      let count = try count("arrays of \(key)", bytesEach: 12)
      for _ in 0..<count { _ = try array(key, depth: depth + 1) }
      return .array(count: count, integers: nil)
    default:
      guard let size = GGUFType.scalarByteCount(code) else {
        throw refusal("\(key) is an array of an unknown type, \(code)")
      }
      let count = try count("elements of \(key)", bytesEach: size)
      let end = position + count * size
      var integers: [Int] = []
      if count <= Self.keptIntegers {
        for _ in 0..<count { if let value = try scalar(code, key).integer { integers.append(value) } }
      }
      position = end
      return .array(count: count, integers: integers.count == count ? integers : nil)
    }
  }

  /// One entry of the list of tensors.
  mutating func tensor(
    _ metadata: [String: GGUFValue]
  ) throws(LumosError) -> (name: String, type: TensorType, offset: UInt64) {
    let name = try string("a tensor's name")
    let place = "\(path), tensor \(GGUFHeader.shown(name))"
    func refuse(_ what: String, advice: String? = nil) -> LumosError {
      .init(.badInput, what, at: place, advice: advice)
    }
    let axes = try number(UInt32.self, "the number of axes of \(GGUFHeader.shown(name))")
    guard axes <= GGUFHeader.mostAxes else { throw refuse("has \(axes) axes, more than \(GGUFHeader.mostAxes)") }
    var extents: [Int] = []
    for _ in 0..<axes {
      let extent = try number(UInt64.self, "the extents of \(GGUFHeader.shown(name))")
      guard extent > 0, let extent = Int(exactly: extent) else { throw refuse("has an extent of \(extent)") }
      extents.append(extent)
    }
    let code = try number(UInt32.self, "the type of \(GGUFHeader.shown(name))")
    let offset = try number(UInt64.self, "the offset of \(GGUFHeader.shown(name))")
    guard let dtype = GGUFType.dtypes[code] else {
      throw refuse(
        "is of type \(GGUFType.name(code)), which is not supported",
        advice: "take a file with the types \(GGUFType.supported)")
    }
    extents.reverse()
    guard let stored = Shape(checking: extents) else { throw refuse("extents \(extents) overflow") }
    guard TensorType(stored, dtype).hasWholeBlocks else {
      throw refuse("rows of \(stored) are no whole blocks of \(GGUFType.name(dtype))")
    }
    // Multiplied by the larger number: bytes of a block for elements of it is no more than 8 for 1.
    guard !stored.count.multipliedReportingOverflow(by: 8).overflow else { throw refuse("extents \(extents) overflow") }

    let key = GGUFHeader.originalShapeKey + name
    guard let original = metadata[key] else { return (name, TensorType(stored, dtype), offset) }
    guard case .array(_, let integers?) = original, let shape = Shape(checking: integers),
      shape.count == stored.count, TensorType(shape, dtype).hasWholeBlocks
    else {
      throw refuse("\(GGUFHeader.shown(key)) does not fit \(GGUFType.name(dtype)) \(stored)")
    }
    return (name, TensorType(shape, dtype), offset)
  }
}
