import LumosFiles
import LumosTensor

// The sections of `config.json`. Upper limits are far beyond any model and small enough that products of the sizes,
// which the expected shapes are, cannot overflow.
private let sizes = 1...(1 << 20)
private let epsilons = 1e-12...1e-2

extension TransformerConfiguration {
  init(_ reader: ConfigurationReader) throws(LumosError) {
    let preset = TransformerConfiguration()
    reader.noteUnknown(besides: [
      "patch_size", "text_len", "in_dim", "dim", "ffn_dim", "freq_dim", "text_dim", "out_dim", "num_heads", "head_dim",
      "num_layers", "window_size", "qk_norm", "cross_attn_norm", "eps", "self_mask_bool", "cross_mask_bool",
      "pooling_type", "pool_size", "ratio", "RoPE_shift", "rope_theta", "attention_spans",
    ])
    let width = try reader.integer("dim", preset.width, in: sizes)
    let heads = try reader.integer("num_heads", preset.heads, in: 1...1024)
    guard width % heads == 0 else {
      throw reader.refusal("num_heads", "is \(heads), which does not divide the width \(width)")
    }
    guard width / heads % 2 == 0 else {
      throw reader.refusal("num_heads", "makes heads of \(width / heads) channels, and rotary positions need pairs")
    }
    try reader.require("head_dim", .integer(width / heads))
    // What the published model has and this engine does not vary.
    try reader.require("patch_size", [1, 2, 2])
    try reader.require("window_size", [-1, -1])
    try reader.require("qk_norm", true)
    try reader.require("cross_attn_norm", true)
    try reader.require("self_mask_bool", true)
    try reader.require("cross_mask_bool", true)
    try reader.require("pooling_type", "mean")
    try reader.require("RoPE_shift", true)
    try reader.require("rope_theta", 10_000)
    let frequencyWidth = try reader.integer("freq_dim", preset.frequencyWidth, in: sizes)
    guard frequencyWidth % 2 == 0 else {
      throw reader.refusal("freq_dim", "is \(frequencyWidth), and sines and cosines come in pairs")
    }
    self.init(
      width: width, heads: heads,
      layers: try reader.integer("num_layers", preset.layers, in: 1...1024),
      feedForwardWidth: try reader.integer("ffn_dim", preset.feedForwardWidth, in: sizes),
      inputChannels: try reader.integer("in_dim", preset.inputChannels, in: 1...4096),
      outputChannels: try reader.integer("out_dim", preset.outputChannels, in: 1...4096),
      patch: preset.patch, frequencyWidth: frequencyWidth,
      textWidth: try reader.integer("text_dim", preset.textWidth, in: sizes),
      textLength: try reader.integer("text_len", preset.textLength, in: 2...65_536),
      epsilon: Float(try reader.real("eps", Double(preset.epsilon), in: epsilons)),
      relationRatio: Float(try reader.real("ratio", Double(preset.relationRatio), in: 0...1000)),
      relationPool: try reader.integer("pool_size", preset.relationPool, in: 1...1024))
  }
}

extension UMT5Configuration {
  init(_ reader: ConfigurationReader, textLength: Int) throws(LumosError) {
    let preset = UMT5Configuration()
    reader.noteUnknown(besides: [
      "vocab_size", "dim", "dim_attn", "dim_ffn", "num_heads", "encoder_layers", "num_layers", "num_buckets",
      "max_distance", "shared_pos", "eps",
    ])
    try reader.require("shared_pos", false)
    let attentionWidth = try reader.integer("dim_attn", preset.attentionWidth, in: sizes)
    let heads = try reader.integer("num_heads", preset.heads, in: 1...1024)
    guard attentionWidth % heads == 0 else {
      throw reader.refusal("num_heads", "is \(heads), which does not divide dim_attn \(attentionWidth)")
    }
    let buckets = try reader.integer("num_buckets", preset.buckets, in: 4...4096)
    guard buckets % 4 == 0 else {
      throw reader.refusal("num_buckets", "is \(buckets), which is no multiple of 4")
    }
    let maxDistance = try reader.integer("max_distance", preset.maxDistance, in: sizes)
    guard maxDistance > buckets / 4 else {
      throw reader.refusal("max_distance", "is \(maxDistance), expected more than num_buckets / 4 = \(buckets / 4)")
    }
    let layersKey = reader.has("num_layers") ? "num_layers" : "encoder_layers"
    self.init(
      vocabulary: try reader.integer("vocab_size", preset.vocabulary, in: 1...(1 << 24)),
      width: try reader.integer("dim", preset.width, in: sizes), attentionWidth: attentionWidth, heads: heads,
      layers: try reader.integer(layersKey, preset.layers, in: 1...1024),
      feedForwardWidth: try reader.integer("dim_ffn", preset.feedForwardWidth, in: sizes), buckets: buckets,
      maxDistance: maxDistance, textLength: textLength,
      epsilon: Float(try reader.real("eps", Double(preset.epsilon), in: epsilons)))
  }
}

