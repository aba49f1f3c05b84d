import LumosTensor

/// Multi-head attention over spans: every query sees exactly one contiguous range of keys.
///
/// Inputs q `[Lq, heads·d]`, k `[Lk, heads·d]`, v `[Lk, heads·d]`, and for a bias one tensor more; output
/// `[Lq, heads·d]`: `softmax(scale · q kᵀ + bias) v` per head, the softmax over the span's keys. No mask is ever
/// evaluated. Queries in no span, or in one without keys, give zero. The relational self-attention mask (CSAM),
/// plain cross-attention, the text encoder and the VAE's per-frame attention are all lists of spans.
///
/// q, k and v are all three f32, f16 or bf16. Scores, softmax and sums are float32 whatever they are; with half types an
/// implementation may round the probabilities to that type before they meet v, and the reference does not.
public struct Attention: OpDescriptor {
  public static let name = "Attention"

  /// Queries `[queryStart, queryEnd)` see keys `[keyStart, keyEnd)`.
  public struct Span: Sendable, Hashable {
    /// First query.
    public let queryStart: Int
    /// Past the last query.
    public let queryEnd: Int
    /// First key.
    public let keyStart: Int
    /// Past the last key.
    public let keyEnd: Int

    public init(queries: Range<Int>, keys: Range<Int>) {
      queryStart = queries.lowerBound
      queryEnd = queries.upperBound
      keyStart = keys.lowerBound
      keyEnd = keys.upperBound
    }
  }

  /// What is added to the scores before the softmax.
  public enum Bias: Sendable, Hashable {
    /// Nothing.
    case none
    /// MCAM: input 3 is `[images·cells, heads, Lk]`; queries before `cells.firstToken` have no bias, the others that
    /// of their cell.
    case relation(RelationCells)
    /// UMT5: input 3 is a table `[buckets, heads]` (weight types allowed); the bias of (query i, key j) is
    /// `table[bucket(j - i), head]`.
    case relativePosition(RelativeBuckets)
  }

  /// Number of heads.
  public let heads: Int
  /// Factor on `q kᵀ`.
  public let scale: Float
  /// Ascending, disjoint in their queries.
  public let spans: [Span]
  /// The additive bias.
  public let bias: Bias
  /// How many identical keys the very last key stands for: `ln` of it is added to that key's scores. Exact folding of
  /// text padding: all padding keys are equal, so one of them with this count gives the same softmax.
  public let lastKeyCount: Int
  /// Type of the output: f32, or f16 or bf16 as `Convert` makes them. The fusion pass moves it in here.
  public let dtype: DType
  /// What `lastKeyCount` adds to the last key's scores.
  public var lastKeyWeight: Double { Maths.log(Double(lastKeyCount)) }

  public init(
    heads: Int, scale: Float, spans: [Span], bias: Bias = .none, lastKeyCount: Int = 1, dtype: DType = .f32
  ) {
    self.heads = heads
    self.scale = scale
    self.spans = spans
    self.bias = bias
    self.lastKeyCount = lastKeyCount
    self.dtype = dtype
  }

