import LumosOps
import LumosTensor

extension Attention: OpCases {
  public static var cases: [OpCase] {
    spanCases + relationCases + relativePositionCases + lastKeyCases + halfCases + benchmarkCases
  }

  /// A case with normal queries, keys and values, of type `inputs`, and the usual scale.
  private static func make(
    _ name: String, queries: Int, keys: Int, heads: Int, size: Int, spans: [Span]? = nil, bias: Bias = .none,
    biasInput: [OpCase.Input] = [], scale: Float? = nil, lastKeyCount: Int = 1, inputs: DType = .f32,
    to result: DType = .f32, dtype: DType = .f32, purpose: OpCase.Purpose = .parity
  ) -> OpCase {
    let width = heads * size
    let last = lastKeyCount == 1 ? "" : ", last key \(lastKeyCount) times"
    let type = (inputs == .f32 ? "" : " of \(inputs.rawValue)") + (result == .f32 ? "" : " to \(result.rawValue)")
    return OpCase(
      "\(name), \(queries) x \(keys), \(heads) x \(size)\(type)\(last)",
      Attention(
        heads: heads, scale: scale ?? 1 / Float(size).squareRoot(),
        spans: spans ?? [Span(queries: 0..<queries, keys: 0..<keys)], bias: bias, lastKeyCount: lastKeyCount,
        dtype: result),
      [.init([queries, width], inputs), .init([keys, width], inputs), .init([keys, width], inputs)] + biasInput,
      dtype: dtype,
      purpose: purpose)
  }

  /// Spans as relational self-attention has them: video tokens see all, each group of conditions sees itself.
  private static func groups(video: Int, _ conditions: [Int]) -> [Span] {
    var spans = [Span(queries: 0..<video, keys: 0..<video + conditions.reduce(0, +))]
    for length in conditions {
      let start = spans[spans.count - 1].queryEnd
      spans.append(Span(queries: start..<start + length, keys: start..<start + length))
    }
    return spans
  }

  private static var spanCases: [OpCase] {
    // Gaps before, between and behind the spans, spans shorter than a tile, one without keys, overlapping key ranges.
    let gaps = [
      Span(queries: 3..<4, keys: 0..<71), Span(queries: 4..<9, keys: 70..<71), Span(queries: 20..<57, keys: 7..<60),
      Span(queries: 60..<66, keys: 9..<9), Span(queries: 66..<79, keys: 1..<3),
    ]
    return [
      make("groups", queries: 117, keys: 117, heads: 1, size: 128, spans: groups(video: 60, [17, 40])),
      make("groups of one and two", queries: 95, keys: 95, heads: 2, size: 40, spans: groups(video: 65, [10, 20])),
      make("gaps", queries: 83, keys: 71, heads: 3, size: 16, spans: gaps),
      make("gaps", queries: 83, keys: 71, heads: 1, size: 128, spans: gaps),
      make("no spans", queries: 5, keys: 7, heads: 2, size: 16, spans: []),
      make("no keys", queries: 5, keys: 0, heads: 2, size: 16),
      make("no queries", queries: 0, keys: 7, heads: 2, size: 16),
      make("one query, one key", queries: 1, keys: 1, heads: 1, size: 64),
      make("one query", queries: 1, keys: 331, heads: 2, size: 64),
      make("one key", queries: 67, keys: 1, heads: 2, size: 64),
      make("one tile", queries: 64, keys: 64, heads: 1, size: 64),
      make("tails of one", queries: 129, keys: 129, heads: 1, size: 32),
      make("tails of tiles", queries: 63, keys: 127, heads: 2, size: 32),
      make("small head", queries: 37, keys: 29, heads: 5, size: 4),
      make("odd head", queries: 19, keys: 23, heads: 3, size: 5),
      make("head of three groups", queries: 37, keys: 41, heads: 2, size: 12),
      make(
        "frames", queries: 70, keys: 70, heads: 1, size: 384,
        spans: [Span(queries: 0..<35, keys: 0..<35), Span(queries: 35..<70, keys: 35..<70)]),
      make("widest head", queries: 18, keys: 35, heads: 1, size: 512),
      sharp,
    ]
  }

  /// Scores up to ±10 000 that float32 holds exactly (products of integers), so that what is seen is the softmax.
  private static var sharp: OpCase {
    let (queries, keys, size) = (45, 77, 16)
    var random = SplitMix64(seed: 10_000)
    // The first row is all 25, the second all -25: the extremes.
    func integers(_ count: Int) -> OpCase.Fill {
      .values((0..<count).map { $0 < size ? 25 : $0 < 2 * size ? -25 : Float(Int(random.next() % 51) - 25) })
    }
    return OpCase(
      "scores up to 10000", Attention(heads: 1, scale: 1, spans: [Span(queries: 0..<queries, keys: 0..<keys)]),
      [
        .init([queries, size], .f32, integers(queries * size)), .init([keys, size], .f32, integers(keys * size)),
        .init([keys, size]),
      ])
  }

