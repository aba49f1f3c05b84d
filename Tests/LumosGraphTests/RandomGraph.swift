import LumosOps
import LumosTensor
import Testing

@testable import LumosGraph

/// Weights whose names say what they are, as `"f16 3 5 seven"`: element type, extents, and a word that tells weights of
/// one type apart. Contents depend on the name alone.
struct NamedWeights: WeightSource {
  func type(ofWeight name: String) -> TensorType? {
    let words = name.split(separator: " ")
    guard let dtype = words.first.flatMap({ DType(rawValue: String($0)) }) else { return nil }
    return TensorType(Shape(words.dropFirst().compactMap { Int($0) }), dtype)
  }

  func weight(_ name: String) throws -> Tensor {
    guard let type = type(ofWeight: name) else { throw GraphBuilder.Failure.missingWeight(name) }
    var random = TestRandom(seed: name.utf8.reduce(17) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 })
    return random.tensor(type)
  }
}

/// xorshift64.
struct TestRandom {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

  /// Uniform in `0 ..< bound`.
  mutating func below(_ bound: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int((state >> 11) % UInt64(bound))
  }

  /// One of them.
  mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }

  /// Numbers in -1 ..< 1.
  mutating func tensor(_ type: TensorType) -> Tensor {
    let values = (0..<type.shape.count).map { _ in Float(below(1 << 20)) / Float(1 << 19) - 1 }
    return Tensor(values, type.shape).converted(to: type.dtype)
  }
}

/// A random graph of small ops, with runs of ops that passes join, values of several readers, dead ends, states that
/// are read and updated, and inputs that need not change from run to run.
struct RandomGraph {
  private(set) var builder = GraphBuilder(weights: NamedWeights())
  private var random: TestRandom
  private var values: [Graph.ValueID] = []
  private var weightCount = 0

  /// Inputs that change from run to run.
  let varying: Set<String> = ["video", "rows"]
  var graph: Graph { builder.graph }

  init(seed: UInt64) throws {
    random = TestRandom(seed: seed)
    let (rows, width) = (1 + random.below(4), random.pick([4, 8]))
    values = [
      builder.input("video", TensorType([1 + random.below(2), 2, 3, width], .f32)),
      builder.input("rows", TensorType([rows, width], .f32)),
      builder.input("text", TensorType([rows, width], .f32)),
      builder.input("image", TensorType([1, 2, 2, width], .f32)),
      builder.state("memory", TensorType([rows, width], .f32)),
      builder.state("history", TensorType([1 + random.below(2), 2, 3, width], .f32)),
    ]
    for step in 0..<(4 + random.below(28)) { try addNode("\(step)") }
    for index in 0...random.below(3) { builder.output("output \(index)", random.pick(made)) }
    builder.output("last", values[values.count - 1])
    for name in ["memory", "history"] where random.below(2) == 0 {
      let type = builder.graph.values.first { if case .state(name) = $0.source { true } else { false } }?.type
      let rows = made.filter {
        let value = builder.graph[$0]
        guard case .node = value.source, value.type.shape[0] > 0 else { return false }
        return value.type.shape.dimensions.dropFirst() == type?.shape.dimensions.dropFirst()
      }
      if random.below(2) == 0, let value = rows.randomElement(&random) {
        builder.append(value, toState: name)
        continue
      }
      if let value = values.filter({ builder.type(of: $0) == type }).randomElement(&random) {
        builder.update(state: name, to: value)
      }
    }
  }

  private var made: [Graph.ValueID] { Array(values.suffix(max(values.count - 6, 1))) }

  /// A value of `rank` axes, or of any number: mostly a late one, so that ops stand in runs.
  private mutating func value(rank: Int? = nil) -> Graph.ValueID {
    let known = values.filter { rank == nil || builder.shape(of: $0).rank == rank }
    return random.below(3) < 2 ? known[known.count - 1] : random.pick(known)
  }

  /// A value of exactly this type, made if there is none.
  private mutating func like(_ x: Graph.ValueID, _ label: String) throws -> Graph.ValueID {
    let type = builder.type(of: x)
    let known = values.filter { $0 != x && builder.type(of: $0) == type }
    if random.below(8) == 0 { return x }
    if !known.isEmpty { return random.pick(known) }
    return try builder.multiply(x, weight([type.shape[-1]], .f32), label + " like")
  }

  private mutating func weight(_ shape: Shape, _ dtype: DType? = nil) throws -> Graph.ValueID {
    let dtype = dtype ?? random.pick([.f32, .f16, .bf16])
    weightCount += 1
    let words = [dtype.rawValue] + shape.dimensions.map(String.init) + ["number" + String(weightCount)]
    return try builder.weight(words.joined(separator: " "), shape)
  }

  /// A value `[rows, width]` to modulate by: a weight, an input or something computed.
  private mutating func table(_ width: Int) throws -> Graph.ValueID {
    let known = values.filter { builder.shape(of: $0).rank == 2 && builder.shape(of: $0)[1] == width }
    return random.below(2) == 0 && !known.isEmpty ? random.pick(known) : try weight([3, width], .f32)
  }

