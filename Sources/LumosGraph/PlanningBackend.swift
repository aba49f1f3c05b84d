import LumosTensor

/// A backend that computes nothing: it remembers which graphs are compiled, how often each is run and which are held
/// at the same time. Results are zero.
///
/// The drivers of the models (encoder, sampler, decoder) run on it as on a device, so that a plan shows what they do by
/// construction, and not what somebody thinks that they do. Weights need only be described.
public struct PlanningBackend: Backend {
  /// A backend.
  public init() {}

  public var name: String { "plan" }

  public func makeSession(weights: any WeightSource, options: SessionOptions) -> any Session { PlanningSession() }
}

/// What happened on a session of `PlanningBackend`. See `Session`.
public final class PlanningSession: Session {
  /// A compiled graph.
  public struct Use: Sendable {
    /// The graph, as the model built it.
    public let graph: Graph
    /// How often it was run.
    public internal(set) var runs = 0
    /// Whether its executable exists.
    var isHeld = true
  }

  /// All graphs, in the order in which they were compiled.
  public private(set) var uses: [Use] = []
  /// After each compilation, the indices of the graphs whose executables existed.
  public private(set) var held: [[Int]] = []
  /// States without contents: those of a video decoder fill gigabytes.
  private var states: [String: TensorType] = [:]

  /// A session without graphs.
  public init() {}

  public var peakDeviceBytes: Int { 0 }

  public func compile(_ graph: Graph) throws -> any Executable {
    for (name, type) in graph.states { states[name] = type }
    for update in graph.stateUpdates where !update.appends { states[update.state] = graph[update.value].type }
    uses.append(Use(graph: graph))
    held.append(uses.indices.filter { uses[$0].isHeld })
    return PlanningExecutable(graph, index: uses.count - 1, self)
  }

  public func setState(_ name: String, to tensor: Tensor) throws {
    guard let known = states[name] else { throw BackendError.unknownName(name) }
    guard known == tensor.type else { throw BackendError.mismatch(name: name, expected: known, found: tensor.type) }
  }

  public func state(_ name: String) throws -> Tensor {
    guard let known = states[name] else { throw BackendError.unknownName(name) }
    return try Tensor(known.shape, known.dtype)
  }

  public func resetStates() throws {}

  public func removeState(_ name: String) { states[name] = nil }

  /// Bytes of the weights that the graphs read, each once.
  public var weightBytes: Int {
    var bytes: [String: Int] = [:]
    for graph in uses.map(\.graph) {
      for value in graph.values {
        if case .weight(let name, let layout) = value.source { bytes["\(name) \(layout)"] = value.type.byteCount }
      }
    }
    return bytes.values.reduce(0, +)
  }

  fileprivate func noteRun(_ index: Int) { uses[index].runs += 1 }
  fileprivate func noteRelease(_ index: Int) { uses[index].isHeld = false }
}

/// A graph on a `PlanningSession`. It checks what it is given as a device would.
private final class PlanningExecutable: Executable {
  private let session: PlanningSession
  private let index: Int
  private let inputs: [String: TensorType]
  private let outputs: [String: TensorType]
  private var given: Set<String> = []
  private var zeros: [String: Tensor] = [:]

  init(_ graph: Graph, index: Int, _ session: PlanningSession) {
    self.session = session
    self.index = index
    inputs = Dictionary(graph.inputs.map { ($0.name, $0.type) }, uniquingKeysWith: { first, _ in first })
    outputs = Dictionary(
      graph.outputs.map { ($0.name, graph[$0.value].type) }, uniquingKeysWith: { first, _ in first })
  }

  deinit { session.noteRelease(index) }

  func run(_ given: [String: Tensor], fetch: [String]) throws -> [String: Tensor] {
    for (name, tensor) in given {
      guard let type = inputs[name] else { throw BackendError.unknownName(name) }
      guard tensor.type == type else { throw BackendError.mismatch(name: name, expected: type, found: tensor.type) }
      self.given.insert(name)
    }
    if let name = inputs.keys.sorted().first(where: { !self.given.contains($0) }) {
      throw BackendError.missingInput(name)
    }
    session.noteRun(index)
    var results: [String: Tensor] = [:]
    for name in fetch {
      guard let type = outputs[name] else { throw BackendError.unknownName(name) }
      let zero = try zeros[name] ?? Tensor(type.shape, type.dtype)
      zeros[name] = zero
      results[name] = zero
    }
    return results
  }
}