  /// Cross-attention of `cells` to `keys` text keys.
  private static func relation(
    _ name: String, _ cells: RelationCells, keys: Int, heads: Int, size: Int, spans: [Span]? = nil,
    lastKeyCount: Int = 1, inputs: DType = .f32, purpose: OpCase.Purpose = .parity
  ) -> OpCase {
    make(
      "relation, \(name)", queries: cells.firstToken + cells.images * cells.area, keys: keys, heads: heads, size: size,
      spans: spans, bias: .relation(cells),
      biasInput: [
        .init([cells.images * cells.cellsPerImage, heads, keys], .f32, .uniform(lower: -1, upper: 2))
      ], lastKeyCount: lastKeyCount, inputs: inputs, purpose: purpose)
  }

  private static var relationCases: [OpCase] {
    [
      relation(
        "6x10", RelationCells(firstToken: 11, images: 2, height: 6, width: 10), keys: 23, heads: 3, size: 16),
      relation(
        "3x13, conditions only", RelationCells(firstToken: 0, images: 3, height: 3, width: 13), keys: 65, heads: 2,
        size: 16),
      relation(
        "9x8, keys cut", RelationCells(firstToken: 5, images: 1, height: 9, width: 8), keys: 31, heads: 2, size: 16,
        spans: [Span(queries: 2..<70, keys: 3..<29)]),
      relation(
        "9x20", RelationCells(firstToken: 7, images: 1, height: 9, width: 20), keys: 37, heads: 1, size: 16),
      relation(
        "cells of 4", RelationCells(firstToken: 3, images: 2, height: 5, width: 7, pool: 4), keys: 19, heads: 1,
        size: 16),
      relation(
        "no images", RelationCells(firstToken: 13, images: 0, height: 6, width: 10), keys: 17, heads: 2, size: 16),
      relation(
        "6x10", RelationCells(firstToken: 3, images: 1, height: 6, width: 10), keys: 70, heads: 1, size: 128),
    ]
  }

  /// Encoder self-attention of `positions`, of which the first `keys` are seen.
  private static func relativePosition(
    _ name: String, _ positions: Int, keys: Int, heads: Int, size: Int, _ dtype: DType,
    buckets: RelativeBuckets = RelativeBuckets(), lastKeyCount: Int = 1, inputs: DType = .f32,
    purpose: OpCase.Purpose = .parity
  ) -> OpCase {
    make(
      "relative position, \(name), \(dtype.rawValue)", queries: positions, keys: positions, heads: heads, size: size,
      spans: [Span(queries: 0..<positions, keys: 0..<keys)], bias: .relativePosition(buckets),
      biasInput: [.init([buckets.count, heads], dtype)], lastKeyCount: lastKeyCount, inputs: inputs,
      dtype: dtype, purpose: purpose)
  }

  private static var relativePositionCases: [OpCase] {
    [DType.f32, .f16, .bf16].flatMap { dtype in
      [
        relativePosition("200 keys", 300, keys: 200, heads: 1, size: 16, dtype),
        relativePosition("short", 13, keys: 11, heads: 3, size: 16, dtype),
        relativePosition("alone", 1, keys: 1, heads: 2, size: 16, dtype),
      ]
    } + [
      relativePosition(
        "8 buckets to 20", 50, keys: 50, heads: 3, size: 16, .f32, buckets: RelativeBuckets(count: 8, maxDistance: 20))
    ]
  }

  /// The last key stands for several, as folded text padding does. It is first, in the middle and last of a step,
  /// alone, and outside of some spans.
  private static var lastKeyCases: [OpCase] {
    let spans = [
      Span(queries: 0..<7, keys: 0..<71), Span(queries: 7..<20, keys: 0..<70), Span(queries: 22..<31, keys: 70..<71),
      Span(queries: 31..<50, keys: 64..<71), Span(queries: 50..<53, keys: 71..<71),
    ]
    let cells = RelationCells(firstToken: 11, images: 2, height: 6, width: 10)
    return [1, 64, 65, 128, 129].map { make("folded", queries: 37, keys: $0, heads: 2, size: 16, lastKeyCount: 490) }
      + [
        make("folded", queries: 83, keys: 71, heads: 3, size: 16, spans: spans, lastKeyCount: 3),
        make("folded", queries: 67, keys: 33, heads: 1, size: 128, lastKeyCount: 480),
        make("folded", queries: 5, keys: 0, heads: 2, size: 16, lastKeyCount: 5),
        relation("folded", cells, keys: 23, heads: 3, size: 16, lastKeyCount: 490),
        relation(
          "folded", cells, keys: 37, heads: 2, size: 16,
          spans: [Span(queries: 2..<70, keys: 3..<37), Span(queries: 70..<131, keys: 0..<36)], lastKeyCount: 476),
        relation(
          "folded, no images", RelationCells(firstToken: 13, images: 0, height: 6, width: 10), keys: 17, heads: 2,
          size: 16, lastKeyCount: 9),
        relativePosition("folded", 50, keys: 50, heads: 3, size: 16, .f32, lastKeyCount: 7),
        relativePosition("folded", 200, keys: 130, heads: 1, size: 16, .bf16, lastKeyCount: 7),
      ]
  }

