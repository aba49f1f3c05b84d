import LumosOps
import LumosTensor
import Testing

@testable import LumosGraph

/// No weights.
struct NoWeights: WeightSource {
  func type(ofWeight name: String) -> TensorType? { nil }
  func weight(_ name: String) throws -> Tensor { throw GraphBuilder.Failure.missingWeight(name) }
}

@Suite struct MemoryPlanTests {
  /// A random graph: each node adds or slices values made earlier, so lives are of all lengths.
  static func randomGraph(seed: UInt64) throws -> Graph {
    var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    func random(_ bound: Int) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state % UInt64(bound))
    }
    var builder = GraphBuilder(weights: NoWeights())
    var values = [builder.input("x", TensorType([1 + random(40), 8], .f32))]
    for step in 0..<(3 + random(40)) {
      let value = values[random(values.count)]
      let rows = builder.shape(of: value)[0]
      switch random(3) {
      case 0: values.append(try builder.apply(Concatenate(), [value, values[random(values.count)]], "\(step)"))
      case 1:
        let count = random(rows + 1)
        values.append(try builder.apply(Slice(start: rows - count, count: count), [value], "\(step)"))
      default: values.append(try builder.add(value, value, "\(step)"))
      }
    }
    builder.output("last", values[values.count - 1])
    if random(2) == 0 {
      let updated = values[random(values.count)]
      _ = builder.state("s", builder.type(of: updated))
      builder.update(state: "s", to: updated)
    }
    return builder.graph
  }

  /// No read sees bytes that a later write has taken.
  @Test func contentsSurviveUntilTheirLastReader() throws {
    for seed in 1...500 {
      let graph = try Self.randomGraph(seed: UInt64(seed))
      // Every other plan is cut into segments that just hold the largest value.
      let largest = MemoryPlan(graph: graph, alignment: 64).lives.map(\.byteCount).max() ?? 64
      let segment = seed % 2 == 0 ? largest : Int.max
      let plan = MemoryPlan(graph: graph, alignment: 64, segmentByteCount: segment)
      let defect = plan.defect(in: graph, segmentByteCount: segment)
      #expect(defect == nil, "seed \(seed)")
    }
  }

  @Test func aChainNeedsTwoBuffers() throws {
    var builder = GraphBuilder(weights: NoWeights())
    var x = builder.input("x", TensorType([64], .f32))
    for step in 0..<10 { x = try builder.add(x, x, "\(step)") }
    builder.output("x", x)
    let plan = MemoryPlan(graph: builder.graph, alignment: 256)
    #expect(plan.byteCount == 512)
    #expect(plan.liveBytesMax == 512)
  }

  @Test func offsetsAreAligned() throws {
    let graph = try Self.randomGraph(seed: 99)
    let plan = MemoryPlan(graph: graph, alignment: 256)
    for node in graph.nodes {
      for output in node.outputs { if let offset = plan.offset(of: output) { #expect(offset % 256 == 0) } }
    }
  }
}
