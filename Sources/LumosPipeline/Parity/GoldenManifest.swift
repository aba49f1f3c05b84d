import LumosFiles
import LumosGraph
import LumosModels
import LumosTensor

/// The list of golden files in a folder, `manifest.json`: what each is for and with which sizes it was made.
struct GoldenManifest {
  /// One file of the list.
  struct Entry {
    /// Path within the folder: `"block/bg1.safetensors"`.
    let path: String
    /// What the list says about it.
    let fields: JSONValue

    /// First component of the path: `"block"`.
    var kind: String { String(path.prefix { $0 != "/" }) }
    /// Path without its ending, for people: `"block/bg1"`.
    var name: String {
      for ending in [".safetensors", ".json"] where path.hasSuffix(ending) {
        return String(path.dropLast(ending.count))
      }
      return path
    }
    /// Whether the file holds weights, and the sizes of the model they belong to.
    var isWeights: Bool { fields["config"] != nil }
  }

  /// The folder.
  let directory: String
  /// All entries, in the order of the list.
  let entries: [Entry]

  /// - Throws: `LumosError` if there is no readable manifest.
  init(directory: String) throws {
    let path = directory + "/manifest.json"
    let json = try Self.json(path)
    guard let members = json["files"]?.members else {
      throw LumosError(.badInput, "has no object \"files\"", at: path, advice: "give a folder of goldens")
    }
    self.directory = directory
    entries = members.map { Entry(path: $0.key, fields: $0.value) }
  }

  /// The contents of a JSON file.
  static func json(_ path: String) throws -> JSONValue {
    let file = try MappedFile(path)
    do {
      return try file.withUnsafeBytes { bytes throws(JSONParseError) in try JSONValue(parsing: bytes) }
    } catch {
      throw LumosError(.badInput, "is not JSON", at: path, cause: error)
    }
  }

  /// Opens a listed file.
  func open(_ entry: Entry) throws -> SafetensorsFile { try SafetensorsFile(directory + "/" + entry.path) }

  /// The weights of a kind of goldens, and their entry with the model's sizes.
  func weights(of kind: String) throws -> (source: GoldenWeights, sizes: GoldenFields) {
    let candidates = entries.filter { $0.kind == kind && $0.isWeights }
    guard let entry = candidates.first(where: { $0.path == kind + "/weights.safetensors" }) ?? candidates.first,
      let configuration = entry.fields["config"]
    else {
      throw LumosError(
        .badInput, "lists no weights with a \"config\" for \(kind)", at: directory + "/manifest.json")
    }
    return (
      GoldenWeights(file: try open(entry)), GoldenFields(configuration, place: "manifest.json, \(entry.path), config")
    )
  }
}

/// Numbers of the manifest, checked as they are read: the file comes from elsewhere.
struct GoldenFields {
  private let json: JSONValue
  /// Where the numbers stand, for error messages.
  let place: String

  init(_ json: JSONValue, place: String) {
    self.json = json
    self.place = place
  }

  /// Whether there is such a field.
  func has(_ name: String) -> Bool { json[name] != nil }

  /// A whole number in `range`; `standard` if it is missing and there is a standard.
  func integer(_ name: String, in range: ClosedRange<Int>, standard: Int? = nil) throws -> Int {
    if json[name] == nil, let standard { return standard }
    return try Self.integer(json[name], name, in: range, place: place)
  }

  /// An extent or count of at least one.
  func count(_ name: String, standard: Int? = nil) throws -> Int {
    try integer(name, in: 1...Self.largest, standard: standard)
  }

  /// A list of whole numbers in `range`; empty if it is missing.
  func integers(_ name: String, in range: ClosedRange<Int>) throws -> [Int] {
    guard let value = json[name] else { return [] }
    guard let array = value.array else { throw LumosError(.badInput, "\(name) is not a list", at: place) }
    return try array.map { try Self.integer($0, name, in: range, place: place) }
  }

  /// A list of truth values.
  func booleans(_ name: String) throws -> [Bool] {
    guard let array = json[name]?.array else { throw LumosError(.badInput, "\(name) is not a list", at: place) }
    return try array.map {
      guard let value = $0.bool else { throw LumosError(.badInput, "\(name) holds \($0.kindName)", at: place) }
      return value
    }
  }

  /// A number.
  func number(_ name: String, standard: Double? = nil) throws -> Double {
    guard let value = json[name] else {
      if let standard { return standard }
      throw LumosError(.badInput, "\(name) is missing", at: place)
    }
    guard let number = value.double else {
      throw LumosError(.badInput, "\(name) is \(value.kindName), not a number", at: place)
    }
    return number
  }

  /// Far above any model, and small enough that products of a few of them do not overflow.
  private static let largest = 1 << 20

  private static func integer(
    _ value: JSONValue?, _ name: String, in range: ClosedRange<Int>, place: String
  ) throws -> Int {
    guard let value else { throw LumosError(.badInput, "\(name) is missing", at: place) }
    guard let number = value.integer, range.contains(number) else {
      throw LumosError(.badInput, "\(name) is \(value), not a whole number in \(range)", at: place)
    }
    return number
  }
}

/// Weights of the goldens, from a safetensors file.
struct GoldenWeights: WeightSource {
  let file: SafetensorsFile

  func type(ofWeight name: String) -> TensorType? { file.type(of: name) }
  func weight(_ name: String) throws -> Tensor { try file.requireTensor(name) }
}
