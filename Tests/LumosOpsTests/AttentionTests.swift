import Foundation
import LumosOpSuite
import LumosOps
import LumosTensor
import Testing

@testable import LumosReference
@testable import LumosVulkan

/// The reference against a naive float64 evaluation that has the mask and the bias as whole matrices, and the index
/// arithmetic against tables that the published code computed.
@Suite struct AttentionTests {
  struct Layout: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var queries: Int
    var keys: Int
    var heads: Int
    var size: Int
    var spans: [Attention.Span]
    var bias = Attention.Bias.none
  }

  static let layouts: [Layout] = [
    Layout(
      testDescription: "groups", queries: 31, keys: 31, heads: 2, size: 6,
      spans: [
        .init(queries: 0..<14, keys: 0..<31), .init(queries: 14..<19, keys: 14..<19),
        .init(queries: 19..<31, keys: 19..<31),
      ]),
    Layout(
      testDescription: "gaps and a span without keys", queries: 20, keys: 9, heads: 3, size: 4,
      spans: [
        .init(queries: 2..<5, keys: 3..<4), .init(queries: 5..<8, keys: 6..<6), .init(queries: 11..<17, keys: 1..<9),
      ]),
    Layout(
      testDescription: "several blocks of queries", queries: 300, keys: 11, heads: 1, size: 5,
      spans: [.init(queries: 0..<300, keys: 0..<11)]),
    Layout(
      testDescription: "relation, padded width", queries: 127, keys: 13, heads: 2, size: 4,
      spans: [.init(queries: 0..<127, keys: 0..<13)],
      bias: .relation(RelationCells(firstToken: 7, images: 2, height: 6, width: 10))),
    Layout(
      testDescription: "relation, keys cut", queries: 122, keys: 13, heads: 2, size: 4,
      spans: [.init(queries: 3..<122, keys: 2..<11)],
      bias: .relation(RelationCells(firstToken: 5, images: 3, height: 3, width: 13))),
    Layout(
      testDescription: "relative position", queries: 300, keys: 300, heads: 2, size: 4,
      spans: [.init(queries: 0..<300, keys: 0..<187)], bias: .relativePosition(RelativeBuckets())),
  ]

  @Test(arguments: layouts) func referenceEqualsNaive(_ layout: Layout) throws {
    let op = Attention(heads: layout.heads, scale: 0.375, spans: layout.spans, bias: layout.bias)
    var random = SplitMix64(seed: 7)
    func tensor(_ shape: Shape) -> Tensor { Tensor((0..<shape.count).map { _ in random.normal() }, shape) }
    let width = layout.heads * layout.size
    var inputs = [tensor([layout.queries, width]), tensor([layout.keys, width]), tensor([layout.keys, width])]
    switch layout.bias {
    case .none: break
    case .relation(let cells): inputs.append(tensor([cells.images * cells.cellsPerImage, layout.heads, layout.keys]))
    case .relativePosition(let buckets): inputs.append(tensor([buckets.count, layout.heads]))
    }
    let outputs = try op.outputTypes(inputs.map(\.type))
    let expected = try Self.naive(layout, op.scale, inputs.map { $0.doubles() })
    let exact = op.evaluate(inputs.map { ReferenceArray<Double>($0) }, outputs: outputs)[0]
    let single = op.evaluate(inputs.map { ReferenceArray<Float>($0) }, outputs: outputs)[0].map(Double.init)
    #expect(exact.count == expected.count && single.count == expected.count)
    #expect(Self.error(exact, expected) <= 1e-28)
    #expect(Self.error(single, expected) <= 1e-12)
  }

  /// The last key `count` times, with its bias and value, is the last key once with `lastKeyCount`.
  @Test(arguments: layouts) func aKeyThatCountsSeveralTimesEqualsItsCopies(_ layout: Layout) throws {
    let (keys, width, count) = (layout.keys, layout.heads * layout.size, 5)
    // A relative position differs from copy to copy, so copies of a key cannot stand in for it there.
    if case .relativePosition = layout.bias { return }
    var random = SplitMix64(seed: 8)
    func tensor(_ shape: Shape) -> [Double] { (0..<shape.count).map { _ in Double(random.normal()) } }
    func copies(_ values: [Double], of width: Int) -> [Double] {
      values + (1..<count).flatMap { _ in values.suffix(width) }
    }
    let (q, k, v) = (tensor([layout.queries, width]), tensor([keys, width]), tensor([keys, width]))
    func evaluate(_ op: Attention, keys: Int, _ k: [Double], _ v: [Double], _ bias: [Double]) throws -> [Double] {
      var inputs = [
        ReferenceArray(q, [layout.queries, width]), ReferenceArray(k, [keys, width]), ReferenceArray(v, [keys, width]),
      ]
      if !bias.isEmpty { inputs.append(ReferenceArray(bias, [bias.count / keys / layout.heads, layout.heads, keys])) }
      return op.evaluate(inputs, outputs: try op.outputTypes(inputs.map { TensorType($0.shape, .f32) }))[0]
    }
    var bias: [Double] = []
    if case .relation(let cells) = layout.bias {
      bias = tensor([cells.images * cells.cellsPerImage, layout.heads, keys])
    }
    let rows = stride(from: 0, to: bias.count, by: keys).map { Array(bias[$0..<$0 + keys]) }
    let folded = Attention(
      heads: layout.heads, scale: 0.375, spans: layout.spans, bias: layout.bias, lastKeyCount: count)
    let all = Attention(
      heads: layout.heads, scale: 0.375,
      spans: layout.spans.map { span in
        let end = span.keyEnd == keys && span.keyStart < keys ? keys + count - 1 : span.keyEnd
        return .init(queries: span.queryStart..<span.queryEnd, keys: span.keyStart..<end)
      }, bias: layout.bias)
    let actual = try evaluate(folded, keys: keys, k, v, bias)
    let expected = try evaluate(
      all, keys: keys + count - 1, copies(k, of: width), copies(v, of: width), rows.flatMap { copies($0, of: 1) })
    #expect(Self.error(actual, expected) <= 1e-28)
    // It matters exactly where a span reaches the last key among others.
    let reaches = layout.spans.contains { $0.keyEnd == keys && $0.keyStart < keys - 1 && $0.queryStart < $0.queryEnd }
    let plain = Attention(heads: layout.heads, scale: 0.375, spans: layout.spans, bias: layout.bias)
    #expect((Self.error(try evaluate(plain, keys: keys, k, v, bias), expected) > 1e-4) == reaches)
  }

  /// Squared error over squared magnitude.
  static func error(_ values: [Double], _ expected: [Double]) -> Double {
    var (error, power) = (0.0, 0.0)
    for (value, target) in zip(values, expected) {
      error += (value - target) * (value - target)
      power += target * target
    }
    return error / power
  }

  /// `softmax(scale · q kᵀ + bias + mask) v` with a dense mask and a dense bias.
  static func naive(_ layout: Layout, _ scale: Float, _ inputs: [[Double]]) throws -> [Double] {
    let (heads, size, width) = (layout.heads, layout.size, layout.heads * layout.size)
    var seen = [[Bool]](repeating: .init(repeating: false, count: layout.keys), count: layout.queries)
    for span in layout.spans {
      for query in span.queryStart..<span.queryEnd {
        for key in span.keyStart..<span.keyEnd { seen[query][key] = true }
      }
    }
    var bias = [Double](repeating: 0, count: heads * layout.queries * layout.keys)
    let buckets = try bucketOfDistance()
    for head in 0..<heads {
      for query in 0..<layout.queries {
        for key in 0..<layout.keys {
          let at = (head * layout.queries + query) * layout.keys + key
          switch layout.bias {
          case .none: break
          case .relation(let cells) where query < cells.firstToken: break
          case .relation(let cells):
            let (image, token) = (query - cells.firstToken).quotientAndRemainder(dividingBy: cells.area)
            let cell = image * cells.cellsPerImage + repeatedMap(cells)[token]
            bias[at] = inputs[3][(cell * heads + head) * layout.keys + key]
          case .relativePosition: bias[at] = inputs[3][try #require(buckets[key - query]) * heads + head]
          }
        }
      }
    }
    var result = [Double](repeating: 0, count: layout.queries * width)
    for head in 0..<heads {
      for query in 0..<layout.queries where seen[query].contains(true) {
        let scores = (0..<layout.keys).map { key -> Double in
          guard seen[query][key] else { return -Double.infinity }
          var product = 0.0
          for channel in head * size..<(head + 1) * size {
            product += inputs[0][query * width + channel] * inputs[1][key * width + channel]
          }
          return Double(scale) * product + bias[(head * layout.queries + query) * layout.keys + key]
        }
        let largest = scores.max() ?? 0
        let weights = scores.map { exp($0 - largest) }
        let sum = weights.reduce(0, +)
        for channel in head * size..<(head + 1) * size {
          for (key, weight) in weights.enumerated() {
            result[query * width + channel] += weight / sum * inputs[2][key * width + channel]
          }
        }
      }
    }
    return result
  }

  /// The map of an image as the published code makes it: every cell repeated `pool` times in both directions, flattened
  /// without a crop, cut to the image's tokens.
  static func repeatedMap(_ cells: RelationCells) -> [Int] {
    var map: [Int] = []
    for row in 0..<cells.rows {
      let line = (0..<cells.columns).flatMap { [Int](repeating: row * cells.columns + $0, count: cells.pool) }
      for _ in 0..<cells.pool { map += line }
    }
    return Array(map.prefix(cells.area))
  }

  // MARK: Tables of the published code

  /// Lines of a fixture that are not comments, split into words.
  static func fixture(_ name: String) throws -> [[Substring]] {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)")
    return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").filter { !$0.hasPrefix("#") }.map {
      $0.split(separator: " ")
    }
  }

  /// The published bucket of every distance from -299 to 299.
  static func bucketOfDistance() throws -> [Int: Int] {
    let runs = try fixture("relative-buckets.txt").map { try (#require(Int($0[0])), #require(Int($0[1]))) }
    var buckets: [Int: Int] = [:]
    for (index, (first, bucket)) in runs.enumerated() {
      let end = index + 1 < runs.count ? runs[index + 1].0 : 300
      for distance in first..<end { buckets[distance] = bucket }
    }
    return buckets
  }

  @Test func bucketsAreThePublishedOnes() throws {
    let published = try Self.bucketOfDistance()
    #expect(published.count == 599)
    let table = RelativeBuckets().table(length: 300)
    #expect(table.count == 599)
    for distance in -299...299 { #expect(Int(table[distance + 299]) == published[distance], "distance \(distance)") }
    // The kernel's short table, read with a clamped distance.
    let short = RelativeBuckets().table(length: 129)
    for distance in -299...299 { #expect(short[min(max(distance, -128), 128) + 128] == table[distance + 299]) }
  }

  @Test func cellsAreThePublishedOnes() throws {
    let lines = try Self.fixture("relation-cells.txt")
    #expect(lines.count == 10)
    for line in lines {
      let (height, width) = try (#require(Int(line[0])), #require(Int(line[1])))
      let published = try line.dropFirst(2).flatMap { run -> [Int] in
        let numbers = run.split(separator: "*").compactMap { Int($0) }
        try #require(numbers.count == 2)
        return [Int](repeating: numbers[0], count: numbers[1])
      }
      let cells = RelationCells(firstToken: 11, images: 3, height: height, width: width)
      #expect(published.count == cells.area)
      for (image, token) in [0, 1, 2].flatMap({ image in published.indices.map { (image, $0) } }) {
        let cell = cells.cell(ofToken: 11 + image * cells.area + token)
        #expect(cell == image * cells.cellsPerImage + published[token], "\(height) x \(width), token \(token)")
      }
    }
  }
}
