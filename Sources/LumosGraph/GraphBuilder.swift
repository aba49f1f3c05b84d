import LumosOps
import LumosTensor

/// Builds a graph node by node; every call checks shapes at once.
///
/// Weight names are as the checkpoint has them. Errors name the node's label.
public struct GraphBuilder {
  /// What a builder's caller got wrong, or a checkpoint lacks.
  public enum Failure: Error, Sendable, CustomStringConvertible {
    /// A node's operands do not fit its op.
    case mismatch(label: String, cause: OpError)
    /// The checkpoint has no such weight.
    case missingWeight(String)
    /// A weight has another shape than the model needs.
    case weightShape(String, expected: Shape, found: Shape)

    public var description: String {
      switch self {
      case .mismatch(let label, let cause): "\(label): \(cause)"
      case .missingWeight(let name): "weight \(name) is missing"
      case .weightShape(let name, let expected, let found): "weight \(name) has shape \(found), expected \(expected)"
      }
    }
  }

  /// Identifies a value of the graph being built.
  public typealias Value = Graph.ValueID

  /// The graph so far.
  public private(set) var graph = Graph()
  private let weights: any WeightSource
  private var named: [String: Value] = [:]
  private var halfTypes = Graph.Node.allHalfTypes

  public init(weights: any WeightSource) { self.weights = weights }

  /// Type of a value.
  public func type(of value: Value) -> TensorType { graph[value].type }
  /// Shape of a value.
  public func shape(of value: Value) -> Shape { graph[value].type.shape }

  /// An input that the caller gives under `name`.
  public mutating func input(_ name: String, _ type: TensorType) -> Value {
    source(key: "input " + name, type, .input(name: name))
  }

  /// A state of the session; zero at first. The same name always means the same state.
  public mutating func state(_ name: String, _ type: TensorType) -> Value {
    source(key: "state " + name, type, .state(name: name))
  }

  /// Fixed contents.
  public mutating func constant(_ tensor: Tensor) -> Value { append(tensor.type, .constant(tensor)) }

  /// A weight that must have shape `shape` in the checkpoint, used in `layout` (as stored by default).
  public mutating func weight(_ name: String, _ shape: Shape, layout: WeightLayout? = nil) throws(Failure) -> Value {
    guard let stored = weights.type(ofWeight: name) else { throw .missingWeight(name) }
    guard stored.shape == shape else { throw .weightShape(name, expected: shape, found: stored.shape) }
    let layout = layout ?? .shape(shape)
    return source(key: "weight \(name) \(layout)", layout.apply(stored), .weight(name: name, layout: layout))
  }

  /// Whether the checkpoint has a weight of this name.
  public func hasWeight(_ name: String) -> Bool { weights.type(ofWeight: name) != nil }

  /// A node with one result.
  public mutating func apply(_ op: any OpDescriptor, _ inputs: [Value], _ label: String) throws(Failure) -> Value {
    try applyAll(op, inputs, label)[0]
  }

  /// A node with all its results.
  public mutating func applyAll(
    _ op: any OpDescriptor, _ inputs: [Value], _ label: String
  ) throws(Failure) -> [Value] {
    let types: [TensorType]
    do { types = try op.outputTypes(inputs.map { graph[$0].type }) } catch {
      throw .mismatch(label: label, cause: error)
    }
    let outputs = types.map { append($0, .node) }
    graph.nodes.append(Graph.Node(op: op, inputs: inputs, outputs: outputs, label: label, halfTypes: halfTypes))
    return outputs
  }

  /// Builds nodes whose products may take their factors in these half types only (`Graph.Node.halfTypes`).
  public mutating func withFactors<R>(
    in halfTypes: Set<DType>, _ body: (inout GraphBuilder) throws(Failure) -> R
  ) throws(Failure) -> R {
    let before = self.halfTypes
    self.halfTypes = halfTypes
    defer { self.halfTypes = before }
    return try body(&self)
  }

  /// Makes a value fetchable under `name`.
  public mutating func output(_ name: String, _ value: Value) { graph.outputs.append((name, value)) }

