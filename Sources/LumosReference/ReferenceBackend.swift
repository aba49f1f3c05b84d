import LumosGraph
import LumosOps
import LumosTensor

/// The CPU backend: interprets graphs node by node, as built, in float32.
///
/// In half precision it rounds where the graph says so (`Precision`), and computes in float32 all the same. It is what
/// the Vulkan backend is held against, and what runs where there is no GPU.
public struct ReferenceBackend: Backend {
  public let name = "cpu"
  /// In which types values are kept.
  public var precision: Precision
  private var recorder: ProfileRecorder?

  /// Where profiles show the nodes.
  static let queue = Profile.Queue(device: "cpu", name: "interpreter")

  /// A backend of this precision.
  public init(precision: Precision = .single) { self.precision = precision }

  public func profiled(by recorder: ProfileRecorder) -> any Backend {
    var copy = self
    copy.recorder = recorder
    return copy
  }

  public func makeSession(weights: any WeightSource) -> any Session {
    makeSession(weights: weights, scalar: Float.self)
  }

  /// Everything is in ordinary memory: there is nothing to choose.
  public func makeSession(weights: any WeightSource, options: SessionOptions) -> any Session {
    makeSession(weights: weights)
  }

  /// A session in another precision: `Double` shows how far float32 itself is from exact arithmetic.
  public func makeSession<S: ReferenceScalar>(weights: any WeightSource, scalar: S.Type) -> any Session {
    ReferenceSession<S>(weights: weights, precision, recorder)
  }
}

/// Weights and states of the CPU backend, in one number type.
final class ReferenceSession<Scalar: ReferenceScalar>: Session {
  fileprivate let recorder: ProfileRecorder?
  private let precision: Precision
  private let source: any WeightSource
  private var weights: [String: ReferenceArray<Scalar>] = [:]
  fileprivate var states: [String: ReferenceArray<Scalar>] = [:]

  init(weights: any WeightSource, _ precision: Precision, _ recorder: ProfileRecorder?) {
    source = weights
    self.precision = precision
    self.recorder = recorder
  }

  /// The CPU backend keeps everything in ordinary memory and does not count it.
  var peakDeviceBytes: Int { 0 }

  func compile(_ graph: Graph) throws -> any Executable {
    let graph = precision.apply(to: graph)
    for node in graph.nodes where !(node.op is any ReferenceKernel) {
      throw OpError(type(of: node.op).name, "has no CPU reference (\(node.label))")
    }
    for (name, type) in graph.states {
      if let known = states[name] {
        guard known.shape == type.shape else {
          throw BackendError.mismatch(name: name, expected: TensorType(known.shape, .f32), found: type)
        }
      } else {
        states[name] = .zeros(type.shape, type.dtype)
      }
    }
    return recorder.span(.compile, "compile") { ReferenceExecutable(graph: graph, session: self) }
  }

  func setState(_ name: String, to tensor: Tensor) throws {
    guard let known = states[name] else { throw BackendError.unknownName(name) }
    guard known.shape == tensor.shape else {
      throw BackendError.mismatch(name: name, expected: TensorType(known.shape, .f32), found: tensor.type)
    }
    states[name] = ReferenceArray(tensor)
  }

  func state(_ name: String) throws -> Tensor {
    guard let known = states[name] else { throw BackendError.unknownName(name) }
    return known.tensor
  }

  func resetStates() {
    states = states.mapValues { .zeros($0.shape, $0.dtype) }
  }

  func removeState(_ name: String) { states[name] = nil }

  /// A weight in the evaluation's number type, widened once.
  fileprivate func weight(_ name: String, _ layout: WeightLayout) throws -> ReferenceArray<Scalar> {
    let key = "\(name) \(layout)"
    if let known = weights[key] { return known }
    let array = try recorder.span(.upload, "weight \(name)") {
      ReferenceArray<Scalar>(layout.apply(try source.weight(name)))
    }
    weights[key] = array
    return array
  }
}

/// A graph on the CPU backend.
final class ReferenceExecutable<Scalar: ReferenceScalar>: Executable {
  private let graph: Graph
  private let session: ReferenceSession<Scalar>
  private let inputTypes: [String: TensorType]
  private let constants: [Int: ReferenceArray<Scalar>]
  /// Node after which a value is read no more.
  private let lastUse: [Int]
  private var inputs: [String: ReferenceArray<Scalar>] = [:]

  init(graph: Graph, session: ReferenceSession<Scalar>) {
    self.graph = graph
    self.session = session
    inputTypes = Dictionary(graph.inputs.map { ($0.name, $0.type) }, uniquingKeysWith: { first, _ in first })
    var constants: [Int: ReferenceArray<Scalar>] = [:]
    for value in graph.values {
      if case .constant(let tensor) = value.source { constants[value.id.index] = ReferenceArray(tensor) }
    }
    self.constants = constants
    var lastUse = [Int](repeating: -1, count: graph.values.count)
    for (index, node) in graph.nodes.enumerated() {
      for value in node.inputs { lastUse[value.index] = index }
    }
    for value in graph.outputs.map(\.value) + graph.stateUpdates.map(\.value) { lastUse[value.index] = .max }
    self.lastUse = lastUse
  }

