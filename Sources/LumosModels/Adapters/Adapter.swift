import LumosFiles
import LumosTensor

/// Changes to a checkpoint's weights, as fine-tuning leaves them in a small file: products of two thin matrices (LoRA),
/// and whole differences.
///
/// Read are the names of PEFT and diffusers (`transformer.blocks.0.attn1.to_q.lora_A.weight`), of ComfyUI
/// (`diffusion_model.blocks.0.self_attn.q.lora_down.weight`, `.alpha`, `.diff`, `.diff_b`, `.diff_m`) and of Kohya's
/// trainer (`lora_unet_blocks_0_self_attn_q.lora_up.weight`), with modules as published or as diffusers calls them. A file
/// with anything else is made for another model, and refused.
///
/// Sources: https://arxiv.org/abs/2106.09685 (LoRA); https://github.com/comfyanonymous/ComfyUI (names).
public struct Adapter: Sendable {
  /// What changes a weight W, before the strength is applied.
  enum Change: Sendable {
    /// `W + factor · up · down` with up `[rows, rank]` and down `[rank, columns]`; factor is the file's alpha by its rank.
    case product(up: String, down: String, rank: Int, factor: Float)
    /// `W + difference`.
    case difference(String)
  }

  /// The file.
  public let checkpoint: any Checkpoint
  /// Factor on all changes; 1 is what the file was made for.
  public let strength: Float
  /// Changes by the published name of the weight.
  let changes: [String: [Change]]

  /// Reads what a file changes.
  ///
  /// - Parameters:
  ///   - expected: the model's weights, see `ExpectedTensors`.
  ///   - strength: factor on all changes.
  /// - Throws: `LumosError(.badInput)` with the tensors that fit nothing.
  public init(
    _ checkpoint: any Checkpoint, strength: Float = 1, for expected: [String: Shape]
  ) throws(LumosError) {
    self.checkpoint = checkpoint
    self.strength = strength
    let names = ModuleNames(expected)
    var (parts, unknown): ([String: Parts], [String]) = ([:], [])
    for key in checkpoint.names {
      guard let (module, role) = Role.split(key), let weight = names.weight(module, role) else {
        unknown.append(key)
        continue
      }
      parts[weight, default: Parts()].keys[role] = key
    }
    guard unknown.isEmpty else {
      let more = unknown.count > 5 ? " and \(unknown.count - 5) more" : ""
      throw LumosError(
        .badInput, "changes what this model does not have: \(unknown.prefix(5).joined(separator: ", "))\(more)",
        at: checkpoint.path, advice: "use an adapter that was made for this model")
    }
    guard !parts.isEmpty else { throw LumosError(.badInput, "changes nothing", at: checkpoint.path) }
    var changes: [String: [Change]] = [:]
    for (weight, part) in parts {
      guard let shape = expected[weight] else { continue }
      changes[weight] = try part.changes(of: weight, shape, checkpoint)
    }
    self.changes = changes
  }

  /// The tensors of one weight, by what they are.
  private struct Parts {
    var keys: [Role: String] = [:]

    /// Checked against the weight's shape; axes behind the first count as one.
    func changes(of weight: String, _ shape: Shape, _ file: any Checkpoint) throws(LumosError) -> [Change] {
      func refusal(_ what: String) -> LumosError {
        LumosError(.badInput, what, at: "\(file.path), changes of \(weight)", advice: "fetch the adapter again")
      }
      var changes: [Change] = []
      if let difference = keys[.difference] ?? keys[.biasDifference] ?? keys[.modulationDifference] {
        guard let type = file.type(of: difference), type.shape.count == shape.count else {
          throw refusal("\(difference) is \(file.type(of: difference).map { "\($0)" } ?? "missing"), expected \(shape)")
        }
        changes.append(.difference(difference))
      }
      guard keys[.up] != nil || keys[.down] != nil || keys[.alpha] != nil else { return changes }
      guard let up = keys[.up], let down = keys[.down] else { throw refusal("has one factor of a product of two") }
      let rows = shape[0]
      guard let left = file.type(of: up), let right = file.type(of: down), left.shape.rank >= 2, right.shape.rank >= 2,
        rows > 0, left.shape[0] == rows, right.shape[0] > 0, left.shape.count == rows * right.shape[0],
        right.shape.count == right.shape[0] * (shape.count / rows), left.dtype.isFloat, right.dtype.isFloat
      else {
        let found = [up, down].map { file.type(of: $0).map { "\($0)" } ?? "nothing" }
        throw refusal("factors \(found[0]) and \(found[1]) do not make \(shape)")
      }
      let rank = right.shape[0]
      var factor: Float = 1
      if let key = keys[.alpha] {
        let alpha = try file.requireTensor(key)
        guard alpha.count == 1, alpha.floats()[0].isFinite else { throw refusal("\(key) is no number") }
        factor = alpha.floats()[0] / Float(rank)
      }
      changes.append(.product(up: up, down: down, rank: rank, factor: factor))
      return changes
    }
  }

  /// What a tensor of the file is.
  enum Role: Hashable {
    case up, down, alpha, difference, biasDifference, modulationDifference

    private static let endings: [(String, Role)] = [
      (".lora_A.weight", .down), (".lora_B.weight", .up), (".lora_A.default.weight", .down),
      (".lora_B.default.weight", .up), (".lora_down.weight", .down), (".lora_up.weight", .up),
      (".lora.down.weight", .down), (".lora.up.weight", .up), (".alpha", .alpha), (".diff", .difference),
      (".diff_b", .biasDifference), (".diff_m", .modulationDifference),
    ]

    /// The module that a key changes, and what of it.
    static func split(_ key: String) -> (module: String, role: Role)? {
      endings.first { key.hasSuffix($0.0) && key.utf8.count > $0.0.utf8.count }.map {
        (String(key.dropLast($0.0.count)), $0.1)
      }
    }
  }
}

/// The weights that an adapter's modules mean.
private struct ModuleNames {
  private let expected: [String: Shape]
  /// Modules by their names with underscores for points, as Kohya's trainer writes them.
  private let underscored: [String: String]

  init(_ expected: [String: Shape]) {
    self.expected = expected
    var underscored: [String: String] = [:]
    for name in expected.keys where name.hasSuffix(".weight") {
      let module = String(name.dropLast(".weight".count))
      for name in [module, TensorNaming.diffusersName(ofTransformer: module)] {
        underscored[String(name.map { $0 == "." ? "_" : $0 })] = module
      }
    }
    self.underscored = underscored
  }

  /// The published name of the weight that `role` of `module` changes; nil if the model has none.
  func weight(_ module: String, _ role: Adapter.Role) -> String? {
    var module = module[...]
    while let prefix = ["base_model.model.", "model.", "diffusion_model.", "transformer.", "unet."].first(where: {
      module.hasPrefix($0)
    }) {
      module = module.dropFirst(prefix.count)
    }
    for prefix in ["lora_unet_", "lora_transformer_"] where module.hasPrefix(prefix) {
      guard let known = underscored[String(module.dropFirst(prefix.count))] else { return nil }
      module = known[...]
    }
    let candidates: [String] =
      switch role {
      case .biasDifference: ["\(module).bias"]
      case .modulationDifference: ["\(module).modulation"]
      case .difference: ["\(module).weight", "\(module)"]
      case .up, .down, .alpha: ["\(module).weight"]
      }
    return candidates.flatMap { [$0, TensorNaming.diffusersTransformer.official($0)] }.first { expected[$0] != nil }
  }
}
