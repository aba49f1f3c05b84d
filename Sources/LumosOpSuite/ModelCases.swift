import LumosOps
import LumosTensor

/// Benchmark cases at the sizes of the published model: width 1536, 12 heads of 128, feed-forward 8960, 21 latent
/// frames.
///
/// They differ from the tables of `Cases/` in that they are made for any size, so that a slow device can measure a
/// part.
public enum ModelCases {
  /// The types that products are made in.
  private static let types: [DType] = [.f16, .bf16, .f32]

  /// All of them: the sizes in the order of `ModelSize.all`, and what takes longest first within a size.
  /// - Parameter scale: number of pixels of a frame relative to the model's.
  public static func all(scale: Double = 1) -> [OpCase] {
    let names = scale == 1 ? "" : " at scale \(scaleName(scale))"
    var cases: [OpCase] = []
    for size in ModelSize.all {
      let small = size.scaled(by: scale)
      cases += transformer(small, size.name + names)
      if size.conditions == 7 {
        cases += rows(small, size.name + names) + autoencoder(small, "\(size.height)x\(size.width)\(names)")
      }
    }
    return cases
  }

  /// `"1/64"` where that is what it is.
  static func scaleName(_ scale: Double) -> String {
    let inverse = (1 / scale).rounded()
    return inverse > 1 && abs(inverse * scale - 1) < 1e-12 ? "1/\(Int(inverse))" : "\(scale)"
  }

  // MARK: - Transformer

  private static let (width, hidden, heads) = (1536, 8960, 12)

  private static func transformer(_ size: ModelSize, _ name: String) -> [OpCase] {
    types.flatMap { type in
      selfAttention(size, name, type) + products(size, name, type) + crossAttention(size, name, type)
    }
  }

  private static func attention(_ type: DType, queries: Int, keys: Int) -> [OpCase.Input] {
    [.init([queries, width], type), .init([keys, width], type), .init([keys, width], type)]
  }

  private static func selfAttention(_ size: ModelSize, _ name: String, _ type: DType) -> [OpCase] {
    let op = Attention(heads: heads, scale: 1 / Float(128).squareRoot(), spans: size.spans)
    return [
      OpCase(
        "self-attention, \(name), \(type.rawValue)", op,
        attention(type, queries: size.tokens, keys: size.tokens), dtype: type, purpose: .benchmark)
    ]
  }

  /// With a text of 100 tokens, padding folded into one key.
  private static func crossAttention(_ size: ModelSize, _ name: String, _ type: DType) -> [OpCase] {
    let keys = 101
    let cells = RelationCells(
      firstToken: size.videoTokens, images: size.conditions, height: size.height / 16, width: size.width / 16)
    let op = Attention(
      heads: heads, scale: 1 / Float(128).squareRoot(),
      spans: [Attention.Span(queries: 0..<size.tokens, keys: 0..<keys)], bias: .relation(cells), lastKeyCount: 412)
    let bias = OpCase.Input(
      [cells.images * cells.cellsPerImage, heads, keys], .f32, .uniform(lower: -1, upper: 2))
    return [
      OpCase(
        "cross-attention, \(name), \(type.rawValue)", op,
        attention(type, queries: size.tokens, keys: keys) + [bias], dtype: type, purpose: .benchmark)
    ]
  }

  private static func products(_ size: ModelSize, _ name: String, _ type: DType) -> [OpCase] {
    let tokens = size.tokens
    func weight(_ outputs: Int, _ inputs: Int) -> OpCase.Input {
      .init([outputs, inputs], type, .normal(deviation: 1 / Float(inputs).squareRoot()))
    }
    func linear(
      _ what: String, _ inputs: Int, _ outputs: Int, _ epilogue: Linear.Epilogue, _ operands: [OpCase.Input] = []
    ) -> OpCase {
      OpCase(
        "\(what), \(name), \(type.rawValue)", Linear(epilogue: epilogue),
        [.init([tokens, inputs], type), weight(outputs, inputs), .init([outputs])] + operands, dtype: type,
        purpose: .benchmark)
    }
    let residual = OpCase.Input([tokens, width])
    let table = OpCase.Input([6, width])
    let three = Array(repeating: weight(width, width), count: 3) + Array(repeating: OpCase.Input([width]), count: 3)
    return [
      linear("feed forward in", width, hidden, .activation(.geluTanh)),
      linear("feed forward out", hidden, width, .gatedAdd(gateRow: 5), [residual, table]),
      OpCase(
        "query, key and value, \(name), \(type.rawValue)", MultiLinear(count: 3),
        [.init([tokens, width], type)] + three, dtype: type, purpose: .benchmark),
      linear("attention projection", width, width, .gatedAdd(gateRow: 2), [residual, table]),
      linear("cross-attention projection", width, width, .add, [residual]),
    ]
  }

