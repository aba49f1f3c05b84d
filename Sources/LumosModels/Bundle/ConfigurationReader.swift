import LumosFiles
import LumosTensor

/// Reads one object of a configuration file key by key: absent keys take their defaults, wrong ones are refused with
/// the file and the key's path, unknown ones are remembered.
struct ConfigurationReader {
  /// Keys of the file that nothing asked for, shared by all readers of the file.
  final class Unknown {
    var keys: [String] = []
  }

  private let file: String
  private let path: String
  private let members: [JSONValue.Member]
  private let unknown: Unknown

  /// A reader of the file's outermost value, which must be an object.
  init(_ json: JSONValue, file: String, unknown: Unknown) throws(LumosError) {
    guard let members = json.members else {
      throw LumosError(.badInput, "is \(json.kindName), expected an object", at: file)
    }
    self.init(file: file, path: "", members: members, unknown: unknown)
  }

  private init(file: String, path: String, members: [JSONValue.Member], unknown: Unknown) {
    self.file = file
    self.path = path
    self.members = members
    self.unknown = unknown
  }

  /// The object under `key`; an empty one if the key is absent.
  func section(_ key: String) throws(LumosError) -> ConfigurationReader {
    var inner: [JSONValue.Member] = []
    if let value = self[key] {
      guard let found = value.members else { throw mismatch(key, value, "an object") }
      inner = found
    }
    return ConfigurationReader(file: file, path: path + key + ".", members: inner, unknown: unknown)
  }

  /// Remembers every key that is not among `known`.
  func noteUnknown(besides known: [String]) {
    unknown.keys += members.map(\.key).filter { !known.contains($0) }.map { path + $0 }
  }

  /// Whether the key is there.
  func has(_ key: String) -> Bool { self[key] != nil }

  func integer(_ key: String, _ preset: Int, in range: ClosedRange<Int>) throws(LumosError) -> Int {
    guard let value = self[key] else { return preset }
    guard let integer = value.integer else { throw mismatch(key, value, "an integer") }
    guard range.contains(integer) else {
      throw refusal(key, "is \(integer), expected \(range.lowerBound) to \(range.upperBound)")
    }
    return integer
  }

  func real(_ key: String, _ preset: Double, in range: ClosedRange<Double>) throws(LumosError) -> Double {
    guard let value = self[key] else { return preset }
    guard let real = value.double else { throw mismatch(key, value, "a number") }
    guard range.contains(real) else {
      throw refusal(key, "is \(real), expected \(range.lowerBound) to \(range.upperBound)")
    }
    return real
  }

  func text(_ key: String, _ preset: String) throws(LumosError) -> String {
    try optionalText(key) ?? preset
  }

  func optionalText(_ key: String) throws(LumosError) -> String? {
    guard let value = self[key] else { return nil }
    guard let text = value.string else { throw mismatch(key, value, "a string") }
    return text
  }

  func integers(_ key: String, _ preset: [Int], in range: ClosedRange<Int>) throws(LumosError) -> [Int] {
    try list(key, preset, "a list of integers from \(range.lowerBound) to \(range.upperBound)") {
      $0.integer.flatMap { range.contains($0) ? $0 : nil }
    }
  }

  func reals(_ key: String, _ preset: [Float]) throws(LumosError) -> [Float] {
    try list(key, preset, "a list of numbers") { $0.double.map { Float($0) }.flatMap { $0.isFinite ? $0 : nil } }
  }

  func booleans(_ key: String, _ preset: [Bool]) throws(LumosError) -> [Bool] {
    try list(key, preset, "a list of booleans", \.bool)
  }

  /// Checks that a switch which the engine does not offer stands as the published configuration has it.
  func require(_ key: String, _ only: JSONValue) throws(LumosError) {
    guard let value = self[key] else { return }
    let isEqual = value == only || (value.double != nil && value.double == only.double)
    guard isEqual else { throw refusal(key, "is \(value), and only \(only) is supported") }
  }

  /// An error about `key`.
  func refusal(_ key: String, _ what: String) -> LumosError {
    LumosError(.badInput, what, at: "\(file), key \(path)\(key)")
  }

  private func mismatch(_ key: String, _ value: JSONValue, _ expected: String) -> LumosError {
    refusal(key, "is \(value.kindName), expected \(expected)")
  }

  private func list<T>(
    _ key: String, _ preset: [T], _ expected: String, _ element: (JSONValue) -> T?
  ) throws(LumosError) -> [T] {
    guard let value = self[key] else { return preset }
    guard let array = value.array else { throw mismatch(key, value, expected) }
    let elements = array.compactMap(element)
    guard elements.count == array.count else { throw refusal(key, "is not \(expected)") }
    return elements
  }

  private subscript(key: String) -> JSONValue? { members.first { $0.key == key }?.value }
}