extension VAEConfiguration {
  init(_ reader: ConfigurationReader) throws(LumosError) {
    let preset = VAEConfiguration()
    reader.noteUnknown(besides: [
      "dim", "z_dim", "dim_mult", "num_res_blocks", "temperal_downsample", "attn_scales", "stride", "latent_mean",
      "latent_std",
    ])
    try reader.require("attn_scales", [])
    let multipliers = try reader.integers("dim_mult", preset.multipliers, in: 1...64)
    guard (1...8).contains(multipliers.count) else {
      throw reader.refusal("dim_mult", "has \(multipliers.count) levels, expected 1 to 8")
    }
    let temporal = try reader.booleans("temperal_downsample", preset.temporalDownsampling)
    guard temporal.count == multipliers.count - 1 else {
      throw reader.refusal(
        "temperal_downsample", "has \(temporal.count) entries, expected one between each two of dim_mult's levels")
    }
    let width = try reader.integer("dim", preset.width, in: 1...65_536)
    // Upsampling halves the channels and the next level starts from that half.
    guard multipliers.dropFirst().allSatisfy({ $0 * width % 2 == 0 }) else {
      throw reader.refusal("dim", "is \(width), and upsampling halves a level's odd number of channels")
    }
    let channels = try reader.integer("z_dim", preset.latentChannels, in: 1...4096)
    let mean = try reader.reals("latent_mean", preset.latentMean)
    let deviation = try reader.reals("latent_std", preset.latentDeviation)
    for (key, list) in [("latent_mean", mean), ("latent_std", deviation)] where list.count != channels {
      throw reader.refusal(key, "has \(list.count) numbers for \(channels) latent channels")
    }
    guard deviation.allSatisfy({ $0 > 0 }) else {
      throw reader.refusal("latent_std", "holds a number that is not positive")
    }
    self.init(
      width: width, multipliers: multipliers,
      residualBlocks: try reader.integer("num_res_blocks", preset.residualBlocks, in: 1...64),
      temporalDownsampling: temporal, latentMean: mean, latentDeviation: deviation)
    try reader.require("stride", [.integer(temporalFactor), .integer(spatialFactor), .integer(spatialFactor)])
  }
}

extension SamplingConfiguration {
  init(_ reader: ConfigurationReader, vae: VAEConfiguration, patch: Int) throws(LumosError) {
    self.init()
    reader.noteUnknown(besides: [
      "height", "width", "frames", "fps", "solver", "num_train_timesteps", "steps", "shift", "cfg", "negative_prompt",
      "seed",
    ])
    try reader.require("solver", "dpm-solver++ 2M flow")
    try reader.require("num_train_timesteps", 1000)
    let multiple = vae.spatialFactor * patch
    height = try reader.integer("height", height, in: 1...16_384)
    width = try reader.integer("width", width, in: 1...16_384)
    for (key, extent) in [("height", height), ("width", width)] where extent % multiple != 0 {
      throw reader.refusal(key, "is \(extent), which is no multiple of \(multiple)")
    }
    frames = try reader.integer("frames", frames, in: 1...65_536)
    guard (frames - 1) % vae.temporalFactor == 0 else {
      throw reader.refusal("frames", "is \(frames), expected 1 more than a multiple of \(vae.temporalFactor)")
    }
    framesPerSecond = try reader.integer("fps", framesPerSecond, in: 1...1000)
    steps = try reader.integer("steps", steps, in: 1...1000)
    shift = try reader.real("shift", shift, in: 1e-3...1e3)
    guidance = Float(try reader.real("cfg", Double(guidance), in: -1e3...1e3))
    negativePrompt = try reader.text("negative_prompt", negativePrompt)
    seed = UInt64(try reader.integer("seed", Int(seed), in: 0...Int.max))
  }
}
