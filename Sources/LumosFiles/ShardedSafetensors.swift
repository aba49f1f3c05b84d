import LumosTensor

/// A checkpoint in several safetensors files, with an index that tells which tensor is where
/// (`model.safetensors.index.json`).
///
/// The index is an object with `weight_map`, from names to files beside it, and `metadata`, which is not needed.
public struct ShardedSafetensors: Checkpoint {
  /// The path of the index.
  public let path: String
  public let format = "safetensors in several files"
  /// Tensor names in the order of the index.
  public let names: [String]
  private let parts: [SafetensorsFile]
  /// Which file has a tensor.
  private let places: [String: Int]

  public var files: [String] { [path] + parts.map(\.path) }

  /// The end of an index' name.
  public static let ending = ".safetensors.index.json"
  /// More files are no checkpoint.
  static let mostFiles = 10_000

  /// Opens the index and every file that it names.
  ///
  /// - Throws: `LumosError(.badInput)` if the index is none, names a file elsewhere, or a tensor that its file lacks; what
  ///   opening the files throws.
  public init(_ path: String) throws(LumosError) {
    func refusal(_ what: String) -> LumosError {
      LumosError(.badInput, what, at: path, advice: "fetch the checkpoint again")
    }
    let index = try JSONValue(file: path)
    guard let members = index["weight_map"]?.members else { throw refusal("has no weight_map") }
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var (numbers, parts, places): ([String: Int], [SafetensorsFile], [String: Int]) = ([:], [], [:])
    for member in members {
      guard let name = member.value.string, !name.isEmpty, !name.contains("/"), !name.hasPrefix(".") else {
        throw refusal("places tensor \(member.key) in \(member.value), which is no file beside it")
      }
      if numbers[name] == nil {
        guard parts.count < Self.mostFiles else { throw refusal("names more than \(Self.mostFiles) files") }
        numbers[name] = parts.count
        parts.append(try SafetensorsFile(folder + name))
      }
      guard let number = numbers[name], parts[number].type(of: member.key) != nil else {
        throw refusal("places tensor \(member.key) in \(name), which does not have it")
      }
      places[member.key] = number
    }
    self.path = path
    names = members.map(\.key)
    self.parts = parts
    self.places = places
  }

  public func type(of name: String) -> TensorType? { places[name].flatMap { parts[$0].type(of: name) } }

  public func requireTensor(_ name: String) throws(LumosError) -> Tensor { try file(of: name).requireTensor(name) }

  public func read(
    _ name: String, bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer
  ) throws(LumosError) {
    try file(of: name).read(name, bytes: range, into: target)
  }

  private func file(of name: String) throws(LumosError) -> SafetensorsFile {
    guard let place = places[name] else { throw LumosError(.badInput, "has no tensor \(name)", at: path) }
    return parts[place]
  }
}