  /// q, k and v in half types, with every kind of bias, at the model's head sizes and at awkward ones.
  private static var halfCases: [OpCase] {
    let gaps = [
      Span(queries: 3..<4, keys: 0..<71), Span(queries: 4..<9, keys: 70..<71), Span(queries: 20..<57, keys: 7..<60),
      Span(queries: 60..<66, keys: 9..<9), Span(queries: 66..<79, keys: 1..<3),
    ]
    let cells = RelationCells(firstToken: 11, images: 2, height: 6, width: 10)
    return [DType.f16, .bf16].flatMap { dtype in
      [
        make(
          "groups", queries: 117, keys: 117, heads: 1, size: 128, spans: groups(video: 60, [17, 40]), inputs: dtype),
        make("gaps", queries: 83, keys: 71, heads: 3, size: 32, spans: gaps, inputs: dtype),
        make("gaps", queries: 83, keys: 71, heads: 3, size: 32, spans: gaps, inputs: dtype, to: dtype),
        make("odd head", queries: 19, keys: 23, heads: 3, size: 5, to: dtype),
        make("no spans", queries: 5, keys: 7, heads: 2, size: 32, spans: [], inputs: dtype),
        make("one query, one key", queries: 1, keys: 1, heads: 1, size: 64, inputs: dtype),
        make("one key", queries: 67, keys: 1, heads: 2, size: 64, inputs: dtype),
        make("one tile", queries: 64, keys: 64, heads: 1, size: 64, inputs: dtype),
        make("tails of tiles", queries: 129, keys: 127, heads: 2, size: 32, inputs: dtype),
        make("odd head", queries: 19, keys: 23, heads: 3, size: 5, inputs: dtype),
        make("widest head", queries: 18, keys: 35, heads: 1, size: 512, inputs: dtype),
        make("large scores", queries: 70, keys: 200, heads: 2, size: 64, scale: 4, inputs: dtype),
        make("folded", queries: 67, keys: 33, heads: 1, size: 128, lastKeyCount: 480, inputs: dtype),
        relation("6x10", cells, keys: 70, heads: 2, size: 128, inputs: dtype),
        relation(
          "folded", cells, keys: 37, heads: 2, size: 32,
          spans: [Span(queries: 2..<70, keys: 3..<37), Span(queries: 70..<131, keys: 0..<36)], lastKeyCount: 476,
          inputs: dtype),
        relativePosition("200 keys", 300, keys: 200, heads: 1, size: 64, dtype, inputs: dtype),
      ]
    }
  }

  private static var benchmarkCases: [OpCase] {
    // 480x832, 81 frames: 21 latent frames and 7 condition images of 30 x 52 tokens: two alone, groups of 2 and 3.
    let area = 1560
    let spans = groups(video: 21 * area, [area, area, 2 * area, 3 * area])
    return [
      make(
        "self-attention 480x832x81, 7 conditions", queries: 28 * area, keys: 28 * area, heads: 12, size: 128,
        spans: spans, purpose: .benchmark),
      make(
        "self-attention 480x832x17, 2 conditions", queries: 7 * area, keys: 7 * area, heads: 12, size: 128,
        spans: groups(video: 5 * area, [area, area]), purpose: .benchmark),
      relation(
        "cross-attention 480x832x81, 7 conditions",
        RelationCells(firstToken: 21 * area, images: 7, height: 30, width: 52), keys: 512, heads: 12, size: 128,
        purpose: .benchmark),
      relation(
        "cross-attention 480x832x81, 7 conditions, text of 100",
        RelationCells(firstToken: 21 * area, images: 7, height: 30, width: 52), keys: 101, heads: 12, size: 128,
        lastKeyCount: 412, purpose: .benchmark),
      relativePosition("text encoder", 512, keys: 512, heads: 64, size: 64, .bf16, purpose: .benchmark),
      make(
        "self-attention 480x832x81, 7 conditions", queries: 28 * area, keys: 28 * area, heads: 12, size: 128,
        spans: spans, inputs: .f16, to: .f16, purpose: .benchmark),
      make("VAE 480x832, one frame", queries: 6240, keys: 6240, heads: 1, size: 384, purpose: .benchmark),
    ]
  }
}