  /// The same with an output of another type.
  public func making(_ dtype: DType) -> Attention {
    Attention(heads: heads, scale: scale, spans: spans, bias: bias, lastKeyCount: lastKeyCount, dtype: dtype)
  }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs.count == (bias == .none ? 3 : 4), "bias \(bias) takes another number of inputs")
    for (input, role) in zip(inputs, ["q", "k", "v"]) {
      try requireFactor(input, role, rank: 2)
      try require(input.dtype == inputs[0].dtype, "\(role) is \(input.dtype.rawValue), q \(inputs[0].dtype.rawValue)")
    }
    let (q, k, v) = (inputs[0].shape, inputs[1].shape, inputs[2].shape)
    try require(k == v && q[1] == k[1], "q \(q), k \(k), v \(v)")
    try require(heads > 0 && q[1] % heads == 0, "width \(q[1]) is not \(heads) heads")
    try require(lastKeyCount >= 1, "the last key counts \(lastKeyCount) times")
    var last = 0
    for span in spans {
      try require(
        span.queryStart >= last && span.queryEnd >= span.queryStart && span.queryEnd <= q[0]
          && span.keyStart >= 0 && span.keyEnd >= span.keyStart && span.keyEnd <= k[0],
        "span \(span) with \(q[0]) queries and \(k[0]) keys")
      last = span.queryEnd
    }
    switch bias {
    case .none: break
    case .relation(let cells):
      try requireActivation(inputs[3], "bias", rank: 3)
      try require(
        inputs[3].shape == [cells.images * cells.cellsPerImage, heads, k[0]], "bias \(inputs[3].shape) for \(cells)")
      try require(cells.firstToken + cells.images * cells.area == q[0], "cells \(cells) for \(q[0]) queries")
    case .relativePosition(let buckets): try requireWeight(inputs[3], "bias table", [buckets.count, heads])
    }
    try requireResult(dtype)
    return [TensorType(q, dtype)]
  }

  /// Queries, head by head, are read by the workgroup that writes their results, before it does.
  public func inPlaceInputs(_ inputs: [TensorType]) -> [Int] { [0] }

  public func flops(_ inputs: [TensorType]) -> Int {
    spans.reduce(0) { $0 + 4 * ($1.queryEnd - $1.queryStart) * ($1.keyEnd - $1.keyStart) * inputs[0].shape[1] }
  }

  /// 3e-13 was seen on the device with hundreds of keys, 1.4e-11 with 43 680, whose sum is a plain one. Vulkan lets an
  /// exponential be wrong by some 20 units in the last place.
  ///
  /// With half inputs the bound leaves room for rounded probabilities, whose relative errors are between 2⁻¹²/√3 and
  /// 2⁻¹¹/√3 in the root mean square for f16, 8 times that for bf16: a NMSE of 2e-8 to 8e-8, or 1.3e-6 to 5e-6. Such
  /// differences tip one result in three to its neighbour where results are half too, which doubles the error.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double {
    switch inputs[0].dtype {
    case .f16: self.dtype == .f32 ? 2e-7 : 5e-7
    case .bf16: 1e-5
    default: bound(spans.contains { $0.keyEnd - $0.keyStart > 4096 } ? 1e-10 : 1e-11, roundedTo: self.dtype)
    }
  }
}

/// How the tokens of condition images fall into the cells of MCAM's pooled map (MODEL.md section 9).
///
/// Images lie one behind the other from `firstToken` on, each `height · width` tokens row-major. The map of an image
/// has `rows · columns` cells. A token's cell follows the published layout: the repeated map is read with the *padded*
/// width, so rows drift unless the width is a multiple of `pool`.
public struct RelationCells: Sendable, Hashable {
  /// First token of the first image.
  public let firstToken: Int
  /// Number of images.
  public let images: Int
  /// Token rows of an image.
  public let height: Int
  /// Token columns of an image.
  public let width: Int
  /// Side of a cell, in tokens (8).
  public let pool: Int

  public init(firstToken: Int, images: Int, height: Int, width: Int, pool: Int = 8) {
    self.firstToken = firstToken
    self.images = images
    self.height = height
    self.width = width
    self.pool = pool
  }

  /// Tokens of an image.
  public var area: Int { height * width }
  /// Cell rows of an image.
  public var rows: Int { (height + pool - 1) / pool }
  /// Cell columns of an image.
  public var columns: Int { (width + pool - 1) / pool }
  /// Cells of an image.
  public var cellsPerImage: Int { rows * columns }

  /// Cell (counted over all images) of token `token >= firstToken`, in the published layout.
  public func cell(ofToken token: Int) -> Int {
    let (image, local) = (token - firstToken).quotientAndRemainder(dividingBy: area)
    let padded = columns * pool
    return image * cellsPerImage + local / padded / pool * columns + local % padded / pool
  }
}

/// UMT5's relative position buckets (MODEL.md section 5).
public struct RelativeBuckets: Sendable, Hashable {
  /// Number of buckets, both directions together (32).
  public let count: Int
  /// Distance from which all positions share the last bucket (128).
  public let maxDistance: Int

  public init(count: Int = 32, maxDistance: Int = 128) {
    self.count = count
    self.maxDistance = maxDistance
  }

  /// Buckets of the distances `-(length-1) ... length-1` (key index minus query index), in float32 logarithms as
  /// published. Entry `distance + length - 1`.
  public func table(length: Int) -> [Int32] {
    let half = count / 2
    let exact = half / 2
    return (-(length - 1)...max(length - 1, 0)).map { distance in
      let d = abs(distance)
      var bucket = d
      if d >= exact {
        let position = Maths.log(Float(d) / Float(exact)) / Float(Maths.log(Double(maxDistance) / Double(exact)))
        bucket = min(half - 1, exact + Int(position * Float(half - exact)))
      }
      return Int32((distance > 0 ? half : 0) + bucket)
    }
  }
}
