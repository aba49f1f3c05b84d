import LumosOps
import LumosTensor
import Testing

@testable import LumosGraph

/// No weights.
struct NoWeights: WeightSource {
  func type(ofWeight name: String) -> TensorType? { nil }
  func weight(_ name: String) throws -> Tensor { throw GraphBuilder.Failure.missingWeight(name) }
}

/// A tensor of zeros.
func zeros(_ shape: Shape) -> Tensor { Tensor([Float](repeating: 0, count: shape.count), shape) }

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
      for inPlace in [false, true] {
        // Every other plan is cut into segments that just hold the largest value.
        let largest = MemoryPlan(graph: graph, alignment: 64).lives.map(\.byteCount).max() ?? 64
        let segment = seed % 2 == 0 ? largest : Int.max
        let plan = MemoryPlan(graph: graph, alignment: 64, segmentByteCount: segment, inPlace: inPlace)
        let defect = plan.defect(in: graph, segmentByteCount: segment)
        #expect(defect == nil, "seed \(seed), in place \(inPlace)")
      }
    }
  }

  /// The check itself: a plan for another graph does not pass.
  @Test func theCheckFindsOverlaps() throws {
    var builder = GraphBuilder(weights: NoWeights())
    let x = builder.input("x", TensorType([4, 4], .f32))
    let first = try builder.add(x, x, "first")
    let second = try builder.add(first, first, "second")
    let third = try builder.apply(Concatenate(), [second, second], "third")
    builder.output("third", third)
    let shortLives = MemoryPlan(graph: builder.graph)
    builder.output("first", first)
    #expect(shortLives.defect(in: builder.graph) != nil)
    #expect(MemoryPlan(graph: builder.graph).defect(in: builder.graph) == nil)
  }

  /// A value takes over its operand's memory where the operand dies, and only there.
  @Test func inPlace() throws {
    var builder = GraphBuilder(weights: NoWeights())
    let x = builder.input("x", TensorType([16, 4], .f32))
    let weight = builder.constant(zeros([4, 4]))
    let stream = try builder.add(x, x, "stream")
    let branch = try builder.activation(.silu, x, "branch")
    let sum = try builder.apply(Linear(epilogue: .add), [branch, weight, stream], "sum")
    let twice = try builder.apply(Linear(epilogue: .add), [sum, weight, sum], "reads its residual as a row too")
    let later = try builder.add(twice, sum, "later")
    let whole = try builder.activation(.silu, later, "whole")
    builder.output("later", later)
    builder.output("whole", whole)
    let plan = MemoryPlan(graph: builder.graph)
    #expect(plan.offset(of: sum) == plan.offset(of: stream), "the residual dies")
    #expect(plan.offset(of: twice) != plan.offset(of: sum))
    #expect(plan.offset(of: later) == plan.offset(of: twice), "one of the operands dies")
    #expect(plan.offset(of: whole) != plan.offset(of: later), "an output does not die")
    #expect(plan.defect(in: builder.graph) == nil)
  }

  /// Scratch memory lies apart from all that lives while its node runs, within a segment, and serves again afterwards.
  @Test func scratchMemory() throws {
    for seed in 1...200 {
      let graph = try Self.randomGraph(seed: UInt64(seed))
      let scratch = Dictionary(uniqueKeysWithValues: graph.nodes.indices.map { ($0, 24 + $0 * 40 % 500) })
      let largest = MemoryPlan(graph: graph, alignment: 64).lives.map(\.byteCount).max() ?? 64
      let segment = seed % 2 == 0 ? max(largest, 576) : Int.max
      let plan = MemoryPlan(
        graph: graph, alignment: 64, segmentByteCount: segment, inPlace: seed % 3 == 0, scratch: scratch)
      #expect(plan.defect(in: graph, segmentByteCount: segment) == nil)
      for (node, byteCount) in scratch {
        let offset = try #require(plan.scratchOffset(ofNode: node))
        #expect(offset % 64 == 0 && offset + byteCount <= plan.byteCount)
        #expect(offset / segment == (offset + byteCount - 1) / segment)
        for life in plan.lives where life.first <= node && node <= life.last {
          let other = try #require(plan.offset(of: life.value))
          #expect(other >= offset + byteCount || other + life.byteCount <= offset, "seed \(seed), node \(node)")
        }
      }
    }
    var builder = GraphBuilder(weights: NoWeights())
    var x = builder.input("x", TensorType([64], .f32))
    for step in 0..<10 { x = try builder.add(x, x, "\(step)") }
    builder.output("x", x)
    let plan = MemoryPlan(graph: builder.graph, scratch: [2: 1000, 5: 900, 7: 0])
    #expect(plan.byteCount == 256 + 1024 && plan.liveBytesMax == 256 + 1024)
    #expect(plan.liveBytes[2] == 256 + 1024 && plan.liveBytes[3] == 256)
    #expect(plan.scratchOffset(ofNode: 7) == nil && plan.scratchOffset(ofNode: 3) == nil)
  }

  @Test func aChainNeedsTwoBuffersOrOne() throws {
    var builder = GraphBuilder(weights: NoWeights())
    var x = builder.input("x", TensorType([64], .f32))
    for step in 0..<10 { x = try builder.add(x, x, "\(step)") }
    builder.output("x", x)
    let plan = MemoryPlan(graph: builder.graph, alignment: 256, inPlace: false)
    #expect(plan.byteCount == 512)
    #expect(plan.liveBytesMax == 512)
    #expect(MemoryPlan(graph: builder.graph, alignment: 256).byteCount == 256)
  }

  @Test func offsetsAreAligned() throws {
    let graph = try Self.randomGraph(seed: 99)
    let plan = MemoryPlan(graph: graph, alignment: 256)
    for node in graph.nodes {
      for output in node.outputs { if let offset = plan.offset(of: output) { #expect(offset % 256 == 0) } }
    }
  }

  /// A cache's new contents leave the arena once the old ones have been read.
  @Test func statesTakeTheirContentsEarly() throws {
    var builder = GraphBuilder(weights: NoWeights())
    let type = TensorType([16, 4], .f32)
    var x = builder.input("x", type)
    for step in 0..<6 {
      let cache = builder.state("cache \(step)", type)
      let kept = try builder.activation(.silu, x, "kept \(step)")
      x = try builder.add(x, cache, "old \(step)")
      builder.update(state: "cache \(step)", to: kept)
    }
    builder.output("x", x)
    let graph = builder.graph
    #expect(graph.updatePoints() == [1, 3, 5, 7, 9, 11])
    let plan = MemoryPlan(graph: graph)
    #expect(plan.byteCount == 2 * 256 && plan.defect(in: graph) == nil)

    // Old contents that are fetched, or handed on, stay to the end; so do those that a later node reads.
    builder.output("old", builder.state("cache 0", type))
    builder.update(state: "other", to: builder.state("cache 1", type))
    _ = builder.state("other", type)
    builder.output("late", try builder.add(x, builder.state("cache 2", type), "late"))
    #expect(builder.graph.updatePoints() == [nil, nil, 12, 7, 9, 11, nil])
    #expect(MemoryPlan(graph: builder.graph).defect(in: builder.graph) == nil)
  }
}
