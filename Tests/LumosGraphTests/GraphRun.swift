import LumosOps
import LumosReference
import LumosTensor
import Testing

@testable import LumosGraph

/// A graph on the CPU backend in float64, run several times.
struct GraphRun {
  private let session: any Session
  private let executable: any Executable
  private let graph: Graph

  init(_ graph: Graph, in session: (any Session)? = nil) throws {
    self.graph = graph
    self.session = session ?? ReferenceBackend().makeSession(weights: NamedWeights(), scalar: Double.self)
    executable = try self.session.compile(graph)
  }

  /// Runs once on those of `inputs` that the graph has.
  /// - Returns: all outputs and, afterwards, the named states.
  func run(_ inputs: [String: Tensor], states: [String]) throws -> [String: [Double]] {
    let known = Set(graph.inputs.map(\.name))
    let names = graph.outputs.map(\.name)
    var results = try executable.run(inputs.filter { known.contains($0.key) }, fetch: names).mapValues { $0.doubles() }
    for state in states { results["state " + state] = try session.state(state).doubles() }
    return results
  }
}

/// Inputs of a graph for one run; those not in `varying` are the same in every run.
func testInputs(_ graph: Graph, run: Int, varying: Set<String>) -> [String: Tensor] {
  var tensors: [String: Tensor] = [:]
  for (name, type) in graph.inputs {
    let seed = name.utf8.reduce(UInt64(varying.contains(name) ? run + 1 : 0)) { $0 &* 31 &+ UInt64($1) }
    var random = TestRandom(seed: seed)
    tensors[name] = random.tensor(type)
  }
  return tensors
}

/// Largest NMSE among results of the same names; infinity where names, counts or finiteness differ.
func largestError(_ actual: [String: [Double]], _ expected: [String: [Double]]) -> Double {
  guard actual.keys.sorted() == expected.keys.sorted() else { return .infinity }
  var largest = 0.0
  for (name, values) in expected {
    guard let found = actual[name], found.count == values.count else { return .infinity }
    var (error, power) = (0.0, 0.0)
    for (a, e) in zip(found, values) {
      error += (a - e) * (a - e)
      power += e * e
    }
    guard error.isFinite && power.isFinite else { return .infinity }
    largest = max(largest, power > 0 ? error / power : error)
  }
  return largest
}

extension Graph {
  /// Names of the nodes' ops, in order.
  var ops: [String] { nodes.map { $0.op.name } }

  /// What is wrong with the graph, or nil: every value is made once and before it is read, every op gives its node's
  /// results, outputs and new states exist.
  var defect: String? {
    var exists = Set(
      values.compactMap { value -> ValueID? in if case .node = value.source { nil } else { value.id } })
    for (index, value) in values.enumerated() where value.id.index != index { return "value \(index) has another name" }
    for node in nodes {
      for input in node.inputs where !exists.contains(input) { return "\(node.label) reads value \(input.index)" }
      let types = try? node.op.outputTypes(node.inputs.map { self[$0].type })
      if types != node.outputs.map({ self[$0].type }) { return "\(node.label): \(node.op.name) has other results" }
      for output in node.outputs where !exists.insert(output).inserted { return "value \(output.index) is made twice" }
    }
    for output in outputs where !exists.contains(output.value) { return "output \(output.name) is not made" }
    for update in stateUpdates where !exists.contains(update.value) { return "state \(update.state) is not made" }
    return nil
  }
}

extension MemoryPlan {
  /// What is wrong with the plan for `graph`, or nil. Independent of the plan's own idea of lives: walks the nodes and
  /// looks whether any read sees bytes that a later write has taken.
  func defect(in graph: Graph, segmentByteCount segment: Int = .max) -> String? {
    for life in lives {
      guard let offset = offset(of: life.value) else { return "value \(life.value.index) has no place" }
      if offset % segment > segment - life.byteCount { return "value \(life.value.index) lies across a cut" }
    }
    var owner = [Int](repeating: -1, count: byteCount)
    func bytes(_ value: Graph.ValueID) -> Range<Int>? {
      offset(of: value).map { $0..<$0 + graph[value].type.byteCount }
    }
    func isWhole(_ value: Graph.ValueID) -> Bool { bytes(value)?.allSatisfy { owner[$0] == value.index } ?? true }
    for node in graph.nodes {
      for input in node.inputs where !isWhole(input) { return "\(node.label) reads value \(input.index) too late" }
      for output in node.outputs {
        guard let range = bytes(output) else { continue }
        for input in node.inputs {
          if let other = bytes(input), range.overlaps(other) { return "\(node.label) writes over its operand" }
        }
        for i in range { owner[i] = output.index }
      }
    }
    for value in graph.outputs.map(\.value) + graph.stateUpdates.map(\.value) where !isWhole(value) {
      return "value \(value.index) does not survive the run"
    }
    return byteCount >= liveBytesMax ? nil : "\(byteCount) bytes hold \(liveBytesMax) live ones"
  }
}
