/// How a checkpoint names its tensors: as the published files do, or as the libraries do that publish them again
/// (MODEL.md section 13).
///
/// A naming turns keys of the checkpoint into the published names, by which the model asks for its weights.
public enum TensorNaming: String, Sendable, CaseIterable {
  /// The published names, which ComfyUI keeps.
  case official
  /// `WanTransformer3DModel` of diffusers.
  case diffusersTransformer = "diffusers transformer"
  /// `AutoencoderKLWan` of diffusers.
  case diffusersVAE = "diffusers autoencoder"
  /// `UMT5EncoderModel` of transformers, which ComfyUI keeps.
  case transformersUMT5 = "transformers text encoder"
  /// A T5 encoder in llama.cpp's words, as GGUF files have it.
  case llamaUMT5 = "llama.cpp text encoder"

  /// The naming that `keys` follow, by a key that each of them has and no other.
  public init(of keys: [String]) {
    let found = TensorNaming.allCases.first { naming in
      naming.mark.map { mark in keys.contains { $0.hasPrefix(mark) } } ?? false
    }
    self = found ?? .official
  }

  private var mark: String? {
    switch self {
    case .official: nil
    case .diffusersTransformer: "condition_embedder."
    case .diffusersVAE: "post_quant_conv."
    case .transformersUMT5: "encoder.block."
    case .llamaUMT5: "enc.blk."
    }
  }

  /// The published name of a key; the key itself where there is no other.
  ///
  /// - Parameter decoderLayers: of an autoencoder, how many layers a level of its decoder has (`decoderLayers(of:)`).
  func official(_ key: String, decoderLayers: Int = 4) -> String {
    switch self {
    case .official: key
    case .diffusersTransformer: Self.transformer(key)
    case .diffusersVAE: Self.vae(key, decoderLayers: decoderLayers)
    case .transformersUMT5: Self.umt5(key)
    case .llamaUMT5: Self.llamaUMT5(key)
    }
  }

  /// Layers in a level of the decoder, its upsampling included: the published names count them through.
  static func decoderLayers(of keys: [String]) -> Int {
    let residual = keys.compactMap { key -> Int? in
      let parts = key.split(separator: ".")
      guard parts.count > 4, parts[0] == "decoder", parts[1] == "up_blocks", parts[3] == "resnets" else { return nil }
      return Int(parts[4]).flatMap { (0..<1 << 20).contains($0) ? $0 : nil }
    }
    return 2 + (residual.max() ?? 2)
  }

  // MARK: - Tables

  /// Replaces the first beginning of `key` that the table has.
  private static func replacingStart(_ key: Substring, _ table: [(from: String, to: String)]) -> String? {
    table.first { key.hasPrefix($0.from) }.map { $0.to + key.dropFirst($0.from.count) }
  }

  /// A key's first part, its index and the rest: `blocks`, `3` and `norm3.bias` of `blocks.3.norm3.bias`.
  private static func indexed(_ key: Substring, _ start: String) -> (index: Int, rest: Substring)? {
    guard key.hasPrefix(start) else { return nil }
    let parts = key.dropFirst(start.count).split(separator: ".", maxSplits: 1)
    guard parts.count == 2, let index = Int(parts[0]), index >= 0, index < 1 << 20 else { return nil }
    return (index, parts[1])
  }

  private static func transformer(_ key: String) -> String {
    if let (index, rest) = indexed(key[...], "blocks.") {
      return "blocks.\(index)." + (replacingStart(rest, blockTable) ?? String(rest))
    }
    return replacingStart(key[...], transformerTable) ?? key
  }

  /// What diffusers calls a module of the transformer: `blocks.0.attn1.to_q` for `blocks.0.self_attn.q`.
  static func diffusersName(ofTransformer module: String) -> String {
    func back(_ name: String, _ table: [(from: String, to: String)]) -> String {
      let match = table.first { (name + ".").hasPrefix($0.to) && $0.to.hasSuffix(".") }
      return match.map { String(($0.from + (name + ".").dropFirst($0.to.count)).dropLast()) } ?? name
    }
    guard let (index, rest) = indexed(module[...], "blocks.") else { return back(module, transformerTable) }
    return "blocks.\(index)." + back(String(rest), blockTable)
  }

  private static let transformerTable: [(from: String, to: String)] = [
    (from: "condition_embedder.time_embedder.linear_1.", to: "time_embedding.0."),
    ("condition_embedder.time_embedder.linear_2.", "time_embedding.2."),
    ("condition_embedder.text_embedder.linear_1.", "text_embedding.0."),
    ("condition_embedder.text_embedder.linear_2.", "text_embedding.2."),
    ("condition_embedder.time_proj.", "time_projection.1."),
    ("scale_shift_table", "head.modulation"), ("proj_out.", "head.head."),
  ]

