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

  /// What is wrong with the graph, or nil: every row of a value is made once and before it is read, every op gives its
  /// node's results, outputs and new states exist.
  var defect: String? {
    for (index, value) in values.enumerated() where value.id.index != index { return "value \(index) has another name" }
    // For each value that a node makes, which of its rows exist.
    var exists: [ValueID: [Bool]] = [:]
    func rows(_ value: ValueID, _ window: Range<Int>?) -> Range<Int> {
      window ?? 0..<(self[value].type.shape.dimensions.first ?? 1)
    }
    func exist(_ value: ValueID, _ window: Range<Int>? = nil) -> Bool {
      guard case .node = self[value].source else { return true }
      return exists[value].map { flags in rows(value, window).allSatisfy { flags[$0] } } ?? false
    }
    for node in nodes {
      for (position, input) in node.inputs.enumerated() where !exist(input, node.inputRows[position]) {
        return "\(node.label) reads value \(input.index)"
      }
      let types = try? node.op.outputTypes(inputTypes(of: node))
      if types != outputTypes(of: node) { return "\(node.label): \(node.op.name) has other results" }
      for (position, output) in node.outputs.enumerated() {
        guard case .node = self[output].source else { return "\(node.label) makes value \(output.index)" }
        var flags = exists[output] ?? rows(output, nil).map { _ in false }
        if exists[output] != nil && rows(output, nil).isEmpty { return "value \(output.index) is made twice" }
        for row in rows(output, node.outputRows[position]) {
          if flags[row] { return "row \(row) of value \(output.index) is made twice" }
          flags[row] = true
        }
        exists[output] = flags
      }
    }
    for output in outputs where !exist(output.value) { return "output \(output.name) is not made" }
    for update in stateUpdates where !exist(update.value) { return "state \(update.state) is not made" }
    return nil
  }
}

extension MemoryPlan {
  /// What is wrong with the plan for `graph`, or nil. Independent of the plan's own idea of lives and of takeovers:
  /// walks the nodes and looks whether any read sees bytes that a later write has taken. A result may lie over an
  /// operand of its node only where the op says so, and then in exactly the same place. New contents of a state are
  /// there when the state takes them, and nobody reads its old contents from then on.
  func defect(in graph: Graph, segmentByteCount segment: Int = .max) -> String? {
    for life in lives {
      guard let offset = offset(of: life.value) else { return "value \(life.value.index) has no place" }
      if offset % segment > segment - life.byteCount { return "value \(life.value.index) lies across a cut" }
    }
    var owner = [Int](repeating: -1, count: byteCount)
    func bytes(_ value: Graph.ValueID, _ rows: Range<Int>? = nil) -> Range<Int>? {
      let range = graph[value].type.byteRange(rows)
      guard let offset = offset(of: value), !range.isEmpty else { return nil }
      return offset + range.lowerBound..<offset + range.upperBound
    }
    func isThere(_ value: Graph.ValueID, _ rows: Range<Int>? = nil) -> Bool {
      bytes(value, rows)?.allSatisfy { owner[$0] == value.index } ?? true
    }
    let points = graph.updatePoints()
    var updated = Set<String>()
    for (index, node) in graph.nodes.enumerated() {
      for (position, input) in node.inputs.enumerated() {
        if !isThere(input, node.inputRows[position]) { return "\(node.label) reads value \(input.index) too late" }
        if case .state(let name) = graph[input].source, updated.contains(name) {
          return "\(node.label) reads state \(name) after its update"
        }
      }
      let inPlace = node.op.inPlaceInputs(graph.inputTypes(of: node))
      for (position, output) in node.outputs.enumerated() {
        guard let range = bytes(output, node.outputRows[position]) else { continue }
        for (other, input) in node.inputs.enumerated() {
          guard let taken = bytes(input, node.inputRows[other]), taken.overlaps(range) else { continue }
          if position != 0 || taken != range || !inPlace.contains(other) {
            return "\(node.label) writes over its operand \(other)"
          }
        }
        for (other, second) in node.outputs.enumerated().dropFirst(position + 1) {
          if let taken = bytes(second, node.outputRows[other]), taken.overlaps(range) {
            return "\(node.label) writes two results to one place"
          }
        }
        for i in range { owner[i] = output.index }
      }
      for (update, point) in zip(graph.stateUpdates, points) where point == index {
        if !isThere(update.value) { return "state \(update.state) is updated too early or too late" }
        if !updated.insert(update.state).inserted { return "state \(update.state) is updated twice" }
      }
    }
    for (update, point) in zip(graph.stateUpdates, points) where point == nil && !isThere(update.value) {
      return "value \(update.value.index) does not survive the run"
    }
    for output in graph.outputs {
      if !isThere(output.value) { return "value \(output.value.index) does not survive the run" }
      if case .state(let name) = graph[output.value].source, updated.contains(name) { return "\(output.name) is lost" }
    }
    for update in graph.stateUpdates {
      if case .state(let name) = graph[update.value].source, updated.contains(name) { return "state \(name) is lost" }
    }
    return byteCount >= liveBytesMax ? nil : "\(byteCount) bytes hold \(liveBytesMax) live ones"
  }
}
