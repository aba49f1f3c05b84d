import LumosFiles
import LumosGraph
import LumosTensor

/// The weights of one checkpoint under the names that the model uses.
///
/// Training frameworks wrap names: if every key starts with `model.`, `ema.` or `module.`, that prefix is dropped
/// (again and again, so `module.ema.` goes as well). Keys that contain `freqs` are tables that are computed, not
/// learned; they are left out (MODEL.md section 13).
public struct CheckpointWeights: WeightSource {
  /// Where they come from.
  public let checkpoint: any Checkpoint
  /// Names after dropping prefixes, in the order of the checkpoint.
  public let names: [String]
  /// The prefix that was dropped, possibly empty.
  public let droppedPrefix: String

  /// The weights of a checkpoint.
  public init(_ checkpoint: any Checkpoint) {
    self.checkpoint = checkpoint
    let keys = checkpoint.names.filter { !$0.contains("freqs") }
    var prefix = ""
    while let next = ["model.", "ema.", "module."].first(where: { next in
      !keys.isEmpty && keys.allSatisfy { $0.hasPrefix(prefix + next) && $0.utf8.count > (prefix + next).utf8.count }
    }) {
      prefix += next
    }
    names = keys.map { String($0.dropFirst(prefix.count)) }
    droppedPrefix = prefix
  }

  /// Type of a weight as stored, or nil if the checkpoint has none of this name.
  public func type(ofWeight name: String) -> TensorType? { checkpoint.type(of: droppedPrefix + name) }

  /// The weight as stored, a view of the mapped file where it lies there in one piece.
  /// - Throws: `LumosError(.badInput)` if the checkpoint has none of this name.
  public func weight(_ name: String) throws -> Tensor { try checkpoint.requireTensor(droppedPrefix + name) }

  /// Reads from the checkpoint. Errors as for `Checkpoint.read`.
  public func read(_ name: String, bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws {
    try checkpoint.read(droppedPrefix + name, bytes: range, into: target)
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