  private static let blockTable: [(from: String, to: String)] = {
    // The third norm of one is the second of the other; the rest have no weights.
    var table = [
      (from: "scale_shift_table", to: "modulation"), ("norm2.", "norm3."), ("ffn.net.0.proj.", "ffn.0."),
      ("ffn.net.2.", "ffn.2."),
    ]
    for (from, to) in [("attn1.", "self_attn."), ("attn2.", "cross_attn.")] {
      table.append((from: from + "to_out.0.", to: to + "o."))
      for role in ["q.", "k.", "v."] { table.append((from: from + "to_" + role, to: to + role)) }
      table.append((from: from, to: to))
    }
    return table
  }()

  private static func vae(_ key: String, decoderLayers: Int) -> String {
    if let known = replacingStart(key[...], [("quant_conv.", "conv1."), ("post_quant_conv.", "conv2.")]) {
      return known
    }
    for coder in ["encoder.", "decoder."] where key.hasPrefix(coder) {
      let rest = key.dropFirst(coder.count)
      if let known = replacingStart(rest, coderTable) { return coder + known }
      if let (layer, part) = indexed(rest, "mid_block.resnets.") {
        return "\(coder)middle.\(2 * layer)." + residual(part)
      }
      if let (layer, part) = indexed(rest, "down_blocks.") { return "\(coder)downsamples.\(layer)." + residual(part) }
      guard let (level, layer) = indexed(rest, "up_blocks.") else { continue }
      let first = level * decoderLayers
      if let (index, part) = indexed(layer, "resnets.") {
        return "\(coder)upsamples.\(first + index)." + residual(part)
      }
      if let (_, part) = indexed(layer, "upsamplers.") {
        return "\(coder)upsamples.\(first + decoderLayers - 1).\(part)"
      }
    }
    return key
  }

  private static let coderTable: [(from: String, to: String)] = [
    (from: "conv_in.", to: "conv1."), ("norm_out.", "head.0."), ("conv_out.", "head.2."),
    ("mid_block.attentions.0.", "middle.1."),
  ]

  /// A part of a residual layer.
  private static func residual(_ part: Substring) -> String {
    replacingStart(
      part,
      [
        ("norm1.", "residual.0."), ("conv1.", "residual.2."), ("norm2.", "residual.3."), ("conv2.", "residual.6."),
        ("conv_shortcut.", "shortcut."),
      ]) ?? String(part)
  }

  private static func umt5(_ key: String) -> String {
    if let (index, rest) = indexed(key[...], "encoder.block.") {
      return "blocks.\(index)." + (replacingStart(rest, encoderTable) ?? String(rest))
    }
    return replacingStart(
      key[...],
      [
        ("shared.", "token_embedding."), ("encoder.embed_tokens.", "token_embedding."),
        ("encoder.final_layer_norm.", "norm."),
      ]) ?? key
  }

  private static func llamaUMT5(_ key: String) -> String {
    if let (index, rest) = indexed(key[...], "enc.blk.") {
      return "blocks.\(index)." + (replacingStart(rest, llamaTable) ?? String(rest))
    }
    return replacingStart(key[...], [("token_embd.", "token_embedding."), ("enc.output_norm.", "norm.")]) ?? key
  }

  private static let llamaTable: [(from: String, to: String)] = [
    (from: "attn_rel_b.", to: "pos_embedding.embedding."), ("attn_q.", "attn.q."), ("attn_k.", "attn.k."),
    ("attn_v.", "attn.v."), ("attn_o.", "attn.o."), ("attn_norm.", "norm1."), ("ffn_gate.", "ffn.gate.0."),
    ("ffn_up.", "ffn.fc1."), ("ffn_down.", "ffn.fc2."), ("ffn_norm.", "norm2."),
  ]

  private static let encoderTable: [(from: String, to: String)] = [
    (from: "layer.0.SelfAttention.relative_attention_bias.", to: "pos_embedding.embedding."),
    ("layer.0.SelfAttention.", "attn."), ("layer.0.layer_norm.", "norm1."),
    ("layer.1.DenseReluDense.wi_0.", "ffn.gate.0."), ("layer.1.DenseReluDense.wi_1.", "ffn.fc1."),
    ("layer.1.DenseReluDense.wo.", "ffn.fc2."), ("layer.1.layer_norm.", "norm2."),
  ]
}