  /// What only moves the tokens.
  private static func rows(_ size: ModelSize, _ name: String) -> [OpCase] {
    let x = OpCase.Input([size.tokens, width])
    let angles = OpCase.Input([size.tokens, 64], .f32, .uniform(lower: -1, upper: 1))
    return [
      OpCase(
        "modulated, \(name)", LayerNorm(epsilon: 1e-6, modulation: Modulate(shiftRow: 0, scaleRow: 1)),
        [x, .init([6, width])], purpose: .benchmark),
      OpCase(
        "with rotary, \(name)", RMSNorm(epsilon: 1e-6, rotary: Rotary(heads: heads)),
        [x, .init([width]), angles, angles], purpose: .benchmark),
      OpCase("attention's result, \(name)", GatedAdd(gateRow: 2), [x, x, .init([6, width])], purpose: .benchmark),
      OpCase("residual, \(name)", Elementwise(.add), [x, x], purpose: .benchmark),
    ]
  }

  // MARK: - Video autoencoder

  /// The decoder, one latent frame at a time: its convolutions from the deepest level up, the norms and the attention.
  private static func autoencoder(_ size: ModelSize, _ name: String) -> [OpCase] {
    let (height, width) = (size.height / 8, size.width / 8)
    let residual = Conv3D(padding: Conv3D.Padding(leading: 1, trailing: 1), addsResidual: true)
    let doubled = Conv3D(padding: Conv3D.Padding(leading: 1, trailing: 1), upsamples: true)
    var cases: [OpCase] = []
    for type in types {
      func convolution(
        _ what: String, _ op: Conv3D, _ x: Shape, _ outputs: Int, _ kernel: [Int], history: Int
      ) -> OpCase {
        let weight = Shape([outputs] + kernel + [x[3]])
        var inputs: [OpCase.Input] = [
          .init(x, type), .init(weight, type, .normal(deviation: 1 / Float(weight.rowCount).squareRoot())),
          .init([outputs]),
        ]
        if history > 0 { inputs.append(.init([history, x[1], x[2], x[3]], type)) }
        if op.addsResidual { inputs.append(.init([x[0], x[1], x[2], outputs])) }
        return OpCase("\(what), \(name), \(type.rawValue)", op, inputs, dtype: type, purpose: .benchmark)
      }
      let threes = [3, 3, 3]
      cases += [
        convolution("384 channels, first level", residual, [1, height, width, 384], 384, threes, history: 2),
        convolution(
          "384 channels, second level", residual, [2, 2 * height, 2 * width, 384], 384, threes, history: 2),
        convolution("192 channels, third level", residual, [1, 4 * height, 4 * width, 192], 192, threes, history: 2),
        convolution("96 channels, last level", residual, [1, 8 * height, 8 * width, 96], 96, threes, history: 2),
        convolution(
          "192 to 96 channels, upsampling", doubled, [1, 4 * height, 4 * width, 192], 96, [1, 3, 3], history: 0),
      ]
    }
    cases += [
      OpCase(
        "silu to f16, \(name)", ChannelNorm(activation: .silu, dtype: .f16),
        [.init([1, 8 * height, 8 * width, 96]), .init([96])], purpose: .benchmark),
      OpCase(
        "one frame of the autoencoder, \(name)",
        Attention(
          heads: 1, scale: 1 / Float(384).squareRoot(),
          spans: [Attention.Span(queries: 0..<height * width, keys: 0..<height * width)]),
        Array(repeating: OpCase.Input([height * width, 384]), count: 3), purpose: .benchmark),
    ]
    return cases
  }
}

extension OpCase {
  /// The case with about `scale` times as many rows, where its op works row by row; nil where it does not.
  public func scaled(by scale: Double) -> OpCase? {
    guard let rowed = op.rowInputs(inputs.map(\.type)), !rowed.isEmpty else { return nil }
    let inputs = inputs.enumerated().map { index, input -> Input in
      guard rowed.contains(index) else { return input }
      let rows = max(1, Int((Double(input.type.shape[0]) * scale).rounded()))
      return Input(Shape([rows] + input.type.shape.dimensions.dropFirst()), input.type.dtype, input.fill)
    }
    // Exact contents belong to the whole.
    for input in inputs {
      if case .values(let values) = input.fill, values.count != input.type.shape.count { return nil }
    }
    return OpCase("\(name) at scale \(ModelCases.scaleName(scale))", op, inputs, dtype: dtype, purpose: purpose)
  }
}
