import LumosTensor

/// The tensors that a checkpoint must hold, by name, for given sizes: the published key tables in one place.
public enum ExpectedTensors {
  /// The transformer's tensors (MODEL.md section 6): 825 for the published sizes.
  public static func transformer(_ sizes: TransformerConfiguration) -> [String: Shape] {
    var list = List()
    let width = sizes.width
    list["patch_embedding.weight"] = [width, sizes.inputChannels, 1, sizes.patch, sizes.patch]
    list["patch_embedding.bias"] = [width]
    list.linear("text_embedding.0", width, sizes.textWidth)
    list.linear("text_embedding.2", width, width)
    list.linear("time_embedding.0", width, sizes.frequencyWidth)
    list.linear("time_embedding.2", width, width)
    list.linear("time_projection.1", 6 * width, width)
    for layer in 0..<sizes.layers {
      let block = "blocks.\(layer)."
      list[block + "modulation"] = [1, 6, width]
      for attention in ["self_attn.", "cross_attn."] {
        for projection in ["q", "k", "v", "o"] { list.linear(block + attention + projection, width, width) }
        for norm in ["norm_q", "norm_k"] { list[block + attention + norm + ".weight"] = [width] }
      }
      list[block + "norm3.weight"] = [width]
      list[block + "norm3.bias"] = [width]
      list.linear(block + "ffn.0", sizes.feedForwardWidth, width)
      list.linear(block + "ffn.2", width, sizes.feedForwardWidth)
    }
    list["head.modulation"] = [1, 2, width]
    list.linear("head.head", sizes.outputChannels * sizes.patch * sizes.patch, width)
    return list.shapes
  }

  /// The text encoder's tensors (MODEL.md section 5): 242 for the published sizes.
  public static func umt5(_ sizes: UMT5Configuration) -> [String: Shape] {
    var list = List()
    let (width, attention, hidden) = (sizes.width, sizes.attentionWidth, sizes.feedForwardWidth)
    list["token_embedding.weight"] = [sizes.vocabulary, width]
    for layer in 0..<sizes.layers {
      let block = "blocks.\(layer)."
      list[block + "norm1.weight"] = [width]
      for projection in ["q", "k", "v"] { list[block + "attn.\(projection).weight"] = [attention, width] }
      list[block + "attn.o.weight"] = [width, attention]
      list[block + "norm2.weight"] = [width]
      list[block + "ffn.gate.0.weight"] = [hidden, width]
      list[block + "ffn.fc1.weight"] = [hidden, width]
      list[block + "ffn.fc2.weight"] = [width, hidden]
      list[block + "pos_embedding.embedding.weight"] = [sizes.buckets, sizes.heads]
    }
    list["norm.weight"] = [width]
    return list.shapes
  }

  /// The video autoencoder's tensors (MODEL.md section 11): 194 for the published sizes.
  public static func vae(_ sizes: VAEConfiguration) -> [String: Shape] {
    var list = List()
    let widths = sizes.multipliers.map { $0 * sizes.width }
    let (latent, deepest) = (sizes.latentChannels, widths[widths.count - 1])

    list.convolution("encoder.conv1", sizes.width, sizes.imageChannels, [3, 3, 3])
    var channels = sizes.width
    var index = 0
    for (level, width) in widths.enumerated() {
      for _ in 0..<sizes.residualBlocks {
        list.residual("encoder.downsamples.\(index)", channels, width)
        channels = width
        index += 1
      }
      guard level < sizes.temporalDownsampling.count else { continue }
      let name = "encoder.downsamples.\(index)"
      list.convolution(name + ".resample.1", channels, channels, [3, 3])
      if sizes.temporalDownsampling[level] { list.convolution(name + ".time_conv", channels, channels, [3, 1, 1]) }
      index += 1
    }
    list.middle("encoder.middle", deepest)
    list["encoder.head.0.gamma"] = [deepest, 1, 1, 1]
    list.convolution("encoder.head.2", 2 * latent, deepest, [3, 3, 3])
    list.convolution("conv1", 2 * latent, 2 * latent, [1, 1, 1])

    list.convolution("conv2", latent, latent, [1, 1, 1])
    list.convolution("decoder.conv1", deepest, latent, [3, 3, 3])
    list.middle("decoder.middle", deepest)
    channels = deepest
    index = 0
    let temporal = Array(sizes.temporalDownsampling.reversed())
    for (level, width) in widths.reversed().enumerated() {
      for _ in 0...sizes.residualBlocks {
        list.residual("decoder.upsamples.\(index)", channels, width)
        channels = width
        index += 1
      }
      guard level < temporal.count else { continue }
      let name = "decoder.upsamples.\(index)"
      if temporal[level] { list.convolution(name + ".time_conv", 2 * channels, channels, [3, 1, 1]) }
      list.convolution(name + ".resample.1", channels / 2, channels, [3, 3])
      channels /= 2
      index += 1
    }
    list["decoder.head.0.gamma"] = [channels, 1, 1, 1]
    list.convolution("decoder.head.2", sizes.imageChannels, channels, [3, 3, 3])
    return list.shapes
  }

  /// Shapes by name, with the model's recurring groups of tensors.
  private struct List {
    var shapes: [String: Shape] = [:]

    subscript(name: String) -> Shape? {
      get { shapes[name] }
      set { shapes[name] = newValue }
    }

    mutating func linear(_ name: String, _ outputs: Int, _ inputs: Int) {
      shapes[name + ".weight"] = [outputs, inputs]
      shapes[name + ".bias"] = [outputs]
    }

    mutating func convolution(_ name: String, _ outputs: Int, _ inputs: Int, _ kernel: [Int]) {
      shapes[name + ".weight"] = Shape([outputs, inputs] + kernel)
      shapes[name + ".bias"] = [outputs]
    }

    mutating func residual(_ name: String, _ inputs: Int, _ outputs: Int) {
      shapes[name + ".residual.0.gamma"] = [inputs, 1, 1, 1]
      convolution(name + ".residual.2", outputs, inputs, [3, 3, 3])
      shapes[name + ".residual.3.gamma"] = [outputs, 1, 1, 1]
      convolution(name + ".residual.6", outputs, outputs, [3, 3, 3])
      if inputs != outputs { convolution(name + ".shortcut", outputs, inputs, [1, 1, 1]) }
    }

    mutating func middle(_ name: String, _ channels: Int) {
      residual(name + ".0", channels, channels)
      shapes[name + ".1.norm.gamma"] = [channels, 1, 1]
      convolution(name + ".1.to_qkv", 3 * channels, channels, [1, 1])
      convolution(name + ".1.proj", channels, channels, [1, 1])
      residual(name + ".2", channels, channels)
    }
  }
}
