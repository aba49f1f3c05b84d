import LumosFiles
import LumosGraph
import LumosTensor

/// The weights of one checkpoint under the names that the model uses.
///
/// - Training frameworks and programs wrap names: if every key starts with `model.`, `ema.`, `module.` or
///   `diffusion_model.`, that prefix is dropped (again and again, so `model.diffusion_model.` goes as a whole).
/// - Libraries have names of their own, which become the published ones (`TensorNaming`).
/// - Keys that contain `freqs` are tables that are computed, not learned; they are left out, as is what describes a file
///   rather than a model.
/// - Bytes as numbers (f8e4m3) are given as f16, multiplied by the tensor's scale where there is one: `q.scale_weight` or
///   `q.weight_scale` of `q.weight`. Without one that is exact.
///
/// Sources: MODEL.md section 13; https://github.com/comfyanonymous/ComfyUI (names of scales).
public struct CheckpointWeights: WeightSource {
  /// Where they come from.
  public let checkpoint: any Checkpoint
  /// Names after dropping prefixes, in the order of the checkpoint.
  public let names: [String]
  /// The prefix that was dropped, possibly empty.
  public let droppedPrefix: String
  /// How the checkpoint names its tensors.
  public let naming: TensorNaming
  private let entries: [String: Entry]

  /// Where a weight lies.
  private struct Entry {
    let key: String
    /// Of a number that multiplies the weight.
    var scale: String?
  }

  /// The weights of a checkpoint.
  public init(_ checkpoint: any Checkpoint) {
    self.checkpoint = checkpoint
    let keys = checkpoint.names.filter { key in
      !key.contains("freqs") && !Self.descriptions.contains { key == $0 || key.hasSuffix("." + $0) }
    }
    let prefix = Self.wrapping(keys)
    let bare = keys.map { String($0.dropFirst(prefix.count)) }
    naming = TensorNaming(of: bare)
    let layers = TensorNaming.decoderLayers(of: bare)
    var (names, entries, scales): ([String], [String: Entry], [String: String]) = ([], [:], [:])
    for (key, bare) in zip(keys, bare) {
      if let weight = Self.scaled(bare, as: checkpoint.type(of: key)) {
        if let weight { scales[naming.official(weight, decoderLayers: layers)] = key }
        continue
      }
      let name = naming.official(bare, decoderLayers: layers)
      // The text encoder's table stands in some files under both of its names.
      if entries.updateValue(Entry(key: key), forKey: name) == nil { names.append(name) }
    }
    for (name, key) in scales {
      // A scale of nothing is a tensor that nobody knows.
      if entries[name] == nil { names.append(String(key.dropFirst(prefix.count))) }
      entries[name]?.scale = key
    }
    (self.names, self.entries) = (names, entries)
    droppedPrefix = prefix
  }

  /// Tensors that tell about the file: the tokenizer that ComfyUI packs beside the text encoder, and the mark of files with
  /// scales.
  private static let descriptions = ["spiece_model", "scaled_fp8"]

  /// What all keys begin with and need not.
  private static func wrapping(_ keys: [String]) -> String {
    var prefix = ""
    while let next = ["model.", "ema.", "module.", "diffusion_model."].first(where: { next in
      !keys.isEmpty && keys.allSatisfy { $0.hasPrefix(prefix + next) && $0.utf8.count > (prefix + next).utf8.count }
    }) {
      prefix += next
    }
    return prefix
  }

  /// Of a single number that belongs to another tensor: the weight that it multiplies, or nothing where it describes the
  /// other factor, which is not rounded here. Nil for any other tensor.
  private static func scaled(_ key: String, as type: TensorType?) -> String?? {
    guard let type, type.shape.count == 1 else { return .none }
    for end in [".scale_weight", ".weight_scale"] where key.hasSuffix(end) {
      return .some(key.dropLast(end.count) + ".weight")
    }
    return key.hasSuffix(".scale_input") || key.hasSuffix(".input_scale") ? .some(nil) : .none
  }

