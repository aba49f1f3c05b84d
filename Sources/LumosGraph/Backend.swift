import LumosOps
import LumosTensor

/// Something that runs graphs: the CPU reference, or a Vulkan device.
public protocol Backend: Sendable {
  /// For people and reports: `"cpu"`, `"NVIDIA H200 (driver 570.86)"`.
  var name: String { get }
  /// Whether its device is lost: all that its sessions do fails from then on.
  var isLost: Bool { get }
  /// A fresh session: states are shared by name, weights by name and layout. A backend without a device's memory to
  /// save may leave `options` aside.
  func makeSession(weights: any WeightSource, options: SessionOptions) throws -> any Session
  /// What a session with `options` would make of a graph, in numbers; nil from a backend that has no device's memory to
  /// save.
  func summary(of graph: Graph, options: SessionOptions) throws -> PlanSummary?
  /// The same backend, whose sessions tell `recorder` what they spend time on. One that cannot tell is returned as it
  /// is. Results stay the same; a device may be slower while every command is timed.
  func profiled(by recorder: ProfileRecorder) -> any Backend
}

extension Backend {
  /// A fresh session whose weights are uploaded once and stay on the device.
  public func makeSession(weights: any WeightSource) throws -> any Session {
    try makeSession(weights: weights, options: SessionOptions())
  }

  public func summary(of graph: Graph, options: SessionOptions) throws -> PlanSummary? { nil }

  public func profiled(by recorder: ProfileRecorder) -> any Backend { self }
}

extension Backend {
  /// A backend without a device cannot lose it.
  public var isLost: Bool { false }
}

/// One set of weights and states on a backend, and the graphs compiled against them. Used from one task at a time.
public protocol Session: AnyObject {
  /// Plans a graph. Weights that earlier graphs of the session use are not uploaded again.
  func compile(_ graph: Graph) throws -> any Executable
  /// Replaces a state's contents. The state exists once a graph that names it has been compiled.
  func setState(_ name: String, to tensor: Tensor) throws
  /// A copy of a state's contents.
  func state(_ name: String) throws -> Tensor
  /// Sets every state to zero.
  func resetStates() throws
  /// Forgets a state, if there is one of this name: a graph compiled later may use the name for another type. Graphs
  /// compiled before that read or update the state must not run again.
  func removeState(_ name: String)
  /// Largest number of bytes that the session has held on the device at once (0 where it does not count).
  var peakDeviceBytes: Int { get }
  /// Seconds from the session's beginning until its first graph was handed to the device, weights loaded and kernels
  /// compiled; nil before that, and where nobody counts.
  var secondsToFirstDispatch: Double? { get }
  /// Hears during a run, between two submissions to the device, how many of how many are done. What it throws ends the
  /// run. Backends that run a graph in one piece say nothing.
  var onProgress: ((_ done: Int, _ count: Int) throws -> Void)? { get set }
}

extension Session {
  /// Nobody counts.
  public var secondsToFirstDispatch: Double? { nil }

  /// Nobody is told.
  public var onProgress: ((_ done: Int, _ count: Int) throws -> Void)? {
    get { nil }
    set {}
  }
}

/// A compiled graph.
public protocol Executable: AnyObject {
  /// Runs the graph once. Inputs that are not given keep what they were given last.
  /// - Returns: the outputs named in `fetch`.
  func run(_ inputs: [String: Tensor], fetch: [String]) throws -> [String: Tensor]
}

extension Executable {
  /// Runs the graph and fetches one output.
  public func run(_ inputs: [String: Tensor], output: String) throws -> Tensor {
    try run(inputs, fetch: [output])[output]!
  }
}

/// A run that cannot be carried out as asked: a mistake of the calling code.
public enum BackendError: Error, Sendable, CustomStringConvertible {
  /// An input was never given.
  case missingInput(String)
  /// The graph has no such input, output or state.
  case unknownName(String)
  /// A tensor has another type than the graph declares.
  case mismatch(name: String, expected: TensorType, found: TensorType)

  public var description: String {
    switch self {
    case .missingInput(let name): "input \(name) was never given"
    case .unknownName(let name): "the graph has nothing named \(name)"
    case .mismatch(let name, let expected, let found): "\(name) is \(found), expected \(expected)"
    }
  }
}
