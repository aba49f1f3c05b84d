import LumosFiles
import LumosTensor

extension ModelConfiguration {
  /// The sizes that a folder of diffusers declares, in the `config.json` of `transformer`, `vae` and `text_encoder`; nil
  /// if it has none of them. Parts without one have the published sizes.
  ///
  /// - Throws: `LumosError(.badInput)` for another model (image-to-video, Wan 2.2) and for what does not fit.
  init?(diffusersFolder folder: String) throws(LumosError) {
    var sections: [JSONValue.Member] = []
    for part in Part.allCases {
      guard let names = Self.diffusersNames[part] else { continue }
      let path = "\(folder)/\(names.folder)/config.json"
      guard FileKind(path) == .file else { continue }
      let json = try JSONValue(file: path)
      for key in names.absent {
        if let value = json[key], value != .null, value != .bool(false) {
          throw LumosError(
            .badInput, "has \(key) \(value), which the text-to-video model of Wan 2.1 has not", at: path,
            advice: "use weights of Wan2.1-T2V or LumosX")
        }
      }
      sections.append(.init(part.rawValue, .object(try names.section(json, path))))
    }
    if sections.isEmpty { return nil }
    try self.init(.object(sections), file: folder)
  }

  /// How diffusers calls what `config.json` has.
  private struct DiffusersNames {
    let folder: String
    /// Our key and theirs.
    var keys: [(ours: String, theirs: String)]
    /// A width as the product of two of their keys.
    var product: (ours: String, theirs: (String, String))?
    /// Keys that only other models set.
    var absent: [String] = []

    func section(_ json: JSONValue, _ path: String) throws(LumosError) -> [JSONValue.Member] {
      var members: [JSONValue.Member] = []
      for (ours, theirs) in keys {
        if let value = json[theirs], value != .null { members.append(.init(ours, value)) }
      }
      if let product, let a = json[product.theirs.0]?.integer, let b = json[product.theirs.1]?.integer {
        let (value, overflow) = a.multipliedReportingOverflow(by: b)
        if overflow { throw LumosError(.badInput, "\(product.theirs.0) of \(a) is no size", at: path) }
        members.append(.init(product.ours, .integer(value)))
      }
      return members
    }
  }

  private static let diffusersNames: [Part: DiffusersNames] = [
    .transformer: DiffusersNames(
      folder: "transformer",
      keys: [
        ("num_heads", "num_attention_heads"), ("num_layers", "num_layers"), ("ffn_dim", "ffn_dim"),
        ("text_dim", "text_dim"), ("freq_dim", "freq_dim"), ("in_dim", "in_channels"), ("out_dim", "out_channels"),
        ("eps", "eps"), ("patch_size", "patch_size"), ("cross_attn_norm", "cross_attn_norm"),
      ],
      product: ("dim", ("num_attention_heads", "attention_head_dim")), absent: ["image_dim", "added_kv_proj_dim"]),
    .vae: DiffusersNames(
      folder: "vae",
      keys: [
        ("dim", "base_dim"), ("z_dim", "z_dim"), ("dim_mult", "dim_mult"), ("num_res_blocks", "num_res_blocks"),
        ("temperal_downsample", "temperal_downsample"), ("attn_scales", "attn_scales"),
        ("latent_mean", "latents_mean"), ("latent_std", "latents_std"),
      ], absent: ["is_residual", "patch_size", "decoder_base_dim"]),
    .umt5: DiffusersNames(
      folder: "text_encoder",
      keys: [
        ("vocab_size", "vocab_size"), ("dim", "d_model"), ("dim_ffn", "d_ff"), ("num_heads", "num_heads"),
        ("num_layers", "num_layers"), ("num_buckets", "relative_attention_num_buckets"),
        ("max_distance", "relative_attention_max_distance"), ("eps", "layer_norm_epsilon"),
      ], product: ("dim_attn", ("num_heads", "d_kv"))),
  ]
}

extension TransformerConfiguration {
  /// The sizes that a checkpoint's shapes tell; those of the published model where they tell nothing. Heads are taken to
  /// have 128 channels, as in all published sizes.
  init(shapesOf weights: CheckpointWeights) {
    self.init()
    func size(_ name: String, _ axis: Int) -> Int? {
      weights.type(ofWeight: name).flatMap { $0.shape.rank > axis && $0.shape[axis] > 0 ? $0.shape[axis] : nil }
    }
    guard let width = size("patch_embedding.weight", 0), width % 128 == 0, let inner = size("blocks.0.ffn.0.weight", 0)
    else { return }
    (self.width, heads, feedForwardWidth) = (width, width / 128, inner)
    inputChannels = size("patch_embedding.weight", 1) ?? inputChannels
    outputChannels = size("head.head.weight", 0).map { $0 / (patch * patch) } ?? outputChannels
    frequencyWidth = size("time_embedding.0.weight", 1) ?? frequencyWidth
    textWidth = size("text_embedding.0.weight", 1) ?? textWidth
    layers = (0...).first { size("blocks.\($0).ffn.0.weight", 0) == nil } ?? layers
  }
}
