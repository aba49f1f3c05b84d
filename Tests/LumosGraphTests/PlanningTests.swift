import LumosOps
import LumosTensor
import Testing

@testable import LumosGraph

@Suite struct PlanningTests {
  static func graph(_ name: String) throws -> Graph {
    var builder = GraphBuilder(weights: NoWeights())
    let x = builder.input("x", TensorType([4], .f32))
    let state = builder.state("s", TensorType([4], .f32))
    let y = try builder.add(x, state, name)
    builder.output("y", y)
    builder.update(state: "s", to: y)
    return builder.graph
  }

  @Test("A planning session remembers graphs, runs and what was held together")
  func remembers() throws {
    let session = PlanningSession()
    let x = Tensor([1, 2, 3, 4] as [Float], [4])
    var first: (any Executable)? = try session.compile(Self.graph("first"))
    _ = try first?.run(["x": x], fetch: [])
    let result = try first?.run([:], fetch: ["y"])
    #expect(result?["y"]?.floats() == [0, 0, 0, 0])
    let second = try session.compile(Self.graph("second"))
    first = nil
    let third = try session.compile(Self.graph("third"))
    _ = try third.run(["x": x], fetch: [])
    #expect(session.uses.map(\.runs) == [2, 0, 1])
    #expect(session.held == [[0], [0, 1], [1, 2]])
    #expect(session.uses.map { $0.graph.nodes[0].label } == ["first", "second", "third"])
    #expect(try session.state("s").type == TensorType([4], .f32))
    withExtendedLifetime(second) {}
  }

  @Test("It refuses what a device would refuse")
  func refuses() throws {
    let session = PlanningSession()
    let executable = try session.compile(Self.graph("sum"))
    #expect(throws: BackendError.self) { try executable.run([:], fetch: ["y"]) }
    #expect(throws: BackendError.self) { try executable.run(["z": Tensor([1] as [Float], [1])], fetch: []) }
    #expect(throws: BackendError.self) { try executable.run(["x": Tensor([1] as [Float], [1])], fetch: []) }
    #expect(throws: BackendError.self) {
      try executable.run(["x": Tensor([1, 2, 3, 4] as [Float], [4])], fetch: ["z"])
    }
    #expect(throws: BackendError.self) { try session.setState("s", to: Tensor([1] as [Float], [1])) }
    #expect(throws: BackendError.self) { try session.state("t") }
  }

  @Test("Blocks are counted by their labels, once however often they stand in the graph")
  func blocks() {
    var count = BlockCount()
    #expect(count.largest == 0)
    for _ in 0..<2 {
      for label in ["norm1", "attn", "ffn"] { count.add("blocks.0.\(label)", kernel: "K") }
      for label in ["norm1", "attn"] { count.add("blocks.11.\(label)", kernel: "K") }
    }
    // The row blocks of one node of one of the branches.
    for _ in 0..<8 { count.add("blocks.11.attn", kernel: "K") }
    count.add("head.norm", kernel: "K")
    count.add("blocks.x.norm", kernel: "K")
    #expect(count.largest == 3)
    count.add("blocks.11.a + blocks.12.a", kernel: "K")
    count.add("blocks.11.attn", kernel: "another")
    #expect(count.largest == 4)
  }
}