  /// Lets the state `name` take `value` at the end of a run.
  public mutating func update(state name: String, to value: Value) {
    graph.stateUpdates.append(Graph.StateUpdate(state: name, value: value))
  }

  /// Lets the rows of `value`, which is no state itself, go behind those of the state `name` at the end of a run; as
  /// many rows leave it in front. The state has been named before, and nothing else updates it.
  public mutating func append(_ value: Value, toState name: String) {
    guard let type = graph.states.first(where: { $0.name == name })?.type else {
      preconditionFailure("there is no state \(name) to append to")
    }
    let own = graph[value].type
    if case .state = graph[value].source { preconditionFailure("a state behind state \(name)") }
    precondition(
      own.dtype == type.dtype && type.shape.rank > 0
        && own.shape.dimensions.dropFirst() == type.shape.dimensions.dropFirst()
        && !graph.stateUpdates.contains { $0.state == name },
      "\(own) behind state \(name) of \(type)")
    graph.stateUpdates.append(Graph.StateUpdate(state: name, value: value, appends: true))
  }

  private mutating func source(key: String, _ type: TensorType, _ source: Graph.Source) -> Value {
    if let known = named[key] {
      precondition(graph[known].type == type, "\(key) is \(graph[known].type) and \(type)")
      return known
    }
    let value = append(type, source)
    named[key] = value
    return value
  }

  private mutating func append(_ type: TensorType, _ source: Graph.Source) -> Value {
    let id = Graph.ValueID(index: graph.values.count)
    graph.values.append(Graph.Value(id: id, type: type, source: source))
    return id
  }
}

/// The model's vocabulary: one method per op, with weights by their checkpoint prefix.
extension GraphBuilder {
  /// `x Wᵀ + b` with `prefix.weight [outputs, inputs]` and, unless `bias` is false, `prefix.bias`.
  public mutating func linear(
    _ x: Value, _ prefix: String, _ outputs: Int, bias: Bool = true
  ) throws(Failure) -> Value {
    var inputs = [x, try weight(prefix + ".weight", [outputs, shape(of: x)[-1]])]
    if bias { inputs.append(try weight(prefix + ".bias", [outputs])) }
    return try adding(to: apply(Linear(), inputs, prefix), of: x, prefix, rows: 0..<outputs)
  }

  /// A layer's result and what stands beside its weight (`WeightSource.additions`), of rows `rows`.
  mutating func adding(
    to y: Value, of x: Value, _ prefix: String, rows: Range<Int>
  ) throws(Failure) -> Value {
    var y = y
    for (index, addition) in weights.additions(toWeight: prefix + ".weight").enumerated() {
      guard let down = weights.type(ofWeight: addition.down), let up = weights.type(ofWeight: addition.up) else {
        throw .missingWeight(addition.down)
      }
      let label = "\(prefix).addition\(index)"
      let inner = try apply(Linear(), [x, weight(addition.down, [down.shape[0], shape(of: x)[-1]])], label + ".down")
      let factor = try weight(addition.up, up.shape, layout: .rows(start: rows.lowerBound, count: rows.count))
      y = try add(y, apply(Linear(), [inner, factor], label + ".up"), label)
    }
    return y
  }

  /// A nonlinearity.
  public mutating func activation(_ kind: Activation.Kind, _ x: Value, _ label: String) throws(Failure) -> Value {
    try apply(Activation(kind), [x], label)
  }

  /// `a + b`.
  public mutating func add(_ a: Value, _ b: Value, _ label: String) throws(Failure) -> Value {
    try apply(Elementwise(.add), [a, b], label)
  }

  /// RMS norm with gain `prefix.weight`.
  public mutating func rmsNorm(_ x: Value, _ prefix: String, epsilon: Float) throws(Failure) -> Value {
    let gain = try weight(prefix + ".weight", [shape(of: x)[-1]])
    return try apply(RMSNorm(epsilon: epsilon), [x, gain], prefix)
  }
}
