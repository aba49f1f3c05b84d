import LumosGraph
import LumosReference
import LumosTensor
import Testing

@testable import LumosVulkan

/// States that values are appended to.
@Suite struct StateQueueTests {
  /// Rows of the state.
  static let length = 3

  /// Appends twice the input to the queue, which is read before that; `fetches` makes its old contents an output.
  static func graph(rows: Int, fetches: Bool) throws -> Graph {
    var builder = GraphBuilder(weights: TestWeights())
    let x = builder.input("x", TensorType([rows, 2], .f32))
    let queue = builder.state("queue", TensorType([length, 2], .f32))
    let new = try builder.add(x, x, "new")
    builder.append(new, toState: "queue")
    builder.output("sum", try builder.add(queue, builder.slice(queue, 0..<1, "first"), "sum"))
    if fetches { builder.output("old", queue) }
    return builder.graph
  }

  @Test("The last rows stay, whatever the number of new ones", arguments: [1, 2, 3, 5], [false, true])
  func appending(rows: Int, fetches: Bool) throws {
    let graph = try Self.graph(rows: rows, fetches: fetches)
    // Nothing is kept aside where the old contents are not asked for.
    #expect((graph.updatePoints() == [nil]) == fetches)
    let sessions: [any Session] = [
      try SessionTests.session(), ReferenceBackend().makeSession(weights: TestWeights()),
    ]
    for session in sessions {
      let executable = try session.compile(graph)
      var rowsSoFar = Array(repeating: Float(0), count: 2 * Self.length)
      for run in 0..<4 {
        let new = ramp(2 * rows, from: Float(1 + 100 * run))
        let old = Array(rowsSoFar.suffix(2 * Self.length))
        let results = try executable.run(
          ["x": Tensor(new, [rows, 2])], fetch: fetches ? ["sum", "old"] : ["sum"])
        #expect(results["sum"]?.floats() == old.indices.map { old[$0] + old[$0 % 2] })
        if fetches { #expect(results["old"]?.floats() == old) }
        rowsSoFar += new.map { 2 * $0 }
        #expect(try session.state("queue").floats() == Array(rowsSoFar.suffix(2 * Self.length)))
      }
    }
  }

  @Test("Copies within a state never overlap themselves, and a barrier stands between them")
  func copies() throws {
    for rows in 1...4 {
      let graph = try Self.graph(rows: rows, fetches: false)
      let plan = try VulkanPlan(graph, VulkanPlan.Limits(profile: .minimum))
      #expect(HazardChecker.violations(plan.commands, barriers: plan.barriers).isEmpty)
      let moves = plan.commands.filter { $0.label.hasSuffix("moving up") }
      #expect(moves.count == [2, 1, 0, 0][rows - 1])
    }
  }
}