  /// Type of a weight as it is given, or nil if the checkpoint has none of this name.
  public func type(ofWeight name: String) -> TensorType? {
    guard let entry = entries[name], let type = checkpoint.type(of: entry.key) else { return nil }
    return type.dtype == .f8e4m3 ? TensorType(type.shape, .f16) : type
  }

  /// The weight, a view of the mapped file where it lies there in one piece and needs no conversion.
  /// - Throws: `LumosError(.badInput)` if the checkpoint has none of this name.
  public func weight(_ name: String) throws -> Tensor {
    let entry = entries[name] ?? Entry(key: droppedPrefix + name)
    guard let type = type(ofWeight: name), checkpoint.type(of: entry.key)?.dtype == .f8e4m3 else {
      return try checkpoint.requireTensor(entry.key)
    }
    return try Tensor(type.shape, type.dtype) { try read(name, bytes: 0..<type.byteCount, into: $0) }
  }

  /// Reads from the checkpoint. Errors as for `Checkpoint.read`.
  public func read(_ name: String, bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws {
    let entry = entries[name] ?? Entry(key: droppedPrefix + name)
    guard checkpoint.type(of: entry.key)?.dtype == .f8e4m3 else {
      return try checkpoint.read(entry.key, bytes: range, into: target)
    }
    let scale = try entry.scale.map { try checkpoint.requireTensor($0).floats()[0] } ?? 1
    let values = (0...UInt8.max).map { Float16(Float8E4M3.float($0) * scale) }
    let elements = range.lowerBound / 2..<(range.upperBound + 1) / 2
    let bytes = try [UInt8](unsafeUninitializedCapacity: elements.count) { bytes, count in
      try checkpoint.read(entry.key, bytes: elements, into: UnsafeMutableRawBufferPointer(bytes))
      count = elements.count
    }
    bytes.map { values[Int($0)] }.withUnsafeBytes { halves in
      let first = range.lowerBound % 2
      target.copyMemory(from: UnsafeRawBufferPointer(rebasing: halves[first..<first + range.count]))
    }
  }

  /// Compares what the checkpoint holds with what the model needs.
  public func deviations(from expected: [String: Shape]) -> CheckpointDeviations {
    var report = CheckpointDeviations()
    for (name, shape) in expected.sorted(by: { Self.precedes($0.key, $1.key) }) {
      guard let found = type(ofWeight: name) else {
        report.missing.append("\(name) \(shape)")
        continue
      }
      if found.shape != shape {
        report.misshapen.append("\(name) is \(found.shape), expected \(shape)")
      } else if !found.dtype.isFloat {
        report.misshapen.append("\(name) holds integers (\(found.dtype.rawValue))")
      }
    }
    report.extra = names.filter { expected[$0] == nil }
    return report
  }

  /// Order of names in which `blocks.2` comes before `blocks.10`.
  private static func precedes(_ a: String, _ b: String) -> Bool {
    let (a, b) = (a.split(separator: "."), b.split(separator: "."))
    for (x, y) in zip(a, b) where x != y {
      if let x = Int(x), let y = Int(y) { return x < y }
      return x < y
    }
    return a.count < b.count
  }
}

/// How a checkpoint's tensors differ from what the model needs; each entry is a clause for people.
public struct CheckpointDeviations: Sendable, Hashable {
  /// Needed and absent: `"blocks.3.norm3.bias [1536]"`.
  public var missing: [String] = []
  /// Present and unknown.
  public var extra: [String] = []
  /// Present with another shape, or without fractions.
  public var misshapen: [String] = []

  /// Nothing differs.
  public init() {}

  /// Whether nothing differs.
  public var isEmpty: Bool { missing.isEmpty && extra.isEmpty && misshapen.isEmpty }

  /// All of it as one clause: counts, and the first `limit` names of each kind.
  public func summary(limit: Int = 20) -> String {
    [("missing", missing), ("of another shape", misshapen), ("unknown", extra)].filter { !$0.1.isEmpty }.map {
      let rest = $0.1.count > limit ? ", and \($0.1.count - limit) more" : ""
      return "\($0.1.count) \($0.1.count == 1 ? "tensor" : "tensors") \($0.0): "
        + $0.1.prefix(limit).joined(separator: ", ") + rest
    }.joined(separator: "; ")
  }
}
