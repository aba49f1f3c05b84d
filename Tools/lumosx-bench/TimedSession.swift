import LumosGraph
import LumosTensor
import LumosVulkan

/// A session that notes how long every run of its graphs takes.
final class TimedSession: Session {
  /// Runs of one graph.
  struct Run {
    /// Floating-point operations of the graph as it was built.
    let flops: Int
    /// Seconds by the device's clock, or by the host's where it has none.
    let seconds: Double
  }

  private let session: any Session
  /// All runs so far, in order.
  private(set) var runs: [Run] = []

  init(_ session: any Session) { self.session = session }

  func compile(_ graph: Graph) throws -> any Executable {
    let executable = try session.compile(graph)
    let flops = graph.flops
    return TimedExecutable(executable) { [weak self] in self?.runs.append(Run(flops: flops, seconds: $0)) }
  }

  func setState(_ name: String, to tensor: Tensor) throws { try session.setState(name, to: tensor) }
  func state(_ name: String) throws -> Tensor { try session.state(name) }
  func resetStates() throws { try session.resetStates() }
  func removeState(_ name: String) { session.removeState(name) }
  var peakDeviceBytes: Int { session.peakDeviceBytes }
  var onProgress: ((_ done: Int, _ count: Int) throws -> Void)? {
    get { session.onProgress }
    set { session.onProgress = newValue }
  }

  private final class TimedExecutable: Executable {
    private let executable: any Executable
    private let note: (Double) -> Void

    init(_ executable: any Executable, note: @escaping (Double) -> Void) {
      self.executable = executable
      self.note = note
    }

    func run(_ inputs: [String: Tensor], fetch: [String]) throws -> [String: Tensor] {
      let start = ContinuousClock.now
      let results = try executable.run(inputs, fetch: fetch)
      let host = start.duration(to: .now) / .seconds(1)
      note((executable as? VulkanExecutable)?.lastTiming?.seconds ?? host)
      return results
    }
  }
}

/// Weights of a network that nobody has trained: random numbers of the size that keeps activations near one.
struct RandomWeights: WeightSource {
  /// Shapes by name; see `ExpectedTensors`.
  let shapes: [String: Shape]
  /// Element type of all.
  let dtype: DType

  func type(ofWeight name: String) -> TensorType? { shapes[name].map { TensorType($0, dtype) } }

  /// - Throws: `LumosError(.internalDefect)` for a name that the network does not have.
  func weight(_ name: String) throws -> Tensor {
    guard let shape = shapes[name] else { throw LumosError(.internalDefect, "no such weight", at: name) }
    // Gains and biases are small beside the sums of the layers.
    let inputs = shape.rank > 1 ? max(shape.rowCount, 1) : 1
    let block = Patterns.normal(dtype, inputs > 1 ? 1 / Float(inputs).squareRoot() : 0.5)
    return try Tensor(shape, dtype) { (target: UnsafeMutableRawBufferPointer) throws in
      block.withUnsafeBytes { source in
        var filled = 0
        while filled < target.count {
          let count = min(source.count, target.count - filled)
          UnsafeMutableRawBufferPointer(rebasing: target[filled..<filled + count])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<count]))
          filled += count
        }
      }
    }
  }
}
