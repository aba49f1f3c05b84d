import LumosOps
import LumosReference
import LumosTensor
import Testing

@testable import LumosGraph

/// Over a thousand random graphs: passes leave the results alone, and so does splitting a graph in two.
@Suite struct PassPropertyTests {
  static let seeds = 1...1000
  static let states = ["memory", "history"]

  /// Each pass alone, and all of them.
  static let choices = Passes.named.map(\.pass) + [.all]

  /// Results of two runs.
  private func results(of graph: Graph, varying: Set<String>) throws -> [[String: [Double]]] {
    let run = try GraphRun(graph)
    return try (0..<2).map { try run.run(testInputs(graph, run: $0, varying: varying), states: Self.states) }
  }

  @Test func passesKeepResults() throws {
    var joined: [String: Int] = [:]
    for seed in Self.seeds {
      let random = try RandomGraph(seed: UInt64(seed))
      let graph = random.graph
      try #require(graph.defect == nil, "seed \(seed)")
      let expected = try results(of: graph, varying: random.varying)
      for passes in Self.choices {
        let after = passes.apply(to: graph)
        for node in after.nodes { if let form = Self.fusedForm(node) { joined[form, default: 0] += 1 } }
        try expectSameInterface(after, graph, "seed \(seed), \(passes)")
        #expect(MemoryPlan(graph: after, alignment: 64).defect(in: after) == nil, "seed \(seed), \(passes)")
        guard after.ops != graph.ops || passes == .all else { continue }
        for (actual, expected) in zip(try results(of: after, varying: random.varying), expected) {
          #expect(largestError(actual, expected) <= 1e-12, "seed \(seed), \(passes)")
        }
      }
    }
    // Every rewrite has happened often enough to have been tested.
    for form in Self.forms { #expect(joined[form, default: 0] >= 20, "\(form): \(joined[form, default: 0])") }
  }

  private static let forms = [
    "modulated", "rotary", "active norm", "linear activation", "linear add", "linear gate", "convolution add",
    "upsampling", "joined", "placed",
  ]

  private static func fusedForm(_ node: Graph.Node) -> String? {
    if node.hasWindows { return "placed" }
    switch node.op {
    case let op as LayerNorm: return op.modulation == nil ? nil : "modulated"
    case let op as RMSNorm: return op.rotary == nil ? nil : "rotary"
    case let op as ChannelNorm: return op.activation == nil ? nil : "active norm"
    case let op as Conv3D: return op.upsamples ? "upsampling" : op.addsResidual ? "convolution add" : nil
    case is MultiLinear: return "joined"
    case let op as Linear:
      switch op.epilogue {
      case .none: return nil
      case .activation: return "linear activation"
      case .add: return "linear add"
      case .gatedAdd: return "linear gate"
      }
    default: return nil
    }
  }

  /// What does not change: sources, outputs, new states, and everything that a node still makes. What no node makes
  /// any more was read by one node alone, or by none that matters.
  private func expectSameInterface(_ after: Graph, _ before: Graph, _ comment: Comment) throws {
    #expect(after.defect == nil, comment)
    #expect(after.values.map(\.type) == before.values.map(\.type), comment)
    #expect(after.outputs.map(\.name) == before.outputs.map(\.name), comment)
    #expect(after.outputs.map(\.value) == before.outputs.map(\.value), comment)
    #expect(after.stateUpdates.map(\.state) == before.stateUpdates.map(\.state), comment)
    #expect(after.stateUpdates.map(\.value) == before.stateUpdates.map(\.value), comment)
    let made = before.nodes.flatMap(\.outputs)
    let kept = after.nodes.flatMap(\.outputs)
    // Only where parts have their places do several nodes make one value.
    let whole = after.nodes.flatMap { node in
      node.outputs.indices.filter { node.outputRows[$0] == nil }.map { node.outputs[$0] }
    }
    #expect(Set(whole).count == whole.count && Set(kept).isSubset(of: made), comment)
    let alive = DeadCode.remove(from: before).nodes
    for value in Set(alive.flatMap(\.outputs)).subtracting(kept) {
      let readers = before.nodes.filter { $0.inputs.contains(value) }
      let live = alive.filter { $0.inputs.contains(value) }
      #expect(live.count == 1 && live[0].inputs.count { $0 == value } == 1 && readers.count >= 1, comment)
    }
  }

  @Test func passesDoNothingTheSecondTime() throws {
    for seed in Self.seeds {
      let once = Passes.all.apply(to: try RandomGraph(seed: UInt64(seed)).graph)
      #expect(Passes.removeDeadCode.apply(to: once).ops == once.ops, "seed \(seed)")
      #expect(Passes.fuseNorms.apply(to: once).ops == once.ops, "seed \(seed)")
      #expect(Passes.fuseUpsampling.apply(to: once).ops == once.ops, "seed \(seed)")
    }
  }

  // MARK: Hoisting

  @Test func splitGraphsGiveTheSameResults() throws {
    var hoisted = 0
    for seed in Self.seeds {
      let random = try RandomGraph(seed: UInt64(seed))
      let graph = random.graph
      let halves = Hoisting.split(graph, varying: random.varying)
      #expect(halves.varying.defect == nil && halves.invariant?.defect == nil, "seed \(seed)")
      expectMinimal(halves, of: graph, varying: random.varying, "seed \(seed)")

      let whole = try GraphRun(graph)
      let session = ReferenceBackend().makeSession(weights: NamedWeights(), scalar: Double.self)
      if let invariant = halves.invariant {
        hoisted += 1
        let inputs = testInputs(graph, run: 0, varying: random.varying)
        _ = try GraphRun(invariant, in: session).run(inputs, states: [])
      }
      let varying = try GraphRun(halves.varying, in: session)
      let states = graph.stateUpdates.map(\.state)
      for index in 0..<3 {
        let inputs = testInputs(graph, run: index, varying: random.varying)
        let (actual, expected) = (
          try varying.run(inputs, states: states), try whole.run(inputs, states: states)
        )
        #expect(largestError(actual, expected) <= 1e-12, "seed \(seed), run \(index)")
      }
    }
    #expect(hoisted >= 300)
  }

  /// Only what depends on something that varies is left in the varying half; every node is in one half; all that
  /// crosses is read, and once computed.
  private func expectMinimal(
    _ halves: Hoisting.Halves, of graph: Graph, varying names: Set<String>, _ comment: Comment
  ) {
    let carriers = Set((halves.invariant?.stateUpdates ?? []).map(\.state))
    let half = halves.varying
    var varies = Set<Graph.ValueID>()
    for value in half.values {
      switch value.source {
      case .input(let name): if names.contains(name) { varies.insert(value.id) }
      case .state(let name): if !carriers.contains(name) { varies.insert(value.id) }
      case .weight, .constant, .node: break
      }
    }
    for node in half.nodes {
      #expect(node.inputs.contains { varies.contains($0) }, comment)
      varies.formUnion(node.outputs)
    }
    let alive = DeadCode.remove(from: graph)
    let nodes = half.nodes + (halves.invariant?.nodes ?? [])
    #expect(nodes.map(\.label).sorted() == alive.nodes.map(\.label).sorted(), comment)

    let read = Set(half.nodes.flatMap(\.inputs) + half.outputs.map(\.value) + half.stateUpdates.map(\.value))
    var carried = Set<String>()
    for value in half.values {
      if case .state(let name) = value.source, carriers.contains(name) {
        #expect(read.contains(value.id), comment)
        carried.insert(name)
      }
    }
    #expect(carried == carriers, comment)
    if let invariant = halves.invariant {
      #expect(invariant.outputs.isEmpty && !invariant.nodes.isEmpty, comment)
      #expect(Set(invariant.stateUpdates.map(\.value)).count == carriers.count, comment)
      for (name, _) in invariant.inputs { #expect(!names.contains(name), comment) }
    }
  }

  @Test func statesOfTheGraphsOwnAreNotTaken() throws {
    var builder = GraphBuilder(weights: NamedWeights())
    let type = TensorType([2, 4], .f32)
    let (x, text) = (builder.input("x", type), builder.input("text", type))
    let state = builder.state("invariant.0", type)
    let doubled = try builder.add(text, text, "doubled")
    let sum = try builder.add(builder.add(x, doubled, "sum"), state, "total")
    builder.output("sum", sum)
    builder.output("doubled", doubled)
    builder.update(state: "invariant.0", to: sum)
    let halves = Hoisting.split(builder.graph, varying: ["x"])
    #expect(halves.invariant?.stateUpdates.map(\.state) == ["invariant.1"])
    #expect(halves.invariant?.inputs.map(\.name) == ["text"] && halves.varying.inputs.map(\.name) == ["x"])
    #expect(halves.varying.nodes.map(\.label) == ["sum", "total"])
    let named = Hoisting.split(builder.graph, varying: ["x"], prefix: "prompt 2")
    #expect(named.invariant?.stateUpdates.map(\.state) == ["prompt 2.0"])
  }

  @Test func nothingToHoistIsNoHalf() throws {
    var builder = GraphBuilder(weights: NamedWeights())
    let x = builder.input("x", TensorType([2, 4], .f32))
    let weight = try builder.weight("f32 4 w", [4])
    _ = try builder.apply(LayerNorm(epsilon: 1e-6), [weight], "dead and fixed")
    builder.output("y", try builder.add(x, weight, "sum"))
    let halves = Hoisting.split(builder.graph, varying: ["x"])
    #expect(halves.invariant == nil && halves.varying.nodes.map(\.label) == ["sum"])
    // Everything is the same every time: the varying half only hands it over.
    let all = Hoisting.split(builder.graph, varying: [])
    #expect(all.varying.nodes.isEmpty && all.varying.outputs.count == 1 && all.invariant?.nodes.count == 1)
  }
}
