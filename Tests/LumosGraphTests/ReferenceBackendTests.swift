import LumosGraph
import LumosOps
import LumosReference
import LumosTensor
import Testing

@Suite struct ReferenceBackendTests {
  struct OneWeight: WeightSource {
    func type(ofWeight name: String) -> TensorType? { name == "w" ? TensorType([2], .f16) : nil }
    func weight(_ name: String) throws -> Tensor { Tensor([Float(3), -2], [2]).converted(to: .f16) }
  }

  @Test func weightsInputsAndOutputs() throws {
    var builder = GraphBuilder(weights: OneWeight())
    let x = builder.input("x", TensorType([2, 2], .f32))
    let product = try builder.apply(Elementwise(.multiply), [x, builder.weight("w", [2])], "product")
    builder.output("y", try builder.add(product, x, "sum"))
    let executable = try ReferenceBackend().makeSession(weights: OneWeight()).compile(builder.graph)
    let y = try executable.run(["x": Tensor([Float(1), 2, 3, 4], [2, 2])], output: "y")
    #expect(y.floats() == [4, -2, 12, -4])
    // Inputs persist.
    #expect(try executable.run([:], output: "y").floats() == [4, -2, 12, -4])
  }

  @Test func statesSwapAtTheEndOfARun() throws {
    var builder = GraphBuilder(weights: NoWeights())
    let type = TensorType([1], .f32)
    let (a, b) = (builder.state("a", type), builder.state("b", type))
    let sum = try builder.add(a, b, "sum")
    builder.update(state: "a", to: b)
    builder.update(state: "b", to: sum)
    let session = ReferenceBackend().makeSession(weights: NoWeights())
    let executable = try session.compile(builder.graph)
    try session.setState("b", to: Tensor([Float(1)], [1]))
    for _ in 0..<10 { _ = try executable.run([:], fetch: []) }
    #expect(try session.state("a").floats() == [55])
    #expect(try session.state("b").floats() == [89])
    try session.resetStates()
    #expect(try session.state("b").floats() == [0])
  }

  @Test func mistakesAreNamed() throws {
    var builder = GraphBuilder(weights: OneWeight())
    let x = builder.input("x", TensorType([2], .f32))
    builder.output("y", try builder.add(x, x, "sum"))
    let executable = try ReferenceBackend().makeSession(weights: OneWeight()).compile(builder.graph)
    #expect(throws: BackendError.self) { _ = try executable.run([:], fetch: ["y"]) }
    #expect(throws: BackendError.self) { _ = try executable.run(["z": Tensor([Float(1)], [1])], fetch: []) }
    #expect(throws: BackendError.self) { _ = try executable.run(["x": Tensor([Float(1)], [1])], fetch: ["y"]) }
    #expect(throws: BackendError.self) {
      _ = try executable.run(["x": Tensor([Float(1), 2], [2])], fetch: ["nothing"])
    }
    #expect(throws: GraphBuilder.Failure.self) { _ = try builder.weight("missing", [2]) }
    #expect(throws: GraphBuilder.Failure.self) { _ = try builder.weight("w", [3]) }
    #expect(throws: GraphBuilder.Failure.self) { _ = try builder.linear(x, "none", 4) }
  }

  @Test func channelsLastLayoutPermutes() {
    let stored = Tensor((0..<2 * 3 * 1 * 2 * 2).map(Float.init), [2, 3, 1, 2, 2])
    let laid = WeightLayout.channelsLast.apply(stored)
    #expect(laid.shape == [2, 1, 2, 2, 3])
    // [o=1, 0, y=1, x=0, c=2] is stored at ((1*3 + 2)*1*2 + 1)*2 + 0.
    #expect(laid.floats()[((1 * 2 + 1) * 2 + 0) * 3 + 2] == Float(((1 * 3 + 2) * 2 + 1) * 2))
    let rows = WeightLayout.rows(start: 1, count: 1).apply(stored)
    #expect(rows.shape == [1, 12])
    #expect(rows.floats()[0] == 12)
  }
}