  func run(_ given: [String: Tensor], fetch: [String]) throws -> [String: Tensor] {
    try session.recorder.span(.run, "run") { try evaluate(given, fetch: fetch) }
  }

  /// What nodes do, for profiles.
  private lazy var operations = graph.nodes.map { node in
    let inputs = graph.inputTypes(of: node)
    return Profile.Operation(
      op: node.op.name, label: node.label, kernel: "reference", flops: node.op.flops(inputs),
      bytes: node.op.bytesMoved(inputs))
  }

  private func evaluate(_ given: [String: Tensor], fetch: [String]) throws -> [String: Tensor] {
    for (name, tensor) in given {
      guard let type = inputTypes[name] else { throw BackendError.unknownName(name) }
      guard tensor.type == type else { throw BackendError.mismatch(name: name, expected: type, found: tensor.type) }
      inputs[name] = ReferenceArray(tensor)
    }
    if let name = inputTypes.keys.sorted().first(where: { inputs[$0] == nil }) {
      throw BackendError.missingInput(name)
    }

    var values: [Int: ReferenceArray<Scalar>] = [:]
    // Values that several nodes fill, row by row: not a number where no node has been.
    var filled: [Int: [Scalar]] = [:]
    func contents(_ id: Graph.ValueID) throws -> ReferenceArray<Scalar> {
      let value = graph[id]
      switch value.source {
      case .input(let name):
        guard let array = inputs[name] else { throw BackendError.missingInput(name) }
        return array
      case .weight(let name, let layout): return try session.weight(name, layout)
      case .state(let name):
        guard let array = session.states[name] else { throw BackendError.unknownName(name) }
        return array
      case .constant, .node:
        if let array = constants[id.index] ?? values[id.index] { return array }
        guard let array = filled[id.index] else { throw BackendError.unknownName("value \(id.index)") }
        return ReferenceArray(array, value.type.shape, value.type.dtype)
      }
    }

    for (index, node) in graph.nodes.enumerated() {
      guard let kernel = node.op as? any ReferenceKernel else { throw BackendError.unknownName(node.label) }
      let operands = try node.inputs.enumerated().map { position, input in
        let array = try contents(input)
        return node.inputRows[position].map(array.rows) ?? array
      }
      let start = session.recorder?.now
      let results = kernel.results(operands, outputs: graph.outputTypes(of: node))
      if let recorder = session.recorder, let start {
        recorder.record([(operations[index], start..<recorder.now)], on: ReferenceBackend.queue)
      }
      for (position, (output, result)) in zip(node.outputs, results).enumerated() {
        let shape = graph[output].type.shape
        if let rows = node.outputRows[position] {
          let start = rows.lowerBound * shape.rowCount
          filled[output.index, default: [Scalar](repeating: .nan, count: shape.count)]
            .replaceSubrange(start..<start + result.values.count, with: result.values)
        } else {
          values[output.index] = result
        }
      }
      for value in node.inputs + node.outputs where lastUse[value.index] <= index {
        values[value.index] = nil
        filled[value.index] = nil
      }
    }

    var fetched: [String: Tensor] = [:]
    for name in fetch {
      guard let output = graph.outputs.first(where: { $0.name == name }) else { throw BackendError.unknownName(name) }
      fetched[name] = try contents(output.value).tensor
    }
    // All new state values are taken before any state changes: one may be another's old contents.
    let updates = try graph.stateUpdates.map { ($0, try contents($0.value)) }
    for (update, array) in updates {
      let old = update.appends ? session.states[update.state] : nil
      session.states[update.state] = old?.moved(up: array) ?? array
    }
    return fetched
  }
}

extension ReferenceArray {
  /// Zeros of a shape and type.
  static func zeros(_ shape: Shape, _ dtype: DType) -> ReferenceArray {
    ReferenceArray([Scalar](repeating: 0, count: shape.count), shape, dtype)
  }

  /// Rows `range` of the outermost axis.
  func rows(_ range: Range<Int>) -> ReferenceArray {
    let part = range.lowerBound * shape.rowCount..<range.upperBound * shape.rowCount
    let shape = Shape([range.count] + shape.dimensions.dropFirst())
    return integers.isEmpty
      ? ReferenceArray(Array(values[part]), shape, dtype) : ReferenceArray(integers: Array(integers[part]), shape)
  }

  /// As many rows, the last of them those of `newer`.
  func moved(up newer: ReferenceArray) -> ReferenceArray {
    ReferenceArray(Array((values + newer.values).suffix(values.count)), shape, dtype)
  }

  /// The numbers as a tensor: float32, or float64 when that is the evaluation's type.
  var tensor: Tensor {
    if !integers.isEmpty { return Tensor(integers, shape) }
    return Scalar.tensor(values, shape)
  }
}
