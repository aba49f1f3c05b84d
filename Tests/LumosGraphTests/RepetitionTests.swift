import LumosGraph
import LumosOps
import LumosReference
import LumosTensor
import Testing

@Suite struct RepetitionTests {
  /// Chains of equal nodes become one; what differs in op or operands stays; outputs and updates follow.
  @Test func equalWorkIsDoneOnce() throws {
    var builder = GraphBuilder(weights: NoWeights())
    let type = TensorType([2], .f32)
    let x = builder.input("x", type)
    let state = builder.state("s", type)
    var ends: [Graph.ValueID] = []
    for branch in 0..<2 {
      let twice = try builder.add(x, x, "twice \(branch)")
      let square = try builder.multiply(twice, twice, "square \(branch)")
      ends.append(try builder.activation(branch == 0 ? .silu : .geluTanh, square, "activation \(branch)"))
      builder.output("square \(branch)", square)
    }
    builder.output("sum", try builder.add(ends[0], ends[1], "sum"))
    builder.output("turned", try builder.add(ends[1], ends[0], "turned"))
    builder.update(state: "s", to: try builder.add(state, try builder.add(x, x, "twice again"), "state"))

    let merged = Repetition.remove(from: builder.graph)
    #expect(
      merged.nodes.map(\.label)
        == ["twice 0", "square 0", "activation 0", "activation 1", "sum", "turned", "state"])
    func run(_ graph: Graph) throws -> ([String: Tensor], Tensor) {
      let session = ReferenceBackend().makeSession(weights: NoWeights())
      let executable = try session.compile(graph)
      let outputs = try executable.run(["x": Tensor([Float(1), -3], [2])], fetch: graph.outputs.map(\.name))
      return (outputs, try session.state("s"))
    }
    let (found, expected) = (try run(merged), try run(builder.graph))
    #expect(found.0.mapValues { $0.floats() } == expected.0.mapValues { $0.floats() })
    #expect(found.1.floats() == [2, -6] && expected.1.floats() == [2, -6])
  }
}