  private mutating func linear(_ x: Graph.ValueID, _ outputs: Int, _ label: String) throws -> Graph.ValueID {
    var inputs = [x, try weight([outputs, builder.shape(of: x)[-1]], .f16)]
    if random.below(3) > 0 { inputs.append(try weight([outputs])) }
    return try builder.apply(Linear(), inputs, label)
  }

  private mutating func convolution(_ x: Graph.ValueID, _ label: String) throws -> Graph.ValueID {
    let shape = builder.shape(of: x)
    let history = values.first {
      let other = builder.shape(of: $0)
      return other.rank == 4 && $0 != x && other.dimensions.dropFirst() == shape.dimensions.dropFirst()
    }
    let frames = history != nil && random.below(2) == 0 ? 2 : 1
    let stride = random.below(4) == 0 && min(shape[1], shape[2]) > 1 ? 2 : 1
    let outputs = random.pick([shape[3], 4, 8])
    var inputs = [x, try weight([outputs, frames, 3, 3, shape[3]]), try weight([outputs])]
    if frames == 2, let history { inputs.append(history) }
    return try builder.apply(
      Conv3D(stride: .init(space: stride), padding: .init(leading: 1, trailing: 1)), inputs, label)
  }

  /// Adds one node, or a few that make sense together.
  private mutating func addNode(_ label: String) throws {
    let result: Graph.ValueID
    switch random.below(16) {
    case 0:
      let x = value()
      let width = builder.shape(of: x)[-1]
      let affine = random.below(2) == 0 ? [try weight([width]), try weight([width])] : []
      result = try builder.apply(LayerNorm(epsilon: 1e-3), [x] + affine, label)
    case 1:
      let x = value()
      let table = try table(builder.shape(of: x)[-1])
      let rows = builder.shape(of: table)[0]
      result = try builder.modulate(
        x, by: table, shiftRow: random.below(rows), scaleRow: random.below(rows), label)
    case 2:
      let x = value()
      result = try builder.apply(RMSNorm(epsilon: 1e-3), [x, weight([builder.shape(of: x)[-1]])], label)
    case 3:
      let x = value(rank: 2)
      let shape = builder.shape(of: x)
      let heads = random.pick([1, 2])
      let tables = try (0..<2).map { _ in try weight([shape[0], shape[1] / heads / 2], .f32) }
      result = try builder.apply(Rotary(heads: heads), [x] + tables, label)
    case 4:
      let x = value()
      result = try builder.apply(ChannelNorm(), [x, weight([builder.shape(of: x)[-1]])], label)
    case 5, 6: result = try builder.activation(random.pick(Activation.Kind.allCases), value(), label)
    case 7, 8:
      // Now and then several of one input, as query, key and value.
      let x = value()
      let outputs = random.pick([builder.shape(of: x)[-1], 4, 8])
      for index in 0..<random.pick([0, 0, 1, 2, 4]) { values.append(try linear(x, outputs, "\(label).\(index)")) }
      result = try linear(x, outputs, label)
    case 9:
      let y = value()
      let x = try like(y, label)
      let table = try table(builder.shape(of: x)[-1])
      let operands = random.below(4) == 0 ? (y, x) : (x, y)
      result = try builder.gatedAdd(
        operands.0, operands.1, by: table, gateRow: random.below(builder.shape(of: table)[0]), label)
    case 10:
      let y = value()
      let x = try like(y, label)
      result = try random.below(2) == 0 ? builder.add(x, y, label) : builder.add(y, x, label)
    case 11:
      // A sum or product whose second operand repeats.
      let x = value()
      let shape = builder.shape(of: x)
      let small = values.filter { shape.count.isMultiple(of: builder.shape(of: $0).count) && $0 != x }
      let b = small.isEmpty ? try weight([shape[-1]]) : random.pick(small)
      result = try random.below(4) == 0 ? builder.multiply(x, weight([shape[-1]]), label) : builder.add(x, b, label)
    case 12: result = try convolution(value(rank: 4), label)
    case 13:
      let x = value(rank: 4)
      guard builder.shape(of: x).count < 500 else { return }
      result = try builder.apply(UpsampleNearest(), [x], label)
    case 14:
      let x = value()
      let shape = builder.shape(of: x)
      guard shape[0] < 6 else { return }
      let fitting = values.filter {
        builder.shape(of: $0).dimensions.dropFirst() == shape.dimensions.dropFirst() && builder.shape(of: $0)[0] < 6
      }
      result = try builder.concatenate(x, random.pick(fitting), label)
    default:
      let x = value()
      let count = 1 + random.below(builder.shape(of: x)[0])
      let start = random.below(builder.shape(of: x)[0] - count + 1)
      result = try builder.slice(x, start..<start + count, label)
    }
    values.append(result)
  }
}

extension Array {
  /// One of the elements, or nil if there are none.
  fileprivate func randomElement(_ random: inout TestRandom) -> Element? { isEmpty ? nil : random.pick(self) }
}
